/** Opens a batch whatever its compression, for readers of other protocols, compaction, and questions about single records; closes it again. */
import { type ReadBatch, type RecordBatch, readRecordBatch } from '../../../storage/records/record-batch.ts';
import type { BatchFault, LogKernel } from '../../../wasm/log.ts';
import { CODECS, type Codec, type CodecName, type DecompressionFault } from '../compression/compression.ts';
import { Attribute, Field, HEADER_BYTES, LENGTH_OVERHEAD, readHeader } from './header.ts';

/** The compression that a batch of version 2 says it has; `unknown` where the protocol has none of that number. */
export function codecOf(attributes: number): CodecName | 'none' | 'unknown' {
  const number = attributes & Attribute.codec;
  return number === 0 ? 'none' : (CODECS[number - 1] ?? 'unknown');
}

export type OpenedBatch =
  | Extract<ReadBatch, { readonly fault?: undefined }>
  | { readonly batch?: undefined; readonly fault: BatchFault | DecompressionFault };

/** `header`'s batch with other bytes for its records, which are compressed by the codec of that number. */
function withBody(kernel: LogKernel, header: Uint8Array, body: Uint8Array, codec: number): Uint8Array {
  const batch = new Uint8Array(HEADER_BYTES + body.byteLength);
  batch.set(header.subarray(0, HEADER_BYTES));
  batch.set(body, HEADER_BYTES);
  const view = new DataView(batch.buffer);
  view.setInt32(Field.length, batch.byteLength - LENGTH_OVERHEAD);
  view.setInt16(Field.attributes, (view.getInt16(Field.attributes) & ~Attribute.codec) | codec);
  view.setUint32(Field.crc, kernel.crc32c(batch.subarray(Field.attributes)));
  return batch;
}

/**
 * The batch at the start of `bytes`, which is `codec`'s. What is given is valid through and through, and looks as if it had never been
 * compressed: its bytes, length and checksum are those of the open batch. No more than the kernel's largest batch comes out.
 */
export function openBatch(kernel: LogKernel, bytes: Uint8Array, codec: Codec | undefined): OpenedBatch {
  const closed = readRecordBatch(kernel, bytes);
  if (closed.fault !== undefined || !closed.batch.isCompressed || codec === undefined) return closed;
  const room = kernel.maxBatchBytes - HEADER_BYTES;
  const records = codec.decompress(closed.batch.bytes.subarray(HEADER_BYTES), room);
  if (typeof records === 'string') return { fault: records };
  return readRecordBatch(kernel, withBody(kernel, bytes, records, 0));
}

/** An open batch compressed, for topics that have a compression of their own. */
export function closeBatch(kernel: LogKernel, open: RecordBatch, name: CodecName, codec: Codec): Uint8Array {
  const body = codec.compress(open.bytes.subarray(HEADER_BYTES));
  return withBody(kernel, open.bytes, body, CODECS.indexOf(name) + 1);
}

/** The compression of a batch that may have to be loaded before `openBatch`; undefined where there is none. */
export function codecNeeded(bytes: Uint8Array): CodecName | undefined {
  const name = codecOf(readHeader(bytes)?.attributes ?? 0);
  return name === 'none' || name === 'unknown' ? undefined : name;
}
