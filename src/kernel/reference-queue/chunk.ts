/**
 * One chunk of a queue: a slot for each place, and a head. The options of a delivery are nearly always those of the one
 * before, so the head has them once for all places; from the first delivery on whose options differ, a second chunk has
 * them by place, and the head says which chunk that is.
 *
 * Every layout constant is of this module alone: an engine does not fold constants that are imported, and this is where
 * each delivery passes.
 */
import type { ChunkPool } from './chunk-pool.ts';

/** In place of the slot. Slots are below it. */
const SETTLED = 0xffffffff;
/** Words of the head: the options, or the chunk that has them; how many places are settled, with `MIXED` above. */
const OPTIONS = 0;
const STATE = 1;
/** The options are in a second chunk. Counts are below it. */
const MIXED = 0x80;

export function takeChunk(pool: ChunkPool): number {
  const id = pool.take();
  pool.pageOf(id)[pool.headOf(id) + STATE] = 0;
  return id;
}

export function freeChunk(pool: ChunkPool, id: number): void {
  const page = pool.pageOf(id);
  const head = pool.headOf(id);
  if (page[head + STATE] >= MIXED) pool.free(page[head + OPTIONS]);
  pool.free(id);
}

/** `place` is the first that has no delivery yet. */
export function putDelivery(pool: ChunkPool, id: number, place: number, slot: number, options: number): void {
  const page = pool.pageOf(id);
  const head = pool.headOf(id);
  page[pool.slotsOf(id) + place] = slot;
  const state = page[head + STATE];
  if (state >= MIXED) {
    const own = page[head + OPTIONS];
    pool.pageOf(own)[pool.slotsOf(own) + place] = options;
  } else if (page[head + OPTIONS] !== options) {
    // When all places before it are settled, nobody asks for their options.
    if (state === place) page[head + OPTIONS] = options;
    else giveOwnOptions(pool, id, place, options);
  }
}

function giveOwnOptions(pool: ChunkPool, id: number, place: number, options: number): void {
  const page = pool.pageOf(id);
  const head = pool.headOf(id);
  const own = pool.take();
  const words = pool.pageOf(own);
  const start = pool.slotsOf(own);
  for (let at = start; at < start + place; at++) words[at] = page[head + OPTIONS];
  words[start + place] = options;
  page[head + OPTIONS] = own;
  page[head + STATE] += MIXED;
}

/** -1 for what is settled. */
export function slotOf(pool: ChunkPool, id: number, place: number): number {
  const slot = pool.pageOf(id)[pool.slotsOf(id) + place];
  return slot === SETTLED ? -1 : slot;
}

/** Of a delivery that is settled, anything. */
export function optionsOf(pool: ChunkPool, id: number, place: number): number {
  const page = pool.pageOf(id);
  const head = pool.headOf(id);
  const options = page[head + OPTIONS];
  return page[head + STATE] < MIXED ? options : pool.pageOf(options)[pool.slotsOf(options) + place];
}

/** How many are settled now; 0 when this one was before. */
export function settlePlace(pool: ChunkPool, id: number, place: number): number {
  const page = pool.pageOf(id);
  const at = pool.slotsOf(id) + place;
  if (page[at] === SETTLED) return 0;
  page[at] = SETTLED;
  return ++page[pool.headOf(id) + STATE] & (MIXED - 1);
}

/** The first place from `place` on and before `end` that is not settled; `end` when there is none. */
export function nextWaiting(pool: ChunkPool, id: number, place: number, end: number): number {
  const page = pool.pageOf(id);
  const slots = pool.slotsOf(id);
  let at = place;
  while (at < end && page[slots + at] === SETTLED) at++;
  return at;
}

/** The places of a full chunk from `start` on go to the begin of a chunk of `to`: of this one when it is of `to`. */
export function moveChunk(from: ChunkPool, id: number, start: number, to: ChunkPool): number {
  const page = from.pageOf(id);
  const head = from.headOf(id);
  const isMixed = page[head + STATE] >= MIXED;
  const options = isMixed ? movePlaces(from, page[head + OPTIONS], start, to) : page[head + OPTIONS];
  const moved = movePlaces(from, id, start, to);
  const target = to.pageOf(moved);
  let settled = 0;
  for (let place = 0; place < from.places - start; place++) {
    if (target[to.slotsOf(moved) + place] === SETTLED) settled++;
  }
  target[to.headOf(moved) + OPTIONS] = options;
  target[to.headOf(moved) + STATE] = isMixed ? MIXED + settled : settled;
  return moved;
}

function movePlaces(from: ChunkPool, id: number, start: number, to: ChunkPool): number {
  const source = from.pageOf(id);
  const begin = from.slotsOf(id);
  const moved = to === from ? id : to.take();
  const target = to.pageOf(moved);
  let out = to.slotsOf(moved);
  for (let at = begin + start; at < begin + from.places; at++) target[out++] = source[at];
  if (to !== from) from.free(id);
  return moved;
}
