/** Streams by configuration, filled by MQTT clients and read through administration, over the end of a broker. */
import { describe, expect, test } from 'vitest';
import { OPERATIONS } from '../../../src/admin/operations.ts';
import type { RecordView } from '../../../src/admin/views.ts';
import { P } from '../../support/wire.ts';
import { administer, type DurableBroker, ENDS, publisherOf, startDurable, take } from './broker.ts';

const config = (more = ''): string => `
streams:
  - { name: telemetry, capture: ["sensors/#", "+/all"], partitions: 4, key: topic }
  - { name: everything, capture: ["#"], partitions: 1, key: none }
  - { name: clients, capture: ["sensors/#"], partitions: 4, key: client }
${more}`;

async function records(broker: DurableBroker, name: string) {
  return administer(broker, async (client) => {
    const { partitions } = await client.call(OPERATIONS.streamsShow, { name });
    const found: RecordView[] = [];
    for (let partition = 0; partition < partitions; partition++) {
      let offset = 0;
      for (;;) {
        const input = { name, partition, offset, limit: 1000 };
        const { items } = await client.call(OPERATIONS.streamsRead, input);
        if (items.length === 0) break;
        found.push(...items);
        offset = (items.at(-1)?.offset ?? offset) + 1;
      }
    }
    return found;
  });
}

async function publish(broker: DurableBroker, clientId: string, topic: string, from: number, to: number) {
  const publisher = await publisherOf(broker, clientId);
  for (let n = from; n < to; n++) await publisher.publish({ topic, payload: `${n}`, qos: 1 + (n % 2) });
}

describe.each(ENDS)('around a %s', (end) => {
  test('what is published is there once, in order per key, at offsets without gaps', async () => {
    const broker = await startDurable({ yaml: config() });
    const topics = ['sensors/1', 'sensors/2', 'sensors/a/b', 'x/all'];
    for (const topic of topics) await publish(broker, `p-${topic}`, topic, 0, 6);
    await broker.restart(end);
    for (const topic of topics) await publish(broker, `p-${topic}`, topic, 6, 10);
    await publish(broker, 'p', 'elsewhere', 0, 1);
    const found = await records(broker, 'telemetry');
    for (const topic of topics) {
      const own = found.filter((record) => record.key === topic);
      expect(new Set(own.map(({ partition }) => partition)).size).toBe(1);
      expect(own.map(textOf)).toEqual(Array.from({ length: 10 }, (_, i) => `${i}`));
    }
    for (let partition = 0; partition < 4; partition++) {
      const offsets = found.filter((record) => record.partition === partition).map(({ offset }) => offset);
      expect(offsets).toEqual(offsets.map((_, i) => i));
    }
    expect(found).toHaveLength(40);
    expect(await records(broker, 'everything')).toHaveLength(41);
    // One client, one partition, whatever the topic.
    const byClient = await records(broker, 'clients');
    expect(byClient.filter(({ key }) => key === 'sensors/1').map(textOf)).toHaveLength(10);
  });

  test('a record has the message, its properties as headers', async () => {
    const broker = await startDurable({ yaml: config() });
    const publisher = await publisherOf(broker);
    const properties = [
      [P.payloadFormat, 1],
      [P.messageExpiry, 60],
      [P.contentType, 'text/plain'],
      [P.responseTopic, 'answers'],
      [P.userProperty, ['k', 'v']],
    ] as const;
    await publisher.publish({ topic: 'sensors/1', payload: 'text', qos: 2, retain: true, properties });
    await broker.restart(end);
    const [record] = await records(broker, 'telemetry');
    expect(record).toMatchObject({ key: 'sensors/1', offset: 0, timeMs: Date.UTC(2026, 0, 1) });
    expect(headersOf(record)).toEqual({
      'mqtt.qos': '2',
      'mqtt.retain': '1',
      'mqtt.expires-at': `${Date.UTC(2026, 0, 1) + 60_000}`,
      'mqtt.payload-format': '1',
      'content-type': 'text/plain',
      'response-topic': 'answers',
      k: 'v',
    });
  });

  test('subscribers get what is captured, too; who only publishes to a stream is told that it was taken', async () => {
    const broker = await startDurable({ yaml: config() });
    const away = await broker.connect({ clientId: 'c' });
    await away.subscribe([{ filter: 'sensors/#', qos: 1 }]);
    await away.disconnect();
    const publisher = await publisherOf(broker);
    expect(await publisher.publish({ topic: 'sensors/1', payload: '0', qos: 1 })).toBe(0);
    expect(await publisher.publish({ topic: 'nobody', payload: '0', qos: 1 })).toBe(0);
    await broker.restart(end);
    expect(await take(await broker.connect({ clientId: 'c' }), 1)).toEqual(['0']);
    expect(await records(broker, 'everything')).toHaveLength(2);
  });

  test('a delayed message is captured when it comes, a duplicate is not', async () => {
    const settings = { 'deduplication.userProperty': 'id' };
    const broker = await startDurable({ yaml: config(), settings });
    const publisher = await publisherOf(broker);
    await publisher.publish({ topic: '$delayed/10/sensors/1', payload: 'late', qos: 1 });
    for (let n = 0; n < 2; n++) {
      const properties = [[P.userProperty, ['id', 'x']]] as const;
      await publisher.publish({ topic: 'sensors/1', payload: 'once', qos: 1, properties });
    }
    expect((await records(broker, 'telemetry')).map(textOf)).toEqual(['once']);
    await broker.restart(end, 20_000);
    await broker.advance(1000);
    expect((await records(broker, 'telemetry')).map(textOf)).toEqual(['once', 'late']);
  });

  test('retention takes the oldest by count, by size and by age, and offsets go on', async () => {
    const more = ['count: 20', 'size: 20KB', 'age: 60s']
      .map((limit, i) => `  - { name: r${i}, capture: ["r/#"], partitions: 1, retention: { ${limit} } }`)
      .join('\n');
    const broker = await startDurable({ yaml: config(more) });
    const fill = async (): Promise<void> => {
      const publisher = await publisherOf(broker);
      for (let n = 0; n < 60; n++) {
        await publisher.publish({ topic: 'r/1', payload: 'x'.repeat(8000), qos: 1 });
      }
    };
    await fill();
    await broker.advance(3700_000);
    await fill();
    await broker.advance(3700_000);
    await broker.restart(end);
    await broker.advance(60_000);
    for (const name of ['r0', 'r1', 'r2']) {
      const [oldest] = await records(broker, name);
      expect(`${name} ${(oldest?.offset ?? 120) > 0}`).toBe(`${name} true`);
    }
    await fill();
    const last = (await records(broker, 'r2')).at(-1);
    expect(last?.offset).toBe(179);
  });
});

const textOf = ({ payload }: RecordView): string | undefined => payload;
const headersOf = (record: RecordView | undefined): Record<string, string | undefined> =>
  Object.fromEntries(record?.headers.map(({ name, value }) => [name, value]) ?? []);
