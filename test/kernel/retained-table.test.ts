import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/kernel/clock.ts';
import type { Message } from '../../src/kernel/message.ts';
import {
  createRetainedStore,
  encodeRetainedDelete,
  encodeRetainedSet,
  type RetainedStore,
} from '../../src/kernel/retained.ts';
import { bytes, text } from './topic-model.ts';

const clockAt = (nowMs: number): Clock => ({
  monotonicMs: () => nowMs,
  wallMs: () => nowMs,
  every: () => () => {},
});
const limits = { maxMessages: 1e6, maxBytes: 2 ** 30, maxPayloadBytes: 1 << 20 };

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

function contents(store: RetainedStore): Map<string, string> {
  const found = new Map<string, string>();
  let cursor: Uint8Array | undefined;
  do {
    const page = store.page(bytes('#'), cursor, 1000);
    for (const { topic, payload } of page.messages) {
      expect(found.has(text(topic))).toBe(false);
      found.set(text(topic), text(payload));
    }
    cursor = page.cursor;
  } while (cursor !== undefined);
  expect(store.count).toBe(found.size);
  return found;
}

type Written =
  | { readonly entry: Uint8Array }
  | { readonly key: Uint8Array; readonly page: Uint8Array; readonly stamp: number };

/** A state log in miniature: entries are applied some time after they were written, pages are written in between. */
class Miniature {
  readonly journal: Written[] = [];
  readonly views = new Map<string, { key: Uint8Array; page: Uint8Array; stamp: number }>();
  readonly model = new Map<string, string>();
  /** Where a start from the journal alone, and one from the views, begins. */
  cycleBegin = 0;
  cycleEnd = 0;
  /** -1: there are none. */
  viewPosition = -1;
  store: RetainedStore;
  private waiting: { position: number; message: Message }[] = [];
  private cycle: { keys: Uint8Array[]; begin: number } | undefined;
  private checkpoint: { keys: Uint8Array[]; begin: number } | undefined;

  constructor() {
    this.store = createRetainedStore(limits, clockAt(1000));
  }

  get appliedEnd(): number {
    return this.waiting[0]?.position ?? this.journal.length;
  }

  change(topic: string, payload: string): void {
    const each = message(topic, payload);
    expect(this.store.wouldRefuse(each)).toBeUndefined();
    this.waiting.push({ position: this.journal.length, message: each });
    const entry = payload === '' ? encodeRetainedDelete(each.topic) : encodeRetainedSet(each);
    this.journal.push({ entry });
    if (payload === '') this.model.delete(topic);
    else this.model.set(topic, payload);
  }

  applySome(count: number): void {
    for (const { message: each } of this.waiting.splice(0, count)) this.store.setPromised(each);
  }

  writeCycle(pages: number): void {
    this.cycle ??= { keys: [...this.store.table.pageKeys()], begin: this.appliedEnd };
    for (const key of this.cycle.keys.splice(0, pages)) {
      const page = this.store.table.page(key);
      if (page !== undefined) this.journal.push({ key, page, stamp: this.appliedEnd });
    }
    if (this.cycle.keys.length > 0) return;
    this.cycleBegin = this.cycle.begin;
    this.cycleEnd = this.journal.length;
    this.cycle = undefined;
  }

  /** Those that changed; all while there are no views. */
  private keysToView(): Uint8Array[] {
    const dirty = this.store.table.takeDirty(1e6);
    return this.viewPosition < 0 ? [...this.store.table.pageKeys()] : dirty;
  }

  writeViews(pages: number): void {
    this.checkpoint ??= { keys: this.keysToView(), begin: this.appliedEnd };
    for (const key of this.checkpoint.keys.splice(0, pages)) {
      const page = this.store.table.page(key);
      if (page === undefined) this.views.delete(key.join());
      else this.views.set(key.join(), { key, page, stamp: this.appliedEnd });
    }
    if (this.checkpoint.keys.length > 0) return;
    this.viewPosition = this.checkpoint.begin;
    this.checkpoint = undefined;
  }

