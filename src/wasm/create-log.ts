/**
 * The implementation behind log.ts: an instance of assembly/log over a memory that grows, so that views of it are taken
 * again after every call that may have made it grow.
 */
import { copyBytes } from './copy-bytes.ts';
import { loadWasm } from './load.ts';
import {
  type AppendResult,
  BATCH_FAULTS,
  type IndexEntry,
  type LogKernel,
  type LogKernelOptions,
  RECORD_WORDS,
} from './log.ts';

const BATCH_HEADER_BYTES = 61;
const BATCH_LENGTH_AT = 8;
const LENGTH_OVERHEAD = 12;
/** Parts in which a long range is copied in for its checksum: they stay in the processor's cache. */
const CRC_CHUNK_BYTES = 65_536;
const MAX_BATCH_LIMIT_BYTES = 2 ** 28;
/** A quarter of what a memory can grow to: blocks of different sizes do not share what they have freed. */
const MAX_MEMORY_LIMIT_BYTES = 2 ** 30;
/** Rows that are copied faster one by one than as a range. */
const SMALL_PAGE = 8;
const FOUND_FIELDS = 12;
const APPEND_RESULTS: readonly AppendResult[] = ['appended', 'full', 'no-memory'];

interface LogExports {
  init(inputBytes: number, limitBytes: number): number;
  input(): number;
  rowsMax(): number;
  liveBytes(): number;
  crc32c(previous: number, from: number, length: number): number;
  scan(at: number, available: number): number;
  foundOffset(): number;
  rowsOffset(): number;
  nextRows(): number;
  patchOffset(at: number, baseOffset: number, leaderEpoch: number): void;
  patchAppendTime(at: number, timestampMs: number): void;
  beginBatch(): number;
  appendRecord(
    batch: number,
    timestampMs: number,
    keyLength: number,
    valueLength: number,
    headerCount: number,
    headersBytes: number,
    maxBytes: number,
  ): number;
  placedOffset(): number;
  batchBytes(batch: number): number;
  finishBatch(batch: number, baseOffset: number, leaderEpoch: number): number;
  discardBatch(batch: number): void;
  createIndex(intervalBytes: number, maxEntries: number): number;
  indexAdd(index: number, offset: number, position: number, maxTimestampMs: number, bytes: number): number;
  indexCount(index: number): number;
  indexFindOffset(index: number, offset: number): number;
  indexFindTime(index: number, timestampMs: number): number;
  foundEntryOffset(): number;
  indexTruncate(index: number, offset: number): void;
  indexTrim(index: number, offset: number): void;
  releaseIndex(index: number): void;
}

function checkInteger(what: string, value: number, least: number, most = Number.MAX_SAFE_INTEGER): void {
  if (!(Number.isSafeInteger(value) && value >= least && value <= most)) {
    throw new RangeError(`${what} ${value} is not an integer from ${least} to ${most}`);
  }
}
function readInt32(bytes: Uint8Array, at: number): number {
  const byte = (i: number): number => bytes[at + i] as number;
  return (byte(0) << 24) | (byte(1) << 16) | (byte(2) << 8) | byte(3);
}

const checkEpoch = (epoch: number): void => checkInteger('leader epoch', epoch, -1, 0x7fff_ffff);

