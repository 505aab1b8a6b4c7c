import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openStateLog } from '../../../src/kernel/state/open.ts';
import type { OpenStateLog, StateLogOptions } from '../../../src/kernel/state/state-log.ts';
import { verifyViews } from '../../../src/kernel/state/verify-views.ts';
import type { Journal } from '../../../src/storage/journal/journal.ts';
import { type KvStore, kvKey } from '../../../src/storage/kv/kv-store.ts';
import { openKvStore } from '../../../src/storage/kv/open.ts';
import { loadRocksDb } from '../../../src/storage/kv/rocksdb-binding.ts';
import { WalCorrupt } from '../../../src/storage/wal/wal-store.ts';
import { type FaultyDisk, faultyDisk } from '../../storage/disk/faulty-disk.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { createRandom } from '../../support/random.ts';
import { crashingKv } from './crashing-kv.ts';
import { committed, journalOn, removeDead } from './support.ts';
import { bodyTable, sumTable, valueTable } from './toy-tables.ts';

const root = mkdtempSync(join(tmpdir(), 'state-views-'));
afterAll(() => rmSync(root, { recursive: true }));

interface Opened {
  readonly log: OpenStateLog;
  readonly journal: Journal;
  readonly values: ReturnType<typeof valueTable>;
  readonly sums: ReturnType<typeof sumTable>;
  readonly warnings: string[];
}

const makeTables = () => [valueTable(1), sumTable(2), bodyTable(3)] as const;

async function openOn(
  disk: FaultyDisk,
  kv: KvStore | undefined,
  limits: Partial<StateLogOptions['limits']> = {},
): Promise<Opened> {
  const journal = await journalOn(disk, { limits: { segmentBytes: 8192 } });
  const [values, sums, bodies] = makeTables();
  const warnings: string[] = [];
  const note = (_fields: object, message: string): void => void warnings.push(message);
  const log = await openStateLog({
    journal,
    ...(kv === undefined ? {} : { kv }),
    tables: [values, sums, bodies],
    clock: createManualClock(),
    limits: { pageBytesPerSecond: Number.POSITIVE_INFINITY, ...limits },
    logger: { info: () => {}, warn: note, error: note },
  });
  return { log, journal, values, sums, warnings };
}

async function work({ log, values, sums }: Opened, count: number, from = 0): Promise<void> {
  for (let i = from; i < from + count; i++) {
    values.set(log, i % 500, i + 1);
    sums.add(log, i % 90, i);
    log.commit('os', (_error, position) => sums.acknowledged(i % 90, i, position));
    if (i % 10 === 0) await new Promise(setImmediate);
  }
  await log.drained();
}

const contents = ({ values, sums }: Opened) => ({
  values: [...values.values].sort(([a], [b]) => a - b),
  sums: [...sums.sums].sort(([a], [b]) => a - b),
});

const hasRocksDb = await loadRocksDb().then(
  () => true,
  () => false,
);
const engines = hasRocksDb ? (['memory', 'rocksdb'] as const) : (['memory'] as const);

describe.each(engines)('views in %s', (engine) => {
  const openKv = (name: string): Promise<KvStore> =>
    openKvStore({ folder: join(root, name), engine, maxBytes: 1e8, warn: () => {} });

  it('are where a start goes on from: after an end with nothing to replay, after a kill with the rest', async () => {
    const disk = faultyDisk(1);
    const kv = await openKv(`${engine}-1`);
    const first = await openOn(disk, kv);
    await work(first, 1000);
    await first.log.close();
    await kv.close();
    const kvAgain = await openKv(`${engine}-1`);
    const second = await openOn(disk, kvAgain);
    expect(second.log.recovered).toMatchObject({ from: 'views', entries: 0, pages: 63 + 90 });
    expect(contents(second)).toEqual(contents(first));
    await work(second, 100, 1000);
    const killed = disk.kill();
    await kvAgain.close();
    const kvLast = await openKv(`${engine}-1`);
    const third = await openOn(killed, kvLast);
    expect(third.log.recovered).toMatchObject({ from: 'views', entries: 200 });
    expect(contents(third)).toEqual(contents(second));
    await third.log.checkpoint();
    const { journal } = third;
    expect(
      await verifyViews({ journal: { ...journal, ...journal.state() }, kv: kvLast, makeTables }),
    ).toEqual([]);
    await kvLast.close();
  });

  it.runIf(hasRocksDb)('go on in the other engine at the next start', async () => {
    const disk = faultyDisk(2);
    const kv = await openKv(`${engine}-2`);
    const first = await openOn(disk, kv);
    await work(first, 300);
    await first.log.close();
    await kv.close();
    const other = await openKvStore({
      folder: join(root, `${engine}-2`),
      engine: engine === 'memory' ? 'rocksdb' : 'memory',
      maxBytes: 1e8,
      warn: () => {},
    });
    const second = await openOn(disk, other);
    expect(second.log.recovered.from).toBe('views');
    expect(contents(second)).toEqual(contents(first));
    await other.close();
  });
});

