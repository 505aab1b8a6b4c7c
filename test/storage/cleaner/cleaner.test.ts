import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import {
  type Cleaner,
  type CleanerOptions,
  type CleanerSource,
  createCleaner,
} from '../../../src/storage/cleaner/cleaner.ts';
import { frameCheck } from '../../../src/storage/journal/frame.ts';
import { type Journal, openJournal } from '../../../src/storage/journal/journal.ts';
import { createFileWal } from '../../../src/storage/wal/file-wal.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { type FaultyDisk, faultyDisk } from '../disk/faulty-disk.ts';

const RUNS = Number(process.env.ROBUSTMQ_CLEANER_RUNS ?? 12);
const SEGMENT_BYTES = 4000;
/** What a segment has beyond records: its directory, its footer, the notes of removals. */
const OVERHEAD_BYTES = 3 * SEGMENT_BYTES;

const openOn = (disk: FaultyDisk): Promise<Journal> =>
  openJournal({
    wal: createFileWal({ disk, directory: '/d', check: frameCheck }),
    walId: 'w',
    limits: { segmentBytes: SEGMENT_BYTES, tailBytes: 500, cacheBytes: 4000 },
  });

interface Source extends CleanerSource {
  put(id: number, payload: Buffer): Promise<void>;
  drop(id: number): void;
  readonly live: Map<number, { readonly position: number; readonly payload: Buffer }>;
}

/** Records by number, each live until it is dropped. */
function createSource(journal: Journal, logId: number): Source {
  const live: Source['live'] = new Map();
  const within = (start: number, end: number) =>
    [...live].filter(([, { position }]) => position >= start && position < end);
  return {
    name: `log ${logId}`,
    live,
    async put(id, payload) {
      const [position = -1] = await journal.append([{ logId, stripe: id, payload }], 'os');
      live.set(id, { position, payload });
    },
    drop: (id) => void live.delete(id),
    liveBytes: (start, end) =>
      within(start, end).reduce((sum, [, { payload }]) => sum + payload.length + 16, 0),
    async evacuate(start, end) {
      for (const [id, { payload }] of within(start, end)) {
        const [position = -1] = await journal.append([{ logId, stripe: id, payload }], 'os', true);
        if (live.has(id)) live.set(id, { position, payload });
      }
    },
  };
}

async function expectAllThere(journal: Journal, sources: readonly Source[]): Promise<void> {
  const found = new Map<number, Buffer>();
  for await (const records of journal.replay(0)) {
    for (const { position, payload } of records) found.set(position, Buffer.from(payload));
  }
  for (const { live } of sources) {
    for (const [id, { position, payload }] of live) {
      if (!found.get(position)?.equals(payload)) throw new Error(`record ${id} is lost`);
    }
  }
}

const sealedBytes = (journal: Journal): number =>
  journal.segments().reduce((sum, { isOpen, bytes }) => sum + (isOpen ? 0 : bytes), 0);

const liveIn = (journal: Journal, sources: readonly CleanerSource[]): number =>
  journal
    .segments()
    .filter(({ isOpen }) => !isOpen)
    .reduce((sum, { start, end }) => sources.reduce((all, each) => all + each.liveBytes(start, end), sum), 0);

function cleanerOf(journal: Journal, sources: readonly CleanerSource[], more: Partial<CleanerOptions> = {}) {
  const clock = createManualClock();
  const cleaner = createCleaner({
    journal,
    sources,
    clock,
    bytesPerSecond: 1e9,
    minDeadFraction: 0.4,
    slackBytes: 0,
    onError(error) {
      throw error;
    },
    ...more,
  });
  return { clock, cleaner };
}

async function passed(cleaner: Cleaner, clock: ReturnType<typeof createManualClock>): Promise<void> {
  let isDone = false;
  const running = cleaner.run().finally(() => {
    isDone = true;
  });
  while (!isDone) await clock.advance(20);
  await running;
}

async function change(source: Source, random: Random, ids: { next: number }): Promise<void> {
  for (let left = random.below(120); left > 0; left--) {
    const known = [...source.live.keys()];
    if (random.oneIn(2) && known.length > 0) source.drop(random.pick(known));
    else await source.put(ids.next++, random.bytes(random.below(200)));
  }
}

