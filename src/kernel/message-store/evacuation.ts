/** Bodies that still have references leave a range of the journal: they are appended again, as they are. */
import type { StateLog } from '../state/state-log.ts';
import { TableId } from '../state/table.ts';
import { decodeBody, encodeBatchOfOne, isBatchedBody } from './body.ts';
import { readEntries } from './loader.ts';
import { type SlotTable, State } from './slot-table.ts';

/** Read, and waiting to be written, at once. */
const BATCH_BYTES = 1024 * 1024;

/**
 * Resolves when nothing that is referenced has its place in `[start, end)`; what was appended may not be synced yet.
 * Rejects when a body cannot be read or written; those before it have moved.
 */
export async function evacuateBodies(
  log: StateLog,
  table: SlotTable,
  start: number,
  end: number,
  place: (slot: number, position: number, offset: number) => void,
): Promise<void> {
  const { positions, offsets } = table;
  const slots = table.places.slotsIn(start, end, positions);
  slots.sort((a, b) => positions[a] - positions[b] || offsets[a] - offsets[b]);
  const isInRange = (slot: number) =>
    table.states[slot] === State.Placed && positions[slot] >= start && positions[slot] < end;
  for (let from = 0; from < slots.length; ) {
    const batch: number[] = [];
    for (let bytes = 0; from < slots.length && bytes < BATCH_BYTES; from++) {
      // Another message may have the slot by now; in the range it is one that has to leave, too.
      if (!isInRange(slots[from])) continue;
      batch.push(slots[from]);
      bytes += table.lengths[slots[from]];
    }
    await move(log, table, batch, place);
  }
}

async function move(
  log: StateLog,
  table: SlotTable,
  slots: readonly number[],
  place: (slot: number, position: number, offset: number) => void,
): Promise<void> {
  const written: Promise<Error | undefined>[] = [];
  const append = (slot: number, body: Uint8Array): Promise<Error | undefined> => {
    const id = table.ids[slot];
    const entry = isBatchedBody(body) ? encodeBatchOfOne(id, body) : body;
    const offset = log.add(TableId.Messages, entry) + entry.length - body.length;
    return new Promise((resolve) => {
      const done = (error: Error | undefined, position: number) => {
        const isStill = table.ids[slot] === id && table.states[slot] === State.Placed;
        if (error === undefined && isStill) place(slot, position, offset);
        resolve(error);
      };
      // It makes room: it goes on when the disk is nearly full.
      log.commit('os', done, true);
    });
  };
  const [read] = await Promise.allSettled([
    readEntries(log, table, slots, (slot, entry) => {
      if (decodeBody(table.ids[slot], entry) === undefined) return false;
      written.push(append(slot, entry));
      return true;
    }),
  ]);
  const failed = (await Promise.all(written)).find((error) => error !== undefined);
  if (failed !== undefined) throw failed;
  if (read.status === 'rejected') throw read.reason;
}
