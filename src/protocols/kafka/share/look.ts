/** What a partition has for a member: batches as they are stored, and which of their offsets hold records for the group. */
import type { Kafka } from '../context.ts';
import { readUpTo, visibleEnd } from '../fetch/read.ts';
import { ErrorCode } from '../messages/errors.ts';
import { Attribute, type HeaderFields, readHeader } from '../records/header.ts';
import type { AcquiredRange, Appetite, Run, SharePartition } from './share-partition.ts';

export interface FoundBatch {
  readonly header: HeaderFields;
  readonly bytes: Uint8Array;
}

export interface Look {
  readonly share: SharePartition;
  readonly from: number;
  /** Behind the last batch. */
  readonly to: number;
  readonly batches: readonly FoundBatch[];
  readonly runs: readonly Run[];
  readonly bytes: number;
  readonly error: ErrorCode;
}

/** At a time: a member takes hundreds of records, and a batch may have one. */
const STEP_BYTES = 256 * 1024;

/** Of batches from `from` on, those that the group's members get. */
function runsOf(
  { producers }: Kafka,
  { partition }: SharePartition,
  batches: readonly FoundBatch[],
  from: number,
  to: number,
  isCommitted: boolean,
): Run[] {
  const aborted = isCommitted ? [...producers.aborted(partition, from, to)] : [];
  const open = new Set<number>();
  const runs: Run[] = [];
  for (const { header } of batches) {
    const { attributes, baseOffset, lastOffset, producerId } = header;
    while (aborted.length > 0 && aborted[0].firstOffset <= lastOffset) {
      const next = aborted.shift();
      if (next !== undefined) open.add(next.producerId);
    }
    if ((attributes & Attribute.control) !== 0) {
      open.delete(producerId);
      continue;
    }
    if ((attributes & Attribute.transactional) !== 0 && open.has(producerId)) continue;
    runs.push({ from: Math.max(from, baseOffset), to: lastOffset + 1 });
  }
  return runs;
}

/** Whole batches from `from` on, until there are enough, or no more. */
async function readFrom(
  kafka: Kafka,
  { partition }: SharePartition,
  from: number,
  end: number,
  maxBytes: number,
  maxRecords: number,
): Promise<Pick<Look, 'to' | 'batches' | 'bytes' | 'error'>> {
  const batches: FoundBatch[] = [];
  let to = from;
  let bytes = 0;
  let records = 0;
  while (to < end && records < maxRecords && (batches.length === 0 || bytes < maxBytes)) {
    const step = Math.min(STEP_BYTES, maxBytes - bytes);
    const found = await readUpTo(kafka, partition, to, end, step, batches.length === 0);
    // Where retention has been faster, the next look starts behind it.
    const isGone = found.error === ErrorCode.OFFSET_OUT_OF_RANGE;
    if (found.records.length === 0) {
      return { to, batches, bytes, error: isGone ? ErrorCode.NONE : found.error };
    }
    for (const each of found.records) {
      const header = readHeader(each);
      if (header === undefined) continue;
      batches.push({ header, bytes: each });
      if ((header.attributes & Attribute.control) === 0) records += header.recordCount;
    }
    bytes += found.bytes;
    to = found.next;
  }
  return { to, batches, bytes, error: ErrorCode.NONE };
}

/** Looked at by nobody else until it is unlocked; undefined where there is nothing, or somebody else is there. */
export async function lookAt(
  kafka: Kafka,
  share: SharePartition,
  maxBytes: number,
  maxRecords: number,
  whenFree: () => void,
): Promise<Look | undefined> {
  if (share.isReading) {
    share.turnedAway.add(whenFree);
    return undefined;
  }
  share.follow();
  const { isCommitted } = kafka.shares.settingsOf(share.state.group);
  const from = share.nextOffset;
  const end = visibleEnd(kafka, share.partition, isCommitted);
  if (from >= end || share.isFull) return undefined;
  share.isReading = true;
  try {
    const found = await readFrom(kafka, share, from, end, maxBytes, maxRecords);
    const runs = runsOf(kafka, share, found.batches, from, found.to, isCommitted);
    return { ...found, share, from, runs };
  } catch (error) {
    share.unlock();
    throw error;
  }
}

/** Whether the group has come on since. */
export const isBehind = ({ share, from }: Look): boolean =>
  share.nextOffset > from || share.partition.startOffset > from;

export interface Taken {
  readonly records: readonly Uint8Array[];
  readonly acquired: readonly AcquiredRange[];
  readonly count: number;
}

/** What the member gets of it: batches with at least one record of it, as they are. */
export function take({ share, from, to, runs, batches }: Look, member: string, appetite: Appetite): Taken {
  const acquired = share.acquire(member, from, to, runs, appetite);
  const records: Uint8Array[] = [];
  let range = 0;
  let count = 0;
  for (const { firstOffset, lastOffset } of acquired) count += lastOffset - firstOffset + 1;
  for (const { header, bytes } of batches) {
    while (range < acquired.length && acquired[range].lastOffset < header.baseOffset) range++;
    if (range < acquired.length && acquired[range].firstOffset <= header.lastOffset) records.push(bytes);
  }
  return { records, acquired, count };
}
