/** Clients of both protocols as they behave: what they have, what they are told, and what they make of errors. */
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../../../../src/protocols/kafka/messages/consumer-protocol.ts';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import type { Ask, Loose } from './requests.ts';
import { FakeTopics } from './support.ts';

export const TOPIC = 't';
const TOPIC_ID = FakeTopics.idOf(TOPIC);
const GROUP = 'g';
const PROTOCOL = 'p';
const SESSION_MS = 10_000;
const REBALANCE_MS = 20_000;

export abstract class MixedClient {
  readonly instanceId: string | null;
  protected readonly ask: Ask;
  id = '';
  /** Partitions that it reads. */
  owned: ReadonlySet<number> = new Set();
  isDead = false;
  protected isBusy = false;
  private answer: (() => void) | undefined;

  constructor(ask: Ask, instanceId: string | null) {
    this.ask = ask;
    this.instanceId = instanceId;
  }

  /** The next request, where none is under way; `isLost`: it never hears what comes of it. */
  abstract step(isLost: boolean): void;
  /** As its process ends in order; classic static members do not say so. */
  abstract leave(): void;
  /** As a connection that breaks does: whoever waits for an answer waits no more. */
  abstract disconnect(): void;

  protected send(
    request: Parameters<Ask>,
    isLost: boolean,
    onAnswer: (response: Loose) => void,
    onLost: () => void = () => {},
  ): void {
    const asked = this.ask(...request);
    if (isLost) {
      asked.catch(() => {});
      onLost();
      return;
    }
    this.isBusy = true;
    const number = ++this.requests;
    asked.then((response) => {
      if (this.requests !== number) return;
      this.answer = () => {
        this.isBusy = false;
        onAnswer(response);
      };
    });
  }
  private requests = 0;

  protected forgetRequest(): void {
    this.requests++;
    this.answer = undefined;
    this.isBusy = false;
  }

  /** Takes the answer, where one has come. */
  receive(): void {
    const { answer } = this;
    this.answer = undefined;
    if (!this.isDead) answer?.();
  }
}

export class NewClient extends MixedClient {
  private epoch = 0;
  private saysAll = true;

  constructor(ask: Ask, instanceId: string | null, id: string) {
    super(ask, instanceId);
    this.id = id;
  }

  private request(memberEpoch: number): object {
    const says = this.saysAll || memberEpoch === 0;
    const partitions = memberEpoch === 0 ? [] : [...this.owned].sort((a, b) => a - b);
    return {
      groupId: GROUP,
      memberId: this.id,
      instanceId: this.instanceId,
      memberEpoch,
      ...(says ? { rebalanceTimeoutMs: REBALANCE_MS, subscribedTopicNames: [TOPIC] } : {}),
      topicPartitions: partitions.length === 0 ? [] : [{ topicId: TOPIC_ID, partitions }],
    };
  }

  step(isLost: boolean): void {
    if (this.isBusy || this.isDead) return;
    const request = this.request(this.epoch);
    this.saysAll = isLost;
    this.send(['consumerGroupHeartbeat', 1, request], isLost, (response) => {
      if (response.errorCode === ErrorCode.NONE) {
        this.epoch = response.memberEpoch;
        const told = response.assignment?.topicPartitions;
        if (told !== undefined) this.owned = new Set(told.flatMap((each: Loose) => each.partitions));
        return;
      }
      if (response.errorCode === ErrorCode.FENCED_INSTANCE_ID) this.isDead = true;
      if (response.errorCode !== ErrorCode.UNRELEASED_INSTANCE_ID) this.owned = new Set();
      this.epoch = 0;
      this.saysAll = true;
    });
  }

  leave(): void {
    if (this.epoch > 0) {
      const memberEpoch = this.instanceId === null ? -1 : -2;
      this.ask('consumerGroupHeartbeat', 1, this.request(memberEpoch)).catch(() => {});
    }
    this.isDead = true;
  }

  disconnect(): void {
    this.forgetRequest();
    this.saysAll = true;
  }
}

/** What a leader gives: partitions in turn, but none that another member still has. */
function assign(members: readonly Loose[], partitionCount: number) {
  const claims = new Map<number, string>();
  for (const { memberId, metadata } of members) {
    for (const { partitions } of decodeSubscription(metadata).value?.ownedPartitions ?? []) {
      for (const partition of partitions) claims.set(partition, memberId);
    }
  }
  const ids = members.map(({ memberId }) => memberId as string).sort();
  return ids.map((memberId, i) => {
    const partitions: number[] = [];
    for (let partition = i; partition < partitionCount; partition += ids.length) {
      if ((claims.get(partition) ?? memberId) === memberId) partitions.push(partition);
    }
    const assignedPartitions = partitions.length === 0 ? [] : [{ topic: TOPIC, partitions }];
    return { memberId, assignment: encodeAssignment(1, { assignedPartitions, userData: null }) };
  });
}

