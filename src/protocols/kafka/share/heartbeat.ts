/**
 * What heartbeats do to a share group: members come and go, each change of them or of their topics is an epoch with an assignment of
 * its own, and a member has it with its next heartbeat. Nobody waits for anybody, since partitions may be with several.
 */

import type { StateLog } from '../../../kernel/state/state-log.ts';
import { TableId } from '../../../kernel/state/table.ts';
import { type Assignment, isSameAssignment, NO_PARTITIONS } from '../groups/assignment.ts';
import type { SubscribedTopic } from '../groups/consumer-group.ts';
import { isSameTopics } from '../groups/consumer-targets.ts';
import type { Deadlines } from '../groups/deadlines.ts';
import type { HeartbeatAnswer } from '../groups/heartbeat-answer.ts';
import { ErrorCode } from '../messages/errors.ts';
import type { Topics } from '../topics/topics.ts';
import { assignShares } from './assignor.ts';
import {
  bytesOf,
  GROUP_PART,
  groupImage,
  isMemberPart,
  memberImage,
  memberPart,
  newShareGroup,
  readGroup,
  readMember,
  readsTopic,
  type ShareGroup,
  type ShareMember,
} from './group.ts';
import type { ShareTable } from './share-table.ts';

export interface ShareHeartbeat {
  readonly memberId: string;
  /** 0 joins, -1 leaves. */
  readonly memberEpoch: number;
  readonly rackId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  /** undefined: as before. */
  readonly topicNames: readonly string[] | undefined;
}

export interface CoordinatorOptions {
  readonly table: ShareTable;
  readonly log: Pick<StateLog, 'add' | 'commit'>;
  readonly level: Parameters<StateLog['commit']>[0];
  readonly deadlines: Deadlines;
  readonly topics: Pick<Topics, 'get'>;
  readonly maxGroups: number;
  readonly maxMembers: number;
  /** Of a group's subscriptions. */
  readonly maxGroupBytes: number;
  sessionTimeoutMs(group: string): number;
  explain(group: string, reason: string): void;
  /** Some of it may be new to the group. */
  assigned(group: string, assignment: Assignment): void;
  memberGone(group: string, memberId: string): void;
}

const refuse = (errorCode: number, reason: string): HeartbeatAnswer => ({ errorCode, reason });

export class ShareCoordinator {
  private readonly groups = new Map<string, ShareGroup>();
  private readonly options: CoordinatorOptions;

  constructor(options: CoordinatorOptions) {
    this.options = options;
  }

  /** Once, when the table is filled. */
  restore(): void {
    for (const [id, parts] of this.options.table.parts) {
      const image = parts.get(GROUP_PART);
      const group = newShareGroup(id);
      if (image !== undefined) Object.assign(group, readGroup(image));
      group.isStale = true;
      for (const [part, bytes] of parts) {
        if (!isMemberPart(part)) continue;
        const member = this.memberOf(group, readMember(bytes));
        this.add(group, member);
        member.session.set(this.options.sessionTimeoutMs(id));
      }
      this.groups.set(id, group);
    }
  }

  find(id: string): ShareGroup | undefined {
    return this.groups.get(id);
  }

  list(): IterableIterator<ShareGroup> {
    return this.groups.values();
  }

  get count(): number {
    return this.groups.size;
  }

  /** undefined where there is no room for one more. */
  open(id: string): ShareGroup | undefined {
    const known = this.groups.get(id);
    if (known !== undefined || this.groups.size >= this.options.maxGroups) return known;
    const group = newShareGroup(id);
    this.groups.set(id, group);
    return group;
  }

  /** One that nobody is in yet, kept; undefined where there is no room for one more. */
  make(id: string): ShareGroup | undefined {
    const group = this.open(id);
    if (group !== undefined) this.keepAll(group, [], true);
    return group;
  }

  /** Has no members. Adds to the current change, and ends it. */
  remove(group: ShareGroup): void {
    this.groups.delete(group.id);
    this.keep(
      group,
      [...(this.options.table.parts.get(group.id)?.keys() ?? [])].map((part) => [part, undefined]),
    );
  }

  topicChanged(name: string): void {
    for (const group of this.groups.values()) if (readsTopic(group, name)) group.isStale = true;
  }

  private memberOf(group: ShareGroup, of: Omit<ShareMember, 'subscriptionBytes' | 'session'>): ShareMember {
    const member: ShareMember = {
      ...of,
      subscriptionBytes: bytesOf(of.topicNames),
      session: this.options.deadlines.create(() => {
        this.options.explain(group.id, `${member.id} is out: its session has timed out`);
        this.drop(group, member);
      }),
    };
    return member;
  }

  private add(group: ShareGroup, member: ShareMember): void {
    group.members.set(member.id, member);
    group.subscriptionBytes += member.subscriptionBytes;
  }

  private drop(group: ShareGroup, member: ShareMember): void {
    member.session.clear();
    group.members.delete(member.id);
    group.subscriptionBytes -= member.subscriptionBytes;
    const changed = this.nextEpoch(group);
    this.options.memberGone(group.id, member.id);
    this.keepAll(group, changed, true, member.id);
  }

  private keepAll(group: ShareGroup, members: Iterable<ShareMember>, isGroup: boolean, gone?: string): void {
    const parts: [string, Uint8Array | undefined][] = [];
    if (gone !== undefined) parts.push([memberPart(gone), undefined]);
    for (const member of members) parts.push([memberPart(member.id), memberImage(member)]);
    if (isGroup) parts.push([GROUP_PART, groupImage(group)]);
    this.keep(group, parts);
  }

