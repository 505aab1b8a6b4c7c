import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeQueueEntry,
  encodeQueueEntry,
  type QueueEntry,
} from '../../../src/kernel/log-queue/entries.ts';
import type { Outcome, Verdict } from '../../../src/kernel/log-queue/operations.ts';
import { type QueuePolicy, queuePolicy } from '../../../src/kernel/log-queue/policy.ts';
import { LogQueue } from '../../../src/kernel/log-queue/queue.ts';
import { NaiveQueue } from './naive-queue.ts';

const keyOf = (position: number): number => (position * 7) % 3;
const HOLDERS = ['anna', 'bert', 'carl'];
const LONG = process.env.ROBUSTMQ_LONG_TESTS === '1';
const RUNS = LONG ? 20_000 : 250;

type Step =
  | { readonly op: 'enqueue'; readonly count: number; readonly bands: readonly number[] }
  | {
      readonly op: 'acquire';
      readonly who: number;
      readonly max: number;
      readonly skip: number;
      readonly stop: number;
      readonly expired: number;
    }
  | {
      readonly op: 'settle';
      readonly who: number;
      readonly picks: readonly number[];
      readonly outcome: Outcome;
    }
  | { readonly op: 'extend'; readonly who: number; readonly picks: readonly number[] }
  | { readonly op: 'releaseAll'; readonly who: number; readonly failed: boolean }
  | { readonly op: 'pass'; readonly ms: number }
  | { readonly op: 'discard'; readonly pick: number }
  | { readonly op: 'skip'; readonly from: number; readonly count: number }
  | { readonly op: 'seek'; readonly position: number }
  | { readonly op: 'purge' | 'restart' };

const who = fc.nat(HOLDERS.length - 1);
const picks = fc.array(fc.nat(30), { maxLength: 6 });
const outcome: fc.Arbitrary<Outcome> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Outcome>({ kind: 'accept' }) },
  fc.constant<Outcome>({ kind: 'release' }),
  fc.constant<Outcome>({ kind: 'reject' }),
  fc.record({
    kind: fc.constant('modify' as const),
    failed: fc.boolean(),
    readyAtMs: fc.constantFrom(0, 40, 90),
  }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant('enqueue' as const),
      count: fc.integer({ min: 1, max: 12 }),
      bands: fc.array(fc.nat(15), { minLength: 12, maxLength: 12 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constant('acquire' as const),
      who,
      max: fc.integer({ min: 1, max: 8 }),
      skip: fc.nat(8),
      stop: fc.nat(60),
      expired: fc.nat(20),
    }),
  },
  { weight: 8, arbitrary: fc.record({ op: fc.constant('settle' as const), who, picks, outcome }) },
  fc.record({ op: fc.constant('extend' as const), who, picks }),
  fc.record({ op: fc.constant('releaseAll' as const), who, failed: fc.boolean() }),
  { weight: 3, arbitrary: fc.record({ op: fc.constant('pass' as const), ms: fc.constantFrom(5, 30, 60) }) },
  fc.record({ op: fc.constant('discard' as const), pick: fc.nat(30) }),
  fc.record({ op: fc.constant('skip' as const), from: fc.nat(40), count: fc.integer({ min: 1, max: 12 }) }),
  fc.record({ op: fc.constant('seek' as const), position: fc.nat(60) }),
  fc.record({ op: fc.constantFrom('restart' as const, 'restart' as const, 'purge' as const) }),
);

const policies: fc.Arbitrary<Partial<QueuePolicy>> = fc
  .record({
    order: fc.constantFrom('none' as const, 'per-key' as const, 'strict' as const),
    bands: fc.constantFrom(1, 3),
    defaultBand: fc.nat(2),
    maxInFlight: fc.constantFrom(4, 20, 1000),
    maxInFlightPerHolder: fc.constantFrom(3, 1000),
    deliveryLimit: fc.constantFrom(0, 2),
    maxWaiting: fc.constantFrom(6, 1_000_000),
    overflow: fc.constantFrom('reject' as const, 'drop-head' as const),
    references: fc.boolean(),
  })
  .map((policy) =>
    policy.order === 'none' && policy.bands > 1 ? policy : { ...policy, bands: 1, defaultBand: 0 },
  );

