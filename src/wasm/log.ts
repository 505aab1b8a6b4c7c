/**
 * Host side of assembly/log: CRC-32C, record batches (Kafka RecordBatch v2) and sparse indexes over one growing memory.
 *
 * What is handed in is copied in, what is handed out is the caller's own, so no view of this memory leaves this module.
 * Batches and indexes hold blocks of it until they are finished, discarded or released; `memoryLimitBytes` bounds them all.
 * Offsets, positions and timestamps are safe integers: a caller that hands in others gets a RangeError. Bytes are never
 * the caller's fault: a batch that is not valid is described by a BatchFault.
 */

/** Why a batch is refused, by the number that assembly/log/layout.ts gives it. */
export const BATCH_FAULTS = [
  undefined,
  'truncated',
  'batch-length',
  'magic',
  'crc',
  'attributes',
  'offset-range',
  'timestamp-range',
  'producer',
  'record-count',
  'record-length',
  'record-attributes',
  'offset-order',
  'record-field',
  'record-headers',
  'trailing-bytes',
] as const;
/** `too-large`: more than maxBatchBytes, whatever it holds. */
export type BatchFault = Exclude<(typeof BATCH_FAULTS)[number], undefined> | 'too-large';

/** Positions inside a row of the record table; offsets count from the start of the batch. */
export const RecordField = {
  OffsetDelta: 0,
  Key: 1,
  /** -1 = null, as for values. */
  KeyLength: 2,
  Value: 3,
  ValueLength: 4,
  Headers: 5,
  HeadersLength: 6,
  HeaderCount: 7,
  /** Lower half (as u32) and upper half. */
  Timestamp: 8,
  TimestampUpper: 9,
} as const;
export const RECORD_WORDS = 10;

export interface LogKernelOptions {
  /** Larger batches are neither read nor built. */
  readonly maxBatchBytes: number;
  /** All blocks: two rooms for work (one of maxBatchBytes), batches under construction, indexes. */
  readonly memoryLimitBytes: number;
}

/** Header of a valid batch. */
export interface BatchHeader {
  /** Bytes of the batch, header included: the next one starts behind them. */
  readonly byteLength: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly baseTimestampMs: number;
  /** As the header says. */
  readonly maxTimestampMs: number;
  /** Of a compressed batch: as its header says, bounded only by the number of its offsets. */
  readonly recordCount: number;
  readonly attributes: number;
  readonly leaderEpoch: number;
  /** -1 = none, as for epoch and sequence. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  /** Largest timestamp that a record has; of a compressed or empty batch, what the header says or -1. */
  readonly largestTimestampMs: number;
}

export type AppendResult = 'appended' | 'full' | 'no-memory';

/** A batch under construction, one after the other. It holds memory from the first record to `finish` or `discard`. */
export interface OpenBatch {
  /** Of what `finish` would return now; 0 without records. */
  readonly byteLength: number;
  readonly recordCount: number;
  /** `headers` is wire form of `headerCount` headers. `full`: the batch would exceed maxBatchBytes. Nothing changes then, nor when memory ran out. */
  append(
    timestampMs: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headerCount: number,
    headers: Uint8Array,
  ): AppendResult;
  /** undefined without records. */
  finish(baseOffset: number, leaderEpoch: number): Uint8Array | undefined;
  discard(): void;
}

export interface IndexEntry {
  readonly offset: number;
  readonly position: number;
}

/** Offset and time index of one log. When it is full, or memory is, every second entry goes and its interval doubles. */
export interface SparseIndex {
  readonly count: number;
  /** A batch was appended. Offsets rise; positions are the caller's. */
  add(offset: number, position: number, maxTimestampMs: number, byteLength: number): void;
  /** Where to start reading to find this offset; undefined = it is below the first entry. */
  findOffset(offset: number): IndexEntry | undefined;
  /** Where to start reading to find the first record of this time or later; undefined = no batch is that late. */
  findTime(timestampMs: number): IndexEntry | undefined;
  /** The log ends before this offset. */
  truncate(offset: number): void;
  /** The log starts at this offset. */
  trim(offset: number): void;
  release(): void;
}

export interface LogKernel {
  readonly maxBatchBytes: number;
  /** Checksum of `bytes`, or of what `previous` is the checksum of and `bytes`. */
  crc32c(bytes: Uint8Array, previous?: number): number;
  /** Validates the batch that starts at `at`, all its records included; `header` and `takeRecords` then describe it. */
  scan(bytes: Uint8Array, at?: number): BatchFault | undefined;
  /** Of the last valid batch. */
  header(): BatchHeader;
  /** Its records in rows of RECORD_WORDS, none of a compressed batch; once, and before the next call of `scan`, `crc32c` or a patch. */
  takeRecords(): Int32Array;
  /** Sets base offset and leader epoch of a valid batch in place. */
  patchOffset(batch: Uint8Array, baseOffset: number, leaderEpoch: number): void;
  /** Sets the timestamp of all records of a valid batch in place and corrects its checksum: log append time. */
  patchAppendTime(batch: Uint8Array, timestampMs: number): void;
  createBatch(): OpenBatch;
  /** undefined = no memory. */
  createSparseIndex(intervalBytes: number, maxEntries: number): SparseIndex | undefined;
  /** Bytes of blocks in use, work rooms included. */
  liveBytes(): number;
}
