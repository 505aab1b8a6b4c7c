import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRouter, type Router } from '../../src/kernel/router.ts';
import { createSubscriptionTrie } from '../../src/wasm/topics.ts';
import { bytes, filterArbitrary, naiveMatch, text, topicArbitrary } from './topic-model.ts';

function matched(router: Router, topic: string): string[] {
  const found = router.match(bytes(topic));
  const list: string[] = [];
  for (let i = 0; i < found.count; i++) {
    list.push(`${found.sinks[i]}:${found.options[i]}:${found.identifiers[i]}`);
  }
  for (const group of found.groups) {
    const members = group.members.map((m) => `${m.sink}:${m.options}:${m.identifier}`).sort();
    list.push(`${group.name}=${text(group.filter)}=${members}`);
  }
  return list.sort();
}

interface ModelEntry {
  sink: number;
  filter: string;
  group: string | undefined;
  options: number;
  identifier: number;
}

class Model {
  readonly entries = new Map<string, ModelEntry>();
  static key = (sink: number, filter: string, group: string | undefined) =>
    `${sink} ${group ?? ''} ${filter}`;

  matched(topic: string): string[] {
    const list: string[] = [];
    const groups = new Map<string, string[]>();
    for (const { sink, filter, group, options, identifier } of this.entries.values()) {
      if (!naiveMatch(filter, topic)) continue;
      const entry = `${sink}:${options}:${identifier}`;
      if (group === undefined) list.push(entry);
      else groups.set(`${group}=${filter}`, [...(groups.get(`${group}=${filter}`) ?? []), entry]);
    }
    for (const [name, members] of groups) list.push(`${name}=${members.sort()}`);
    return list.sort();
  }
}

const operation = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('subscribe' as const),
      sink: fc.nat(6),
      filter: filterArbitrary,
      group: fc.option(fc.constantFrom('g', 'h'), { nil: undefined, freq: 2 }),
      options: fc.nat(255),
      identifier: fc.nat(268_435_455),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('unsubscribe' as const), pick: fc.nat(1000) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('removeSink' as const), sink: fc.nat(6) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('match' as const), topic: topicArbitrary }) },
);

