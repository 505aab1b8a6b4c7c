/** What is in an object store: copies of messages, streams, and segments that have left the disk. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { StreamRecord, Streams } from '../../../src/kernel/streams/streams.ts';
import { storeAsHolder } from '../../../src/object-tier.ts';
import { P } from '../../support/wire.ts';
import { type DurableBroker, publisherOf, startDurable, take } from './broker.ts';

let objects = '';
beforeEach(() => {
  objects = mkdtempSync(join(tmpdir(), 'robustmq-objects-'));
});
afterEach(() => {
  rmSync(objects, { recursive: true, force: true });
});

const payloads = (count: number, prefix = 'm'): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);

async function subscriberAway(broker: DurableBroker, filter: string, clientId = 'away'): Promise<void> {
  const client = await broker.connect({ clientId });
  await client.subscribe([{ filter, qos: 2 }]);
  await client.disconnect();
}

const streamsOf = (broker: DurableBroker) => broker.node.mqtt.context.streams as Streams;
const partitionOf = (broker: DurableBroker, name: string, number = 0) =>
  streamsOf(broker)
    .describe(name)
    ?.partitions.find((partition) => partition.number === number);

async function readStream(broker: DurableBroker, name: string): Promise<StreamRecord[]> {
  const found: StreamRecord[] = [];
  const end = partitionOf(broker, name)?.endOffset ?? 0;
  for (let at = 0; at < end; ) {
    const page = await streamsOf(broker).read(name, 0, at, { records: 1000, bytes: 1 << 20 });
    if (page === undefined || page.next <= at) break;
    found.push(...page.records);
    at = page.next;
  }
  return found;
}

const texts = (records: readonly StreamRecord[]): string[] =>
  records.map(({ message }) => Buffer.from(message?.payload ?? []).toString());

/** Objects below a folder of the store, whatever their keys are in there. */
const objectsBelow = (folder: string): string[] =>
  readdirSync(objects, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile() && join(each.parentPath, each.name).includes(folder))
    .map(({ name }) => name);

async function until(broker: DurableBroker, holds: () => boolean, what: string): Promise<void> {
  for (let turn = 0; turn < 600; turn++) {
    if (holds()) return;
    await broker.advance(1000);
    // Files and objects take real time.
    await delay(5);
    await broker.node.mqtt.context.durable.log.drained();
  }
  throw new Error(`it never came to this: ${what}`);
}

describe('a topic with storage: object', () => {
  const yaml = 'topics: [{ match: "o/#", storage: object }]';
  const start = (): Promise<DurableBroker> =>
    startDurable({ settings: { 'storage.object.directory': objects }, yaml });

  test('has its messages in the store when they are acknowledged, until nobody waits for them', async () => {
    const broker = await start();
    await subscriberAway(broker, '#');
    const publisher = await publisherOf(broker);
    await publisher.publish({ topic: 'j/1', payload: 'elsewhere', qos: 1 });
    for (const [i, payload] of payloads(8).entries()) {
      await publisher.publish({ topic: 'o/1', payload, qos: i % 2 === 0 ? 1 : 2 });
      expect(partitionOf(broker, '$waiting')?.endOffset).toBe(i + 1);
    }
    await broker.restart('stop');
    expect(texts(await readStream(broker, '$waiting'))).toEqual(payloads(8));
    // What a copy is made of again: read back from the disk.
    const holder = storeAsHolder(broker.node.mqtt.context.durable.store);
    const { messages, next } = await holder.held(holder.oldestId(), holder.nextId);
    expect(messages.map(({ payload }) => Buffer.from(payload).toString())).toEqual([
      'elsewhere',
      ...payloads(8),
    ]);
    expect(next).toBe(holder.nextId);
    const back = await broker.connect({ clientId: 'away' });
    expect(await take(back, 9)).toEqual(['elsewhere', ...payloads(8)]);
    const later = await publisherOf(broker);
    await later.publish({ topic: 'o/2', payload: 'newer', qos: 1 });
    const [newer] = [await back.expect('publish')];
    await broker.advance(60_000);
    // Not acknowledged: it is waited for, and a run of copies goes as a whole.
    expect(partitionOf(broker, '$waiting')).toMatchObject({ startOffset: 0, endOffset: 9 });
    await back.complete(newer);
    await until(broker, () => partitionOf(broker, '$waiting')?.startOffset === 9, 'settled copies are gone');
    await broker.stop();
  });

  test('a disk that is lost takes the sessions with it, and neither retained messages nor what had waited', async () => {
    const lost = await start();
    await subscriberAway(lost, 'o/#');
    const publisher = await publisherOf(lost);
    for (const payload of payloads(5)) await publisher.publish({ topic: 'o/1', payload, qos: 1 });
    for (const payload of ['old', 'new']) {
      await publisher.publish({ topic: 'o/kept', payload, qos: 1, retain: true });
      await publisher.publish({ topic: 'o/gone', payload, qos: 1, retain: true });
    }
    await publisher.publish({ topic: 'o/gone', payload: '', qos: 1, retain: true });
    await publisher.publish({ topic: 'j/kept', payload: 'on disk', qos: 1, retain: true });
    await lost.stop();

    const broker = await start();
    const waited = [...payloads(5), 'old', 'old', 'new', 'new', ''];
    for (const end of ['stop', 'crash'] as const) {
      expect(texts(await readStream(broker, '$recovered'))).toEqual(waited);
      const client = await broker.connect({ clientId: 'away' });
      expect(client.connack?.sessionPresent).toBe(false);
      await client.subscribe([{ filter: '#', qos: 1 }]);
      expect(await take(client, 1)).toEqual(['new']);
      await client.quiet();
      const sender = await publisherOf(broker);
      await sender.publish({ topic: 'o/1', payload: `after ${end}`, qos: 1 });
      expect(await take(client, 1)).toEqual([`after ${end}`]);
      await client.disconnect(0, [[P.sessionExpiry, 0]]);
      await broker.restart('stop');
    }
  });
});

