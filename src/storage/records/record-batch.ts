/** Reads record batches: all checks at once, objects for records only when one is asked for. */
import {
  type BatchFault,
  type BatchHeader,
  type LogKernel,
  RECORD_WORDS,
  RecordField,
} from '../../wasm/log.ts';
import { type LogRecord, NO_HEADERS } from './record.ts';

const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
export type Codec = (typeof CODECS)[number];

const Attribute = { Codec: 7, AppendTime: 8, Transactional: 16, Control: 32, DeleteHorizon: 64 } as const;

export class RecordBatch {
  readonly header: BatchHeader;
  /** The whole batch as it was handed in, without what follows it: pass it on verbatim. */
  readonly bytes: Uint8Array;
  readonly #rows: Int32Array;

  constructor(header: BatchHeader, bytes: Uint8Array, rows: Int32Array) {
    this.header = header;
    this.bytes = bytes;
    this.#rows = rows;
  }

  #has(attribute: number): boolean {
    return (this.header.attributes & attribute) !== 0;
  }

  get codec(): Codec {
    return CODECS[this.header.attributes & Attribute.Codec] ?? 'none';
  }

  /** The records are closed: they travel as they are, and `length` is 0. */
  get isCompressed(): boolean {
    return this.#has(Attribute.Codec);
  }

  /** Timestamps are the broker's, one for all records. */
  get isAppendTime(): boolean {
    return this.#has(Attribute.AppendTime);
  }

  get isTransactional(): boolean {
    return this.#has(Attribute.Transactional);
  }

  /** Marks of transactions, not messages. */
  get isControl(): boolean {
    return this.#has(Attribute.Control);
  }

  /** The base timestamp is when tombstones may go, not a record's time. */
  get hasDeleteHorizon(): boolean {
    return this.#has(Attribute.DeleteHorizon);
  }

  /** One record per offset, as producers send them; false where compaction has taken some. */
  get isDense(): boolean {
    const { baseOffset, lastOffset, recordCount } = this.header;
    return lastOffset - baseOffset + 1 === recordCount;
  }

  /** Records that can be read here. */
  get length(): number {
    return this.#rows.length / RECORD_WORDS;
  }

  #word(index: number, field: number): number {
    const word = this.#rows[index * RECORD_WORDS + field];
    if (word === undefined) throw new RangeError(`record ${index} of ${this.length}`);
    return word;
  }

  #range(at: number, length: number): Uint8Array {
    return this.bytes.subarray(at, at + length);
  }

  offset(index: number): number {
    return this.header.baseOffset + this.#word(index, RecordField.OffsetDelta);
  }

  timestampMs(index: number): number {
    const lower = this.#word(index, RecordField.Timestamp) >>> 0;
    return this.#word(index, RecordField.TimestampUpper) * 0x1_0000_0000 + lower;
  }

  key(index: number): Uint8Array | null {
    const length = this.#word(index, RecordField.KeyLength);
    return length < 0 ? null : this.#range(this.#word(index, RecordField.Key), length);
  }

  value(index: number): Uint8Array | null {
    const length = this.#word(index, RecordField.ValueLength);
    return length < 0 ? null : this.#range(this.#word(index, RecordField.Value), length);
  }

  record(index: number): LogRecord {
    const count = this.#word(index, RecordField.HeaderCount);
    const headers = this.#word(index, RecordField.Headers);
    return {
      timestampMs: this.timestampMs(index),
      key: this.key(index),
      value: this.value(index),
      headers:
        count === 0
          ? NO_HEADERS
          : { count, bytes: this.#range(headers, this.#word(index, RecordField.HeadersLength)) },
    };
  }
}

export type ReadBatch =
  | { readonly batch: RecordBatch; readonly fault?: undefined }
  | { readonly batch?: undefined; readonly fault: BatchFault };

/** The batch that starts at `at`. It keeps views of `bytes`: these must not change while it is used. */
export function readRecordBatch(kernel: LogKernel, bytes: Uint8Array, at = 0): ReadBatch {
  const fault = kernel.scan(bytes, at);
  if (fault !== undefined) return { fault };
  const header = kernel.header();
  return {
    batch: new RecordBatch(header, bytes.subarray(at, at + header.byteLength), kernel.takeRecords()),
  };
}
