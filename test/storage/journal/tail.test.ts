import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Group } from '../../../src/storage/journal/group.ts';
import { unpooledMemory } from '../../../src/storage/journal/group-memory.ts';
import { createTail } from '../../../src/storage/journal/tail.ts';
import { memoryUse } from '../../support/heap.ts';

const MiB = 1024 * 1024;

function groupOf(bytes: number, position: number): Group {
  const body = { bytes: Buffer.alloc(bytes), large: undefined, position };
  return { views: [body.bytes], sum: 0, body, bodyBytes: bytes, frames: 1, room: unpooledMemory.take(0) };
}

describe('the tail of the journal', () => {
  it('has the newest groups, as many as fit, and finds what is behind a position', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 300 }), (sizes) => {
        const tail = createTail(0, 200);
        const all: { start: number; end: number }[] = [];
        let end = 0;
        for (const size of sizes) {
          tail.push(groupOf(size, end), end, end + size);
          all.push({ start: end, end: end + size });
          end += size;
          const kept = all.filter((_, i) => end - (all[i]?.start ?? 0) <= 200);
          expect(tail.start).toBe(kept[0]?.start ?? end);
          for (let at = tail.start; at <= end; at += 7) {
            const expected = kept.find((each) => each.end > at);
            const found = tail.at(at);
            expect(found && { start: found.start, end: found.end }).toEqual(expected);
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  it('lets go at once of what no longer fits, also where groups are few and large', () => {
    const tail = createTail(0, 4 * MiB);
    const before = memoryUse().heapBytes;
    for (let i = 0; i < 40; i++) tail.push(groupOf(2 * MiB, 2 * MiB * i), 2 * MiB * i, 2 * MiB * (i + 1));
    expect(memoryUse().heapBytes - before).toBeLessThan(8 * MiB);
    expect(tail.start).toBe(38 * 2 * MiB);
  });

  it('is bounded in groups as well: of small ones the objects around them are most of the memory', () => {
    const tail = createTail(0, 16 * MiB);
    const count = 40_000;
    const before = memoryUse().heapBytes;
    for (let i = 0; i < count; i++) tail.push(groupOf(20, 20 * i), 20 * i, 20 * (i + 1));
    expect(tail.start).toBe(20 * (count - 16_384));
    expect(memoryUse().heapBytes - before).toBeLessThan(16 * MiB);
  });
});
