/**
 * Share groups (KIP-932): records of a partition handed out one by one to the members of a group, who acknowledge each. Here are the
 * coordinator of such groups, the durable queues behind them, share sessions, and the requests about all of it. Not here: the queue
 * itself (kernel/log-queue), groups of other kinds (../groups), batches and where they lie.
 *
 * Guaranteed: what was acknowledged is durable before the member hears so, and is never delivered again; what was not comes back when
 * its lock ends, its holder goes or the process ends, and counts as delivered as far as the journal knows. Batches go out as they are
 * stored. A partition is read by one member at a time. Bounds: records that are out, sessions, members, and queues, above which a group
 * gets no further partition.
 */
import type { Clock } from '../../../kernel/clock.ts';
import type { Partition, Partitions } from '../../../kernel/log/partitions.ts';
import type { StateLog } from '../../../kernel/state/state-log.ts';
import { TableId } from '../../../kernel/state/table.ts';
import type { GroupConfigs } from '../admin/group-configs.ts';
import type { OffsetReset } from '../admin/offset-reset.ts';
import type { Kafka } from '../context.ts';
import { createDeadlines } from '../groups/deadlines.ts';
import type { Topic, Topics } from '../topics/topics.ts';
import type { ShareGroup } from './group.ts';
import { ShareCoordinator } from './heartbeat.ts';
import { createShareSessions, type ShareSessions } from './sessions.ts';
import { createGroupSettings, type GroupSettings } from './settings.ts';
import { endAll, endExpired, endHolds } from './settle.ts';
import { SharePartition } from './share-partition.ts';
import type { SharePlace, ShareState, ShareTable } from './share-table.ts';

export interface Shares {
  settingsOf(group: string): GroupSettings;
  readonly groups: ShareCoordinator;
  readonly sessions: ShareSessions;
  get(place: SharePlace): SharePartition | undefined;
  ofGroup(group: string): SharePartition[];
  /** New ones start where the group says; undefined where there is no such partition, or no room. */
  open(group: string, topic: Topic, number: number): Promise<SharePartition | undefined>;
  /** These two add to the current change, which their caller commits. What is out there comes back. */
  move(group: string, topic: Topic, number: number, start: number): void;
  drop(group: string, topicId: string): void;
  /** A group without members, with all that it has. */
  remove(group: ShareGroup): void;
  /** A member that is gone: its session, and what it has. */
  leave(group: string, member: string): void;
  /** Brings what the journal had to life. */
  start(kafka: Kafka): void;
  close(): void;
  readonly state: {
    readonly groups: number;
    readonly partitions: number;
    readonly sessions: number;
    readonly leased: number;
  };
}

export interface SharesOptions {
  readonly table: ShareTable;
  readonly configs: GroupConfigs;
  readonly clock: Clock;
  readonly log: StateLog;
  readonly level: Parameters<StateLog['commit']>[0];
  readonly topics: Topics;
  readonly partitions: Pick<Partitions, 'offsetForTime'>;
  readonly limits: {
    readonly maxSessions: number;
    readonly maxGroups: number;
    readonly maxMembers: number;
  };
  explain(group: string, reason: string): void;
}

const TICK_MS = 100;
const TICK_BUDGET = 1000;
/** Some three KiB each. */
const MAX_PARTITIONS = 100_000;
/** What members say of themselves goes into one change of the state log. */
const MAX_GROUP_BYTES = 6 * 1024 * 1024;

function startOf(
  { partitions, clock }: Pick<SharesOptions, 'partitions' | 'clock'>,
  partition: Partition,
  reset: OffsetReset,
): number | Promise<number> {
  if (reset.kind === 'earliest') return partition.startOffset;
  if (reset.kind !== 'age') return partition.endOffset;
  return partitions
    .offsetForTime(partition, clock.wallMs() - reset.ageMs)
    .then((found) => found?.offset ?? partition.endOffset);
}

/** Work that nobody waits for. */
function watched({ logger }: Kafka, work: Promise<void>): void {
  work.catch((error: unknown) =>
    logger.error({ err: error }, 'records of a share group cannot be given back'),
  );
}

