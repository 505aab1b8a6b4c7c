/**
 * The router: who subscribes to what. A sink is a number its owner chose (an MQTT session's, a queue's); options are one
 * byte and the identifier a number that the router carries and never reads. All of it lies in the memory of the
 * subscription trie, with no object per subscription; only shared groups are objects.
 *
 * A sink has at most one subscription per filter, and one per group and filter besides. Whoever caches matches listens
 * to `onChange`. Not here: checking filters, parsing `$share/`, delivering.
 */
import { createSubscriptionTrie, type TopicsOptions } from '../wasm/topics.ts';
import { SharedGroup } from './shared-group.ts';
import { withAccessors } from './with-accessors.ts';

/** 'full': the memory limit is reached, or the sink has 16 million subscriptions; nothing was changed. */
export type SubscribeResult = 'new' | 'replaced' | 'full';

/** Subscribers of one topic: the first `count` of each array. Valid until the next call of the router. */
export interface Matches {
  count: number;
  sinks: Uint32Array;
  options: Uint8Array;
  identifiers: Uint32Array;
  readonly groups: SharedGroup[];
}

export interface Subscription {
  readonly filter: Uint8Array;
  readonly group: string | undefined;
  readonly options: number;
  readonly identifier: number;
}

export interface RouterTotals {
  /** Members of shared groups included. */
  readonly subscriptions: number;
  readonly sharedGroups: number;
  readonly memoryBytes: number;
}

export interface Router {
  subscribe(sink: number, filter: Uint8Array, options: number, identifier: number): SubscribeResult;
  unsubscribe(sink: number, filter: Uint8Array): boolean;
  subscribeShared(
    sink: number,
    group: string,
    filter: Uint8Array,
    options: number,
    identifier: number,
  ): SubscribeResult;
  unsubscribeShared(sink: number, group: string, filter: Uint8Array): boolean;
  /** Removes all the sink's subscriptions and says how many there were. */
  removeSink(sink: number): number;
  /** At most `limit`, where one is given, of those from the place `from` on; places change when one is removed. */
  subscriptionsOf(sink: number, limit?: number, from?: number): Subscription[];
  /** Shared groups that the sink is a member of. */
  groupsOf(sink: number): SharedGroup[];
  /** By `$share/name/filter`; undefined when nobody is a member. */
  groupOf(key: string): SharedGroup | undefined;
  countOf(sink: number): number;
  /** The shared group with that number, which is reused; undefined when there is none. */
  groupByNumber(number: number): SharedGroup | undefined;
  /** Above every number of a shared group. */
  readonly groupNumbers: number;
  /** The result is the same object at every call. */
  match(topic: Uint8Array): Matches;
  totals(): RouterTotals;
  /**
   * Called after the subscribers of a filter, or their options, have changed. It must not call the router's mutating
   * methods; it may keep the array.
   */
  onChange: (filter: Uint8Array) => void;
}

interface GroupEntry {
  readonly number: number;
  readonly key: string;
  readonly group: SharedGroup;
}

function groupKey(group: string, filter: Uint8Array): string {
  // Filters have no U+0000, so that the first one ends the filter.
  return `${Buffer.from(filter.buffer, filter.byteOffset, filter.byteLength).toString('latin1')}\0${group}`;
}

