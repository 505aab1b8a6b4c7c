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
import type { ClassicGroup } from './classic-group.ts';
import { CLASSIC_PART } from './classic-image.ts';
import { createClassicGroup, restoreClassicGroup } from './classic-rebalance.ts';
import { createDeadlines } from './deadlines.ts';
import type { GroupsTable } from './groups-table.ts';
import { createHost, type GroupHost, type HostOptions, stageAll } from './host.ts';
import {
  agingOf,
  type Committer,
  checkClassicCommit,
  expiredPartitions,
  prepareOffsets,
  type TopicToCommit,
} from './offsets.ts';
import type { GroupSettings } from './settings.ts';

export type Group = ClassicGroup;

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
  /** An empty one where there was none; undefined where there is no room for one more. */
  open(id: string): Group | undefined;
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

  for (const [id, { parts }] of table.records) {
    const classic = parts.get(CLASSIC_PART);
    if (classic !== undefined) live.set(id, restoreClassicGroup(host, id, classic));
  }

  const find = (id: string): Group | undefined => {
    const known = live.get(id);
    if (known !== undefined || !table.records.has(id)) return known;
    const group = createClassicGroup(host, id);
    live.set(id, group);
    return group;
  };
  const open = (id: string): Group | undefined => {
    const known = find(id);
    if (known !== undefined || live.size >= settings.maxGroups) return known;
    const group = createClassicGroup(host, id);
    live.set(id, group);
    return group;
  };

  const remove = (group: Group): void => {
    live.delete(group.id);
    group.state = 'Dead';
    group.rebalance.clear();
    group.syncing.clear();
    for (const deadline of group.pending.values()) deadline.clear();
    for (const { session } of group.members.values()) session.clear();
    host.keep(group, [{ kind: 'remove', group: group.id }]);
  };

  const checkCommit = (id: string, committer: Committer, isModern: boolean): number => {
    const group = find(id);
    if (group !== undefined) return checkClassicCommit(group, committer);
    if (committer.generation < 0) return ErrorCode.NONE;
    return isModern ? ErrorCode.GROUP_ID_NOT_FOUND : ErrorCode.ILLEGAL_GENERATION;
  };

  const touch = (group: Group, { memberId }: Committer): void => {
    const member = group.members.get(memberId);
    if (member !== undefined && !member.isNew) member.session.set(member.sessionTimeoutMs);
  };

  const forget: Groups['forget'] = (group, partitions, reply) => {
    host.keep(group, [{ kind: 'forget', group: group.id, partitions }]);
    host.answer(group, reply, false, true);
  };

  /** One group after the other, a topic's offsets at a time. */
  function* expiry(): Generator<void> {
    for (const [id, record] of table.records) {
      const group = live.get(id);
      const aging = agingOf(group);
      if (aging !== undefined) {
        const expired = expiredPartitions(record, aging, clock.wallMs(), settings.offsetsRetentionMs);
        const found = group ?? find(id);
        if (expired.size > 0 && found !== undefined) forget(found, expired, () => {});
      }
      for (let topics = record.offsets.size; topics >= 0; topics--) yield;
    }
    for (const group of live.values()) {
      const record = table.records.get(group.id);
      const isUnused = group.state === 'Empty' && group.pending.size === 0 && group.keeping.pending === 0;
      if (isUnused && (record?.offsets.size ?? 0) + (record?.staged.size ?? 0) === 0) {
        if (group.isKept) remove(group);
        else live.delete(group.id);
      }
      yield;
    }
  }

  let sweep: Generator<void> | undefined;
  let nextSweepMs = clock.monotonicMs() + settings.retentionCheckIntervalMs;
  const tick = (): void => {
    deadlines.fireDue(TICK_BUDGET);
    const nowMs = clock.monotonicMs();
    if (sweep === undefined && nowMs >= nextSweepMs) sweep = expiry();
    for (let left = TICK_BUDGET; left > 0 && sweep !== undefined; left--) {
      if (sweep.next().done) {
        sweep = undefined;
        nextSweepMs = nowMs + settings.retentionCheckIntervalMs;
      }
    }
  };
  const stopClock = clock.every(TICK_MS, tick);

  const stopTopics = topics.onChange((topic, change) => {
    if (change !== 'deleted') return;
    for (const [id, { offsets }] of table.records) {
      const partitions = offsets.get(topic.name);
      const group = partitions === undefined ? undefined : find(id);
      if (partitions === undefined || group === undefined) continue;
      forget(group, new Map([[topic.name, [...partitions.keys()]]]), () => {});
    }
  });

  return {
    host,
    table,
    find,
    open,
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
      const errorCode = checkCommit(id, committer, false);
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
      stageAll({ ...options, groups: table }, [{ kind: 'end', producerId, isCommit, atMs: clock.wallMs() }]),

    checkFetch: () => ErrorCode.NONE,

    usageOf(id) {
      const group = find(id);
      if (group === undefined || group.state === 'Dead') return undefined;
      return group.state === 'Empty' ? NO_TOPICS : (group.topics ?? 'members');
    },

    summaryOf(id) {
      const group = live.get(id);
      if (group === undefined) return { kind: 'classic', state: 'Empty', protocolType: '' };
      return { kind: group.kind, state: group.state, protocolType: group.protocolType ?? '' };
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
