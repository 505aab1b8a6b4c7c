/**
 * The packets a load generator sends, encoded once before the run. A publisher's packets lie in one block of
 * equal strides, so that a run only patches packet identifiers and stamps in place and writes a slice.
 * It is no general MQTT codec: nothing here is used by the broker, and what is received is in scan.ts.
 */

import { mark } from './stamp.ts';

export type ProtocolVersion = 3 | 4 | 5;
export type Qos = 0 | 1 | 2;

export interface PublishBlock {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Length of one packet. */
  readonly stride: number;
  readonly count: number;
  /** Offset of the packet identifier inside one packet; 0 when QoS is 0. */
  readonly packetIdOffset: number;
  readonly payloadOffset: number;
  /** Where the time of the stamp lies in one packet. */
  readonly timeOffset: number;
}

export interface PublishTemplate {
  readonly topic: string;
  readonly version: ProtocolVersion;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly payloadBytes: number;
  /** Which packets carry a stamp; the payload has room for it. */
  readonly stamps?: 'none' | 'first' | 'all';
}

export const PINGREQ: Uint8Array = Uint8Array.of(0xc0, 0);
/** In every version; MQTT 5 takes it as a normal end. */
export const DISCONNECT: Uint8Array = Uint8Array.of(0xe0, 0);

export function varint(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    out.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return out;
}

function string16(text: string): Buffer {
  const body = Buffer.from(text, 'utf8');
  const head = Buffer.alloc(2);
  head.writeUInt16BE(body.length);
  return Buffer.concat([head, body]);
}

function packet(firstByte: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([firstByte, ...varint(body.length)]), body]);
}

/** Of MQTT 3.1.1 or 5. `durable`: the session stays when the connection ends, for ever. */
export function encodeConnect(
  version: 4 | 5,
  clientId: string,
  keepAliveSeconds: number,
  durable = false,
): Buffer {
  const cleanStart = durable ? 0 : 0x02;
  const head = Buffer.from([version, cleanStart, keepAliveSeconds >> 8, keepAliveSeconds & 0xff]);
  const sessionExpiry = [5, 0x11, 0xff, 0xff, 0xff, 0xff];
  const properties = Buffer.from(version < 5 ? [] : durable ? sessionExpiry : [0]);
  return packet(0x10, string16('MQTT'), head, properties, string16(clientId));
}

export function encodeSubscribe(
  version: ProtocolVersion,
  packetId: number,
  filter: string,
  qos: Qos,
): Buffer {
  const properties = Buffer.alloc(version === 5 ? 1 : 0);
  return packet(
    0x82,
    Buffer.from([packetId >> 8, packetId & 0xff]),
    properties,
    string16(filter),
    Buffer.from([qos]),
  );
}

export function encodeUnsubscribe(version: ProtocolVersion, packetId: number, filter: string): Buffer {
  const properties = Buffer.alloc(version === 5 ? 1 : 0);
  return packet(0xa2, Buffer.from([packetId >> 8, packetId & 0xff]), properties, string16(filter));
}

export function encodePublishBlock(template: PublishTemplate, count: number): PublishBlock {
  const { version, qos, payloadBytes } = template;
  const topic = string16(template.topic);
  const payload = Buffer.alloc(payloadBytes, 'abcdefghijklmnopqrstuvwxyz');
  const one = packet(
    0x30 | (qos << 1) | (template.retain ? 1 : 0),
    topic,
    Buffer.alloc(qos > 0 ? 2 : 0),
    Buffer.alloc(version === 5 ? 1 : 0),
    payload,
  );
  const stride = one.length;
  const bytes = new Uint8Array(stride * count);
  const view = new DataView(bytes.buffer);
  const stamps = template.stamps === 'all' ? count : template.stamps === 'first' ? Math.min(1, count) : 0;
  for (let i = 0; i < count; i++) {
    bytes.set(one, i * stride);
    if (i < stamps) mark(view, (i + 1) * stride);
  }
  const payloadOffset = stride - payloadBytes;
  const packetIdOffset = qos > 0 ? payloadOffset - (version === 5 ? 3 : 2) : 0;
  return { bytes, view, stride, count, packetIdOffset, payloadOffset, timeOffset: stride - 8 };
}

/** Packet identifiers run 1…65535 and skip 0. */
export function nextPacketId(packetId: number): number {
  return packetId >= 65_535 ? 1 : packetId + 1;
}

/** Writes the identifiers that follow `packetId` into the first `count` packets; returns the last one used. */
export function patchPacketIds(block: PublishBlock, count: number, packetId: number): number {
  const { bytes, stride } = block;
  let id = packetId;
  let at = block.packetIdOffset;
  for (let i = 0; i < count; i++) {
    id = nextPacketId(id);
    bytes[at] = id >> 8;
    bytes[at + 1] = id & 0xff;
    at += stride;
  }
  return id;
}
