/**
 * A queue's state in bytes, as large as what is out of order in it: runs of settled and of ready positions, counts,
 * leases, and the references of what is not settled. Parked messages are written as ready; the next acquire parks
 * them again. Equal states are equal bytes, whatever led to them.
 */
import { ByteReader, ByteWriter } from '../binary.ts';
import { MAX_SPAN, type QueuePolicy } from './policy.ts';
import { PositionSet } from './position-set.ts';
import { isReference } from './reference-list.ts';
import { QueueState } from './state.ts';

const VERSION = 1;

export function writeSnapshot(state: QueueState): Uint8Array {
  const { floor, end, policy, leases, holders, counts, references } = state;
  let { next } = state;
  while (next < end && state.isAside(next)) next++;
  const to = new ByteWriter(1024)
    .u8(VERSION)
    .u8(policy.bands)
    .u8(policy.references ? 1 : 0);
  to.uint(floor)
    .uint(next - floor)
    .uint(end - floor);
  writeRuns(to, state.settled, floor);
  state.ready.forEach((band, index) => {
    const all = index === 0 && state.keys.parked.size > 0 ? union(band, state.keys.parked) : band;
    writeRuns(to, all, floor);
    for (const [from, until] of all.runs()) {
      for (let at = from; at < until && counts.size > 0; at++) {
        if (counts.get(at) > 0)
          to.u8(1)
            .uint(at - floor)
            .uint(counts.get(at));
      }
    }
    to.u8(0);
  });
  to.uint(leases.size);
  const slots = [...leases.slots()].sort((a, b) => leases.position(a) - leases.position(b));
  for (const slot of slots) {
    to.uint(leases.position(slot) - floor).text(holders.nameOf(leases.holder(slot)));
    to.time(leases.expiry(slot)).uint(leases.count(slot)).u8(leases.band(slot)).uint(leases.key(slot));
  }
  if (!policy.references) return to.finish();
  for (let at = floor; at < end; at++) {
    const { log, offset } = references.get(at) ?? { log: 0, offset: 0 };
    to.uint(log).uint(offset);
  }
  return to.finish();
}

/** Undefined when the bytes are not a snapshot of this version, of such a queue, or do not fit together. */
export function restoreState(policy: QueuePolicy, bytes: Uint8Array): QueueState | undefined {
  const from = new ByteReader(bytes);
  const isOurs =
    from.u8() === VERSION && from.u8() === policy.bands && from.u8() === (policy.references ? 1 : 0);
  if (!isOurs) return undefined;
  const floor = from.uint();
  const next = floor + from.uint();
  const end = floor + from.uint();
  if (from.failed || next > end || !Number.isSafeInteger(end)) return undefined;
  const state = new QueueState(policy, floor);
  state.next = next;
  state.end = end;
  readRuns(from, state.settled, floor, end);
  for (const band of state.ready) {
    readRuns(from, band, floor, end);
    while (from.u8() === 1) {
      const position = floor + from.uint();
      const count = from.uint();
      if (band.has(position)) state.counts.set(position, count);
      else from.fail();
    }
  }
  readLeases(from, state);
  if (policy.references) readReferences(from, state);
  return from.isComplete ? state : undefined;
}

function readLeases(from: ByteReader, state: QueueState): void {
  const { floor, end, policy, holders } = state;
  // Each takes at least six bytes.
  const count = from.count(6);
  if (count > policy.maxInFlight) from.fail();
  for (let i = 0; i < count && !from.failed; i++) {
    const position = floor + from.uint();
    const holder = from.text();
    const expiresAtMs = from.time();
    const deliveries = from.uint();
    const band = from.u8();
    const key = from.uint() >>> 0;
    const fits = position < end && position - floor < MAX_SPAN && band < policy.bands && deliveries <= 0xffff;
    if (from.failed || !fits || !state.isWaiting(position)) {
      from.fail();
      return;
    }
    const number = holder === '' ? 0 : holders.numberFor(holder);
    state.leases.add(position, number, expiresAtMs, deliveries, band, key);
    holders.take(number);
    if (state.isOrdered) state.keys.took(key, number);
  }
}

function readReferences(from: ByteReader, state: QueueState): void {
  if ((state.end - state.floor) * 2 > from.bytesLeft) from.fail();
  for (let at = state.floor; at < state.end && !from.failed; at++) {
    const reference = { log: from.uint(), offset: from.uint() };
    if (isReference(reference)) state.references.set(at, reference);
    else from.fail();
  }
}

function union(a: PositionSet, b: PositionSet): PositionSet {
  const all = new PositionSet();
  for (const set of [a, b]) for (const [from, to] of set.runs()) all.addRange(from, to);
  return all;
}

function writeRuns(to: ByteWriter, set: PositionSet, floor: number): void {
  let previous = floor;
  for (const [from, until] of set.runs()) {
    to.uint(until - from).uint(from - previous);
    previous = until;
  }
  to.uint(0);
}

function readRuns(from: ByteReader, set: PositionSet, floor: number, end: number): void {
  let at = floor;
  for (let length = from.uint(); length > 0; length = from.uint()) {
    at += from.uint();
    if (from.failed || at + length > end || at + length - floor > MAX_SPAN) {
      from.fail();
      return;
    }
    set.addRange(at, at + length);
    at += length;
  }
}
