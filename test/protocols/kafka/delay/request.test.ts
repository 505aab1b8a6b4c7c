import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DELAY_HEADER, delaysIn, mayAskForDelay } from '../../../../src/protocols/kafka/delay/request.ts';
import { buildBatch } from '../../../../src/protocols/kafka/records/build.ts';
import { decodeHeaders, encodeHeaders, type RecordHeader } from '../../../../src/storage/records/record.ts';
import { readRecordBatch } from '../../../../src/storage/records/record-batch.ts';
import { createLogKernel } from '../../../../src/wasm/create-log.ts';

const kernel = createLogKernel({ maxBatchBytes: 256 * 1024, memoryLimitBytes: 8 * 1024 * 1024 });
const MAX_MS = 1_000_000;
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const delayHeader = (value: string): RecordHeader => ({ name: bytes(DELAY_HEADER), value: bytes(value) });

function batchOf(headers: readonly (readonly RecordHeader[])[]) {
  const records = headers.map((each) => ({
    timestampMs: 5,
    key: null,
    value: bytes('v'),
    headers: encodeHeaders(each),
  }));
  const { batch } = readRecordBatch(kernel, buildBatch(kernel, records));
  if (batch === undefined) throw new Error('no batch');
  return batch;
}

const others = fc.array(
  fc.record({ name: fc.uint8Array({ maxLength: 20 }), value: fc.option(fc.uint8Array({ maxLength: 5 })) }),
  { maxLength: 3 },
);

describe('the delays of a batch', () => {
  it('are those of the records that ask for one, which lose the header and nothing else', () => {
    const asked = fc.record({ before: others, delayMs: fc.option(fc.nat(MAX_MS)), behind: others });
    fc.assert(
      fc.property(fc.array(asked, { minLength: 1, maxLength: 5 }), (records) => {
        const batch = batchOf(
          records.map(({ before, delayMs, behind }) => [
            ...before,
            ...(delayMs === null ? [] : [delayHeader(`${delayMs}`)]),
            ...behind,
          ]),
        );
        expect(mayAskForDelay(batch.bytes)).toBe(records.some(({ delayMs }) => delayMs !== null));
        const found = delaysIn(batch, MAX_MS);
        if (found.fault !== undefined) throw new Error(found.fault.reason);
        expect(
          found.delayed.map(({ index, delayMs, record }) => ({
            index,
            delayMs,
            headers: decodeHeaders(record.headers),
          })),
        ).toEqual(
          records.flatMap(({ before, delayMs, behind }, index) =>
            delayMs === null || delayMs === 0 ? [] : [{ index, delayMs, headers: [...before, ...behind] }],
          ),
        );
      }),
    );
  });

  it.each(['', '-1', '+5', '1e3', ' 5', '5 ', '1.0', '0x5', `${MAX_MS + 1}`, '9'.repeat(16), '٣'])(
    'are refused where one is "%s"',
    (value) => {
      const { fault } = delaysIn(batchOf([[delayHeader('5')], [delayHeader(value)]]), MAX_MS);
      expect(fault?.index).toBe(1);
    },
  );

  it('are refused where a record has two, or one without a value', () => {
    expect(delaysIn(batchOf([[delayHeader('5'), delayHeader('5')]]), MAX_MS).fault?.index).toBe(0);
    expect(delaysIn(batchOf([[{ name: bytes(DELAY_HEADER), value: null }]]), MAX_MS).fault?.index).toBe(0);
  });
});