describe('views', () => {
  it('that were lost, are stale, or are those of another journal are dropped, and written again', async () => {
    const random = createRandom(3);
    const disk = faultyDisk(3);
    const kv = crashingKv(random);
    const first = await openOn(disk, kv);
    await work(first, 200);
    await first.log.checkpoint();
    const stale = kv.kill();
    await first.log.snapshot();
    await work(first, 200, 200);
    await removeDead(first.journal, first.log);
    let survivor = disk.kill();
    for (const views of [stale, crashingKv(random)]) {
      const again = await openOn(survivor, views);
      expect(again.log.recovered.from).toBe('snapshot');
      expect(contents(again)).toEqual(contents(first));
      await again.log.checkpoint();
      survivor = survivor.kill();
      const last = await openOn(survivor, views);
      expect(last.log.recovered.from).toBe('views');
      expect(contents(last)).toEqual(contents(first));
      survivor = survivor.kill();
    }
    // Of another journal: one shorter and one longer than the views know.
    for (const count of [1, 2000]) {
      const otherDisk = faultyDisk(4);
      const other = await openOn(otherDisk, undefined);
      await work(other, count);
      const mixed = await openOn(otherDisk.kill(), kv.kill());
      expect(mixed.log.recovered.from).toBe('journal');
      expect(contents(mixed)).toEqual(contents(other));
    }
  });

  it('that are ahead of a journal whose disk lied are dropped, though their head is in it', async () => {
    let dropped = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const disk = faultyDisk(seed);
      const kv = crashingKv(createRandom(seed));
      let pagesLeft = Number.POSITIVE_INFINITY;
      const views: KvStore = {
        ...kv,
        // The next checkpoint gets as far as a first slice of pages, under the head of the one before.
        write: (ops, applied) =>
          pagesLeft-- > 0 ? kv.write(ops, applied) : Promise.reject(new Error('the process is gone')),
      };
      const first = await openOn(disk, views);
      await work(first, 50);
      await first.log.checkpoint();
      disk.faults = { ...disk.faults, lyingSyncOneIn: 1 };
      pagesLeft = 1;
      await work(first, 200, 50);
      await first.log.checkpoint();
      const survivor = disk.crash();
      let again: Opened;
      try {
        again = await openOn(survivor, kv.kill());
      } catch (error) {
        if (error instanceof WalCorrupt) continue;
        throw error;
      }
      if (again.log.recovered.from === 'journal') dropped++;
      expect(contents(again)).toEqual(contents(await openOn(survivor.kill(), undefined)));
    }
    expect(dropped).toBeGreaterThan(5);
  });

  it('are written when there is much to replay, not when there is much to pass over', async () => {
    const limits = { checkpointBytes: 4000, checkpointJournalBytes: 200_000 };
    const { log, values } = await openOn(faultyDisk(9), crashingKv(createRandom(9)), limits);
    const record = async (bytes: number): Promise<void> => {
      log.addRecord('journal', { logId: 1024, stripe: 0, payload: new Uint8Array(bytes) }, () => {});
      await committed(log);
      // A checkpoint takes its turns.
      for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    };
    for (let i = 0; i < 9; i++) await record(20_000);
    expect(log.viewsPosition()).toBeUndefined();
    for (let i = 0; i < 3; i++) await record(20_000);
    const position = log.viewsPosition();
    expect(position).toBeGreaterThan(180_000);
    for (let i = 0; i < 1000; i++) values.set(log, i, i);
    await record(1);
    expect(log.viewsPosition()).toBeGreaterThan(position ?? Number.POSITIVE_INFINITY);
    await log.close();
  });

  it('are not there: then nobody keeps marks of what changed for them', async () => {
    const opened = await openOn(faultyDisk(8), undefined, { checkpointBytes: 100 });
    await work(opened, 4000);
    const marks = opened.values.takeDirty(1000).length + opened.sums.takeDirty(1000).length;
    expect(marks).toBeLessThan(75);
    await opened.log.close();
  });

  it('of another format are dropped, with a sentence', async () => {
    const disk = faultyDisk(5);
    const kv = crashingKv(createRandom(5));
    const first = await openOn(disk, kv);
    await work(first, 50);
    await first.log.checkpoint();
    const key = kvKey(0, 0, new Uint8Array(0));
    await kv.write([{ key, value: Buffer.from([9]) }], kv.applied());
    const again = await openOn(disk.kill(), kv);
    expect(again.log.recovered.from).toBe('journal');
    expect(again.warnings).toEqual(['the views cannot be read: the journal alone is replayed']);
    expect(contents(again)).toEqual(contents(first));
  });

  it('that cannot be written are given up, and the broker goes on', async () => {
    const disk = faultyDisk(6);
    const kv = crashingKv(createRandom(6));
    const first = await openOn(disk, kv, { checkpointBytes: 1000 });
    kv.isBroken = true;
    await work(first, 400);
    await first.log.checkpoint();
    expect(first.warnings).toEqual(['the views cannot be written: a start has more to replay from now on']);
    await committed(first.log);
    expect(contents(await openOn(disk.kill(), undefined))).toEqual(contents(first));
  });

  it('that were changed behind the journal’s back are found by the audit', async () => {
    const disk = faultyDisk(7);
    const kv = crashingKv(createRandom(7));
    const { log, journal, ...first } = await openOn(disk, kv);
    await work({ log, journal, ...first }, 50);
    await log.checkpoint();
    const audit = () => verifyViews({ journal: { ...journal, ...journal.state() }, kv, makeTables });
    expect(await audit()).toEqual([]);
    const key = kvKey(0, 2, Buffer.from([7]));
    const [value = Buffer.alloc(0)] = await kv.getMany([key]);
    const changed = Buffer.concat([value.subarray(0, -1), Buffer.from([99])]);
    await kv.write([{ key, value: changed }], kv.applied());
    await kv.write([{ key: kvKey(0, 2, Buffer.from([8])), value: undefined }], kv.applied());
    expect(await audit()).toEqual([
      'table "sums 2", page 07: the view gives another page than the journal: 1 bytes, different from byte 0 on',
      'table "sums 2", page 08: the view lacks what the journal has',
    ]);
  });
});

