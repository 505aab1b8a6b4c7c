/**
 * The one request of consumer groups: joining, staying, leaving. A change of members, subscriptions or topics makes a new epoch and
 * a new target for everybody; each member comes closer to its target with its own heartbeats.
 */

import { ErrorCode } from '../messages/errors.ts';
import type { Topics } from '../topics/topics.ts';
import { type Assignment, isSameAssignment, isSubset, NO_PARTITIONS } from './assignment.ts';
import type { GroupChange } from './changes.ts';
import {
  AWAY_EPOCH,
  addConsumerMember,
  type ClassicSide,
  type ConsumerGroup,
  type ConsumerMember,
  isAllClassic,
  newConsumerGroup,
  patternOf,
  removeConsumerMember,
  setAssigned,
  subscriptionBytesOf,
} from './consumer-group.ts';
import {
  groupImage,
  isMemberPart,
  type KeptMember,
  memberImage,
  memberPart,
  noPart,
  readGroupImage,
  readMemberImage,
} from './consumer-image.ts';
import { reconcile } from './consumer-reconcile.ts';
import { isSameTopics, nextTargets, resolveTopics } from './consumer-targets.ts';
import type { HeartbeatAnswer } from './heartbeat-answer.ts';
import type { GroupHost } from './host.ts';

export interface ConsumerHeartbeat {
  readonly memberId: string;
  /** 0 joins, -1 leaves, -2 leaves for a while. */
  readonly memberEpoch: number;
  readonly instanceId: string | null;
  readonly rackId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  /** These are undefined where they are as before. */
  readonly rebalanceTimeoutMs: number | undefined;
  readonly topicNames: readonly string[] | undefined;
  readonly regex: string | undefined;
  readonly assignor: string | undefined;
  readonly owned: Assignment | undefined;
  /** Of a classic member, which always joins. */
  readonly classic?: ClassicSide;
}

const refuse = (errorCode: number, reason: string): HeartbeatAnswer => ({ errorCode, reason });

/** What a heartbeat changes, to be written down as one. */
interface Changes {
  readonly members: Set<ConsumerMember>;
  readonly gone: Set<string>;
  needsEpoch: boolean;
  isGroup: boolean;
}

const noChanges = (): Changes => ({ members: new Set(), gone: new Set(), needsEpoch: false, isGroup: false });

export interface CoordinatorOptions {
  readonly host: GroupHost;
  readonly topics: Pick<Topics, 'get' | 'byId' | 'list'>;
  /** Members have gone, and all others are classic ones: true when it is a classic group from now on, and that is written down. */
  downgrade(group: ConsumerGroup, gone: readonly string[]): boolean;
}

export class ConsumerCoordinator {
  private readonly host: GroupHost;
  readonly topics: CoordinatorOptions['topics'];
  private readonly downgrade: CoordinatorOptions['downgrade'];

  constructor({ host, topics, downgrade }: CoordinatorOptions) {
    this.host = host;
    this.topics = topics;
    this.downgrade = downgrade;
  }

  restore(id: string, image: Uint8Array, parts: ReadonlyMap<string, Uint8Array>): ConsumerGroup {
    const { epoch, assignmentEpoch, topics } = readGroupImage(image);
    const group = newConsumerGroup(id, epoch);
    group.assignmentEpoch = assignmentEpoch;
    group.topics = topics;
    group.isStale = true;
    for (const [part, bytes] of parts) {
      if (!isMemberPart(part)) continue;
      const member = this.add(group, readMemberImage(bytes));
      if (member.state === 'unrevoked') member.rebalance.set(member.rebalanceTimeoutMs);
    }
    return group;
  }

  /** Its session begins. */
  add(group: ConsumerGroup, kept: KeptMember): ConsumerMember {
    const member = this.memberOf(group, { ...kept, pattern: patternOf(kept.regex) });
    addConsumerMember(group, member);
    this.beginSession(group, member);
    return member;
  }

