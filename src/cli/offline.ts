/** `robustmq verify`, and what it has in common with `repair`: a data directory is looked at while no broker runs on it. */
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { createNodeTables } from '../durable-tables.ts';
import { type Clock, systemClock } from '../kernel/clock.ts';
import type { Table } from '../kernel/state/table.ts';
import { verifyViews } from '../kernel/state/verify-views.ts';
import { type DataDirectory, JOURNAL_WAL_ID } from '../storage/data-directory/data-directory.ts';
import { diskErrorCode } from '../storage/disk/disk.ts';
import { type OfflineJournal, openJournalForReading } from '../storage/journal/reading.ts';
import { type KvStore, KvStoreError } from '../storage/kv/kv-store.ts';
import { openKvStoreForReading } from '../storage/kv/open.ts';
import { SegmentStoreError } from '../storage/segments/segment-store.ts';
import { WalCorrupt, WalFormatUnknown } from '../storage/wal/wal-store.ts';
import { printOne } from './admin-output.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import { type Io, write } from './io.ts';
import { type JournalAtRest, type OpenStore, openJournalsAtRest } from './journals-at-rest.ts';
import { openDirectory } from './open-directory.ts';
import { createProgress } from './progress.ts';
import { type ConfigOptions, readConfig } from './read-config.ts';

export interface OfflineOptions extends ConfigOptions {
  /** As text where nothing is said. */
  readonly output?: 'text' | 'json' | 'ndjson' | 'yaml';
}

export interface OfflineTables {
  readonly all: readonly Table[];
  /** What the records of a log are, once the tables were rebuilt. */
  nameOf(logId: number): string | undefined;
}

/** New and empty ones, as a node has them with this configuration. */
export type MakeTables = (config: Config) => OfflineTables;

export const tablesOfNode: MakeTables = (config) => {
  const { all, partitions } = createNodeTables({ config, clock: stopped, journals: {}, leaderEpoch: 0 });
  return {
    all,
    nameOf(logId) {
      const found = partitions.list().find((partition) => partition.logId === logId);
      return found === undefined ? undefined : `stream ${found.name}, partition ${found.number}`;
    },
  };
};

/** What expires while one looks would be a difference. */
const startedMs = systemClock.wallMs();
const stopped: Clock = { monotonicMs: () => 0, wallMs: () => startedMs, every: () => () => {} };

interface JournalReport {
  readonly name: JournalAtRest['name'];
  readonly segments: number;
  readonly storedBytes: number;
  readonly startPosition: number;
  readonly endPosition: number;
  readonly problems: readonly string[];
}

interface ViewsReport {
  /** null: there are none. */
  readonly engine: KvStore['engine'] | null;
  /** Why a start would not use them; null where they were compared. */
  readonly unused: string | null;
  readonly problems: readonly string[];
}

interface VerifyReport {
  readonly dataDir: string;
  readonly nodeId: string;
  readonly isSound: boolean;
  /** Without those to which nothing was ever written. */
  readonly journals: readonly JournalReport[];
  readonly views: ViewsReport;
}

export async function verify(
  options: OfflineOptions,
  io: Io,
  makeTables: MakeTables = tablesOfNode,
  openStore?: OpenStore,
): Promise<number> {
  return offline(options, io, openStore, async (config, data, list) => {
    const opened = (await Promise.all(list.map(open))).filter((each) => each !== undefined);
    const journals: JournalReport[] = [];
    const progress = createProgress(io, { what: 'verified', total: bytesOf(opened) });
    for (const each of opened) {
      journals.push('journal' in each ? await auditJournal(each, progress.add) : each);
    }
    progress.clear();
    const [main, object] = (['main', 'object'] as const).map((name) => {
      const found = opened.find((each) => each.name === name);
      return found !== undefined && 'journal' in found ? found.journal : undefined;
    });
    // Without a journal to compare with nothing can be said about views.
    const views =
      main === undefined
        ? { engine: null, unused: 'there is no journal to compare with', problems: [] }
        : await auditViews(config, data, main, object, () => makeTables(config).all);
    const isSound = [...journals, views].every(({ problems }) => problems.length === 0);
    const report: VerifyReport = { dataDir: data.path, nodeId: data.nodeId, isSound, journals, views };
    await printReport(report, () => verifyText(report), options, io);
    return isSound ? ExitCode.Ok : ExitCode.Unsound;
  });
}

/** Opens what `--data-dir` names, keeps a broker from starting meanwhile, and lets go of it. */
export async function offline(
  options: OfflineOptions,
  io: Io,
  openStore: OpenStore | undefined,
  look: (config: Config, data: DataDirectory, list: readonly JournalAtRest[]) => Promise<number>,
): Promise<number> {
  const { config } = await readConfig(options, io.environment);
  const data = await openDirectory(config.dataDir, true);
  try {
    const journals = await openJournalsAtRest(config, data, openStore);
    try {
      return await look(config, data, journals.list);
    } finally {
      await journals.close();
    }
  } catch (error) {
    // Of what lies in a store that gives no answer nothing can be said, not even that it is damaged.
    throw error instanceof SegmentStoreError ? new CliError(ExitCode.Unreachable, error.message) : error;
  } finally {
    await data.close();
  }
}