export function createRouter(options: TopicsOptions = {}): Router {
  const trie = createSubscriptionTrie(options);
  const entries = new Map<string, GroupEntry>();
  const byNumber: (GroupEntry | undefined)[] = [];
  const freeNumbers: number[] = [];
  const groupsOfSink = new Map<number, Set<GroupEntry>>();
  let sharedMembers = 0;
  const matches: Matches = {
    count: 0,
    sinks: new Uint32Array(0),
    options: new Uint8Array(0),
    identifiers: new Uint32Array(0),
    groups: [],
  };

  const createGroup = (key: string, name: string, filter: Uint8Array): GroupEntry | undefined => {
    const number = freeNumbers.pop() ?? byNumber.length;
    if (trie.addGroup(filter, number) === 'full') {
      freeNumbers.push(number);
      if (number === byNumber.length) byNumber.push(undefined);
      return undefined;
    }
    const entry = { number, key, group: new SharedGroup(name, filter.slice()) };
    byNumber[number] = entry;
    entries.set(key, entry);
    return entry;
  };

  const leave = (sink: number, entry: GroupEntry): boolean => {
    if (!entry.group.leave(sink)) return false;
    sharedMembers--;
    const own = groupsOfSink.get(sink);
    own?.delete(entry);
    if (own?.size === 0) groupsOfSink.delete(sink);
    if (entry.group.members.length === 0) {
      trie.removeGroup(entry.group.filter, entry.number);
      entries.delete(entry.key);
      byNumber[entry.number] = undefined;
      freeNumbers.push(entry.number);
    }
    router.onChange(entry.group.filter);
    return true;
  };

  const router: Router = withAccessors<Router, 'groupNumbers'>(
    {
      get groupNumbers() {
        return byNumber.length;
      },
    },
    {
      onChange: () => {},

      subscribe(sink, filter, opts, identifier) {
        const result = trie.add(filter, sink, opts, identifier);
        if (result === 'full') return 'full';
        if (result !== 'same') router.onChange(filter);
        return result === 'added' ? 'new' : 'replaced';
      },

      unsubscribe(sink, filter) {
        if (!trie.remove(filter, sink)) return false;
        router.onChange(filter);
        return true;
      },

      subscribeShared(sink, group, filter, opts, identifier) {
        const key = groupKey(group, filter);
        const entry = entries.get(key) ?? createGroup(key, group, filter);
        if (entry === undefined) return 'full';
        const result = entry.group.join({ sink, options: opts, identifier });
        if (result === 'new') {
          sharedMembers++;
          const own = groupsOfSink.get(sink);
          if (own === undefined) groupsOfSink.set(sink, new Set([entry]));
          else own.add(entry);
        }
        if (result !== 'same') router.onChange(entry.group.filter);
        return result === 'new' ? 'new' : 'replaced';
      },

      unsubscribeShared(sink, group, filter) {
        const entry = entries.get(groupKey(group, filter));
        return entry !== undefined && leave(sink, entry);
      },

      removeSink(sink) {
        let removed = 0;
        for (let filter = trie.removeLast(sink); filter !== undefined; filter = trie.removeLast(sink)) {
          removed++;
          router.onChange(filter);
        }
        for (const entry of [...(groupsOfSink.get(sink) ?? [])]) {
          if (leave(sink, entry)) removed++;
        }
        return removed;
      },

      subscriptionsOf(sink, limit = Number.POSITIVE_INFINITY, from = 0) {
        const list: Subscription[] = [];
        const own = trie.countOf(sink);
        for (let i = from; i < own && list.length < limit; i++) {
          list.push({ ...trie.describe(sink, i), group: undefined });
        }
        let place = own;
        for (const { group } of groupsOfSink.get(sink) ?? []) {
          if (list.length >= limit) break;
          if (place++ < from) continue;
          const member = group.member(sink);
          if (member === undefined) continue;
          const { options: opts, identifier } = member;
          list.push({ filter: group.filter, group: group.name, options: opts, identifier });
        }
        return list;
      },

      groupsOf: (sink) => [...(groupsOfSink.get(sink) ?? [])].map(({ group }) => group),

      groupOf(key) {
        const [, name = '', ...levels] = key.split('/');
        return entries.get(groupKey(name, Buffer.from(levels.join('/'))))?.group;
      },

      groupByNumber: (number) => byNumber[number]?.group,

      countOf(sink) {
        return trie.countOf(sink) + (groupsOfSink.get(sink)?.size ?? 0);
      },

      match(topic) {
        const found = trie.match(topic);
        matches.count = found.count;
        matches.sinks = found.sinks;
        matches.options = found.options;
        matches.identifiers = found.identifiers;
        const { groups } = matches;
        if (groups.length !== 0) groups.length = 0;
        for (let i = 0; i < found.groupCount; i++) {
          const entry = byNumber[found.groups[i] ?? -1];
          if (entry !== undefined) groups.push(entry.group);
        }
        return matches;
      },

      totals() {
        const { subscriptions, memoryBytes } = trie.counters();
        return {
          subscriptions: subscriptions - entries.size + sharedMembers,
          sharedGroups: entries.size,
          memoryBytes,
        };
      },
    },
  );
  return router;
}
