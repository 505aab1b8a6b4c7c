import { copyBytes } from '../wasm/copy-bytes.ts';
import { ABSENT, HEADER_PREFIX_BYTES, ROW_BYTES, Row } from './abi.ts';

/** A message as a filter sees it. All text is UTF-8. */
export interface FilterMessage {
  readonly topic: Uint8Array;
  readonly key?: Uint8Array | undefined;
  readonly payload: Uint8Array;
  /** Headers of a record, user properties of an MQTT message; names may come more than once. */
  readonly headers: readonly FilterHeader[];
  readonly timestampMs: number;
  readonly qos?: 0 | 1 | 2;
  readonly retain?: boolean;
}
export type FilterHeader = readonly [name: Uint8Array, value: Uint8Array | undefined];

export interface BatchBounds {
  readonly maxMessages: number;
  /** Of topics, keys, payloads and headers of a batch, the lengths in front of headers counted. */
  readonly maxBytes: number;
}

/** Of the exchange area: rows, answer, bytes. */
export function areaBytes(bounds: BatchBounds): number {
  return bounds.maxMessages * ROW_BYTES + answerBytes(bounds.maxMessages) + bounds.maxBytes;
}

/** Up to which a loop is faster than a call of the engine. */
const SHORT_BYTES = 40;

/** A bit for each message, in whole words. */
export const answerBytes = (messages: number): number => Math.ceil(messages / 32) * 4;

export function messageBytes({ topic, key, payload, headers }: FilterMessage): number {
  let bytes = topic.length + (key?.length ?? 0) + payload.length;
  // By index: each pair taken apart by its iterator would be the larger part of this.
  for (let i = 0; i < headers.length; i++) {
    const header = headers[i];
    bytes += HEADER_PREFIX_BYTES + header[0].length + (header[1]?.length ?? 0);
  }
  return bytes;
}

/**
 * The exchange area of one instance, at `address` of its memory (a multiple of 8, and the whole area inside the memory: the
 * caller has checked that). The module may write wherever it likes in its own memory, so nothing is read from here but the answer.
 */
export interface BatchArea {
  readonly rowsAddress: number;
  readonly answerAddress: number;
  /** Begins an empty batch, also after the memory has grown. */
  begin(): void;
  /** False when it does not fit behind what is there. */
  add(message: FilterMessage): boolean;
  count(): number;
  /** Zeroes: all dropped. */
  clearAnswer(): void;
  /** Whether each message is kept. Undefined when the answer has bits behind the last message, or others than `kept` say so many. */
  answer(kept: number): Uint8Array | undefined;
}

export function createBatchArea(
  memory: { readonly buffer: ArrayBufferLike },
  address: number,
  bounds: BatchBounds,
): BatchArea {
  const answerAddress = address + bounds.maxMessages * ROW_BYTES;
  const firstByte = answerAddress + answerBytes(bounds.maxMessages);
  const end = firstByte + bounds.maxBytes;
  let bytes = new Uint8Array(memory.buffer);
  let words = new Uint32Array(memory.buffer);
  let count = 0;
  let at = firstByte;

  const refresh = (): void => {
    if (bytes.buffer === memory.buffer) return;
    bytes = new Uint8Array(memory.buffer);
    words = new Uint32Array(memory.buffer);
  };
  /** Headers lie wherever those before them end. */
  const putLength = (value: number): void => {
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 24;
    at += 4;
  };
  const copy = (from: Uint8Array): number => {
    const to = at;
    const { length } = from;
    if (length > SHORT_BYTES) copyBytes(from, bytes, to);
    else for (let i = 0; i < length; i++) bytes[to + i] = from[i];
    at = to + length;
    return to;
  };

  return {
    rowsAddress: address,
    answerAddress,
    begin() {
      refresh();
      count = 0;
      at = firstByte;
    },
    add(message) {
      if (count === bounds.maxMessages || messageBytes(message) > end - at) return false;
      const row = (address + count * ROW_BYTES) >> 2;
      const { topic, key, payload, headers, timestampMs } = message;
      words[row + Row.Topic] = copy(topic);
      words[row + Row.TopicLength] = topic.length;
      words[row + Row.Key] = key === undefined ? 0 : copy(key);
      words[row + Row.KeyLength] = key === undefined ? ABSENT : key.length;
      words[row + Row.Payload] = copy(payload);
      words[row + Row.PayloadLength] = payload.length;
      const headersAt = at;
      for (let i = 0; i < headers.length; i++) {
        const header = headers[i];
        const name = header[0];
        const value = header[1];
        putLength(name.length);
        putLength(value === undefined ? ABSENT : value.length);
        copy(name);
        if (value !== undefined) copy(value);
      }
      words[row + Row.Headers] = headersAt;
      words[row + Row.HeadersLength] = at - headersAt;
      words[row + Row.HeaderCount] = headers.length;
      words[row + Row.Flags] = (message.qos ?? 0) | (message.retain === true ? 4 : 0);
      words[row + Row.TimestampLow] = timestampMs;
      words[row + Row.TimestampHigh] = Math.floor(timestampMs / 2 ** 32);
      count++;
      return true;
    },
    count: () => count,
    clearAnswer() {
      bytes.fill(0, answerAddress, answerAddress + answerBytes(count));
    },
    answer(kept) {
      refresh();
      const verdicts = new Uint8Array(count);
      let found = 0;
      for (let i = 0; i < answerBytes(count) * 8; i++) {
        const bit = (bytes[answerAddress + (i >> 3)] >> (i & 7)) & 1;
        if (bit === 1 && i >= count) return undefined;
        if (i < count) verdicts[i] = bit;
        found += bit;
      }
      return found === kept ? verdicts : undefined;
    },
  };
}
