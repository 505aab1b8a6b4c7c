import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDelayed, type Delayed } from '../../../src/kernel/delayed/delayed.ts';
import type { Message } from '../../../src/kernel/message.ts';
import { bytes, text } from '../topic-model.ts';

const limits = { maxMessages: 100_000, maxBytes: 2 ** 30 };

function message(topic: string, payload: string, extra: Partial<Message> = {}): Message {
  const rest = {
    properties: bytes('\u0001\u0001'),
    qos: 1,
    retain: true,
    expiresAtMs: 0,
    publisher: 7,
  } as const;
  return { topic: bytes(topic), payload: bytes(payload), ...rest, ...extra };
}

type Written =
  | { readonly entry: Uint8Array }
  | { readonly key: Uint8Array; readonly page: Uint8Array; readonly stamp: number };

interface Plan {
  readonly dueMs: number;
  readonly payload: string;
}

/** A state log in miniature, with commits that come late. `model`: what waits after all that was written. */
class Miniature {
  readonly journal: Written[] = [];
  readonly model = new Map<number, Plan>();
  readonly views = new Map<string, { key: Uint8Array; page: Uint8Array; stamp: number }>();
  cycleBegin = 0;
  cycleEnd = 0;
  /** -1: there are none. */
  viewPosition = -1;
  delayed: Delayed = createDelayed(limits);
  private uncommitted: { position: number; done: () => void }[] = [];
  private cycle: { keys: Uint8Array[]; begin: number } | undefined;
  private checkpoint: { keys: Uint8Array[]; begin: number } | undefined;

  get committedEnd(): number {
    return this.uncommitted[0]?.position ?? this.journal.length;
  }

  write(entry: Uint8Array, done: () => void): void {
    this.uncommitted.push({ position: this.journal.length, done });
    this.journal.push({ entry });
  }

  schedule(plan: Plan): void {
    const scheduled = this.delayed.schedule(message('t', plan.payload), plan.dueMs);
    if (scheduled === 'full') throw new Error('full');
    this.model.set(scheduled.id, plan);
    this.write(scheduled.entry, () => this.delayed.stored(scheduled.id));
  }

  fire(nowMs: number, max: number): void {
    const { messages, entry, ids } = this.delayed.due(nowMs, max);
    const due = [...this.model].filter(([, { dueMs }]) => dueMs <= nowMs);
    const expected = due.sort(([a, x], [b, y]) => x.dueMs - y.dueMs || a - b).slice(0, max);
    expect(messages.map((each) => [each.id, text(each.message.payload)])).toEqual(
      expected.map(([id, { payload }]) => [id, payload]),
    );
    for (const id of ids) this.model.delete(id);
    if (entry !== undefined) this.write(entry, () => this.delayed.ended(ids));
  }

  cancel(nth: number): void {
    const id = [...this.model.keys()][nth % Math.max(1, this.model.size)] ?? 0;
    const entry = this.delayed.cancel(id);
    expect(entry !== undefined).toBe(this.model.delete(id));
    if (entry !== undefined) this.write(entry, () => this.delayed.ended([id]));
  }

  commit(count: number): void {
    for (const { done } of this.uncommitted.splice(0, count)) done();
  }

  writeCycle(pages: number): void {
    this.cycle ??= { keys: [...this.delayed.table.pageKeys()], begin: this.committedEnd };
    for (const key of this.cycle.keys.splice(0, pages)) {
      const page = this.delayed.table.page(key);
      if (page !== undefined) this.journal.push({ key, page, stamp: this.committedEnd });
    }
    if (this.cycle.keys.length > 0) return;
    this.cycleBegin = this.cycle.begin;
    this.cycleEnd = this.journal.length;
    this.cycle = undefined;
  }

  /** Those that changed; all while there are no views. */
  private keysToView(): Uint8Array[] {
    const dirty = this.delayed.table.takeDirty(1e6);
    return this.viewPosition < 0 ? [...this.delayed.table.pageKeys()] : dirty;
  }

  writeViews(pages: number): void {
    this.checkpoint ??= { keys: this.keysToView(), begin: this.committedEnd };
    for (const key of this.checkpoint.keys.splice(0, pages)) {
      const page = this.delayed.table.page(key);
      if (page === undefined) this.views.delete(key.join());
      else this.views.set(key.join(), { key, page, stamp: this.committedEnd });
    }
    if (this.checkpoint.keys.length > 0) return;
    this.viewPosition = this.checkpoint.begin;
    this.checkpoint = undefined;
  }

