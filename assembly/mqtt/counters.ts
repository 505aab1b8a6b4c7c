// Totals since start, read by the host through `readCounters`. Increments are plain adds on globals.

import { slabBytesUsed } from '../lib/slab';
import { blocksFree, blocksTotal } from './blocks';
import { scratch } from './layout';

export let received0: u64 = 0;
export let received1: u64 = 0;
export let received2: u64 = 0;
export let sent0: u64 = 0;
export let sent1: u64 = 0;
export let sent2: u64 = 0;
export let droppedHeld: u64 = 0;
export let droppedTooLarge: u64 = 0;
export let droppedNoMemory: u64 = 0;
export let packets: u64 = 0;
export let bytesIn: u64 = 0;
export let bytesOut: u64 = 0;
export let flowHits: u64 = 0;
export let flowMisses: u64 = 0;
export let flowCount: u64 = 0;
export let groupCount: u64 = 0;
export let answers: u64 = 0;

// @ts-ignore: decorator
@inline
export function countReceived(qos: i32): void {
  if (qos == 0) received0++;
  else if (qos == 1) received1++;
  else received2++;
}

// @ts-ignore: decorator
@inline
export function countSent(qos: i32, by: i32): void {
  if (qos == 0) sent0 += by;
  else if (qos == 1) sent1 += by;
  else sent2 += by;
}

// @ts-ignore: decorator
@inline
export function countDroppedHeld(by: i32): void {
  droppedHeld += by;
}

// @ts-ignore: decorator
@inline
export function countDroppedTooLarge(by: i32): void {
  droppedTooLarge += by;
}

// @ts-ignore: decorator
@inline
export function countDroppedNoMemory(by: i32): void {
  droppedNoMemory += by;
}

// @ts-ignore: decorator
@inline
export function countInput(packetCount: i32, bytes: i32): void {
  packets += packetCount;
  bytesIn += bytes;
}

// @ts-ignore: decorator
@inline
export function countOutput(bytes: i32): void {
  bytesOut += bytes;
}

// @ts-ignore: decorator
@inline
export function countFlowHit(): void {
  flowHits++;
}

// @ts-ignore: decorator
@inline
export function countFlowMiss(): void {
  flowMisses++;
}

// @ts-ignore: decorator
@inline
export function countFlows(by: i32): void {
  flowCount += by;
}

// @ts-ignore: decorator
@inline
export function countGroups(by: i32): void {
  groupCount += by;
}

// @ts-ignore: decorator
@inline
export function countAnswer(): void {
  answers++;
}

function put(index: i32, value: u64): void {
  store<f64>(scratch + (<usize>index << 3), <f64>value);
}

/** Writes all totals as f64 to the scratch area, in the order of src/wasm/create-data-plane.ts. */
export function readCounters(): void {
  put(0, received0);
  put(1, received1);
  put(2, received2);
  put(3, sent0);
  put(4, sent1);
  put(5, sent2);
  put(6, droppedHeld);
  put(7, droppedTooLarge);
  put(8, droppedNoMemory);
  put(9, packets);
  put(10, bytesIn);
  put(11, bytesOut);
  put(12, flowHits);
  put(13, flowMisses);
  put(14, flowCount);
  put(15, groupCount);
  put(16, <u64>blocksTotal);
  put(17, <u64>blocksFree);
  put(18, <u64>slabBytesUsed);
  put(19, answers);
}
