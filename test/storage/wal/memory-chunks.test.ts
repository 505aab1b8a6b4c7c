import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMemoryChunks, type Place } from '../../../src/storage/wal/memory-chunks.ts';

const CHUNK_BYTES = 1000;

type Step =
  | { readonly kind: 'take'; readonly bytes: number }
  | { readonly kind: 'lend' | 'free'; readonly which: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.nat(1600).map((bytes) => ({ kind: 'take' as const, bytes })) },
  { weight: 1, arbitrary: fc.nat().map((which) => ({ kind: 'lend' as const, which })) },
  { weight: 2, arbitrary: fc.nat().map((which) => ({ kind: 'free' as const, which })) },
);

describe('memory of a log in memory', () => {
  it('is never given again while somebody wants it, and is used again when nobody does', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const chunks = createMemoryChunks(CHUNK_BYTES);
        const wanted: { place: Place; value: number; uses: number }[] = [];
        let value = 0;
        let mostUsed = 0;
        for (const each of steps) {
          if (each.kind === 'take') {
            const place = chunks.take(each.bytes);
            expect(place.bytes.byteLength).toBe(each.bytes);
            value = (value + 1) & 255;
            place.bytes.fill(value);
            wanted.push({ place, value, uses: 1 });
          } else if (wanted.length > 0) {
            const index = each.which % wanted.length;
            const one = wanted[index];
            if (one === undefined) continue;
            if (each.kind === 'lend') one.place.lend();
            else if (one.uses % 2 === 0) one.place.giveBack();
            else one.place.free();
            one.uses += each.kind === 'lend' ? 1 : -1;
            if (one.uses === 0) wanted.splice(index, 1);
          }
          for (const { place, value: expected } of wanted) {
            const { chunk, offset, bytes } = place;
            const isOwn = bytes.every((byte) => byte === expected);
            const isThere =
              Buffer.compare(chunk.whole.subarray(offset, offset + bytes.length), place.bytes) === 0;
            if (!isOwn || !isThere) throw new Error(`memory of value ${expected} was given again`);
          }
          const total = [...new Set(wanted.map(({ place }) => place.chunk))].reduce(
            (sum, { whole }) => sum + whole.byteLength,
            0,
          );
          // One more is being filled, perhaps by nothing that is still wanted.
          expect(chunks.usedBytes() - total).toBeGreaterThanOrEqual(0);
          expect(chunks.usedBytes() - total).toBeLessThanOrEqual(CHUNK_BYTES);
          mostUsed = Math.max(mostUsed, chunks.usedBytes());
          expect(chunks.allocatedBytes()).toBeLessThanOrEqual(mostUsed);
        }
      }),
      {
        numRuns: 200,
        // A body with memory of its own, while a chunk is free.
        examples: [
          [
            [
              { kind: 'take', bytes: 177 },
              { kind: 'take', bytes: 339 },
              { kind: 'take', bytes: 485 },
              { kind: 'free', which: 0 },
              { kind: 'free', which: 0 },
              { kind: 'take', bytes: 501 },
            ],
          ],
        ],
      },
    );
  });

  it('costs nothing new while as much comes back as is taken', () => {
    const chunks = createMemoryChunks(CHUNK_BYTES);
    const places: Place[] = [];
    const seen = new Set<ArrayBufferLike>();
    for (let i = 0; i < 2000; i++) {
      const place = chunks.take(300);
      seen.add(place.bytes.buffer);
      places.push(place);
      if (places.length > 30) places.shift()?.free();
    }
    expect(seen.size).toBeLessThan(15);
    expect(chunks.allocatedBytes()).toBe(seen.size * CHUNK_BYTES);
  });
});