  private keep(group: ShareGroup, parts: readonly (readonly [string, Uint8Array | undefined])[]): void {
    const { table, log, level } = this.options;
    if (parts.length === 0) return;
    for (const [part, bytes] of parts) log.add(TableId.KafkaShares, table.put(group.id, part, bytes));
    const written = new Promise<boolean>((resolve) => {
      log.commit(level, (error) => resolve(error === undefined), true);
    });
    group.pending = written;
    void written.then(() => {
      if (group.pending === written) group.pending = undefined;
    });
  }

  private topicsOf(group: ShareGroup): Map<string, SubscribedTopic> {
    const topics = new Map<string, SubscribedTopic>();
    for (const { topicNames } of group.members.values()) {
      for (const name of topicNames) {
        const topic = topics.has(name) ? undefined : this.options.topics.get(name);
        if (topic !== undefined) topics.set(name, { id: topic.id, partitions: topic.partitions.length });
      }
    }
    return topics;
  }

  /** Gives the members whose target is another now. */
  private nextEpoch(group: ShareGroup): Set<ShareMember> {
    const topics = this.topicsOf(group);
    group.topics = topics;
    group.isStale = false;
    group.epoch++;
    const members = [...group.members.values()].map(({ id, topicNames, target }) => ({
      id,
      instanceId: null,
      topicIds: new Set(topicNames.flatMap((name) => topics.get(name)?.id ?? [])),
      target,
    }));
    const counts = new Map([...topics.values()].map(({ id, partitions }) => [id, partitions]));
    const changed = new Set<ShareMember>();
    for (const [id, target] of assignShares(members, counts)) {
      const member = group.members.get(id);
      if (member === undefined || isSameAssignment(member.target, target)) continue;
      member.target = target;
      changed.add(member);
      this.options.assigned(group.id, target);
    }
    return changed;
  }

  heartbeat(group: ShareGroup, request: ShareHeartbeat): HeartbeatAnswer {
    const { memberId, memberEpoch, topicNames } = request;
    const isJoining = memberEpoch === 0;
    const known = group.members.get(memberId);
    if (known === undefined && !isJoining)
      return refuse(ErrorCode.UNKNOWN_MEMBER_ID, `${memberId} is no member.`);
    // The answer with the current epoch may have been lost.
    const isCurrent = memberEpoch === known?.epoch || memberEpoch === known?.previousEpoch;
    if (known !== undefined && !isJoining && !isCurrent) {
      return refuse(ErrorCode.FENCED_MEMBER_EPOCH, `The member's epoch is ${known.epoch}.`);
    }
    const names = topicNames === undefined ? undefined : [...new Set(topicNames)].sort();
    const moreBytes = names === undefined ? 0 : bytesOf(names) - (known?.subscriptionBytes ?? 0);
    if (moreBytes > 0 && group.subscriptionBytes + moreBytes > this.options.maxGroupBytes) {
      return refuse(ErrorCode.GROUP_MAX_SIZE_REACHED, "The members' subscriptions are too large.");
    }
    if (known === undefined && group.members.size >= this.options.maxMembers) {
      return refuse(ErrorCode.GROUP_MAX_SIZE_REACHED, 'The group is full.');
    }
    const member = known ?? this.join(group, request, names ?? []);
    let needsEpoch = known === undefined;
    if (known !== undefined && names !== undefined && names.join() !== known.topicNames.join()) {
      group.subscriptionBytes += moreBytes;
      known.subscriptionBytes += moreBytes;
      known.topicNames = names;
      needsEpoch = true;
    }
    if (request.rackId !== null) member.rackId = request.rackId;
    member.clientId = request.clientId;
    member.clientHost = request.clientHost;
    if (group.isStale && !needsEpoch) {
      group.isStale = false;
      needsEpoch = !isSameTopics(group.topics, this.topicsOf(group));
    }
    const changed = needsEpoch ? this.nextEpoch(group) : new Set<ShareMember>();
    const before = member.assigned;
    if (member.epoch !== group.epoch) {
      member.previousEpoch = member.epoch;
      member.epoch = group.epoch;
      member.assigned = member.target;
      changed.add(member);
    }
    member.session.set(this.options.sessionTimeoutMs(group.id));
    this.keepAll(group, changed, needsEpoch);
    const isNews = isJoining || !isSameAssignment(before, member.assigned);
    return {
      errorCode: ErrorCode.NONE,
      memberId,
      memberEpoch: member.epoch,
      assignment: isNews ? member.assigned : undefined,
    };
  }

  private join(
    group: ShareGroup,
    { memberId, rackId, clientId, clientHost }: ShareHeartbeat,
    topicNames: readonly string[],
  ): ShareMember {
    const member = this.memberOf(group, {
      id: memberId,
      rackId,
      clientId,
      clientHost,
      topicNames,
      epoch: 0,
      previousEpoch: 0,
      assigned: NO_PARTITIONS,
      target: NO_PARTITIONS,
    });
    this.add(group, member);
    return member;
  }

  leave(group: ShareGroup, { memberId, memberEpoch }: ShareHeartbeat): HeartbeatAnswer {
    const member = group.members.get(memberId);
    if (member === undefined) return refuse(ErrorCode.UNKNOWN_MEMBER_ID, `${memberId} is no member.`);
    this.drop(group, member);
    return { errorCode: ErrorCode.NONE, memberId, memberEpoch, assignment: undefined };
  }
}
