import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/kernel/clock.ts';
import type { Message } from '../../src/kernel/message.ts';
import { createRetainedStore, type RetainedCursor, type RetainedStore } from '../../src/kernel/retained.ts';
import { createTopicTree } from '../../src/wasm/topics.ts';
import { bytes, filterArbitrary, naiveMatch, text, topicArbitrary } from './topic-model.ts';

function manualClock(): Clock & { now: number } {
  const clock = { now: 1000, monotonicMs: () => clock.now, wallMs: () => clock.now, every: () => () => {} };
  return clock;
}

const unlimited = { maxMessages: 1e6, maxBytes: 2 ** 31, maxPayloadBytes: 1 << 20 };

function message(topic: string, payload: string, extra: Partial<Message> = {}): Message {
  return {
    topic: bytes(topic),
    payload: bytes(payload),
    properties: new Uint8Array(0),
    qos: 1,
    retain: true,
    expiresAtMs: 0,
    publisher: 7,
    ...extra,
  };
}

function all(store: RetainedStore, filter: string, limit: number, between: () => void = () => {}): string[] {
  const topics: string[] = [];
  let cursor: RetainedCursor | undefined;
  do {
    const page = store.page(bytes(filter), cursor, limit);
    expect(page.messages.length).toBeLessThanOrEqual(limit);
    topics.push(...page.messages.map((m) => text(m.topic)));
    cursor = page.cursor;
    between();
  } while (cursor !== undefined);
  return topics.sort();
}

const operation = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('set' as const),
      topic: topicArbitrary,
      size: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.constantFrom(4095, 4096, 5000)),
      ttl: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 20 })),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), topic: topicArbitrary }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('page' as const),
      filter: filterArbitrary,
      limit: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 8 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('sweep' as const), limit: fc.integer({ min: 1, max: 5 }) }),
  },
);

