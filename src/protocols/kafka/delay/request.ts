/** What a producer asks for: a header with the milliseconds after which the record is to appear. */
import {
  decodeHeaders,
  encodeHeaders,
  type LogRecord,
  type RecordHeaders,
} from '../../../storage/records/record.ts';
import type { RecordBatch } from '../../../storage/records/record-batch.ts';

export interface DelayedRecord {
  readonly index: number;
  readonly delayMs: number;
  /** Without the header. */
  readonly record: LogRecord;
}

export interface DelayFault {
  readonly index: number;
  readonly reason: string;
}

export type Delays =
  | { readonly delayed: readonly DelayedRecord[]; readonly fault?: undefined }
  | { readonly fault: DelayFault };

export const DELAY_HEADER = 'robustmq.delay.ms';
const NAME = Buffer.from(DELAY_HEADER);
const MAX_DIGITS = 15;

const buffer = ({ buffer: memory, byteOffset, byteLength }: Uint8Array): Buffer =>
  Buffer.from(memory as ArrayBuffer, byteOffset, byteLength);

/** Of a batch that is not compressed: whether it is worth being opened. A search at the speed of memory. */
export const mayAskForDelay = (bytes: Uint8Array): boolean => buffer(bytes).includes(NAME);

/** Undefined where there is no such header; -1 for what is no such number, or is there twice. */
function delayIn(headers: RecordHeaders): number | undefined {
  if (headers.count === 0 || !mayAskForDelay(headers.bytes)) return undefined;
  const asked = decodeHeaders(headers).filter(({ name }) => NAME.equals(name));
  if (asked.length === 0) return undefined;
  const text = asked.length > 1 ? '' : buffer(asked[0]?.value ?? new Uint8Array(0)).toString('latin1');
  return text.length <= MAX_DIGITS && /^\d+$/.test(text) ? Number(text) : -1;
}

const withoutDelay = (headers: RecordHeaders): RecordHeaders =>
  encodeHeaders(decodeHeaders(headers).filter(({ name }) => !NAME.equals(name)));

/** Of an open batch. A delay of 0 is none. */
export function delaysIn(batch: RecordBatch, maxDelayMs: number): Delays {
  const delayed: DelayedRecord[] = [];
  for (let index = 0; index < batch.length; index++) {
    const record = batch.record(index);
    const delayMs = delayIn(record.headers);
    if (delayMs === undefined || delayMs === 0) continue;
    if (delayMs < 0)
      return { fault: { index, reason: `${DELAY_HEADER} is one whole number in decimal digits` } };
    if (delayMs > maxDelayMs) {
      return { fault: { index, reason: `a delay of ${delayMs} ms where ${maxDelayMs} are allowed` } };
    }
    delayed.push({ index, delayMs, record: { ...record, headers: withoutDelay(record.headers) } });
  }
  return { delayed };
}
