/** One batch to its partition: what must hold before it is appended, and what the client is told. */
import type { AppendRefusal, Partition } from '../../../kernel/log/partitions.ts';
import type { LogRecord } from '../../../storage/records/record.ts';
import type { RecordBatch } from '../../../storage/records/record-batch.ts';
import { type BatchHeader, RECORD_WORDS, RecordField } from '../../../wasm/log.ts';
import { loadedCodec } from '../compression/compression.ts';
import type { Kafka } from '../context.ts';
import type { DelayRefusal, SplitBatch } from '../delay/delay.ts';
import { ErrorCode } from '../messages/errors.ts';
import { Attribute } from '../records/header.ts';
import { codecNeeded, openBatch } from '../records/open.ts';
import { checkProduced } from '../records/produced.ts';
import type { Topic } from '../topics/topics.ts';
import { inOwnCompression } from './compressed.ts';
import type { ProduceOrigin } from './gate.ts';

export interface Appended {
  readonly error: ErrorCode;
  readonly message: string | null;
  /** Of what is refused: which records, by their places in the batch; empty where it is not for single ones. */
  readonly recordIndexes?: readonly number[];
  readonly baseOffset: number;
  readonly logAppendTimeMs: number;
}

const refused = (error: ErrorCode, message: string, recordIndexes: readonly number[] = []): Appended => ({
  error,
  message,
  recordIndexes,
  baseOffset: -1,
  logAppendTimeMs: -1,
});

/** Named in an answer; a batch has up to millions. */
const MAX_RECORD_ERRORS = 1000;

const REFUSALS: Readonly<Record<AppendRefusal, ErrorCode>> = {
  failed: ErrorCode.KAFKA_STORAGE_ERROR,
  full: ErrorCode.KAFKA_STORAGE_ERROR,
  'no-memory': ErrorCode.KAFKA_STORAGE_ERROR,
  deleted: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  'too-large': ErrorCode.MESSAGE_TOO_LARGE,
  invalid: ErrorCode.CORRUPT_MESSAGE,
};

/** Rows of the records that the kernel has just walked; of a compressed batch, of what is in it. */
function rowsOf({ kernel }: Kafka, batch: Uint8Array): Int32Array | ErrorCode {
  const name = codecNeeded(batch);
  if (name === undefined) return kernel.takeRecords();
  const opened = openBatch(kernel, batch, loadedCodec(name));
  if (opened.fault !== undefined) return ErrorCode.CORRUPT_MESSAGE;
  // Reading the opened batch has taken its rows.
  return kernel.scan(opened.batch.bytes) === undefined ? kernel.takeRecords() : ErrorCode.CORRUPT_MESSAGE;
}

/** What is said of single records: a strict topic has them all, and a compacted one with a key in each. */
function checkRecords(kafka: Kafka, { settings }: Topic, batch: Uint8Array): Appended | undefined {
  const isCompacted = settings.cleanup !== 'delete';
  const isOpened = isCompacted || (settings.isStrict && codecNeeded(batch) !== undefined);
  if (!isOpened) return undefined;
  const rows = rowsOf(kafka, batch);
  if (typeof rows === 'number') return refused(rows, 'the compressed records are damaged');
  if (!isCompacted) return undefined;
  const keyless: number[] = [];
  for (let at = 0; at < rows.length && keyless.length < MAX_RECORD_ERRORS; at += RECORD_WORDS) {
    if ((rows[at + RecordField.KeyLength] as number) < 0) keyless.push(at / RECORD_WORDS);
  }
  if (keyless.length === 0) return undefined;
  return refused(ErrorCode.INVALID_RECORD, 'a record of a compacted topic needs a key', keyless);
}

function checkTimes({ clock }: Kafka, { settings }: Topic, header: BatchHeader): Appended | undefined {
  if (settings.timestampType === 'LogAppendTime') return undefined;
  const nowMs = clock.wallMs();
  const isLate =
    header.baseTimestampMs >= 0 && header.baseTimestampMs < nowMs - settings.timestampBeforeMaxMs;
  const isEarly = header.largestTimestampMs > nowMs + settings.timestampAfterMaxMs;
  if (!isLate && !isEarly) return undefined;
  return refused(ErrorCode.INVALID_TIMESTAMP, 'the time of a record is too far from that of the broker');
}

/** What belongs to a transaction may yet be aborted: the follower of the partition has it cross when it is decided. */
const isOpen = ({ attributes }: BatchHeader): boolean => (attributes & Attribute.transactional) !== 0;

