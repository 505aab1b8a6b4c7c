import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CODECS, loadCodec } from '../../../../src/protocols/kafka/compression/compression.ts';
import { buildBatch } from '../../../../src/protocols/kafka/records/build.ts';
import { Attribute, batchesOf, readHeader } from '../../../../src/protocols/kafka/records/header.ts';
import { buildMarker, readMarker } from '../../../../src/protocols/kafka/records/marker.ts';
import { closeBatch, codecNeeded, codecOf, openBatch } from '../../../../src/protocols/kafka/records/open.ts';
import { encodeHeaders, type LogRecord } from '../../../../src/storage/records/record.ts';
import { type RecordBatch, readRecordBatch } from '../../../../src/storage/records/record-batch.ts';
import { golden, goldenBatch, goldenRecords, kernel, plain } from './support.ts';

function readOpen(bytes: Uint8Array): RecordBatch {
  const { batch, fault } = readRecordBatch(kernel, bytes);
  if (batch === undefined) throw new Error(fault);
  return batch;
}
const recordsOf = (batch: RecordBatch) =>
  Array.from({ length: batch.length }, (_, i) => plain(batch.record(i)));

const fields = fc.option(fc.uint8Array({ maxLength: 80 }));
const someRecords: fc.Arbitrary<LogRecord[]> = fc.array(
  fc.record({
    timestampMs: fc.integer({ min: -1, max: 2 ** 48 }),
    key: fields,
    value: fields,
    headers: fc
      .array(fc.record({ name: fc.uint8Array({ maxLength: 9 }), value: fields }), { maxLength: 3 })
      .map(encodeHeaders),
  }),
  { minLength: 1, maxLength: 20 },
);

describe('batches that we make', () => {
  it('are, uncompressed, byte for byte those that Apache Kafka makes', () => {
    expect(Buffer.from(buildBatch(kernel, goldenRecords))).toEqual(goldenBatch('none'));
    const idempotent = buildBatch(kernel, goldenRecords, {
      producer: { id: 77, epoch: 3, baseSequence: 41 },
    });
    expect(Buffer.from(idempotent)).toEqual(goldenBatch('idempotent'));
    const transactional = buildBatch(kernel, goldenRecords, {
      producer: { id: 78, epoch: 4, baseSequence: 0 },
      isTransactional: true,
    });
    expect(Buffer.from(transactional)).toEqual(goldenBatch('transactional'));
  });

  it('come back as they were, with any compression', async () => {
    for (const name of [undefined, ...CODECS]) {
      const codec = name && (await loadCodec(name));
      fc.assert(
        fc.property(someRecords, (records) => {
          const compression = name && codec ? { compression: { name, codec } } : {};
          const batch = buildBatch(kernel, records, { baseOffset: 500, leaderEpoch: 2, ...compression });
          expect(codecNeeded(batch)).toBe(name);
          const opened = openBatch(kernel, batch, codec);
          expect(opened.fault).toBeUndefined();
          expect(opened.batch && recordsOf(opened.batch)).toEqual(records.map(plain));
          expect(opened.batch?.header).toMatchObject({ baseOffset: 500, leaderEpoch: 2 });
        }),
        { numRuns: 25 },
      );
    }
  });

  it('carry one time for all records where the broker sets it', () => {
    const batch = readOpen(buildBatch(kernel, goldenRecords, { appendTimeMs: 1234 }));
    expect(batch.isAppendTime).toBe(true);
    expect(batch.timestampMs(3)).toBe(1234);
  });
});

