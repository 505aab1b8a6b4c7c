/**
 * What a user's filter imports: the messages of a batch as the broker laid them out (docs/filters.md, version 1), and the
 * answer. A filter exports what is exported here by the names of the interface, and a filter_batch that hands its predicate to
 * `judge`. Nothing is allocated for a message; bytes are valid during the call and no longer. What a filter makes at its start,
 * it keeps: the broker gives it one memory, of bounded size, and takes nothing back.
 *
 * Compile with --runtime stub --exportStart _initialize, as examples/filters/asconfig.json has it.
 */

const ROW_BYTES: usize = 48;
const ABSENT: u32 = 0xffffffff;

/** Says which version of the interface the module is made for. */
export function filter_abi_1(): void {}

/** The area through which messages come, asked for once. */
export function filter_alloc(size: i32): usize {
  return heap.alloc(size);
}

/** A range of bytes, UTF-8 where it is text. */
export class Bytes {
  address: usize = 0;
  length: i32 = 0;

  /** From a text, once, at the start of a filter. */
  static of(text: string): Bytes {
    const encoded = String.UTF8.encode(text);
    return new Bytes().at(changetype<usize>(encoded), encoded.byteLength);
  }

  at(address: usize, length: i32): Bytes {
    this.address = address;
    this.length = length;
    return this;
  }

  /** The byte at `index`, which must be inside. */
  byte(index: i32): u8 {
    assert(<u32>index < <u32>this.length, "a byte outside its range");
    return load<u8>(this.address + index);
  }

  equals(other: Bytes): bool {
    return this.length == other.length && memory.compare(this.address, other.address, this.length) == 0;
  }

  startsWith(start: Bytes): bool {
    return this.length >= start.length && memory.compare(this.address, start.address, start.length) == 0;
  }

  endsWith(end: Bytes): bool {
    const from = this.length - end.length;
    return from >= 0 && memory.compare(this.address + from, end.address, end.length) == 0;
  }

  /** Where `part` first is; -1: nowhere. */
  indexOf(part: Bytes): i32 {
    for (let i = 0; i <= this.length - part.length; i++) {
      if (memory.compare(this.address + i, part.address, part.length) == 0) return i;
    }
    return -1;
  }

  /** A decimal number, as in -12.5; NaN when it is anything else. */
  toNumber(): f64 {
    let at = 0;
    const isNegative = this.length > 0 && load<u8>(this.address) == 0x2d;
    if (isNegative) at++;
    let value: f64 = 0;
    let scale: f64 = 0;
    let digits = 0;
    for (; at < this.length; at++) {
      const byte = load<u8>(this.address + at);
      if (byte == 0x2e && scale == 0) {
        scale = 1;
        continue;
      }
      if (byte < 0x30 || byte > 0x39) return NaN;
      digits++;
      value = value * 10 + <f64>(byte - 0x30);
      scale *= 10;
    }
    if (digits == 0) return NaN;
    if (scale > 1) value /= scale;
    return isNegative ? -value : value;
  }
}

// What messages hand out: each is overwritten when the same is asked for again.
const topicBytes = new Bytes();
const keyBytes = new Bytes();
const payloadBytes = new Bytes();
const headerBytes = new Bytes();

/** One message of the batch. It is a view of its row: not to be kept. */
@unmanaged
export class Message {
  topic(): Bytes {
    return topicBytes.at(this.word(0), this.word(1));
  }

  hasKey(): bool {
    return this.word(3) != ABSENT;
  }

  /** Empty where there is none. */
  key(): Bytes {
    return keyBytes.at(this.word(2), this.hasKey() ? this.word(3) : 0);
  }

  payload(): Bytes {
    return payloadBytes.at(this.word(4), this.word(5));
  }

  headerCount(): i32 {
    return this.word(8);
  }

  /** The value of the first header of that name; null when there is none, or none with a value. */
  header(name: Bytes): Bytes | null {
    let at: usize = this.word(6);
    for (let i = this.headerCount(); i > 0; i--) {
      const nameLength = load<u32>(at);
      const valueLength = load<u32>(at, 4);
      const nameAt = at + 8;
      const valueAt = nameAt + nameLength;
      if (<i32>nameLength == name.length && memory.compare(nameAt, name.address, nameLength) == 0) {
        return valueLength == ABSENT ? null : headerBytes.at(valueAt, valueLength);
      }
      at = valueAt + (valueLength == ABSENT ? 0 : valueLength);
    }
    return null;
  }

  qos(): i32 {
    return this.word(9) & 3;
  }

  isRetained(): bool {
    return (this.word(9) & 4) != 0;
  }

  /** Milliseconds since the epoch. */
  timestampMs(): i64 {
    return load<i64>(changetype<usize>(this), 40);
  }

  private word(index: i32): u32 {
    return load<u32>(changetype<usize>(this) + (<usize>index << 2));
  }
}

/** Asks `keeps` about each message and writes the answer. The result is what filter_batch returns. */
export function judge(rows: usize, count: i32, answer: usize, keeps: (message: Message) => bool): i32 {
  let kept = 0;
  for (let i = 0; i < count; i++) {
    if (!keeps(changetype<Message>(rows + <usize>i * ROW_BYTES))) continue;
    const at = answer + (i >> 3);
    store<u8>(at, load<u8>(at) | ((<u8>1) << (<u8>i & 7)));
    kept++;
  }
  return kept;
}
