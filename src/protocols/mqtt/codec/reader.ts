/**
 * A cursor over one packet. The first fault sticks: after it every read gives nothing and the end counts as reached, so
 * that decoders read straight through and ask once, at the end, whether the packet was sound.
 */
import type { CodecLimits, ProtocolVersion } from './packets.ts';
import { ReasonCode } from './reason-codes.ts';
import { decodeUtf8, utf8Fault } from './utf8.ts';

const EMPTY = new Uint8Array(0);

export interface Fault {
  readonly reasonCode: number;
  readonly message: string;
  readonly citation: string;
}

/** Conformance statement in MQTT 5.0 and, where it differs, in 3.1.1. */
export interface Citation {
  readonly v5: string;
  readonly v3?: string;
}

export const CITE = {
  fixedHeader: { v5: 'MQTT 5.0 section 2.1', v3: 'section 2.2' },
  length: { v5: 'MQTT 5.0 section 2.1.4', v3: 'section 2.2.3' },
  close: { v5: 'MQTT-4.13.1-1', v3: 'MQTT-4.8.0-1' },
} as const satisfies Record<string, Citation>;

export class PacketReader {
  readonly bytes: Uint8Array;
  readonly limits: CodecLimits;
  version: ProtocolVersion;
  position: number;
  /** User properties seen so far, over all property sets of the packet. */
  userProperties = 0;
  #end: number;
  #fault: Fault | undefined;

  constructor(bytes: Uint8Array, position: number, version: ProtocolVersion, limits: CodecLimits) {
    // A Buffer's `slice` would be a view, not a copy.
    this.bytes =
      bytes.constructor === Uint8Array
        ? bytes
        : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = position;
    this.#end = bytes.length;
    this.version = version;
    this.limits = limits;
  }

  get fault(): Fault | undefined {
    return this.#fault;
  }

  get remaining(): number {
    return this.#end - this.position;
  }

  fail(reasonCode: number, message: string, citation: Citation): void {
    if (this.#fault !== undefined) return;
    const { v5, v3 } = citation;
    const text = this.version === 5 ? v5 : `3.1.1 ${v3 ?? v5}`;
    this.#fault = { reasonCode, message, citation: text };
    this.position = this.#end;
  }

  malformed(message: string, citation: Citation): void {
    this.fail(ReasonCode.MalformedPacket, message, citation);
  }

  protocolError(message: string, citation: Citation): void {
    this.fail(ReasonCode.ProtocolError, message, citation);
  }

  /** Whether `count` bytes are left; notes the fault if not. */
  #has(count: number): boolean {
    if (this.#end - this.position >= count) return true;
    this.malformed('The packet ends inside a field', CITE.close);
    return false;
  }

  byte(): number {
    return this.#has(1) ? (this.bytes[this.position++] ?? 0) : 0;
  }

  uint16(): number {
    return this.#has(2) ? this.byte() * 0x100 + this.byte() : 0;
  }

  uint32(): number {
    return this.#has(4) ? this.uint16() * 0x10000 + this.uint16() : 0;
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (byte === 0 && shift > 0) {
          this.malformed('Variable byte integer is not in its shortest form', { v5: 'MQTT-1.5.5-1' });
        }
        return value;
      }
    }
    this.malformed('Variable byte integer is longer than four bytes', { v5: 'MQTT 5.0 section 1.5.5' });
    return 0;
  }

  packetId(citation: Citation): number {
    const id = this.uint16();
    if (id === 0) this.protocolError('Packet identifier 0', citation);
    return id;
  }

  /** Binary data with its two-byte length, copied. */
  binary(): Uint8Array {
    const length = this.uint16();
    if (length === 0 || !this.#has(length)) return EMPTY;
    this.position += length;
    return this.bytes.slice(this.position - length, this.position);
  }

  /** The UTF-8 string's bytes, validated and copied. `what` names it in the fault. */
  utf8(what: string, citation: Citation): Uint8Array {
    const start = this.position + 2;
    const bytes = this.binary();
    switch (utf8Fault(this.bytes, start, start + bytes.length, this.limits.strictUtf8)) {
      case 'null':
        this.malformed(`${what} contains U+0000`, { v5: 'MQTT-1.5.4-2', v3: 'MQTT-1.5.3-2' });
        return EMPTY;
      case 'ill-formed':
        this.malformed(`${what} is not well-formed UTF-8`, citation);
        return EMPTY;
      case 'discouraged':
        this.malformed(`${what} contains a control character or a non-character`, {
          v5: 'MQTT 5.0 section 1.5.4',
          v3: 'section 1.5.3',
        });
        return EMPTY;
      default:
        return bytes;
    }
  }

  string(what: string, citation: Citation): string {
    return decodeUtf8(this.utf8(what, citation));
  }

  rest(): Uint8Array {
    const bytes = this.remaining > 0 ? this.bytes.slice(this.position) : EMPTY;
    this.position = this.#end;
    return bytes;
  }

  /** The packet must be used up here. */
  expectEnd(what: string): void {
    if (this.remaining > 0) this.malformed(`Bytes after the end of ${what}`, CITE.close);
  }

  /** Opens a window of `length` bytes and returns the end to restore with `leave`. */
  enter(length: number): number {
    const outer = this.#end;
    if (this.#has(length)) this.#end = this.position + length;
    return outer;
  }

  leave(outer: number): void {
    if (this.#fault !== undefined) this.position = outer;
    this.#end = outer;
  }
}
