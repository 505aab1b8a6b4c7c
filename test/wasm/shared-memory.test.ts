import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WireWriter } from '../../src/protocols/kafka/schema/writer.ts';
import { RecordBatchBuilder } from '../../src/storage/records/batch-builder.ts';
import { NO_HEADERS } from '../../src/storage/records/record.ts';
import { readRecordBatch } from '../../src/storage/records/record-batch.ts';
import { copyBytes, copyOf } from '../../src/wasm/copy-bytes.ts';
import { createLogKernel } from '../../src/wasm/create-log.ts';
import { inSharedMemory, slowCopies } from '../support/shared-memory.ts';

const kernel = createLogKernel({ maxBatchBytes: 1 << 20, memoryLimitBytes: 8 << 20 });
const noise = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, (_, i) => (i * i + 7) % 251);

function batchOf(values: readonly Uint8Array[]): Uint8Array {
  const builder = new RecordBatchBuilder(kernel);
  for (const [i, value] of values.entries()) {
    expect(builder.append({ timestampMs: i, key: noise(i), value, headers: NO_HEADERS })).toBe('appended');
  }
  return builder.finish(7, 3) ?? new Uint8Array(0);
}

/** All that the kernel says of a batch. */
function told(bytes: Uint8Array, at = 0): unknown {
  const fault = kernel.scan(bytes, at);
  if (fault !== undefined) return fault;
  return [kernel.header(), [...kernel.takeRecords()], kernel.crc32c(bytes.subarray(at))];
}

describe('memory that may be shared', () => {
  it('is copied as any other, wherever the two sides lie, and nothing beside', () => {
    fc.assert(
      fc.property(
        fc.nat(2000),
        fc.nat(20),
        fc.nat(20),
        fc.boolean(),
        fc.boolean(),
        (length, fromAt, at, isFromShared, isIntoShared) => {
          const memory = (bytes: number, isShared: boolean): Uint8Array =>
            new Uint8Array(isShared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes));
          const from = memory(fromAt + length, isFromShared).subarray(fromAt);
          from.set(noise(length));
          const into = memory(at + length + 20, isIntoShared).fill(255);
          copyBytes(from, into, at);
          const around = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(255);
          const expected = Buffer.concat([around(at), noise(length), around(20)]);
          expect(Buffer.compare(into, expected)).toBe(0);
          expect(Buffer.compare(copyOf(from), noise(length))).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('is refused where it does not fit, before anything is written', () => {
    for (const from of [noise(1000), inSharedMemory(noise(1000))]) {
      const into = new Uint8Array(1001);
      expect(() => copyBytes(from, into, 2)).toThrow(RangeError);
      expect(into.every((byte) => byte === 0)).toBe(true);
    }
  });

  it('has record batches of which the kernel says the same as of those in ordinary memory, at each place in a word', () => {
    for (const sizes of [[0], [5, 0, 17], [400, 90], [3000, 1, 60_000], [70_000, 70_000]]) {
      const bytes = batchOf(sizes.map(noise));
      const damaged = Uint8Array.from(bytes);
      damaged[bytes.length - 1] ^= 1;
      const cut = bytes.subarray(0, bytes.length - 1);
      for (let at = 0; at < 8; at++) {
        for (const each of [bytes, damaged, cut]) {
          const shared = inSharedMemory(each, at);
          expect(told(shared)).toEqual(told(each));
          expect(told(new Uint8Array(shared.buffer), at)).toEqual(told(each));
        }
      }
      expect(told(damaged)).toBe('crc');
    }
  });

  it('has records that are built into batches, and batches that are patched there', () => {
    const values = [noise(10), noise(5000), noise(70_000)];
    const ordinary = batchOf(values);
    const shared = inSharedMemory(batchOf(values.map((value) => inSharedMemory(value, 5))));
    expect(Buffer.compare(shared, ordinary)).toBe(0);
    for (const each of [ordinary, shared]) {
      kernel.patchOffset(each, 99, 4);
      kernel.patchAppendTime(each, 1234);
    }
    expect(Buffer.compare(shared, ordinary)).toBe(0);
  });

  it('is nowhere copied byte by byte: to be checked, to be opened, to be built, to be sent', async () => {
    const values = [noise(5000), noise(70_000)];
    const shared = inSharedMemory(batchOf(values));
    const sharedValues = values.map((value) => inSharedMemory(value));
    const writer = new WireWriter();
    // In a tagged field there are no pieces.
    const write = (): void => writer.sized((to) => to.piece(shared));
    expect(await slowCopies(() => new Uint8Array(shared.length).set(shared))).toBe(1);
    expect(await slowCopies(() => kernel.crc32c(shared))).toBe(0);
    expect(await slowCopies(() => readRecordBatch(kernel, shared))).toBe(0);
    expect(await slowCopies(() => batchOf(sharedValues))).toBe(0);
    expect(await slowCopies(write)).toBe(0);
    expect(Buffer.concat(writer.finish()).subarray(-shared.length).equals(shared)).toBe(true);
  });
});
