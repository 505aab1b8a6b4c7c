// Output memory: blocks of 16 KiB with reference counts, and two bump cursors that cut regions from them. A block is
// free again when no span that is waiting or being written, and no open region, lies in it. Connections whose write is
// stuck take their regions from a cursor of their own, so that they pin each other's blocks and nobody else's.

import { BLOCK_BYTES, BLOCK_SHIFT } from './layout';

let blockBase: usize = 0;
let references: usize = 0;
let freeHead: u32 = 0; // block number + 1
let untouched: i32 = 0; // blocks from here on were never used: their memory costs nothing yet

export let blocksTotal: i32 = 0;
export let blocksFree: i32 = 0;

// The two cursors, by kind: 0 = flowing, 1 = stalled.
let position0: usize = 0;
let end0: usize = 0;
let position1: usize = 0;
let end1: usize = 0;

/** End of the region cut by the last `cutRegion`. */
export let regionEnd: usize = 0;

export function initBlocks(base: usize, count: i32, referenceCounts: usize): void {
  blockBase = base;
  references = referenceCounts;
  blocksTotal = count;
  blocksFree = count;
  freeHead = 0;
  untouched = 0;
  position0 = end0 = position1 = end1 = 0;
}

// @ts-ignore: decorator
@inline
function counterOf(address: usize): usize {
  return references + (((address - blockBase) >> BLOCK_SHIFT) << 2);
}

// @ts-ignore: decorator
@inline
export function retain(address: usize): void {
  const counter = counterOf(address);
  store<u32>(counter, load<u32>(counter) + 1);
}

/** `address` is any byte of the block, never its end. */
export function release(address: usize): void {
  const counter = counterOf(address);
  const left = load<u32>(counter) - 1;
  assert(left != u32.MAX_VALUE);
  store<u32>(counter, left);
  if (left == 0) {
    const block = (address - blockBase) >> BLOCK_SHIFT;
    store<u32>(blockBase + (block << BLOCK_SHIFT), freeHead);
    freeHead = <u32>block + 1;
    blocksFree++;
  }
}

function takeBlock(): usize {
  let block: usize;
  if (freeHead != 0) {
    block = freeHead - 1;
    freeHead = load<u32>(blockBase + (block << BLOCK_SHIFT));
  } else if (untouched < blocksTotal) {
    block = untouched++;
  } else {
    return 0;
  }
  blocksFree--;
  const address = blockBase + (block << BLOCK_SHIFT);
  store<u32>(references + (block << 2), 1); // the cursor's own reference
  return address;
}

/**
 * Cuts a region of up to `wanted` bytes (at least `least`) and takes a reference on its block for the caller.
 * Returns its start, 0 when there is no block left; its end is in `regionEnd`.
 */
export function cutRegion(wanted: i32, least: i32, stalled: bool): usize {
  let position = stalled ? position1 : position0;
  let end = stalled ? end1 : end0;
  let room = <i32>(end - position);
  if (room < least) {
    const fresh = takeBlock();
    if (fresh == 0) return 0;
    if (end != 0) release(end - 1);
    position = fresh;
    end = fresh + BLOCK_BYTES;
    room = BLOCK_BYTES;
    if (stalled) end1 = end;
    else end0 = end;
  }
  const size = min(wanted, room);
  retain(position);
  regionEnd = position + size;
  if (stalled) position1 = regionEnd;
  else position0 = regionEnd;
  return position;
}

// A region that ends with its block has the same end address as an untouched next block starts with, so comparing
// addresses is not enough: the byte before must lie in the cursor's block too.
// @ts-ignore: decorator
@inline
function isLastCut(end: usize, position: usize, blockEnd: usize): bool {
  return end == position && (end - 1) >> BLOCK_SHIFT == (blockEnd - 1) >> BLOCK_SHIFT;
}

/** Makes the region that ends at `end` longer in place when nothing was cut behind it. Returns the new end. */
export function extendRegion(end: usize, by: i32): usize {
  if (isLastCut(end, position0, end0)) {
    position0 = min<usize>(end0, end + by);
    return position0;
  }
  if (isLastCut(end, position1, end1)) {
    position1 = min<usize>(end1, end + by);
    return position1;
  }
  return end;
}

/** Gives back the unused rest of a region where it was the last one cut. */
export function trimRegion(used: usize, end: usize): void {
  if (isLastCut(end, position0, end0)) position0 = used;
  else if (isLastCut(end, position1, end1)) position1 = used;
}