  beginSession({ id }: ConsumerGroup, { session, classic }: ConsumerMember): void {
    const { consumerTimes, consumerSessionTimeoutMs } = this.host.settings;
    const usualMs = consumerTimes?.(id).sessionTimeoutMs ?? consumerSessionTimeoutMs;
    session.set(classic?.sessionTimeoutMs ?? usualMs);
  }

  private memberOf(
    group: ConsumerGroup,
    of: Omit<ConsumerMember, 'subscriptionBytes' | 'isCalled' | 'session' | 'rebalance'>,
  ): ConsumerMember {
    const { deadlines } = this.host;
    const member: ConsumerMember = {
      ...of,
      subscriptionBytes: 0,
      isCalled: false,
      session: deadlines.create(() => this.expel(group, member, 'its session has timed out')),
      rebalance: deadlines.create(() => this.expel(group, member, 'it was too slow in a rebalance')),
    };
    return member;
  }

  private expel(group: ConsumerGroup, member: ConsumerMember, reason: string): void {
    this.host.explain(group.id, `${member.id} is out: ${reason}`);
    const changes = noChanges();
    this.drop(group, member, changes);
    this.keep(group, changes);
  }

  private drop(group: ConsumerGroup, member: ConsumerMember, changes: Changes): void {
    removeConsumerMember(group, member);
    changes.gone.add(member.id);
    changes.needsEpoch = true;
  }

  /** The next epoch and its targets where they are needed, and all that has changed, as one change. */
  private keep(group: ConsumerGroup, changes: Changes): void {
    const { members, gone } = changes;
    if (members.size === 0 && gone.size === 0 && !changes.needsEpoch && !changes.isGroup) return;
    if (gone.size > 0 && isAllClassic(group) && this.downgrade(group, [...gone])) return;
    if (changes.needsEpoch) for (const member of nextTargets(group, this.topics)) members.add(member);
    const all: GroupChange[] = [...gone].map((id) => noPart(group.id, memberPart(id)));
    for (const member of members) {
      if (group.members.get(member.id) === member) all.push(memberImage(group, member));
    }
    if (changes.needsEpoch || changes.isGroup) all.push(groupImage(group));
    this.host.keep(group, all);
  }

  /** A new epoch where the topics are others. */
  refresh(group: ConsumerGroup): void {
    this.keep(group, { ...noChanges(), needsEpoch: this.hasOtherTopics(group) });
  }

  /** Classic members leave; they are there. */
  remove(group: ConsumerGroup, memberIds: readonly string[]): void {
    const changes = noChanges();
    for (const id of memberIds) {
      const member = group.members.get(id);
      if (member !== undefined) this.drop(group, member, changes);
    }
    this.keep(group, changes);
  }

  /** Whether its topics are others than those of the epoch. */
  private hasOtherTopics(group: ConsumerGroup): boolean {
    if (!group.isStale) return false;
    group.isStale = false;
    return !isSameTopics(group.topics, resolveTopics(group, this.topics).topics);
  }

  heartbeat(group: ConsumerGroup, request: ConsumerHeartbeat): HeartbeatAnswer {
    const changes = noChanges();
    if (!this.hasRoom(group, request)) {
      return refuse(ErrorCode.GROUP_MAX_SIZE_REACHED, "The members' subscriptions are too large.");
    }
    const found = this.find(group, request, changes);
    if ('errorCode' in found) return found;
    const { member } = found;
    const classicBefore = member.classic;
    if (this.subscribe(group, member, request)) {
      changes.members.add(member);
      changes.needsEpoch = true;
    }
    if (member.classic !== classicBefore) changes.members.add(member);
    changes.needsEpoch ||= this.hasOtherTopics(group);
    const before = member.assigned;
    // Targets first: what the member hears is of the newest epoch.
    if (changes.needsEpoch) {
      for (const each of nextTargets(group, this.topics)) changes.members.add(each);
      changes.needsEpoch = false;
      changes.isGroup = true;
      this.host.explain(group.id, `epoch ${group.epoch}, for ${member.id}`);
    }
    const isJoining = request.memberEpoch === 0;
    const isEmptyHanded = isJoining && request.classic === undefined;
    if (reconcile(group, member, isEmptyHanded ? NO_PARTITIONS : request.owned)) {
      changes.members.add(member);
      if (member.state === 'unrevoked') member.rebalance.set(member.rebalanceTimeoutMs);
      else member.rebalance.clear();
    }
    if (found.isNew) changes.members.add(member);
    this.beginSession(group, member);
    this.keep(group, changes);

    const isFull =
      isJoining ||
      (request.owned !== undefined &&
        request.rebalanceTimeoutMs !== undefined &&
        (request.topicNames !== undefined || request.regex !== undefined));
    const hasChanged = !isSameAssignment(before, member.assigned);
    return {
      errorCode: ErrorCode.NONE,
      memberId: member.id,
      memberEpoch: member.epoch,
      assignment: isFull || hasChanged ? member.assigned : undefined,
    };
  }