  /**
   * What is there after a crash now: from the views, which may be newer than they say, or from the pages in the journal,
   * all of them first or where they lie.
   */
  recovered(from: 'views' | 'pages' | 'order'): Delayed {
    const delayed = createDelayed(limits);
    const { table } = delayed;
    const begin = from === 'views' ? this.viewPosition : this.cycleBegin;
    const end = this.cycleEnd;
    if (from === 'views')
      for (const { key, page, stamp } of this.views.values()) table.load(key, page, stamp);
    if (from === 'pages') {
      for (const written of this.journal.slice(begin, end)) {
        if ('page' in written) table.load(written.key, written.page, written.stamp);
      }
    }
    this.journal.forEach((written, position) => {
      if (position < begin) return;
      if ('entry' in written) table.apply(written.entry, { position, offset: 0 });
      else if (from === 'order') table.load(written.key, written.page, written.stamp);
    });
    table.recovered?.();
    return delayed;
  }

  restart(from: 'views' | 'pages' | 'order'): void {
    const start = from === 'views' && this.viewPosition < 0 ? 'pages' : from;
    this.delayed = this.recovered(start);
    if (start !== 'views') {
      this.views.clear();
      this.viewPosition = -1;
    }
    this.uncommitted = [];
    this.cycle = undefined;
    this.checkpoint = undefined;
  }
}

const contents = (delayed: Delayed): unknown[] =>
  delayed.list(0, 1e6).map(({ id, dueMs, message: { payload } }) => [id, dueMs, text(payload)]);

