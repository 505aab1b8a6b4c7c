/** Batches as a producer makes them, and requests with them. */

import type { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { type BatchOptions, buildBatch } from '../../../src/protocols/kafka/records/build.ts';
import type { In } from '../../../src/protocols/kafka/schema/message.ts';
import { readRecordBatch } from '../../../src/storage/records/record-batch.ts';
import { createLogKernel } from '../../../src/wasm/create-log.ts';

const kernel = createLogKernel({ maxBatchBytes: 8 * 1024 * 1024, memoryLimitBytes: 64 * 1024 * 1024 });
const NO_HEADERS = { count: 0, bytes: new Uint8Array(0) };

export interface TestRecord {
  readonly key?: string | null;
  readonly value: string;
  readonly timestampMs?: number;
}

export function batchFrom(records: readonly TestRecord[], options: BatchOptions = {}): Uint8Array {
  const made = records.map(({ key = null, value, timestampMs = Date.now() }) => ({
    timestampMs,
    key: key === null ? null : Buffer.from(key),
    value: Buffer.from(value),
    headers: NO_HEADERS,
  }));
  return buildBatch(kernel, made, options);
}

export const batchOf = (...values: string[]): Uint8Array => batchFrom(values.map((value) => ({ value })));

export function produceRequest(
  name: string,
  records: Uint8Array | null,
  { acks = 1, index = 0 }: { readonly acks?: number; readonly index?: number } = {},
): In<(typeof Apis)['produce']['request']> {
  return { acks, timeoutMs: 1000, topicData: [{ name, topicId: ZERO, partitionData: [{ index, records }] }] };
}

export const ZERO = 'AAAAAAAAAAAAAAAAAAAAAA';

export interface ReadRecord {
  readonly offset: number;
  readonly timestampMs: number;
  readonly value: string;
}

/** What is in the records of a Fetch answer. */
export function recordsIn(bytes: Uint8Array | null): ReadRecord[] {
  const found: ReadRecord[] = [];
  for (let at = 0; bytes !== null && at < bytes.length; ) {
    const { batch, fault } = readRecordBatch(kernel, bytes.slice(at));
    if (batch === undefined) throw new Error(`no batch at ${at}: ${fault}`);
    for (let i = 0; i < batch.length; i++) {
      const value = Buffer.from(batch.value(i) ?? []).toString();
      found.push({ offset: batch.offset(i), timestampMs: batch.timestampMs(i), value });
    }
    at += batch.header.byteLength;
  }
  return found;
}
