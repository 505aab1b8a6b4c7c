/**
 * Which partitions have their records in the object store, written there beside them: one small record of the object
 * storage's journal, of which the newest counts. By it a node whose disk was lost finds its partitions again. What only
 * the disk knew is made up for from the records: a partition starts at the first that is left, and what lies between two
 * of them was removed by retention or compaction.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { JournalRecord } from '../../storage/journal/group.ts';
import type { Journal } from '../../storage/journal/journal.ts';
import { batchSpan } from '../../storage/records/batch-header.ts';
import { ByteReader, ByteWriter } from '../binary.ts';
import type { StateLog } from '../state/state-log.ts';
import { TableId } from '../state/table.ts';
import {
  encodeEntry,
  type PartitionEntry,
  PartitionPageUnknown,
  readPartition,
  writePartition,
} from './entries.ts';
import type { NewPartition } from './partition.ts';
import type { PartitionTable } from './partition-table.ts';

/** In the object storage's journal; partitions have ids from 1024 on. */
export const CATALOGUE_LOG = 4;
const VERSION = 1;

export function encodeCatalogue(partitions: readonly NewPartition[]): Uint8Array {
  const to = new ByteWriter(16 + 64 * partitions.length).u8(VERSION).uint(partitions.length);
  for (const each of partitions) writePartition(to, each);
  return to.finish();
}

export function decodeCatalogue(bytes: Uint8Array): NewPartition[] {
  const from = new ByteReader(bytes);
  const version = from.u8();
  const partitions = Array.from({ length: from.count(5) }, () => readPartition(from));
  if (version !== VERSION || !from.isComplete) {
    throw new PartitionPageUnknown('the catalogue of partitions in the object store is not readable');
  }
  return partitions;
}

export interface CatalogueOptions {
  readonly journal: Journal;
  readonly stateLog: () => StateLog;
  readonly state: PartitionTable;
}

export interface Catalogue {
  /** As the table is by then; once for all who ask in a turn. Resolves when the object store has it. */
  write(): Promise<void>;
  liveBytes(start: number, end: number): number;
  evacuate(start: number, end: number): Promise<void>;
  /** Partitions that the object store has and the table has not. Reads the index of each segment. */
  missing(): Promise<NewPartition[]>;
  /** Into the table, with their records, under the names given. Durable when the promise resolves. */
  adopt(partitions: readonly NewPartition[]): Promise<void>;
}

/** Stretches of offsets that have records, in order. */
function merged(spans: readonly [number, number][]): [number, number][] {
  const sorted = spans.toSorted((a, b) => a[0] - b[0]);
  const found: [number, number][] = [];
  for (const [from, end] of sorted) {
    const last = found.at(-1);
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], end);
    else found.push([from, end]);
  }
  return found;
}

export function createCatalogue({ journal, stateLog, state }: CatalogueOptions): Catalogue {
  let position = -1;
  let bytes = 0;
  let writing: Promise<void> | undefined;

  function add(): void {
    const payload = encodeCatalogue([...state.all()].filter(({ storage }) => storage === 'object'));
    stateLog().addRecord('object', { logId: CATALOGUE_LOG, stripe: 0, payload }, (at) => {
      position = at;
      bytes = payload.byteLength;
    });
  }

  const committed = (apply: () => void = () => {}): Promise<void> =>
    new Promise((resolve, reject) => {
      const done = (error: Error | undefined): void => {
        if (error === undefined) {
          apply();
          resolve();
        } else reject(error);
      };
      stateLog().commit('sync', done, true, 'object');
    });

  function write(): Promise<void> {
    writing ??= turn().then(() => {
      writing = undefined;
      add();
      return committed();
    });
    return writing;
  }

  const isIn = (start: number, end: number): boolean => position >= start && position < end;

  async function offsetsOf(ids: ReadonlySet<number>): Promise<Map<number, [number, number][]>> {
    const spans = new Map<number, [number, number][]>([...ids].map((id) => [id, []]));
    for await (const records of journal.replay(0)) {
      for (const { logId, payload } of records) {
        const known = spans.get(logId);
        const span = known && batchSpan(payload);
        if (known === undefined || span === undefined) continue;
        const last = known.at(-1);
        const { baseOffset, lastOffset } = span;
        if (last?.[1] === baseOffset) last[1] = lastOffset + 1;
        else known.push([baseOffset, lastOffset + 1]);
      }
    }
    return spans;
  }

  return {
    write,
    liveBytes: (start, end) => (isIn(start, end) ? bytes : 0),
    async evacuate(start, end) {
      if (isIn(start, end)) await write();
    },
    async missing() {
      let newest: JournalRecord | undefined;
      for (let at = 0; ; ) {
        const { records, next } = await journal.read(CATALOGUE_LOG, at, 1 << 20);
        if (records.length === 0) break;
        newest = records.at(-1);
        at = next;
      }
      const known = new Set([...state.all()].map(({ logId }) => logId));
      if (newest === undefined) return [];
      position = newest.position;
      bytes = newest.payload.byteLength;
      return decodeCatalogue(newest.payload).filter(({ logId }) => !known.has(logId));
    },
    async adopt(partitions) {
      if (partitions.length === 0) return;
      const ids = new Set(partitions.map(({ logId }) => logId));
      const offsets = await offsetsOf(ids);
      const entries = partitions.flatMap((made): PartitionEntry[] => {
        const { logId } = made;
        const stretches = merged(offsets.get(logId) ?? []);
        const removed = stretches.slice(1).map(([end], i): PartitionEntry => {
          return { kind: 'removed', logId, from: stretches[i]?.[1] ?? end, end };
        });
        const offset = stretches[0]?.[0] ?? 0;
        return [{ kind: 'create', ...made }, { kind: 'start', logId, offset }, ...removed];
      });
      for (const entry of entries) stateLog().add(TableId.Partitions, encodeEntry(entry));
      await committed(() => {
        for (const entry of entries) state.apply(entry);
      });
      for await (const records of journal.replay(0)) {
        for (const record of records) if (ids.has(record.logId)) state.observe(record, 'object');
      }
      await write();
    },
  };
}
