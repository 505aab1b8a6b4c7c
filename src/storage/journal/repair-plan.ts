import { WalCorrupt, type WalStore } from '../wal/wal-store.ts';
import { openJournalForReading } from './reading.ts';
import { recoverForReading } from './recovery.ts';

export interface RepairPlan {
  /** What a start would do by itself, in sentences. */
  readonly steps: readonly string[];
  /** What is damaged: nothing is done about it unasked, an operator must decide. */
  readonly damage: readonly string[];
  /** False when a start would refuse. */
  readonly canStart: boolean;
}

/**
 * What a start would do to a journal, found without doing it. Where somebody writes to the journal at this moment, its
 * newest epoch looks like one whose writer was killed.
 */
export async function planRepair(options: {
  readonly wal: WalStore;
  readonly walId: string;
}): Promise<RepairPlan> {
  const { wal, walId } = options;
  const steps: string[] = [];
  const damage: string[] = [];
  const note = (error: unknown): void => {
    damage.push(error instanceof Error ? error.message : String(error));
  };
  const epochs = await wal.epochs(walId);
  try {
    // A start goes back to the newest epoch that has blocks.
    for (const epoch of epochs.toReversed()) {
      const { length, isSealed, tornBytes } = await wal.inspect(walId, epoch);
      if (!isSealed) steps.push(`seal epoch ${epoch} at ${length} bytes`);
      if (tornBytes > 0) {
        steps.push(
          `cut ${tornBytes} bytes behind the last whole block of epoch ${epoch}: a write that never ended and was not acknowledged as synced`,
        );
      }
      if (length > 0) break;
    }
    const { segments, removed, last } = await recoverForReading(wal, walId);
    if (removed.length > 0) steps.push(`free ${removed.length} segments that were removed`);
    if (last !== undefined) {
      const { start, end } = last.segment;
      steps.push(`close the segment at ${start}, which ends at ${end}, and write its index`);
      steps.push(`go on in epoch ${(epochs.at(-1) ?? 0) + 1} behind ${segments.length + 1} segments`);
    }
  } catch (error) {
    if (!(error instanceof WalCorrupt)) throw error;
    note(error);
    return { steps, damage, canStart: false };
  }
  const journal = await openJournalForReading(options);
  damage.push(...(await journal.verify()));
  return { steps, damage, canStart: true };
}
