/**
 * The journal against a naive model on a disk that does what disks do: seeded schedules of appends, faults, kills and
 * losses of power. ROBUSTMQ_JOURNAL_SCHEDULES=10000 is the long form, ROBUSTMQ_TEST_SEED=n repeats one schedule, and both
 * together run that many from there.
 */
import { setImmediate as immediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { frameCheck } from '../../../src/storage/journal/frame.ts';
import { type Journal, type Level, openJournal } from '../../../src/storage/journal/journal.ts';
import {
  type JournalReading,
  openJournalForReading,
  type SegmentInfo,
} from '../../../src/storage/journal/reading.ts';
import { createFileWal } from '../../../src/storage/wal/file-wal.ts';
import { WalCorrupt } from '../../../src/storage/wal/wal-store.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { type Faults, type FaultyDisk, faultyDisk } from '../disk/faulty-disk.ts';

const SEED = process.env.ROBUSTMQ_TEST_SEED;
const FIRST = Number(SEED ?? 1);
const SCHEDULES = Number(process.env.ROBUSTMQ_JOURNAL_SCHEDULES ?? (SEED === undefined ? 150 : 1));
const LOGS = 4;

/** One append of the model: what was tried, in the order of trying, and what became of it. */
interface Tried {
  readonly id: number;
  readonly entries: readonly { readonly logId: number; readonly payload: Buffer }[];
  readonly level: Level;
  state: 'open' | 'acknowledged' | 'rejected';
  positions: readonly number[];
}

/** What one round does to the disk. */
type Mood = 'honest' | 'failing' | 'lying' | 'small';

const FAULTS: Readonly<Record<Mood, (random: Random) => Partial<Faults>>> = {
  honest: () => ({}),
  failing: (random) => ({ failingSyncOneIn: 2 + random.below(20), failingWriteOneIn: 10 + random.below(40) }),
  lying: () => ({ lyingSyncOneIn: 3 }),
  small: (random) => ({ capacityBytes: 6000 + random.below(20000) }),
};

const walOn = (disk: FaultyDisk) => createFileWal({ disk, directory: '/d', check: frameCheck });

function open(disk: FaultyDisk, random: Random): Promise<Journal> {
  return openJournal({
    wal: walOn(disk),
    walId: 'w',
    limits: {
      segmentBytes: 1500 + random.below(6000),
      maxGroupBytes: 200 + random.below(2000),
      crowd: 2 + random.below(20),
      tailBytes: random.below(2000),
      cacheBytes: random.below(4000),
    },
  });
}

/** Segments that were asked to go. What lies in them may be gone; once `isDone`, it must be. */
interface Removal {
  readonly segments: readonly SegmentInfo[];
  isDone: boolean;
}

function removeSome(journal: Journal, random: Random): Removal {
  const segments = journal.segments().filter(({ isOpen }) => !isOpen && random.oneIn(3));
  const removal: Removal = { segments, isDone: false };
  const done = (): void => {
    removal.isDone = true;
  };
  journal.remove(segments.map(({ start }) => start)).then(done, () => {});
  return removal;
}

const isWithin = (one: Tried, { segments }: Removal): boolean =>
  segments.some(({ start, end }) => one.positions.some((position) => position >= start && position < end));

async function appendSome(
  journal: Journal,
  tried: Tried[],
  random: Random,
  removals: Removal[] = [],
): Promise<void> {
  const under: Promise<void>[] = [];
  for (let left = random.below(40); left > 0; left--) {
    const id = (tried.at(-1)?.id ?? -1) + 1;
    const entries = Array.from({ length: random.oneIn(4) ? 1 + random.below(4) : 1 }, (_, i) => ({
      logId: 1 + random.below(LOGS),
      stripe: i,
      payload: Buffer.concat([
        Buffer.from(`${id}.${i} `),
        random.bytes(random.oneIn(20) ? 1200 : random.below(60)),
      ]),
    }));
    const one: Tried = {
      id,
      entries,
      level: random.pick(['memory', 'os', 'sync', 'sync']),
      state: 'open',
      positions: [],
    };
    tried.push(one);
    const done = journal.append(entries, one.level).then(
      (positions) => {
        one.state = 'acknowledged';
        one.positions = positions;
      },
      () => {
        one.state = 'rejected';
      },
    );
    under.push(done);
    if (random.oneIn(12)) removals.push(removeSome(journal, random));
    if (random.oneIn(15)) journal.closeSegment();
    if (random.oneIn(3)) await immediate();
    if (random.oneIn(8)) await done;
  }
  if (random.oneIn(2)) await Promise.all(under);
}

/** All records as the journal replays them, which must be what reading log by log gives. */
async function contents(
  journal: JournalReading,
): Promise<{ logId: number; position: number; payload: Buffer }[]> {
  const all: { logId: number; position: number; payload: Buffer }[] = [];
  for await (const records of journal.replay(0)) {
    for (const { logId, position, payload } of records)
      all.push({ logId, position, payload: Buffer.from(payload) });
  }
  for (let logId = 1; logId <= LOGS; logId++) {
    const mine = all.filter((record) => record.logId === logId);
    let from = 0;
    for (let at = 0; ; ) {
      const { records, next } = await journal.read(logId, from, 1500);
      if (records.length === 0) {
        expect(at).toBe(mine.length);
        break;
      }
      for (const record of records) {
        const wanted = mine[at++];
        if (record.position !== wanted?.position || !wanted.payload.equals(record.payload)) {
          throw new Error(`log ${logId} has another record at ${record.position} than the journal`);
        }
      }
      from = next;
    }
  }
  return all;
}

/**
 * What is there must be the tries in their order without any that was not: appends of one life are a prefix, whole
 * appends only. Those for which `mustBeThere` holds are there.
 */
function check(
  found: readonly { logId: number; position: number; payload: Buffer }[],
  tried: readonly Tried[],
  mustBeThere: (one: Tried) => boolean,
): Tried[] {
  const there: Tried[] = [];
  let at = 0;
  for (const one of tried) {
    const first = found[at];
    if (first !== undefined && one.entries[0]?.payload.equals(first.payload)) {
      one.entries.forEach((entry, i) => {
        const record = found[at + i];
        const isSame = record?.logId === entry.logId && record.payload.equals(entry.payload);
        if (!isSame) throw new Error(`append ${one.id} is there in part, or changed`);
        if (one.state === 'acknowledged' && record.position !== one.positions[i]) {
          throw new Error(`append ${one.id} is not where it was acknowledged`);
        }
      });
      at += one.entries.length;
      there.push(one);
    } else if (mustBeThere(one)) {
      throw new Error(`append ${one.id}, acknowledged at ${one.level}, is lost`);
    }
  }
  expect(at).toBe(found.length);
  return there;
}

async function schedule(seed: number): Promise<string> {
  const random = createRandom(seed);
  let disk = faultyDisk(random.below(2 ** 31));
  let tried: Tried[] = [];
  let outcome = '';
  let hasLied = false;
  let isDamaged = false;
  for (let round = 1 + random.below(3); round > 0; round--) {
    const mood = random.pick<Mood>(['honest', 'honest', 'failing', 'lying', 'small']);
    const journal = await open(disk, random);
    disk.faults = { ...disk.faults, ...FAULTS[mood](random) };
    const removals: Removal[] = [];
    await appendSome(journal, tried, random, removals);
    const failed = journal.state().failure !== undefined;
    if (failed) {
      const last = tried.length;
      await appendSome(journal, tried, random);
      await immediate();
      expect(tried.slice(last).some((one) => one.state === 'acknowledged')).toBe(false);
    }
    hasLied ||= mood === 'lying';
    const isClosed = random.oneIn(4);
    if (isClosed) await journal.close();
    const isCrash = random.oneIn(2);
    disk = isCrash ? disk.crash() : disk.kill();
    // What is not answered by now never will be: the process is gone.
    const answered = tried.map((one) => ({ ...one }));
    const removed = removals.map((each) => ({ ...each }));
    const syncedAtEnd = isClosed && !failed && journal.state().failure === undefined;
    if (mood === 'honest' && random.oneIn(6)) isDamaged = damage(disk, random);
    let found: Awaited<ReturnType<typeof contents>>;
    try {
      const offline = await openJournalForReading({ wal: walOn(disk), walId: 'w' });
      const seen = await contents(offline);
      if (!isDamaged) expect(await offline.verify()).toEqual([]);
      const again = await open(disk, random);
      found = await contents(again);
      const isSame = (one: (typeof seen)[number], i: number): boolean =>
        one.position === found[i]?.position && one.payload.equals(found[i]?.payload);
      expect(seen.length === found.length && seen.every(isSame)).toBe(true);
      if (!isDamaged) expect(await again.verify()).toEqual([]);
    } catch (error) {
      // A disk that lied, or whose bits flipped: to refuse is right.
      if (error instanceof WalCorrupt && (hasLied || isDamaged)) return `${outcome} refused`;
      throw error;
    }
    const isTrusted = !hasLied && !isDamaged;
    const levels: readonly Level[] = isCrash ? ['sync'] : ['os', 'sync'];
    tried = check(found, answered, (one) => {
      if (!isTrusted || one.state !== 'acknowledged') return false;
      if (removed.some((each) => isWithin(one, each))) return false;
      return levels.includes(one.level) || syncedAtEnd;
    });
    for (const one of isTrusted ? tried : []) {
      if (one.positions.length > 0 && removed.some((each) => each.isDone && isWithin(one, each)))
        throw new Error(`append ${one.id} is there again, and its segment was removed`);
    }
    // What survived a start is sealed: it is on the platter now, whatever its level was.
    for (const one of tried) Object.assign(one, { level: 'sync', state: 'acknowledged' });
    let at = 0;
    for (const one of tried) one.positions = one.entries.map(() => found[at++]?.position ?? -1);
    const gone = removed.reduce((sum, { isDone, segments }) => sum + (isDone ? segments.length : 0), 0);
    outcome += `${mood} ${isCrash ? 'crash' : 'kill'} ${tried.length}${gone > 0 ? ' removed' : ''}; `;
  }
  return outcome;
}

/** Flips a bit somewhere in a file of blocks. */
function damage(disk: FaultyDisk, random: Random): boolean {
  const files = disk.paths().filter((path) => path.endsWith('.wal') && disk.sizeOf(path) > 0);
  if (files.length === 0) return false;
  const path = random.pick(files);
  disk.flipBit(path, random.below(disk.sizeOf(path)), random.below(8));
  return true;
}

it('keeps what it acknowledged, invents nothing and refuses what is damaged, whatever the disk does (item 51)', {
  timeout: 60_000 + SCHEDULES * 300,
}, async () => {
  let refused = 0;
  let removed = 0;
  for (let seed = FIRST; seed < FIRST + SCHEDULES; seed++) {
    const outcome = await schedule(seed).catch((error: unknown) => {
      throw new Error(`schedule ${seed} (ROBUSTMQ_TEST_SEED=${seed} repeats it)`, { cause: error });
    });
    if (outcome.endsWith('refused')) refused++;
    if (outcome.includes('removed')) removed++;
  }
  if (SCHEDULES < 100) return;
  expect(refused).toBeLessThan(SCHEDULES / 2);
  expect(removed).toBeGreaterThan(SCHEDULES / 20);
});
