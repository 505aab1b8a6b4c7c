// The memory map of the MQTT data plane. The memory is fixed at start: initial = maximum, because growing it would
// detach the views that sockets read into. Every region is sized here, once, from the numbers the host gives.
//
//   0        static data of the compiler
//   heap     result block | rows | spans out | dirty lists ×2 | stage | scratch | carry | read window
//            connections (128 B each) | flows (64 B each) | flow index | sightings | generations
//            slabs (groups, windows, topics, span chunks) | block reference counts | blocks (16 KiB each)
//
// The sizes are mirrored in src/wasm/create-data-plane.ts; a test holds the two together.

export const ROW_BYTES: i32 = 48;
export const ROWS_MAX: i32 = 32768;
export const SPANS_OUT_MAX: i32 = 4096;
/** Bodies of one `ingest` that the host keeps. */
export const STAGE_BYTES: i32 = 262144;
export const SCRATCH_BYTES: i32 = 262144;
export const CARRY_BYTES: i32 = 262144;
export const READ_BYTES: i32 = 131072;
export const CONNECTION_BYTES: i32 = 128;
export const FLOW_BYTES: i32 = 64;
export const BLOCK_SHIFT: i32 = 14;
export const BLOCK_BYTES: i32 = 1 << BLOCK_SHIFT;
/** Counters of changes by hash of a topic prefix; a power of two. */
export const GENERATIONS: i32 = 8192;

export let maxConnections: i32 = 0;
export let maxFlows: i32 = 0;
export let flowIndexMask: i32 = 0;
export let sightingMask: i32 = 0;

export let resultBlock: usize = 0;
export let rowsBase: usize = 0;
export let spansOut: usize = 0;
export let dirtyLists: usize = 0;
export let stage: usize = 0;
export let scratch: usize = 0;
export let carry: usize = 0;
export let readWindow: usize = 0;
export let connections: usize = 0;
export let flows: usize = 0;
export let flowIndex: usize = 0;
export let sightings: usize = 0;
export let generations: usize = 0;
export let slabStart: usize = 0;
export let slabEnd: usize = 0;
export let blockReferences: usize = 0;
export let blockStart: usize = 0;
export let blockCount: i32 = 0;

function align(value: usize, to: usize): usize {
  return (value + to - 1) & ~(to - 1);
}

/**
 * Lays out the memory. `flowEntries` is 0 or a power of two. Returns 0 when all fits, else the number
 * of bytes that the memory would have to have.
 */
export function initLayout(memoryBytes: u32, connectionCount: i32, flowEntries: i32): u32 {
  maxConnections = connectionCount;
  maxFlows = flowEntries;
  flowIndexMask = flowEntries == 0 ? 0 : flowEntries * 2 - 1;
  sightingMask = flowEntries == 0 ? 0 : flowEntries * 4 - 1;

  resultBlock = align(__heap_base, 64);
  rowsBase = resultBlock + 256;
  spansOut = rowsBase + ROWS_MAX * ROW_BYTES;
  dirtyLists = spansOut + SPANS_OUT_MAX * 8;
  stage = align(dirtyLists + <usize>connectionCount * 8, 64);
  scratch = stage + STAGE_BYTES;
  carry = scratch + SCRATCH_BYTES;
  readWindow = carry + CARRY_BYTES;
  connections = align(readWindow + READ_BYTES, 128);
  flows = connections + <usize>connectionCount * CONNECTION_BYTES;
  flowIndex = flows + <usize>flowEntries * FLOW_BYTES;
  sightings = flowIndex + <usize>flowEntries * 8;
  generations = sightings + <usize>flowEntries * 16;
  const rest = align(generations + GENERATIONS * 4, 65536);
  const least: usize = rest + 8 * 1024 * 1024;
  if (<usize>memoryBytes < least) return <u32>least;

  // A quarter of what is left for slabs, the rest for output.
  const left = <usize>memoryBytes - rest;
  slabStart = rest;
  slabEnd = rest + align(left >> 2, 65536);
  const most = (<usize>memoryBytes - slabEnd - BLOCK_BYTES) / (BLOCK_BYTES + 4);
  blockReferences = slabEnd;
  blockStart = align(blockReferences + most * 4, BLOCK_BYTES);
  blockCount = <i32>((<usize>memoryBytes - blockStart) >> BLOCK_SHIFT);
  return 0;
}
