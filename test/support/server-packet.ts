/**
 * Decodes what an MQTT server sends, strictly: a packet that the specification does not allow a server to send
 * (wrong flags, unknown reason, property in the wrong packet, trailing bytes, ill-formed text …) throws, so that
 * every test of the suite also checks the format of everything it receives.
 */
import { type AckType, P, type Properties, type PropertyValue, type Version } from './wire.ts';

interface WithProperties {
  readonly properties: Properties;
}
export interface Connack extends WithProperties {
  readonly type: 'connack';
  readonly sessionPresent: boolean;
  readonly reason: number;
}
export interface Publish extends WithProperties {
  readonly type: 'publish';
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: number;
  readonly dup: boolean;
  readonly retain: boolean;
  /** 0 with QoS 0. */
  readonly packetId: number;
}
export interface Ack extends WithProperties {
  readonly type: AckType;
  readonly packetId: number;
  readonly reason: number;
}
export interface SubAck extends WithProperties {
  readonly type: 'suback' | 'unsuback';
  readonly packetId: number;
  readonly reasons: readonly number[];
}
export interface Bare extends WithProperties {
  readonly type: 'pingresp';
}
export interface Reasoned extends WithProperties {
  readonly type: 'disconnect' | 'auth';
  readonly reason: number;
}
export type ServerPacket = (Connack | Publish | Ack | SubAck | Bare | Reasoned) & { readonly frame: Buffer };
type Select<U, T> = U extends { readonly type: infer K } ? (T extends K ? U : never) : never;
export type PacketOf<T extends ServerPacket['type']> = Select<ServerPacket, T>;

