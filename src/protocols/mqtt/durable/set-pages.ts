/** Pages of delivery sets: a block of numbers each, with the sets that have a meaning. */
import { type ByteReader, ByteWriter } from '../../../kernel/binary.ts';
import type { DeliveryOptions } from './delivery-options.ts';
import { readSet } from './session-entries.ts';

const SETS_PER_PAGE = 256;

export const pageOfSet = (index: number): number => Math.floor(index / SETS_PER_PAGE);

/** Numbers of all pages that there can be. */
export function* setPages({ sets }: DeliveryOptions): Generator<number> {
  for (let at = 0; at < sets.length; at += SETS_PER_PAGE) yield pageOfSet(at);
}

/** Undefined when no number of the page has a meaning. */
export function encodeSets({ sets }: DeliveryOptions, page: number, version: number): Uint8Array | undefined {
  const first = page * SETS_PER_PAGE;
  const present = sets.slice(first, first + SETS_PER_PAGE);
  if (present.every((set) => set === undefined)) return undefined;
  const to = new ByteWriter(256).u8(version).uint(first).uint(present.length);
  for (const set of present) {
    to.u8(set === undefined ? 0 : 1);
    if (set === undefined) continue;
    to.bytes(set.subscriptionIds);
    if (set.group === undefined) to.u8(0);
    else to.u8(1).text(set.group);
  }
  return to.finish();
}

export function decodeSets(from: ByteReader, options: DeliveryOptions): void {
  const first = from.uint();
  const count = from.count();
  for (let i = 0; i < count && !from.failed; i++) {
    if (from.u8() === 0) continue;
    const set = readSet(from);
    if (from.failed || !options.restore(first + i, set)) from.fail();
  }
  if (!from.isComplete) throw new Error('a page of delivery sets is damaged');
}
