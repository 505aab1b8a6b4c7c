import { describe, expect, it } from 'vitest';
import { Consumers } from '../../../src/kernel/log-queue/consumers.ts';
import { LogQueue } from '../../../src/kernel/log-queue/queue.ts';

const never = Number.POSITIVE_INFINITY;
const take = (queue: LogQueue, max: number, holder = 'anna') =>
  queue.acquire({ holder, max, nowMs: 0, leaseMs: never }).positions;

describe('what a queue costs', () => {
  it('costs no memory per in-order waiting message', () => {
    const queue = new LogQueue({});
    const empty = queue.stats.bytes;
    queue.enqueue(1_000_000_000);
    expect(queue.stats).toMatchObject({ waiting: 1_000_000_000, bytes: empty });
  });

  it('costs at most 8 bytes per message that was released out of order, 16 with a count of failed deliveries', () => {
    const queue = new LogQueue({ maxInFlight: 2 ** 18, maxInFlightPerHolder: 2 ** 18 });
    queue.enqueue(200_000);
    const positions = take(queue, 200_000);
    queue.settle(
      'anna',
      positions.filter((at) => at % 2 === 0),
      { kind: 'accept' },
    );
    const odd = positions.filter((at) => at % 2 === 1);
    queue.settle('anna', odd, { kind: 'modify', failed: true, readyAtMs: 0 });
    const { waiting, bytes } = queue.stats;
    expect(waiting).toBe(100_000);
    expect(bytes / waiting).toBeLessThan(16);
    const counted = new LogQueue({ maxInFlight: 2 ** 18, maxInFlightPerHolder: 2 ** 18 });
    counted.enqueue(200_000);
    take(counted, 200_000);
    counted.settle('anna', positions.slice(1), { kind: 'release' });
    expect(counted.stats.bytes / counted.stats.waiting).toBeLessThan(8);
  });

  it('costs some 50 bytes per lease', () => {
    const queue = new LogQueue({ maxInFlight: 2 ** 17, maxInFlightPerHolder: 2 ** 17 });
    queue.enqueue(2 ** 17);
    const before = queue.stats.bytes;
    queue.acquire({ holder: 'anna', max: 2 ** 17, nowMs: 0, leaseMs: 1000 });
    expect((queue.stats.bytes - before) / 2 ** 17).toBeLessThan(52);
  });

  it('costs some 8 bytes per reference that waits, and gives them back', () => {
    const queue = new LogQueue({ references: true, maxInFlight: 2 ** 20, maxInFlightPerHolder: 2 ** 20 });
    const empty = queue.stats.bytes;
    queue.enqueue(
      100_000,
      Array.from({ length: 100_000 }, (_, offset) => ({ log: 65_535, offset: offset + 2 ** 47 })),
    );
    expect((queue.stats.bytes - empty) / 100_000).toBeLessThan(8.1);
    expect(queue.referenceAt(99_999)).toEqual({ log: 65_535, offset: 99_999 + 2 ** 47 });
    queue.settle('anna', take(queue, 100_000), { kind: 'accept' });
    expect(queue.stats.bytes).toBeLessThan(empty + 200_000);
  });

  it('keeps one message that is stuck from costing more than a bit for each that passes it', () => {
    const queue = new LogQueue({});
    queue.enqueue(1_000_000);
    take(queue, 1, 'stuck');
    for (let i = 1; i < 1_000_000; i += 1000) {
      queue.settle('anna', take(queue, 1000), { kind: 'accept' });
    }
    expect(queue.stats).toMatchObject({ floor: 0, waiting: 0, leased: 1 });
    expect(queue.stats.bytes).toBeLessThan(125_000);
    queue.settle('stuck', [0], { kind: 'accept' });
    expect(queue.stats).toMatchObject({ floor: 1_000_000, leased: 0 });
  });
});

