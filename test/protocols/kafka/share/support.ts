/** Members of share groups as the wire has them: every field is said by the test, nothing is done behind its back. */
import { randomUUID } from 'node:crypto';
import { Apis } from '../../../../src/protocols/kafka/messages/apis.ts';
import type { In, Out } from '../../../../src/protocols/kafka/schema/message.ts';
import { batchFrom, produceRequest, recordsIn, type TestRecord, ZERO } from '../../../e2e/kafka/batches.ts';
import type { KafkaNode } from '../../../e2e/kafka/node.ts';
import { type KafkaClient, openKafkaClient } from '../../../support/kafka-client.ts';

export const Ack = { gap: 0, accept: 1, release: 2, reject: 3, renew: 4 } as const;

export type FetchAnswer = Out<(typeof Apis)['shareFetch']['response']>;
type FetchRequest = In<(typeof Apis)['shareFetch']['request']>;

export interface Acks {
  readonly first: number;
  readonly last?: number;
  readonly types: readonly number[];
  readonly partition?: number;
}

export interface FetchOptions {
  readonly epoch?: number;
  readonly maxRecords?: number;
  readonly batchSize?: number;
  readonly maxWaitMs?: number;
  readonly minBytes?: number;
  readonly maxBytes?: number;
  readonly mode?: number;
  readonly isRenewAck?: boolean;
  readonly partitions?: readonly number[];
  readonly forget?: readonly number[];
  readonly acks?: readonly Acks[];
  readonly topicId?: string;
  readonly version?: number;
}

export async function makeTopic(
  client: KafkaClient,
  name: string,
  numPartitions = 1,
  configs: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { topics } = await client.call(Apis.createTopics, 7, {
    topics: [
      {
        name,
        numPartitions,
        replicationFactor: 1,
        assignments: [],
        configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
      },
    ],
  });
  if (topics[0]?.errorCode !== 0) throw new Error(`${name}: ${topics[0]?.errorMessage}`);
  return topics[0].topicId;
}

export async function idOf(client: KafkaClient, name: string): Promise<string> {
  const { topics } = await client.call(Apis.metadata, 12, { topics: [{ topicId: ZERO, name }] });
  return topics[0]?.topicId ?? '';
}

export async function put(
  client: KafkaClient,
  topic: string,
  records: readonly (string | TestRecord)[],
  partition = 0,
): Promise<number> {
  const made = records.map((each) => (typeof each === 'string' ? { value: each } : each));
  return putBatch(client, topic, batchFrom(made), partition);
}

export async function putBatch(
  client: KafkaClient,
  topic: string,
  batch: Uint8Array,
  partition = 0,
): Promise<number> {
  const request = produceRequest(topic, batch, { acks: -1, index: partition });
  const { responses } = await client.call(Apis.produce, 9, request);
  const answer = responses[0]?.partitionResponses[0];
  if (answer?.errorCode !== 0) throw new Error(`produce: error ${answer?.errorCode}`);
  return answer.baseOffset;
}

export async function setGroup(
  client: KafkaClient,
  group: string,
  configs: Readonly<Record<string, string | null>>,
): Promise<number> {
  const { responses } = await client.call(Apis.incrementalAlterConfigs, 1, {
    resources: [
      {
        resourceType: 32,
        resourceName: group,
        configs: Object.entries(configs).map(([name, value]) => ({
          name,
          configOperation: value === null ? 1 : 0,
          value,
        })),
      },
    ],
    validateOnly: false,
  });
  return responses[0]?.errorCode ?? -1;
}

export class Member {
  readonly client: KafkaClient;
  readonly group: string;
  readonly id: string;
  topicId: string;
  epoch = 0;
  /** Of the next request of the session. */
  sessionEpoch = 0;

  constructor(client: KafkaClient, group: string, topicId: string, id: string = randomUUID()) {
    this.client = client;
    this.group = group;
    this.topicId = topicId;
    this.id = id;
  }

  async heartbeat(topics: readonly string[] | null = null, memberEpoch = this.epoch) {
    const answer = await this.client.call(Apis.shareGroupHeartbeat, 1, {
      groupId: this.group,
      memberId: this.id,
      memberEpoch,
      rackId: null,
      subscribedTopicNames: topics,
    });
    if (answer.errorCode === 0) this.epoch = answer.memberEpoch;
    return answer;
  }

