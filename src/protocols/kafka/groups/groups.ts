/**
 * Groups: who reads what together, and how far they have come. Here are the coordinator of the classic protocol and of the one in
 * which the broker assigns, committed offsets, the durable table of both, and the requests about them. Not here: producers and
 * their transactions, which only stage offsets here; topics.
 *
 * Guaranteed: what a member is told of its group is durable, so generations and epochs never go back and a restart is no
 * rebalance; an offset that was acknowledged is there after any crash, and none is read before. Groups, members and offsets are
 * bounded; beyond the bounds new ones are refused.
 */
import type { Clock } from '../../../kernel/clock.ts';
import type { StateLog } from '../../../kernel/state/state-log.ts';
import { ErrorCode } from '../messages/errors.ts';
import type { Topics } from '../topics/topics.ts';
import { CLASSIC_PART, imageOf } from './classic-image.ts';
import { createClassicGroup, restoreClassicGroup } from './classic-rebalance.ts';
import { type ConsumerGroup, newConsumerGroup, readsTopic, stateOf } from './consumer-group.ts';
import { ConsumerCoordinator } from './consumer-heartbeat.ts';
import { CONSUMER_PART, groupImage, memberImage, memberPart, noPart } from './consumer-image.ts';
import { forgetPending, toClassicGroup, toConsumerGroup } from './conversion.ts';
import { createDeadlines } from './deadlines.ts';
import type { Group } from './group.ts';
import type { GroupsTable } from './groups-table.ts';
import { createHost, type GroupHost, type HostOptions, stageAll } from './host.ts';
import {
  type Committer,
  checkClassicCommit,
  checkConsumerCommit,
  checkConsumerFetch,
  prepareOffsets,
  type TopicToCommit,
} from './offsets.ts';
import { hasMembers, sweep } from './retention.ts';
import type { GroupSettings } from './settings.ts';

export type { Group } from './group.ts';

/** `errorCode` is for all partitions; `errors` by topic and partition, in the order of the request. */
export type Committed =
  | { readonly errorCode: number; readonly errors?: undefined }
  | { readonly errorCode: 0; readonly errors: readonly (readonly number[])[] };

export type StagedOffsets = Committed & { settle(): void };

export interface Groups {
  readonly host: GroupHost;
  readonly table: GroupsTable;
  /** Also one that has nothing but offsets. */
  find(id: string): Group | undefined;
  /** A group of another kind has the identifier; there is none here then. */
  isForeign(id: string): boolean;
  /** An empty one where there was none; undefined where there is no room for one more. */
  open(id: string): Group | undefined;
  /** Likewise; one of the other kind becomes one of this where it has no members. */
  openClassic(id: string): Group | undefined;
  openConsumer(id: string): Group | undefined;
  readonly consumers: ConsumerCoordinator;
  ids(): Iterable<string>;
  /** All that it has. Its members, if any, are not told. */
  remove(group: Group): void;
  /** What stands between them and a commit: NONE for nothing. */
  checkCommit(id: string, committer: Committer, isModern: boolean): number;
  commit(
    id: string,
    committer: Committer,
    topics: readonly TopicToCommit[],
    options: { readonly isModern: boolean; readonly retentionMs: number },
    reply: (committed: Committed) => void,
  ): void;
  /**
   * Offsets of a transaction, in the change that its caller makes and commits; `settle` when it is committed. Nothing is in the
   * change where there is an `errorCode`.
   */
  stage(
    id: string,
    committer: Committer,
    producerId: number,
    topics: readonly TopicToCommit[],
  ): StagedOffsets;
  /** The end of a producer's transaction for its offsets, likewise. Harmless where there are none. */
  endTransaction(producerId: number, isCommit: boolean): () => void;
  /** Forgets offsets; `reply` when that is durable. */
  forget(
    group: Group,
    partitions: ReadonlyMap<string, readonly number[]>,
    reply: (hasFailed: boolean) => void,
  ): void;
  /** What stands between a member, or anybody, and the offsets of a group. */
  checkFetch(id: string, memberId: string | null, memberEpoch: number): number;
  /** What its members read; `members` where that is not known, undefined where there is no group. */
  usageOf(id: string): ReadonlySet<string> | 'members' | undefined;
  /** Of one that there is. */
  summaryOf(id: string): GroupSummary;
  readonly count: number;
  close(): void;
}

export interface GroupSummary {
  readonly kind: Group['kind'];
  readonly state: string;
  readonly protocolType: string;
}

const NO_TOPICS: ReadonlySet<string> = new Set();

export interface GroupsOptions {
  readonly table: GroupsTable;
  readonly clock: Clock;
  readonly log: Pick<StateLog, 'add' | 'commit'>;
  readonly level: HostOptions['level'];
  readonly settings: GroupSettings;
  readonly topics: Pick<Topics, 'get' | 'byId' | 'list' | 'onChange'>;
  /** Whether the identifier is that of a group of a kind that is not kept here. */
  readonly isForeign?: (id: string) => boolean;
  /** Different each time, and not to be guessed. */
  readonly newId: () => string;
  readonly explain?: (group: string, reason: string) => void;
}