  private hasRoom(group: ConsumerGroup, request: ConsumerHeartbeat): boolean {
    const { memberId, topicNames, regex, classic } = request;
    if (topicNames === undefined && regex === undefined) return true;
    const member = group.members.get(memberId);
    const bytes = subscriptionBytesOf(
      topicNames ?? member?.topicNames ?? [],
      regex ?? member?.regex ?? '',
      classic,
    );
    const more = bytes - (member?.subscriptionBytes ?? 0);
    return more <= 0 || group.subscriptionBytes + more <= this.host.settings.maxGroupBytes;
  }

  /** The member that asks, new where it joins. */
  private find(
    group: ConsumerGroup,
    request: ConsumerHeartbeat,
    changes: Changes,
  ): { readonly member: ConsumerMember; readonly isNew: boolean } | HeartbeatAnswer {
    const { memberId, memberEpoch, instanceId } = request;
    const isJoining = memberEpoch === 0;
    const staticId = instanceId === null ? undefined : group.statics.get(instanceId);
    const known = group.members.get(staticId ?? memberId);
    // Who is there need not say its instance again; classic members do.
    const saysNothing = instanceId === null && request.classic === undefined;
    const isKnown = known !== undefined && (known.instanceId === instanceId || saysNothing);
    if (isKnown && instanceId !== null && known.id !== memberId) {
      if (!isJoining) return refuse(ErrorCode.FENCED_INSTANCE_ID, 'Another member has the instance.');
      // Classic members do not say that they leave for a while, so their places can be taken at any time; and take them so.
      const isClassic = known.classic !== undefined || request.classic !== undefined;
      if (known.epoch !== AWAY_EPOCH && !isClassic) {
        return refuse(ErrorCode.UNRELEASED_INSTANCE_ID, 'The instance has a member that has not left.');
      }
      return { member: this.replace(group, known, memberId, changes), isNew: true };
    }
    if (isKnown) {
      if (request.classic !== undefined && known.classic === undefined && instanceId === null) {
        return refuse(ErrorCode.UNKNOWN_MEMBER_ID, `${memberId} is of the other protocol.`);
      }
      if (isJoining) return { member: known, isNew: false };
      if (known.classic !== undefined) {
        return refuse(ErrorCode.UNKNOWN_MEMBER_ID, `${memberId} is of the other protocol.`);
      }
      const isCurrent = memberEpoch === known.epoch;
      // The answer with the current epoch was lost.
      const isRepeated =
        memberEpoch === known.previousEpoch &&
        memberEpoch < known.epoch &&
        request.owned !== undefined &&
        isSubset(request.owned, known.assigned);
      if (isCurrent || isRepeated) return { member: known, isNew: false };
      return refuse(ErrorCode.FENCED_MEMBER_EPOCH, `The member's epoch is ${known.epoch}.`);
    }
    if (!isJoining || known !== undefined) {
      return refuse(ErrorCode.UNKNOWN_MEMBER_ID, `${memberId} is no member.`);
    }
    if (group.members.size >= this.host.settings.maxMembers) {
      return refuse(ErrorCode.GROUP_MAX_SIZE_REACHED, 'The group is full.');
    }
    const member = this.memberOf(group, {
      id: memberId,
      instanceId,
      rackId: null,
      clientId: request.clientId,
      clientHost: request.clientHost,
      rebalanceTimeoutMs: 0,
      topicNames: [],
      regex: '',
      pattern: undefined,
      classic: undefined,
      assignor: '',
      epoch: 0,
      previousEpoch: 0,
      state: 'stable',
      assigned: NO_PARTITIONS,
      revoking: NO_PARTITIONS,
      target: NO_PARTITIONS,
    });
    addConsumerMember(group, member);
    changes.needsEpoch = true;
    return { member, isNew: true };
  }

