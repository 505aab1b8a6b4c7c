/** `robustmq verify` and `robustmq repair --dry-run`: a data directory is looked at while no broker runs on it. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import type { Table } from '../kernel/state/table.ts';
import { verifyViews } from '../kernel/state/verify-views.ts';
import { type DataDirectory, JOURNAL_WAL_ID } from '../storage/data-directory/data-directory.ts';
import { diskErrorCode } from '../storage/disk/disk.ts';
import { nodeDisk } from '../storage/disk/node-disk.ts';
import { frameCheck } from '../storage/journal/frame.ts';
import { type OfflineJournal, openJournalForReading } from '../storage/journal/reading.ts';
import { planRepair, type RepairPlan } from '../storage/journal/repair-plan.ts';
import { type KvStore, KvStoreError } from '../storage/kv/kv-store.ts';
import { openKvStore } from '../storage/kv/open.ts';
import { createFileWal, type FileWal } from '../storage/wal/file-wal.ts';
import { WalCorrupt, WalFormatUnknown } from '../storage/wal/wal-store.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import { type Io, write } from './io.ts';
import { openDirectory } from './open-directory.ts';
import { type ConfigOptions, readConfig } from './read-config.ts';

export interface OfflineOptions extends ConfigOptions {
  readonly json?: boolean;
}

/** New and empty ones, as a node has them with this configuration. */
export type MakeTables = (config: Config) => readonly Table[];

interface JournalReport {
  readonly segments: number;
  readonly storedBytes: number;
  readonly startPosition: number;
  readonly endPosition: number;
  readonly problems: readonly string[];
}

interface ViewsReport {
  /** null: there are none. */
  readonly engine: KvStore['engine'] | null;
  readonly problems: readonly string[];
}

interface VerifyReport {
  readonly dataDir: string;
  readonly nodeId: string;
  readonly isSound: boolean;
  /** null: nothing was ever written to one. */
  readonly journal: JournalReport | null;
  readonly views: ViewsReport;
}

export async function verify(
  options: OfflineOptions,
  io: Io,
  makeTables: MakeTables | undefined,
): Promise<number> {
  return offline(options, io, async (config, data, wal) => {
    const opened = await openJournal(data, wal);
    const journal = opened.journal === undefined ? opened.report : await auditJournal(opened.journal);
    // Without a journal to compare with nothing can be said about views.
    const views =
      opened.journal === undefined || makeTables === undefined
        ? { engine: null, problems: [] }
        : await auditViews(data, opened.journal, () => makeTables(config));
    const isSound = (journal?.problems.length ?? 0) + views.problems.length === 0;
    const report: VerifyReport = { dataDir: data.path, nodeId: data.nodeId, isSound, journal, views };
    await write(io.out, options.json === true ? jsonOf(report) : verifyText(report));
    return isSound ? ExitCode.Ok : ExitCode.Unsound;
  });
}

export async function repair(
  options: OfflineOptions & { readonly dryRun?: boolean },
  io: Io,
): Promise<number> {
  if (options.dryRun !== true) {
    throw new CliError(
      ExitCode.Usage,
      'nothing is changed by this verb: a start mends what can be mended without losing anything, and --dry-run says what that is',
    );
  }
  return offline(options, io, async (_config, data, wal) => {
    let plan: RepairPlan;
    try {
      plan = await planRepair({ wal, walId: JOURNAL_WAL_ID });
    } catch (error) {
      plan = { steps: [], damage: [asDamage(error)], canStart: false };
    }
    await write(
      io.out,
      options.json === true ? jsonOf({ dataDir: data.path, ...plan }) : repairText(data, plan),
    );
    return plan.damage.length === 0 ? ExitCode.Ok : ExitCode.Unsound;
  });
}

async function offline(
  options: OfflineOptions,
  io: Io,
  look: (config: Config, data: DataDirectory, wal: FileWal) => Promise<number>,
): Promise<number> {
  const { config } = await readConfig(options, io.environment);
  const data = await openDirectory(config.dataDir, true);
  const wal = createFileWal({ disk: nodeDisk, directory: data.journal, check: frameCheck });
  try {
    return await look(config, data, wal);
  } finally {
    await wal.close();
    await data.close();
  }
}

