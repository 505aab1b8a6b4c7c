/** How far the start of a partition may move by its policy. */
import type { PartitionState } from './partition.ts';

/**
 * The offset at which the partition should start: behind the oldest runs of which every batch is too old, is more than
 * the policy keeps, or is settled. Equal to its start where nothing may go.
 */
export function retainedFrom(partition: PartitionState, nowMs: number): number {
  const { index, policy, startOffset } = partition;
  if (policy.cleanup === 'compact') return startOffset;
  const floor = policy.settledFloor?.() ?? 0;
  let bytes = index.bytes;
  let start = startOffset;
  for (let i = 0; i < index.count; i++) {
    const row = index.row(i);
    const isOld = row.timeMs >= 0 && row.timeMs < nowMs - policy.ageMs;
    const isOverSize = policy.maxBytes > 0 && bytes - row.bytes >= policy.maxBytes;
    const isOverCount = policy.maxRecords > 0 && index.end - row.end >= policy.maxRecords;
    // A hole has nothing to keep, and no time.
    const isGone = row.position < 0 && row.end < index.end;
    if (!(isOld || isOverSize || isOverCount || isGone || row.end <= floor)) break;
    bytes -= row.bytes;
    start = Math.max(start, row.end);
  }
  return start;
}