describe('delayed messages', () => {
  it('come when they are due, in order, once, through crashes at any point', () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ op: fc.constant('schedule' as const), n: fc.nat(90), ms: fc.nat(9000) }),
      },
      {
        weight: 8,
        arbitrary: fc.record({
          op: fc.constantFrom('fire' as const, 'cancel' as const, 'commit' as const),
          n: fc.nat(100),
          ms: fc.nat(2000),
        }),
      },
      {
        weight: 5,
        arbitrary: fc.record({
          op: fc.constantFrom('cycle' as const, 'views' as const),
          n: fc.integer({ min: 1, max: 3 }),
          ms: fc.constant(0),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ op: fc.constant('restart' as const), n: fc.nat(2), ms: fc.constant(0) }),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const log = new Miniature();
        let nowMs = 10_000;
        let serial = 0;
        for (const { op, n, ms } of steps) {
          if (op === 'schedule') {
            for (let i = 0; i < n; i++) {
              const size = ++serial % 50 === 0 ? 9000 : 5;
              log.schedule({
                dueMs: nowMs + ((ms * (i + 1)) % 9001),
                payload: `${serial}`.padEnd(size, '.'),
              });
            }
          } else if (op === 'fire') {
            nowMs += ms;
            log.fire(nowMs, n);
          } else if (op === 'cancel') log.cancel(n);
          else if (op === 'commit') log.commit(n);
          else if (op === 'cycle') log.writeCycle(n);
          else if (op === 'views') log.writeViews(n);
          else log.restart(n === 0 ? 'views' : n === 1 ? 'pages' : 'order');
        }
        const expected = [...log.model].sort(([a], [b]) => a - b);
        const plans = expected.map(([id, { dueMs, payload }]) => [id, dueMs, payload]);
        expect(contents(log.delayed)).toEqual(plans);
        expect(contents(log.recovered('pages'))).toEqual(plans);
        expect(contents(log.recovered('order'))).toEqual(plans);
        if (log.viewPosition >= 0) expect(contents(log.recovered('views'))).toEqual(plans);
        log.restart('pages');
        const next = Math.min(...expected.map(([, { dueMs }]) => dueMs));
        expect(log.delayed.nextDueMs()).toBe(next);
        log.fire(1e9, 1e6);
        log.commit(1e6);
        expect([log.delayed.count, log.delayed.bytes]).toEqual([0, 0]);
      }),
      { numRuns: Number(process.env.ROBUSTMQ_TEST_RUNS ?? 100) },
    );
  });

  it('bring back all of a message but the session that published it', () => {
    const delayed = createDelayed(limits);
    const first = message('a/ü', 'x', { qos: 2, expiresAtMs: 5000 });
    const scheduled = delayed.schedule(first, 10.5);
    if (scheduled === 'full') throw new Error('full');
    expect(delayed.get(scheduled.id)?.message).toEqual(first);
    const later = createDelayed(limits);
    later.table.apply(scheduled.entry, { position: 0, offset: 0 });
    later.table.recovered?.();
    expect(later.due(10, 9).messages).toEqual([]);
    const { messages } = later.due(11, 9);
    expect(messages.map((each) => each.message)).toEqual([first]);
  });

  it('are as many as may be, and volatile ones are in no page', () => {
    const delayed = createDelayed({ maxMessages: 2, maxBytes: 1000 });
    const scheduled = delayed.schedule(message('a', 'x'), 5, true);
    if (scheduled === 'full') throw new Error('full');
    delayed.stored(scheduled.id);
    expect(delayed.schedule(message('a', 'x'.repeat(1000)), 5)).toBe('full');
    expect(delayed.schedule(message('a', 'x'), 6)).not.toBe('full');
    expect(delayed.schedule(message('a', 'x'), 7)).toBe('full');
    expect([...delayed.table.pageKeys(), ...delayed.table.takeDirty(9)]).toEqual([]);
    const due = delayed.due(5, 9);
    expect([due.messages.length, due.entry, delayed.count]).toEqual([1, undefined, 2]);
    delayed.ended(due.ids);
    expect(delayed.count).toBe(1);
    delayed.ended([scheduled.id + 1]);
    expect([delayed.count, delayed.due(9, 9).messages]).toEqual([0, []]);
  });

  it('that were given out and cannot go are given out again later, and can be cancelled until then', () => {
    const delayed = createDelayed(limits);
    const ids = ['x', 'y'].map((payload) => {
      const scheduled = delayed.schedule(message('a', payload), 5);
      if (scheduled === 'full') throw new Error('full');
      delayed.stored(scheduled.id);
      return scheduled.id;
    });
    const payloads = (nowMs: number): string[] =>
      delayed.due(nowMs, 9).messages.map((each) => text(each.message.payload));
    expect(payloads(5)).toEqual(['x', 'y']);
    for (const id of ids) delayed.postpone(id, 20);
    expect([...delayed.all()].map(({ id }) => id)).toEqual(ids);
    expect([payloads(19), delayed.nextDueMs() <= 20]).toEqual([[], true]);
    expect(delayed.cancel(ids[1] ?? 0)).toBeDefined();
    expect(payloads(20)).toEqual(['x']);
    delayed.ended(ids);
    expect([delayed.count, delayed.nextDueMs()]).toEqual([0, Number.POSITIVE_INFINITY]);
    delayed.postpone(ids[0] ?? 0, 30);
    expect(payloads(99)).toEqual([]);
  });

  it('have room or not, and a table of the number that they are given', () => {
    const delayed = createDelayed({ maxMessages: 3, maxBytes: 200 }, { id: 99, name: 'others' });
    expect([delayed.table.id, delayed.table.name]).toEqual([99, 'others']);
    const one = message('a', 'x'.repeat(20));
    expect([1, 2, 3, 4].map((count) => delayed.hasRoomFor(Array(count).fill(one)))).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect(delayed.hasRoomFor([message('a', 'x'.repeat(200))])).toBe(false);
    delayed.schedule(one, 5);
    expect(delayed.hasRoomFor([one, one, one])).toBe(false);
  });

  it('stay in pages until their end is committed', () => {
    const delayed = createDelayed(limits);
    const scheduled = delayed.schedule(message('a', 'x'), 5);
    if (scheduled === 'full') throw new Error('full');
    const pages = (): number => [...delayed.table.pageKeys()].length;
    expect(pages()).toBe(0);
    delayed.stored(scheduled.id);
    const due = delayed.due(5, 1);
    expect([pages(), delayed.list(0, 9).length, delayed.cancel(scheduled.id)]).toEqual([1, 0, undefined]);
    delayed.ended(due.ids);
    expect(pages()).toBe(0);
  });

  it('say what they cannot read', () => {
    const { table } = createDelayed(limits);
    const key = new Uint8Array(9);
    expect(() => table.load(key, Uint8Array.of(9), 0)).toThrow(/version 9/);
    expect(() => table.load(key, Uint8Array.of(2, 1), 0)).toThrow(/damaged/);
    expect(() => table.load(Uint8Array.of(7), Uint8Array.of(2), 0)).toThrow(/no such page/);
    expect(() => table.apply(Uint8Array.of(2, 1, 1, 1, 5), { position: 0, offset: 0 })).toThrow(/damaged/);
  });
});
