/**
 * Record batches in process: checksum, validation with listing, building, and messages there and back.
 *
 *   node --import tsx bench/records.ts [seconds per figure]
 *
 * Figures are per CPU second and the best of three. Checksums include the copy into the module's memory. `zlib.crc32` is
 * another polynomial (native code, where Node has it): a yardstick, not an alternative.
 */

import * as zlib from 'node:zlib';
import type { Message } from '../src/kernel/message.ts';
import { RecordBatchBuilder } from '../src/storage/records/batch-builder.ts';
import { messageToRecord, recordToMessage } from '../src/storage/records/message-record.ts';
import { NO_HEADERS } from '../src/storage/records/record.ts';
import { readRecordBatch } from '../src/storage/records/record-batch.ts';
import { createLogKernel } from '../src/wasm/create-log.ts';
import { processorRate } from './processor-rate.ts';

const secondsPerFigure = Number(process.argv[2] ?? 0.2);
const kernel = createLogKernel({ maxBatchBytes: 4 << 20, memoryLimitBytes: 64 << 20 });
const builder = new RecordBatchBuilder(kernel);

const rate = (work: () => void): number => processorRate(secondsPerFigure, work);

const table = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f6_3b78 : 0);
  return crc;
});

function tableCrc32c(bytes: Uint8Array): number {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) {
    crc = (crc >>> 8) ^ (table[(crc ^ (bytes[i] as number)) & 255] as number);
  }
  return ~crc >>> 0;
}

const crc32: unknown = Reflect.get(zlib, 'crc32');
const native = typeof crc32 === 'function' ? (bytes: Uint8Array) => Number(crc32(bytes)) : undefined;
const gigabytes = (bytes: number, work: () => void): string =>
  (rate(work) * bytes * 1e-9).toFixed(2).padStart(8);
const millions = (count: number, work: () => void): string =>
  ((rate(work) * count) / 1e6).toFixed(2).padStart(8);

console.log('checksum, GB per CPU second       256 B    1 KiB    4 KiB   64 KiB    1 MiB');
const inputs = [256, 1024, 4096, 65_536, 1 << 20].map((size) => new Uint8Array(size).fill(0xa5));
/** As the memory engine keeps it: not at the start of a word. */
function inSharedMemory(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length + 3), 3);
  copy.set(bytes);
  return copy;
}
const line = (name: string, crc: (bytes: Uint8Array) => number, of: readonly Uint8Array[] = inputs): void => {
  const cells = of.map((bytes) => gigabytes(bytes.length, () => crc(bytes)));
  console.log(`  ${name.padEnd(28)} ${cells.join(' ')}`);
};
line('log module, CRC-32C', (bytes) => kernel.crc32c(bytes));
line('the same, of shared memory', (bytes) => kernel.crc32c(bytes), inputs.map(inSharedMemory));
line('table in TypeScript, CRC-32C', tableCrc32c);
if (native !== undefined) line('zlib.crc32, CRC-32', native);

const topic = new TextEncoder().encode('sensors/site-7/device-42');
const unit = [0x26, 0, 4, ...Buffer.from('unit'), 0, 1, 0x43];
function batchOf(count: number, valueBytes: number): Uint8Array {
  const value = new Uint8Array(valueBytes);
  for (let i = 0; i < count; i++) builder.append({ timestampMs: i, key: topic, value, headers: NO_HEADERS });
  return builder.finish(0, 0) ?? new Uint8Array(0);
}

console.log(
  'records, millions per CPU second  × 1     × 100  × 10,000 in a batch; value of 100 bytes, key of 24',
);
const counts = [1, 100, 10_000];
const recordLine = (name: string, cell: (count: number) => string): void => {
  console.log(`  ${name.padEnd(28)} ${counts.map(cell).join(' ')}`);
};
recordLine('validate', (count) => {
  const bytes = batchOf(count, 100);
  return millions(count, () => kernel.scan(bytes));
});
recordLine('validate and list', (count) => {
  const bytes = batchOf(count, 100);
  return millions(count, () => readRecordBatch(kernel, bytes));
});
recordLine('… and view each value', (count) => {
  const bytes = batchOf(count, 100);
  return millions(count, () => {
    const { batch } = readRecordBatch(kernel, bytes);
    for (let i = 0; i < count; i++) batch?.value(i);
  });
});
recordLine('build', (count) => millions(count, () => batchOf(count, 100)));

const plain: Message = {
  topic,
  payload: new Uint8Array(100),
  properties: new Uint8Array(0),
  qos: 1,
  retain: false,
  expiresAtMs: 0,
  publisher: -1,
};
for (const [name, message] of [
  ['message, no properties', plain],
  ['message, one user property', { ...plain, properties: Uint8Array.from(unit) }],
] as const) {
  recordLine(`${name} to batch`, (count) =>
    millions(count, () => {
      for (let i = 0; i < count; i++) builder.append(messageToRecord(message, i));
      builder.finish(0, 0);
    }),
  );
  recordLine(`${name} from it`, (count) => {
    for (let i = 0; i < count; i++) builder.append(messageToRecord(message, i));
    const bytes = builder.finish(0, 0) ?? new Uint8Array(0);
    return millions(count, () => {
      const { batch } = readRecordBatch(kernel, bytes);
      for (let i = 0; i < count; i++) if (batch !== undefined) recordToMessage(batch.record(i));
    });
  });
}
