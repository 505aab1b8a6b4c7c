/** Hand-made frames for tests of single rules. */
import { decodePacket, decodeServerPacket } from '../../../../src/protocols/mqtt/codec/decode.ts';
import type { CodecLimits, Packet, ProtocolVersion } from '../../../../src/protocols/mqtt/codec/packets.ts';
import { LIMITS } from './arbitraries.ts';

export type Part = number | string | readonly Part[];

/** Numbers are bytes; texts are UTF-8 strings with their length in front. */
export function bytesOf(parts: readonly Part[]): number[] {
  return parts.flatMap((part) => {
    if (typeof part === 'number') return [part];
    if (typeof part === 'string') {
      const bytes = new TextEncoder().encode(part);
      return [bytes.length >> 8, bytes.length & 0xff, ...bytes];
    }
    return bytesOf(part);
  });
}

/** A packet of up to 127 bytes behind the fixed header. */
export function frame(first: number, ...parts: readonly Part[]): Uint8Array {
  const body = bytesOf(parts);
  if (body.length > 127) throw new Error('too long for this helper');
  return Uint8Array.from([first, body.length, ...body]);
}

/** A property set with its length. */
export function properties(...parts: readonly Part[]): Part {
  const body = bytesOf(parts);
  return [body.length, ...body];
}

/** CONNECT with these flags; `rest` follows the keep alive. */
export function connect5(flags: number, ...rest: readonly Part[]): Uint8Array {
  return frame(0x10, 'MQTT', 5, flags, 0, 60, ...rest);
}
export function connect4(flags: number, ...rest: readonly Part[]): Uint8Array {
  return frame(0x10, 'MQTT', 4, flags, 0, 60, ...rest);
}

type Verdict = string | Packet;

/** 'reason citation answer' of a refusal, or the packet. */
export function judge(
  bytes: Uint8Array,
  version: ProtocolVersion | undefined,
  limits: Partial<CodecLimits> = {},
): Verdict {
  return verdict(decodePacket(bytes, version, { ...LIMITS, ...limits }));
}

export function judgeServer(bytes: Uint8Array, version: ProtocolVersion): Verdict {
  return verdict(decodeServerPacket(bytes, version, LIMITS));
}

function verdict(result: ReturnType<typeof decodePacket> | ReturnType<typeof decodeServerPacket>): Verdict {
  if (result.type !== 'violation') return result;
  return `0x${result.reasonCode.toString(16)} ${result.citation} ${result.answer}`;
}
