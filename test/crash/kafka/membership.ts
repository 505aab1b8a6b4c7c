/** A member of a group as its client has it, of either protocol: which partitions are its own, and since when. */
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../../../src/protocols/kafka/messages/consumer-protocol.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import { accept, type Wire } from './wire.ts';

export const SESSION_TIMEOUT_MS = 1000;
const REBALANCE_TIMEOUT_MS = 2000;

export interface Membership {
  readonly memberId: string;
  readonly instanceId: string | null;
  /** Generation or member epoch. */
  readonly generation: number;
  readonly partitions: ReadonlySet<number>;
  /** Says that it is there; true when its partitions are others since. Throws when it is out. */
  beat(): Promise<boolean>;
  leave(): Promise<void>;
}

export interface Place {
  readonly groupId: string;
  readonly topic: string;
  readonly partitionCount: number;
  readonly instanceId: string | null;
}

const ASSIGNOR = 'roundrobin';

/** The assignment that a leader makes: partitions in turn. */
function assign({ topic, partitionCount }: Place, memberIds: readonly string[]) {
  return memberIds.map((memberId, i) => {
    const partitions = Array.from({ length: partitionCount }, (_, each) => each).filter(
      (each) => each % memberIds.length === i,
    );
    const assignedPartitions = partitions.length === 0 ? [] : [{ topic, partitions }];
    return { memberId, assignment: encodeAssignment(1, { assignedPartitions, userData: null }) };
  });
}

export async function joinClassic(wire: Wire, place: Place): Promise<Membership> {
  const { groupId, topic, instanceId } = place;
  const metadata = encodeSubscription(1, { topics: [topic], userData: null, ownedPartitions: [] });
  let memberId = '';
  let generation = -1;
  let partitions: ReadonlySet<number> = new Set();
  /** Between its request to join and its assignment. */
  let isJoining = false;

  const sync = async (members: readonly string[]): Promise<boolean> => {
    const answer = await wire.call(Apis.syncGroup, 5, {
      groupId,
      generationId: generation,
      memberId,
      groupInstanceId: instanceId,
      protocolType: 'consumer',
      protocolName: ASSIGNOR,
      assignments: members.length === 0 ? [] : assign(place, members),
    });
    if (answer.errorCode === ErrorCode.REBALANCE_IN_PROGRESS) return false;
    accept('SyncGroup', answer.errorCode);
    const { value } = decodeAssignment(answer.assignment);
    partitions = new Set(value?.assignedPartitions.flatMap((each) => each.partitions));
    return true;
  };

  const join = async (): Promise<void> => {
    isJoining = true;
    partitions = new Set();
    for (;;) {
      const answer = await wire.call(Apis.joinGroup, 9, {
        groupId,
        sessionTimeoutMs: SESSION_TIMEOUT_MS,
        rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
        memberId,
        groupInstanceId: instanceId,
        protocolType: 'consumer',
        protocols: [{ name: ASSIGNOR, metadata }],
      });
      if (answer.errorCode === ErrorCode.MEMBER_ID_REQUIRED) {
        memberId = answer.memberId;
        continue;
      }
      if (answer.errorCode === ErrorCode.REBALANCE_IN_PROGRESS) continue;
      accept('JoinGroup', answer.errorCode);
      memberId = answer.memberId;
      generation = answer.generationId;
      const isLeader = answer.leader === memberId && !answer.skipAssignment;
      for (const each of answer.members) decodeSubscription(each.metadata);
      if (await sync(isLeader ? answer.members.map((each) => each.memberId) : [])) break;
    }
    isJoining = false;
  };

  await join();
  return {
    get memberId() {
      return memberId;
    },
    instanceId,
    get generation() {
      return generation;
    },
    get partitions() {
      return partitions;
    },
    async beat() {
      const { errorCode } = await wire.call(Apis.heartbeat, 4, {
        groupId,
        generationId: generation,
        memberId,
        groupInstanceId: instanceId,
      });
      if (errorCode === ErrorCode.NONE && !isJoining) return false;
      // A generation that it has not heard of, because the answer was lost, is one to join as well.
      if (errorCode !== ErrorCode.REBALANCE_IN_PROGRESS && errorCode !== ErrorCode.ILLEGAL_GENERATION)
        accept('Heartbeat', errorCode);
      await join();
      return true;
    },
    async leave() {
      await wire.call(Apis.leaveGroup, 4, { groupId, members: [{ memberId, groupInstanceId: instanceId }] });
    },
  };
}

export async function joinConsumer(wire: Wire, place: Place, memberId: string): Promise<Membership> {
  const { groupId, topic, instanceId } = place;
  let epoch = 0;
  let assignment: readonly { readonly topicId: string; readonly partitions: readonly number[] }[] = [];
  const numbers = (): Set<number> => new Set(assignment.flatMap((each) => each.partitions));

  const beat = async (): Promise<boolean> => {
    const before = numbers();
    const answer = await wire.call(Apis.consumerGroupHeartbeat, 1, {
      groupId,
      memberId,
      instanceId,
      memberEpoch: epoch,
      rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
      subscribedTopicNames: [topic],
      topicPartitions: assignment,
    });
    accept('ConsumerGroupHeartbeat', answer.errorCode);
    epoch = answer.memberEpoch;
    assignment = answer.assignment?.topicPartitions ?? assignment;
    const after = numbers();
    return before.size !== after.size || [...before].some((each) => !after.has(each));
  };

  await beat();
  return {
    memberId,
    instanceId,
    get generation() {
      return epoch;
    },
    get partitions() {
      return numbers();
    },
    beat,
    async leave() {
      const memberEpoch = instanceId === null ? -1 : -2;
      await wire.call(Apis.consumerGroupHeartbeat, 1, { groupId, memberId, instanceId, memberEpoch });
    },
  };
}