describe('batches of Apache Kafka', () => {
  it.each(CODECS)('with %s are opened', async (name) => {
    const batch = goldenBatch(name);
    expect(codecNeeded(batch)).toBe(name);
    expect(codecOf(readHeader(batch)?.attributes ?? 0)).toBe(name);
    const opened = openBatch(kernel, batch, await loadCodec(name));
    expect(opened.batch && recordsOf(opened.batch)).toEqual(goldenRecords.map(plain));
  });

  it.each(CODECS)('opened and closed again with %s are what they were', async (name) => {
    const codec = await loadCodec(name);
    const idempotent = openBatch(kernel, goldenBatch('idempotent'), undefined).batch as RecordBatch;
    const closed = closeBatch(kernel, idempotent, name, codec);
    expect(codecNeeded(closed)).toBe(name);
    expect(readHeader(closed)).toMatchObject({ producerId: 77, producerEpoch: 3, baseSequence: 41 });
    expect(openBatch(kernel, closed, codec).batch?.bytes).toEqual(new Uint8Array(idempotent.bytes));
  });

  it('stay closed without a codec', () => {
    const { batch } = openBatch(kernel, goldenBatch('lz4'), undefined);
    expect(batch).toMatchObject({ isCompressed: true, length: 0 });
  });

  it('have headers that are read without a look at their records', () => {
    for (const name of ['none', 'idempotent', 'transactional', 'commit', 'gzip']) {
      const bytes = goldenBatch(name);
      const { largestTimestampMs: _, ...header } = readOpen(bytes).header;
      expect(readHeader(bytes)).toEqual(header);
    }
  });

  it('are found one after another, up to what is cut off', () => {
    const run = Buffer.concat([goldenBatch('none'), goldenBatch('commit'), goldenBatch('zstd')]);
    const found = [...batchesOf(run)];
    expect(found.map(({ header }) => header.recordCount)).toEqual([23, 1, 23]);
    expect([...batchesOf(run.subarray(0, run.length - 1))]).toHaveLength(2);
    expect([...batchesOf(goldenBatch('magic1'))]).toEqual([]);
  });
});

describe('what is inside compression', () => {
  it('cannot become larger than a batch may be (item 10)', async () => {
    const records = [{ ...(goldenRecords[0] as LogRecord), value: new Uint8Array(2 << 20) }];
    for (const name of CODECS) {
      const codec = await loadCodec(name);
      const bomb = buildBatch(kernel, records, { compression: { name, codec } });
      expect(openBatch(kernel, bomb, codec)).toEqual({ fault: 'too-large' });
    }
  });

  it('is refused when it is no compression, or no records', async () => {
    const codec = await loadCodec('lz4');
    const lies = { compress: (bytes: Uint8Array) => bytes, decompress: codec.decompress };
    const noise = buildBatch(kernel, goldenRecords, { compression: { name: 'lz4', codec: lies } });
    expect(openBatch(kernel, noise, codec)).toEqual({ fault: 'corrupt' });
    const shorter = { ...codec, compress: (bytes: Uint8Array) => codec.compress(bytes.subarray(0, -1)) };
    const cut = buildBatch(kernel, goldenRecords, { compression: { name: 'lz4', codec: shorter } });
    expect(openBatch(kernel, cut, codec).fault).toBe('record-length');
  });
});

describe('transaction markers', () => {
  it.each(['commit', 'abort'] as const)('that %s are those of Apache Kafka', (type) => {
    const marker = { type, producerId: 79, producerEpoch: 5, coordinatorEpoch: 9 };
    const bytes = buildMarker(kernel, marker, 1_700_000_000_000);
    expect(Buffer.from(bytes)).toEqual(golden.get(type));
    expect(readMarker(readOpen(bytes))).toEqual(marker);
    expect((readHeader(bytes)?.attributes ?? 0) & Attribute.control).not.toBe(0);
  });

  it('are not read from data, nor from control records of other kinds', () => {
    expect(readMarker(readOpen(goldenBatch('none')))).toBeUndefined();
    const [first] = goldenRecords;
    const other = (key: Uint8Array | null, value: Uint8Array | null) =>
      readMarker(
        readOpen(buildBatch(kernel, [{ ...(first as LogRecord), key, value }], { isControl: true })),
      );
    expect(other(null, null)).toBeUndefined();
    expect(other(Uint8Array.of(0, 0, 0, 2), new Uint8Array(6))).toBeUndefined();
    expect(other(Uint8Array.of(0, 0, 0, 1), new Uint8Array(5))).toBeUndefined();
  });
});
