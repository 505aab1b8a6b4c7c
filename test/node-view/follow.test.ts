/** Waiting for the end of a partition, where a test sees who waits. */
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { Partitions } from '../../src/kernel/log/partitions.ts';
import { createStreams, type Stream, type Streams } from '../../src/kernel/streams/streams.ts';
import type { NodeParts } from '../../src/node-view/node-view.ts';
import { streamsView } from '../../src/node-view/streams.ts';
import { until } from '../e2e/support.ts';
import { committed, kernel, openOn } from '../kernel/log/support.ts';
import { faultyDisk } from '../storage/disk/faulty-disk.ts';

const NEVER = 0xffff_ffff;

async function following() {
  const opened = await openOn({ disk: faultyDisk(3), freed: [] });
  const { clock } = opened;
  let waiting = 0;
  const partitions: Partitions = {
    ...opened.partitions,
    onAppend(partition, callback) {
      waiting++;
      const stop = opened.partitions.onAppend(partition, callback);
      return () => {
        waiting--;
        stop();
      };
    },
  };
  const streams: Streams = await createStreams(
    [
      {
        name: 's',
        capture: ['#'],
        partitions: 1,
        key: 'topic',
        storage: 'journal',
        durability: 'default',
        cleanup: 'delete',
        retention: { ageSeconds: NEVER, size: 0, count: 0, settled: false },
      },
    ],
    { partitions, kernel, clock, stripeOf: () => 0 },
  );
  const view = streamsView({
    config: { streams: [] },
    streams,
    partitions,
    mqtt: { clock, logger: pino({ level: 'silent' }) },
  } as unknown as NodeParts);
  const stop = new AbortController();
  const read = (fromOffset: number, waitMs: number) =>
    view.readStream({
      stream: 's',
      partition: 0,
      fromOffset,
      limit: 10,
      maxBytes: 1000,
      waitMs,
      signal: stop.signal,
    });
  const publish = async (text: string): Promise<void> => {
    const [stream] = streams.capturing(Buffer.from('t')) as [Stream];
    const message = {
      topic: Buffer.from('t'),
      payload: Buffer.from(text),
      properties: new Uint8Array(0),
      qos: 1,
      retain: false,
      expiresAtMs: 0,
      publisher: -1,
    } as Parameters<Streams['append']>[1];
    streams.append(stream, message, { clientId: 'c', atMs: 1 });
    await committed(opened.log);
  };
  return { opened, clock, streams, partitions, read, publish, stop, waiting: () => waiting };
}

describe('who reads behind the end', () => {
  it('is answered at once without a time to wait', async () => {
    const { read, waiting } = await following();
    expect(await read(0, 0)).toEqual({ records: [], nextOffset: 0 });
    expect(waiting()).toBe(0);
  });

  it('is answered by the append that reaches the offset, and leaves nothing behind', async () => {
    const { read, publish, waiting } = await following();
    const page = read(2, 30_000);
    await until('it waits', () => waiting() === 1);
    await publish('zero');
    await publish('one');
    expect(waiting()).toBe(1);
    await publish('two');
    expect(await page).toMatchObject({ records: [{ offset: 2 }], nextOffset: 3 });
    expect(waiting()).toBe(0);
  });

  it('is told that there is nothing when its time is over', async () => {
    const { read, clock, waiting } = await following();
    const page = read(0, 30_000);
    await until('it waits', () => waiting() === 1);
    await clock.advance(29_999);
    expect(waiting()).toBe(1);
    await clock.advance(1);
    expect(await page).toEqual({ records: [], nextOffset: 0 });
    expect(waiting()).toBe(0);
  });

  it('is forgotten when it hangs up', async () => {
    const { read, stop, waiting } = await following();
    const pages = [read(0, 30_000), read(0, 30_000)];
    await until('both wait', () => waiting() === 2);
    stop.abort();
    expect(await Promise.all(pages)).toEqual([
      { records: [], nextOffset: 0 },
      { records: [], nextOffset: 0 },
    ]);
    expect(waiting()).toBe(0);
    await read(0, 30_000);
    expect(waiting()).toBe(0);
  });

  it('goes on behind what retention removed while it waited', async () => {
    const { read, publish, partitions, waiting } = await following();
    await publish('zero');
    const page = read(1, 30_000);
    await until('it waits', () => waiting() === 1);
    const partition = partitions.get('s', 0);
    if (partition === undefined) throw new Error('no partition');
    await partitions.truncate(partition, 1);
    await publish('one');
    expect(await page).toMatchObject({ records: [{ offset: 1 }], nextOffset: 2 });
    expect(await read(0, 0)).toMatchObject({ records: [{ offset: 1 }], nextOffset: 2 });
  });
});
