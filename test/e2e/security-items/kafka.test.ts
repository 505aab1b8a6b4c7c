/** Items 9, 10, 18 and 26 of the security checklist at the listener of Kafka, beyond what its own tests have. */
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/kernel/clock.ts';
import { CODECS, type CodecName, loadCodec } from '../../../src/protocols/kafka/compression/compression.ts';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import {
  Attribute,
  Field,
  HEADER_BYTES,
  LENGTH_OVERHEAD,
} from '../../../src/protocols/kafka/records/header.ts';
import { createLogKernel } from '../../../src/wasm/create-log.ts';
import { type KafkaClient, openKafkaClient } from '../../support/kafka-client.ts';
import { RawClient } from '../../support/raw-client.ts';
import * as wire from '../../support/wire.ts';
import { batchFrom, batchOf, produceRequest, recordsIn, ZERO } from '../kafka/batches.ts';
import { type KafkaNode, startKafkaNode } from '../kafka/node.ts';
import { startTestNode } from '../support.ts';

const MiB = 1024 * 1024;
const BOMB_BYTES = 64 * MiB;

let broker: KafkaNode;
let bystander: KafkaClient;
beforeAll(async () => {
  broker = await startKafkaNode({ 'mqtt.maxPacketSize': '64KiB' });
  bystander = await openKafkaClient(broker.port);
  await make('plain');
  await make('compacted', { 'cleanup.policy': 'compact' });
});
afterAll(async () => {
  bystander.close();
  await broker.stop();
});

async function make(name: string, configs: Readonly<Record<string, string>> = {}): Promise<void> {
  const made = Object.entries(configs).map(([key, value]) => ({ name: key, value }));
  const topics = [{ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: made }];
  const answer = await bystander.call(Apis.createTopics, 7, { topics });
  expect(answer.topics[0]?.errorCode).toBe(ErrorCode.NONE);
}

async function produce(name: string, records: Uint8Array): Promise<number | undefined> {
  const { responses } = await bystander.call(Apis.produce, 9, produceRequest(name, records));
  return responses[0]?.partitionResponses[0]?.errorCode;
}

async function fetch(topic: string, partitionMaxBytes = MiB, fetchOffset = 0) {
  const topics = [{ topic, topicId: ZERO, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes }] }];
  const answer = await bystander.call(Apis.fetch, 12, { maxWaitMs: 0, minBytes: 1, topics });
  return answer.responses[0]?.partitions[0];
}

async function isRefused(bytes: Uint8Array): Promise<boolean> {
  const client = await openKafkaClient(broker.port);
  client.send(bytes);
  const rest = await client.closed();
  client.close();
  return rest.length === 0;
}

describe('item 9: requests that lie', () => {
  const frame = (): Buffer =>
    bystander.frame(Apis.metadata, 1, { topics: [{ name: 'plain', topicId: ZERO }] });

  test('a string of length -2 closes the connection', async () => {
    const lying = frame();
    // The name is the last field: its length and five letters.
    lying.writeInt16BE(-2, lying.length - 7);
    expect(await isRefused(lying)).toBe(true);
    lying.writeInt16BE(32_767, lying.length - 7);
    expect(await isRefused(lying)).toBe(true);
    expect((await fetch('plain'))?.errorCode).toBe(ErrorCode.NONE);
  });

  test('tagged fields that claim more than there is, or more of them, close the connection', async () => {
    const flexible = bystander.frame(Apis.metadata, 12, { topics: [] });
    for (const tail of ['ffffffff0f', 'ffffffffffff', '0100ffffff7f', '017fffffffff0f']) {
      // In the place of the empty tag buffer that ends the request.
      const lying = Buffer.concat([flexible.subarray(0, -1), Buffer.from(tail, 'hex')]);
      lying.writeInt32BE(lying.length - 4);
      expect([tail, await isRefused(lying)]).toEqual([tail, true]);
    }
    expect((await fetch('plain'))?.errorCode).toBe(ErrorCode.NONE);
  });

  test('requests of one correlation are each answered, in their order', async () => {
    const client = await openKafkaClient(broker.port);
    const same = 7;
    client.send(
      Buffer.concat([
        client.frame(Apis.metadata, 12, { topics: [] }, same),
        client.frame(Apis.findCoordinator, 3, { key: 'g', keyType: 0 }, same),
        client.frame(Apis.metadata, 12, { topics: [] }, same),
      ]),
    );
    expect(client.read(Apis.metadata, 12, await client.receive()).brokers).toHaveLength(1);
    expect(client.read(Apis.findCoordinator, 3, await client.receive()).errorCode).toBe(ErrorCode.NONE);
    expect(client.read(Apis.metadata, 12, await client.receive()).brokers).toHaveLength(1);
    client.close();
  });
});

