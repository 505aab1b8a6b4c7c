/**
 * From which offset on each leader epoch wrote a partition: one entry for each epoch that appended something, in order.
 * It follows from the batches, which carry the epoch in their headers, so that replay finds it again and no entry of
 * the state log is needed; pages keep what was found in batches that are gone.
 */

export interface EpochStart {
  readonly epoch: number;
  readonly startOffset: number;
}

export interface EpochEnd {
  readonly epoch: number;
  readonly endOffset: number;
}

/** Of a partition. Beyond it the oldest are forgotten, and what they wrote counts as the oldest known epoch's. */
export const MAX_EPOCHS = 4096;
const LEADER_EPOCH_AT = 12;

export function epochOf(batch: Uint8Array): number {
  return new DataView(batch.buffer, batch.byteOffset, batch.byteLength).getInt32(LEADER_EPOCH_AT);
}

/** A batch of that epoch begins there. Batches come in any order where they were moved. */
export function noteEpoch(epochs: EpochStart[], epoch: number, startOffset: number): void {
  const newest = epochs.at(-1);
  if (epoch < 0 || (newest?.epoch === epoch && newest.startOffset <= startOffset)) return;
  const behind = epochs.findLastIndex((each) => each.epoch < epoch) + 1;
  const known = epochs[behind];
  if (known?.epoch !== epoch) epochs.splice(behind, 0, { epoch, startOffset });
  else if (startOffset < known.startOffset) epochs[behind] = { epoch, startOffset };
  if (epochs.length > MAX_EPOCHS) epochs.splice(0, epochs.length - MAX_EPOCHS);
}

/** The partition starts there now. Of what wrote below it only the newest epoch stays, with that start. */
export function trimEpochs(epochs: EpochStart[], startOffset: number): void {
  const last = epochs.findLastIndex((each) => each.startOffset <= startOffset);
  if (last > 0) epochs.splice(0, last);
  const first = epochs[0];
  if (first !== undefined && first.startOffset < startOffset) epochs[0] = { ...first, startOffset };
}

/**
 * Where what `epoch` wrote ends, and what everybody before it did: the start of the next epoch, together with the newest
 * epoch that is not above the one asked for. `current` leads now, from the end on if it has written nothing yet.
 * Undefined where nothing is known of an epoch as high.
 */
export function endOfEpoch(
  epochs: readonly EpochStart[],
  epoch: number,
  current: number,
  endOffset: number,
): EpochEnd | undefined {
  if (epoch < 0 || epoch > current) return undefined;
  if (epoch === current) return { epoch, endOffset };
  const behind = epochs.findIndex((each) => each.epoch > epoch);
  const own = behind < 0 ? epochs.at(-1) : epochs[behind - 1];
  const next = behind < 0 ? endOffset : epochs[behind]?.startOffset;
  return { epoch: own?.epoch ?? epoch, endOffset: next ?? endOffset };
}
