/** What a producer may have stored: checked as Kafka checks it, with the answers that Kafka gives. */
import type { BatchFault, BatchHeader, LogKernel } from '../../../wasm/log.ts';
import { ErrorCode } from '../messages/errors.ts';
import { Attribute, Field, HEADER_BYTES, LENGTH_OVERHEAD } from './header.ts';

const CODEC_ZSTD = 4;
/** From which version on a producer may be sure that consumers know zstd. */
const ZSTD_SINCE = 7;
const MIN_MESSAGE_BYTES = 14;

export interface ProduceLimits {
  /** Of the Produce request. */
  readonly apiVersion: number;
  /** `max.message.bytes`; a kernel takes no batch above its own limit. */
  readonly maxBatchBytes: number;
}

export type Produced =
  | { readonly header: BatchHeader; readonly error?: undefined; readonly message?: undefined }
  | { readonly header?: undefined; readonly error: ErrorCode; readonly message: string };

const refused = (error: ErrorCode, message: string): Produced => ({ error, message });
const invalid = (message: string): Produced => refused(ErrorCode.INVALID_RECORD, message);

function faultOf(fault: BatchFault): Produced {
  if (fault === 'crc') return refused(ErrorCode.CORRUPT_MESSAGE, 'the checksum of the batch is wrong');
  if (fault === 'too-large') return refused(ErrorCode.MESSAGE_TOO_LARGE, 'the batch is too large');
  if (fault === 'timestamp-range') return refused(ErrorCode.INVALID_TIMESTAMP, 'a timestamp is out of range');
  return invalid(`the batch is not valid: ${fault}`);
}

/** What can be said before the checksum: that there is exactly one batch, and of which kind. */
function checkFraming(
  records: Uint8Array,
  { apiVersion, maxBatchBytes }: ProduceLimits,
): Produced | undefined {
  const left = records.byteLength;
  if (left < LENGTH_OVERHEAD) return invalid('there is no record batch');
  const view = new DataView(records.buffer, records.byteOffset, left);
  const size = view.getInt32(Field.length);
  if (size < MIN_MESSAGE_BYTES) return refused(ErrorCode.CORRUPT_MESSAGE, `a batch of ${size} bytes`);
  if (size > left - LENGTH_OVERHEAD) return invalid('there is no whole record batch');
  const magic = view.getInt8(Field.magic);
  if (magic !== 2) return invalid(`a record batch of version ${magic} where only version 2 is allowed`);
  if (size < HEADER_BYTES - LENGTH_OVERHEAD) {
    return refused(ErrorCode.CORRUPT_MESSAGE, `a batch of ${size} bytes`);
  }
  if (size + LENGTH_OVERHEAD !== left) return invalid('there is more than one record batch');
  const codec = view.getInt16(Field.attributes) & Attribute.codec;
  if (apiVersion < ZSTD_SINCE && codec === CODEC_ZSTD) {
    return refused(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, `zstd in version ${apiVersion} of Produce`);
  }
  if (left > maxBatchBytes) {
    return refused(
      ErrorCode.MESSAGE_TOO_LARGE,
      `a batch of ${left} bytes where ${maxBatchBytes} are allowed`,
    );
  }
  return undefined;
}

/** What only consumers, brokers and compaction may write. */
function checkHeader(header: BatchHeader): Produced | undefined {
  const { attributes, baseOffset, lastOffset, recordCount } = header;
  if (baseOffset !== 0) return invalid(`the base offset is ${baseOffset} and not 0`);
  if (recordCount === 0) return invalid('the batch has no records');
  if (lastOffset - baseOffset + 1 !== recordCount)
    return invalid('the offsets do not fit the number of records');
  if ((attributes & Attribute.control) !== 0) return invalid('control records are not for clients to write');
  if (header.producerId >= 0 && (header.baseSequence < 0 || header.producerEpoch < 0)) {
    return invalid('a producer id without a sequence number');
  }
  if ((attributes & Attribute.transactional) !== 0 && header.producerId < 0) {
    return invalid('a transactional batch without a producer id');
  }
  if ((attributes & Attribute.appendTime) !== 0) {
    return refused(ErrorCode.INVALID_TIMESTAMP, 'producers do not set the time of the append');
  }
  return undefined;
}

/**
 * The records of one partition in a Produce request, as they came: exactly one batch with a right checksum and consistent numbers. All
 * records are walked if they are not compressed; what is inside compression is for `openBatch` to say.
 */
export function checkProduced(
  kernel: LogKernel,
  records: Uint8Array | null,
  limits: ProduceLimits,
): Produced {
  if (records === null) return invalid('there is no record batch');
  const early = checkFraming(records, limits);
  if (early !== undefined) return early;
  const fault = kernel.scan(records);
  if (fault !== undefined) return faultOf(fault);
  const header = kernel.header();
  return checkHeader(header) ?? { header };
}
