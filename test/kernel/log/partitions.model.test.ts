import { describe, expect, it } from 'vitest';
import type { Partition } from '../../../src/kernel/log/partitions.ts';
import { faultyDisk } from '../../storage/disk/faulty-disk.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { createMemoryObjects } from '../../support/memory-objects.ts';
import { createRandom, type Random, seedOfRun } from '../../support/random.ts';
import {
  batchOf,
  committed,
  evacuate,
  found,
  made,
  type Opened,
  openOn,
  readAll,
  record,
  type World,
} from './support.ts';

/** Seeded runs against arrays; `ROBUSTMQ_TEST_RUNS` for many. */
const RUNS = Number(process.env.ROBUSTMQ_TEST_RUNS ?? 12);
const STEPS = 60;

interface Stored {
  readonly offset: number;
  readonly key: string;
  readonly value: string | null;
  readonly timestampMs: number;
}

/** What a partition should be; `records` are all that were ever appended. */
interface Model {
  partition: Partition;
  readonly number: number;
  readonly isCompacted: boolean;
  records: Stored[];
  start: number;
}

/** What a reader must find at least: after compaction the newest of each key, otherwise everything. */
async function check(opened: Opened, model: Model, maxBytes: number): Promise<void> {
  const { partition, records, isCompacted } = model;
  const start = partition.startOffset;
  expect(start).toBeGreaterThanOrEqual(model.start);
  expect(partition.endOffset).toBe(records.length);
  const all = await readAll(opened, partition, maxBytes);
  const wanted = records.slice(start).map(({ offset, value }) => [offset, value]);
  if (!isCompacted) {
    expect(all).toEqual(wanted);
    return;
  }
  const known = new Map(wanted.map(([offset, value]) => [offset, value]));
  for (const [offset, value] of all) expect(known.get(offset)).toBe(value);
  const offsets = all.map(([offset]) => offset);
  expect(offsets).toEqual([...new Set(offsets)].sort((a, b) => a - b));
  const newest = new Map(records.slice(start).map((each) => [each.key, each]));
  const there = new Set(offsets);
  for (const { offset, value } of newest.values()) if (value !== null) expect(there.has(offset)).toBe(true);
  // What is not there must be older than another of its key, or a tombstone.
  for (const each of records.slice(start)) {
    if (there.has(each.offset) || each.value === null) continue;
    expect(newest.get(each.key)?.offset).toBeGreaterThan(each.offset);
  }
}

function append(opened: Opened, model: Model, random: Random): void {
  const { partitions, clock } = opened;
  const count = 1 + random.below(6);
  const added = Array.from({ length: count }, (_, i): Stored => {
    const offset = model.records.length + i;
    const isTombstone = model.isCompacted && random.oneIn(5);
    return {
      offset,
      key: `k${random.below(6)}`,
      value: isTombstone ? null : `${offset}${'.'.repeat(random.below(60))}`,
      timestampMs: clock.wallMs() - random.below(50),
    };
  });
  const records = added.map(({ value, key, timestampMs }) => record(value, key, timestampMs));
  if (random.oneIn(2))
    expect(partitions.appendBatch(model.partition, batchOf(records))).toBe(added[0]?.offset);
  else
    for (const [i, each] of records.entries()) {
      expect(partitions.append(model.partition, each)).toBe(added[i]?.offset);
    }
  model.records.push(...added);
}

async function run(seed: number, storage: 'journal' | 'object'): Promise<void> {
  const random = createRandom(seed);
  const clock = createManualClock();
  const world: World = { disk: faultyDisk(seed), freed: [], clock, objects: createMemoryObjects() };
  let opened = await openOn(world);
  const models: Model[] = [];
  for (let number = 0; number < 3; number++) {
    const isCompacted = number === 2;
    models.push({
      partition: await made(opened, 'p', number, storage),
      number,
      isCompacted,
      records: [],
      start: 0,
    });
  }
  const policies = (): void => {
    for (const { partition, isCompacted, number } of models) {
      const compact = { cleanup: 'compact', tombstoneMs: 100 } as const;
      opened.partitions.setPolicy(partition, isCompacted ? compact : number === 1 ? { ageMs: 300 } : {});
    }
  };
  policies();
  /** The process ends while something is written and cleaned: what was not acknowledged may be there or not. */
  const restart = async (): Promise<void> => {
    await committed(opened.log, 'sync');
    const acknowledged = models.map(({ records }) => records.length);
    for (const each of models) each.start = each.partition.startOffset;
    for (let left = random.below(3); left > 0; left--) {
      append(opened, random.pick(models), random);
      committed(opened.log, 'os').catch(() => {});
    }
    const cleaning = random.oneIn(2) ? opened.partitions.clean() : evacuate(opened, world, random);
    cleaning.catch(() => {});
    for (let turns = random.below(12); turns > 0; turns--) await new Promise(setImmediate);
    world.disk = random.oneIn(2) ? world.disk.kill() : world.disk.crash();
    opened = await openOn(world);
    expect(opened.problems).toEqual([]);
    for (const [i, each] of models.entries()) {
      each.partition = found(opened, 'p', each.number);
      const { endOffset } = each.partition;
      expect(endOffset).toBeGreaterThanOrEqual(acknowledged[i] ?? 0);
      expect(endOffset).toBeLessThanOrEqual(each.records.length);
      each.records.length = endOffset;
    }
    policies();
  };
  for (let step = 0; step < STEPS; step++) {
    const model = random.pick(models);
    const what = random.below(20);
    if (what < 12) {
      append(opened, model, random);
      if (random.oneIn(3)) append(opened, random.pick(models), random);
      if (!random.oneIn(4)) await committed(opened.log, random.pick(['memory', 'os', 'sync']));
    } else if (what === 12) {
      await committed(opened.log);
      const below = random.below(model.records.length + 1);
      const before = model.partition.startOffset;
      const start = await opened.partitions.truncate(model.partition, below);
      expect(start).toBe(Math.max(below, before));
      model.start = start;
    } else if (what === 13) {
      await clock.advance(random.below(200));
    } else if (what === 14 || what === 15) {
      await committed(opened.log, 'sync');
      const cleaning = opened.partitions.clean();
      if (random.oneIn(2)) append(opened, model, random);
      await Promise.all([committed(opened.log), cleaning]);
    } else if (what === 16 && storage === 'journal') {
      await evacuate(opened, world, random);
    } else if (what === 17) {
      await opened.log.snapshot();
    } else if (what === 18) {
      await restart();
    } else {
      await committed(opened.log, 'os');
      await check(opened, model, 1 + random.below(3000));
    }
  }
  await committed(opened.log, 'sync');
  for (const model of models) await check(opened, model, 1 + random.below(3000));
}

describe('partitions against arrays', () => {
  it.each(['journal', 'object'] as const)(
    'append, read, retain, compact, move and come back in the %s',
    async (storage) => {
      const first = seedOfRun(storage === 'journal' ? 1 : 100_001);
      for (let seed = first; seed < first + RUNS; seed++) {
        await run(seed, storage).catch((error: unknown) => {
          throw new Error(`seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`);
        });
      }
    },
    10_000 + RUNS * 1000,
  );
});