export class OldClient extends MixedClient {
  private readonly isCooperative: boolean;
  private readonly partitionCount: () => number;
  private generation = -1;
  private phase: 'join' | 'sync' | 'in' = 'join';
  private members: readonly Loose[] = [];
  private isLeader = false;
  /** Partitions that there were when it led an assignment. */
  private assignedCount = 0;

  constructor(ask: Ask, instanceId: string | null, isCooperative: boolean, partitionCount: () => number) {
    super(ask, instanceId);
    this.isCooperative = isCooperative;
    this.partitionCount = partitionCount;
  }

  step(isLost: boolean): void {
    if (this.isBusy || this.isDead) return;
    // Leaders look after the topics.
    if (this.phase === 'in' && this.isLeader && this.assignedCount !== this.partitionCount())
      this.phase = 'join';
    if (this.phase === 'join') this.join(isLost);
    else if (this.phase === 'sync') this.sync(isLost);
    else this.beat(isLost);
  }

  private rejoin(errorCode: number): void {
    this.phase = 'join';
    if (errorCode === ErrorCode.FENCED_INSTANCE_ID) this.isDead = true;
    if (errorCode !== ErrorCode.REBALANCE_IN_PROGRESS) this.owned = new Set();
    if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID) this.id = '';
  }

  private join(isLost: boolean): void {
    if (!this.isCooperative) this.owned = new Set();
    const partitions = [...this.owned].sort((a, b) => a - b);
    const ownedPartitions = partitions.length === 0 ? [] : [{ topic: TOPIC, partitions }];
    const metadata = encodeSubscription(1, { topics: [TOPIC], userData: null, ownedPartitions });
    const request = {
      groupId: GROUP,
      sessionTimeoutMs: SESSION_MS,
      rebalanceTimeoutMs: REBALANCE_MS,
      memberId: this.id,
      groupInstanceId: this.instanceId,
      protocolType: 'consumer',
      protocols: [{ name: PROTOCOL, metadata }],
    };
    this.send(['joinGroup', 9, request], isLost, (response) => {
      if (response.errorCode === ErrorCode.MEMBER_ID_REQUIRED) {
        this.id = response.memberId;
        return;
      }
      if (response.errorCode !== ErrorCode.NONE) {
        this.rejoin(response.errorCode);
        return;
      }
      this.id = response.memberId;
      this.generation = response.generationId;
      this.isLeader = response.leader === this.id;
      this.members = this.isLeader && !response.skipAssignment ? response.members : [];
      this.phase = 'sync';
    });
  }

  private sync(isLost: boolean): void {
    if (this.members.length > 0) this.assignedCount = this.partitionCount();
    const request = {
      groupId: GROUP,
      generationId: this.generation,
      memberId: this.id,
      groupInstanceId: this.instanceId,
      protocolType: 'consumer',
      protocolName: PROTOCOL,
      assignments: this.members.length === 0 ? [] : assign(this.members, this.partitionCount()),
    };
    this.send(['syncGroup', 5, request], isLost, (response) => {
      if (response.errorCode !== ErrorCode.NONE) {
        this.rejoin(response.errorCode);
        return;
      }
      const told = decodeAssignment(response.assignment).value?.assignedPartitions ?? [];
      const before = this.owned;
      this.owned = new Set(told.flatMap(({ partitions }) => partitions));
      this.phase = 'in';
      // Others wait for what it has given up.
      for (const partition of before) if (!this.owned.has(partition)) this.phase = 'join';
    });
  }

  private beat(isLost: boolean): void {
    const { generation: generationId, id: memberId, instanceId: groupInstanceId } = this;
    const request = { groupId: GROUP, generationId, memberId, groupInstanceId };
    this.send(['heartbeat', 4, request], isLost, ({ errorCode }) => {
      if (errorCode !== ErrorCode.NONE) this.rejoin(errorCode);
    });
  }

  leave(): void {
    this.isDead = true;
    if (this.id === '' || this.instanceId !== null) return;
    const members = [{ memberId: this.id, groupInstanceId: null }];
    this.ask('leaveGroup', 4, { groupId: GROUP, members }).catch(() => {});
  }

  disconnect(): void {
    this.forgetRequest();
    if (this.phase === 'sync') this.phase = 'join';
  }
}
