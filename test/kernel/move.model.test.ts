/**
 * Messages that are moved between queues, to dead letters and back, by a broker that dies between any two entries: each is in
 * exactly one queue, and knows where it was first given up, why, and how often.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodeQueueEntry, encodeQueueEntry, type QueueEntry } from '../../src/kernel/log-queue/entries.ts';
import { LogQueue } from '../../src/kernel/log-queue/queue.ts';
import { decodeMoveEntry, encodeMoveEntry, moveOf, type Provenance } from '../../src/kernel/move.ts';

const NAMES = ['orders', 'dead', 'retry'];
const LEASE_MS = 10;

interface Item {
  readonly message: number;
  readonly provenance: Provenance | undefined;
}

/** Queues over logs of their own, as entries of a journal make them. */
class Broker {
  readonly queues = new Map(NAMES.map((name) => [name, new LogQueue({ deliveryLimit: 2 })]));
  readonly logs = new Map(NAMES.map((name): [string, Item[]] => [name, []]));

  queue(name: string): LogQueue {
    return this.queues.get(name) as LogQueue;
  }

  log(name: string): Item[] {
    return this.logs.get(name) as Item[];
  }

  /** One entry of the journal: of one queue, or a move. */
  apply(entry: Uint8Array): void {
    const [kind, at = 0] = entry;
    const name = NAMES[at] as string;
    const bytes = entry.subarray(2);
    if (kind === 0) {
      const change = decodeQueueEntry(bytes);
      if (change?.kind === 'enqueue')
        this.log(name).push({ message: this.log(name).length, provenance: undefined });
      if (change !== undefined) this.queue(name).apply(change);
      return;
    }
    const move = decodeMoveEntry(bytes);
    if (move === undefined) throw new Error('not a move');
    const { source, target, settled, copies } = move;
    const log = this.log(target);
    for (const { position, provenance } of copies) {
      const item = this.log(source)[position];
      log.push({ message: item?.message ?? -1, provenance });
    }
    for (const change of settled) this.queue(source).apply(change);
    this.queue(target).apply({ kind: 'enqueue', count: copies.length });
  }

  /** Every message that is not settled, with what is known of it. */
  contents(): { message: number; at: string; provenance: Provenance | undefined }[] {
    return NAMES.flatMap((at) => {
      const held = [...this.queue(at).leases()].map(({ position }) => position);
      return [...this.queue(at).peek(1000), ...held].map((position) => ({
        at,
        message: this.log(at)[position]?.message ?? -1,
        provenance: this.log(at)[position]?.provenance,
      }));
    }).sort((a, b) => a.message - b.message);
  }
}

const name = fc.nat(NAMES.length - 1);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ op: fc.constant('publish' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({ op: fc.constant('acquire' as const), name, max: fc.integer({ min: 1, max: 4 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constantFrom('reject' as const, 'expire' as const), name, to: name }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constant('redrive' as const), name, to: name, max: fc.nat(3) }),
  },
);

it('is in one place at any time, with its first reason and origin, whatever entry was the last', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), fc.nat(), (steps, cut) => {
      const live = new Broker();
      const journal: Uint8Array[] = [];
      /** What the model knows: how often each message was moved, and where and why first. */
      const moves = new Map<number, { count: number; origin: string; reason: string }>();
      /** Moves after each entry of the journal. */
      const history: (typeof moves)[] = [];
      let published = 0;
      let nowMs = 0;

      const note = (entry: Uint8Array): void => {
        journal.push(entry);
        history.push(new Map([...moves].map(([message, known]) => [message, { ...known }])));
      };
      const changed = (at: number, entries: readonly QueueEntry[]): void => {
        for (const entry of entries) note(Buffer.concat([Buffer.of(0, at), encodeQueueEntry(entry)]));
      };
      const moved = (at: number, to: number, from: Parameters<typeof moveOf>[3]): void => {
        const source = NAMES[at] as string;
        const target = NAMES[to] as string;
        const log = live.log(source);
        const entry = moveOf(source, target, nowMs, from, (position) => log[position]?.provenance);
        if (entry.settled.length === 0) return;
        for (const { position, provenance } of entry.copies) {
          const message = log[position]?.message ?? -1;
          const reason = from.discarded.find((each) => each.position === position)?.reason ?? '';
          const known = moves.get(message) ?? { count: 0, origin: source, reason };
          moves.set(message, { ...known, count: known.count + 1 });
          live.log(target).push({ message, provenance });
        }
        if (entry.copies.length > 0) live.queue(target).enqueue(entry.copies.length);
        note(Buffer.concat([Buffer.of(1, 0), encodeMoveEntry(entry)]));
      };

      for (const each of steps) {
        nowMs++;
        if (each.op === 'publish') {
          // Only the first queue is published to, so that positions there do for names of messages.
          live.log('orders').push({ message: live.log('orders').length, provenance: undefined });
          published = live.log('orders').length;
          changed(0, live.queue('orders').enqueue(1).entries);
          continue;
        }
        const queue = live.queue(NAMES[each.name] as string);
        if (each.op === 'acquire') {
          changed(each.name, queue.acquire({ holder: 'h', max: each.max, nowMs, leaseMs: LEASE_MS }).entries);
        } else if (each.to === each.name || each.to === 0) {
          // A move has two ends, and messages get their names in the first queue.
        } else if (each.op === 'redrive') {
          const { entries, discarded } = queue.discard(queue.peek(each.max), 'rejected');
          const redriven = discarded.map(({ position }) => ({ position, reason: 'redrive' as const }));
          moved(each.name, each.to, { entries, discarded: redriven });
        } else if (each.op === 'reject') {
          const held = [...queue.leases()].map(({ position }) => position);
          moved(each.name, each.to, queue.settle('h', held.slice(0, 2), { kind: 'reject' }));
        } else {
          nowMs += LEASE_MS;
          moved(each.name, each.to, queue.expire(nowMs));
        }
      }

      const survived = journal.length === 0 ? 0 : cut % (journal.length + 1);
      for (const [broker, length] of [
        [live, journal.length],
        [new Broker(), journal.length],
        [new Broker(), survived],
      ] as const) {
        if (broker !== live) for (const entry of journal.slice(0, length)) broker.apply(entry);
        const known = history[length - 1] ?? new Map();
        const contents = broker.contents();
        const there = length === journal.length ? published : broker.log('orders').length;
        expect(contents.map(({ message }) => message)).toEqual(Array.from({ length: there }, (_, i) => i));
        for (const { message, provenance } of contents) {
          const expected = known.get(message);
          expect(provenance?.moves).toBe(expected?.count);
          expect(provenance?.origin).toBe(expected?.origin);
          expect(provenance?.reason).toBe(expected?.reason);
        }
      }
    }),
    { numRuns: Number(process.env.ROBUSTMQ_TEST_RUNS ?? 200) },
  );
});