const kernel = createLogKernel({ maxBatchBytes: MiB, memoryLimitBytes: 16 * MiB });

/** A batch whose records, so it says, are 64 MiB of zeros when they are opened. */
async function bomb(name: CodecName): Promise<Uint8Array> {
  const body = (await loadCodec(name)).compress(new Uint8Array(BOMB_BYTES));
  const batch = Buffer.alloc(HEADER_BYTES + body.length);
  batch.set(batchFrom([{ key: 'k', value: 'v' }]).subarray(0, HEADER_BYTES));
  batch.set(body, HEADER_BYTES);
  batch.writeInt32BE(batch.length - LENGTH_OVERHEAD, Field.length);
  batch.writeInt16BE(
    (batch.readInt16BE(Field.attributes) & ~Attribute.codec) | (CODECS.indexOf(name) + 1),
    Field.attributes,
  );
  batch.writeUInt32BE(kernel.crc32c(batch.subarray(Field.attributes)), Field.crc);
  return batch;
}

describe('item 10: batches that are bombs', () => {
  test.each(CODECS)(
    'of %s are not opened beyond the largest batch, wherever the broker opens batches',
    async (name) => {
      const bytes = await bomb(name);
      const before = process.memoryUsage().rss;
      const isSmall = bytes.length < MiB;
      // Compaction needs keys, so it is opened before it is stored.
      expect([ErrorCode.CORRUPT_MESSAGE, ErrorCode.MESSAGE_TOO_LARGE]).toContain(
        await produce('compacted', bytes),
      );
      expect((await fetch('compacted'))?.highWatermark).toBe(0);
      // As it came, like everything that is sent to a topic: opening it is up to consumers, and to the crossing.
      const address = broker.node.listeners.find(({ name: each }) => each === 'mqtt')?.address;
      if (address === undefined || !('port' in address)) throw new Error('no mqtt listener');
      const subscriber = await RawClient.open(address);
      subscriber.send(wire.connect({ clientId: `bombed-${name}` }));
      await subscriber.expect('connack');
      await subscriber.subscribe([{ filter: 'plain', qos: 1 }]);
      expect(await produce('plain', bytes)).toBe(isSmall ? ErrorCode.NONE : ErrorCode.MESSAGE_TOO_LARGE);
      expect(await produce('plain', batchOf('after'))).toBe(ErrorCode.NONE);
      expect((await subscriber.message()).payload.toString()).toBe('after');
      subscriber.socket.destroy();
      expect(process.memoryUsage().rss - before).toBeLessThan(BOMB_BYTES);
    },
  );
});

