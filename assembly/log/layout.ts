// Layout of a record batch (Kafka RecordBatch v2, all fields big-endian) and the reasons for which one is refused.

export const BASE_OFFSET: usize = 0;
export const BATCH_LENGTH: usize = 8;
export const LEADER_EPOCH: usize = 12;
export const MAGIC: usize = 16;
export const CRC: usize = 17;
/** The checksum covers everything from here on. */
export const ATTRIBUTES: usize = 21;
export const LAST_OFFSET_DELTA: usize = 23;
export const BASE_TIMESTAMP: usize = 27;
export const MAX_TIMESTAMP: usize = 35;
export const PRODUCER_ID: usize = 43;
export const PRODUCER_EPOCH: usize = 51;
export const BASE_SEQUENCE: usize = 53;
export const RECORD_COUNT: usize = 57;
export const RECORDS: usize = 61;

/** The batch length field counts the bytes behind itself. */
export const LENGTH_OVERHEAD: usize = 12;
export const MAGIC_2: i32 = 2;

export const CODEC_MASK: i32 = 7;
export const CODEC_ZSTD: i32 = 4;
export const LOG_APPEND_TIME: i32 = 8;
/** Codec, timestamp type, transactional, control, delete horizon. */
export const KNOWN_ATTRIBUTES: i32 = 0x7f;

/** Length, attributes, timestamp, offset, key, value and header count, of one byte each. */
export const MIN_RECORD_BYTES: u32 = 7;
/** A name length and a value length. */
export const MIN_HEADER_BYTES: u32 = 2;
/** Offsets and timestamps cross to the host as doubles: above this they would lose digits. */
export const MAX_SAFE: i64 = 9007199254740991;

export const OK: i32 = 0;
export const TRUNCATED: i32 = 1;
export const BATCH_LENGTH_WRONG: i32 = 2;
export const MAGIC_UNKNOWN: i32 = 3;
export const CRC_WRONG: i32 = 4;
export const ATTRIBUTES_UNKNOWN: i32 = 5;
export const OFFSET_RANGE: i32 = 6;
export const TIMESTAMP_RANGE: i32 = 7;
export const PRODUCER_WRONG: i32 = 8;
export const RECORD_COUNT_WRONG: i32 = 9;
export const RECORD_LENGTH_WRONG: i32 = 10;
export const RECORD_ATTRIBUTES_UNKNOWN: i32 = 11;
export const OFFSET_ORDER: i32 = 12;
export const FIELD_WRONG: i32 = 13;
export const HEADERS_WRONG: i32 = 14;
export const TRAILING_BYTES: i32 = 15;
