/**
 * Topics: names, ids, partitions and configurations of what Kafka's clients read and write. Here are the durable table of
 * them, their configurations' meaning, and the requests that create, change, describe and delete them. Not here: records.
 *
 * Guaranteed: a topic that was acknowledged has all its partitions after any crash; an id is never given twice; a topic
 * that was deleted does not come back. At the limit of partitions a new topic is refused. Streams of the configuration
 * are topics as well: the configuration says what they are, and clients cannot change them.
 */
import { randomBytes } from 'node:crypto';
import { Listeners } from '../../../kernel/listeners.ts';
import type { Partition, Partitions } from '../../../kernel/log/partitions.ts';
import type { StateLog } from '../../../kernel/state/state-log.ts';
import { TableId } from '../../../kernel/state/table.ts';
import { type TopicsConfig, understand } from './configs.ts';
import { collisionKey, isInternalName, topicNameFault } from './names.ts';
import { isSame, policyOf, type TopicSettings } from './settings.ts';
import { createTenantQuota, type TenantRefusal, type TopicAccounts } from './tenant-quota.ts';
import { encodeTopicEntry, type TopicEntry, type TopicFacts, type TopicTable } from './topic-table.ts';

export interface Topic {
  readonly name: string;
  /** 22 characters, as the wire layer has them. */
  readonly id: string;
  /** By number, all there. */
  readonly partitions: readonly Partition[];
  /** What was set for this topic, as written; by name. */
  readonly overrides: ReadonlyMap<string, string>;
  /** Overrides and defaults, understood. */
  readonly settings: TopicSettings;
  readonly isInternal: boolean;
  /** A stream of the configuration: clients read and write it, and do not change it. */
  readonly isConfigured: boolean;
}

export type TopicChange = 'created' | 'grown' | 'configured' | 'deleted';
export type TopicRefusal = 'exists' | 'full' | 'no-storage' | 'unknown' | 'failed' | TenantRefusal;

export interface NewTopic {
  readonly name: string;
  readonly partitionCount: number;
  readonly overrides?: ReadonlyMap<string, string>;
}

export interface Topics {
  get(name: string): Topic | undefined;
  byId(id: string): Topic | undefined;
  /** undefined where there is no such topic or partition. */
  partition(name: string, number: number): Partition | undefined;
  list(): Iterable<Topic>;
  readonly count: number;
  /** One whose name tools cannot tell from this one. */
  colliding(name: string): Topic | undefined;

  /** Whether a tenant may have so many more; undefined where nothing says no. */
  tenantRefusal(name: string, topics: number, partitions: number): TenantRefusal | undefined;
  /** Names and overrides have been checked. Durable when the promise resolves, as for the other changes. */
  create(topic: NewTopic): Promise<Topic | TopicRefusal>;
  grow(topic: Topic, partitionCount: number): Promise<Topic | TopicRefusal>;
  configure(topic: Topic, overrides: ReadonlyMap<string, string>): Promise<Topic | TopicRefusal>;
  delete(topic: Topic): Promise<void>;
  /** What topics have by default is another; those that it changes something for have it from now on. */
  defaultsChanged(): void;

  /** After the change; a deleted topic's partitions have `isDeleted`. Until the returned function is called. */
  onChange(callback: (topic: Topic, change: TopicChange) => void): () => void;
}

export interface TopicsOptions {
  readonly config: TopicsConfig;
  readonly table: TopicTable;
  readonly log: StateLog;
  readonly partitions: Partitions;
  readonly stripeOf: (key: string) => number;
  /** Undefined where nobody has said how far they have come. */
  readonly settledFloor: (topic: string, partition: number) => number | undefined;
  readonly tenants: TopicAccounts;
}

interface LiveTopic extends Topic {
  partitions: readonly Partition[];
  overrides: ReadonlyMap<string, string>;
  settings: TopicSettings;
}

const ID_BYTES = 16;