describe('the cleaner', () => {
  it('loses nothing that is live and keeps the disk in proportion to it, over kills and losses of power', {
    timeout: 30_000 + RUNS * 2000,
  }, async () => {
    for (let seed = 1; seed <= RUNS; seed++) {
      const random = createRandom(seed);
      let disk = faultyDisk(seed);
      let journal = await openOn(disk);
      let sources = [createSource(journal, 1), createSource(journal, 2)];
      const ids = { next: 0 };
      for (let round = 0; round < 6; round++) {
        const { cleaner, clock } = cleanerOf(journal, sources);
        const cleaning = passed(cleaner, clock);
        for (const source of sources) await change(source, random, ids);
        await cleaning;
        await passed(cleaner, clock);
        await cleaner.close();
        await expectAllThere(journal, sources);
        const { errors, copiedBytes, freedBytes } = cleaner.counters();
        expect(errors).toBe(0);
        // What was copied in the pass is live and may be sealed by now.
        expect(sealedBytes(journal)).toBeLessThanOrEqual(liveIn(journal, sources) / 0.6 + OVERHEAD_BYTES);
        expect(copiedBytes).toBeLessThanOrEqual((0.6 / 0.4) * freedBytes + SEGMENT_BYTES);
        // All is synced, so that the model needs no levels.
        await journal.append([{ logId: 3, stripe: 0, payload: Buffer.from('barrier') }], 'sync');
        disk = random.oneIn(2) ? disk.kill() : disk.crash();
        journal = await openOn(disk);
        const before = sources;
        sources = [createSource(journal, 1), createSource(journal, 2)];
        sources.forEach((source, i) => {
          for (const [id, record] of before[i]?.live ?? []) source.live.set(id, record);
        });
        await expectAllThere(journal, sources);
        expect(await journal.verify()).toEqual([]);
      }
    }
  });

  it('never frees a copy’s original before the copy is safe, whenever power is lost', async () => {
    for (let seed = 1; seed <= RUNS * 4; seed++) {
      const random = createRandom(seed);
      const disk = faultyDisk(seed);
      const journal = await openOn(disk);
      const source = createSource(journal, 1);
      for (let id = 0; id < 200; id++) await source.put(id, Buffer.from(`${id} ${'x'.repeat(id % 100)}`));
      await journal.append([{ logId: 3, stripe: 0, payload: Buffer.from('barrier') }], 'sync');
      for (let id = 0; id < 200; id++) if (id % 5 !== 0) source.drop(id);
      const wanted = [...source.live.values()].map(({ payload }) => payload.toString());
      const { cleaner } = cleanerOf(journal, [source], { onError: () => {} });
      void cleaner.run();
      for (let turns = random.below(400); turns > 0; turns--) await immediate();
      const again = await openOn(disk.crash());
      const found = new Set<string>();
      for await (const records of again.replay(0)) {
        for (const { payload } of records) found.add(Buffer.from(payload).toString());
      }
      expect(wanted.filter((each) => !found.has(each))).toEqual([]);
    }
  });

  it('copies no faster than it may, and ends when it is closed', async () => {
    const journal = await openOn(faultyDisk(3));
    const source = createSource(journal, 1);
    for (let id = 0; id < 200; id++) await source.put(id, Buffer.alloc(100));
    for (let id = 0; id < 200; id++) if (id % 4 !== 0) source.drop(id);
    const { cleaner, clock } = cleanerOf(journal, [source], { bytesPerSecond: 1000 });
    void cleaner.run();
    for (let tick = 0; tick < 100; tick++) await clock.advance(20);
    const { copiedBytes } = cleaner.counters();
    expect(copiedBytes).toBeGreaterThan(1000);
    expect(copiedBytes).toBeLessThan(2000 + SEGMENT_BYTES);
    await cleaner.close();
    const atEnd = cleaner.counters().copiedBytes;
    await clock.advance(60_000);
    expect(cleaner.counters().copiedBytes).toBe(atEnd);
  });

  it('leaves alone what is not dead enough', async () => {
    const journal = await openOn(faultyDisk(4));
    const source = createSource(journal, 1);
    for (let id = 0; id < 200; id++) await source.put(id, Buffer.alloc(100));
    for (let id = 0; id < 200; id++) if (id % 4 === 0) source.drop(id);
    const before = sealedBytes(journal);
    const { cleaner, clock } = cleanerOf(journal, [source], { minDeadFraction: 0.6 });
    await passed(cleaner, clock);
    expect(sealedBytes(journal)).toBe(before);
    for (let id = 0; id < 200; id++) source.drop(id);
    await passed(cleaner, clock);
    expect(sealedBytes(journal)).toBe(0);
    expect(cleaner.counters()).toMatchObject({ evacuated: 0, copiedBytes: 0, freedBytes: before });
  });

  it('works by itself, names a source that leaves something behind, and stops when the journal has failed', async () => {
    const disk = faultyDisk(5);
    const journal = await openOn(disk);
    const errors: string[] = [];
    const source = { ...createSource(journal, 1), name: 'lazy', evacuate: async () => {} };
    for (let id = 0; id < 100; id++) await source.put(id, Buffer.alloc(100));
    for (let id = 0; id < 90; id++) source.drop(id);
    const { cleaner, clock } = cleanerOf(journal, [source], {
      minDeadFraction: 0.1,
      intervalMs: 1000,
      onError: (error) => void errors.push(error.message),
    });
    source.live.set(0, { position: journal.segments()[0]?.start ?? 0, payload: Buffer.alloc(1) });
    await clock.advance(2500);
    expect(errors[0]).toMatch(/left behind by lazy/);
    disk.faults = { ...disk.faults, failingSyncOneIn: 1 };
    await expect(
      journal.append([{ logId: 1, stripe: 0, payload: Buffer.alloc(1) }], 'sync'),
    ).rejects.toThrow();
    const { passes } = cleaner.counters();
    await clock.advance(10_000);
    expect(cleaner.counters().passes).toBe(passes);
    await cleaner.close();
  });
});
