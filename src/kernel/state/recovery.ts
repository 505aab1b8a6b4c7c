/** Rebuilds the tables: pages first, then what the journal has behind the place that they are good for. */
import { setImmediate as turn } from 'node:timers/promises';
import type { JournalRecord } from '../../storage/journal/group.ts';
import type { JournalReading } from '../../storage/journal/reading.ts';
import type { KvStore } from '../../storage/kv/kv-store.ts';
import { StateLogDamaged } from './errors.ts';
import {
  type CycleSummary,
  decodeMark,
  MARK_LOG,
  type Mark,
  PAGE_LOG,
  STATE_LOG,
  walkEntries,
  walkPages,
} from './frame-format.ts';
import type { Recovered, StateLogger } from './state-log.ts';
import type { Table } from './table.ts';
import { loadViews, readHead, type ViewsHead } from './views.ts';

export type ReadableJournal = Pick<JournalReading, 'read' | 'replay'>;

/** Bytes between two turns of the event loop. */
const SLICE_BYTES = 4 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;

/** All records of one log from a position on. */
export async function* recordsOf(
  journal: ReadableJournal,
  logId: number,
  from: number,
): AsyncGenerator<JournalRecord> {
  for (let at = from; ; ) {
    const { records, next } = await journal.read(logId, at, READ_BYTES);
    if (records.length === 0) return;
    yield* records;
    at = next;
  }
}

export interface Cycle extends CycleSummary {
  /** Position of its last mark. */
  readonly end: number;
}

/** The newest snapshot cycle that was finished, among the marks from a position on. */
export async function findCycle(journal: ReadableJournal, from: number): Promise<Cycle | undefined> {
  let found: Cycle | undefined;
  for await (const { payload, position } of recordsOf(journal, MARK_LOG, from)) {
    const mark: Mark = decodeMark(payload, position);
    if (mark.kind === 'end') {
      const { begin, objectPosition, bytes } = mark;
      found = { begin, objectPosition, bytes, end: position };
    }
  }
  return found;
}

export function tablesById(tables: readonly Table[]): ReadonlyMap<number, Table> {
  const byId = new Map(tables.map((table) => [table.id, table]));
  if (byId.size !== tables.length) throw new Error('two tables have the same number');
  for (const { id, name } of tables) {
    if (!Number.isInteger(id) || id < 1 || id > 255)
      throw new Error(`${id} is no number of a table (${name})`);
  }
  return byId;
}

function tableOf(tables: ReadonlyMap<number, Table>, id: number, position: number): Table {
  const table = tables.get(id);
  if (table === undefined) {
    throw new StateLogDamaged(position, `it has table ${id}, which this program does not know`);
  }
  return table;
}

/** Returns the number of pages. */
export async function loadCycle(
  journal: ReadableJournal,
  tables: ReadonlyMap<number, Table>,
  { begin, end }: Cycle,
): Promise<number> {
  let pages = 0;
  for await (const { payload, position } of recordsOf(journal, PAGE_LOG, begin)) {
    if (position > end) break;
    walkPages(payload, position, ({ table, key, page }, stamp) => {
      tableOf(tables, table, position).load(key, page, stamp);
      pages++;
    });
    await turn();
  }
  return pages;
}

export interface Replayed {
  readonly entries: number;
  readonly bytes: number;
}

export async function replayFrom(
  journal: ReadableJournal,
  tables: ReadonlyMap<number, Table>,
  from: number,
): Promise<Replayed> {
  const observers = [...tables.values()].filter((table) => table.observe !== undefined);
  /** By number, which is faster than the map. */
  const byId = Array.from({ length: 256 }, (_, id) => tables.get(id));
  let entries = 0;
  let bytes = 0;
  let slice = 0;
  for await (const records of journal.replay(from)) {
    for (const record of records) {
      const { logId, payload, position } = record;
      slice += payload.byteLength;
      if (logId === STATE_LOG) {
        bytes += payload.byteLength;
        walkEntries(payload, position, (id, entry, place) => {
          entries++;
          (byId[id] ?? tableOf(tables, id, position)).apply(entry, place);
        });
      } else if (logId !== MARK_LOG && logId !== PAGE_LOG) {
        for (const table of observers) table.observe?.(record, 'journal');
      }
    }
    if (slice >= SLICE_BYTES) {
      slice = 0;
      await turn();
    }
  }
  return { entries, bytes };
}