test('who does not log in is let go when the time for that is over, also with a byte now and then (item 18)', async () => {
  const own = await startTestNode({
    'listeners.kafka.enabled': true,
    'listeners.kafka.port': 0,
    'kafka.security.authentication': 'sasl',
    'kafka.security.users': JSON.stringify([{ name: 'alice', password: 'alice-secret' }]),
    'security.passwords.scryptLogCost': 10,
  });
  try {
    const address = own.node.listeners.find(({ name }) => name === 'kafka')?.address;
    if (address === undefined || !('port' in address)) throw new Error('no kafka listener');
    const [silent, trickle, asking, honest] = await Promise.all(
      Array.from({ length: 4 }, () => openKafkaClient(address.port)),
    );
    if (!silent || !trickle || !asking || !honest) throw new Error('not open');
    await asking.call(Apis.apiVersions, 3, { clientSoftwareName: 'a', clientSoftwareVersion: '1' });
    await honest.call(Apis.saslHandshake, 1, { mechanism: 'PLAIN' });
    const authBytes = Buffer.from('\0alice\0alice-secret');
    expect((await honest.call(Apis.saslAuthenticate, 2, { authBytes })).errorCode).toBe(ErrorCode.NONE);
    for (let second = 0; second < 8; second++) {
      trickle.send(Buffer.from([0]));
      await turn();
      await own.clock.advance(1000);
    }
    await Promise.all([silent.closed(), trickle.closed(), asking.closed()]);
    expect((await honest.call(Apis.metadata, 12, { topics: [] })).brokers).toHaveLength(1);
    for (const client of [silent, trickle, asking, honest]) client.close();
  } finally {
    await own.stop();
  }
});

describe('item 26: messages that are too large', () => {
  test('for Kafka are refused by its error, for MQTT by 0x95, and hold up nobody', async () => {
    expect(await produce('plain', batchOf('x'.repeat(1_048_600)))).toBe(ErrorCode.MESSAGE_TOO_LARGE);
    const address = broker.node.listeners.find(({ name }) => name === 'mqtt')?.address;
    if (address === undefined || !('port' in address)) throw new Error('no mqtt listener');
    const client = await RawClient.open(address);
    client.send(wire.connect({ clientId: 'large' }));
    await client.expect('connack');
    client.send(wire.publish({ topic: 'a', payload: 'x'.repeat(64 * 1024) }));
    await client.expectRefusal(0x95);
  });

  test('from Kafka for MQTT are left out and counted, and those behind them come', async () => {
    await make('crossing.large');
    const address = broker.node.listeners.find(({ name }) => name === 'mqtt')?.address;
    if (address === undefined || !('port' in address)) throw new Error('no mqtt listener');
    const subscriber = await RawClient.open(address);
    subscriber.send(wire.connect({ clientId: 'reader' }));
    await subscriber.expect('connack');
    await subscriber.subscribe([{ filter: 'crossing/large', qos: 1 }]);
    const counters = broker.node.kafka?.context.crossing.counters;
    const before = counters?.refusedTooLarge ?? 0;
    expect(await produce('crossing.large', batchOf('x'.repeat(70_000), 'small'))).toBe(ErrorCode.NONE);
    expect((await subscriber.message()).payload.toString()).toBe('small');
    expect((counters?.refusedTooLarge ?? 0) - before).toBe(1);
    subscriber.socket.destroy();
  });

  test('from MQTT for a consumer that asks for less come all the same: a consumer is never stuck', async () => {
    await make('crossing.small');
    const address = broker.node.listeners.find(({ name }) => name === 'mqtt')?.address;
    if (address === undefined || !('port' in address)) throw new Error('no mqtt listener');
    const publisher = await RawClient.open(address);
    publisher.send(wire.connect({ clientId: 'writer' }));
    await publisher.expect('connack');
    for (const payload of ['x'.repeat(50_000), 'small'])
      expect(await publisher.publish({ topic: 'crossing/small', payload, qos: 1 })).toBeLessThan(0x80);
    const values: string[] = [];
    const startedMs = systemClock.monotonicMs();
    while (values.length < 2 && systemClock.monotonicMs() - startedMs < 5000) {
      const { records = null } = (await fetch('crossing.small', 100, values.length)) ?? {};
      values.push(
        ...recordsIn(records)
          .filter(({ offset }) => offset >= values.length)
          .map(({ value }) => value),
      );
    }
    expect(values.map(({ length }) => length)).toEqual([50_000, 5]);
    publisher.socket.destroy();
  });
});