/** All, or those of the indexes. */
function* recordsOf(batch: RecordBatch, indexes?: readonly number[]): Generator<LogRecord> {
  if (indexes !== undefined) for (const i of indexes) yield batch.record(i);
  else for (let i = 0; i < batch.length; i++) yield batch.record(i);
}

/** Those that a follower cannot tell from what was published to the address. */
function ownMessages({ crossing }: Kafka, topic: string, batch: RecordBatch): number[] {
  const found: number[] = [];
  for (let i = 0; i < batch.length; i++) if (crossing.isOwnMessage(topic, batch.record(i))) found.push(i);
  return found;
}

/** To the subscribers of other protocols, whose deliveries are changes in front of the one that is acknowledged. */
function cross(kafka: Kafka, topic: Topic, partition: Partition, bytes: Uint8Array): void {
  const { name } = topic;
  const { kernel, crossing, follower } = kafka;
  const codec = codecNeeded(bytes);
  const { batch, fault } = openBatch(kernel, bytes, codec && loadedCodec(codec));
  if (batch === undefined) {
    follower.unopened(partition, fault);
    return;
  }
  const own = follower.isHeld(partition) ? ownMessages(kafka, name, batch) : undefined;
  for (const { record, index, reason } of crossing.publish(name, recordsOf(batch, own))) {
    kafka.deadLetters.bury(topic, partition, record, batch.offset(own?.[index] ?? index), reason);
  }
}

/** Where records of the batch are to appear later, what of it is to be stored now. */
function delayed(
  { log, delays }: Kafka,
  topic: Topic,
  partition: Partition,
  batch: Uint8Array,
  { writer }: ProduceOrigin,
): SplitBatch | DelayRefusal | undefined {
  if (!topic.settings.delays) return undefined;
  const refusal = log.refusal() ?? log.refusal(partition.storage);
  if (refusal === undefined) return delays.split(topic, partition, batch, writer);
  return { error: REFUSALS[refusal], reason: `the batch could not be stored: ${refusal}` };
}

/** Appends what may be appended, as a part of the current change of the state log. */
export function append(
  kafka: Kafka,
  topic: Topic,
  partition: Partition,
  records: Uint8Array | null,
  origin: ProduceOrigin,
): Appended {
  const { kernel, producers, partitions, clock } = kafka;
  const { maxMessageBytes, segmentBytes, timestampType } = topic.settings;
  const checked = checkProduced(kernel, records, {
    apiVersion: origin.apiVersion,
    maxBatchBytes: maxMessageBytes,
  });
  if (checked.error !== undefined) return refused(checked.error, checked.message);
  const { header } = checked;
  const batch = records as Uint8Array;
  if (batch.byteLength > segmentBytes) {
    return refused(
      ErrorCode.RECORD_LIST_TOO_LARGE,
      `a batch of ${batch.byteLength} bytes is above segment.bytes`,
    );
  }
  const fault = checkRecords(kafka, topic, batch) ?? checkTimes(kafka, topic, header);
  if (fault !== undefined) return fault;
  const verdict = producers.check(partition, header, origin);
  if (verdict.kind === 'error') return refused(verdict.error, verdict.message);
  if (verdict.kind === 'duplicate') {
    const { baseOffset, logAppendTimeMs } = verdict;
    return { error: ErrorCode.NONE, message: null, baseOffset, logAppendTimeMs };
  }
  const own = inOwnCompression(kernel, topic, batch);
  if (typeof own === 'number') return refused(own, 'the compressed records are damaged');
  if (own.byteLength > maxMessageBytes) {
    return refused(ErrorCode.MESSAGE_TOO_LARGE, `${own.byteLength} bytes in the compression of the topic`);
  }
  const split = delayed(kafka, topic, partition, own, origin);
  if (split?.error !== undefined)
    return refused(split.error, split.reason, split.index === undefined ? [] : [split.index]);
  const stored = split?.rest ?? own;
  const logAppendTimeMs = timestampType === 'LogAppendTime' ? clock.wallMs() : -1;
  if (logAppendTimeMs >= 0) kernel.patchAppendTime(stored, logAppendTimeMs);
  split?.wait();
  const baseOffset = partitions.appendBatch(partition, stored, { isBorrowed: stored === batch });
  if (typeof baseOffset === 'string') {
    split?.forgo();
    return refused(REFUSALS[baseOffset], `the batch could not be stored: ${baseOffset}`);
  }
  producers.appended(partition, header, baseOffset, logAppendTimeMs, origin);
  if (!isOpen(header) && kafka.crossing.isWanted(topic.name)) cross(kafka, topic, partition, stored);
  return { error: ErrorCode.NONE, message: null, baseOffset, logAppendTimeMs };
}
