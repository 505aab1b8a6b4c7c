import { describe, expect, it } from 'vitest';
import type { StreamConfig } from '../../../src/config/config.ts';
import type { Message } from '../../../src/kernel/message.ts';
import { partitionOf } from '../../../src/kernel/streams/keys.ts';
import { createStreams, type Stream, type Streams } from '../../../src/kernel/streams/streams.ts';
import { faultyDisk } from '../../storage/disk/faulty-disk.ts';
import { committed, kernel, type Opened, openOn, type World } from '../log/support.ts';

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const configured = (more: Partial<StreamConfig>): StreamConfig => ({
  name: 's',
  capture: ['sensors/#'],
  partitions: 2,
  key: 'topic',
  storage: 'journal',
  durability: 'default',
  cleanup: 'delete',
  ...more,
  retention: { ageSeconds: 0xffff_ffff, size: 0, count: 0, settled: false, ...more.retention },
});
const message = (topic: string, payload = ''): Message => ({
  topic: bytes(topic),
  payload: bytes(payload),
  properties: new Uint8Array(0),
  qos: 1,
  retain: false,
  expiresAtMs: 0,
  publisher: 3,
});
const world = (seed: number): World => ({ disk: faultyDisk(seed), freed: [] });

const on = (
  opened: Opened,
  configs: readonly StreamConfig[],
  warnings: string[] = [],
  settledFloor: (name: string, partition: number) => number | undefined = () => undefined,
): Promise<Streams> =>
  createStreams(configs, {
    settledFloor,
    partitions: opened.partitions,
    kernel,
    clock: opened.clock,
    stripeOf: () => 5,
    logger: { warn: (_fields, text) => warnings.push(text) },
  });

function only(streams: Streams, topic: string): Stream {
  const [stream, ...more] = streams.capturing(bytes(topic));
  if (stream === undefined || more.length > 0) throw new Error(`not one stream takes ${topic}`);
  return stream;
}

const EVERYTHING = { records: 10_000, bytes: Number.POSITIVE_INFINITY };

async function payloads(streams: Streams, partition: number, name = 's'): Promise<string[]> {
  const page = await streams.read(name, partition, 0, EVERYTHING);
  return (page?.records ?? []).map(({ message: each }) => Buffer.from(each?.payload ?? []).toString());
}

