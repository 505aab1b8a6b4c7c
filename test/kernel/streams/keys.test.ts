import { describe, expect, it } from 'vitest';
import { murmur2, partitionOf } from '../../../src/kernel/streams/keys.ts';

describe('the hash of keys', () => {
  it('is that of the default partitioner of Kafka', () => {
    // Vectors of Kafka's own tests.
    const known: readonly (readonly [string, number])[] = [
      ['21', -973932308],
      ['foobar', -790332482],
      ['a-little-bit-long-string', -985981536],
      ['a-little-bit-longer-string', -1486304829],
      ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
      ['abc', 479470107],
    ];
    for (const [text, hash] of known) expect(murmur2(Buffer.from(text))).toBe(hash);
  });

  it('spreads keys over all partitions, and one partition takes everything', () => {
    const counts = new Array<number>(8).fill(0);
    for (let i = 0; i < 8000; i++) {
      const number = partitionOf(Buffer.from(`sensors/${i}`), 8);
      counts[number] = (counts[number] ?? 0) + 1;
    }
    expect(partitionOf(Buffer.from('any'), 1)).toBe(0);
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(200);
  });
});
