/**
 * Reads entries back from the journal: those that lie close together in a frame at once, a few reads at a time. What is
 * freed or moved to another place while it is read is none of the reader's errors.
 */
import type { StateLog } from '../state/state-log.ts';
import { type SlotTable, State } from './slot-table.ts';

const MAX_GAP_BYTES = 4096;
const MAX_READ_BYTES = 1024 * 1024;
const READS_AT_ONCE = 4;

/** Bodies that cannot be read, or are not what they should be. The slots stay as they are. */
export class MessageUnreadable extends Error {
  override readonly name = 'MessageUnreadable';
  readonly position: number;
  readonly offset: number;
  readonly slots: readonly number[];

  constructor(position: number, offset: number, slots: readonly number[], why: string, cause?: Error) {
    super(
      `the messages at ${offset} of the frame at ${position} of the journal cannot be read: ${why}`,
      cause && { cause },
    );
    this.position = position;
    this.offset = offset;
    this.slots = slots;
  }
}

interface Wanted {
  readonly slot: number;
  readonly id: number;
  readonly offset: number;
  readonly length: number;
}

interface Run {
  readonly position: number;
  readonly start: number;
  readonly end: number;
  readonly wanted: readonly Wanted[];
}

/** False when the entry is not what it should be. `entry` is borrowed. */
export type OnEntry = (slot: number, entry: Uint8Array) => boolean;

/** Reads all that it can; then rejects with the first `MessageUnreadable`, if there was one. */
export async function readEntries(
  log: StateLog,
  table: SlotTable,
  slots: readonly number[],
  onEntry: OnEntry,
): Promise<void> {
  const runs = runsOf(table, slots).values();
  let failure: MessageUnreadable | undefined;
  const worker = async () => {
    for (const run of runs) {
      const error = await readRun(log, table, run, onEntry);
      failure ??= error;
    }
  };
  await Promise.all(Array.from({ length: READS_AT_ONCE }, worker));
  if (failure !== undefined) throw failure;
}

async function readRun(
  log: StateLog,
  table: SlotTable,
  run: Run,
  onEntry: OnEntry,
): Promise<MessageUnreadable | undefined> {
  const { position, start, end, wanted } = run;
  let bytes: Uint8Array;
  try {
    bytes = await log.read(position, start, end - start);
  } catch (error) {
    return onFailure(log, table, run, onEntry, error instanceof Error ? error : new Error(String(error)));
  }
  let failure: MessageUnreadable | undefined;
  for (const { slot, id, offset, length } of wanted) {
    if (!isStill(table, slot, id)) continue;
    const entry = bytes.subarray(offset - start, offset - start + length);
    if (entry.length === length && onEntry(slot, entry)) continue;
    failure ??= new MessageUnreadable(position, offset, [slot], `it is not the body of message ${id}`);
  }
  return failure;
}

/** A body may have been evacuated, and its old place be gone, before the read came to it. */
async function onFailure(
  log: StateLog,
  table: SlotTable,
  { position, start, wanted }: Run,
  onEntry: OnEntry,
  cause: Error,
): Promise<MessageUnreadable | undefined> {
  const there = wanted.filter(({ slot, id }) => isStill(table, slot, id)).map(({ slot }) => slot);
  const moved = there.filter((slot) => table.positions[slot] !== position);
  const left = there.filter((slot) => table.positions[slot] === position);
  let failure =
    left.length === 0 ? undefined : new MessageUnreadable(position, start, left, cause.message, cause);
  for (const run of runsOf(table, moved)) {
    const error = await readRun(log, table, run, onEntry);
    failure ??= error;
  }
  return failure;
}

function isStill(table: SlotTable, slot: number, id: number): boolean {
  return table.ids[slot] === id && table.states[slot] === State.Placed;
}

function runsOf({ ids, positions, offsets, lengths }: SlotTable, slots: readonly number[]): Run[] {
  const sorted = slots.toSorted((a, b) => positions[a] - positions[b] || offsets[a] - offsets[b]);
  const runs: Run[] = [];
  let wanted: Wanted[] = [];
  let position = -1;
  let start = 0;
  let end = 0;
  for (const slot of sorted) {
    const offset = offsets[slot];
    const next = offset + lengths[slot];
    const isNear =
      positions[slot] === position && offset - end <= MAX_GAP_BYTES && next - start <= MAX_READ_BYTES;
    if (!isNear || wanted.length === 0) {
      if (wanted.length > 0) runs.push({ position, start, end, wanted });
      wanted = [];
      position = positions[slot];
      start = offset;
    }
    wanted.push({ slot, id: ids[slot], offset, length: lengths[slot] });
    end = next;
  }
  if (wanted.length > 0) runs.push({ position, start, end, wanted });
  return runs;
}
