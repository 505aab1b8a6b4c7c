import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeLatestEntry, encodeLatestEntry, Latest } from '../../src/kernel/latest.ts';

const limits = { maxKeys: 4, maxKeyBytes: 9 };

describe('the latest offset of each key', () => {
  it('is what a naive map says, and its journal and snapshots rebuild it', () => {
    const step = fc.record({
      op: fc.constantFrom('put', 'put', 'delete', 'forget'),
      key: fc.constantFrom('a', 'bb', 'ccc', 'dddd', 'e'),
      offset: fc.nat(60),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const latest = new Latest(limits);
        const replica = new Latest(limits);
        const naive = new Map<string, { offset: number; isDeleted: boolean }>();
        for (const { op, key, offset } of steps) {
          const known = naive.get(key);
          if (op === 'forget') {
            replica.apply(latest.forgetTombstones(offset));
            for (const [each, at] of naive) if (at.isDeleted && at.offset < offset) naive.delete(each);
          } else {
            const bytes = [...naive.keys()].join('').length + (known === undefined ? key.length : 0);
            let expected: string | undefined;
            if (op === 'delete' && (known === undefined || known.isDeleted)) expected = 'unknown';
            else if (known !== undefined && offset <= known.offset) expected = 'stale';
            else if (known === undefined && (naive.size === 4 || bytes > 9)) expected = 'full';
            else naive.set(key, { offset, isDeleted: op === 'delete' });
            const result = op === 'put' ? latest.put(key, offset) : latest.delete(key, offset);
            expect('refused' in result ? result.refused : undefined).toBe(expected);
            if ('entry' in result) {
              const read = decodeLatestEntry(encodeLatestEntry(result.entry));
              expect(read).toEqual(result.entry);
              if (read !== undefined) {
                replica.apply(read);
                replica.apply(read);
              }
            }
          }
          const live = [...naive].filter(([, { isDeleted }]) => !isDeleted);
          expect([...latest.entries()]).toEqual(live.map(([each, at]) => [each, at.offset]));
          for (const [each, at] of naive) expect(latest.isNewest(each, at.offset)).toBe(true);
          expect(latest.stats).toMatchObject({ live: live.length, tombstones: naive.size - live.length });
        }
        expect(replica.snapshot()).toEqual(latest.snapshot());
        const restored = new Latest(limits);
        expect(restored.restore(latest.snapshot())).toBe(true);
        expect(restored.snapshot()).toEqual(latest.snapshot());
      }),
      { numRuns: 200 },
    );
  });

  it('refuses bytes that are cut', () => {
    const latest = new Latest(limits);
    latest.put('a', 300);
    const snapshot = latest.snapshot();
    for (let length = 0; length < snapshot.length; length++) {
      expect(new Latest(limits).restore(snapshot.slice(0, length))).toBe(false);
    }
  });
});
