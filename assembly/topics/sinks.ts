/**
 * Where a sink subscribes: an open-addressing table by sink number, so that numbers need not be dense. An entry is u32
 * sink, u32 where: 0 free; holder | 1 for a single one (see nodes.ts); else a block of u32 count | class << 27, then holders.
 */
import { allocate, allocateZeroed, classFor, release } from '../lib/heap';
import { PLACE_OPTIONS, findSubscriber, subscriberAt } from './subscribers';

/** A place is 24 bits of the subscriber's entry. */
export const MAX_PLACES: u32 = (1 << 24) - 1;
const FIRST_CLASS: u32 = 12;
const COUNT_MASK: u32 = (1 << 27) - 1;
const WHERE: usize = 4;

let table: u32 = 0;
let tableClass: u32 = FIRST_CLASS;
let mask: u32 = 0;
let sinks: u32 = 0;

export function initSinks(): void {
  table = allocateZeroed(tableClass);
  mask = (1 << (tableClass - 3)) - 1;
}

export function sinkCount(): u32 {
  return sinks;
}

@inline
function home(sink: u32): u32 {
  const h = sink * 0x9e3779b1;
  return (h ^ (h >>> 15)) & mask;
}

/** The sink's entry, or the free one where it would be. */
function entryOf(sink: u32): u32 {
  let i = home(sink);
  while (true) {
    const entry = table + (i << 3);
    if (load<u32>(entry, WHERE) == 0 || load<u32>(entry) == sink) return entry;
    i = (i + 1) & mask;
  }
  return 0;
}

function grow(): void {
  const old = table;
  const oldClass = tableClass;
  tableClass++;
  initSinks();
  for (let at = old, end = old + (1 << oldClass); at < end; at += 8) {
    if (load<u32>(at, WHERE) != 0) store<u64>(entryOf(load<u32>(at)), load<u64>(at));
  }
  release(old, oldClass);
}

function freeEntry(entry: u32): void {
  let hole = (entry - table) >>> 3;
  let i = hole;
  while (true) {
    i = (i + 1) & mask;
    const other = table + (i << 3);
    if (load<u32>(other, WHERE) == 0) break;
    if (((i - home(load<u32>(other))) & mask) >= ((i - hole) & mask)) {
      store<u64>(table + (hole << 3), load<u64>(other));
      hole = i;
    }
  }
  store<u64>(table + (hole << 3), 0);
  sinks--;
}

export function placesOf(sink: u32): u32 {
  const where = load<u32>(entryOf(sink), WHERE);
  if (where == 0) return 0;
  return (where & 1) != 0 ? 1 : load<u32>(where) & COUNT_MASK;
}

/** Holder at a place below placesOf(sink). */
export function holderAt(sink: u32, place: u32): u32 {
  const where = load<u32>(entryOf(sink), WHERE);
  return (where & 1) != 0 ? where & ~1 : load<u32>(where + 4 + (place << 2));
}

/** Returns the place; placesOf(sink) must be below MAX_PLACES. */
export function addPlace(sink: u32, holder: u32): u32 {
  let entry = entryOf(sink);
  const where = load<u32>(entry, WHERE);
  if (where == 0) {
    if ((sinks + 1) * 4 > (mask + 1) * 3) {
      grow();
      entry = entryOf(sink);
    }
    store<u32>(entry, sink);
    store<u32>(entry, holder | 1, WHERE);
    sinks++;
    return 0;
  }
  if ((where & 1) != 0) {
    const sizeClass = classFor(12);
    const block = allocate(sizeClass);
    store<u32>(block, 2 | (sizeClass << 27));
    store<u32>(block + 4, where & ~1);
    store<u32>(block + 8, holder);
    store<u32>(entry, block, WHERE);
    return 1;
  }
  const count = load<u32>(where) & COUNT_MASK;
  let sizeClass = load<u32>(where) >>> 27;
  let block = where;
  if ((count + 2) << 2 > <u32>(1 << sizeClass)) {
    block = allocate(sizeClass + 1);
    memory.copy(block, where, (count + 1) << 2);
    release(where, sizeClass);
    sizeClass++;
    store<u32>(entry, block, WHERE);
  }
  store<u32>(block, (count + 1) | (sizeClass << 27));
  store<u32>(block + 4 + (count << 2), holder);
  return count;
}

/** The sink's last holder takes the freed place, and its subscriber is told. */
export function removePlace(sink: u32, place: u32): void {
  const entry = entryOf(sink);
  const where = load<u32>(entry, WHERE);
  if ((where & 1) != 0) {
    freeEntry(entry);
    return;
  }
  const sizeClass = load<u32>(where) >>> 27;
  const last = (load<u32>(where) & COUNT_MASK) - 1;
  if (place != last) {
    const moved = load<u32>(where + 4 + (last << 2));
    store<u32>(where + 4 + (place << 2), moved);
    const subscriber = subscriberAt(moved, <u32>findSubscriber(moved, sink));
    store<u32>(subscriber, (place << 8) | (load<u32>(subscriber, PLACE_OPTIONS) & 0xff), PLACE_OPTIONS);
  }
  if (last == 1) {
    store<u32>(entry, load<u32>(where + 4) | 1, WHERE);
    release(where, sizeClass);
    return;
  }
  store<u32>(where, last | (sizeClass << 27));
  if (last << 4 <= <u32>(1 << sizeClass) && sizeClass > 4) {
    const block = allocate(sizeClass - 1);
    memory.copy(block, where, (last + 1) << 2);
    store<u32>(block, last | ((sizeClass - 1) << 27));
    release(where, sizeClass);
    store<u32>(entry, block, WHERE);
  }
}
