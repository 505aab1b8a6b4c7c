/** The schema registry of a running node, with the client that people use, beside records that KafkaJS carries. */
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import { Kafka, logLevel } from 'kafkajs';
import { afterEach, expect, it } from 'vitest';
import { Secret } from '../../src/security/secret.ts';
import { type KafkaNode, startKafkaNode } from './kafka/node.ts';

let broker: KafkaNode | undefined;
afterEach(async () => {
  await broker?.stop();
  broker = undefined;
});

const SETTINGS = { 'listeners.http.enabled': true, 'listeners.http.port': 0, 'storage.engine': 'files' };
const SCHEMA = JSON.stringify({
  type: 'record',
  name: 'Order',
  namespace: 'test',
  fields: [{ name: 'id', type: 'long' }],
});

function httpPort({ node }: KafkaNode): number {
  const address = node.listeners.find(({ name }) => name === 'http')?.address;
  if (address === undefined || !('port' in address)) throw new Error('no HTTP listener');
  return address.port;
}

it('gives schemas to those who write and those who read, over a restart', async () => {
  broker = await startKafkaNode(SETTINGS);
  const registry = new SchemaRegistry({ host: `http://127.0.0.1:${httpPort(broker)}` });
  const { id } = await registry.register(
    { type: SchemaType.AVRO, schema: SCHEMA },
    { subject: 'orders-value' },
  );
  const kafka = new Kafka({ brokers: [`127.0.0.1:${broker.port}`], logLevel: logLevel.NOTHING });
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: 'orders', messages: [{ value: await registry.encode(id, { id: 7 }) }] });
  await producer.disconnect();

  await broker.restart({});
  const later = new SchemaRegistry({ host: `http://127.0.0.1:${httpPort(broker)}` });
  const consumer = new Kafka({ brokers: [`127.0.0.1:${broker.port}`], logLevel: logLevel.NOTHING }).consumer({
    groupId: 'readers',
  });
  await consumer.connect();
  await consumer.subscribe({ topic: 'orders', fromBeginning: true });
  const value = await new Promise<Buffer>((resolve) => {
    void consumer.run({
      eachMessage: async ({ message }) => {
        if (message.value !== null) resolve(message.value);
      },
    });
  });
  expect({ ...((await later.decode(value)) as object) }).toEqual({ id: 7 });
  await consumer.disconnect();
});

it('asks who somebody is where clients are asked, and lets roles decide', async () => {
  broker = await startKafkaNode({
    ...SETTINGS,
    'security.authentication.authenticators': '["database"]',
    'security.passwords.scryptLogCost': 10,
  });
  const { users } = broker.node.security;
  await users.create({ name: 'reader', password: new Secret('correct horse battery'), roles: ['viewer'] });
  await users.create({ name: 'writer', password: new Secret('correct horse battery'), roles: ['operator'] });
  const url = `http://127.0.0.1:${httpPort(broker)}/subjects`;
  const basic = (user: string, password = 'correct horse battery') => ({
    authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
  });
  const nobody = await fetch(url);
  expect([nobody.status, nobody.headers.get('www-authenticate')]).toEqual([401, 'Basic realm="RobustMQ"']);
  expect((await fetch(url, { headers: basic('reader', 'wrong password') })).status).toBe(401);
  expect(await (await fetch(url, { headers: basic('reader') })).json()).toEqual([]);
  const register = (user: string): Promise<Response> =>
    fetch(`${url}/orders-value/versions`, {
      method: 'POST',
      headers: { ...basic(user), 'content-type': 'application/json' },
      body: JSON.stringify({ schema: SCHEMA }),
    });
  expect((await register('reader')).status).toBe(403);
  expect((await register('writer')).status).toBe(200);
  // A tenant would read and change what is everybody's.
  await users.create({
    name: 'tenant-user',
    password: new Secret('correct horse battery'),
    tenant: 'acme',
    isSuperuser: true,
  });
  for (const refused of [
    await register('tenant-user'),
    await fetch(url, { headers: basic('tenant-user') }),
  ]) {
    expect(refused.status).toBe(403);
    expect(await refused.json()).toMatchObject({
      error_code: 40301,
      message: expect.stringContaining('tenants'),
    });
  }
});
