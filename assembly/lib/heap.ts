/**
 * Blocks of a power of two of bytes over the module's own growing memory.
 *
 * A free block is split when a smaller one is needed and never joined again, so memory is bounded by the sum over the
 * sizes of the largest demand each has had: tables that double leave room which small blocks then use. Blocks are
 * aligned to their size, up to 64 KiB. The caller knows the size of what it frees; nothing is stored per block.
 *
 * When memory can grow no further `allocate` traps: callers that add things check `isHeapFull` first, and the limit
 * must be well below what the memory can grow to (half, since a table doubles).
 */

/** 2^4 bytes is the smallest block. */
const MIN_CLASS: u32 = 4;
/** 2^16: what is taken from memory at once for smaller blocks. */
const CHUNK_CLASS: u32 = 16;
const PAGE_BYTES: u32 = 65536;
/** 256 MiB: below it memory doubles, from four times that on it grows by a quarter. */
const LARGE_STEP_PAGES: u32 = 4096;

/** Heads of the free lists by class; bit c of `available` says that list c is not empty. */
const freeHeads = memory.data(32 * 4);
let available: u32 = 0;
let top: u32 = 0;
let liveBytes: u32 = 0;
let limitBytes: u32 = u32.MAX_VALUE;

export function setHeapLimit(bytes: u32): void {
  limitBytes = bytes;
}

@inline
export function isHeapFull(): bool {
  return liveBytes >= limitBytes;
}

/** Bytes of blocks in use. */
@inline
export function heapLiveBytes(): u32 {
  return liveBytes;
}

/** Class of the smallest block that holds `bytes` (1 … 2^31). */
@inline
export function classFor(bytes: u32): u32 {
  return max<u32>(MIN_CLASS, 32 - clz<u32>(bytes - 1));
}

@inline
function push(block: u32, sizeClass: u32): void {
  const head = freeHeads + (sizeClass << 2);
  store<u32>(block, load<u32>(head));
  store<u32>(head, block);
  available |= 1 << sizeClass;
}

function pop(sizeClass: u32): u32 {
  const head = freeHeads + (sizeClass << 2);
  const block = load<u32>(head);
  const next = load<u32>(block);
  store<u32>(head, next);
  if (next == 0) available &= ~(1 << sizeClass);
  return block;
}

function extend(bytes: u32): u32 {
  if (top == 0) top = ((<u32>__heap_base + PAGE_BYTES - 1) / PAGE_BYTES) * PAGE_BYTES;
  const end = <u64>top + <u64>bytes;
  const pages = <u32>memory.size();
  const committed = <u64>pages * PAGE_BYTES;
  if (end > committed) {
    const needed = <u32>((end - committed + PAGE_BYTES - 1) / PAGE_BYTES);
    // Growing detaches the host's views, and V8 counts the memory once more until its collector has run, which it then does
    // at nearly every step of a large memory. So steps are large; what is not touched yet costs nothing.
    const step = max<u32>(min<u32>(pages, LARGE_STEP_PAGES), pages >> 2);
    if (memory.grow(max<u32>(needed, step)) < 0 && memory.grow(needed) < 0) unreachable();
  }
  const block = top;
  top += bytes;
  return block;
}

export function allocate(sizeClass: u32): u32 {
  const fitting = (available >> sizeClass) << sizeClass;
  let from: u32;
  let block: u32;
  if (fitting != 0) {
    from = ctz<u32>(fitting);
    block = pop(from);
  } else {
    from = max<u32>(sizeClass, CHUNK_CLASS);
    block = extend(1 << from);
  }
  while (from > sizeClass) {
    from--;
    push(block + (1 << from), from);
  }
  liveBytes += 1 << sizeClass;
  return block;
}

export function release(block: u32, sizeClass: u32): void {
  assert(block != 0 && sizeClass >= MIN_CLASS);
  push(block, sizeClass);
  liveBytes -= 1 << sizeClass;
}

export function allocateZeroed(sizeClass: u32): u32 {
  const block = allocate(sizeClass);
  memory.fill(block, 0, 1 << sizeClass);
  return block;
}

/** A block that can hold `bytes`, with the first `keepBytes` of the old one, which is freed. */
export function regrow(block: u32, oldClass: u32, bytes: u32, keepBytes: u32): u32 {
  const larger = allocate(classFor(bytes));
  if (block != 0) {
    memory.copy(larger, block, keepBytes);
    release(block, oldClass);
  }
  return larger;
}