/** Brings the topics of the table to life: finishes what a crash has left half done, and takes in the streams. */
export async function openTopics(options: TopicsOptions): Promise<Topics> {
  const { config, table, log, partitions: logs } = options;
  const byName = new Map<string, LiveTopic>();
  const byId = new Map<string, LiveTopic>();
  const byCollision = new Map<string, LiveTopic>();
  const watchers = new Listeners<(topic: Topic, change: TopicChange) => void>();
  /** Names that are being made or deleted. */
  const busy = new Map<string, Promise<unknown>>();
  const quota = createTenantQuota(options.tenants);
  const streams = new Map(config.streams.map((stream) => [stream.name, stream]));

  const commitEntry = (entry: TopicEntry): Promise<void> =>
    new Promise((resolve, reject) => {
      log.add(TableId.KafkaTopics, encodeTopicEntry(entry));
      const done = (error: Error | undefined): void => {
        if (error !== undefined) {
          reject(error);
          return;
        }
        table.apply(entry);
        resolve();
      };
      log.commit('sync', done, entry.kind === 'deleting' || entry.kind === 'gone');
    });

  const tell = (topic: Topic, change: TopicChange): void => {
    watchers.each((watcher) => watcher(topic, change));
  };

  /** Makes the partitions that are missing; all of them, or the reason. */
  async function ensure(
    name: string,
    count: number,
    settings: TopicSettings,
  ): Promise<readonly Partition[] | TopicRefusal> {
    const there = new Set(logs.list(name).map(({ number }) => number));
    const missing = Array.from({ length: count }, (_, number) => number).filter(
      (number) => !there.has(number),
    );
    const made = await Promise.all(
      missing.map((number) =>
        logs.create(name, number, options.stripeOf(`${name}/${number}`), settings.storage),
      ),
    );
    for (const each of made) if (each === 'full' || each === 'no-storage') return each;
    return logs.list(name);
  }

  const remove = async (name: string): Promise<void> => {
    await Promise.all(logs.list(name).map((partition) => logs.delete(partition)));
  };

  function applyPolicy(topic: LiveTopic, partitions: readonly Partition[]): void {
    if (topic.isConfigured) return;
    for (const partition of partitions) {
      const settledFloor = (): number => options.settledFloor(topic.name, partition.number) ?? 0;
      logs.setPolicy(partition, policyOf(topic.settings, settledFloor));
    }
  }

  /** Of a stream, what the configuration says stands above what is in the table. */
  function effective(name: string, overrides: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
    const stream = streams.get(name);
    if (stream === undefined) return overrides;
    const { cleanup, storage, retention } = stream;
    const isForever = retention.ageSeconds >= 0xffff_ffff;
    return new Map([
      ...overrides,
      ['cleanup.policy', cleanup],
      ['robustmq.storage', storage],
      ['retention.ms', isForever ? '-1' : `${retention.ageSeconds * 1000}`],
      ['retention.bytes', retention.size === 0 ? '-1' : `${retention.size}`],
      ['robustmq.retention.settled', `${retention.settled}`],
    ]);
  }

  const settingsOf = (name: string, overrides: ReadonlyMap<string, string>): TopicSettings =>
    understand(effective(name, overrides), config);

  function enter({ id, name, overrides }: TopicFacts, partitions: readonly Partition[]): LiveTopic {
    const topic: LiveTopic = {
      id,
      name,
      partitions,
      overrides: effective(name, overrides),
      settings: settingsOf(name, overrides),
      isInternal: isInternalName(name),
      isConfigured: streams.has(name),
    };
    applyPolicy(topic, partitions);
    byName.set(name, topic);
    byId.set(id, topic);
    byCollision.set(collisionKey(name), topic);
    return topic;
  }

  async function make({
    name,
    partitionCount,
    overrides = new Map(),
  }: NewTopic): Promise<Topic | TopicRefusal> {
    const id = randomBytes(ID_BYTES).toString('base64url');
    const settings = settingsOf(name, overrides);
    // Both are in one frame, or the topic without its partitions is finished by the next start.
    const entry: TopicEntry = { kind: 'create', id, name, count: partitionCount, overrides };
    const [created, made] = await Promise.allSettled([
      commitEntry(entry),
      ensure(name, partitionCount, settings),
    ]);
    const isCreated = created.status === 'fulfilled';
    const partitions = made.status === 'fulfilled' ? made.value : 'failed';
    if (!isCreated || typeof partitions === 'string') {
      await remove(name).catch(() => {});
      if (isCreated) await commitEntry({ kind: 'gone', id }).catch(() => {});
      return typeof partitions === 'string' ? partitions : 'failed';
    }
    const facts = table.facts.get(id);
    if (facts === undefined) return 'failed';
    const topic = enter(facts, partitions);
    tell(topic, 'created');
    return topic;
  }

  async function finish(facts: TopicFacts): Promise<void> {
    await remove(facts.name);
    await commitEntry({ kind: 'gone', id: facts.id });
  }

  for (const facts of [...table.facts.values()]) if (facts.isDeleting) await finish(facts);
  for (const facts of table.facts.values()) {
    const settings = settingsOf(facts.name, facts.overrides);
    const partitions = await ensure(facts.name, facts.count, settings);
    if (typeof partitions === 'string') throw new Error(`topic ${facts.name}: no partitions: ${partitions}`);
    enter(facts, partitions);
  }
  for (const name of new Set([...streams.keys(), ...logs.names()])) {
    if (byName.has(name) || topicNameFault(name) !== undefined) continue;
    // Nothing of it goes when the configuration forgets it.
    const overrides = new Map([['retention.ms', '-1']]);
    const topic = await make({ name, partitionCount: logs.list(name).length, overrides });
    if (typeof topic === 'string') throw new Error(`stream ${name}: cannot be a topic: ${topic}`);
  }
  for (const { name, partitions, isConfigured } of byName.values()) {
    if (!isConfigured) quota.count(name, partitions.length);
  }

  const own = (topic: Topic): LiveTopic | undefined => byId.get(topic.id);

  return {
    get: (name) => byName.get(name),
    byId: (id) => byId.get(id),
    partition: (name, number) => byName.get(name)?.partitions[number],
    list: () => byName.values(),
    get count() {
      return byName.size;
    },
    tenantRefusal: (name, topics, partitions) => quota.refusal(name, topics, partitions),
    colliding: (name) => byCollision.get(collisionKey(name)),

    async create(topic) {
      const { name } = topic;
      for (;;) {
        if (byName.has(name)) return 'exists';
        const before = busy.get(name);
        if (before === undefined) break;
        await before.catch(() => {});
      }
      const refused = quota.take(name, 1, topic.partitionCount);
      if (refused !== undefined) return refused;
      const made = make(topic).finally(() => busy.delete(name));
      busy.set(name, made);
      const giveBack = (): void => quota.release(name, 1, topic.partitionCount);
      made.then((outcome) => typeof outcome === 'string' && giveBack(), giveBack);
      return made;
    },
    async grow(topic, partitionCount) {
      const live = own(topic);
      if (live === undefined) return 'unknown';
      const { name } = live;
      const taken = partitionCount - live.partitions.length;
      const refused = quota.take(name, 0, taken);
      if (refused !== undefined) return refused;
      const grown = commitEntry({ kind: 'grow', id: live.id, count: partitionCount });
      const made = ensure(live.name, partitionCount, live.settings);
      const [entry, partitions] = await Promise.allSettled([grown, made]);
      const refuse = (reason: TopicRefusal): TopicRefusal => {
        quota.release(name, 0, taken);
        return reason;
      };
      if (entry.status === 'rejected' || partitions.status === 'rejected') return refuse('failed');
      if (typeof partitions.value === 'string') return refuse(partitions.value);
      // Who is deleted has given back what it had, and another who made it grow has taken the same ones.
      const isGone = byId.get(live.id) !== live;
      quota.release(name, 0, isGone ? taken : taken - (partitions.value.length - live.partitions.length));
      live.partitions = partitions.value;
      applyPolicy(live, live.partitions);
      tell(live, 'grown');
      return live;
    },
    async configure(topic, overrides) {
      const live = own(topic);
      if (live === undefined) return 'unknown';
      // At once, so that who changes something else meanwhile builds on it.
      const before = live.overrides;
      live.overrides = overrides;
      try {
        await commitEntry({ kind: 'configure', id: live.id, overrides });
      } catch {
        if (live.overrides === overrides) live.overrides = before;
        return 'failed';
      }
      live.settings = settingsOf(live.name, live.overrides);
      applyPolicy(live, live.partitions);
      tell(live, 'configured');
      return live;
    },
    async delete(topic) {
      const live = own(topic);
      if (live === undefined) return;
      byName.delete(live.name);
      byId.delete(live.id);
      byCollision.delete(collisionKey(live.name));
      if (!live.isConfigured) quota.release(live.name, 1, live.partitions.length);
      const deleted = Promise.all([commitEntry({ kind: 'deleting', id: live.id }), remove(live.name)]);
      // The name is free when nothing of the old topic is left.
      const gone = deleted
        .then(() => commitEntry({ kind: 'gone', id: live.id }))
        .finally(() => busy.delete(live.name));
      busy.set(live.name, gone);
      tell(live, 'deleted');
      await gone;
    },

    defaultsChanged() {
      for (const live of byName.values()) {
        const settings = settingsOf(live.name, live.overrides);
        if (isSame(settings, live.settings)) continue;
        live.settings = settings;
        applyPolicy(live, live.partitions);
        tell(live, 'configured');
      }
    },

    onChange: (callback) => watchers.add(callback),
  };
}