const ACK_REASONS: Readonly<Record<AckType, readonly number[]>> = {
  puback: [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
  pubrec: [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
  pubrel: [0x00, 0x92],
  pubcomp: [0x00, 0x92],
};
const CONNACK_REASONS = [
  0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a,
  0x9b, 0x9c, 0x9d, 0x9f,
];
const SUBACK_REASONS = [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2];
const UNSUBACK_REASONS = [0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91];
const DISCONNECT_REASONS = [
  0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98,
  0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
];
const AUTH_REASONS = [0x00, 0x18];

const REASON_AND_USER: readonly number[] = [P.reasonString, P.userProperty];
const ALLOWED: Readonly<Record<ServerPacket['type'], readonly number[]>> = {
  connack: [
    P.sessionExpiry,
    P.assignedClientId,
    P.serverKeepAlive,
    P.authMethod,
    P.authData,
    P.responseInfo,
    P.serverReference,
    P.reasonString,
    P.receiveMaximum,
    P.topicAliasMaximum,
    P.maximumQos,
    P.retainAvailable,
    P.userProperty,
    P.maximumPacketSize,
    P.wildcardAvailable,
    P.subscriptionIdAvailable,
    P.sharedAvailable,
  ],
  publish: [
    P.payloadFormat,
    P.messageExpiry,
    P.contentType,
    P.responseTopic,
    P.correlationData,
    P.subscriptionId,
    P.topicAlias,
    P.userProperty,
  ],
  puback: REASON_AND_USER,
  pubrec: REASON_AND_USER,
  pubrel: REASON_AND_USER,
  pubcomp: REASON_AND_USER,
  suback: REASON_AND_USER,
  unsuback: REASON_AND_USER,
  pingresp: [],
  // Session Expiry Interval is for clients only here.
  disconnect: [...REASON_AND_USER, P.serverReference],
  auth: [...REASON_AND_USER, P.authMethod, P.authData],
};

class Reader {
  readonly #bytes: Buffer;
  #at: number;
  readonly #end: number;
  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }
  get left(): number {
    return this.#end - this.#at;
  }
  bytes(length: number): Buffer {
    if (this.left < length) throw new Error(`the packet ends ${length - this.left} bytes early`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
  byte(): number {
    return this.bytes(1).readUInt8();
  }
  u16(): number {
    return this.bytes(2).readUInt16BE();
  }
  u32(): number {
    return this.bytes(4).readUInt32BE();
  }
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 4; shift++) {
      const next = this.byte();
      value += (next & 127) * 128 ** shift;
      if (next < 128) {
        if (next === 0 && shift > 0) throw new Error('variable byte integer longer than needed');
        return value;
      }
    }
    throw new Error('variable byte integer of more than four bytes');
  }
  text(): string {
    const value = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.bytes(this.u16()));
    if (value.includes('\0')) throw new Error('U+0000 in a string');
    return value;
  }
  sub(length: number): Reader {
    if (this.left < length) throw new Error('properties are longer than the packet');
    this.#at += length;
    return new Reader(this.#bytes, this.#at - length, this.#at);
  }
}

function readValue(reader: Reader, id: number): PropertyValue {
  switch (id) {
    case P.payloadFormat:
    case P.maximumQos:
    case P.retainAvailable:
    case P.wildcardAvailable:
    case P.subscriptionIdAvailable:
    case P.sharedAvailable: {
      const value = reader.byte();
      if (value > 1) throw new Error(`property 0x${id.toString(16)} is ${value}`);
      return value;
    }
    case P.serverKeepAlive:
    case P.topicAliasMaximum:
      return reader.u16();
    case P.receiveMaximum:
    case P.topicAlias: {
      const value = reader.u16();
      if (value === 0) throw new Error(`property 0x${id.toString(16)} is 0`);
      return value;
    }
    case P.messageExpiry:
    case P.sessionExpiry:
      return reader.u32();
    case P.maximumPacketSize: {
      const value = reader.u32();
      if (value === 0) throw new Error('Maximum Packet Size is 0');
      return value;
    }
    case P.subscriptionId: {
      const value = reader.varint();
      if (value === 0) throw new Error('Subscription Identifier is 0');
      return value;
    }
    case P.correlationData:
    case P.authData:
      return reader.bytes(reader.u16());
    case P.userProperty:
      return [reader.text(), reader.text()];
    default:
      return reader.text();
  }
}

function readProperties(reader: Reader, type: ServerPacket['type'], version: Version): Properties {
  if (version < 5) return [];
  const body = reader.sub(reader.varint());
  const list: [number, PropertyValue][] = [];
  while (body.left > 0) {
    const id = body.byte();
    if (!ALLOWED[type].includes(id)) throw new Error(`property 0x${id.toString(16)} in ${type}`);
    if (id !== P.userProperty && id !== P.subscriptionId && list.some(([seen]) => seen === id))
      throw new Error(`property 0x${id.toString(16)} twice in ${type}`);
    list.push([id, readValue(body, id)]);
  }
  return list;
}

function oneOf(reason: number, allowed: readonly number[], type: string): number {
  if (!allowed.includes(reason)) throw new Error(`reason 0x${reason.toString(16)} in ${type}`);
  return reason;
}

function readAck(reader: Reader, type: AckType, version: Version): Ack {
  const packetId = reader.u16();
  if (packetId === 0) throw new Error(`packet identifier 0 in ${type}`);
  if (version < 5 || reader.left === 0) return { type, packetId, reason: 0, properties: [] };
  const reason = oneOf(reader.byte(), ACK_REASONS[type], type);
  return { type, packetId, reason, properties: reader.left > 0 ? readProperties(reader, type, version) : [] };
}

function readSubAck(reader: Reader, type: 'suback' | 'unsuback', version: Version): SubAck {
  const packetId = reader.u16();
  const list = readProperties(reader, type, version);
  const reasons = [...reader.bytes(reader.left)];
  if (version < 5 && type === 'unsuback' && reasons.length > 0)
    throw new Error('payload in an MQTT 3 UNSUBACK');
  const allowed = version < 5 ? [0, 1, 2, 0x80] : type === 'suback' ? SUBACK_REASONS : UNSUBACK_REASONS;
  for (const reason of reasons) oneOf(reason, allowed, type);
  return { type, packetId, reasons, properties: list };
}

function readPublish(reader: Reader, flags: number, version: Version): Publish {
  const qos = (flags >> 1) & 3;
  const dup = (flags & 8) !== 0;
  if (qos === 3) throw new Error('PUBLISH with QoS 3');
  if (dup && qos === 0) throw new Error('DUP set in a QoS 0 PUBLISH');
  const topic = reader.text();
  if (/[+#]/.test(topic)) throw new Error(`wildcard in topic ${topic}`);
  const packetId = qos > 0 ? reader.u16() : 0;
  if (qos > 0 && packetId === 0) throw new Error('packet identifier 0 in PUBLISH');
  const list = readProperties(reader, 'publish', version);
  if (topic === '' && !list.some(([id]) => id === P.topicAlias)) throw new Error('PUBLISH without a topic');
  const payload = reader.bytes(reader.left);
  return { type: 'publish', topic, payload, qos, dup, retain: (flags & 1) !== 0, packetId, properties: list };
}

function readConnack(reader: Reader, version: Version): Connack {
  const flags = reader.byte();
  if (flags > 1) throw new Error(`CONNACK flags ${flags}`);
  const reason = reader.byte();
  // The short form of two bytes is also how a refusal of an unknown protocol level looks.
  if (version < 5 && reason > 5) throw new Error(`CONNACK return code ${reason}`);
  if (version === 5 && reader.left > 0) oneOf(reason, CONNACK_REASONS, 'connack');
  if (reason !== 0 && flags !== 0) throw new Error('Session Present in a refusal');
  return {
    type: 'connack',
    sessionPresent: flags === 1,
    reason,
    properties: reader.left > 0 ? readProperties(reader, 'connack', version) : [],
  };
}

function readReasoned(reader: Reader, type: 'disconnect' | 'auth', version: Version): Reasoned {
  if (version < 5) throw new Error(`${type} sent to an MQTT 3 client`);
  if (reader.left === 0) return { type, reason: 0, properties: [] };
  const reason = oneOf(reader.byte(), type === 'auth' ? AUTH_REASONS : DISCONNECT_REASONS, type);
  return { type, reason, properties: reader.left > 0 ? readProperties(reader, type, version) : [] };
}

const FLAGS: Readonly<Record<number, number>> = { 6: 2 };

function readBody(reader: Reader, first: number, version: Version) {
  const type = first >> 4;
  const flags = first & 15;
  if (type !== 3 && flags !== (FLAGS[type] ?? 0)) throw new Error(`fixed header 0x${first.toString(16)}`);
  switch (type) {
    case 2:
      return readConnack(reader, version);
    case 3:
      return readPublish(reader, flags, version);
    case 4:
      return readAck(reader, 'puback', version);
    case 5:
      return readAck(reader, 'pubrec', version);
    case 6:
      return readAck(reader, 'pubrel', version);
    case 7:
      return readAck(reader, 'pubcomp', version);
    case 9:
      return readSubAck(reader, 'suback', version);
    case 11:
      return readSubAck(reader, 'unsuback', version);
    case 13:
      return { type: 'pingresp' as const, properties: [] };
    case 14:
      return readReasoned(reader, 'disconnect', version);
    case 15:
      return readReasoned(reader, 'auth', version);
    default:
      throw new Error(`a server never sends packet type ${type}`);
  }
}

/** The first complete packet of `bytes`, or undefined when more bytes are needed. */
export function decodeServerPacket(bytes: Buffer, version: Version): ServerPacket | undefined {
  let header = 1;
  while (header < bytes.length && header < 5 && bytes.readUInt8(header) >= 128) header++;
  if (header >= bytes.length) return undefined;
  const head = new Reader(bytes, 1, bytes.length);
  const length = head.varint();
  if (head.left < length) return undefined;
  const end = header + 1 + length;
  const reader = new Reader(bytes, header + 1, end);
  const body = readBody(reader, bytes.readUInt8(0), version);
  if (reader.left > 0) throw new Error(`${reader.left} bytes behind the end of ${body.type}`);
  return { ...body, frame: Buffer.from(bytes.subarray(0, end)) };
}
