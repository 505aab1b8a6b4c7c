import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Cursors, createCursors, encodeCursor } from '../../../src/kernel/crossing/cursors.ts';

const PLACE = { position: 0, offset: 0 };

/** From pages that were written at some time, and the entries from there on. */
function rebuilt(
  pages: readonly (readonly [Uint8Array, Uint8Array])[],
  entries: readonly Uint8Array[],
): Cursors {
  const cursors = createCursors();
  for (const [key, page] of pages) cursors.table.load(key, page, 0);
  for (const entry of entries) cursors.table.apply(entry, PLACE);
  return cursors;
}

function pagesOf({ table }: Cursors, keys: Iterable<Uint8Array>): [Uint8Array, Uint8Array][] {
  return [...keys].flatMap((key) => {
    const page = table.page(key);
    return page === undefined ? [] : [[key, page] as [Uint8Array, Uint8Array]];
  });
}

describe('cursors of crossings', () => {
  it('are the same from entries, and from pages with entries that they have or have not', () => {
    const change = fc.record({
      logId: fc.integer({ min: 1024, max: 1030 }),
      offset: fc.option(
        fc.maxSafeNat().map((offset) => Math.floor(offset / 2)),
        { nil: undefined },
      ),
    });
    fc.assert(
      fc.property(fc.array(change), fc.nat(), fc.nat(), (changes, paged, replayed) => {
        const live = createCursors();
        const entries = changes.map(({ logId, offset }) => encodeCursor(logId, offset));
        const at = Math.min(paged, changes.length);
        for (const { logId, offset } of changes.slice(0, at)) live.set(logId, offset);
        const pages = pagesOf(live, live.table.pageKeys());
        expect(new Set([...live.table.takeDirty(99)].map(String)).size).toBeGreaterThanOrEqual(pages.length);
        for (const { logId, offset } of changes.slice(at)) live.set(logId, offset);
        const wanted = [...live.offsets].sort();
        expect([...rebuilt([], entries).offsets].sort()).toEqual(wanted);
        expect([...rebuilt(pages, entries.slice(Math.min(replayed, at))).offsets].sort()).toEqual(wanted);
        for (const key of live.table.takeDirty(99)) live.table.page(key);
        expect(live.table.takeDirty(99)).toEqual([]);
      }),
    );
  });

  it('of another version, or cut off, are refused', () => {
    const entry = encodeCursor(1024, 5);
    const other = Uint8Array.from(entry);
    other[0] = 9;
    expect(() => rebuilt([], [other])).toThrow('version 9');
    for (let length = 0; length < entry.length; length++) {
      expect(() => rebuilt([], [entry.slice(0, length)])).toThrow();
    }
  });
});
