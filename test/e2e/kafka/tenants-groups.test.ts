/** Groups of all kinds, dead letters and MQTT within tenants, on the wire: names inside, ids and keys are the tenant's. */
import mqtt, { type MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import {
  decodeAssignment,
  encodeSubscription,
} from '../../../src/protocols/kafka/messages/consumer-protocol.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import { decodeHeaders } from '../../../src/storage/records/record.ts';
import { readRecordBatch } from '../../../src/storage/records/record-batch.ts';
import { createLogKernel } from '../../../src/wasm/create-log.ts';
import { Ack, idOf, Member, makeTopic, put, setGroup } from '../../protocols/kafka/share/support.ts';
import type { KafkaClient } from '../../support/kafka-client.ts';
import { fetchRequest, passwordOf, produce, type SecurityBench, securityBench } from './security-bench.ts';

const WORLDS = { ann: 'acme', bea: 'beta', ned: '' } as const;
type User = keyof typeof WORLDS;
const users = Object.keys(WORLDS) as User[];
const kernel = createLogKernel({ maxBatchBytes: 8 * 1024 * 1024, memoryLimitBytes: 64 * 1024 * 1024 });
const rules = [
  { effect: 'allow', actions: ['publish', 'subscribe', 'manage'], filters: ['#'], clients: 'named' },
];

let bench: SecurityBench;
const topicIds = new Map<User, string>();
const mqttClients: MqttClient[] = [];
beforeAll(async () => {
  bench = await securityBench({ 'authorization.rules': JSON.stringify(rules) });
  for (const user of users) {
    await bench.user(user, { tenant: WORLDS[user], isSuperuser: user !== 'ned' });
    const client = await bench.as(user);
    topicIds.set(user, await makeTopic(client, 'work.a', 2));
    await makeTopic(client, 'work.dead');
  }
});
afterAll(async () => {
  for (const client of mqttClients) await client.endAsync(true);
  await bench.stop();
});

const topicIdOf = (user: User): string => topicIds.get(user) ?? '';

interface Found {
  readonly key: string | null;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

async function readAll(client: KafkaClient, topic: string): Promise<Found[]> {
  const answer = await client.call(Apis.fetch, 12, fetchRequest(topic, 500));
  const records = answer.responses[0]?.partitions[0]?.records as Uint8Array | null;
  const found: Found[] = [];
  for (let at = 0; records !== null && at < records.length; ) {
    const { batch } = readRecordBatch(kernel, records.slice(at));
    if (batch === undefined) throw new Error('no batch');
    for (let i = 0; i < batch.length; i++) {
      const { key, value, headers } = batch.record(i);
      const texts = decodeHeaders(headers).map((each) => [
        `${Buffer.from(each.name)}`,
        `${Buffer.from(each.value ?? [])}`,
      ]);
      found.push({
        key: key === null ? null : `${Buffer.from(key)}`,
        value: `${Buffer.from(value ?? [])}`,
        headers: Object.fromEntries(texts),
      });
    }
    at += batch.header.byteLength;
  }
  return found;
}

describe('a group in which the broker assigns', () => {
  const beat = (client: KafkaClient, groupId: string, more: object) =>
    client.call(Apis.consumerGroupHeartbeat, 1, {
      groupId,
      memberId: 'm1',
      memberEpoch: 0,
      rebalanceTimeoutMs: 10_000,
      subscribedTopicNames: null,
      subscribedTopicRegex: null,
      topicPartitions: [],
      ...more,
    });

  test.each([
    ['a pattern', { subscribedTopicRegex: 'work\\.a', subscribedTopicNames: null }],
    ['names', { subscribedTopicRegex: null, subscribedTopicNames: ['work.a'] }],
  ])('has the partitions of its tenant by %s, and says names as they are written', async (by, subscribed) => {
    for (const user of users) {
      const client = await bench.as(user);
      const groupId = `assigned by ${by}`;
      const { errorCode, assignment } = await beat(client, groupId, subscribed);
      expect([user, errorCode]).toEqual([user, 0]);
      expect(assignment?.topicPartitions).toEqual([{ topicId: topicIdOf(user), partitions: [0, 1] }]);
      const { groups } = await client.call(Apis.consumerGroupDescribe, 1, {
        groupIds: [groupId],
        includeAuthorizedOperations: false,
      });
      expect(groups).toMatchObject([
        {
          errorCode: 0,
          groupId,
          members: [
            {
              subscribedTopicNames: subscribed.subscribedTopicNames ?? [],
              assignment: { topicPartitions: [{ topicName: 'work.a', topicId: topicIdOf(user) }] },
            },
          ],
        },
      ]);
    }
  });

  test('takes in classic members, who are told names as they write them', async () => {
    const client = await bench.as('ann');
    const groupId = 'mixed';
    const first = await beat(client, groupId, { subscribedTopicNames: ['work.a'] });
    expect(first.errorCode).toBe(0);
    const classic = await bench.as('ann');
    const metadata = encodeSubscription(1, { topics: ['work.a'], ownedPartitions: [], userData: null });
    const join = (memberId: string) =>
      classic.call(Apis.joinGroup, 9, {
        groupId,
        sessionTimeoutMs: 10_000,
        rebalanceTimeoutMs: 10_000,
        memberId,
        protocolType: 'consumer',
        protocols: [{ name: 'range', metadata }],
      });
    let joined = await join('');
    if (joined.errorCode === ErrorCode.MEMBER_ID_REQUIRED) joined = await join(joined.memberId);
    expect(joined.errorCode).toBe(0);
    const { memberEpoch } = await beat(client, groupId, {
      memberEpoch: first.memberEpoch,
      topicPartitions: [{ topicId: topicIdOf('ann'), partitions: [0, 1] }],
    });
    await beat(client, groupId, {
      memberEpoch,
      topicPartitions: [{ topicId: topicIdOf('ann'), partitions: [0] }],
    });
    let given: readonly { readonly topic: string }[] = [];
    for (let tries = 0; tries < 10 && given.length === 0; tries++) {
      joined = await join(joined.memberId);
      const synced = await classic.call(Apis.syncGroup, 5, {
        groupId,
        generationId: joined.generationId,
        memberId: joined.memberId,
        protocolType: 'consumer',
        protocolName: 'range',
        assignments: [],
      });
      given = decodeAssignment(synced.assignment).value?.assignedPartitions ?? [];
      await beat(client, groupId, {
        memberEpoch: joined.generationId,
        topicPartitions: null,
        subscribedTopicNames: null,
      });
    }
    expect(given).toMatchObject([{ topic: 'work.a' }]);
  });
});

describe('a share group', () => {
  test("hands out the records of its tenant, and gives up into the tenant's dead letters", async () => {
    for (const user of users) {
      const client = await bench.as(user);
      await put(client, 'work.a', [`good of ${user}`, `bad of ${user}`]);
      expect(
        await setGroup(client, 'queue', {
          'share.auto.offset.reset': 'earliest',
          'errors.deadletterqueue.topic.name': 'work.dead',
        }),
      ).toBe(0);
    }
    for (const user of users) {
      const client = await bench.as(user);
      const member = new Member(client, 'queue', await idOf(client, 'work.a'));
      expect((await member.heartbeat(['work.a'])).errorCode).toBe(0);
      const got = await member.take({ partitions: [0] });
      expect(got.map(({ value }) => value)).toEqual([`good of ${user}`, `bad of ${user}`]);
      expect(await member.ack(0, 1, Ack.accept, Ack.reject)).toBe(0);
      const dead = await readAll(client, 'work.dead');
      expect(dead).toMatchObject([
        {
          value: `bad of ${user}`,
          headers: { 'dead-letter-topic': 'work.a', 'dead-letter-group': 'queue' },
        },
      ]);
      const { groups } = await client.call(Apis.describeShareGroupOffsets, 1, {
        groups: [{ groupId: 'queue', topics: null }],
      });
      expect(groups).toMatchObject([
        { groupId: 'queue', topics: [{ topicName: 'work.a', topicId: topicIdOf(user) }] },
      ]);
    }
  });

  test('does not read a topic of another by its id', async () => {
    const client = await bench.as('bea');
    const member = new Member(client, 'queue', topicIdOf('ann'));
    await member.heartbeat(['work.a']);
    const answer = await member.fetch({ partitions: [0] });
    expect(answer.responses).toMatchObject([
      { topicId: topicIdOf('ann'), partitions: [{ errorCode: ErrorCode.UNKNOWN_TOPIC_ID }] },
    ]);
  });

  test('has no dead-letter topic of another', async () => {
    const ned = await bench.as('ned');
    await makeTopic(ned, 'only-ned');
    const ann = await bench.as('ann');
    expect(await setGroup(ann, 'queue', { 'errors.deadletterqueue.topic.name': 'only-ned' })).toBe(
      ErrorCode.INVALID_CONFIG,
    );
  });
});

test('MQTT and Kafka of a tenant are one address, with keys and topics as they are written', async () => {
  const address = bench.broker.node.listeners.find(({ name }) => name === 'mqtt')?.address;
  if (address === undefined || !('port' in address)) throw new Error('no mqtt listener');
  const heard: string[] = [];
  for (const user of users) {
    await makeTopic(await bench.as(user), 'shared.x');
    const client = await mqtt.connectAsync({
      host: '127.0.0.1',
      port: address.port,
      protocolVersion: 5,
      username: user,
      password: passwordOf(user),
    });
    mqttClients.push(client);
    client.on('message', (topic, payload) => heard.push(`${user} ${topic} ${payload}`));
    await client.subscribeAsync('shared/#', { qos: 1 });
  }
  for (const [i, user] of users.entries()) {
    await mqttClients[i]?.publishAsync('shared/x', `mqtt of ${user}`, { qos: 1 });
    expect(await produce(await bench.as(user), 'shared.x', `kafka of ${user}`)).toBe(0);
  }
  await expect.poll(() => heard.length).toBe(6);
  expect(heard.toSorted()).toEqual(
    users.flatMap((user) => [`${user} shared/x kafka of ${user}`, `${user} shared/x mqtt of ${user}`]),
  );
  for (const user of users) {
    const found = await readAll(await bench.as(user), 'shared.x');
    expect(found.map(({ key, value }) => [key, value])).toEqual([
      ['shared/x', `mqtt of ${user}`],
      [null, `kafka of ${user}`],
    ]);
    expect(JSON.stringify(found)).not.toContain('$tenant');
  }
});
