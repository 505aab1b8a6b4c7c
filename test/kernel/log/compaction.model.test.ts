import { describe, expect, it } from 'vitest';
import type { Partition } from '../../../src/kernel/log/partitions.ts';
import { loadCodec } from '../../../src/protocols/kafka/compression/compression.ts';
import { faultyDisk } from '../../storage/disk/faulty-disk.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { createRandom, type Random, seedOfRun } from '../../support/random.ts';
import { committed, evacuate, found, made, type Opened, openOn, type World } from './support.ts';
import {
  append,
  createModel,
  end,
  readCommitted,
  type Stored,
  stableEnd,
  type TransactionalModel,
  viewOf,
} from './transactional-model.ts';

/** Seeded runs; `ROBUSTMQ_TEST_RUNS` for many. */
const RUNS = Number(process.env.ROBUSTMQ_TEST_RUNS ?? 16);
const STEPS = 50;
const TOMBSTONE_MS = 500;
const LAG_MS = 100;
const CODECS = [undefined, undefined, 'gzip', 'snappy', 'lz4', 'zstd'] as const;

const isDecided = ({ transaction }: Stored): boolean =>
  transaction === undefined || transaction.outcome === 'commit';

/** The newest committed record of each key below the last stable offset. */
function newestOf(model: TransactionalModel): Map<string, number> {
  const newest = new Map<string, number>();
  const stable = stableEnd(model);
  for (const [offset, each] of model.records.entries()) {
    if (each === undefined || each.key === null || offset >= stable || offset < model.start) continue;
    if (isDecided(each)) newest.set(each.key, offset);
  }
  return newest;
}

async function check(
  opened: Opened,
  partition: Partition,
  model: TransactionalModel,
  lagMs: number,
): Promise<void> {
  const nowMs = opened.clock.wallMs();
  const stable = stableEnd(model);
  const seen = await readCommitted(opened, partition, model);
  expect(partition.endOffset).toBe(model.records.length);
  for (const [offset, { key, value, timestampMs }] of seen.committed) {
    const known = model.records[offset];
    expect(known).toMatchObject({ key, value, timestampMs });
    expect(known !== undefined && isDecided(known)).toBe(true);
  }
  const newest = newestOf(model);
  for (const [offset, each] of model.records.entries()) {
    if (offset < model.start) continue;
    const mark = model.transactions.find(({ markerOffset }) => markerOffset === offset);
    if (each === undefined) {
      if (seen.marks.has(offset) || mark === undefined) continue;
      // Only when nothing is left of what it ended.
      const { producerId, firstOffset } = mark;
      const isLeft = seen.batches.some(
        (batch) =>
          batch.producerId === producerId && batch.lastOffset < offset && batch.baseOffset >= firstOffset,
      );
      expect(isLeft && model.records[firstOffset]?.transaction === mark).toBe(false);
      continue;
    }
    if (seen.present.has(offset)) continue;
    const isYoung = lagMs > 0 && each.timestampMs > nowMs - lagMs;
    expect({ offset, isYoung, isUndecided: offset >= stable }).toEqual({
      offset,
      isYoung: false,
      isUndecided: false,
    });
    const isAborted = each.transaction?.outcome === 'abort';
    const isOlder = each.key !== null && (newest.get(each.key) ?? -1) > offset;
    const isSpent = each.key !== null && each.value === null && each.timestampMs < nowMs - TOMBSTONE_MS;
    expect({ offset, why: isAborted || isOlder || isSpent }).toEqual({ offset, why: true });
  }
  for (const [producerId, { lastOffset, lastSequence }] of model.newest) {
    if (lastOffset < partition.startOffset) continue;
    const batch = seen.batches.find((each) => each.lastOffset === lastOffset);
    expect(batch).toMatchObject({ producerId, lastSequence });
  }
}

