/** Groups in which the broker assigns (KIP-848), on the wire, against a whole node: no client that speaks it is at hand. */
import { afterEach, describe, expect, test } from 'vitest';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import { type KafkaClient, openKafkaClient } from '../../support/kafka-client.ts';
import { type KafkaNode, startKafkaNode } from './node.ts';

let broker: KafkaNode | undefined;
let clients: KafkaClient[] = [];
afterEach(async () => {
  for (const client of clients) client.close();
  clients = [];
  await broker?.stop();
  broker = undefined;
});

const PARTITIONS = 4;

/** A member as a client has it: it gives up and takes what it is told to at once. */
class Member {
  private readonly id: string;
  private readonly client: KafkaClient;
  private epoch = 0;
  private partitions: readonly { readonly topicId: string; readonly partitions: readonly number[] }[] = [];

  constructor(id: string, client: KafkaClient) {
    this.id = id;
    this.client = client;
  }

  get numbers(): readonly number[] {
    return this.partitions.flatMap(({ partitions }) => partitions);
  }

  async beat(leaves = false): Promise<number> {
    const answer = await this.client.call(Apis.consumerGroupHeartbeat, 1, {
      groupId: 'g',
      memberId: this.id,
      memberEpoch: leaves ? -1 : this.epoch,
      rebalanceTimeoutMs: 10_000,
      subscribedTopicNames: null,
      subscribedTopicRegex: 'shared\\.[a-z]+',
      topicPartitions: this.partitions,
    });
    if (answer.errorCode !== ErrorCode.NONE) throw new Error(`${answer.errorCode}: ${answer.errorMessage}`);
    this.epoch = answer.memberEpoch;
    this.partitions = answer.assignment?.topicPartitions ?? this.partitions;
    return this.epoch;
  }
}

async function connect(node: KafkaNode): Promise<KafkaClient> {
  const client = await openKafkaClient(node.port);
  clients.push(client);
  return client;
}

async function createTopic(client: KafkaClient, name: string): Promise<void> {
  const topic = { name, numPartitions: PARTITIONS, replicationFactor: 1, assignments: [], configs: [] };
  const { topics } = await client.call(Apis.createTopics, 7, {
    topics: [topic],
    timeoutMs: 1000,
    validateOnly: false,
  });
  expect(topics[0].errorCode).toBe(ErrorCode.NONE);
}

describe('groups in which the broker assigns', () => {
  test('share by pattern, commit by epoch, and go on after a start of the broker', async () => {
    const node = await startKafkaNode({ 'storage.engine': 'files' });
    broker = node;
    let client = await connect(node);
    await createTopic(client, 'shared.a');
    const [first, second] = [new Member('m1', client), new Member('m2', client)];
    expect(await first.beat()).toBe(1);
    expect(first.numbers).toEqual([0, 1, 2, 3]);
    await second.beat();
    expect(second.numbers).toEqual([]);
    for (let i = 0; i < 3; i++) for (const member of [first, second]) await member.beat();
    expect(first.numbers).toEqual([0, 1]);
    expect(second.numbers).toEqual([2, 3]);

    const epoch = await first.beat();
    const commit = async (memberEpoch: number): Promise<number> => {
      const partitions = [{ partitionIndex: 0, committedOffset: 7, committedMetadata: 'x' }];
      const { topics } = await client.call(Apis.offsetCommit, 9, {
        groupId: 'g',
        generationIdOrMemberEpoch: memberEpoch,
        memberId: 'm1',
        topics: [{ name: 'shared.a', partitions }],
      });
      return topics[0].partitions[0].errorCode;
    };
    expect(await commit(epoch)).toBe(ErrorCode.NONE);
    expect(await commit(epoch - 1)).toBe(ErrorCode.STALE_MEMBER_EPOCH);

    await node.restart();
    client = await connect(node);
    const again = [new Member('m1', client), new Member('m2', client)];
    for (const [i, member] of again.entries()) Object.assign(member, [first, second][i], { client });
    for (const member of again) expect(await member.beat()).toBe(epoch);
    expect(again.map(({ numbers }) => numbers)).toEqual([
      [0, 1],
      [2, 3],
    ]);
    const { groups } = await client.call(Apis.offsetFetch, 9, {
      groups: [{ groupId: 'g', memberId: 'm1', memberEpoch: epoch, topics: null }],
    });
    expect(groups[0].topics[0].partitions).toMatchObject([
      { partitionIndex: 0, committedOffset: 7, metadata: 'x' },
    ]);

    await createTopic(client, 'shared.b');
    for (let i = 0; i < 3; i++) for (const member of again) await member.beat();
    expect(again.map(({ numbers }) => numbers.length)).toEqual([4, 4]);
    expect(await again[0].beat(true)).toBe(-1);
    for (let i = 0; i < 2; i++) await again[1].beat();
    expect(again[1].numbers).toHaveLength(2 * PARTITIONS);
    const described = await client.call(Apis.consumerGroupDescribe, 1, {
      groupIds: ['g'],
      includeAuthorizedOperations: false,
    });
    expect(described.groups[0]).toMatchObject({ groupState: 'Stable', members: [{ memberId: 'm2' }] });
  });
});