describe('a stream with storage: object', () => {
  const yaml =
    'streams: [{ name: kept, capture: ["s/#"], storage: object, partitions: 1, durability: os, retention: { count: 50 } }]';
  const settings = () => ({ 'storage.object.directory': objects });

  test('comes back complete when the disk is lost, and goes on where it was', async () => {
    const lost = await startDurable({ settings: settings(), yaml });
    const publisher = await publisherOf(lost);
    for (const payload of payloads(10)) await publisher.publish({ topic: 's/1', payload, qos: 1 });
    await lost.stop();
    const broker = await startDurable({ settings: settings(), yaml });
    expect(texts(await readStream(broker, 'kept'))).toEqual(payloads(10));
    const again = await publisherOf(broker);
    await again.publish({ topic: 's/1', payload: 'next', qos: 1 });
    await broker.restart('stop');
    const records = await readStream(broker, 'kept');
    expect(texts(records)).toEqual([...payloads(10), 'next']);
    expect(records.map(({ offset }) => offset)).toEqual(records.map((_, i) => i));
    await broker.stop();
  });
});

describe('segments that have left the disk', () => {
  const yaml = 'streams: [{ name: cold, capture: ["s/#"], partitions: 1, retention: { age: 1h } }]';
  const settings = () => ({
    'storage.object.directory': objects,
    'storage.tier.enabled': true,
    'storage.tier.localSize': 0,
    'storage.tier.cacheSize': '1MiB',
    'storage.segmentSize': '64KiB',
  });
  const localFiles = (broker: DurableBroker): number => readdirSync(join(broker.dataDir, 'journal')).length;

  test('are read from the store by sessions and streams, over restarts, until retention removes them', async () => {
    const broker = await startDurable({ settings: settings(), yaml });
    await subscriberAway(broker, 's/#');
    const publisher = await publisherOf(broker);
    const count = 120;
    const body = (i: number): string => `${i} `.padEnd(8000, String.fromCharCode(97 + (i % 26)));
    for (let i = 0; i < count; i++) await publisher.publish({ topic: 's/1', payload: body(i), qos: 1 });
    await until(broker, () => objectsBelow('tier').length >= 10, 'segments are uploaded');
    expect(localFiles(broker)).toBeLessThan(5);
    await broker.restart('stop');
    expect(texts(await readStream(broker, 'cold'))).toEqual(Array.from({ length: count }, (_, i) => body(i)));
    const back = await broker.connect({ clientId: 'away' });
    expect(await take(back, count)).toEqual(Array.from({ length: count }, (_, i) => body(i)));
    await back.disconnect();
    await broker.restart('stop', 7_200_000);
    await until(broker, () => partitionOf(broker, 'cold')?.startOffset === count, 'retention');
    // A snapshot of the tables is due when the journal has grown: from then on nobody needs what is older.
    const later = await publisherOf(broker);
    for (let i = 0; i < 50; i++) await later.publish({ topic: 's/1', payload: body(i), qos: 1 });
    await until(broker, () => objectsBelow('tier').length <= 8, 'objects are removed');
    await broker.stop();
  });
});
