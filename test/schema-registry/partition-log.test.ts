import { describe, expect, it } from 'vitest';
import { withoutCodecs } from '../../src/kernel/log/batch-opener.ts';
import { createPartitionLog } from '../../src/schema-registry/partition-log.ts';
import { type LogEntry, LogRefused, type SchemaLog } from '../../src/schema-registry/schema-log.ts';
import { RecordBatchBuilder } from '../../src/storage/records/batch-builder.ts';
import { found, kernel, made, type Opened, openOn, record, type World } from '../kernel/log/support.ts';
import { faultyDisk } from '../storage/disk/faulty-disk.ts';
import { createMemoryLog, startRegistry } from './support.ts';

function logOn(opened: Opened): SchemaLog {
  const { partitions, log, clock } = opened;
  return createPartitionLog({
    partitions,
    partition: found(opened, '_schemas'),
    stateLog: log,
    opener: withoutCodecs(kernel),
    newBatch: () => new RecordBatchBuilder(kernel),
    wallMs: () => clock.wallMs(),
  });
}

async function all(log: SchemaLog): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  for await (const entry of log.read()) entries.push(entry);
  return entries;
}

const entry = (key: string, value: string | null = `value of ${key}`): LogEntry => ({ key, value });

describe('the log of a registry in a partition', () => {
  it('has what was appended, in order, after a loss of power', async () => {
    const world: World = { disk: faultyDisk(1), freed: [] };
    const opened = await openOn(world);
    await made(opened, '_schemas');
    const log = logOn(opened);
    expect(await all(log)).toEqual([]);
    await log.append([entry('a'), entry('b')]);
    await log.append([entry('a', null), entry('ä')]);
    const expected = [entry('a'), entry('b'), entry('a', null), entry('ä')];
    expect(await all(log)).toEqual(expected);
    world.disk = world.disk.crash();
    expect(await all(logOn(await openOn(world)))).toEqual(expected);
  });

  it('takes changes that need several batches, and none that has an entry too large', async () => {
    const opened = await openOn({ disk: faultyDisk(2), freed: [] });
    await made(opened, '_schemas');
    const log = logOn(opened);
    const many = Array.from({ length: 10 }, (_, i) => entry(`k${i}`, 'x'.repeat(20_000)));
    await log.append(many);
    expect(await all(log)).toEqual(many);
    await expect(log.append([entry('small'), entry('large', 'x'.repeat(100_000))])).rejects.toThrow(
      LogRefused,
    );
    expect(await all(log)).toEqual(many);
  });

  it('refuses what the journal refuses', async () => {
    const opened = await openOn({ disk: faultyDisk(3), freed: [] });
    const partition = await made(opened, '_schemas');
    const log = logOn(opened);
    await opened.partitions.delete(partition);
    await expect(log.append([entry('a')])).rejects.toThrow(LogRefused);
  });

  it('passes over what has no key', async () => {
    const opened = await openOn({ disk: faultyDisk(4), freed: [] });
    const partition = await made(opened, '_schemas');
    const log = logOn(opened);
    opened.partitions.append(partition, record('somebody wrote this'));
    await log.append([entry('a')]);
    expect(await all(log)).toEqual([entry('a')]);
  });

  it('keeps a registry over a loss of power and compaction', async () => {
    const world: World = { disk: faultyDisk(5), freed: [] };
    const opened = await openOn(world);
    await made(opened, '_schemas');
    const partitioned = logOn(opened);
    const memory = createMemoryLog();
    const first = await startRegistry({
      ...memory,
      append: (entries) => partitioned.append(entries),
      read: () => partitioned.read(),
    });
    for (let round = 0; round < 20; round++) {
      await first.register(`s${round % 5}`, `{"type":"int","round":${round}}`);
      await first.call('PUT', '/config', { compatibility: round % 2 === 0 ? 'FULL' : 'BACKWARD' });
    }
    await first.call('DELETE', '/subjects/s4');
    await first.call('DELETE', '/subjects/s4?permanent=true');
    opened.partitions.setPolicy(found(opened, '_schemas'), { cleanup: 'compact', minDirtyRatio: 0 });
    await opened.clock.advance(60_000);
    await opened.partitions.clean();
    world.disk = world.disk.crash();
    const reopened = logOn(await openOn(world));
    const second = await startRegistry({ ...memory, read: () => reopened.read() });
    for (const path of ['/schemas?deleted=true', '/config', '/subjects']) {
      expect((await second.call('GET', path)).body).toEqual((await first.call('GET', path)).body);
    }
    expect((await all(reopened)).length).toBeLessThan(40);
  });
});
