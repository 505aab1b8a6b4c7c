import { describe, expect, it } from 'vitest';
import { ErrorCode, errorName } from '../../../../src/protocols/kafka/messages/errors.ts';
import { buildBatch } from '../../../../src/protocols/kafka/records/build.ts';
import { Attribute, Field } from '../../../../src/protocols/kafka/records/header.ts';
import { checkProduced } from '../../../../src/protocols/kafka/records/produced.ts';
import { goldenBatch, goldenRecords, kernel } from './support.ts';

const limits = { apiVersion: 13, maxBatchBytes: 1 << 20 };
const errorOf = (bytes: Uint8Array | null, more: Partial<typeof limits> = {}): string => {
  const { error } = checkProduced(kernel, bytes, { ...limits, ...more });
  return error === undefined ? 'accepted' : errorName(error);
};

/** A batch with fields changed, and with the right checksum again. */
function changed(change: (view: DataView) => void, from = goldenBatch('idempotent')): Buffer {
  change(new DataView(from.buffer, from.byteOffset, from.byteLength));
  from.writeUInt32BE(kernel.crc32c(from.subarray(Field.attributes)), Field.crc);
  return from;
}

describe('what a producer sends', () => {
  it('is accepted as Apache Kafka sends it, compressed or not', () => {
    for (const name of ['none', 'gzip', 'snappy', 'lz4', 'zstd', 'idempotent', 'transactional']) {
      expect(errorOf(goldenBatch(name))).toBe('accepted');
    }
    expect(checkProduced(kernel, goldenBatch('idempotent'), limits).header).toMatchObject({
      recordCount: 23,
      producerId: 77,
      producerEpoch: 3,
      baseSequence: 41,
    });
  });

  it('is one whole batch of version 2 (item 10)', () => {
    expect(errorOf(null)).toBe('INVALID_RECORD');
    expect(errorOf(new Uint8Array(0))).toBe('INVALID_RECORD');
    expect(errorOf(goldenBatch('magic0'))).toBe('INVALID_RECORD');
    expect(errorOf(goldenBatch('magic1'))).toBe('INVALID_RECORD');
    expect(errorOf(Buffer.concat([goldenBatch('none'), goldenBatch('none')]))).toBe('INVALID_RECORD');
    expect(errorOf(goldenBatch('none').subarray(0, -1))).toBe('INVALID_RECORD');
    for (const size of [-1, 0, 13, 14, 48, 0x7fff_ffff, -0x8000_0000]) {
      const bytes = goldenBatch('none');
      bytes.writeInt32BE(size, Field.length);
      expect(['INVALID_RECORD', 'CORRUPT_MESSAGE']).toContain(errorOf(bytes));
    }
  });

  it('has a right checksum (item 10)', () => {
    const bytes = goldenBatch('none');
    bytes[80] = (bytes[80] as number) ^ 1;
    expect(errorOf(bytes)).toBe('CORRUPT_MESSAGE');
  });

  it('is no larger than its topic allows (item 10)', () => {
    const { length } = goldenBatch('none');
    expect(errorOf(goldenBatch('none'), { maxBatchBytes: length })).toBe('accepted');
    expect(errorOf(goldenBatch('none'), { maxBatchBytes: length - 1 })).toBe('MESSAGE_TOO_LARGE');
    const large = new Uint8Array(2 << 20);
    large.set(goldenBatch('none'));
    new DataView(large.buffer).setInt32(Field.length, large.length - 12);
    expect(errorOf(large, { maxBatchBytes: 4 << 20 })).toBe('MESSAGE_TOO_LARGE');
  });

  it('may use zstd only where consumers of its time know it', () => {
    expect(errorOf(goldenBatch('zstd'), { apiVersion: 6 })).toBe('UNSUPPORTED_COMPRESSION_TYPE');
    expect(errorOf(goldenBatch('zstd'), { apiVersion: 7 })).toBe('accepted');
  });

  it('has consistent numbers (item 10)', () => {
    const invalid = (change: (view: DataView) => void) =>
      expect(errorOf(changed(change))).toBe('INVALID_RECORD');
    invalid((view) => view.setBigInt64(Field.baseOffset, 1n));
    invalid((view) => view.setInt32(Field.recordCount, 22));
    invalid((view) => view.setInt32(Field.recordCount, 0));
    invalid((view) => view.setInt32(Field.recordCount, 0x7fff_ffff));
    invalid((view) => view.setInt32(Field.lastOffsetDelta, 23));
    invalid((view) => view.setInt32(Field.lastOffsetDelta, -1));
    invalid((view) => view.setInt32(Field.baseSequence, -1));
    invalid((view) => view.setInt16(Field.producerEpoch, -1));
    invalid((view) => view.setBigInt64(Field.producerId, -2n));
    invalid((view) => view.setBigInt64(Field.producerId, 2n ** 63n - 1n));
    invalid((view) => view.setInt16(Field.attributes, Attribute.control));
    invalid((view) => view.setInt16(Field.attributes, 7));
  });

  it('leaves to the broker what is the broker’s', () => {
    expect(errorOf(changed((view) => view.setInt16(Field.attributes, Attribute.appendTime)))).toBe(
      'INVALID_TIMESTAMP',
    );
    expect(errorOf(goldenBatch('commit'))).toBe('INVALID_RECORD');
    const loose = buildBatch(kernel, goldenRecords, { isTransactional: true });
    expect(errorOf(loose)).toBe('INVALID_RECORD');
  });

  it('is refused or accepted, and never more, with any byte changed or cut (item 5)', () => {
    const bytes = goldenBatch('idempotent');
    for (let at = 0; at < bytes.length; at++) {
      expect(errorOf(bytes.subarray(0, at))).not.toBe('accepted');
      for (const mask of [1, 0x80, 0xff]) {
        const copy = Buffer.from(bytes);
        copy[at] = (copy[at] as number) ^ mask;
        const error = errorOf(copy);
        // The leader's epoch is the broker's to set, and not covered by the checksum.
        if (at >= Field.leaderEpoch && at < Field.magic) expect(error).toBe('accepted');
        else expect(error).not.toBe('accepted');
        const summed = changed(() => {}, copy);
        expect(ErrorCode).toHaveProperty(errorOf(summed).replace('accepted', 'NONE'));
      }
    }
  });
});
