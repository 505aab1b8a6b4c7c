// Power-of-two slabs over a fixed range of memory: groups, windows, topics, span chunks. Freed slabs go to the free
// list of their class; a class never gives memory back to another, so the range bounds the sum of the classes' peaks.

const CLASS_MIN: i32 = 5; // 32 bytes
const CLASS_MAX: i32 = 22; // 4 MiB

let next: usize = 0;
let limit: usize = 0;
const freeLists = memory.data((CLASS_MAX + 1) * 4, 4);

export let slabBytesUsed: u32 = 0;

export function initSlabs(from: usize, to: usize): void {
  next = from;
  limit = to;
  slabBytesUsed = 0;
  memory.fill(freeLists, 0, (CLASS_MAX + 1) * 4);
}

function classOf(bytes: u32): i32 {
  if (bytes <= 32) return CLASS_MIN;
  return 32 - <i32>clz<u32>(bytes - 1);
}

/** A slab of at least `bytes` bytes, not cleared; 0 when there is no room. */
export function allocateSlab(bytes: u32): usize {
  const cls = classOf(bytes);
  if (cls > CLASS_MAX) return 0;
  const list = freeLists + (cls << 2);
  const free = <usize>load<u32>(list);
  const size: u32 = <u32>1 << cls;
  if (free != 0) {
    store<u32>(list, load<u32>(free));
    slabBytesUsed += size;
    return free;
  }
  if (limit - next < <usize>size) return 0;
  const slab = next;
  next += size;
  slabBytesUsed += size;
  return slab;
}

/** Gives back a slab of the same `bytes` it was allocated with. */
export function freeSlab(slab: usize, bytes: u32): void {
  const cls = classOf(bytes);
  const list = freeLists + (cls << 2);
  store<u32>(slab, load<u32>(list));
  store<u32>(list, <u32>slab);
  slabBytesUsed -= <u32>1 << cls;
}