describe('retained store', () => {
  it('lists, gets, expires and counts as the naive model does', () => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 1, maxLength: 80 }), (operations) => {
        const clock = manualClock();
        const store = createRetainedStore(unlimited, clock);
        const model = new Map<string, Message>();
        const alive = (m: Message) => m.expiresAtMs === 0 || m.expiresAtMs > clock.now;
        for (const op of operations) {
          if (op.kind === 'set') {
            const payload = new Uint8Array(op.size).fill(op.size);
            const expiresAtMs = op.ttl === 0 ? 0 : clock.now + op.ttl;
            const m = message(op.topic, '', { payload, expiresAtMs, properties: bytes('\u0001\u0001') });
            expect(store.set(m)).toBe('stored');
            model.set(op.topic, m);
          } else if (op.kind === 'remove') {
            expect(store.set(message(op.topic, ''))).toBe('removed');
            model.delete(op.topic);
          } else if (op.kind === 'page') {
            const expected = [...model].filter(([topic, m]) => alive(m) && naiveMatch(op.filter, topic));
            expect(all(store, op.filter, op.limit)).toEqual(expected.map(([topic]) => topic).sort());
          } else if (op.kind === 'pass') {
            clock.now += op.ms;
          } else {
            const before = store.count;
            const removed = store.sweepExpired(op.limit);
            expect(removed).toBeLessThanOrEqual(op.limit);
            expect(store.count).toBe(before - removed);
          }
        }
        for (const [topic, m] of model) {
          const found = store.get(bytes(topic));
          if (alive(m)) expect({ ...found }).toEqual({ ...m });
          else expect(found).toBeUndefined();
        }
        store.sweepExpired(1e9);
        const rest = [...model.values()].filter(alive);
        expect(store.count).toBe(rest.length);
        const size = (m: Message) => m.topic.length + m.properties.length + m.payload.length;
        expect(store.bytes).toBe(rest.reduce((sum, m) => sum + size(m), 0));
        for (const topic of model.keys()) store.set(message(topic, ''));
        expect([store.count, store.bytes]).toEqual([0, 0]);
      }),
      { numRuns: 100 },
    );
  });

  it('lists what stays exactly once while other topics come and go between pages', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(topicArbitrary, { minLength: 1, maxLength: 40 }),
        fc.array(fc.tuple(topicArbitrary, fc.boolean()), { maxLength: 60 }),
        filterArbitrary,
        fc.integer({ min: 1, max: 3 }),
        (topics, changes, filter, limit) => {
          const store = createRetainedStore(unlimited, manualClock());
          for (const topic of topics) store.set(message(topic, 'x'));
          const touched = new Set(changes.map(([topic]) => topic));
          const queue = [...changes];
          const listed = all(store, filter, limit, () => {
            for (const [topic, present] of queue.splice(0, 3)) store.set(message(topic, present ? 'x' : ''));
          });
          const staying = listed.filter((topic) => !touched.has(topic));
          expect(staying).toEqual(topics.filter((t) => !touched.has(t) && naiveMatch(filter, t)).sort());
          for (const topic of listed) expect(naiveMatch(filter, topic)).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('goes on behind a topic that was removed, also when all pages lose theirs', () => {
    const store = createRetainedStore(unlimited, manualClock());
    for (let i = 0; i < 100; i++) store.set(message(`a/${i}/x`, 'x'));
    let cursor: RetainedCursor | undefined;
    let listed = 0;
    do {
      const page = store.page(bytes('a/+/x'), cursor, 5);
      listed += page.messages.length;
      cursor = page.cursor;
      const next = store.page(bytes('a/+/x'), cursor, 1).messages[0];
      if (next !== undefined && cursor !== undefined) store.set({ ...next, payload: new Uint8Array(0) });
    } while (cursor !== undefined);
    expect(listed + (100 - store.count)).toBe(100);
  });

  it('bounds what a page looks at when little matches', () => {
    const store = createRetainedStore(unlimited, manualClock());
    for (let i = 0; i < 20_000; i++) store.set(message(`a/${i}/x`, 'x'));
    store.set(message('a/0/y', 'y'));
    const first = store.page(bytes('a/+/y'), undefined, 10);
    expect([first.messages.length, first.cursor !== undefined]).toEqual([0, true]);
    expect(all(store, 'a/+/y', 10)).toEqual(['a/0/y']);
  });

  it('keeps what was there when limits refuse a message', () => {
    const store = createRetainedStore({ maxMessages: 2, maxBytes: 40, maxPayloadBytes: 30 }, manualClock());
    expect(store.set(message('a', '1'))).toBe('stored');
    expect(store.set(message('b', '2'))).toBe('stored');
    expect(store.set(message('c', '3'))).toBe('full');
    expect(store.set(message('a', 'x'.repeat(31)))).toBe('too-large');
    expect(store.set(message('a', 'y'.repeat(30)))).toBe('stored');
    expect(store.set(message('b', 'y'.repeat(30)))).toBe('full');
    expect(text(store.get(bytes('b'))?.payload ?? bytes(''))).toBe('2');
    expect([store.count, store.bytes]).toEqual([2, 33]);
  });

  it('lets expired messages make room', () => {
    const clock = manualClock();
    const store = createRetainedStore({ maxMessages: 1, maxBytes: 40, maxPayloadBytes: 30 }, clock);
    store.set(message('a', '1', { expiresAtMs: clock.now + 5 }));
    expect(store.set(message('b', '2'))).toBe('full');
    clock.now += 5;
    expect(store.set(message('b', '2'))).toBe('stored');
    expect([store.count, store.bytes, store.get(bytes('a'))]).toEqual([1, 2, undefined]);
  });

  it('refuses messages at the memory limit of the tree', () => {
    const store = createRetainedStore(unlimited, manualClock(), { limitBytes: 400_000 });
    let stored = 0;
    while (store.set(message(`t/${stored}`, 'x')) === 'stored') stored++;
    expect(stored).toBeGreaterThan(900);
    expect(store.count).toBe(stored);
    expect(all(store, '#', 1000)).toHaveLength(stored);
    for (let i = 0; i < stored; i++) store.set(message(`t/${i}`, ''));
    expect([store.count, store.bytes, store.set(message('t/0', 'x'))]).toEqual([0, 0, 'stored']);
  });

  it('finds 1,000 of 200,000 through a wildcard without visiting the others', () => {
    const tree = createTopicTree();
    for (let i = 0; i < 200_000; i++) tree.set(bytes(`site/${i % 200}/${Math.floor(i / 200)}`), i + 1);
    const page = tree.page(bytes('site/7/+'), undefined, 2000, 1003);
    expect(page.values).toHaveLength(1000);
    expect(page.cursor).toBeUndefined();
  });

  it('reuses memory under churn and frees every node and level', () => {
    const tree = createTopicTree();
    let settled = 0;
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 5000; i++) tree.set(bytes(`r${round}/d${i % 100}/${i}`), 1);
      for (let i = 0; i < 5000; i++) expect(tree.remove(bytes(`r${round}/d${i % 100}/${i}`))).toBe(1);
      if (round === 2) settled = tree.counters().memoryBytes;
    }
    expect(tree.counters()).toMatchObject({ nodes: 0, levels: 0, memoryBytes: settled });
  });
});
