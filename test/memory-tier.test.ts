import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../src/config/load.ts';
import { createMemoryTier, type MemoryTier, memoryBoundBytes, type OldestKept } from '../src/memory-tier.ts';
import { type Cleaner, createCleaner } from '../src/storage/cleaner/cleaner.ts';
import { JournalFull } from '../src/storage/journal/errors.ts';
import { FRAME_HEADER_BYTES } from '../src/storage/journal/frame.ts';
import { type Journal, openJournal } from '../src/storage/journal/journal.ts';
import { BLOCK_HEADER_BYTES } from '../src/storage/wal/block.ts';
import { createManualClock } from './support/manual-clock.ts';
import { createRandom, type Random } from './support/random.ts';

/** More of them in a long run. */
const SEEDS = Number(process.env.ROBUSTMQ_MEMORY_SEEDS ?? 2);
const MAX_BYTES = 1024 * 1024;
const RECORD = Buffer.alloc(10_000, 'x');

interface World {
  readonly tier: MemoryTier;
  readonly journal: Journal;
  readonly cleaner: Cleaner;
  /** Positions of records that somebody wants. */
  readonly live: Set<number>;
  readonly calls: OldestKept[];
  readonly errors: Error[];
  put(isSettlement?: boolean): Promise<void>;
  advance(ms: number): Promise<void>;
  close(): Promise<void>;
}

/** `goesBelow`: whether the owner of the records lets those go that lie too deep. */
async function world(goesBelow: boolean): Promise<World> {
  const clock = createManualClock();
  const errors: Error[] = [];
  const tier = createMemoryTier({
    maxBytes: MAX_BYTES,
    segmentBytes: MAX_BYTES,
    maxBlockBytes: MAX_BYTES,
    reserveBytes: MAX_BYTES / 8,
    clock,
    onError: (error) => errors.push(error),
  });
  const { space, limits } = tier;
  const journal = await openJournal({ wal: tier.newWal(), walId: 'w', limits, space });
  const live = new Set<number>();
  const cleaner = createCleaner({
    journal,
    sources: [
      {
        name: 'records',
        liveBytes: (start, end) =>
          [...live].filter((position) => position >= start && position < end).length * RECORD.length,
        evacuate: async () => {},
      },
    ],
    clock,
    bytesPerSecond: MAX_BYTES,
    minDeadFraction: 0.5,
    slackBytes: MAX_BYTES,
    onError: (error) => errors.push(error),
  });
  const calls: OldestKept[] = [];
  tier.keepPace([{ storage: 'memory', journal, cleaner }], async (oldestKept) => {
    calls.push(oldestKept);
    const { memory = 0 } = oldestKept;
    if (goesBelow) for (const position of live) if (position < memory) live.delete(position);
  });
  return {
    tier,
    journal,
    cleaner,
    live,
    calls,
    errors,
    async put(isSettlement) {
      const entry = { logId: 7, stripe: 0, payload: RECORD, isBorrowed: true };
      const [position = -1] = await journal.append([entry], 'memory', isSettlement);
      live.add(position);
    },
    advance: (ms) => clock.advance(ms),
    async close() {
      await tier.close();
      await cleaner.close();
      await journal.close();
    },
  };
}

describe('what is kept in memory', () => {
  it('never takes more than its bound, and keeps the newest of what would', async () => {
    const it = await world(true);
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 1000; i++) {
      await it.put();
      expect(it.tier.space.freeBytes).toBeGreaterThan(0);
      if (i > 200) least = Math.min(least, it.live.size * RECORD.length);
    }
    expect(least).toBeGreaterThan(MAX_BYTES / 2);
    // At this level the position is known before the record can be read.
    await immediate();
    const newest = [...it.live].at(-1) ?? -1;
    const { records } = await it.journal.read(7, newest, 1);
    expect(Buffer.compare(records[0]?.payload ?? Buffer.alloc(0), RECORD)).toBe(0);
    expect(it.errors).toEqual([]);
    await it.close();
  });

  it('applies retention with every segment, long before it is full', async () => {
    const it = await world(true);
    for (let i = 0; i < 50; i++) await it.put();
    expect(it.calls.length).toBeGreaterThanOrEqual(5);
    expect(new Set(it.calls.map((call) => JSON.stringify(call)))).toEqual(new Set(['{}']));
    await it.close();
  });

  it('refuses writers when all of it is wanted, takes settlements, and lets writers in once there is room', async () => {
    const it = await world(false);
    const fill = async (): Promise<unknown> => {
      for (;;) await it.put();
    };
    await expect(fill()).rejects.toThrow(JournalFull);
    expect(it.journal.state().isFull).toBe(true);
    const full = it.live.size;
    expect(full * RECORD.length).toBeGreaterThan(MAX_BYTES * 0.8);
    await it.put(true);
    // One that nobody wants any more is no room yet.
    it.live.delete([...it.live][0] ?? -1);
    await it.advance(1000);
    await expect(it.put()).rejects.toThrow(JournalFull);
    for (const position of [...it.live].slice(0, 40)) it.live.delete(position);
    await it.advance(1000);
    await it.cleaner.run();
    expect(it.journal.state().isFull).toBe(false);
    await it.put();
    expect(it.errors).toEqual([]);
    await it.close();
  });

  it('goes on when retention has failed', async () => {
    const it = await world(true);
    it.tier.keepPace([{ storage: 'memory', journal: it.journal, cleaner: it.cleaner }], () =>
      Promise.reject(new Error('not now')),
    );
    for (let i = 0; i < 30; i++) await it.put();
    expect(it.errors.length).toBeGreaterThan(1);
    expect(it.errors[0]?.message).toBe('not now');
    await it.close();
  });
});

