/**
 * The audit of the views: the tables rebuilt from the journal alone must be those that the views and the rest of the
 * journal give. Nothing is written.
 */
import type { KvStore } from '../../storage/kv/kv-store.ts';
import { type ReadableJournal, recoverFromJournal, recoverFromViews } from './recovery.ts';
import type { Table } from './table.ts';

export interface VerifyViewsOptions {
  /** One that was opened for reading will do. */
  readonly journal: ReadableJournal & { readonly start: number; readonly end: number };
  readonly object?: ReadableJournal;
  readonly kv: KvStore | undefined;
  /** New and empty ones at each call. */
  readonly makeTables: () => readonly Table[];
}

const MAX_PROBLEMS = 1000;

/** Resolves with what is wrong, in sentences; views that a start would not use are none, and nothing is wrong. */
export async function verifyViews(options: VerifyViewsOptions): Promise<string[]> {
  const { journal, object, kv, makeTables } = options;
  const { start, end } = journal;
  const problems: string[] = [];
  const fromJournal = makeTables();
  try {
    await recoverFromJournal(journal, start, object, fromJournal);
  } catch (error) {
    return [`the tables cannot be rebuilt from the journal: ${reasonOf(error)}`];
  }
  if (kv === undefined) return [];
  const fromViews = makeTables();
  try {
    const used = await recoverFromViews(journal, end, object, fromViews, kv, {
      info: () => {},
      warn: (fields, message) => problems.push(`${message} (${JSON.stringify(fields)})`),
      error: () => {},
    });
    if (used === undefined) return problems;
  } catch (error) {
    return [`the journal cannot be replayed on top of the views: ${reasonOf(error)}`];
  }
  for (const [index, table] of fromJournal.entries()) {
    const other = fromViews[index];
    if (other === undefined) continue;
    for (const problem of table.differences?.(other) ?? pageDifferences(table, other)) {
      if (problems.length === MAX_PROBLEMS) return [...problems, 'and more'];
      problems.push(problem);
    }
  }
  return problems;
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function* pageDifferences(table: Table, other: Table): Generator<string> {
  const keys = new Map<string, Uint8Array>();
  for (const each of [table, other]) for (const key of each.pageKeys()) keys.set(hexOf(key), key);
  for (const [name, key] of keys) {
    const [mine, theirs] = [table.page(key), other.page(key)];
    if (mine === undefined && theirs === undefined) continue;
    const which = `the view of table "${table.name}", page ${name},`;
    if (mine === undefined) yield `${which} has what the journal does not have`;
    else if (theirs === undefined) yield `${which} lacks what the journal has`;
    else if (Buffer.compare(mine, theirs) !== 0) yield `${which} differs from the journal`;
  }
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
