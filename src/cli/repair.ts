/** `robustmq repair --dry-run`: what a start would do to a data directory, what it would refuse, and what is lost. */
import type { Config } from '../config/config.ts';
import { MARK_LOG, PAGE_LOG, STATE_LOG } from '../kernel/state/frame-format.ts';
import { rehearseStart } from '../kernel/state/verify-views.ts';
import type { DataDirectory } from '../storage/data-directory/data-directory.ts';
import { CONTROL_LOG } from '../storage/journal/frame.ts';
import { openJournalForReading } from '../storage/journal/reading.ts';
import { planRepair, type RepairPlan } from '../storage/journal/repair-plan.ts';
import type { Loss } from '../storage/journal/survey.ts';
import type { KvStore } from '../storage/kv/kv-store.ts';
import { batchSpan } from '../storage/records/batch-header.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import type { Io } from './io.ts';
import type { JournalAtRest, OpenStore } from './journals-at-rest.ts';
import {
  asDamage,
  listed,
  type MakeTables,
  type OfflineOptions,
  offline,
  openViews,
  printReport,
  tablesOfNode,
  titleOf,
} from './offline.ts';

/** What is lost of one log within one stretch. */
interface LogLoss {
  readonly logId: number;
  /** Entries of the journal: changes of a turn, or batches of records. */
  readonly entries: number;
  /** Of the records in them; null where they cannot be told. */
  readonly firstOffset: number | null;
  readonly lastOffset: number | null;
}

interface LossReport {
  readonly epoch: number;
  readonly position: number;
  readonly bytes: number;
  readonly logs: readonly LogLoss[];
  /** False when there can have been more than `logs`. */
  readonly isAllTold: boolean;
}

interface JournalPlan extends Omit<RepairPlan, 'cut' | 'lost'> {
  readonly name: JournalAtRest['name'];
  readonly cut: readonly LossReport[];
  readonly lost: readonly LossReport[];
}

/** What a start would rebuild its tables from. */
interface TablesPlan {
  readonly from: 'views' | 'snapshot' | 'journal' | null;
  readonly entries: number;
  /** Why a start would refuse; null when it would not, or is not asked because of the journal. */
  readonly refusal: string | null;
}

type NameOf = (logId: number) => string;

export async function repair(
  options: OfflineOptions & { readonly dryRun?: boolean },
  io: Io,
  makeTables: MakeTables = tablesOfNode,
  openStore?: OpenStore,
): Promise<number> {
  if (options.dryRun !== true) {
    throw new CliError(
      ExitCode.Usage,
      'nothing is changed by this verb: a start mends what can be mended without losing anything, and --dry-run says what that is',
    );
  }
  return offline(options, io, openStore, async (config, data, list) => {
    const journals: JournalPlan[] = [];
    for (const each of list) journals.push(await planOf(each));
    const { tables, nameOf } = await rehearse(config, data, list, journals, makeTables);
    const canStart = tables.refusal === null && journals.every((each) => each.canStart);
    const report = { dataDir: data.path, canStart, journals, tables };
    const text = (): string => repairText(data, journals, tables, canStart, nameOf);
    await printReport(report, text, options, io);
    const isUndamaged = journals.every(({ damage }) => damage.length === 0);
    return canStart && isUndamaged ? ExitCode.Ok : ExitCode.Unsound;
  });
}

async function planOf({ name, wal, walId, raw, problems }: JournalAtRest): Promise<JournalPlan> {
  try {
    const plan = await planRepair({ wal, walId, ...(raw === undefined ? {} : { raw }) });
    const damage = [...plan.damage, ...problems()];
    return { name, ...plan, damage, cut: plan.cut.map(reportOf), lost: plan.lost.map(reportOf) };
  } catch (error) {
    return { name, steps: [], cut: [], damage: [asDamage(error)], lost: [], canStart: false };
  }
}

function reportOf({ epoch, position, bytes, frames, isAllTold }: Loss): LossReport {
  const logs = new Map<number, LogLoss>();
  for (const { logId, payload } of frames) {
    const span = batchSpan(payload);
    const before = logs.get(logId);
    logs.set(logId, {
      logId,
      entries: (before?.entries ?? 0) + 1,
      firstOffset: before?.firstOffset ?? span?.baseOffset ?? null,
      lastOffset: span?.lastOffset ?? before?.lastOffset ?? null,
    });
  }
  return { epoch, position, bytes, logs: [...logs.values()].sort((a, b) => a.logId - b.logId), isAllTold };
}

