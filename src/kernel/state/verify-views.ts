/**
 * A start without its consequences, and the audit of the views: the tables rebuilt from the journal alone must be those that the views and the rest of the
 * journal give. Nothing is written.
 */
import type { KvStore } from '../../storage/kv/kv-store.ts';
import { type ReadableJournal, recoverFromJournal, recoverFromViews } from './recovery.ts';
import type { Recovered } from './state-log.ts';
import type { Table } from './table.ts';

export interface VerifyViewsOptions {
  /** One that was opened for reading will do. */
  readonly journal: ReadableJournal & { readonly start: number; readonly end: number };
  readonly object?: ReadableJournal;
  readonly kv: KvStore | undefined;
  /** New and empty ones at each call. */
  readonly makeTables: () => readonly Table[];
  /** There is nothing to compare: a start would pass the views over, as it may after a crash. */
  readonly onUnused?: (reason: string) => void;
}

const MAX_PROBLEMS = 1000;

/** Resolves with what is wrong, in sentences; views that a start would not use are none, and nothing is wrong. */
export async function verifyViews(options: VerifyViewsOptions): Promise<string[]> {
  const { journal, object, kv, makeTables, onUnused = () => {} } = options;
  const { start, end } = journal;
  const problems: string[] = [];
  const fromJournal = makeTables();
  try {
    await recoverFromJournal(journal, start, object, fromJournal);
  } catch (error) {
    return [`the tables cannot be rebuilt from the journal: ${reasonOf(error)}`];
  }
  if (kv === undefined) {
    onUnused('there are none');
    return [];
  }
  const fromViews = makeTables();
  try {
    const used = await recoverFromViews(journal, end, object, fromViews, kv, {
      info: (fields) => onUnused(reasonIn(fields)),
      warn: (fields, message) => problems.push(`${message}: ${reasonIn(fields)}`),
      error: () => {},
    });
    if (used === undefined) return problems;
  } catch (error) {
    return [`the journal cannot be replayed on top of the views: ${reasonOf(error)}`];
  }
  for (const [index, table] of fromJournal.entries()) {
    const other = fromViews[index];
    if (other === undefined) continue;
    for (const problem of differences(table, other)) {
      if (problems.length === MAX_PROBLEMS) return [...problems, 'and more'];
      problems.push(problem);
    }
  }
  return problems;
}

/** Does to `tables` what a start would; rejects when that would refuse. */
export async function rehearseStart(
  { journal, object, kv }: Omit<VerifyViewsOptions, 'makeTables' | 'onUnused'>,
  tables: readonly Table[],
): Promise<Recovered> {
  const { start, end } = journal;
  const views =
    kv === undefined ? undefined : await recoverFromViews(journal, end, object, tables, kv, undefined);
  return views ?? recoverFromJournal(journal, start, object, tables);
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function* differences(table: Table, other: Table): Generator<string> {
  if (table.differences === undefined) yield* pageDifferences(table, other);
  else for (const problem of table.differences(other)) yield `table "${table.name}": ${problem}`;
}

function* pageDifferences(table: Table, other: Table): Generator<string> {
  const keys = new Map<string, Uint8Array>();
  for (const each of [table, other]) for (const key of each.pageKeys()) keys.set(hexOf(key), key);
  for (const [name, key] of keys) {
    const [right, found] = [table.page(key), other.page(key)];
    if (right === undefined && found === undefined) continue;
    const which = `table "${table.name}", page ${name}: the view`;
    if (right === undefined) yield `${which} has what the journal does not have`;
    else if (found === undefined) yield `${which} lacks what the journal has`;
    else if (Buffer.compare(right, found) !== 0) yield `${which} ${howTheyDiffer(right, found)}`;
  }
}

function howTheyDiffer(right: Uint8Array, found: Uint8Array): string {
  const at = right.findIndex((byte, i) => byte !== found[i]);
  const from = at === -1 ? right.length : at;
  const lengths =
    right.length === found.length
      ? `${right.length} bytes`
      : `${found.length} bytes instead of ${right.length}`;
  return `gives another page than the journal: ${lengths}, different from byte ${from} on`;
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const reasonIn = (fields: object): string =>
  'err' in fields ? reasonOf(fields.err) : 'reason' in fields ? reasonOf(fields.reason) : '';
