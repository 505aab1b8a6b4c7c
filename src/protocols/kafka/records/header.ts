/**
 * What lives here: record batches as Kafka clients send and get them: their headers without a look at the records, what of a producer's
 * may be stored, batches opened whatever their compression, batches and transaction markers made. Not here: checksums, and the walk
 * over records, which are WebAssembly (src/wasm/log.ts); the format itself and records of other protocols (src/storage/records).
 * Guarantees: bytes are never believed: lengths are held against what is there, output of decompression is bounded; what is stored is
 * the producer's own bytes.
 */
import type { BatchHeader } from '../../../wasm/log.ts';

export const HEADER_BYTES = 61;
/** Of the part before what `Field.length` counts. */
export const LENGTH_OVERHEAD = 12;

/** Where the fields of a batch are. */
export const Field = {
  baseOffset: 0,
  length: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  /** What the checksum covers starts here. */
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
} as const;

export const Attribute = { codec: 7, appendTime: 8, transactional: 16, control: 32 } as const;

/** All but what only a walk over the records tells. */
export type HeaderFields = Omit<BatchHeader, 'largestTimestampMs'>;

/** A batch in a run of them. */
export interface FoundBatch {
  readonly header: HeaderFields;
  readonly at: number;
}

const TWO_32 = 0x1_0000_0000;
const int64 = (view: DataView, at: number): number => view.getInt32(at) * TWO_32 + view.getUint32(at + 4);

/**
 * The header of the batch at `at`, unverified; undefined where no whole batch of version 2 can be, by its header. Numbers that cannot
 * be held exactly are of batches that were never let in.
 */
export function readHeader(bytes: Uint8Array, at = 0): HeaderFields | undefined {
  if (bytes.byteLength - at < HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, bytes.byteLength - at);
  const byteLength = view.getInt32(Field.length) + LENGTH_OVERHEAD;
  const isWhole = byteLength >= HEADER_BYTES && byteLength <= view.byteLength;
  if (!isWhole || view.getInt8(Field.magic) !== 2) return undefined;
  const baseOffset = int64(view, Field.baseOffset);
  return {
    byteLength,
    baseOffset,
    lastOffset: baseOffset + view.getInt32(Field.lastOffsetDelta),
    baseTimestampMs: int64(view, Field.baseTimestamp),
    maxTimestampMs: int64(view, Field.maxTimestamp),
    recordCount: view.getInt32(Field.recordCount),
    attributes: view.getInt16(Field.attributes),
    leaderEpoch: view.getInt32(Field.leaderEpoch),
    producerId: int64(view, Field.producerId),
    producerEpoch: view.getInt16(Field.producerEpoch),
    baseSequence: view.getInt32(Field.baseSequence),
  };
}

/** The batches of a run, up to its end or to what is no whole batch. */
export function* batchesOf(bytes: Uint8Array): Generator<FoundBatch> {
  for (let at = 0; ; ) {
    const header = readHeader(bytes, at);
    if (header === undefined) return;
    yield { header, at };
    at += header.byteLength;
  }
}
