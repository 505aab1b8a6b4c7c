/**
 * Sparse indexes from offset or time to position: one entry per interval of bytes of a log. An entry covers the batches
 * from its own to the next entry's; its timestamp is the largest of all batches up to the end of what it covers, so that
 * it never falls and can be searched. A full index (or memory) drops every second entry and doubles its interval.
 */
import { classFor, release } from '../lib/heap';
import { growBlock, takeBlock } from './blocks';

const SIZE_CLASS: usize = 0;
const COUNT: usize = 4;
const MAX_COUNT: usize = 8;
/** Bytes since the last entry, and how many lead to the next one. */
const COVERED: usize = 16;
const INTERVAL: usize = 24;
/** Offset of the last batch that was added. */
const LAST_OFFSET: usize = 32;
const ENTRIES: usize = 40;

const ENTRY_BYTES: usize = 24;
const OFFSET: usize = 0;
const POSITION: usize = 8;
const TIMESTAMP: usize = 16;

const FIRST_COUNT: usize = 8;

/** Offset, position and timestamp of the entry that was found last. */
const foundEntry = memory.data(3 * 8, 8);

export function foundEntryOffset(): usize {
  return foundEntry;
}

@inline
function entryAt(index: usize, i: u32): usize {
  return index + ENTRIES + <usize>i * ENTRY_BYTES;
}

/** Address of an empty index; 0 = no room. Precondition: maxCount >= 2, intervalBytes >= 1. */
export function createIndex(intervalBytes: u32, maxCount: u32): usize {
  const bytes = <u32>(ENTRIES + FIRST_COUNT * ENTRY_BYTES);
  const index = takeBlock(bytes);
  if (index == 0) return 0;
  store<u32>(index, classFor(bytes), SIZE_CLASS);
  store<u32>(index, 0, COUNT);
  store<u32>(index, maxCount, MAX_COUNT);
  store<i64>(index, <i64>intervalBytes, INTERVAL);
  store<i64>(index, <i64>intervalBytes, COVERED);
  store<f64>(index, -1, LAST_OFFSET);
  return index;
}

export function releaseIndex(index: usize): void {
  release(<u32>index, load<u32>(index, SIZE_CLASS));
}

export function indexCount(index: usize): u32 {
  return load<u32>(index, COUNT);
}

/** Keeps the even entries; each then covers, and has the timestamp of, its neighbour as well. */
function thin(index: usize): void {
  const count = load<u32>(index, COUNT);
  const kept = (count + 1) >> 1;
  for (let i: u32 = 0; i < kept; i++) {
    const from = entryAt(index, i << 1);
    const to = entryAt(index, i);
    store<f64>(to, load<f64>(from, OFFSET), OFFSET);
    store<f64>(to, load<f64>(from, POSITION), POSITION);
    store<f64>(to, load<f64>(entryAt(index, min((i << 1) + 1, count - 1)), TIMESTAMP), TIMESTAMP);
  }
  store<u32>(index, kept, COUNT);
  const interval = load<i64>(index, INTERVAL);
  // Where the last entry was dropped, its neighbour covers an old interval more.
  if ((count & 1) == 0) store<i64>(index, load<i64>(index, COVERED) + interval, COVERED);
  store<i64>(index, interval << 1, INTERVAL);
}

/** The index with room for one more entry: itself, or where it moved to. */
function makeRoom(index: usize): usize {
  const count = load<u32>(index, COUNT);
  if (count >= load<u32>(index, MAX_COUNT)) {
    thin(index);
    return index;
  }
  const needed = <u32>(ENTRIES + (<usize>count + 1) * ENTRY_BYTES);
  const sizeClass = load<u32>(index, SIZE_CLASS);
  if (needed <= <u32>1 << sizeClass) return index;
  const larger = growBlock(index, sizeClass, needed, needed - <u32>ENTRY_BYTES);
  if (larger == 0) {
    thin(index);
    return index;
  }
  store<u32>(larger, classFor(needed), SIZE_CLASS);
  return larger;
}

/**
 * Takes note of a batch. Returns where the index is now; 0 = its offset does not follow the last one's, nothing changed.
 */
export function indexAdd(index: usize, offset: f64, position: f64, maxTimestamp: f64, bytes: u32): usize {
  if (!(offset > load<f64>(index, LAST_OFFSET))) return 0;
  if (load<i64>(index, COVERED) >= load<i64>(index, INTERVAL)) {
    index = makeRoom(index);
    // Thinning doubles the interval: it may now be too early for an entry.
    if (load<u32>(index, COUNT) == 0 || load<i64>(index, COVERED) >= load<i64>(index, INTERVAL)) {
      const count = load<u32>(index, COUNT);
      const entry = entryAt(index, count);
      store<f64>(entry, offset, OFFSET);
      store<f64>(entry, position, POSITION);
      store<f64>(entry, count == 0 ? -1 : load<f64>(entryAt(index, count - 1), TIMESTAMP), TIMESTAMP);
      store<u32>(index, count + 1, COUNT);
      store<i64>(index, 0, COVERED);
    }
  }
  const last = entryAt(index, load<u32>(index, COUNT) - 1);
  if (maxTimestamp > load<f64>(last, TIMESTAMP)) store<f64>(last, maxTimestamp, TIMESTAMP);
  store<i64>(index, load<i64>(index, COVERED) + <i64>bytes, COVERED);
  store<f64>(index, offset, LAST_OFFSET);
  return index;
}

/** Number of entries whose field is below `limit`; the field never falls. */
function countBelow(index: usize, field: usize, limit: f64): u32 {
  let from = entryAt(index, 0) + field;
  let left = load<u32>(index, COUNT);
  let below: u32 = 0;
  while (left != 0) {
    const half = left >> 1;
    const isBelow = load<f64>(from + <usize>half * ENTRY_BYTES) < limit;
    below += isBelow ? half + 1 : 0;
    from += isBelow ? <usize>(half + 1) * ENTRY_BYTES : 0;
    left = isBelow ? left - half - 1 : half;
  }
  return below;
}

function report(index: usize, i: u32): void {
  memory.copy(foundEntry, entryAt(index, i), ENTRY_BYTES);
}

/** The entry to read from to find `offset`: the last one not above it. False: it is below the first entry. */
export function indexFindOffset(index: usize, offset: f64): bool {
  const count = countBelow(index, OFFSET, offset + 1);
  if (count == 0) return false;
  report(index, count - 1);
  return true;
}

/** The entry to read from to find the first record of `timestamp` or later. False: there is none. */
export function indexFindTime(index: usize, timestamp: f64): bool {
  const below = countBelow(index, TIMESTAMP, timestamp);
  if (below == load<u32>(index, COUNT)) return false;
  report(index, below);
  return true;
}

/** The log ends before `offset` now. The last entry's timestamp may then be of a batch that is gone: too early a start, never too late. */
export function indexTruncate(index: usize, offset: f64): void {
  store<u32>(index, countBelow(index, OFFSET, offset), COUNT);
  if (load<f64>(index, LAST_OFFSET) < offset) return;
  store<f64>(index, offset - 1, LAST_OFFSET);
  store<i64>(index, load<i64>(index, INTERVAL), COVERED);
}

/** The log starts at `offset` now: entries that cover nothing from there on go. */
export function indexTrim(index: usize, offset: f64): void {
  const below = countBelow(index, OFFSET, offset + 1);
  if (below < 2) return;
  const gone = below - 1;
  const kept = load<u32>(index, COUNT) - gone;
  memory.copy(entryAt(index, 0), entryAt(index, gone), <usize>kept * ENTRY_BYTES);
  store<u32>(index, kept, COUNT);
}
