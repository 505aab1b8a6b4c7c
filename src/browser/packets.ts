/** The MQTT 5 packets that this client sends and receives (QoS 0 and 1), as bytes. */
import { type Properties, readProperties, writeProperties } from './properties.ts';
import { Reader, Writer } from './wire.ts';

export type Qos = 0 | 1;

export interface Will {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly properties: Properties;
}

export interface ConnectFields {
  readonly clientId: string;
  readonly cleanStart: boolean;
  readonly keepAliveSeconds: number;
  readonly username: string | undefined;
  readonly password: Uint8Array | undefined;
  readonly will: Will | undefined;
  readonly properties: Properties;
}

export interface PublishFields {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly duplicate: boolean;
  /** Sent with QoS 1 only. */
  readonly packetId: number;
  readonly properties: Properties;
}

export type Received =
  | {
      readonly type: 'connack';
      readonly sessionPresent: boolean;
      readonly reason: number;
      readonly properties: Properties;
    }
  | ({ readonly type: 'publish' } & PublishFields)
  | {
      readonly type: 'puback';
      readonly packetId: number;
      readonly reason: number;
      readonly properties: Properties;
    }
  | {
      readonly type: 'suback' | 'unsuback';
      readonly packetId: number;
      readonly reasons: Uint8Array;
      readonly properties: Properties;
    }
  | { readonly type: 'disconnect'; readonly reason: number; readonly properties: Properties }
  | { readonly type: 'pingresp' }
  | { readonly type: 'malformed' };

function packet(firstByte: number, body: Writer): Uint8Array<ArrayBuffer> {
  const bytes = body.done();
  return new Writer().u8(firstByte).varint(bytes.length).raw(bytes).done();
}

export function encodeConnect(fields: ConnectFields): Uint8Array<ArrayBuffer> {
  const { will, username, password } = fields;
  const flags =
    (username === undefined ? 0 : 0x80) |
    (password === undefined ? 0 : 0x40) |
    (will === undefined ? 0 : 0x04 | (will.qos << 3) | (will.retain ? 0x20 : 0)) |
    (fields.cleanStart ? 0x02 : 0);
  const body = new Writer().text('MQTT').u8(5).u8(flags).u16(fields.keepAliveSeconds);
  writeProperties(body, fields.properties);
  body.text(fields.clientId);
  if (will !== undefined) {
    writeProperties(body, will.properties);
    body.text(will.topic).binary(will.payload);
  }
  if (username !== undefined) body.text(username);
  if (password !== undefined) body.binary(password);
  return packet(0x10, body);
}

export function encodePublish(fields: PublishFields): Uint8Array<ArrayBuffer> {
  const body = new Writer().text(fields.topic);
  if (fields.qos > 0) body.u16(fields.packetId);
  writeProperties(body, fields.properties);
  body.raw(fields.payload);
  return packet(0x30 | (fields.duplicate ? 0x08 : 0) | (fields.qos << 1) | (fields.retain ? 1 : 0), body);
}

export interface SubscribeFields {
  readonly packetId: number;
  readonly filter: string;
  readonly qos: Qos;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
  readonly identifier: number | undefined;
}

export function encodeSubscribe(fields: SubscribeFields): Uint8Array<ArrayBuffer> {
  const body = new Writer().u16(fields.packetId);
  writeProperties(
    body,
    fields.identifier === undefined ? {} : { subscriptionIdentifiers: [fields.identifier] },
  );
  const options =
    fields.qos |
    (fields.noLocal ? 0x04 : 0) |
    (fields.retainAsPublished ? 0x08 : 0) |
    (fields.retainHandling << 4);
  body.text(fields.filter).u8(options);
  return packet(0x82, body);
}

export function encodeUnsubscribe(packetId: number, filter: string): Uint8Array<ArrayBuffer> {
  return packet(0xa2, new Writer().u16(packetId).u8(0).text(filter));
}

export function encodePuback(packetId: number): Uint8Array<ArrayBuffer> {
  return packet(0x40, new Writer().u16(packetId));
}

export function encodePingreq(): Uint8Array<ArrayBuffer> {
  return packet(0xc0, new Writer());
}

export function encodeDisconnect(reason: number): Uint8Array<ArrayBuffer> {
  return packet(0xe0, reason === 0 ? new Writer() : new Writer().u8(reason));
}

/** Decodes one packet as framed: [start, end), its body at `body`. */
export function decode(bytes: Uint8Array, start: number, body: number, end: number): Received {
  const first = bytes[start] as number;
  const reader = new Reader(bytes, body, end);
  const received = decodeBody(first, reader);
  return reader.failed ? { type: 'malformed' } : received;
}

function decodeBody(first: number, reader: Reader): Received {
  if (first >>> 4 === 3) return decodePublish(first, reader);
  switch (first) {
    case 0x20: {
      const flags = reader.u8();
      const reason = reader.u8();
      return {
        type: 'connack',
        sessionPresent: (flags & 1) === 1,
        reason,
        properties: readProperties(reader),
      };
    }
    case 0x40: {
      const packetId = reader.u16();
      const reason = reader.left > 0 ? reader.u8() : 0;
      return { type: 'puback', packetId, reason, properties: reader.left > 0 ? readProperties(reader) : {} };
    }
    case 0x90:
    case 0xb0: {
      const packetId = reader.u16();
      const properties = readProperties(reader);
      const type = first === 0x90 ? 'suback' : 'unsuback';
      return { type, packetId, properties, reasons: reader.raw(reader.left) };
    }
    case 0xd0:
      return { type: 'pingresp' };
    case 0xe0: {
      const reason = reader.left > 0 ? reader.u8() : 0;
      return { type: 'disconnect', reason, properties: reader.left > 0 ? readProperties(reader) : {} };
    }
    default:
      return { type: 'malformed' };
  }
}

function decodePublish(first: number, reader: Reader): Received {
  const qos = (first >>> 1) & 3;
  // This client subscribes with QoS 1 at most, so nothing higher may come.
  if (qos > 1) return { type: 'malformed' };
  const topic = reader.text();
  const packetId = qos > 0 ? reader.u16() : 0;
  const properties = readProperties(reader);
  return {
    type: 'publish',
    topic,
    payload: reader.raw(reader.left),
    qos: qos as Qos,
    retain: (first & 1) === 1,
    duplicate: (first & 8) === 8,
    packetId,
    properties,
  };
}