interface Opened extends JournalAtRest {
  readonly journal: OfflineJournal;
}

/** Undefined when nothing was written to it; the report of one that cannot be opened. */
async function open(at: JournalAtRest): Promise<Opened | JournalReport | undefined> {
  const { name, wal, walId } = at;
  try {
    if ((await wal.epochs(walId)).length === 0) return undefined;
    return { ...at, journal: await openJournalForReading({ wal, walId }) };
  } catch (error) {
    const problems = [`it cannot be read: ${asDamage(error)}`];
    return { name, segments: 0, storedBytes: 0, startPosition: 0, endPosition: 0, problems };
  }
}

const bytesOf = (opened: readonly (Opened | JournalReport)[]): number =>
  opened
    .flatMap((each) => ('journal' in each ? each.journal.segments() : []))
    .reduce((sum, { bytes }) => sum + bytes, 0);

async function auditJournal(
  { name, journal, problems, ...at }: Opened,
  onBytes: (bytes: number) => void,
): Promise<JournalReport> {
  const segments = journal.segments();
  const damage = [...(await auditSeals(name, at)), ...(await journal.verify(onBytes))];
  return {
    name,
    segments: segments.length,
    storedBytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
    startPosition: journal.start,
    endPosition: journal.end,
    problems: [...damage, ...problems()],
  };
}

/** Those that a start has no reason to read. In an object store each would cost requests, and is what its blocks are. */
async function auditSeals(
  name: JournalAtRest['name'],
  { wal, walId }: Pick<JournalAtRest, 'wal' | 'walId'>,
): Promise<string[]> {
  const damage: string[] = [];
  for (const epoch of name === 'main' ? await wal.epochs(walId) : []) {
    try {
      await wal.inspect(walId, epoch);
    } catch (error) {
      damage.push(`epoch ${epoch}: ${asDamage(error)}`);
    }
  }
  return damage;
}

/** Undefined when there are none. */
export function openViews({ views }: Config['storage'], data: DataDirectory): Promise<KvStore | undefined> {
  const engine = views === 'auto' ? 'rocksdb' : views;
  return openKvStoreForReading({ folder: join(data.views, JOURNAL_WAL_ID), engine });
}

async function auditViews(
  { storage }: Config,
  data: DataDirectory,
  journal: OfflineJournal,
  object: OfflineJournal | undefined,
  makeTables: () => readonly Table[],
): Promise<ViewsReport> {
  let kv: KvStore | undefined;
  let unused: string | null = null;
  try {
    kv = await openViews(storage, data);
    const objects = object === undefined ? {} : { object };
    const onUnused = (reason: string): void => {
      unused = reason;
    };
    const problems = await verifyViews({ journal, ...objects, kv, makeTables, onUnused });
    return { engine: kv?.engine ?? null, unused, problems };
  } catch (error) {
    return { engine: kv?.engine ?? null, unused, problems: [asDamage(error)] };
  } finally {
    await kv?.close();
  }
}

/** What is wrong with the data, as a sentence; a defect of the program is thrown on. */
export function asDamage(error: unknown): string {
  const isKnown =
    error instanceof WalCorrupt ||
    error instanceof WalFormatUnknown ||
    error instanceof KvStoreError ||
    diskErrorCode(error) !== '';
  if (isKnown && error instanceof Error) return error.message;
  throw error;
}

export async function printReport(
  report: object,
  text: () => string,
  { output = 'text' }: Pick<OfflineOptions, 'output'>,
  io: Io,
): Promise<void> {
  if (output === 'text') await write(io.out, text());
  else await printOne(report, output, io);
}

export const listed = (problems: readonly string[]): string =>
  problems.map((each) => `  - ${each}\n`).join('');

function verifyText({ dataDir, isSound, journals, views }: VerifyReport): string {
  const parts = journals.length === 0 ? ['journal: nothing was written yet\n'] : [];
  for (const { name, segments, storedBytes, startPosition, endPosition, problems } of journals) {
    const what = `${segments} segments, ${storedBytes} bytes, positions ${startPosition} to ${endPosition}`;
    const verdict = problems.length === 0 ? 'sound' : 'damaged';
    parts.push(`${titleOf(name)}: ${what}: ${verdict}\n`, listed(problems));
  }
  const { engine, unused, problems } = views;
  const title = engine === null ? 'views' : `views (${engine})`;
  const verdict =
    problems.length > 0 ? 'wrong' : unused === null ? 'agree with the journal' : `not used: ${unused}`;
  parts.push(`${title}: ${verdict}\n`, listed(problems));
  parts.push(`${dataDir} is ${isSound ? 'sound' : 'not sound'}\n`);
  return parts.join('');
}

export const titleOf = (name: JournalAtRest['name']): string =>
  name === 'main' ? 'journal' : 'journal in the object store';