describe('the bounds of a queue', () => {
  it('does not run further ahead of the oldest unsettled message than its span', () => {
    const queue = new LogQueue({ maxSpan: 10 });
    queue.enqueue(100);
    expect(take(queue, 50)).toHaveLength(10);
    queue.settle('anna', [1, 2, 3], { kind: 'accept' });
    expect(take(queue, 50)).toEqual([]);
    queue.settle('anna', [0], { kind: 'accept' });
    expect(take(queue, 50)).toEqual([10, 11, 12, 13]);
  });

  it('looks at a page of messages at a time and goes on behind it', () => {
    const queue = new LogQueue({});
    queue.enqueue(1000);
    const inspect = (at: number) => (at === 777 ? 'take' : 'skip');
    let scanFrom = 0;
    let pages = 0;
    for (let found: readonly number[] = []; found.length === 0; pages++) {
      const result = queue.acquire({
        holder: 'a',
        max: 5,
        nowMs: 0,
        leaseMs: 1,
        inspect,
        maxScan: 100,
        scanFrom,
      });
      found = result.positions;
      scanFrom = result.scannedTo;
      expect(pages).toBeLessThan(9);
    }
    expect(pages).toBe(8);
    expect(queue.stats).toMatchObject({ waiting: 999, leased: 1 });
  });

  it('refuses a policy that cannot be kept', () => {
    expect(() => new LogQueue({ order: 'strict', bands: 2 })).toThrow(RangeError);
    expect(() => new LogQueue({ maxSpan: 2 ** 31 })).toThrow(RangeError);
    expect(() => new LogQueue({ deliveryLimit: -1 })).toThrow(RangeError);
  });
});

describe('positions', () => {
  it('seeks back and forth: everything from there waits again, undelivered', () => {
    const queue = new LogQueue({});
    queue.enqueue(10);
    queue.settle('anna', take(queue, 5), { kind: 'accept' });
    take(queue, 2);
    expect(queue.seek(11)).toEqual([]);
    expect(queue.seek(3)).toEqual([{ kind: 'seek', position: 3 }]);
    expect(queue.acquire({ holder: 'b', max: 2, nowMs: 0, leaseMs: 1 })).toMatchObject({
      positions: [3, 4],
      deliveries: [1, 1],
    });
    queue.seek(9);
    expect(queue.stats).toMatchObject({ floor: 9, waiting: 1, leased: 0 });
    const several = new LogQueue({ references: true });
    several.enqueue(2, [
      { log: 1, offset: 1 },
      { log: 1, offset: 2 },
    ]);
    several.seek(1);
    expect(several.seek(0)).toEqual([]);
  });

  it('takes no settlement of an earlier delivery to the same holder', () => {
    const queue = new LogQueue({});
    queue.enqueue(1);
    queue.acquire({ holder: 'anna', max: 1, nowMs: 0, leaseMs: 10 });
    queue.expire(10);
    queue.acquire({ holder: 'anna', max: 1, nowMs: 10, leaseMs: 10 });
    expect(queue.settle('anna', [0], { kind: 'accept' }, [1])).toMatchObject({ done: 0, missing: [0] });
    expect(queue.settle('anna', [0], { kind: 'accept' }, [2])).toMatchObject({ done: 1, missing: [] });
  });
});

describe('consumers', () => {
  it('serves the highest priority that has credit, in turn among equals', () => {
    const consumers = new Consumers(3);
    expect(consumers.add('low', 0, 10)).toBe(true);
    consumers.add('a', 5, 2);
    consumers.add('b', 5, 1);
    expect(consumers.add('d', 9, 1)).toBe(false);
    const order: string[] = [];
    for (let next = consumers.next(); next !== undefined && order.length < 5; next = consumers.next()) {
      order.push(next.id);
      consumers.served(next.id, 1);
    }
    expect(order).toEqual(['a', 'b', 'a', 'low', 'low']);
    consumers.addCredit('b', 1);
    expect(consumers.next(new Set(['b']))?.id).toBe('low');
    consumers.remove('b');
    expect(consumers.next()?.id).toBe('low');
  });
});