export function createLogKernel({ maxBatchBytes, memoryLimitBytes }: LogKernelOptions): LogKernel {
  checkInteger('maxBatchBytes', maxBatchBytes, 1024, MAX_BATCH_LIMIT_BYTES);
  checkInteger('memoryLimitBytes', memoryLimitBytes, 0, MAX_MEMORY_LIMIT_BYTES);
  const memory = new WebAssembly.Memory({ initial: 2 });
  const core = loadWasm<LogExports>('log', memory);
  const inputBytes = Math.max(maxBatchBytes, CRC_CHUNK_BYTES);
  if (core.init(inputBytes, memoryLimitBytes) === 0) {
    throw new RangeError(
      `memoryLimitBytes ${memoryLimitBytes} is too little for batches of ${maxBatchBytes} bytes`,
    );
  }
  const input = core.input() >>> 0;
  const rowsMax = core.rowsMax();
  let bytes = new Uint8Array(0);
  let found = new Float64Array(0);
  let foundEntry = new Float64Array(0);
  let placed = new Uint32Array(0);
  let rows = new Int32Array(0);
  let recordsLeft = 0;

  /** The whole memory; views are taken again when it has grown since. */
  const view = (): Uint8Array => {
    if (bytes.length === 0) {
      const { buffer } = memory;
      bytes = new Uint8Array(buffer);
      found = new Float64Array(buffer, core.foundOffset() >>> 0, FOUND_FIELDS);
      foundEntry = new Float64Array(buffer, core.foundEntryOffset() >>> 0, 3);
      rows = new Int32Array(buffer, core.rowsOffset() >>> 0, rowsMax * RECORD_WORDS);
      placed = new Uint32Array(buffer, core.placedOffset() >>> 0, 4);
    }
    return bytes;
  };

  /** Runs a patch on a copy of the header: it is all that patches touch. */
  const patchHeader = (batch: Uint8Array, patch: () => void): void => {
    if (batch.length < BATCH_HEADER_BYTES) throw new RangeError(`batch of ${batch.length} bytes`);
    view().set(batch.subarray(0, BATCH_HEADER_BYTES), input);
    patch();
    batch.set(view().subarray(input, input + BATCH_HEADER_BYTES));
    recordsLeft = 0;
  };

  return {
    maxBatchBytes,
    crc32c(range, previous = 0) {
      recordsLeft = 0;
      let crc = previous;
      for (let at = 0; at < range.length; at += CRC_CHUNK_BYTES) {
        const chunk = range.length <= CRC_CHUNK_BYTES ? range : range.subarray(at, at + CRC_CHUNK_BYTES);
        copyBytes(chunk, view(), input);
        crc = core.crc32c(crc, input, chunk.length);
      }
      return crc >>> 0;
    },
    scan(source, at = 0) {
      recordsLeft = 0;
      const available = source.length - at;
      if (available < BATCH_HEADER_BYTES) return 'truncated';
      const stated = readInt32(source, at + BATCH_LENGTH_AT) + LENGTH_OVERHEAD;
      if (stated > maxBatchBytes) return 'too-large';
      const length = Math.max(BATCH_HEADER_BYTES, Math.min(stated, available));
      copyBytes(source.subarray(at, at + length), view(), input);
      const fault = BATCH_FAULTS[core.scan(input, length)];
      if (fault === undefined) recordsLeft = ((found[6] as number) & 7) === 0 ? (found[5] as number) : 0;
      return fault;
    },
    header() {
      view();
      const field = (index: number): number => found[index] as number;
      return {
        byteLength: field(0),
        baseOffset: field(1),
        lastOffset: field(2),
        baseTimestampMs: field(3),
        maxTimestampMs: field(4),
        recordCount: field(5),
        attributes: field(6),
        leaderEpoch: field(7),
        producerId: field(8),
        producerEpoch: field(9),
        baseSequence: field(10),
        largestTimestampMs: field(11),
      };
    },
    takeRecords() {
      view();
      const count = recordsLeft;
      const words = new Int32Array(count * RECORD_WORDS);
      for (let done = 0, page = Math.min(count, rowsMax); done < count; page = core.nextRows()) {
        const length = page * RECORD_WORDS;
        const from = done * RECORD_WORDS;
        if (page > SMALL_PAGE) words.set(rows.subarray(0, length), from);
        else for (let i = 0; i < length; i++) words[from + i] = rows[i] as number;
        done += page;
      }
      recordsLeft = 0;
      return words;
    },
    patchOffset(batch, baseOffset, leaderEpoch) {
      checkInteger('base offset', baseOffset, 0);
      checkEpoch(leaderEpoch);
      patchHeader(batch, () => core.patchOffset(input, baseOffset, leaderEpoch));
    },
    patchAppendTime(batch, timestampMs) {
      checkInteger('timestamp', timestampMs, 0);
      patchHeader(batch, () => core.patchAppendTime(input, timestampMs));
    },
    createBatch() {
      let block = 0;
      let recordCount = 0;
      const discard = (): void => {
        if (block !== 0) core.discardBatch(block);
        block = 0;
        recordCount = 0;
      };
      return {
        get byteLength() {
          return block === 0 ? 0 : core.batchBytes(block) >>> 0;
        },
        get recordCount() {
          return recordCount;
        },
        append(timestampMs, key, value, headerCount, headers) {
          checkInteger('timestamp', timestampMs, -1);
          const keyLength = key === null ? -1 : key.length;
          const valueLength = value === null ? -1 : value.length;
          const headersLength = headers.length;
          // Before the sizes are handed over: they are words there.
          if (keyLength + valueLength + headersLength > maxBatchBytes) return 'full';
          if (block === 0) block = core.beginBatch() >>> 0;
          if (block === 0) return 'no-memory';
          const status = core.appendRecord(
            block,
            timestampMs,
            keyLength,
            valueLength,
            headerCount,
            headersLength,
            maxBatchBytes,
          );
          if (status === 0) {
            const target = view();
            block = placed[0] as number;
            if (key !== null && keyLength > 0) copyBytes(key, target, placed[1] as number);
            if (value !== null && valueLength > 0) copyBytes(value, target, placed[2] as number);
            if (headersLength > 0) copyBytes(headers, target, placed[3] as number);
            recordCount++;
          } else if (recordCount === 0) {
            discard();
          }
          return APPEND_RESULTS[status] ?? 'no-memory';
        },
        finish(baseOffset, leaderEpoch) {
          checkInteger('base offset', baseOffset, 0, Number.MAX_SAFE_INTEGER - recordCount);
          checkEpoch(leaderEpoch);
          if (block === 0) return undefined;
          const at = core.finishBatch(block, baseOffset, leaderEpoch) >>> 0;
          const batch = view().slice(at, at + (core.batchBytes(block) >>> 0));
          discard();
          return batch;
        },
        discard,
      };
    },
    createSparseIndex(intervalBytes, maxEntries) {
      checkInteger('intervalBytes', intervalBytes, 1, 0x7fff_ffff);
      checkInteger('maxEntries', maxEntries, 2, 0x0400_0000);
      let index = core.createIndex(intervalBytes, maxEntries) >>> 0;
      if (index === 0) return undefined;
      const own = (): number => {
        if (index === 0) throw new Error('the index was released');
        return index;
      };
      const entry = (isFound: number): IndexEntry | undefined => {
        if (isFound === 0) return undefined;
        view();
        return { offset: foundEntry[0] as number, position: foundEntry[1] as number };
      };
      return {
        get count() {
          return core.indexCount(own()) >>> 0;
        },
        add(offset, position, maxTimestampMs, byteLength) {
          checkInteger('offset', offset, 0);
          checkInteger('position', position, 0);
          checkInteger('timestamp', maxTimestampMs, -1);
          checkInteger('byteLength', byteLength, 0, 0x7fff_ffff);
          const moved = core.indexAdd(own(), offset, position, maxTimestampMs, byteLength) >>> 0;
          if (moved === 0) throw new RangeError(`offset ${offset} does not follow the last one`);
          index = moved;
        },
        findOffset: (offset) => entry(core.indexFindOffset(own(), offset)),
        findTime: (timestampMs) => entry(core.indexFindTime(own(), timestampMs)),
        truncate(offset) {
          checkInteger('offset', offset, 0);
          core.indexTruncate(own(), offset);
        },
        trim(offset) {
          checkInteger('offset', offset, 0);
          core.indexTrim(own(), offset);
        },
        release() {
          core.releaseIndex(own());
          index = 0;
        },
      };
    },
    liveBytes: () => core.liveBytes() >>> 0,
  };
}