describe('streams', () => {
  it('capture topics as subscriptions match them', async () => {
    const names = (streams: Streams, topic: string) =>
      streams.capturing(bytes(topic)).map(({ name }) => name);
    const streams = await on(await openOn(world(1)), [
      configured({ name: 'all', capture: ['#'], partitions: 1 }),
      configured({ name: 'two', capture: ['a/+', 'a/b', '+/c/#'], partitions: 1 }),
      configured({ name: 'system', capture: ['$SYS/#'], partitions: 1 }),
    ]);
    expect(names(streams, 'a/b')).toEqual(['all', 'two']);
    expect(names(streams, 'a')).toEqual(['all']);
    expect(names(streams, 'a/')).toEqual(['all', 'two']);
    expect(names(streams, 'x/c')).toEqual(['all', 'two']);
    expect(names(streams, 'x/c/d/e')).toEqual(['all', 'two']);
    expect(names(streams, 'x/cd')).toEqual(['all']);
    expect(names(streams, '$SYS/c')).toEqual(['system']);
  });

  it('keep the messages of a topic in order, in the partition of its hash, with all that they are', async () => {
    const opened = await openOn(world(2));
    const streams = await on(opened, [configured({ partitions: 4 })]);
    for (let i = 0; i < 40; i++) {
      const topic = `sensors/${i % 5}`;
      const stream = only(streams, topic);
      const done = streams.append(stream, message(topic, `${i}`), { clientId: 'c', atMs: 1000 + i });
      expect(done).toMatchObject({ partition: partitionOf(bytes(topic), 4) });
    }
    await committed(opened.log);
    const seen: string[] = [];
    for (let number = 0; number < 4; number++) seen.push(...(await payloads(streams, number)));
    expect(seen.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i));
    for (let rest = 0; rest < 5; rest++) {
      const own = seen.map(Number).filter((each) => each % 5 === rest);
      expect(own).toEqual(own.toSorted((a, b) => a - b));
    }
    const number = partitionOf(bytes('sensors/0'), 4);
    const page = await streams.read('s', number, 1, { records: 1, bytes: 1000 });
    expect(page?.next).toBe(2);
    expect(page?.records[0]).toMatchObject({ offset: 1, message: { qos: 1, retain: false, publisher: -1 } });
    expect(await streams.read('s', 9, 0, EVERYTHING)).toBeUndefined();
  });

  it('order by client, or spread evenly', async () => {
    const opened = await openOn(world(3));
    const streams = await on(opened, [
      configured({ name: 'c', key: 'client', capture: ['c/#'], partitions: 3 }),
      configured({ name: 'n', key: 'none', capture: ['n/#'], partitions: 3 }),
    ]);
    const counts = [0, 0, 0];
    for (let i = 0; i < 30; i++) {
      const from = { clientId: `client-${i % 4}`, atMs: 1 };
      const done = streams.append(only(streams, 'c/x'), message(`c/${i}`), from);
      expect(done).toMatchObject({ partition: partitionOf(bytes(from.clientId), 3) });
      const spread = streams.append(only(streams, 'n/x'), message('n/x'), from);
      if (typeof spread === 'string') throw new Error(spread);
      counts[spread.partition] = (counts[spread.partition] ?? 0) + 1;
    }
    expect(counts).toEqual([10, 10, 10]);
  });

  it('come back with their data; partitions are added, never taken; what left the configuration stays', async () => {
    const place = world(4);
    let opened = await openOn(place);
    let streams = await on(opened, [
      configured({}),
      configured({ name: 'old', capture: ['old'], partitions: 1 }),
    ]);
    streams.append(only(streams, 'old'), message('old', 'kept'), { clientId: 'c', atMs: 1 });
    await committed(opened.log, 'sync');
    place.disk = place.disk.crash();
    opened = await openOn(place);
    streams = await on(opened, [configured({ partitions: 3 })]);
    expect([...streams.names()].sort()).toEqual(['old', 's']);
    expect(streams.describe('s')).toMatchObject({ isCapturing: true, partitions: { length: 3 } });
    expect(streams.describe('old')).toMatchObject({ isCapturing: false, partitions: { length: 1 } });
    expect(streams.describe('none')).toBeUndefined();
    expect(await payloads(streams, 0, 'old')).toEqual(['kept']);
    expect(streams.capturing(bytes('old'))).toEqual([]);
    const warnings: string[] = [];
    streams = await on(opened, [configured({ partitions: 1, storage: 'memory' })], warnings);
    expect(only(streams, 'sensors/1').partitions).toHaveLength(3);
    expect(warnings).toHaveLength(2);
    await expect(on(opened, [configured({ name: 'o', storage: 'object' })])).rejects.toThrow('no storage');
  });

  it('are read in pages of so many records or bytes, with at least one record in each', async () => {
    const opened = await openOn(world(8));
    const streams = await on(opened, [configured({ partitions: 1 })]);
    const sizes = [10, 4000, 10, 10, 20_000, 10];
    for (const size of sizes) {
      const from = { clientId: 'c', atMs: 7 };
      const appended = streams.append(
        only(streams, 'sensors/1'),
        message('sensors/1', 'x'.repeat(size)),
        from,
      );
      expect(appended).toMatchObject({ partition: 0 });
      await committed(opened.log);
    }
    const pages = async (limits: { records: number; bytes: number }): Promise<number[][]> => {
      const all: number[][] = [];
      for (let offset = 0; offset < sizes.length; ) {
        const page = await streams.read('s', 0, offset, limits);
        all.push((page?.records ?? []).map((record) => record.offset));
        offset = page?.next ?? sizes.length;
      }
      return all;
    };
    expect(await pages({ records: 4, bytes: 1_000_000 })).toEqual([
      [0, 1, 2, 3],
      [4, 5],
    ]);
    expect(await pages({ records: 100, bytes: 2000 })).toEqual([[0, 1], [2, 3, 4], [5]]);
    expect(await pages({ records: 100, bytes: 0 })).toEqual([[0], [1], [2], [3], [4], [5]]);
    expect(streams.describe('s')?.partitions[0]?.newestMs).toBe(7);
  });

  it('forget by age, size and count as the clock goes on', async () => {
    const opened = await openOn(world(5));
    const unlimited = { ageSeconds: 0xffff_ffff, size: 0, count: 0, settled: false };
    const streams = await on(opened, [
      configured({
        name: 'age',
        capture: ['age'],
        partitions: 1,
        retention: { ...unlimited, ageSeconds: 60 },
      }),
      configured({ name: 'size', capture: ['size'], partitions: 1, retention: { ...unlimited, size: 2000 } }),
      configured({
        name: 'count',
        capture: ['count'],
        partitions: 1,
        retention: { ...unlimited, count: 10 },
      }),
    ]);
    for (let i = 0; i < 60; i++) {
      for (const topic of ['age', 'size', 'count']) {
        const from = { clientId: 'c', atMs: opened.clock.wallMs() };
        streams.append(only(streams, topic), message(topic, `${i}`.padEnd(50, '.')), from);
      }
      await committed(opened.log);
      await opened.clock.advance(1000);
    }
    await opened.log.drained();
    await opened.clock.advance(30_000);
    for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate);
    const [age, size, count] = ['age', 'size', 'count'].map((name) => streams.describe(name)?.partitions[0]);
    expect(age?.startOffset).toBeGreaterThan(20);
    expect(age?.startOffset).toBeLessThanOrEqual(30);
    expect(size?.bytes).toBeGreaterThanOrEqual(2000);
    expect(size?.bytes).toBeLessThan(2000 + 500);
    expect(count?.startOffset).toBeGreaterThan(44);
    expect(count?.startOffset).toBeLessThanOrEqual(50);
    expect(count?.endOffset).toBe(60);
    streams.stop();
  });

  it('forget what all have settled where they are told to, and keep all where nobody has settled anything', async () => {
    const opened = await openOn(world(5));
    const retention = { ageSeconds: 0xffff_ffff, size: 0, count: 0, settled: true };
    const floors = new Map<string, number>();
    const streams = await on(
      opened,
      ['read', 'unread', 'kept'].map((name) =>
        configured({
          name,
          capture: [name],
          partitions: 1,
          retention: { ...retention, settled: name !== 'kept' },
        }),
      ),
      [],
      (name, partition) => floors.get(`${name}/${partition}`),
    );
    for (let i = 0; i < 60; i++) {
      for (const topic of ['read', 'unread', 'kept']) {
        const from = { clientId: 'c', atMs: opened.clock.wallMs() };
        streams.append(only(streams, topic), message(topic, `${i}`.padEnd(50, '.')), from);
      }
      await committed(opened.log);
    }
    const starts = async (): Promise<unknown[]> => {
      await opened.partitions.clean();
      return ['read', 'unread', 'kept'].map((name) => streams.describe(name)?.partitions[0]?.startOffset);
    };
    expect(await starts()).toEqual([0, 0, 0]);
    floors.set('read/0', 30).set('kept/0', 60);
    const [read, ...others] = await starts();
    expect(read).toBeGreaterThan(15);
    expect(read).toBeLessThanOrEqual(30);
    expect(others).toEqual([0, 0]);
    floors.set('read/0', 60);
    expect(await starts()).toEqual([60, 0, 0]);
    streams.stop();
  });

  it('keep the newest message of each topic where they are compacted, and none after an empty one', async () => {
    const opened = await openOn(world(6));
    const streams = await on(opened, [configured({ cleanup: 'compact', partitions: 1 })]);
    for (let i = 0; i < 50; i++) {
      const topic = `sensors/${i % 3}`;
      const payload = i === 49 ? '' : `${i}`.padEnd(20, '.');
      streams.append(only(streams, topic), message(topic, payload), { clientId: 'c', atMs: 1 });
      await committed(opened.log);
    }
    await opened.partitions.clean();
    const left = (await payloads(streams, 0)).map((each) => each.replaceAll('.', ''));
    expect(left).toEqual(['47', '48', '']);
    const page = await streams.read('s', 0, 0, EVERYTHING);
    expect(page?.records.map(({ offset }) => offset)).toEqual([47, 48, 49]);
    expect(page?.records.at(-1)?.record.value).toBeNull();
  });
});