const byPosition = (a: { position: number }, b: { position: number }): number => a.position - b.position;

/** Everything that can be seen of a queue. */
const seen = (queue: LogQueue): unknown => {
  const { floor, end, waiting, leased } = queue.stats;
  return {
    floor,
    end,
    waiting,
    leased,
    peek: queue.peek(1000),
    leases: [...queue.leases()].sort(byPosition),
  };
};

function run(given: Partial<QueuePolicy>, steps: readonly Step[]): void {
  const policy = queuePolicy(given);
  const naive = new NaiveQueue(policy, keyOf);
  let queue = new LogQueue(policy);
  const replica = new LogQueue(policy);
  let nowMs = 1000;

  const journal = (entries: readonly QueueEntry[]): void => {
    for (const entry of entries) {
      const read = decodeQueueEntry(encodeQueueEntry(entry));
      expect(read).toEqual(entry);
      if (read !== undefined) replica.apply(read);
    }
  };
  const release = (positions: readonly number[], failed: boolean, readyAtMs: number): number[] =>
    positions.filter((position) => naive.release(naive.messages[position], failed, readyAtMs) !== undefined);
  const heldPicks = (holder: string, indexes: readonly number[]): number[] => {
    const held = naive.heldBy(holder);
    if (held.length === 0) return [];
    return [...new Set(indexes.map((index) => held[index % held.length].position))].sort((a, b) => a - b);
  };
  const discardedOf = (result: { discarded: readonly { position: number }[] }): number[] =>
    result.discarded.map(({ position }) => position);

  for (const each of steps) {
    switch (each.op) {
      case 'enqueue': {
        const bands =
          policy.bands > 1 ? each.bands.slice(0, each.count).map((band) => band % policy.bands) : undefined;
        const first = naive.messages.length;
        const references = policy.references
          ? Array.from({ length: each.count }, (_, i) => ({
              log: (first + i) % 5,
              offset: (first + i) * 2 ** 20,
            }))
          : undefined;
        const result = queue.enqueue(each.count, references, bands);
        journal(result.entries);
        const { accepted, dropped } = naive.enqueue(each.count, bands);
        expect({ accepted: result.accepted, dropped: discardedOf(result) }).toEqual({ accepted, dropped });
        break;
      }
      case 'acquire': {
        const inspect = (position: number): Verdict => {
          if (each.stop > 20 && position >= each.stop) return 'stop';
          if (each.expired > 0 && position % 20 === each.expired) return 'expired';
          return each.skip > 4 && position % each.skip === 1 ? 'skip' : 'take';
        };
        const holder = HOLDERS[each.who];
        const result = queue.acquire({ holder, max: each.max, nowMs, leaseMs: 50, inspect, keyOf });
        journal(result.entries);
        const { taken, expired } = naive.acquire(holder, each.max, nowMs + 50, inspect);
        expect(result.positions).toEqual(taken);
        expect(discardedOf(result)).toEqual(expired);
        expect(result.deliveries).toEqual(taken.map((position) => naive.messages[position].deliveries));
        if (policy.references) {
          for (const at of taken)
            expect(queue.referenceAt(at)).toEqual({ log: at % 5, offset: at * 2 ** 20 });
        }
        break;
      }
      case 'settle': {
        const holder = HOLDERS[each.who];
        const positions = heldPicks(holder, each.picks);
        const { outcome } = each;
        const at = outcome.kind === 'modify' && outcome.readyAtMs > 0 ? nowMs + outcome.readyAtMs : 0;
        const timed = outcome.kind === 'modify' ? { ...outcome, readyAtMs: at } : outcome;
        const result = queue.settle(holder, [...positions, 10_000], timed);
        journal(result.entries);
        expect(result.missing).toEqual([10_000]);
        let dead: number[] = [];
        if (outcome.kind === 'release') release(positions, false, 0);
        else if (outcome.kind === 'modify') dead = release(positions, outcome.failed, at);
        else {
          for (const position of positions) naive.messages[position].state = 'settled';
          if (outcome.kind === 'reject') dead = positions;
        }
        expect(discardedOf(result)).toEqual(dead);
        break;
      }
      case 'extend': {
        const positions = heldPicks(HOLDERS[each.who], each.picks);
        journal(queue.extend(HOLDERS[each.who], positions, 70, nowMs).entries);
        for (const position of positions) naive.messages[position].expiresAtMs = nowMs + 70;
        break;
      }
      case 'releaseAll': {
        const positions = naive.heldBy(HOLDERS[each.who]).map(({ position }) => position);
        const result = queue.releaseAll(HOLDERS[each.who], each.failed);
        journal(result.entries);
        expect(discardedOf(result)).toEqual(release(positions, each.failed, 0));
        break;
      }
      case 'pass': {
        nowMs += each.ms;
        const due = naive.out.filter(({ expiresAtMs }) => expiresAtMs <= nowMs);
        const result = queue.expire(nowMs);
        journal(result.entries);
        const leased = due.filter(({ state }) => state === 'leased').map(({ position }) => position);
        for (const message of due) if (message.state === 'delayed') message.state = 'waiting';
        expect(discardedOf(result)).toEqual(release(leased, true, 0));
        expect(queue.nextExpiryMs()).toBe(Math.min(...naive.out.map(({ expiresAtMs }) => expiresAtMs)));
        break;
      }
      case 'discard': {
        const position = each.pick;
        const message = naive.messages[position];
        const result = queue.discard([position], 'rejected');
        journal(result.entries);
        expect(result.done).toBe(message === undefined || message.state === 'settled' ? 0 : 1);
        if (message !== undefined) message.state = 'settled';
        break;
      }
      case 'skip': {
        journal(queue.skip(each.from, each.from + each.count));
        for (const message of naive.messages.slice(each.from, each.from + each.count)) {
          message.state = 'settled';
        }
        break;
      }
      case 'seek': {
        const entries = queue.seek(each.position);
        journal(entries);
        expect(entries).toHaveLength(naive.seek(each.position) ? 1 : 0);
        break;
      }
      case 'purge':
        journal(queue.purge());
        for (const message of naive.waiting) message.state = 'settled';
        break;
      case 'restart': {
        const restored = LogQueue.restore(policy, queue.snapshot());
        expect(restored).toBeDefined();
        if (restored !== undefined) queue = restored;
        break;
      }
    }
    expect(seen(queue)).toEqual(seen(replica));
    expect(queue.peek(1000)).toEqual(naive.waiting.map(({ position }) => position));
    expect(queue.stats.waiting).toBe(naive.waiting.length);
    const unsettled = naive.messages.find(({ state }) => state !== 'settled');
    expect(queue.stats.floor).toBe(unsettled?.position ?? naive.messages.length);
    expect([...queue.leases()].sort(byPosition)).toEqual(
      naive.out.map(({ position, holder, expiresAtMs, deliveries }) => ({
        position,
        holder,
        expiresAtMs,
        deliveries,
      })),
    );
  }
}