/**
 * What sessions leave behind: each message goes when somebody has taken it, in any order, so that most segments are partly
 * dead. A model of who wants what, over the real journal and cleaner.
 */
async function wantedWorld(seed: number) {
  const random = createRandom(seed);
  const clock = createManualClock();
  const failed: Error[] = [];
  const onError = (error: Error): void => void failed.push(error);
  const maxBytes = 2 * MAX_BYTES;
  const tier = createMemoryTier({
    maxBytes,
    segmentBytes: maxBytes,
    maxBlockBytes: maxBytes,
    reserveBytes: maxBytes / 2,
    clock,
    onError,
  });
  const { space, limits, cleaning } = tier;
  const journal = await openJournal({ wal: tier.newWal(), walId: 'w', limits, space });
  const wanted = new Map<number, { readonly id: number; readonly payload: Buffer }>();
  let wantedBytes = 0;
  let nextId = 0;
  const within = (start: number, end: number): number[] =>
    [...wanted.keys()].filter((position) => position >= start && position < end);
  const costOf = (payload: Buffer): number => payload.length + FRAME_HEADER_BYTES + BLOCK_HEADER_BYTES;
  async function append(id: number, payload: Buffer, isSettlement: boolean): Promise<void> {
    const [position = -1] = await journal.append([{ logId: 7, stripe: id, payload }], 'os', isSettlement);
    wanted.set(position, { id, payload });
    wantedBytes += costOf(payload);
  }
  function drop(position: number): void {
    wantedBytes -= costOf(wanted.get(position)?.payload ?? Buffer.alloc(0));
    wanted.delete(position);
  }
  const cleaner = createCleaner({
    journal,
    sources: [
      {
        name: 'messages',
        liveBytes: (start, end) =>
          within(start, end).reduce((sum, at) => sum + costOf(wanted.get(at)?.payload ?? Buffer.alloc(0)), 0),
        async evacuate(start, end) {
          for (const position of within(start, end)) {
            const message = wanted.get(position);
            if (message === undefined) continue;
            await append(message.id, message.payload, true);
            drop(position);
          }
        },
      },
    ],
    clock,
    bytesPerSecond: 4 * maxBytes,
    minDeadFraction: 0.5,
    onError,
    ...cleaning,
  });
  tier.keepPace([{ storage: 'memory', journal, cleaner }], async () => {});
  return {
    random,
    journal,
    wanted,
    maxBytes,
    failed,
    get wantedBytes() {
      return wantedBytes;
    },
    drop,
    advance: (ms: number) => clock.advance(ms),
    put: () => append(nextId++, random.bytes(16 + random.below(4096)), false),
    async close() {
      await cleaner.close();
      await tier.close();
      await journal.close();
    },
  };
}

/** In which order messages are taken. */
const TAKEN = {
  'any one': (positions: readonly number[], random: Random) => random.below(positions.length),
  'the newest': (positions: readonly number[]) => positions.length - 1,
  'every second': (positions: readonly number[], random: Random) =>
    Math.min(positions.length - 1, 2 * random.below(Math.ceil(positions.length / 2))),
  'one of the oldest half': (positions: readonly number[], random: Random) =>
    random.below(Math.ceil(positions.length / 2)),
} as const;
/** In steps of simulated time, each of which gives cleaning a few turns of the event loop. Fifty are enough. */
const MOST_STEPS = 1000;

describe.each(Object.entries(TAKEN))('when of what is wanted %s goes', (_, choose) => {
  it('a writer is never refused for good, as long as six tenths of the bound are wanted', async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const it = await wantedWorld(seed);
      const most = 0.6 * it.maxBytes - 8192;
      for (let written = 0; written < 1500; written++) {
        while (it.wantedBytes > most) {
          const positions = [...it.wanted.keys()];
          it.drop(positions[choose(positions, it.random)] ?? -1);
        }
        for (let step = 0; ; step++) {
          const refused = await it.put().then(
            () => undefined,
            (error: unknown) => error,
          );
          if (refused === undefined) break;
          expect(refused).toBeInstanceOf(JournalFull);
          if (step === MOST_STEPS) expect.fail(`seed ${seed}: refused for good after ${written} messages`);
          await it.advance(100);
        }
      }
      expect(it.failed).toEqual([]);
      const found = new Map<number, Buffer>();
      for await (const records of it.journal.replay(0)) {
        for (const { position, payload } of records) found.set(position, Buffer.from(payload));
      }
      for (const [position, { id, payload }] of it.wanted) {
        if (found.get(position)?.equals(payload) !== true) expect.fail(`seed ${seed}: message ${id} is lost`);
      }
      await it.close();
    }
  });
});

describe('the bound', () => {
  const bound = async (...sets: string[]): Promise<number> => {
    const loaded = await loadConfig({ sets });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    return memoryBoundBytes(loaded.config);
  };

  it('is what is configured, or half of what publishers are paused at', async () => {
    expect(await bound('storage.memory.maxSize=100MiB')).toBe(100 * 1024 * 1024);
    expect(await bound('limits.memoryWatermarkSize=1GiB')).toBe(512 * 1024 * 1024);
    expect(await bound()).toBeGreaterThan(0);
    await expect(bound('storage.memory.maxSize=1MiB')).rejects.toThrow(/at least 64MiB/);
  });
});
