/** Messages that came together, on their way into the store: one copy of their bodies, one entry, a slot for each. */
import { BATCH_HEAD_BYTES, writeBatchHead } from './body.ts';
import type { BodySlabs } from './body-slabs.ts';
import { type SlotTable, State } from './slot-table.ts';

const NOTHING = new Uint8Array(0);

/** Used again and again: what it has is that of the last time it was filled. */
export class BodyBatch {
  count = 0;
  firstId = 0;
  /** Of the first `count` messages, in order. */
  slots = new Uint32Array(64);
  /** Of all bodies, as the store counts them. */
  bytes = 0;
  /** What is journaled; borrowed, until the next batch. */
  entry: Uint8Array = NOTHING;
  /** Of the entry in its slab. */
  begin = 0;
}

export interface Bodies {
  readonly bodies: Uint8Array;
  readonly count: number;
  readonly firstId: number;
  /** Of each. */
  readonly references: number;
}

export function fillBatch(
  batch: BodyBatch,
  table: SlotTable,
  slabs: BodySlabs,
  { bodies, count, firstId, references }: Bodies,
): void {
  if (batch.slots.length < count) batch.slots = new Uint32Array(count * 2);
  const { slots } = batch;
  const slab = slabs.slabFor(BATCH_HEAD_BYTES + bodies.length);
  const to = slab.bytes ?? NOTHING;
  const begin = slab.used;
  let at = writeBatchHead(to, begin, firstId, count);
  to.set(bodies, at);
  slab.used = at + bodies.length;
  batch.count = count;
  batch.firstId = firstId;
  batch.begin = begin;
  batch.entry = to.subarray(begin, slab.used);
  batch.bytes = 0;
  for (let i = 0; i < count; i++) {
    let length = to[at++];
    if (length >= 0x80) {
      length &= 0x7f;
      for (let shift = 7; ; shift += 7) {
        const byte = to[at++];
        length |= (byte & 0x7f) << shift;
        if (byte < 0x80) break;
      }
    }
    const slot = table.allocate(firstId + i, State.New);
    table.setLength(slot, length);
    table.references[slot] = references;
    slabs.hold(slot, slab, at);
    slots[i] = slot;
    batch.bytes += length;
    at += length;
  }
}
