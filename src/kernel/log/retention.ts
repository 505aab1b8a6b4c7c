/** How far the start of a partition may move by its policy, and when compaction is due. */
import type { PartitionState } from './partition.ts';

export const isCompacted = ({ policy }: PartitionState): boolean => policy.cleanup !== 'delete';

/**
 * The offset at which the partition should start: behind the oldest runs of which every batch is too old, is more than
 * the policy keeps, is settled, or lies below `oldestKept` in its journal. Equal to its start where nothing may go.
 */
export function retainedFrom(partition: PartitionState, nowMs: number, oldestKept = 0): number {
  const { index, policy, startOffset } = partition;
  if (policy.cleanup === 'compact') return startOffset;
  const floor = policy.settledFloor?.() ?? 0;
  let bytes = index.bytes;
  let start = startOffset;
  let timed = 0;
  for (let i = 0; i < index.count; i++) {
    const row = index.row(i);
    // What has no time is at least as old as what was appended behind it.
    timed = Math.max(timed, i);
    while (timed < index.count && index.row(timed).timeMs < 0) timed++;
    const isOld = timed < index.count && index.row(timed).timeMs < nowMs - policy.ageMs;
    const isOverSize = policy.maxBytes > 0 && bytes - row.bytes >= policy.maxBytes;
    const isOverCount = policy.maxRecords > 0 && index.end - row.end >= policy.maxRecords;
    // A hole has nothing to keep, and no time.
    const isGone = row.position < 0 && row.end < index.end;
    const isBelow = row.position >= 0 && row.last < oldestKept;
    if (!(isOld || isOverSize || isOverCount || isGone || isBelow || row.end <= floor)) break;
    bytes -= row.bytes;
    start = Math.max(start, row.end);
  }
  return start;
}

/**
 * Whether compaction should run, which may see what lies below `stableEnd`: when what it has not seen is a large enough
 * part, where a small partition counts as one of `leastBytes`, or has waited for too long.
 */
export function isCompactionDue(
  partition: PartitionState,
  stableEnd: number,
  nowMs: number,
  leastBytes: number,
): boolean {
  const { index, policy, cleanedBelow, dirtySinceMs } = partition;
  let unseen = 0;
  let total = 0;
  let sinceMs = dirtySinceMs;
  for (let i = 0; i < index.count; i++) {
    const { offset, end, bytes, timeMs } = index.row(i);
    if (offset >= stableEnd) break;
    if (end > cleanedBelow) {
      if (policy.minCompactionLagMs > 0 && timeMs > nowMs - policy.minCompactionLagMs) break;
      unseen += bytes;
      sinceMs ??= timeMs;
    }
    total += bytes;
  }
  if (unseen === 0 || stableEnd <= cleanedBelow) return false;
  const isLate = sinceMs !== undefined && sinceMs >= 0 && sinceMs < nowMs - policy.maxCompactionLagMs;
  return isLate || unseen >= policy.minDirtyRatio * Math.max(total, leastBytes);
}