export function createShares(options: SharesOptions): Shares {
  const { table, clock, log, level, topics } = options;
  const settingsOf = createGroupSettings(options.configs);
  const deadlines = createDeadlines(clock);
  const sessions = createShareSessions(options.limits.maxSessions);
  const live = new Map<ShareState, SharePartition>();
  const opening = new Map<string, Promise<SharePartition | undefined>>();
  const host = { table, log, clock, settingsOf };
  const stops = [clock.every(TICK_MS, () => deadlines.fireDue(TICK_BUDGET))];
  let kafka: Kafka | undefined;

  const enter = (state: ShareState, partition: Partition): SharePartition => {
    const expired = (): void => {
      if (kafka !== undefined && live.get(state) === share) watched(kafka, endExpired(kafka, share));
    };
    const share: SharePartition = new SharePartition(host, state, partition, deadlines.create(expired));
    live.set(state, share);
    return share;
  };

  const get = (place: SharePlace): SharePartition | undefined => {
    const state = table.get(place);
    return state && live.get(state);
  };

  const begin = (place: SharePlace, partition: Partition, start: number): SharePartition => {
    const before = get(place);
    const { state, entry } = table.begin(place, start);
    log.add(TableId.KafkaShares, entry);
    if (before !== undefined) {
      before.close();
      live.delete(before.state);
    }
    return enter(state, partition);
  };

  const drop = (state: ShareState): void => {
    const entry = table.drop(state);
    if (entry !== undefined) log.add(TableId.KafkaShares, entry);
    live.get(state)?.close();
    live.delete(state);
  };

  const placeOf = (group: string, topic: Topic, partition: number): SharePlace => ({
    group,
    topicId: topic.id,
    partition,
  });

  async function make(place: SharePlace, partition: Partition): Promise<SharePartition | undefined> {
    const start = await startOf(options, partition, settingsOf(place.group).reset);
    const known = get(place);
    if (known !== undefined) return known;
    if (partition.isDeleted || table.count >= MAX_PARTITIONS) return undefined;
    const share = begin(place, partition, start);
    log.commit(level, undefined, true);
    return share;
  }

  const open = (group: string, topic: Topic, number: number): Promise<SharePartition | undefined> => {
    const place = placeOf(group, topic, number);
    const known = get(place);
    const partition = topic.partitions[number];
    if (known !== undefined || partition === undefined) return Promise.resolve(known);
    const key = `${group.length} ${group}${number} ${topic.id}`;
    const before = opening.get(key);
    if (before !== undefined) return before;
    const made = make(place, partition)
      .catch(() => undefined)
      .finally(() => opening.delete(key));
    opening.set(key, made);
    return made;
  };

  const leave = (group: string, member: string): void => {
    const session = sessions.get(group, member);
    if (session !== undefined) sessions.close(session);
    for (const state of table.ofGroup(group)) {
      const share = live.get(state);
      if (share === undefined || kafka === undefined || state.queue.inFlightOf(member) === 0) continue;
      watched(kafka, endHolds(kafka, share, member));
    }
  };

  /** What a group has not seen of a topic that it reads starts at its beginning: there is no record that it would pass over. */
  const grown = (topic: Topic): void => {
    const groups = new Set<string>();
    for (const { group, topicId } of table.list()) if (topicId === topic.id) groups.add(group);
    for (const group of groups) {
      for (const partition of topic.partitions) {
        const place = placeOf(group, topic, partition.number);
        if (get(place) !== undefined || table.count >= MAX_PARTITIONS) continue;
        begin(place, partition, 0);
        log.commit(level, undefined, true);
      }
    }
  };

  const groups = new ShareCoordinator({
    table,
    log,
    level,
    deadlines,
    topics,
    maxGroups: options.limits.maxGroups,
    maxMembers: options.limits.maxMembers,
    maxGroupBytes: MAX_GROUP_BYTES,
    sessionTimeoutMs: (group) => settingsOf(group).sessionTimeoutMs,
    explain: options.explain,
    assigned(group, assignment) {
      for (const [topicId, numbers] of assignment) {
        const topic = topics.byId(topicId);
        if (topic !== undefined) for (const number of numbers) void open(group, topic, number);
      }
    },
    memberGone: leave,
  });

  const dropWhere = (isMeant: (state: ShareState) => boolean): void => {
    for (const state of [...table.list()].filter(isMeant)) drop(state);
  };

  function revive(running: Kafka): void {
    for (const state of [...table.list()]) {
      const { group, topicId, partition: number } = state;
      const partition = topics.byId(topicId)?.partitions[number];
      if (partition === undefined || groups.find(group) === undefined) {
        drop(state);
        continue;
      }
      const { floor, end, leased } = state.queue.stats;
      if (end > partition.endOffset) {
        // Records were lost that had been handed out: others will have their offsets.
        begin(state, partition, Math.min(floor, partition.endOffset));
      } else {
        const share = enter(state, partition);
        if (leased > 0) watched(running, endAll(running, share));
      }
    }
    log.commit(level, undefined, true);
  }

  return {
    settingsOf,
    groups,
    sessions,
    get,
    ofGroup: (group) => [...table.ofGroup(group)].flatMap((state) => live.get(state) ?? []),
    open,
    move(group, topic, number, start) {
      const partition = topic.partitions[number];
      if (partition !== undefined) begin(placeOf(group, topic, number), partition, start);
    },
    drop: (group, topicId) => dropWhere((state) => state.group === group && state.topicId === topicId),
    remove(group) {
      for (const state of [...table.ofGroup(group.id)]) drop(state);
      groups.remove(group);
    },
    leave,
    start(running) {
      kafka = running;
      groups.restore();
      revive(running);
      stops.push(
        topics.onChange((topic, change) => {
          if (change !== 'configured') groups.topicChanged(topic.name);
          if (change === 'grown') grown(topic);
          if (change !== 'deleted') return;
          dropWhere(({ topicId }) => topicId === topic.id);
          log.commit(level, undefined, true);
        }),
      );
      options.configs.onChange((group) => {
        for (const state of table.ofGroup(group)) live.get(state)?.configure();
      });
    },
    close() {
      for (const stop of stops) stop();
    },
    get state() {
      let leased = 0;
      for (const { queue } of table.list()) leased += queue.stats.leased;
      return { groups: groups.count, partitions: table.count, sessions: sessions.count, leased };
    },
  };
}