describe('snapshot cycles', () => {
  it('come by themselves as the journal grows, and free what is older', async () => {
    const disk = faultyDisk(8);
    const first = await openOn(disk, undefined, { cycleBytes: 15_000 });
    let most = 0;
    for (let round = 0; round < 12; round++) {
      await work(first, 300, round * 300);
      await removeDead(first.journal, first.log);
      most = Math.max(
        most,
        first.journal.segments().reduce((sum, { bytes }) => sum + bytes, 0),
      );
    }
    expect(first.log.end()).toBeGreaterThan(60_000);
    expect(most).toBeLessThan(60_000);
    const again = await openOn(disk.kill(), undefined);
    expect(again.log.recovered.from).toBe('snapshot');
    expect(contents(again)).toEqual(contents(first));
  });

  it('that were not finished count for nothing', async () => {
    const disk = faultyDisk(9);
    const first = await openOn(disk, undefined);
    await work(first, 300);
    void first.log.snapshot();
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    const again = await openOn(disk.kill(), undefined);
    expect(again.log.recovered.from).toBe('journal');
    expect(contents(again)).toEqual(contents(first));
  });

  it('keep to their bandwidth, and do not hold up an end', async () => {
    const disk = faultyDisk(10);
    const clock = createManualClock();
    const journal = await journalOn(disk);
    const table = valueTable(1);
    const limits = { pageBytesPerSecond: 1000 };
    const log = await openStateLog({ journal, tables: [table], clock, limits });
    for (let key = 0; key < 8 * 600; key++) table.set(log, key, 1);
    await committed(log);
    let isDone = false;
    const running = log.snapshot().then(() => {
      isDone = true;
    });
    await clock.advance(2000);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(isDone).toBe(false);
    await log.close();
    await running;
  });
});
