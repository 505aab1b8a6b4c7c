import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter } from '../../../src/kernel/binary.ts';
import { createReferencePools, type ReferencePools } from '../../../src/kernel/reference-queue/chunk-pool.ts';
import { decodeReferenceQueue, ReferenceQueue } from '../../../src/kernel/reference-queue/reference-queue.ts';

/** The same, naively. */
class Model {
  readonly waiting = new Map<number, { slot: number; options: number }>();
  end: number;
  constructor(first: number) {
    this.end = first;
  }
  get floor(): number {
    return this.nextFrom(0);
  }
  nextFrom(seq: number): number {
    for (const each of this.waiting.keys()) if (each >= seq) return each;
    return this.end;
  }
}

function expectSame(queue: ReferenceQueue, model: Model): void {
  expect([queue.floor, queue.end, queue.length]).toEqual([model.floor, model.end, model.waiting.size]);
  const seen: number[] = [];
  for (let seq = queue.floor; seq < queue.end; seq = queue.nextFrom(seq + 1)) seen.push(seq);
  expect(seen).toEqual([...model.waiting.keys()]);
  for (const [seq, { slot, options }] of model.waiting) {
    expect([queue.isSettled(seq), queue.slotAt(seq), queue.optionsAt(seq)]).toEqual([false, slot, options]);
  }
}

const encoded = (queue: ReferenceQueue, idOf: (slot: number) => number): Uint8Array => {
  const to = new ByteWriter();
  queue.encode(to, idOf);
  return to.finish();
};

const bytesOf = ({ small, medium, large }: ReferencePools): number =>
  small.bytes + medium.bytes + large.bytes;

/** `differEach`: from how many deliveries to the next that has other options; 0 for never. */
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      push: fc.integer({ min: 1, max: 150 }),
      differEach: fc.constantFrom(0, 0, 1, 3, 70),
      options: fc.constantFrom(0, 1, 2 ** 32 - 1),
    }),
  },
  { weight: 4, arbitrary: fc.record({ settleFront: fc.integer({ min: 1, max: 150 }) }) },
  { weight: 3, arbitrary: fc.record({ settleAt: fc.array(fc.double({ min: 0, max: 1, noNaN: true })) }) },
  { weight: 2, arbitrary: fc.record({ settleBehind: fc.integer({ min: 1, max: 300 }) }) },
  { weight: 1, arbitrary: fc.record({ advance: fc.integer({ min: -3, max: 150 }) }) },
  { weight: 1, arbitrary: fc.constant({ clear: true } as const) },
);