/** Records of the object storage's journal, for the tables that index logs. */
export async function observeObjects(
  journal: ReadableJournal | undefined,
  tables: readonly Table[],
  from: number,
): Promise<void> {
  if (journal === undefined) return;
  const observers = tables.filter((table) => table.observe !== undefined);
  for await (const records of journal.replay(from)) {
    for (const record of records) for (const table of observers) table.observe?.(record, 'object');
  }
}

export interface Start extends Recovered {
  /** The newest complete snapshot cycle. */
  readonly cycle: CycleSummary | undefined;
  /** What the views hold on to, when they were used. */
  readonly views: ViewsHead | undefined;
}

/** From the journal alone: the newest complete snapshot cycle, or all of it. */
export async function recoverFromJournal(
  journal: ReadableJournal,
  start: number,
  object: ReadableJournal | undefined,
  tables: readonly Table[],
): Promise<Start> {
  const byId = tablesById(tables);
  const cycle = await findCycle(journal, start);
  const pages = cycle === undefined ? 0 : await loadCycle(journal, byId, cycle);
  const position = cycle?.begin ?? start;
  const { entries } = await replayFrom(journal, byId, position);
  await observeObjects(object, tables, cycle?.objectPosition ?? 0);
  for (const table of tables) table.recovered?.();
  const from = cycle === undefined ? 'journal' : 'snapshot';
  return { from, position, pages, entries, cycle, views: undefined };
}

/** From the views and what the journal has behind them; undefined when there are none that can be used. */
export async function recoverFromViews(
  journal: ReadableJournal,
  end: number,
  object: ReadableJournal | undefined,
  tables: readonly Table[],
  kv: KvStore,
  logger: StateLogger | undefined,
): Promise<Start | undefined> {
  const byId = tablesById(tables);
  let views: ViewsHead;
  let cycle: CycleSummary | undefined;
  let pages: number;
  try {
    const head = await readHead(kv);
    const newer = head === undefined ? undefined : await findCycle(journal, head.position);
    if (head === undefined) {
      logger?.info({}, 'no views so far: the journal alone is replayed');
      return undefined;
    }
    const reason = await whyUnusable(journal, end, head, newer);
    if (reason !== undefined) {
      const isUsual = typeof reason === 'string';
      const what = { reason: isUsual ? reason : reason.alarming };
      logger?.[isUsual ? 'info' : 'warn'](what, 'the views cannot be used: the journal alone is replayed');
      return undefined;
    }
    views = head;
    cycle = newer ?? head.cycle;
    pages = await loadViews(kv, byId);
  } catch (error) {
    // Pages that were loaded do no harm: they are no newer than the journal, which is replayed on top of them.
    logger?.warn({ err: error }, 'the views cannot be read: the journal alone is replayed');
    return undefined;
  }
  const { entries } = await replayFrom(journal, byId, views.position);
  await observeObjects(object, tables, views.objectPosition);
  for (const table of tables) table.recovered?.();
  return { from: 'views', position: views.position, pages, entries, cycle, views };
}

/** What no crash leaves: something was lost that had been made to last. */
interface Alarm {
  readonly alarming: string;
}

async function whyUnusable(
  journal: ReadableJournal,
  end: number,
  head: ViewsHead,
  newer: Cycle | undefined,
): Promise<string | Alarm | undefined> {
  if (head.needs > end) {
    return {
      alarming: `they are ahead of the journal: they hold what it had up to position ${head.needs}, and it ends at ${end}`,
    };
  }
  // Below the begin of a complete cycle the journal can have been removed.
  if (newer !== undefined && newer.begin > head.position) return 'they are older than the newest snapshot';
  for await (const { position, payload } of recordsOf(journal, MARK_LOG, head.position)) {
    if (position !== head.position) break;
    const mark = decodeMark(payload, position);
    if (mark.kind === 'checkpoint' && Buffer.compare(mark.id, head.id) === 0) return undefined;
    break;
  }
  return {
    alarming: `they belong to another journal, or to a part of it that is gone: there is no checkpoint of theirs at position ${head.position}`,
  };
}
