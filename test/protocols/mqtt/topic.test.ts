import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isShared,
  levelCount,
  parseFilter,
  startsWithDollar,
  topicNameFault,
  validTopicName,
} from '../../../src/protocols/mqtt/topic.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);

/** The grammar once more, on strings and levels. */
function naive(filter: string): { group: string | undefined; filter: string; wildcard: boolean } | undefined {
  let group: string | undefined;
  let inner = filter;
  if (filter.startsWith('$share/')) {
    const match = /^\$share\/([^/+#]+)\/(.+)$/s.exec(filter);
    if (match === null) return undefined;
    group = match[1];
    inner = match[2] ?? '';
  }
  if (inner === '') return undefined;
  const levels = inner.split('/');
  const sound = levels.every((level, i) => {
    if (level === '#') return i === levels.length - 1;
    return level === '+' || !/[+#]/.test(level);
  });
  return sound ? { group, filter: inner, wildcard: /[+#]/.test(inner) } : undefined;
}

describe('parseFilter', () => {
  it('agrees with the grammar on strings', () => {
    const unit = fc.constantFrom('/', '+', '#', 'a', 'b', '$', '€', '\n', '$share/', '/');
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 12 }), fc.boolean(), (tail, shared) => {
        const filter = shared ? `$share/${tail}` : tail;
        const expected = naive(filter);
        const parsed = parseFilter(utf8(filter));
        if ('type' in parsed) {
          expect(expected).toBeUndefined();
          expect(parsed.reasonCode).toBe(0x8f);
        } else {
          expect({ ...parsed, filter: text(parsed.filter) }).toEqual(expected);
        }
      }),
      { numRuns: 3000 },
    );
  });
  it('knows only the exact prefix as shared', () => {
    expect(parseFilter(utf8('$share'))).toMatchObject({ group: undefined });
    expect(parseFilter(utf8('$Share/g/a'))).toMatchObject({ group: undefined });
    expect(parseFilter(utf8('$share/g/$SYS/#'))).toMatchObject({ group: 'g', wildcard: true });
    expect(parseFilter(utf8('$share/g//'))).toMatchObject({ group: 'g', filter: utf8('/') });
    expect(isShared(utf8('$share/'))).toBe(true);
    expect(isShared(utf8('$shar'))).toBe(false);
  });
  it('measures limits on the filter without its group', () => {
    const limits = { maxTopicBytes: 3, maxTopicLevels: 2 };
    expect(parseFilter(utf8('$share/group/a/b'), limits)).toMatchObject({ group: 'group' });
    expect(parseFilter(utf8('a/bc'), limits)).toMatchObject({ type: 'fault' });
    expect(parseFilter(utf8('a//'), limits)).toMatchObject({ type: 'fault' });
  });
});

describe('topic names', () => {
  it('are anything but empty and without wildcards', () => {
    for (const name of ['a', '/', '//', 'a/b', '$SYS/x', ' ', 'é'])
      expect(validTopicName(utf8(name))).toBe(true);
    for (const name of ['', '+', '#', 'a/#', 'a+b'])
      expect(topicNameFault(utf8(name))?.reasonCode).toBe(0x90);
  });
  it('are bounded in bytes and levels', () => {
    expect(validTopicName(utf8('a/b'), { maxTopicBytes: 3, maxTopicLevels: 2 })).toBe(true);
    expect(validTopicName(utf8('a/bc'), { maxTopicBytes: 3, maxTopicLevels: 2 })).toBe(false);
    expect(validTopicName(utf8('//'), { maxTopicBytes: 3, maxTopicLevels: 2 })).toBe(false);
    expect(validTopicName(new Uint8Array(65_536).fill(0x61))).toBe(false);
  });
  it('have one level more than slashes', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('/', 'a', '€'), maxLength: 20 }), (name) => {
        expect(levelCount(utf8(name))).toBe(name.split('/').length);
      }),
    );
  });
  it('start with a dollar or not', () => {
    expect(startsWithDollar(utf8('$SYS'))).toBe(true);
    expect(startsWithDollar(utf8('a$'))).toBe(false);
    expect(startsWithDollar(utf8(''))).toBe(false);
  });
});
