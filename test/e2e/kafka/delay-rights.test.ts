/** Who has delayed a record is asked about again when it is due: what has become of it counts, not what it was. */
import { expect, test } from 'vitest';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { buildBatch } from '../../../src/protocols/kafka/records/build.ts';
import { Secret } from '../../../src/security/secret.ts';
import { decodeHeaders, encodeHeaders } from '../../../src/storage/records/record.ts';
import { readRecordBatch } from '../../../src/storage/records/record-batch.ts';
import { createLogKernel } from '../../../src/wasm/create-log.ts';
import { type KafkaClient, openKafkaClient } from '../../support/kafka-client.ts';
import { type DurableBroker, ENDS, startDurable } from '../durable/broker.ts';
import { produceRequest, ZERO } from './batches.ts';

const kernel = createLogKernel({ maxBatchBytes: 8 * 1024 * 1024, memoryLimitBytes: 64 * 1024 * 1024 });
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const PASSWORD = 'a-planted-password';
const rules = [
  { effect: 'allow', actions: ['publish'], filters: ['#'], roles: ['writer'] },
  { effect: 'allow', actions: ['publish'], filters: ['late/#'], tenants: ['acme'] },
  { effect: 'allow', actions: ['manage', 'subscribe', 'publish'], filters: ['#'], users: ['admin', 'ann'] },
];
const SETTINGS = {
  'listeners.kafka.enabled': true,
  'listeners.kafka.host': '127.0.0.1',
  'listeners.kafka.port': 0,
  'security.authentication.authenticators': JSON.stringify(['database']),
  'security.authentication.anonymous': 'refuse',
  'security.passwords.scryptLogCost': 10,
  'authorization.rules': JSON.stringify(rules),
};

async function as(broker: DurableBroker, user: string): Promise<KafkaClient> {
  const address = broker.node.listeners.find(({ name }) => name === 'kafka')?.address;
  if (address === undefined || !('port' in address)) throw new Error('no kafka listener');
  const client = await openKafkaClient(address.port);
  await client.call(Apis.saslHandshake, 1, { mechanism: 'PLAIN' });
  const answer = await client.call(Apis.saslAuthenticate, 2, {
    authBytes: Buffer.from(`\0${user}\0${PASSWORD}`),
  });
  expect([user, answer.errorMessage]).toEqual([user, null]);
  return client;
}

async function make(client: KafkaClient, name: string, configs: Readonly<Record<string, string>> = {}) {
  const named = Object.entries(configs).map(([key, value]) => ({ name: key, value }));
  const topic = { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: named };
  const { topics } = await client.call(Apis.createTopics, 7, { topics: [topic] });
  expect(topics[0]).toMatchObject({ errorCode: 0 });
}

async function delay(client: KafkaClient, topic: string, value: string, nowMs: number): Promise<void> {
  const headers = encodeHeaders([{ name: bytes('robustmq.delay.ms'), value: bytes('5000') }]);
  const batch = buildBatch(kernel, [{ timestampMs: nowMs, key: null, value: bytes(value), headers }]);
  const { responses } = await client.call(Apis.produce, 9, produceRequest(topic, batch));
  expect(responses[0]?.partitionResponses[0]).toMatchObject({ errorCode: 0 });
}

interface Found {
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

async function read(client: KafkaClient, topic: string): Promise<Found[]> {
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }];
  const topics = [{ topic, topicId: ZERO, partitions }];
  const answer = await client.call(Apis.fetch, 12, { maxWaitMs: 0, minBytes: 0, topics });
  const records = answer.responses[0]?.partitions[0]?.records as Uint8Array | null;
  const found: Found[] = [];
  for (let at = 0; records !== null && at < records.length; ) {
    const { batch } = readRecordBatch(kernel, records.slice(at));
    if (batch === undefined) throw new Error('no batch');
    for (let i = 0; i < batch.length; i++) {
      const { value, headers } = batch.record(i);
      const texts = decodeHeaders(headers).map(({ name, value: text }) => [
        `${Buffer.from(name)}`,
        `${Buffer.from(text ?? [])}`,
      ]);
      found.push({ value: `${Buffer.from(value ?? [])}`, headers: Object.fromEntries(texts) });
    }
    at += batch.header.byteLength;
  }
  return found;
}

