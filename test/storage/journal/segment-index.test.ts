import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  createIndexBuilder,
  footerSegment,
  indexOfFooter,
  STRIDE_BYTES,
} from '../../../src/storage/journal/segment-index.ts';

const frames = fc.array(
  fc.record({ logId: fc.integer({ min: 1, max: 6 }), gap: fc.integer({ min: 1, max: STRIDE_BYTES }) }),
  { maxLength: 60 },
);

it('finds for each log the stretch with its next frame, while it is built and as a footer', () => {
  fc.assert(
    fc.property(frames, fc.integer({ min: 1, max: 7 }), fc.nat(3_000_000), (list, logId, from) => {
      const builder = createIndexBuilder();
      const mine: { block: number; frame: number }[] = [];
      let block = 1000;
      for (const each of list) {
        block += each.gap;
        builder.add(each.logId, block, block + 44);
        if (each.logId === logId) mine.push({ block, frame: block + 44 });
      }
      const footer = builder.encode(1000);
      expect(footerSegment(footer)).toBe(1000);
      const wanted = mine.find(({ frame }) => frame >= from);
      for (const index of [builder, indexOfFooter(footer)]) {
        const found = index.find(logId, from);
        expect(found === undefined).toBe(wanted === undefined);
        if (found !== undefined && wanted !== undefined) {
          expect(found.start).toBeLessThanOrEqual(wanted.block);
          expect(found.start + STRIDE_BYTES).toBeGreaterThan(wanted.block);
          expect(found.last).toBeGreaterThanOrEqual(wanted.frame);
        }
        expect(new Map(index.logs()).get(logId)).toBe(mine.at(-1)?.frame);
      }
    }),
  );
});

it('takes no other bytes for a footer', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 11 }), (bytes) => {
      expect(footerSegment(bytes)).toBe(-1);
    }),
  );
  expect(footerSegment(createIndexBuilder().encode(5).subarray(0, 11))).toBe(-1);
  expect(footerSegment(new Uint8Array(13))).toBe(-1);
});