describe('ReferenceQueue', () => {
  it('numbers, finds and settles as a plain map does, and gives its memory back', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 40 }),
        fc.constantFrom(1, 2 ** 31 - 40, 2 ** 40),
        (steps, first) => {
          const pools = createReferencePools();
          const queue = new ReferenceQueue(pools, first);
          const model = new Model(first);
          let value = 0;
          const settle = (seq: number) => expect(queue.settle(seq)).toBe(model.waiting.delete(seq));
          for (const each of steps) {
            if ('push' in each) {
              for (let i = 0; i < each.push; i++) {
                const slot = value % 3 === 0 ? 2 ** 32 - 2 - value : value;
                const differs = each.differEach > 0 && i % each.differEach === each.differEach - 1;
                const options = differs ? value : each.options;
                value++;
                expect(queue.push(slot, options)).toBe(model.end);
                model.waiting.set(model.end++, { slot, options });
              }
            } else if ('settleFront' in each) {
              for (let i = 0; i < each.settleFront; i++) settle(model.floor);
            } else if ('settleAt' in each) {
              for (const at of each.settleAt)
                settle(queue.floor + Math.floor(at * (queue.end - queue.floor)));
            } else if ('settleBehind' in each) {
              for (let i = 1; i <= each.settleBehind; i++) settle(queue.floor + i);
            } else if ('advance' in each) {
              const seq = model.end + each.advance;
              expect(queue.advanceTo(seq)).toBe(each.advance >= 0);
              model.end = Math.max(model.end, seq);
            } else {
              queue.clear();
              model.waiting.clear();
            }
            expectSame(queue, model);
          }
          expect(queue.settle(model.end)).toBe(false);
          expect(queue.isSettled(model.end)).toBe(false);
          expect(queue.slotAt(model.end)).toBe(-1);

          const bytes = encoded(queue, (slot) => slot * 7);
          const from = new ByteReader(bytes);
          const copy = decodeReferenceQueue(from, pools, (id) => id / 7);
          expect(from.isComplete).toBe(true);
          expectSame(copy, model);

          copy.clear();
          queue.clear();
          expect(bytesOf(pools)).toBeLessThan(700_000);
        },
      ),
      { numRuns: 50 },
    );
  }, 60_000);

  it('keeps what lies in the pools of other queues apart', () => {
    const pools = createReferencePools();
    const queues = Array.from({ length: 300 }, () => new ReferenceQueue(pools));
    for (let round = 0; round < 100; round++) {
      queues.forEach((queue, i) => {
        queue.push(i * 1000 + round, i);
        if (i % 3 === 0 && round % 2 === 0) queue.settle(queue.floor);
      });
    }
    const wrong: number[][] = [];
    queues.forEach((queue, i) => {
      for (let seq = queue.floor; seq < queue.end; seq = queue.nextFrom(seq + 1)) {
        if (queue.slotAt(seq) !== i * 1000 + seq - 1 || queue.optionsAt(seq) !== i) wrong.push([i, seq]);
      }
    });
    expect(wrong).toEqual([]);
  });

  it('costs a small chunk when it is short, 4 bytes for each delivery when it is long, and nothing when it is empty', () => {
    const pools = createReferencePools();
    const short = Array.from({ length: 100_000 }, () => new ReferenceQueue(pools));
    for (const queue of short) for (let i = 0; i < 4; i++) queue.push(i, 0);
    expect(pools.small.bytes / short.length).toBeLessThan(40);
    expect(pools.large.bytes + pools.medium.bytes).toBe(0);
    for (const queue of short) queue.clear();
    expect(pools.small.bytes).toBeLessThan(300_000);

    const long = new ReferenceQueue(pools);
    for (let i = 0; i < 1_000_000; i++) long.push(i, 0);
    expect(pools.large.bytes).toBeLessThan(4.5 * 1_000_000);
    for (let seq = 2; seq < 1_000_000; seq++) long.settle(seq);
    expect(pools.large.bytes).toBeLessThan(1_000_000);
    expect(long.nextFrom(2)).toBe(1_000_000);
    long.settle(1);
    long.settle(1_000_000);
    expect(long.floor).toBe(1_000_001);
  });

  it.each([
    [1000, 'the same options', 4.5, () => 1],
    [1000, 'options that differ', 8.5, (n: number) => n % 3],
    [100, 'options that change once in a long while', 5.1, (n: number) => Math.floor(n / 2000)],
  ])(
    'costs in %d queues of 5,000 deliveries with %s at most %d bytes each',
    (count, _, maxBytes, optionsOf) => {
      const pools = createReferencePools();
      const queues = Array.from({ length: count }, () => new ReferenceQueue(pools));
      for (let n = 0; n < 5000; n++) for (const queue of queues) queue.push(n, optionsOf(n));
      expect(bytesOf(pools) / (count * 5000)).toBeLessThanOrEqual(maxBytes);
      const wrong: number[] = [];
      for (let seq = 1; seq <= 5000; seq++) {
        if (queues[7]?.optionsAt(seq) !== optionsOf(seq - 1)) wrong.push(seq);
      }
      expect(wrong).toEqual([]);
      for (const queue of queues) queue.clear();
      expect(bytesOf(pools)).toBeLessThan(700_000);
    },
  );

  it('gives the options of a chunk back with it when all of the chunk is settled', () => {
    const pools = createReferencePools();
    const queue = new ReferenceQueue(pools);
    for (let n = 0; n < 100_000; n++) queue.push(n, n);
    for (let seq = 2; seq <= 99_999; seq++) queue.settle(seq);
    expect(bytesOf(pools)).toBeLessThan(700_000);
    expect([queue.optionsAt(1), queue.optionsAt(2), queue.optionsAt(100_000)]).toEqual([0, 0, 99_999]);
  });

  it('keeps one word of options for a chunk in which only what is settled had others', () => {
    const pools = createReferencePools();
    const queue = new ReferenceQueue(pools);
    for (let round = 0; round < 20_000; round++) {
      queue.push(round, 7);
      queue.advanceTo(queue.end + 3);
    }
    const bytes = encoded(queue, (slot) => slot);
    const copies = createReferencePools();
    const copy = decodeReferenceQueue(new ByteReader(bytes), copies, (id) => (id % 2 === 0 ? id : -1));
    expect([queue.length, copy.length]).toEqual([20_000, 10_000]);
    expect([pools.large.bytes / 80_000 < 5.5, copies.large.bytes / 80_000 < 5.5]).toEqual([true, true]);
  });

  it('is encoded in a byte or two for each delivery that waits in order', () => {
    const queue = new ReferenceQueue(createReferencePools());
    for (let i = 0; i < 10_000; i++) queue.push(i * 3, 1);
    expect(encoded(queue, (slot) => slot + 2 ** 47).length).toBeLessThan(10_020);
  });

  it('settles what has no message any more when it is decoded', () => {
    const pools = createReferencePools();
    const queue = new ReferenceQueue(pools);
    for (let i = 0; i < 100; i++) queue.push(i, i);
    const bytes = encoded(queue, (slot) => slot);
    const copy = decodeReferenceQueue(new ByteReader(bytes), pools, (id) =>
      id < 10 || id === 50 || id > 90 ? -1 : id,
    );
    expect([copy.floor, copy.end, copy.length]).toEqual([11, 101, 80]);
    expect(copy.isSettled(51)).toBe(true);
  });

  it('reads any bytes to an end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        decodeReferenceQueue(new ByteReader(bytes), createReferencePools(), (id) => id % 1000);
      }),
    );
  });
});