describe('a queue', () => {
  it('does what a naive queue does, and its journal and its snapshots rebuild it', () => {
    fc.assert(fc.property(policies, fc.array(step, { minLength: 5, maxLength: 60 }), run), { numRuns: RUNS });
  });

  it('refuses any bytes that are not its own, and never fails on them', () => {
    const queue = new LogQueue({ references: true });
    queue.enqueue(
      3,
      [1, 2, 3].map((offset) => ({ log: 1, offset })),
    );
    queue.acquire({ holder: 'anna', max: 1, nowMs: 0, leaseMs: 10 });
    const snapshot = queue.snapshot();
    for (let length = 0; length < snapshot.length; length++) {
      expect(LogQueue.restore({ references: true }, snapshot.slice(0, length))).toBeUndefined();
    }
    fc.assert(
      fc.property(fc.nat(snapshot.length - 1), fc.nat(255), (at, byte) => {
        const bent = snapshot.slice();
        bent[at] = byte;
        LogQueue.restore({ references: true }, bent)?.acquire({ holder: 'x', max: 9, nowMs: 0, leaseMs: 1 });
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const entry = decodeQueueEntry(Uint8Array.of(1, ...bytes));
        if (entry !== undefined && (entry.kind !== 'enqueue' || entry.count < 1000)) queue.apply(entry);
        decodeQueueEntry(bytes);
      }),
    );
  });
});
