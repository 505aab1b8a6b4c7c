import { expect, it } from 'vitest';
import { count, duration, pretty, preview } from '../../../src/browser/page/format.ts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

it('shows text as text, JSON indented and other bytes in hexadecimal', () => {
  expect(pretty(utf8('héllo'))).toBe('héllo');
  expect(pretty(utf8('{"a":[1]}'))).toBe('{\n  "a": [\n    1\n  ]\n}');
  expect(pretty(utf8('{broken'))).toBe('{broken');
  expect(pretty(Uint8Array.of(0xff, 0x00))).toBe('ff 00');
});

it('previews on one line, cut to length', () => {
  expect(preview(utf8('a\n  b'), 10)).toBe('a b');
  expect(preview(utf8('é'.repeat(1000)), 5)).toBe('ééééé…');
});

it('shortens large numbers and durations', () => {
  expect([0, 3.14, 42, 1234, 12_345, 999_499, 4_560_000, Number.NaN].map(count)).toEqual([
    '0',
    '3.1',
    '42',
    '1,234',
    '12.3 k',
    '999 k',
    '4.56 M',
    '–',
  ]);
  expect([5, 65, 3700, 90_000].map(duration)).toEqual(['5 s', '1 min 5 s', '1 h 1 min', '1 d 1 h']);
});