async function run(seed: number): Promise<void> {
  const random: Random = createRandom(seed);
  const clock = createManualClock();
  const model = createModel();
  const world: World = { disk: faultyDisk(seed), freed: [], clock, producers: viewOf(model) };
  const lagMs = random.oneIn(3) ? LAG_MS : 0;
  let opened = await openOn(world);
  let partition = await made(opened);
  const policies = (minDirtyRatio = random.oneIn(2) ? 0 : 0.5): void => {
    const policy = { cleanup: 'compact', tombstoneMs: TOMBSTONE_MS, minDirtyRatio } as const;
    opened.partitions.setPolicy(partition, { ...policy, minCompactionLagMs: lagMs });
  };
  policies();

  const add = (): void => {
    const records = Array.from({ length: 1 + random.below(5) }, () => ({
      key: random.oneIn(30) ? null : `k${random.below(6)}`,
      value: random.oneIn(4) ? null : 'v'.repeat(random.below(60)),
      timestampMs: clock.wallMs(),
    }));
    const kind = random.below(3);
    const producerId = kind === 0 ? -1 : kind === 1 ? 10 + random.below(2) : 20 + random.below(3);
    const codec = random.pick(CODECS);
    append(opened, partition, model, { records, producerId, isTransactional: kind === 2, codec });
  };
  const finish = (): void => {
    const open = model.transactions.filter(({ outcome }) => outcome === 'open');
    if (open.length === 0) return;
    const type = random.oneIn(2) ? 'commit' : 'abort';
    end(opened, partition, model, random.pick(open), type, clock.wallMs());
  };
  const restart = async (): Promise<void> => {
    const cleaning = random.oneIn(3) ? evacuate(opened, world, random) : opened.partitions.clean();
    cleaning.catch(() => {});
    for (let turns = random.below(30); turns > 0; turns--) await new Promise(setImmediate);
    world.disk = random.oneIn(2) ? world.disk.kill() : world.disk.crash();
    opened = await openOn(world);
    expect(opened.problems).toEqual([]);
    partition = found(opened);
    policies();
  };

  for (let step = 0; step < STEPS; step++) {
    const what = random.below(20);
    if (what < 10) add();
    else if (what < 13) finish();
    else if (what === 13) await clock.advance(random.below(400));
    else if (what === 14) await evacuate(opened, world, random);
    else if (what === 15) await opened.partitions.clean();
    else if (what === 16) await opened.log.snapshot();
    else if (what === 17) await restart();
    else if (what === 18 && random.oneIn(3)) {
      model.start = await opened.partitions.truncate(partition, random.below(model.records.length + 1));
    } else await check(opened, partition, model, lagMs);
    await committed(opened.log, 'sync');
  }
  await check(opened, partition, model, lagMs);

  // Once everything is decided and old, nothing is left but the newest of each key, and no tombstone.
  for (const each of model.transactions) {
    if (each.outcome === 'open') end(opened, partition, model, each, 'commit', clock.wallMs());
  }
  append(opened, partition, model, { records: [{ key: 'last', value: 'v', timestampMs: clock.wallMs() }] });
  await committed(opened.log, 'sync');
  for (let pass = 0; pass < 6; pass++) {
    policies(0);
    await clock.advance(TOMBSTONE_MS + LAG_MS);
    await opened.partitions.clean();
    append(opened, partition, model, {
      records: [{ key: 'last', value: `${pass}`, timestampMs: clock.wallMs() }],
    });
    await committed(opened.log, 'sync');
  }
  await check(opened, partition, model, lagMs);
  const seen = await readCommitted(opened, partition, model);
  const newest = newestOf(model);
  const left = [...seen.committed].filter(([, { key }]) => key !== null && key !== 'last');
  const wanted = [...newest].filter(
    ([key, offset]) => key !== 'last' && model.records[offset]?.value !== null,
  );
  expect(left.map(([offset]) => offset)).toEqual(wanted.map(([, offset]) => offset).sort((a, b) => a - b));
  const data = new Set(
    model.records.flatMap((each, offset) => (each?.transaction?.outcome === 'abort' ? [offset] : [])),
  );
  expect([...seen.present].filter((offset) => data.has(offset))).toEqual([]);
  await opened.log.close();
}

describe('compaction against arrays', () => {
  it(
    'keeps what a reader of committed records must find, and the rest goes',
    async () => {
      await loadCodec('zstd');
      const first = seedOfRun(7);
      for (let seed = first; seed < first + RUNS; seed++) {
        await run(seed).catch((error: unknown) => {
          throw new Error(`seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`);
        });
      }
    },
    10_000 + RUNS * 1000,
  );
});
