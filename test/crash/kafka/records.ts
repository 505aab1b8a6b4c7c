/** Records of committed transactions, as a consumer with isolation finds them: what was aborted is there, but not for it. */
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { readMarker } from '../../../src/protocols/kafka/records/marker.ts';
import { readRecordBatch } from '../../../src/storage/records/record-batch.ts';
import { createLogKernel } from '../../../src/wasm/create-log.ts';
import { ZERO } from '../../e2e/kafka/batches.ts';
import { accept, type Wire } from './wire.ts';

const kernel = createLogKernel({ maxBatchBytes: 8 * 1024 * 1024, memoryLimitBytes: 64 * 1024 * 1024 });
const FETCH_BYTES = 256 * 1024;

export interface CommittedRecord {
  readonly offset: number;
  readonly key: string;
  readonly value: string;
}

export interface Fetched {
  readonly records: readonly CommittedRecord[];
  /** Where to go on. */
  readonly next: number;
  readonly lastStableOffset: number;
  readonly highWatermark: number;
}

const text = (bytes: Uint8Array | null): string => (bytes === null ? '' : Buffer.from(bytes).toString());

function read(
  bytes: Uint8Array,
  from: number,
  aborted: readonly { readonly producerId: number; readonly firstOffset: number }[],
): { records: CommittedRecord[]; next: number } {
  const records: CommittedRecord[] = [];
  const waiting = [...aborted];
  const skipped = new Set<number>();
  let next = from;
  for (let at = 0; at < bytes.length; ) {
    const { batch, fault } = readRecordBatch(kernel, bytes, at);
    if (batch === undefined) throw new Error(`no batch at ${at}: ${fault}`);
    const { producerId, lastOffset } = batch.header;
    while (waiting[0] !== undefined && waiting[0].firstOffset <= lastOffset) {
      skipped.add(waiting[0].producerId);
      waiting.shift();
    }
    if (batch.isControl) {
      if (readMarker(batch)?.type === 'abort') skipped.delete(producerId);
    } else if (!batch.isTransactional || !skipped.has(producerId)) {
      for (let i = 0; i < batch.length; i++) {
        const offset = batch.offset(i);
        if (offset >= from) records.push({ offset, key: text(batch.key(i)), value: text(batch.value(i)) });
      }
    }
    next = lastOffset + 1;
    at += batch.header.byteLength;
  }
  return { records, next };
}

/** Waits up to `maxWaitMs` for something. */
export async function fetchCommitted(
  wire: Wire,
  topic: string,
  partition: number,
  from: number,
  maxWaitMs: number,
): Promise<Fetched> {
  const { errorCode, responses } = await wire.call(Apis.fetch, 12, {
    maxWaitMs,
    minBytes: 1,
    isolationLevel: 1,
    topics: [
      {
        topic,
        topicId: ZERO,
        partitions: [{ partition, fetchOffset: from, partitionMaxBytes: FETCH_BYTES }],
      },
    ],
    forgottenTopicsData: [],
  });
  accept('Fetch', errorCode);
  const [found] = responses[0]?.partitions ?? [];
  if (found === undefined) throw new Error('Fetch: no partition');
  accept(`Fetch of ${topic}-${partition} from ${from}`, found.errorCode);
  const { lastStableOffset, highWatermark } = found;
  const aborted = found.abortedTransactions ?? [];
  return { ...read(found.records ?? new Uint8Array(0), from, aborted), lastStableOffset, highWatermark };
}

export async function fetchAll(wire: Wire, topic: string, partition: number): Promise<CommittedRecord[]> {
  const records: CommittedRecord[] = [];
  for (let at = 0; ; ) {
    const fetched = await fetchCommitted(wire, topic, partition, at, 0);
    records.push(...fetched.records);
    if (fetched.next === at) return records;
    at = fetched.next;
  }
}
