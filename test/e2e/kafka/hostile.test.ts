/** Bytes that no client should send: what is wrong costs its own connection, and nobody else notices. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import { type KafkaClient, openKafkaClient } from '../../support/kafka-client.ts';
import { createRandom } from '../../support/random.ts';
import { batchOf, produceRequest } from './batches.ts';
import { type KafkaNode, startKafkaNode } from './node.ts';

let broker: KafkaNode;
let bystander: KafkaClient;
beforeAll(async () => {
  broker = await startKafkaNode({ 'kafka.maxRequestSize': '1MiB' });
  bystander = await openKafkaClient(broker.port);
  await metadata(bystander, 'there');
});
afterAll(async () => {
  bystander.close();
  await broker.stop();
});

const metadata = (client: KafkaClient, name: string) =>
  client.call(Apis.metadata, 12, { topics: [{ topicId: 'AAAAAAAAAAAAAAAAAAAAAA', name }] });

const open = (): Promise<KafkaClient> => openKafkaClient(broker.port);

async function isServed(): Promise<void> {
  expect((await metadata(bystander, 'there')).topics[0]?.errorCode).toBe(ErrorCode.NONE);
}

/** Sends the bytes; true when the connection was closed without an answer. */
async function isRefused(bytes: Uint8Array): Promise<boolean> {
  const client = await open();
  client.send(bytes);
  const rest = await client.closed();
  client.close();
  return rest.length === 0;
}

const length = (size: number): Buffer => {
  const bytes = Buffer.alloc(64);
  bytes.writeInt32BE(size);
  return bytes;
};

describe('a length', () => {
  test.each([-1, 0, 7, 2 ** 20 + 1, 2 ** 31 - 1, -(2 ** 31)])(
    'of %i closes the connection (item 9)',
    async (size) => {
      expect(await isRefused(length(size))).toBe(true);
      await isServed();
    },
  );

  test('that is the start of HTTP or of TLS closes the connection (item 17)', async () => {
    expect(await isRefused(Buffer.from('GET / HTTP/1.1\r\nHost: kafka\r\n\r\n'))).toBe(true);
    expect(await isRefused(Buffer.from('1603010200010001fc0303', 'hex'))).toBe(true);
    await isServed();
  });

  test('that promises more than comes takes no memory for it (item 9)', async () => {
    const clients = await Promise.all(Array.from({ length: 50 }, open));
    for (const client of clients) client.send(length(2 ** 20));
    await isServed();
    expect(broker.node.kafka?.state.requestBytes ?? 0).toBeLessThan(50 * 8192);
    for (const client of clients) client.close();
  });
});

describe('a request', () => {
  test('of an API that there is not closes the connection (item 9)', async () => {
    const frame = bystander.frame(Apis.metadata, 1, { topics: null });
    frame.writeInt16BE(4, 4);
    expect(await isRefused(frame)).toBe(true);
    frame.writeInt16BE(32_000, 4);
    expect(await isRefused(frame)).toBe(true);
    await isServed();
  });

  test('in a version that there is not closes the connection, but for ApiVersions (item 9)', async () => {
    const frame = bystander.frame(Apis.metadata, 1, { topics: null });
    frame.writeInt16BE(99, 6);
    expect(await isRefused(frame)).toBe(true);

    const client = await open();
    const asked = client.frame(Apis.apiVersions, 0, {});
    asked.writeInt16BE(99, 6);
    client.send(asked);
    const answer = client.read(Apis.apiVersions, 0, await client.receive());
    expect(answer.errorCode).toBe(ErrorCode.UNSUPPORTED_VERSION);
    expect(answer.apiKeys).toEqual([{ apiKey: 18, minVersion: 0, maxVersion: 4 }]);
    // The client tries again on the same connection.
    // Both APIs of telemetry are offered where there is a collector.
    const { apiKeys } = await client.call(Apis.apiVersions, 0, {});
    const { first, last } = Apis.produce.versions;
    expect(apiKeys).toContainEqual({ apiKey: Apis.produce.key, minVersion: first, maxVersion: last });
    client.close();
  });

  test('that comes byte by byte is answered (item 4)', async () => {
    const client = await open();
    for (const byte of client.frame(Apis.metadata, 12, { topics: [] })) {
      client.send(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(client.read(Apis.metadata, 12, await client.receive()).brokers).toHaveLength(1);
    client.close();
  });

  const frames = (): readonly Buffer[] => [
    bystander.frame(Apis.produce, 9, produceRequest('there', batchOf('value'))),
    bystander.frame(Apis.fetch, 12, {
      maxWaitMs: 0,
      minBytes: 1,
      topics: [{ topic: 'there', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] }],
    }),
    bystander.frame(Apis.metadata, 12, { topics: [{ name: 'there', topicId: 'AAAAAAAAAAAAAAAAAAAAAA' }] }),
    bystander.frame(Apis.listOffsets, 7, {
      replicaId: -1,
      topics: [{ name: 'there', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    }),
    bystander.frame(Apis.createTopics, 7, {
      topics: [{ name: 'n', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
      validateOnly: true,
    }),
  ];

  /** Everything else is stopped at once, so a connection that still answers does so after this. */
  async function survives(frame: Buffer): Promise<void> {
    const client = await open();
    client.send(frame);
    client.socket.end();
    await client.closed();
    client.close();
  }

  test('cut at any byte ends at worst its own connection (item 4)', async () => {
    for (const frame of frames()) {
      const cuts = Array.from({ length: frame.length - 4 }, (_, end) => end);
      for (let at = 0; at < cuts.length; at += 20) {
        await Promise.all(
          cuts.slice(at, at + 20).map((end) => {
            const cut = Buffer.from(frame.subarray(0, 4 + end));
            if (cut.length >= 4) cut.writeInt32BE(cut.length - 4);
            return survives(cut);
          }),
        );
      }
    }
    await isServed();
  });

  test('with any byte changed ends at worst its own connection (item 5)', async () => {
    const random = createRandom(Number(process.env.ROBUSTMQ_TEST_SEED ?? 7));
    const rounds = Number(process.env.ROBUSTMQ_TEST_ROUNDS ?? 200);
    const all = frames();
    for (let round = 0; round < rounds; round += 20) {
      await Promise.all(
        Array.from({ length: 20 }, () => {
          const frame = Buffer.from(all[random.below(all.length)] as Buffer);
          for (let changes = 1 + random.below(4); changes > 0; changes--) {
            frame[4 + random.below(frame.length - 4)] = random.below(256);
          }
          return survives(frame);
        }),
      );
    }
    await isServed();
  });

  test('whose arrays claim more elements than there are bytes closes the connection (item 9)', async () => {
    const frame = bystander.frame(Apis.metadata, 1, {
      topics: [{ name: 'a', topicId: 'AAAAAAAAAAAAAAAAAAAAAA' }],
    });
    frame.writeInt32BE(2 ** 31 - 1, frame.length - 7);
    expect(await isRefused(frame)).toBe(true);
    await isServed();
  });
});
