/** Share groups are offered to clients as Kafka 4.2 does, to those who may, and as much as they may. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Api, Apis } from '../../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import { type KafkaNode, startKafkaNode } from '../../../e2e/kafka/node.ts';
import type { KafkaClient } from '../../../support/kafka-client.ts';
import { Ack, type Bench, benchOf, Member, makeTopic, put, setGroup } from './support.ts';

const OPEN = 'open';
const HIDDEN = 'hidden';
const GROUP = 'g';
const Resource = { topic: 2, group: 3 } as const;
const Operation = { read: 3, describe: 8 } as const;
let broker: KafkaNode;
let bench: Bench;
let hiddenId: string;

const allow = (client: KafkaClient, resourceType: number, resourceName: string, operation: number) =>
  client.call(Apis.createAcls, 2, {
    creations: [
      {
        resourceType,
        resourceName,
        resourcePatternType: 3,
        principal: 'User:ANONYMOUS',
        host: '*',
        operation,
        permissionType: 3,
      },
    ],
  });

beforeAll(async () => {
  const settings = { 'storage.engine': 'files', 'kafka.security.authorization': 'acl' };
  broker = await startKafkaNode({ ...settings, 'kafka.security.superUsers': '["User:ANONYMOUS"]' });
  const first = await benchOf(broker);
  for (const name of [OPEN, HIDDEN]) {
    const id = await makeTopic(first.client, name);
    if (name === HIDDEN) hiddenId = id;
    await put(first.client, name, ['x'.repeat(10_000)]);
  }
  await setGroup(first.client, GROUP, { 'share.auto.offset.reset': 'earliest' });
  await allow(first.client, Resource.topic, OPEN, Operation.read);
  await allow(first.client, Resource.group, GROUP, Operation.read);
  await first.client.call(Apis.alterClientQuotas, 1, {
    entries: [
      {
        entity: [{ entityType: 'client-id', entityName: null }],
        ops: [{ key: 'consumer_byte_rate', value: 8000, remove: false }],
      },
    ],
    validateOnly: false,
  });
  first.close();
  await broker.restart({ 'kafka.security.superUsers': '["User:root"]' });
  bench = await benchOf(broker);
});
afterAll(async () => {
  bench.close();
  await broker.stop();
});

describe('share groups', () => {
  test('are offered in the versions of Kafka 4.2, and as the feature that switches clients to them', async () => {
    const offered = await bench.client.call(Apis.apiVersions, 4, {
      clientSoftwareName: 'test',
      clientSoftwareVersion: '1',
    });
    const range = ({ key }: Api): readonly (number | undefined)[] => {
      const found = offered.apiKeys.find(({ apiKey }) => apiKey === key);
      return [found?.minVersion, found?.maxVersion];
    };
    expect(range(Apis.shareGroupHeartbeat)).toEqual([1, 1]);
    expect(range(Apis.shareGroupDescribe)).toEqual([1, 1]);
    expect(range(Apis.shareFetch)).toEqual([1, 2]);
    expect(range(Apis.shareAcknowledge)).toEqual([1, 2]);
    expect(range(Apis.describeShareGroupOffsets)).toEqual([0, 1]);
    expect(range(Apis.alterShareGroupOffsets)).toEqual([0, 0]);
    expect(range(Apis.deleteShareGroupOffsets)).toEqual([0, 0]);
    expect(offered.finalizedFeatures).toContainEqual({
      name: 'share.version',
      maxVersionLevel: 1,
      minVersionLevel: 1,
    });
    // Between brokers, of which there is one.
    for (const key of [83, 84, 85, 86, 87]) {
      expect(offered.apiKeys.some(({ apiKey }) => apiKey === key)).toBe(false);
    }
  });

  test('hand out records of topics that the member may read, slower for who has had more than its quota', async () => {
    const member = await bench.member(GROUP, OPEN);
    const answer = await member.fetch({ version: 1 });
    expect(answer.responses[0]?.partitions[0]).toMatchObject({ errorCode: 0 });
    expect(answer.throttleTimeMs).toBeGreaterThan(0);
    const other = await bench.member(GROUP, OPEN);
    const hidden = await other.fetch({ topicId: hiddenId, partitions: [0] });
    expect(hidden.responses[0]?.partitions[0]?.errorCode).toBe(ErrorCode.TOPIC_AUTHORIZATION_FAILED);
    const acked = await other.acknowledge([{ first: 0, types: [Ack.accept] }], { topicId: hiddenId });
    expect(acked.responses[0]?.partitions[0]?.errorCode).toBe(ErrorCode.TOPIC_AUTHORIZATION_FAILED);
  });

  test('do not tell of topics that a member may not see', async () => {
    const member = new Member(bench.client, GROUP, hiddenId);
    const joined = await member.heartbeat([HIDDEN]);
    expect(joined.errorCode).toBe(ErrorCode.TOPIC_AUTHORIZATION_FAILED);
    const { groups } = await bench.client.call(Apis.describeShareGroupOffsets, 1, {
      groups: [{ groupId: GROUP, topics: [{ topicName: HIDDEN, partitions: [0] }] }],
    });
    expect(groups[0]?.topics[0]?.partitions[0]?.errorCode).toBe(ErrorCode.TOPIC_AUTHORIZATION_FAILED);
  });
});