async function rehearse(
  config: Config,
  data: DataDirectory,
  list: readonly JournalAtRest[],
  plans: readonly JournalPlan[],
  makeTables: MakeTables,
): Promise<{ tables: TablesPlan; nameOf: NameOf }> {
  const { all, nameOf: nameOfTables } = makeTables(config);
  const nameOf = (logId: number): string => nameOfTables(logId) ?? OWN_LOGS.get(logId) ?? `log ${logId}`;
  const open = async (name: JournalAtRest['name']) => {
    const found = list.find((each) => each.name === name);
    if (found === undefined || (await found.wal.epochs(found.walId)).length === 0) return undefined;
    return openJournalForReading(found);
  };
  const unasked = { tables: { from: null, entries: 0, refusal: null }, nameOf };
  if (plans.some(({ canStart }) => !canStart)) return unasked;
  let kv: KvStore | undefined;
  try {
    const [journal, object] = [await open('main'), await open('object')];
    if (journal === undefined) return unasked;
    kv = await openViews(config.storage, data);
    const start = await rehearseStart({ journal, kv, ...(object === undefined ? {} : { object }) }, all);
    return { tables: { from: start.from, entries: start.entries, refusal: null }, nameOf };
  } catch (error) {
    const refusal = error instanceof Error ? error.message : String(error);
    return { tables: { from: null, entries: 0, refusal }, nameOf };
  } finally {
    await kv?.close();
  }
}

const OWN_LOGS: ReadonlyMap<number, string> = new Map([
  [CONTROL_LOG, 'the journal itself'],
  [STATE_LOG, 'state log'],
  [MARK_LOG, 'marks of snapshots'],
  [PAGE_LOG, 'snapshots'],
]);

const SOURCES = {
  views: 'the views',
  snapshot: 'the newest snapshot in the journal',
  journal: 'the whole journal',
} as const;

function repairText(
  { path }: DataDirectory,
  journals: readonly JournalPlan[],
  { from, entries, refusal }: TablesPlan,
  canStart: boolean,
  nameOf: NameOf,
): string {
  const parts: string[] = [];
  const losses = (title: string, list: readonly LossReport[]): void => {
    if (list.length > 0) parts.push(`${title}\n`, listed(list.map((loss) => lossText(loss, nameOf))));
  };
  for (const { name, steps, cut, damage, lost, canStart: opens } of journals) {
    const title = titleOf(name);
    if (steps.length > 0) parts.push(`${title}: a start would\n`, listed(steps));
    else if (opens) parts.push(`${title}: a start would find nothing to do\n`);
    losses(`${title}: lost by that is what was never acknowledged as synced`, cut);
    if (damage.length === 0) continue;
    parts.push(`${title}: damaged, and nothing is done about it by itself\n`, listed(damage));
    losses(`${title}: what cannot be read any more`, lost);
    parts.push(`Keep a copy of ${path} before anything else.\n`);
  }
  if (from !== null) {
    parts.push(`tables: rebuilt from ${SOURCES[from]} and ${entries} changes that came after\n`);
  }
  if (refusal !== null) parts.push(`tables: they cannot be rebuilt\n`, listed([refusal]));
  if (!canStart) parts.push('A start would refuse.\n');
  return parts.join('');
}

function lossText({ epoch, position, bytes, logs, isAllTold }: LossReport, nameOf: NameOf): string {
  const contents = logs.map((log) => `${nameOf(log.logId)}: ${log.entries} ${entriesText(log)}`);
  const told = logs.length === 0 ? 'what they held cannot be told' : contents.join('; ');
  const more = logs.length > 0 && !isAllTold ? '; perhaps more' : '';
  return `epoch ${epoch} at ${position}, ${bytes} bytes: ${told}${more}`;
}

function entriesText({ entries, firstOffset, lastOffset }: LogLoss): string {
  const noun = entries === 1 ? 'entry' : 'entries';
  return firstOffset === null || lastOffset === null
    ? noun
    : `${noun}, offsets ${firstOffset} to ${lastOffset}`;
}