const TICK_MS = 100;
/** Deadlines that fire, and topics of groups that are looked at for expired offsets, in a tick. */
const TICK_BUDGET = 1000;

/** The tables have been recovered. */
export function createGroups(options: GroupsOptions): Groups {
  const { table, clock, settings, topics } = options;
  const deadlines = createDeadlines(clock);
  const host = createHost({ ...options, groups: table, deadlines });
  const live = new Map<string, Group>();
  const downgrade = (from: ConsumerGroup, gone: readonly string[]): boolean => {
    if (settings.migrationPolicy === 'upgrade' || settings.migrationPolicy === 'disabled') return false;
    const group = toClassicGroup(host, from, topics);
    live.set(group.id, group);
    const parts = [...gone, ...from.members.keys()].map((id) => noPart(group.id, memberPart(id)));
    host.keep(group, [...parts, noPart(group.id, CONSUMER_PART), imageOf(group)]);
    from.members.clear();
    return true;
  };
  const consumers = new ConsumerCoordinator({ host, topics, downgrade });

  for (const [id, { parts }] of table.records) {
    const classic = parts.get(CLASSIC_PART);
    const consumer = parts.get(CONSUMER_PART);
    if (classic !== undefined) live.set(id, restoreClassicGroup(host, id, classic));
    else if (consumer !== undefined) live.set(id, consumers.restore(id, consumer, parts));
  }

  const put = <G extends Group>(group: G): G => {
    live.set(group.id, group);
    return group;
  };
  const find = (id: string): Group | undefined => {
    const known = live.get(id);
    if (known !== undefined || !table.records.has(id)) return known;
    return put(createClassicGroup(host, id));
  };
  const hasRoom = (): boolean => live.size < settings.maxGroups;
  const open = (id: string): Group | undefined => {
    const known = find(id);
    return known !== undefined || !hasRoom() ? known : put(createClassicGroup(host, id));
  };

  const openClassic = (id: string): Group | undefined => {
    const known = open(id);
    if (known?.kind !== 'consumer' || hasMembers(known)) return known;
    forgetPending(known);
    const group = put(createClassicGroup(host, id, known.keeping));
    // Its generations go on from the epochs that there were.
    group.generation = known.epoch;
    group.isKept = true;
    host.keep(group, [noPart(id, CONSUMER_PART), imageOf(group)]);
    return group;
  };

  const openConsumer = (id: string): Group | undefined => {
    const known = find(id);
    if (known?.kind === 'consumer') return known;
    if (known === undefined && !hasRoom()) return undefined;
    if (known === undefined) return put(newConsumerGroup(id, 0));
    const isEmpty = known.state === 'Empty';
    const mayUpgrade = settings.migrationPolicy === 'bidirectional' || settings.migrationPolicy === 'upgrade';
    const group = isEmpty || mayUpgrade ? toConsumerGroup(consumers, known) : undefined;
    if (group === undefined) return known;
    put(group);
    const images = [...group.members.values()].map((member) => memberImage(group, member));
    if (known.isKept) host.keep(group, [noPart(id, CLASSIC_PART), groupImage(group), ...images]);
    return group;
  };

  const remove = (group: Group): void => {
    live.delete(group.id);
    forgetPending(group);
    if (group.kind === 'classic') group.state = 'Dead';
    if (group.keeping.pending === 0 && !table.records.has(group.id)) return;
    host.keep(group, [{ kind: 'remove', group: group.id }]);
  };

  const isForeign = options.isForeign ?? (() => false);
  const checkCommit = (id: string, committer: Committer, isModern: boolean): number => {
    if (isForeign(id)) return ErrorCode.GROUP_ID_NOT_FOUND;
    const group = find(id);
    if (group?.kind === 'consumer') return checkConsumerCommit(group, committer, isModern);
    if (group !== undefined) return checkClassicCommit(group, committer);
    if (committer.generation < 0) return ErrorCode.NONE;
    return isModern ? ErrorCode.GROUP_ID_NOT_FOUND : ErrorCode.ILLEGAL_GENERATION;
  };

  /** A commit shows that a classic member is alive. */
  const touch = (group: Group, { memberId }: Committer): void => {
    if (group.kind === 'consumer') {
      const member = group.members.get(memberId);
      if (member?.classic !== undefined) consumers.beginSession(group, member);
      return;
    }
    const member = group.members.get(memberId);
    if (member !== undefined && !member.isNew) member.session.set(member.sessionTimeoutMs);
  };

  const forget: Groups['forget'] = (group, partitions, reply) => {
    host.keep(group, [{ kind: 'forget', group: group.id, partitions }]);
    host.answer(group, reply, false, true);
  };
  const forgetQuietly = (id: string, partitions: ReadonlyMap<string, readonly number[]>): void => {
    const group = find(id);
    if (group !== undefined) forget(group, partitions, () => {});
  };

  let sweeping: Generator<void> | undefined;
  let nextSweepMs = clock.monotonicMs() + settings.retentionCheckIntervalMs;
  const tick = (): void => {
    deadlines.fireDue(TICK_BUDGET);
    const nowMs = clock.monotonicMs();
    if (sweeping === undefined && nowMs >= nextSweepMs) {
      const { offsetsRetentionMs: retentionMs } = settings;
      sweeping = sweep({ table, live, retentionMs, wallMs: clock.wallMs, forget: forgetQuietly, remove });
    }
    for (let left = TICK_BUDGET; left > 0 && sweeping !== undefined; left--) {
      if (!sweeping.next().done) continue;
      sweeping = undefined;
      nextSweepMs = nowMs + settings.retentionCheckIntervalMs;
    }
  };
  const stopClock = clock.every(TICK_MS, tick);

  const stopTopics = topics.onChange(({ name }, change) => {
    for (const group of live.values()) {
      if (group.kind === 'consumer' && readsTopic(group, name)) group.isStale = true;
    }
    if (change !== 'deleted') return;
    for (const [id, { offsets }] of table.records) {
      const partitions = offsets.get(name);
      if (partitions !== undefined) forgetQuietly(id, new Map([[name, [...partitions.keys()]]]));
    }
  });

  return {
    host,
    table,
    consumers,
    find,
    isForeign,
    open,
    openClassic,
    openConsumer,
    remove,
    checkCommit,
    forget,
    *ids() {
      yield* live.keys();
      for (const id of table.records.keys()) if (!live.has(id)) yield id;
    },

    commit(id, committer, wanted, { isModern, retentionMs }, reply) {
      const errorCode = checkCommit(id, committer, isModern);
      if (errorCode !== ErrorCode.NONE) {
        reply({ errorCode });
        return;
      }
      const group = open(id);
      if (group === undefined) {
        reply({ errorCode: ErrorCode.INVALID_COMMIT_OFFSET_SIZE });
        return;
      }
      touch(group, committer);
      const { offsets, errors } = prepareOffsets(table, settings, id, wanted, clock.wallMs(), retentionMs);
      if (offsets.size > 0) host.keep(group, [{ kind: 'offsets', group: id, producerId: -1, offsets }]);
      host.answer<Committed>(
        group,
        reply,
        { errorCode: ErrorCode.NONE, errors },
        { errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE },
      );
    },

    stage(id, committer, producerId, wanted) {
      const refused = checkCommit(id, committer, false);
      // Producers know generations only.
      const errorCode = refused === ErrorCode.STALE_MEMBER_EPOCH ? ErrorCode.ILLEGAL_GENERATION : refused;
      if (errorCode !== ErrorCode.NONE) return { errorCode, settle() {} };
      const group = open(id);
      if (group === undefined) return { errorCode: ErrorCode.INVALID_COMMIT_OFFSET_SIZE, settle() {} };
      touch(group, committer);
      const { offsets, errors } = prepareOffsets(table, settings, id, wanted, clock.wallMs());
      const settle =
        offsets.size === 0
          ? () => {}
          : stageAll({ ...options, groups: table }, [{ kind: 'offsets', group: id, producerId, offsets }]);
      return { errorCode: ErrorCode.NONE, errors, settle };
    },

    endTransaction: (producerId, isCommit) =>
      stageAll({ ...options, groups: table }, [
        { kind: 'end', producerId, order: table.nextOrder(), isCommit, atMs: clock.wallMs() },
      ]),

    checkFetch(id, memberId, memberEpoch) {
      if (isForeign(id)) return ErrorCode.GROUP_ID_NOT_FOUND;
      const group = live.get(id);
      return group?.kind === 'consumer' ? checkConsumerFetch(group, memberId, memberEpoch) : ErrorCode.NONE;
    },

    usageOf(id) {
      const group = find(id);
      if (group?.kind === 'consumer') return new Set(group.topics.keys());
      if (group === undefined || group.state === 'Dead') return undefined;
      return group.state === 'Empty' ? NO_TOPICS : (group.topics ?? 'members');
    },

    summaryOf(id) {
      const group = live.get(id);
      if (group === undefined) return { kind: 'classic', state: 'Empty', protocolType: '' };
      if (group.kind === 'consumer')
        return { kind: 'consumer', state: stateOf(group), protocolType: 'consumer' };
      return { kind: 'classic', state: group.state, protocolType: group.protocolType ?? '' };
    },

    get count() {
      return live.size;
    },
    close() {
      stopClock();
      stopTopics();
    },
  };
}