  /** The place of an instance, with another member in it: nobody else has to move. */
  private replace(
    group: ConsumerGroup,
    away: ConsumerMember,
    memberId: string,
    changes: Changes,
  ): ConsumerMember {
    const { subscriptionBytes: _bytes, session: _session, rebalance: _rebalance, ...place } = away;
    removeConsumerMember(group, away);
    changes.gone.add(away.id);
    const member = this.memberOf(group, {
      ...place,
      id: memberId,
      epoch: 0,
      previousEpoch: 0,
      state: 'stable',
      revoking: NO_PARTITIONS,
    });
    addConsumerMember(group, member);
    return member;
  }

  /** True when partitions have to be shared anew for it. */
  private subscribe(group: ConsumerGroup, member: ConsumerMember, request: ConsumerHeartbeat): boolean {
    if (request.rebalanceTimeoutMs !== undefined) member.rebalanceTimeoutMs = request.rebalanceTimeoutMs;
    if (request.rackId !== null) member.rackId = request.rackId;
    member.clientId = request.clientId;
    member.clientHost = request.clientHost;
    let hasChanged = false;
    const { topicNames, regex, assignor } = request;
    // Who joins may have become another kind of member.
    const { classic } = request.memberEpoch === 0 ? request : member;
    const isOther = classic !== member.classic;
    member.classic = classic;
    if (topicNames !== undefined) {
      const names = [...new Set(topicNames)].sort();
      if (names.join() !== member.topicNames.join()) {
        member.topicNames = names;
        hasChanged = true;
      }
    }
    if (regex !== undefined && regex !== member.regex) {
      member.regex = regex;
      member.pattern = patternOf(regex);
      hasChanged = true;
    }
    if (hasChanged || isOther) {
      group.subscriptionBytes -= member.subscriptionBytes;
      member.subscriptionBytes = subscriptionBytesOf(member.topicNames, member.regex, classic);
      group.subscriptionBytes += member.subscriptionBytes;
    }
    if (assignor !== undefined && assignor !== member.assignor) {
      member.assignor = assignor;
      hasChanged = true;
    }
    return hasChanged;
  }

  leave(group: ConsumerGroup, { memberId, memberEpoch, instanceId }: ConsumerHeartbeat): HeartbeatAnswer {
    const staticId = instanceId === null ? memberId : group.statics.get(instanceId);
    const member = staticId === undefined ? undefined : group.members.get(staticId);
    if (member === undefined) return refuse(ErrorCode.UNKNOWN_MEMBER_ID, `${memberId} is no member.`);
    if (member.id !== memberId)
      return refuse(ErrorCode.FENCED_INSTANCE_ID, 'Another member has the instance.');
    const changes = noChanges();
    if (memberEpoch === AWAY_EPOCH && member.instanceId !== null) {
      member.epoch = AWAY_EPOCH;
      member.state = 'stable';
      member.rebalance.clear();
      setAssigned(group, member, member.assigned, NO_PARTITIONS);
      changes.members.add(member);
    } else this.drop(group, member, changes);
    this.keep(group, changes);
    return { errorCode: ErrorCode.NONE, memberId, memberEpoch, assignment: undefined };
  }
}
