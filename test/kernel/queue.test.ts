import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deliveryBytes, type QueuedDelivery } from '../../src/kernel/delivery.ts';
import { DeliveryQueue, type QueueLimits } from '../../src/kernel/queue.ts';

const EMPTY = new Uint8Array(0);
let serial = 0;

function delivery(qos: 0 | 1 | 2, payloadBytes = 1, expiresAtMs = 0): QueuedDelivery {
  const topic = new TextEncoder().encode(String(serial++ % 10));
  const payload = new Uint8Array(payloadBytes);
  return {
    message: { topic, payload, properties: EMPTY, qos, retain: false, expiresAtMs, publisher: 1 },
    qos,
    retain: false,
    subscriptionIds: EMPTY,
  };
}

function queue(maxMessages: number, overflow: QueueLimits['overflow'], maxBytes = 1_000_000): DeliveryQueue {
  return new DeliveryQueue({ maxMessages, maxBytes, overflow });
}

describe('delivery queue', () => {
  it('is first in, first out, with redelivery put back in front', () => {
    const q = queue(10, 'drop-oldest');
    const [a, b, c] = [delivery(1), delivery(2), delivery(1)];
    for (const d of [a, b, c]) expect(q.push(d)).toEqual([]);
    expect(q.peek(0)).toBe(a);
    expect(q.take(0)).toBe(a);
    expect(q.take(0)).toBe(b);
    q.unshift(b);
    q.unshift(a);
    expect([...q]).toEqual([a, b, c]);
    expect([q.take(0), q.take(0), q.take(0), q.take(0)]).toEqual([a, b, c, undefined]);
    expect(q.bytes).toBe(0);
  });

  it('gives up the oldest QoS 0 before any QoS 1 or 2', () => {
    const q = queue(3, 'drop-newest');
    const [a, b, c, d, e] = [delivery(1), delivery(0), delivery(0), delivery(2), delivery(1)];
    for (const x of [a, b, c]) q.push(x);
    expect(q.push(d)).toEqual([b]);
    expect(q.push(e)).toEqual([c]);
    expect([...q]).toEqual([a, d, e]);
  });

  it('never displaces QoS 1 or 2 by QoS 0', () => {
    const q = queue(2, 'drop-oldest');
    const [a, b, c] = [delivery(1), delivery(1), delivery(0)];
    q.push(a);
    q.push(b);
    expect(q.push(c)).toEqual([c]);
    expect([...q]).toEqual([a, b]);
  });

  it('refuses the newest or gives up the oldest, as the policy says', () => {
    const [a, b, c] = [delivery(1), delivery(1), delivery(1)];
    const newest = queue(2, 'drop-newest');
    for (const d of [a, b]) newest.push(d);
    expect(newest.push(c)).toEqual([c]);
    const oldest = queue(2, 'drop-oldest');
    for (const d of [a, b]) oldest.push(d);
    expect(oldest.push(c)).toEqual([a]);
    expect([...oldest]).toEqual([b, c]);
  });

  it('keeps waiting QoS 0 when dropping it would not make room for the refused one', () => {
    const q = queue(10, 'drop-newest', 100);
    const [a, b, big] = [delivery(1, 60), delivery(0, 10), delivery(1, 80)];
    q.push(a);
    q.push(b);
    expect(q.push(big)).toEqual([big]);
    expect([...q]).toEqual([a, b]);
  });

  it('refuses what is larger than the whole queue without dropping anything', () => {
    const q = queue(10, 'drop-oldest', 100);
    const [a, huge] = [delivery(1), delivery(2, 200)];
    q.push(a);
    expect(q.push(huge)).toEqual([huge]);
    expect([...q]).toEqual([a]);
  });

  it('holds nothing when its bound is zero', () => {
    const q = queue(0, 'drop-oldest');
    const a = delivery(1);
    expect(q.push(a)).toEqual([a]);
    expect(q.length).toBe(0);
  });

  it('skips and reports what has expired', () => {
    const expired: QueuedDelivery[] = [];
    const q = new DeliveryQueue({ maxMessages: 9, maxBytes: 999, overflow: 'drop-oldest' }, (d) =>
      expired.push(d),
    );
    const [a, b, c] = [delivery(1, 1, 100), delivery(1, 1, 101), delivery(1)];
    for (const d of [a, b, c]) q.push(d);
    expect(q.peek(99)).toBe(a);
    expect(q.peek(100)).toBe(b);
    expect(q.take(5000)).toBe(c);
    expect(expired).toEqual([a, b]);
    expect(q.length).toBe(0);
  });

  it('takes back what was in flight beyond its bounds, and drops from there at the next push', () => {
    const q = queue(1, 'drop-oldest');
    const [a, b, c] = [delivery(1), delivery(1), delivery(1)];
    q.push(a);
    q.take(0);
    q.push(b);
    q.unshift(a);
    expect(q.length).toBe(2);
    expect(q.push(c)).toEqual([a, b]);
    expect([...q]).toEqual([c]);
  });

  it('does not grow for holes that dropped QoS 0 leaves behind a waiting QoS 1', () => {
    const q = queue(3, 'drop-oldest');
    const first = delivery(1);
    q.push(first);
    for (let i = 0; i < 10_000; i++) q.push(delivery(0));
    expect(q.length).toBe(3);
    expect(q.peek(0)).toBe(first);
    const { ring } = q as unknown as { ring: unknown[] };
    expect(ring.length).toBeLessThanOrEqual(8);
  });
});