  /**
   * What is there after a crash now: from the views, which may be newer than they say, or from the pages in the journal,
   * all of them first or where they lie.
   */
  recovered(from: 'views' | 'pages' | 'order'): RetainedStore {
    const store = createRetainedStore(limits, clockAt(1000));
    const { table } = store;
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
    return store;
  }

  restart(from: 'views' | 'pages' | 'order'): void {
    const start = from === 'views' && this.viewPosition < 0 ? 'pages' : from;
    this.store = this.recovered(start);
    if (start !== 'views') {
      this.views.clear();
      this.viewPosition = -1;
    }
    this.waiting = [];
    this.cycle = undefined;
    this.checkpoint = undefined;
  }
}

describe('the table of retained messages', () => {
  it('is what the journal says after a crash at any point, from views or from the journal alone', {
    timeout: 60_000,
  }, () => {
    const payloads = fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: 1, max: 30 }) },
      fc.constantFrom(0, 2100, 5000),
    );
    const step = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          op: fc.constant('change' as const),
          from: fc.nat(700),
          count: fc.integer({ min: 1, max: 300 }),
          size: payloads,
        }),
      },
      { weight: 5, arbitrary: fc.record({ op: fc.constant('apply' as const), count: fc.nat(600) }) },
      {
        weight: 5,
        arbitrary: fc.record({
          op: fc.constantFrom('cycle' as const, 'views' as const),
          count: fc.integer({ min: 1, max: 4 }),
        }),
      },
      { weight: 1, arbitrary: fc.record({ op: fc.constant('restart' as const), count: fc.nat(2) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 30 }), (steps) => {
        const log = new Miniature();
        let serial = 0;
        for (const each of steps) {
          if (each.op === 'change') {
            for (let i = 0; i < each.count; i++) {
              const payload = each.size === 0 ? '' : `${serial++}`.padEnd(each.size, '.');
              log.change(`t/${(each.from + i * 7) % 700}`, payload);
            }
          } else if (each.op === 'apply') log.applySome(each.count);
          else if (each.op === 'cycle') log.writeCycle(each.count);
          else if (each.op === 'views') log.writeViews(each.count);
          else log.restart(each.count === 0 ? 'views' : each.count === 1 ? 'pages' : 'order');
        }
        expect(contents(log.recovered('pages'))).toEqual(log.model);
        expect(contents(log.recovered('order'))).toEqual(log.model);
        if (log.viewPosition >= 0) expect(contents(log.recovered('views'))).toEqual(log.model);
        log.restart('views');
        log.writeViews(1e6);
        expect(log.viewPosition).toBe(log.journal.length);
        expect(contents(log.recovered('views'))).toEqual(log.model);
      }),
      { numRuns: Number(process.env.ROBUSTMQ_TEST_RUNS ?? 40) },
    );
  });

  it('brings back all of a message but the session that published it', () => {
    const store = createRetainedStore(limits, clockAt(1000));
    const first = message('a/ü', 'x', { qos: 2, expiresAtMs: 5000 });
    const large = message('b', 'y'.repeat(5000), { properties: new Uint8Array(0), qos: 0 });
    store.set(first);
    store.set(large);
    const later = createRetainedStore(limits, clockAt(1000));
    for (const key of store.table.pageKeys()) later.table.load(key, store.table.page(key) ?? bytes(''), 1);
    later.table.recovered?.();
    expect(later.get(first.topic)).toEqual(first);
    expect(later.get(large.topic)).toEqual(large);
    expect(later.bytes).toBe(store.bytes);
    expect(later.table.takeDirty(10)).toEqual([]);
  });

  it('leaves out what is volatile, and what has expired meanwhile', () => {
    const store = createRetainedStore(limits, clockAt(1000));
    store.set(message('$SYS/uptime', '1'), true);
    expect([...store.table.pageKeys(), ...store.table.takeDirty(9)]).toEqual([]);
    store.set(message('a', '1', { expiresAtMs: 2000 }));
    store.set(message('b', '1'));
    expect(store.table.takeDirty(9)).toHaveLength(1);
    const later = createRetainedStore(limits, clockAt(2000));
    for (const key of store.table.pageKeys()) later.table.load(key, store.table.page(key) ?? bytes(''), 1);
    const entry = encodeRetainedSet(message('b', '2', { expiresAtMs: 1500 }));
    later.table.apply(entry, { position: 2, offset: 0 });
    later.table.recovered?.();
    expect([later.count, store.count]).toEqual([0, 3]);
    store.set(message('b', '1'), true);
    expect(store.table.takeDirty(9)).toHaveLength(1);
  });

  it('differs from another by its messages, not by where they lie', () => {
    const [one, other] = [createRetainedStore(limits, clockAt(1)), createRetainedStore(limits, clockAt(1))];
    const differences = (): string[] => [...(one.table.differences?.(other.table) ?? ['not compared'])];
    const all = [message('a', '1'), message('b', '2'.repeat(5000)), message('c', '3')];
    for (const each of all) one.set(each);
    for (const each of all.reverse()) other.set(each);
    expect(differences()).toEqual([]);
    one.set(message('c', '4'));
    one.set(message('d', '5'));
    one.set(message('b', ''));
    expect(differences().sort()).toEqual([
      'retained "b": the journal does not have it',
      'retained "c": the journal has another message',
      'retained "d": only the journal has it',
    ]);
  });

  it('keeps the room it promised', () => {
    const store = createRetainedStore({ ...limits, maxMessages: 2, maxBytes: 20 }, clockAt(0));
    const [a, b, c] = ['a', 'b', 'c'].map((topic) =>
      message(topic, 'xxx', { properties: new Uint8Array(0) }),
    ) as [Message, Message, Message];
    expect(store.wouldRefuse(a)).toBeUndefined();
    expect(store.wouldRefuse(b)).toBeUndefined();
    expect(store.wouldRefuse(c)).toBe('full');
    expect(store.set(c)).toBe('full');
    store.forgo(b);
    expect(store.wouldRefuse(c)).toBeUndefined();
    store.setPromised(a);
    store.setPromised(c);
    expect([store.count, store.bytes]).toEqual([2, 8]);
    expect(store.wouldRefuse(message('a', 'x'.repeat(2 ** 20 + 1)))).toBe('too-large');
    expect(store.wouldRefuse(message('a', ''))).toBeUndefined();
    store.setPromised(message('a', ''));
    expect(store.count).toBe(1);
  });

  it('keeps the room it promised at the memory limit of the tree', () => {
    const store = createRetainedStore(limits, clockAt(0), { limitBytes: 400_000 });
    const promised: Message[] = [];
    for (let i = 0; ; i++) {
      const each = message(`t/${i}/${i}`, 'x'.repeat(i % 300) || 'x');
      if (store.wouldRefuse(each) !== undefined) break;
      promised.push(each);
    }
    expect(promised.length).toBeGreaterThan(100);
    while (store.set(message(`u/${store.count}`, 'x')) === 'stored');
    for (const each of promised) store.setPromised(each);
    expect(store.get(bytes('t/50/50'))).toBeDefined();
  });

  it('says what it cannot read', () => {
    const { table } = createRetainedStore(limits, clockAt(0));
    const key = Uint8Array.of(0, 0, 0, 0, 0);
    expect(() => table.load(key, Uint8Array.of(9), 0)).toThrow(/version 9/);
    expect(() => table.load(key, Uint8Array.of(2, 0, 0), 0)).toThrow(/damaged/);
    expect(() => table.load(Uint8Array.of(0, 255, 255, 255, 255), Uint8Array.of(2), 0)).toThrow(
      /no such page/,
    );
    expect(() => table.apply(Uint8Array.of(2, 1, 0), { position: 0, offset: 0 })).toThrow(/damaged/);
  });
});