test.each(ENDS)(
  'what its writer may not write any more goes to the dead letters, over a %s of the broker',
  async (end) => {
    const broker = await startDurable({ settings: SETTINGS });
    const { users } = broker.node.security;
    const add = async (name: string, access: object = { roles: ['writer'] }): Promise<void> => {
      expect(await users.create({ name, password: new Secret(PASSWORD), ...access })).toEqual({
        isDone: true,
      });
    };
    await add('admin', {});
    const writers = ['kept', 'gone', 'disabled', 'demoted', 'moved'];
    for (const name of writers) await add(name);
    const admin = await as(broker, 'admin');
    await make(admin, 'late.dead');
    await make(admin, 'late', { 'robustmq.delay.enable': 'true', 'robustmq.dead.letter.topic': 'late.dead' });
    await make(admin, 'late.silent', { 'robustmq.delay.enable': 'true' });
    const nowMs = (): number => broker.node.kafka?.context.clock.wallMs() ?? 0;
    for (const name of writers) await delay(await as(broker, name), 'late', name, nowMs());
    await delay(await as(broker, 'gone'), 'late.silent', 'gone', nowMs());
    await delay(await as(broker, 'kept'), 'late.silent', 'kept', nowMs());
    await users.delete('gone');
    await users.disable('disabled');
    await users.update('demoted', { roles: [] });
    await users.update('moved', { tenant: 'acme' });
    await broker.restart(end);
    await broker.advance(5100);
    await broker.node.mqtt.context.durable.log.drained();
    const reader = await as(broker, 'admin');
    expect((await read(reader, 'late')).map(({ value }) => value)).toEqual(['kept']);
    expect((await read(reader, 'late.silent')).map(({ value }) => value)).toEqual(['kept']);
    const dead = await read(reader, 'late.dead');
    expect(dead.map(({ value }) => value)).toEqual(['gone', 'disabled', 'demoted', 'moved']);
    for (const { headers } of dead) {
      expect(headers).toMatchObject({ 'dead-letter-reason': 'denied', 'dead-letter-topic': 'late' });
    }
    expect(broker.node.kafka?.context.delays.counters).toMatchObject({ appeared: 2, denied: 5 });
  },
);

test.each(ENDS)(
  'of a tenant: rules are asked with its names, and its dead letters stay its own, over a %s',
  async (end) => {
    const broker = await startDurable({ settings: SETTINGS });
    const { users } = broker.node.security;
    const add = (name: string) =>
      users.create({ name, password: new Secret(PASSWORD), tenant: 'acme', roles: ['writer'] });
    for (const name of ['ann', 'tim', 'tom']) expect(await add(name)).toEqual({ isDone: true });
    const ann = await as(broker, 'ann');
    await make(ann, 'late.dead');
    await make(ann, 'late.x', { 'robustmq.delay.enable': 'true', 'robustmq.dead.letter.topic': 'late.dead' });
    await make(ann, 'other', { 'robustmq.delay.enable': 'true', 'robustmq.dead.letter.topic': 'late.dead' });
    const nowMs = (): number => broker.node.kafka?.context.clock.wallMs() ?? 0;
    await delay(await as(broker, 'tim'), 'late.x', 'by tim', nowMs());
    await delay(await as(broker, 'tim'), 'other', 'by tim', nowMs());
    // Of the tenant everybody may write below late, and of the rest who is a writer.
    await users.update('tim', { roles: [] });
    await broker.restart(end);
    await broker.advance(5100);
    await broker.node.mqtt.context.durable.log.drained();
    const later = await as(broker, 'ann');
    expect((await read(later, 'late.x')).map(({ value }) => value)).toEqual(['by tim']);
    expect(await read(later, 'other')).toEqual([]);
    expect(await read(later, 'late.dead')).toMatchObject([
      { value: 'by tim', headers: { 'dead-letter-reason': 'denied', 'dead-letter-topic': 'other' } },
    ]);
  },
);