/** The same rules on a plain array, as slow and as plain as can be. */
class NaiveQueue {
  items: QueuedDelivery[] = [];
  expired: QueuedDelivery[] = [];
  readonly limits: QueueLimits;
  constructor(limits: QueueLimits) {
    this.limits = limits;
  }
  bytes(items = this.items): number {
    return items.reduce((sum, d) => sum + deliveryBytes(d), 0);
  }
  fits(items: QueuedDelivery[], d: QueuedDelivery): boolean {
    const { maxMessages, maxBytes } = this.limits;
    return items.length < maxMessages && this.bytes(items) + deliveryBytes(d) <= maxBytes;
  }
  push(d: QueuedDelivery): QueuedDelivery[] {
    const dropped: QueuedDelivery[] = [];
    const kept = [...this.items];
    while (!this.fits(kept, d)) {
      if (d.qos === 0 && this.limits.overflow === 'drop-newest') return [d];
      const qos0 = kept.findIndex((x) => x.qos === 0);
      const victim = qos0 >= 0 ? qos0 : d.qos > 0 && this.limits.overflow === 'drop-oldest' ? 0 : -1;
      if (victim < 0 || kept.length === 0) return [d];
      dropped.push(...kept.splice(victim, 1));
    }
    this.items = [...kept, d];
    return dropped;
  }
  peek(nowMs: number): QueuedDelivery | undefined {
    for (;;) {
      const first = this.items[0];
      if (!first || first.message.expiresAtMs === 0 || first.message.expiresAtMs > nowMs) return first;
      this.expired.push(first);
      this.items.shift();
    }
  }
  take(nowMs: number): QueuedDelivery | undefined {
    this.peek(nowMs);
    return this.items.shift();
  }
}

describe('delivery queue against a naive model', () => {
  const qos = fc.constantFrom(0 as const, 0 as const, 1 as const, 2 as const);
  const step = fc.oneof(
    {
      weight: 60,
      arbitrary: fc.record({ op: fc.constant('push' as const), qos, size: fc.nat(40), ttl: fc.nat(30) }),
    },
    { weight: 30, arbitrary: fc.record({ op: fc.constant('take' as const) }) },
    { weight: 10, arbitrary: fc.record({ op: fc.constant('peek' as const) }) },
    { weight: 20, arbitrary: fc.record({ op: fc.constant('unshift' as const), qos, size: fc.nat(40) }) },
    { weight: 10, arbitrary: fc.record({ op: fc.constant('wait' as const), ms: fc.nat(10) }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('clear' as const) }) },
  );
  const limits = fc.record({
    maxMessages: fc.integer({ min: 0, max: 20 }),
    maxBytes: fc.integer({ min: 0, max: 500 }),
    overflow: fc.constantFrom('drop-oldest' as const, 'drop-newest' as const),
  });

  it('keeps, drops, skips and orders exactly the same', () => {
    fc.assert(
      fc.property(limits, fc.array(step, { maxLength: 200, size: 'max' }), (bounds, steps) => {
        const expired: QueuedDelivery[] = [];
        const real = new DeliveryQueue(bounds, (d) => expired.push(d));
        const model = new NaiveQueue(bounds);
        let nowMs = 1;
        for (const s of steps) {
          if (s.op === 'push') {
            const d = delivery(s.qos, s.size, s.ttl > 20 ? 0 : nowMs + s.ttl);
            expect(real.push(d)).toEqual(model.push(d));
          } else if (s.op === 'unshift') {
            const d = delivery(s.qos, s.size);
            real.unshift(d);
            model.items.unshift(d);
          } else if (s.op === 'take') expect(real.take(nowMs)).toBe(model.take(nowMs));
          else if (s.op === 'peek') expect(real.peek(nowMs)).toBe(model.peek(nowMs));
          else if (s.op === 'wait') nowMs += s.ms;
          else {
            real.clear();
            model.items = [];
          }
          expect(real.length).toBe(model.items.length);
          expect(real.bytes).toBe(model.bytes());
        }
        expect([...real]).toEqual(model.items);
        expect(expired).toEqual(model.expired);
      }),
      { numRuns: 300 },
    );
  });
});
