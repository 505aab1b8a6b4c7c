import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLogKernel } from '../../src/wasm/create-log.ts';
import { naiveCrc32c } from './naive-batch.ts';

const kernel = createLogKernel({ maxBatchBytes: 65_536, memoryLimitBytes: 1 << 20 });

/** Bytes without a pattern that a wrong table could share. */
function noise(length: number): Uint8Array {
  let state = 0x9e37_79b9;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
}

describe('CRC-32C', () => {
  it('gives the values of RFC 3720, appendix B.4, and of the check string', () => {
    const up = Uint8Array.from({ length: 32 }, (_, i) => i);
    expect(kernel.crc32c(new Uint8Array(32))).toBe(0x8a91_36aa);
    expect(kernel.crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8_ab43);
    expect(kernel.crc32c(up)).toBe(0x46dd_794e);
    expect(kernel.crc32c(up.toReversed())).toBe(0x113f_db5c);
    expect(kernel.crc32c(Buffer.from('123456789'))).toBe(0xe306_9283);
    expect(kernel.crc32c(new Uint8Array(0))).toBe(0);
  });

  it('is the same by table and by streams, at every length around their borders', () => {
    const bytes = noise(3 * 4096 + 40);
    for (const border of [0, 256, 4096, 8192, 12_288]) {
      for (let length = Math.max(0, border - 20); length < border + 20; length++) {
        const range = bytes.subarray(7, 7 + length);
        expect(kernel.crc32c(range)).toBe(naiveCrc32c(range));
      }
    }
  });

  it('sees every single bit of a block of streams', () => {
    const bytes = noise(4096);
    const right = kernel.crc32c(bytes);
    const seen = new Set([right]);
    for (let bit = 0; bit < 4096 * 8; bit += 3) {
      const at = bit >> 3;
      bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
      seen.add(kernel.crc32c(bytes));
      bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
    }
    expect(seen.size).toBe(1 + Math.ceil((4096 * 8) / 3));
  });

  it('goes on from a previous checksum, however the bytes are cut', () => {
    const bytes = noise(150_000);
    const whole = naiveCrc32c(bytes);
    expect(kernel.crc32c(bytes)).toBe(whole);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 5 }), (cuts) => {
        const edges = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
        let crc = 0;
        for (let i = 1; i < edges.length; i++)
          crc = kernel.crc32c(bytes.subarray(edges[i - 1], edges[i]), crc);
        expect(crc).toBe(whole);
      }),
      { numRuns: 50 },
    );
  });
});