interface Opened {
  /** Undefined when there is none, or none that could be opened: then `report` says why. */
  readonly journal: OfflineJournal | undefined;
  readonly report: JournalReport | null;
}

async function openJournal(data: DataDirectory, wal: FileWal): Promise<Opened> {
  try {
    if ((await wal.epochs(JOURNAL_WAL_ID)).length === 0) return { journal: undefined, report: null };
    return { journal: await openJournalForReading({ wal, walId: JOURNAL_WAL_ID }), report: null };
  } catch (error) {
    const problems = [`the journal in ${data.journal} cannot be read: ${asDamage(error)}`];
    return {
      journal: undefined,
      report: { segments: 0, storedBytes: 0, startPosition: 0, endPosition: 0, problems },
    };
  }
}

async function auditJournal(journal: OfflineJournal): Promise<JournalReport> {
  const segments = journal.segments();
  return {
    segments: segments.length,
    storedBytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
    startPosition: journal.start,
    endPosition: journal.end,
    problems: await journal.verify(),
  };
}

async function auditViews(
  data: DataDirectory,
  journal: OfflineJournal,
  makeTables: () => readonly Table[],
): Promise<ViewsReport> {
  const engine = await engineOf(data);
  let kv: KvStore | undefined;
  try {
    if (engine !== null) {
      const warn = (): void => {};
      kv = await openKvStore({ folder: viewsOf(data), engine, maxBytes: Number.MAX_SAFE_INTEGER, warn });
    }
    return { engine, problems: await verifyViews({ journal, kv, makeTables }) };
  } catch (error) {
    return { engine, problems: [asDamage(error)] };
  } finally {
    await kv?.close();
  }
}

const viewsOf = (data: DataDirectory): string => join(data.views, JOURNAL_WAL_ID);

/** The engine whose views lie there, whatever the configuration asks for: looking must not carry them over. */
async function engineOf(data: DataDirectory): Promise<KvStore['engine'] | null> {
  for (const engine of ['rocksdb', 'memory'] as const) {
    const isThere = await access(join(viewsOf(data), engine)).then(
      () => true,
      () => false,
    );
    if (isThere) return engine;
  }
  return null;
}

/** What is wrong with the data, as a sentence; a defect of the program is thrown on. */
function asDamage(error: unknown): string {
  const isKnown =
    error instanceof WalCorrupt ||
    error instanceof WalFormatUnknown ||
    error instanceof KvStoreError ||
    diskErrorCode(error) !== '';
  if (isKnown && error instanceof Error) return error.message;
  throw error;
}

const jsonOf = (report: object): string => `${JSON.stringify(report, undefined, 2)}\n`;

const listed = (problems: readonly string[]): string => problems.map((each) => `  - ${each}\n`).join('');

function verifyText({ dataDir, isSound, journal, views }: VerifyReport): string {
  const parts = [];
  if (journal === null) parts.push('journal: nothing was written yet\n');
  else {
    const { segments, storedBytes, startPosition, endPosition, problems } = journal;
    const what = `${segments} segments, ${storedBytes} bytes, positions ${startPosition} to ${endPosition}`;
    parts.push(`journal: ${what}: ${problems.length === 0 ? 'sound' : 'damaged'}\n`, listed(problems));
  }
  const { engine, problems } = views;
  if (problems.length > 0) parts.push(`views (${engine ?? 'none'}): wrong\n`, listed(problems));
  else parts.push(engine === null ? 'views: none compared\n' : `views (${engine}): agree with the journal\n`);
  parts.push(`${dataDir} is ${isSound ? 'sound' : 'not sound'}\n`);
  return parts.join('');
}

function repairText({ path }: DataDirectory, { steps, damage, canStart }: RepairPlan): string {
  const parts = [];
  if (steps.length > 0) parts.push('A start would\n', listed(steps));
  else if (canStart) parts.push('A start would find nothing to do.\n');
  if (damage.length > 0) {
    parts.push('Damaged, and nothing is done about it by itself\n', listed(damage));
    parts.push(`Keep a copy of ${path} before anything else.\n`);
  }
  if (!canStart) parts.push('A start would refuse.\n');
  return parts.join('');
}
