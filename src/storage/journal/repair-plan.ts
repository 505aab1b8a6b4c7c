import type { RawBytes } from '../wal/raw-bytes.ts';
import { WalCorrupt, type WalStore } from '../wal/wal-store.ts';
import { openJournalForReading } from './reading.ts';
import { recoverForReading } from './recovery.ts';
import { findLosses, type Loss, surveyLoss } from './survey.ts';

export interface RepairPlan {
  /** What a start would do by itself, in sentences. */
  readonly steps: readonly string[];
  /** What it would cut off: written by a process that was killed, and never acknowledged as synced. */
  readonly cut: readonly Loss[];
  /** What is damaged: nothing is done about it unasked, an operator must decide. */
  readonly damage: readonly string[];
  /** What cannot be read for that. */
  readonly lost: readonly Loss[];
  /** False when a start would refuse. */
  readonly canStart: boolean;
}

export interface RepairOptions {
  readonly wal: WalStore;
  readonly walId: string;
  /** Without it the contents of what is damaged cannot be told. */
  readonly raw?: RawBytes;
}

const nothing: RawBytes = async () => new Uint8Array(0);

/**
 * What a start would do to a journal, found without doing it. Where somebody writes to the journal at this moment, its
 * newest epoch looks like one whose writer was killed.
 */
export async function planRepair({ wal, walId, raw = nothing }: RepairOptions): Promise<RepairPlan> {
  const steps: string[] = [];
  const cut: Loss[] = [];
  const damage: string[] = [];
  const lost: Loss[] = [];
  const epochs = await wal.epochs(walId);
  /** The newest that has blocks, to which a start goes back. */
  let newest = 0;
  let newestLength = Number.POSITIVE_INFINITY;

  const survey = async (epoch: number, from: number, until: number): Promise<void> => {
    lost.push(...(await findLosses(wal, walId, raw, epoch, from, until)));
  };

  try {
    for (const epoch of epochs.toReversed()) {
      newest = epoch;
      const { length, isSealed, tornBytes } = await wal.inspect(walId, epoch);
      if (!isSealed) steps.push(`seal epoch ${epoch} at ${length} bytes`);
      if (tornBytes > 0) {
        steps.push(
          `cut ${tornBytes} bytes behind the last whole block of epoch ${epoch}: a write that never ended`,
        );
        cut.push(surveyLoss(await raw(epoch, length, tornBytes), epoch, length, length + tornBytes));
      }
      if (length === 0) continue;
      newestLength = length;
      break;
    }
    const { segments, removed, last } = await recoverForReading(wal, walId);
    if (removed.length > 0) steps.push(`free ${removed.length} segments that were removed`);
    if (last !== undefined) {
      const { start, end } = last.segment;
      steps.push(`close the segment at ${start}, which ends at ${end}, and write its index`);
      steps.push(`go on in epoch ${(epochs.at(-1) ?? 0) + 1} behind ${segments.length + 1} segments`);
    }
    damage.push(...(await (await openJournalForReading({ wal, walId })).verify()));
    if (damage.length > 0) {
      for (const { epoch, epochOffset, start, end } of segments) {
        await survey(epoch, start - epochOffset, end - epochOffset);
      }
    }
    return { steps, cut, damage, lost, canStart: true };
  } catch (error) {
    if (!(error instanceof WalCorrupt)) throw error;
    damage.push(error.message);
  }
  try {
    await survey(newest, await wal.lastAnchor(walId, newest, newestLength), newestLength);
  } catch (error) {
    // Not even the beginning of its newest segment is there: what it had cannot be told.
    if (!(error instanceof WalCorrupt)) throw error;
  }
  return { steps, cut, damage, lost, canStart: false };
}