  private topicsOf({ partitions = [], acks = [], topicId = this.topicId }: FetchOptions) {
    const numbers = [...new Set([...partitions, ...acks.map(({ partition = 0 }) => partition)])];
    if (numbers.length === 0) return [];
    return [
      {
        topicId,
        partitions: numbers.map((partitionIndex) => ({
          partitionIndex,
          acknowledgementBatches: acks
            .filter(({ partition = 0 }) => partition === partitionIndex)
            .map(({ first, last = first, types }) => ({
              firstOffset: first,
              lastOffset: last,
              acknowledgeTypes: types,
            })),
        })),
      },
    ];
  }

  fetchRequest(options: FetchOptions = {}): FetchRequest {
    const { epoch = this.sessionEpoch, maxRecords = 100, batchSize = 100 } = options;
    const { maxWaitMs = 0, minBytes = 1, maxBytes = 1_000_000, mode = 0, isRenewAck = false } = options;
    const { forget = [] } = options;
    const first = epoch === 0 && options.partitions === undefined ? { ...options, partitions: [0] } : options;
    return {
      groupId: this.group,
      memberId: this.id,
      shareSessionEpoch: epoch,
      maxWaitMs,
      minBytes,
      maxBytes,
      maxRecords,
      batchSize,
      shareAcquireMode: mode,
      isRenewAck,
      topics: this.topicsOf(first),
      forgottenTopicsData: forget.length === 0 ? [] : [{ topicId: this.topicId, partitions: forget }],
    };
  }

  async fetch(options: FetchOptions = {}): Promise<FetchAnswer> {
    const request = this.fetchRequest(options);
    const answer = await this.client.call(Apis.shareFetch, options.version ?? 2, request);
    if (answer.errorCode === 0)
      this.sessionEpoch = request.shareSessionEpoch < 0 ? 0 : request.shareSessionEpoch + 1;
    return answer;
  }

  /** What was handed out of a partition: offset, value and how often it was delivered. */
  async take(options: FetchOptions & { readonly of?: number } = {}): Promise<readonly Got[]> {
    return gotOf(await this.fetch(options), options.of ?? 0);
  }

  async acknowledge(acks: readonly Acks[], options: FetchOptions = {}) {
    const { epoch = this.sessionEpoch, isRenewAck = false, version = 2 } = options;
    const answer = await this.client.call(Apis.shareAcknowledge, version, {
      groupId: this.group,
      memberId: this.id,
      shareSessionEpoch: epoch,
      isRenewAck,
      topics: this.topicsOf({ ...options, acks }),
    });
    if (answer.errorCode === 0) this.sessionEpoch = epoch < 0 ? 0 : epoch + 1;
    return answer;
  }

  /** The error of the only partition. */
  async ack(first: number, last: number, ...types: readonly number[]): Promise<number> {
    const answer = await this.acknowledge([{ first, last, types }]);
    return answer.errorCode || (answer.responses[0]?.partitions[0]?.errorCode ?? -1);
  }
}

export interface Got {
  readonly offset: number;
  readonly value: string;
  readonly count: number;
}

export function gotOf(answer: FetchAnswer, partition = 0): readonly Got[] {
  if (answer.errorCode !== 0) throw new Error(`share fetch: error ${answer.errorCode}`);
  const found = answer.responses
    .flatMap(({ partitions }) => partitions)
    .find(({ partitionIndex }) => partitionIndex === partition);
  if (found === undefined) return [];
  const records = recordsIn(found.records);
  return found.acquiredRecords.flatMap(({ firstOffset, lastOffset, deliveryCount }) =>
    records
      .filter(({ offset }) => offset >= firstOffset && offset <= lastOffset)
      .map(({ offset, value }) => ({ offset, value, count: deliveryCount })),
  );
}

export const rangesOf = (answer: FetchAnswer): readonly (readonly number[])[] =>
  answer.responses[0]?.partitions[0]?.acquiredRecords.map(({ firstOffset, lastOffset, deliveryCount }) => [
    firstOffset,
    lastOffset,
    deliveryCount,
  ]) ?? [];

export interface Bench {
  readonly broker: KafkaNode;
  readonly client: KafkaClient;
  /** A member of a group that reads the topic from its start, with its own connection, that has joined. */
  member(group: string, topic: string, id?: string): Promise<Member>;
  close(): void;
}

export async function benchOf(broker: KafkaNode): Promise<Bench> {
  const client = await openKafkaClient(broker.port);
  const opened = [client];
  return {
    broker,
    client,
    async member(group, topic, id) {
      const own = await openKafkaClient(broker.port);
      opened.push(own);
      const member = new Member(own, group, await idOf(client, topic), id);
      const joined = await member.heartbeat([topic]);
      if (joined.errorCode !== 0) throw new Error(`join: ${joined.errorMessage}`);
      return member;
    },
    close() {
      for (const each of opened) each.close();
    },
  };
}
