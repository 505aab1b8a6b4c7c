/** Transaction markers: control batches of one record, which say how a producer's transaction in a partition ended. */

import { NO_HEADERS } from '../../../storage/records/record.ts';
import type { RecordBatch } from '../../../storage/records/record-batch.ts';
import type { LogKernel } from '../../../wasm/log.ts';
import { buildBatch } from './build.ts';

const TYPES = ['abort', 'commit'] as const;
const VERSION = 0;
const KEY_BYTES = 4;
const VALUE_BYTES = 6;

export interface Marker {
  readonly type: (typeof TYPES)[number];
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
}

export function buildMarker(kernel: LogKernel, marker: Marker, timestampMs: number): Uint8Array {
  const key = new DataView(new ArrayBuffer(KEY_BYTES));
  key.setInt16(0, VERSION);
  key.setInt16(2, TYPES.indexOf(marker.type));
  const value = new DataView(new ArrayBuffer(VALUE_BYTES));
  value.setInt16(0, VERSION);
  value.setInt32(2, marker.coordinatorEpoch);
  const record = {
    timestampMs,
    key: new Uint8Array(key.buffer),
    value: new Uint8Array(value.buffer),
    headers: NO_HEADERS,
  };
  return buildBatch(kernel, [record], {
    producer: { id: marker.producerId, epoch: marker.producerEpoch, baseSequence: -1 },
    isTransactional: true,
    isControl: true,
  });
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** undefined where the batch is none: control records may come to have other meanings. */
export function readMarker(batch: RecordBatch): Marker | undefined {
  if (!batch.isControl || batch.length !== 1) return undefined;
  const key = batch.key(0);
  const value = batch.value(0);
  if (key === null || key.byteLength < KEY_BYTES) return undefined;
  if (value === null || value.byteLength < VALUE_BYTES) return undefined;
  const type = TYPES[viewOf(key).getInt16(2)];
  if (type === undefined) return undefined;
  const { producerId, producerEpoch } = batch.header;
  return { type, producerId, producerEpoch, coordinatorEpoch: viewOf(value).getInt32(2) };
}