describe('router', () => {
  it('matches as the naive model does after any sequence of changes', () => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 1, maxLength: 80 }), (operations) => {
        const router = createRouter();
        const model = new Model();
        const changed: string[] = [];
        router.onChange = (filter) => changed.push(text(filter));
        for (const op of operations) {
          changed.length = 0;
          if (op.kind === 'subscribe') {
            const key = Model.key(op.sink, op.filter, op.group);
            const old = model.entries.get(key);
            const result =
              op.group === undefined
                ? router.subscribe(op.sink, bytes(op.filter), op.options, op.identifier)
                : router.subscribeShared(op.sink, op.group, bytes(op.filter), op.options, op.identifier);
            expect(result).toBe(old === undefined ? 'new' : 'replaced');
            const same = old?.options === op.options && old.identifier === op.identifier;
            expect(changed).toEqual(same ? [] : [op.filter]);
            model.entries.set(key, op);
          } else if (op.kind === 'unsubscribe') {
            const victim = [...model.entries.values()][op.pick % Math.max(1, model.entries.size)];
            if (victim === undefined) continue;
            const remove = () =>
              victim.group === undefined
                ? router.unsubscribe(victim.sink, bytes(victim.filter))
                : router.unsubscribeShared(victim.sink, victim.group, bytes(victim.filter));
            expect(remove()).toBe(true);
            expect(changed).toEqual([victim.filter]);
            expect(remove()).toBe(false);
            model.entries.delete(Model.key(victim.sink, victim.filter, victim.group));
          } else if (op.kind === 'removeSink') {
            const own = [...model.entries.entries()].filter(([, entry]) => entry.sink === op.sink);
            expect(router.removeSink(op.sink)).toBe(own.length);
            expect([...changed].sort()).toEqual(own.map(([, entry]) => entry.filter).sort());
            for (const [key] of own) model.entries.delete(key);
          } else {
            expect(matched(router, op.topic)).toEqual(model.matched(op.topic));
          }
        }
        const entries = [...model.entries.values()];
        expect(router.totals().subscriptions).toBe(entries.length);
        for (let sink = 0; sink <= 6; sink++) {
          const own = entries.filter((entry) => entry.sink === sink);
          const list = router.subscriptionsOf(sink);
          expect(router.countOf(sink)).toBe(own.length);
          const show = (e: Omit<ModelEntry, 'sink' | 'filter'>, filter: string) =>
            `${e.group} ${filter} ${e.options} ${e.identifier}`;
          expect(list.map((e) => show(e, text(e.filter))).sort()).toEqual(
            own.map((e) => show(e, e.filter)).sort(),
          );
        }
        for (let sink = 0; sink <= 6; sink++) router.removeSink(sink);
        expect(router.totals()).toMatchObject({ subscriptions: 0, sharedGroups: 0 });
      }),
      { numRuns: 300 },
    );
  });

  it('gives every topic its matches among many filters', () => {
    fc.assert(
      fc.property(
        fc.array(filterArbitrary, { maxLength: 60 }),
        fc.array(topicArbitrary, { maxLength: 20 }),
        (filters, topics) => {
          const router = createRouter();
          const model = new Model();
          filters.forEach((filter, sink) => {
            router.subscribe(sink, bytes(filter), 0, 0);
            model.entries.set(String(sink), { sink, filter, group: undefined, options: 0, identifier: 0 });
          });
          for (const topic of topics) expect(matched(router, topic)).toEqual(model.matched(topic));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('tells levels of every length around that of a short name apart', () => {
    const router = createRouter();
    const base = 'x'.repeat(70);
    const names = ['', ...Array.from({ length: 70 }, (_, i) => base.slice(0, i + 1))].flatMap((name) => [
      name,
      `${name}y`,
      `y${name}`,
    ]);
    const distinct = [...new Set(names)];
    const filters = distinct.flatMap((name) => [`a/${name}`, `a/${name}/#`, `${name}/+/b`]);
    filters.forEach((filter, sink) => {
      router.subscribe(sink, bytes(filter), 1, sink);
    });
    const sinksOf = (topic: string) => matched(router, topic).map((entry) => Number(entry.split(':')[0]));
    for (const topic of distinct.flatMap((name) => [`a/${name}`, `a/${name}/b`, `${name}/${name}/b`])) {
      const expected = filters.flatMap((filter, sink) => (naiveMatch(filter, topic) ? [sink] : []));
      expect(sinksOf(topic).sort((a, b) => a - b)).toEqual(expected);
    }
    filters.forEach((filter, sink) => {
      expect(router.subscriptionsOf(sink).map((s) => text(s.filter))).toEqual([filter]);
      if (sink % 2 === 0) expect(router.unsubscribe(sink, bytes(filter))).toBe(true);
      else expect(router.removeSink(sink)).toBe(1);
    });
    expect(router.totals().subscriptions).toBe(0);
    for (const name of distinct) expect(router.match(bytes(`a/${name}`)).count).toBe(0);
  });

  it('keeps subscribers of a filter, of # below it and of its children whatever the order of coming and going', () => {
    const filters = ['a/b', 'a/b/#', 'a/b/+', 'a/b/c', 'a/+', 'a/#', '#', '+'];
    const change = fc.record({ filter: fc.constantFrom(...filters), sink: fc.nat(40), add: fc.boolean() });
    fc.assert(
      fc.property(fc.array(change, { minLength: 60, maxLength: 300 }), (changes) => {
        const trie = createSubscriptionTrie();
        const model = new Map<string, ModelEntry>();
        changes.forEach(({ filter, sink, add }, identifier) => {
          const key = Model.key(sink, filter, undefined);
          if (add) {
            expect(trie.add(bytes(filter), sink, 2, identifier)).toBe(model.has(key) ? 'changed' : 'added');
            model.set(key, { sink, filter, group: undefined, options: 2, identifier });
          } else {
            expect(trie.remove(bytes(filter), sink)).toBe(model.delete(key));
          }
        });
        for (const topic of ['a', 'a/b', 'a/b/c', 'a/b/d', 'a/d', 'd']) {
          const found = trie.match(bytes(topic));
          const list = [...found.sinks.subarray(0, found.count)].map(
            (s, i) => `${s} ${found.identifiers[i]}`,
          );
          const expected = [...model.values()].filter((entry) => naiveMatch(entry.filter, topic));
          expect(list.sort()).toEqual(expected.map((entry) => `${entry.sink} ${entry.identifier}`).sort());
        }
        for (let sink = 0; sink <= 40; sink++) {
          const own = [...model.values()].filter((entry) => entry.sink === sink);
          expect(trie.countOf(sink)).toBe(own.length);
          for (const _ of own) {
            const filter = text(trie.removeLast(sink) ?? new Uint8Array(0));
            expect(own.some((entry) => entry.filter === filter)).toBe(true);
          }
        }
        const { subscriptions, nodes, sinks } = trie.counters();
        expect({ subscriptions, nodes, sinks }).toEqual({ subscriptions: 0, nodes: 0, sinks: 0 });
      }),
      { numRuns: 100 },
    );
  });

  it('lets # match its parent and hides $ topics from leading wildcards', () => {
    const router = createRouter();
    ['#', '+/#', 'a/#', '+', '$SYS/#', '/', '+/+', '//'].forEach((filter, sink) => {
      router.subscribe(sink, bytes(filter), 0, 0);
    });
    const sinks = (topic: string) => {
      const found = router.match(bytes(topic));
      return [...found.sinks.subarray(0, found.count)].sort();
    };
    expect(sinks('a')).toEqual([0, 1, 2, 3]);
    expect(sinks('a/b')).toEqual([0, 1, 2, 6]);
    expect(sinks('$SYS')).toEqual([4]);
    expect(sinks('$SYS/x')).toEqual([4]);
    expect(sinks('/')).toEqual([0, 1, 5, 6]);
    expect(sinks('//')).toEqual([0, 1, 7]);
  });

  it('holds 100,000 subscribers of one topic and removes each without a scan', () => {
    const router = createRouter();
    const filter = bytes('one/topic');
    const count = 100_000;
    for (let sink = 0; sink < count; sink++) router.subscribe(sink, filter, sink & 3, sink);
    const found = router.match(filter);
    expect(found.count).toBe(count);
    const seen = new Set(found.sinks.subarray(0, count));
    expect(seen.size).toBe(count);
    for (let sink = 0; sink < count; sink += 2) expect(router.unsubscribe(sink, filter)).toBe(true);
    const rest = router.match(filter);
    expect(rest.count).toBe(count / 2);
    for (let i = 0; i < rest.count; i++) {
      const sink = rest.sinks[i] ?? -1;
      expect((sink & 1) === 1 && rest.identifiers[i] === sink && rest.options[i] === (sink & 3)).toBe(true);
    }
    for (let sink = 1; sink < count; sink += 2) expect(router.removeSink(sink)).toBe(1);
    expect(router.match(filter).count).toBe(0);
    expect(router.totals().subscriptions).toBe(0);
  });

  it('holds 100,000 subscriptions of one sink', () => {
    const router = createRouter();
    const filters = Array.from({ length: 100_000 }, (_, i) => bytes(`a/${i % 100}/${i}`));
    for (const filter of filters) router.subscribe(7, filter, 1, 0);
    expect(router.countOf(7)).toBe(filters.length);
    for (let i = 0; i < filters.length; i += 2) router.unsubscribe(7, filters[i] ?? bytes('x'));
    expect(router.removeSink(7)).toBe(filters.length / 2);
    expect(router.totals().subscriptions).toBe(0);
  });

  it('reports groups apart, however many share a filter', () => {
    const router = createRouter();
    for (let i = 0; i < 3000; i++) router.subscribeShared(i, `g${i}`, bytes('a/+'), 1, 2);
    router.subscribe(1, bytes('a/b'), 3, 4);
    const found = router.match(bytes('a/b'));
    expect([found.count, found.sinks[0], found.options[0], found.identifiers[0]]).toEqual([1, 1, 3, 4]);
    expect(new Set(found.groups.map((group) => group.name)).size).toBe(3000);
    expect(router.totals()).toMatchObject({ subscriptions: 3001, sharedGroups: 3000 });
  });

  it('takes topics of 65,535 bytes and of 65,536 levels', () => {
    const router = createRouter();
    const deep = '/'.repeat(65_535);
    const long = 'x'.repeat(65_535);
    router.subscribe(1, bytes(deep), 0, 0);
    router.subscribe(2, bytes(long), 0, 0);
    router.subscribe(3, bytes('/#'), 0, 0);
    expect(matched(router, deep)).toEqual(['1:0:0', '3:0:0']);
    expect(matched(router, long)).toEqual(['2:0:0']);
    expect(router.subscriptionsOf(1).map((s) => text(s.filter))).toEqual([deep]);
    expect(() => router.match(bytes(`${long}x`))).toThrow(RangeError);
  });

  it('refuses additions at the memory limit and goes on serving', () => {
    const router = createRouter({ limitBytes: 400_000 });
    let added = 0;
    while (router.subscribe(added, bytes(`t/${added}`), 0, 0) === 'new') added++;
    expect(added).toBeGreaterThan(1000);
    expect(router.subscribe(0, bytes('t/0'), 5, 6)).toBe('replaced');
    expect(router.subscribeShared(0, 'g', bytes('t/0'), 5, 6)).toBe('full');
    expect(matched(router, 't/0')).toEqual(['0:5:6']);
    for (let sink = 0; sink < added; sink++) router.removeSink(sink);
    expect(router.subscribe(0, bytes('t/0'), 0, 0)).toBe('new');
  });
});

describe('subscription trie', () => {
  it('returns all its counters to zero and does not grow under churn', () => {
    const trie = createSubscriptionTrie({ seed: 1 });
    const fresh = trie.counters();
    const live = new Map<string, [string, number]>();
    let state = 12345;
    const next = (below: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % below;
    };
    let settled = 0;
    for (let round = 0; round < 12; round++) {
      for (let i = 0; i < 5000; i++) {
        const wild = ['+', '#', `${next(50)}/#`, `d${next(2000)}`, `+/${next(9)}`][next(5)];
        const filter = `r${next(20)}/${wild}`;
        const sink = next(500);
        trie.add(bytes(filter), sink, 0, 0);
        live.set(`${filter} ${sink}`, [filter, sink]);
      }
      for (const [key, [filter, sink]] of live) {
        if (next(10) === 0) continue;
        expect(trie.remove(bytes(filter), sink)).toBe(true);
        live.delete(key);
      }
      if (round === 5) settled = trie.counters().memoryBytes;
    }
    expect(trie.counters().memoryBytes).toBeLessThanOrEqual(settled * 1.25);
    for (const [filter, sink] of live.values()) trie.remove(bytes(filter), sink);
    const { subscriptions, nodes, levels, sinks, liveBytes } = trie.counters();
    expect({ subscriptions, nodes, levels, sinks }).toEqual({
      subscriptions: 0,
      nodes: 0,
      levels: 0,
      sinks: 0,
    });
    // Tables keep the size of their peak; blocks of nodes, levels and lists are all back.
    expect(liveBytes - fresh.liveBytes).toBeLessThan(512 * 1024);
  });
});
