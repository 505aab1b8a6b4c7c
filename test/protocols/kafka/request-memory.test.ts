import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRequestMemory } from '../../../src/protocols/kafka/request-memory.ts';

const KiB = 1024;

describe('memory of requests', () => {
  it('never gives what somebody has', () => {
    const sizes = fc.oneof(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 1, max: 3_000_000 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(sizes, fc.boolean()), { maxLength: 60 }), (steps) => {
        const memory = createRequestMemory();
        const held: { frame: Buffer; value: number }[] = [];
        steps.forEach(([bytes, isGivenBack], i) => {
          const frame = memory.take(bytes);
          expect(frame.length).toBe(bytes);
          frame[0] = i;
          frame[bytes - 1] = i;
          held.push({ frame, value: i });
          if (isGivenBack) memory.give((held.shift() as { frame: Buffer }).frame);
          for (const { frame: other, value } of held) {
            expect([other[0], other[other.length - 1]]).toEqual([value, value]);
          }
        });
      }),
      { numRuns: 40 },
    );
  });

  it('gives again what it was given, for as much or less', () => {
    const memory = createRequestMemory();
    const frame = memory.take(100 * KiB);
    expect(memory.find(100 * KiB)).toBeUndefined();
    memory.give(frame);
    const again = memory.take(70 * KiB);
    expect(again.buffer).toBe(frame.buffer);
    expect(again.length).toBe(70 * KiB);
    expect(memory.find(70 * KiB)).toBeUndefined();
  });

  it('keeps no more than its bound, and nothing that is shared or of another size', () => {
    const memory = createRequestMemory();
    const frames = Array.from({ length: 20 }, () => memory.take(2 * 1024 * KiB));
    for (const frame of frames) memory.give(frame);
    let kept = 0;
    while (memory.find(2 * 1024 * KiB) !== undefined) kept++;
    expect(kept).toBe(8);
    memory.give(Buffer.from('a slice of what everybody has'));
    memory.give(Buffer.allocUnsafeSlow(100_000));
    memory.give(Buffer.allocUnsafeSlow(64 * KiB).subarray(1));
    expect(memory.find(1)).toBeUndefined();
    expect(memory.find(64 * KiB)).toBeUndefined();
    expect(memory.find(100_000)).toBeUndefined();
  });
});
