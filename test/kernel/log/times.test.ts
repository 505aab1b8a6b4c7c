import { describe, expect, it } from 'vitest';
import type { Partition } from '../../../src/kernel/log/partitions.ts';
import { loadCodec } from '../../../src/protocols/kafka/compression/compression.ts';
import { buildBatch } from '../../../src/protocols/kafka/records/build.ts';
import { faultyDisk } from '../../storage/disk/faulty-disk.ts';
import { committed, kernel, made, type Opened, openOn, record } from './support.ts';

const CODECS = [undefined, 'gzip', 'snappy', 'lz4', 'zstd'] as const;

async function filled(times: readonly number[]): Promise<{ opened: Opened; partition: Partition }> {
  await loadCodec('zstd');
  const opened = await openOn({ disk: faultyDisk(1), freed: [] });
  const partition = await made(opened);
  for (let at = 0; at < times.length; at += 7) {
    const name = CODECS[(at / 7) % CODECS.length];
    const records = times.slice(at, at + 7).map((timeMs) => record('v'.repeat(30), 'k', timeMs));
    const compression = name && { name, codec: await loadCodec(name) };
    opened.partitions.appendBatch(
      partition,
      buildBatch(kernel, records, { ...(compression && { compression }) }),
    );
    await committed(opened.log);
  }
  return { opened, partition };
}

describe('records by their time', () => {
  const times = Array.from({ length: 140 }, (_, i) => 1000 + i * 10 + (i % 4) * 35);

  it('are found inside compressed batches: the first record that is not older, behind the start', async () => {
    const { opened, partition } = await filled(times);
    for (let wanted = 980; wanted < 2600; wanted += 13) {
      const offset = times.findIndex((timeMs) => timeMs >= wanted);
      const expected = offset < 0 ? undefined : { offset, timestampMs: times[offset] };
      expect(await opened.partitions.offsetForTime(partition, wanted)).toEqual(expected);
    }
    await opened.partitions.truncate(partition, 73);
    expect(await opened.partitions.offsetForTime(partition, 0)).toEqual({
      offset: 73,
      timestampMs: times[73],
    });
    await opened.log.close();
  });

  it('have a newest, which need not be the last, and the first of several counts', async () => {
    const mixed = times.map((timeMs, i) => (i === 50 || i === 90 ? 9999 : timeMs));
    const { opened, partition } = await filled(mixed);
    expect(await opened.partitions.offsetOfNewest(partition)).toEqual({ offset: 50, timestampMs: 9999 });
    await opened.partitions.truncate(partition, 51);
    expect(await opened.partitions.offsetOfNewest(partition)).toEqual({ offset: 90, timestampMs: 9999 });
    await opened.partitions.truncate(partition, 91);
    const last = Math.max(...times.slice(91));
    const offset = times.indexOf(last);
    expect(await opened.partitions.offsetOfNewest(partition)).toEqual({ offset, timestampMs: last });
    await opened.partitions.truncate(partition, 140);
    expect(await opened.partitions.offsetOfNewest(partition)).toBeUndefined();
    await opened.log.close();
  });

  it('without a time are passed over', async () => {
    const { opened, partition } = await filled([-1, -1, -1]);
    expect(await opened.partitions.offsetOfNewest(partition)).toBeUndefined();
    expect(await opened.partitions.offsetForTime(partition, 0)).toBeUndefined();
    await opened.log.close();
  });
});
