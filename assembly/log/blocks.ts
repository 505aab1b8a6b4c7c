// Blocks of the growing memory, within a limit that is exact: what would exceed it is refused.

import { allocate, classFor, heapLiveBytes, release } from '../lib/heap';

let limitBytes: u32 = 0;

export function setLimit(bytes: u32): void {
  limitBytes = bytes;
}

/** A block of at least `bytes` (the class is `classFor(bytes)`), or 0. */
export function takeBlock(bytes: u32): usize {
  const sizeClass = classFor(bytes);
  if (<u64>heapLiveBytes() + ((<u64>1) << sizeClass) > <u64>limitBytes) return 0;
  return allocate(sizeClass);
}

/** Moves the first `keepBytes` of a block of class `oldClass` to a larger one and frees it; 0 = no room, nothing changed. */
export function growBlock(block: usize, oldClass: u32, bytes: u32, keepBytes: u32): usize {
  const larger = takeBlock(bytes);
  if (larger == 0) return 0;
  memory.copy(larger, block, keepBytes);
  release(<u32>block, oldClass);
  return larger;
}
