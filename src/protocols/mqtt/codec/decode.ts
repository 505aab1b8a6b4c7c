/**
 * The MQTT decoder: bytes of one whole frame in, a packet or the reason why it is none out. It knows the structure of
 * packets and everything a single packet can be judged by; it does not know the session (second use of a packet
 * identifier, known topic aliases, whether a client may do what it asks). It guarantees: never throws, never keeps a
 * view of its input, accepts no byte that the specification does not.
 */
import { decodeConnect } from './decode-connect.ts';
import {
  decodeAuth,
  decodeConnack,
  decodeDisconnect,
  decodePublishAck,
  decodeSuback,
  decodeSubscribe,
  decodeUnsuback,
  decodeUnsubscribe,
} from './decode-control.ts';
import { decodePublish } from './decode-publish.ts';
import {
  type ClientPacket,
  type CodecLimits,
  type ConnectPacket,
  PacketType,
  type ProtocolVersion,
  type ProtocolViolation,
  type ServerPacket,
} from './packets.ts';
import { CITE, PacketReader } from './reader.ts';
import { ReasonCode, type Sender } from './reason-codes.ts';

/** No limits but the specification's own; topic aliases are refused as long as none were announced. */
export const SPECIFICATION_LIMITS: CodecLimits = {
  maxPacketBytes: 268_435_460,
  maxTopicBytes: 65_535,
  maxTopicLevels: 65_536,
  maxFiltersPerPacket: 65_536,
  maxUserProperties: 65_536,
  topicAliasMaximum: 0,
  strictUtf8: false,
};

/**
 * Decodes what a client sent. `version` is undefined until its CONNECT was accepted: only a CONNECT is allowed then,
 * and none afterwards.
 */
export function decodePacket(
  frame: Uint8Array,
  version: ProtocolVersion | undefined,
  limits: CodecLimits,
): ClientPacket | ProtocolViolation {
  const reader = new PacketReader(frame, 0, version ?? 5, limits);
  const first = readFixedHeader(reader);
  const type = first >> 4;
  if (version === undefined) return decodeFirst(reader, type);
  const packet = reader.fault === undefined ? decodeFromClient(reader, type, first & 0x0f) : undefined;
  return packet !== undefined && reader.fault === undefined
    ? packet
    : violation(reader, version === 5 ? 'disconnect' : 'none', version);
}

/** Decodes what a server sent; for clients. */
export function decodeServerPacket(
  frame: Uint8Array,
  version: ProtocolVersion,
  limits: CodecLimits,
): ServerPacket | ProtocolViolation {
  const reader = new PacketReader(frame, 0, version, limits);
  const first = readFixedHeader(reader);
  const packet = reader.fault === undefined ? decodeFromServer(reader, first >> 4, first & 0x0f) : undefined;
  return packet !== undefined && reader.fault === undefined
    ? packet
    : violation(reader, version === 5 ? 'disconnect' : 'none', version);
}

function violation(
  reader: PacketReader,
  answer: ProtocolViolation['answer'],
  version: ProtocolVersion,
): ProtocolViolation {
  const fault = reader.fault;
  const reasonCode = fault?.reasonCode ?? ReasonCode.UnspecifiedError;
  const { message = 'Not decodable', citation = CITE.close.v5 } = fault ?? {};
  return { type: 'violation', reasonCode, message, citation, answer, version };
}

function decodeFirst(reader: PacketReader, type: number): ConnectPacket | ProtocolViolation {
  if (reader.fault === undefined && type !== PacketType.Connect) {
    reader.protocolError('The first packet is not CONNECT', { v5: 'MQTT-3.1.0-1' });
  }
  if (reader.fault !== undefined) return violation(reader, 'none', 5);
  const { packet, version } = decodeConnect(reader);
  if (packet !== undefined) return packet;
  const refused = violation(reader, 'none', version ?? 5);
  const unsupported = refused.reasonCode === ReasonCode.UnsupportedProtocolVersion;
  // MQTT 3.x has no return code for a malformed CONNECT, only for a level the server does not know.
  const answerable = version === 5 || (version !== undefined && unsupported);
  return answerable ? { ...refused, answer: 'connack' } : refused;
}

/** Reads type, flags and remaining length and checks them against the frame; returns the first byte. */
function readFixedHeader(reader: PacketReader): number {
  const frameBytes = reader.remaining;
  if (frameBytes > reader.limits.maxPacketBytes) {
    reader.fail(ReasonCode.PacketTooLarge, `Packet of ${frameBytes} bytes`, {
      v5: 'MQTT 5.0 section 3.2.2.3.6',
      v3: 'section 2.2.3',
    });
    return 0;
  }
  const first = reader.byte();
  checkTypeAndFlags(reader, first);
  const length = reader.varint();
  if (reader.fault === undefined && length !== reader.remaining) {
    reader.malformed('Remaining length differs from the length of the packet', CITE.length);
  }
  return first;
}

function checkTypeAndFlags(reader: PacketReader, first: number): void {
  if (reader.fault !== undefined) return;
  const type = first >> 4;
  if (type === 0) {
    reader.malformed('Packet type 0 is reserved', CITE.fixedHeader);
  } else if (type !== PacketType.Publish && !flagsAllowed(type, first & 0x0f, reader.version)) {
    reader.malformed('Reserved flags of the fixed header are wrong', flagsCitation(type));
  }
}

function flagsAllowed(type: number, flags: number, version: ProtocolVersion): boolean {
  const usesQos1 =
    type === PacketType.Pubrel || type === PacketType.Subscribe || type === PacketType.Unsubscribe;
  if (!usesQos1) return flags === 0;
  // MQTT 3.1 repeats these three with DUP set.
  return flags === 0x02 || (version === 3 && flags === 0x0a);
}

function flagsCitation(type: number): { v5: string; v3: string } {
  switch (type) {
    case PacketType.Pubrel:
      return { v5: 'MQTT-3.6.1-1', v3: 'MQTT-3.6.1-1' };
    case PacketType.Subscribe:
      return { v5: 'MQTT-3.8.1-1', v3: 'MQTT-3.8.1-1' };
    case PacketType.Unsubscribe:
      return { v5: 'MQTT-3.10.1-1', v3: 'MQTT-3.10.1-1' };
    case PacketType.Disconnect:
      return { v5: 'MQTT-3.14.1-1', v3: 'MQTT-3.14.1-1' };
    case PacketType.Auth:
      return { v5: 'MQTT-3.15.1-1', v3: 'MQTT-2.2.2-2' };
    default:
      return { v5: 'MQTT-2.1.3-1', v3: 'MQTT-2.2.2-2' };
  }
}

function decodeFromClient(reader: PacketReader, type: number, flags: number): ClientPacket | undefined {
  switch (type) {
    case PacketType.Connect:
      reader.protocolError('Second CONNECT', { v5: 'MQTT-3.1.0-2' });
      return undefined;
    case PacketType.Subscribe:
      return decodeSubscribe(reader);
    case PacketType.Unsubscribe:
      return decodeUnsubscribe(reader);
    case PacketType.Pingreq:
      reader.expectEnd('PINGREQ');
      return { type };
    default:
      return decodeFromEither(reader, type, flags, 'client');
  }
}

function decodeFromServer(reader: PacketReader, type: number, flags: number): ServerPacket | undefined {
  switch (type) {
    case PacketType.Connack:
      return decodeConnack(reader);
    case PacketType.Suback:
      return decodeSuback(reader);
    case PacketType.Unsuback:
      return decodeUnsuback(reader);
    case PacketType.Pingresp:
      reader.expectEnd('PINGRESP');
      return { type };
    default:
      return decodeFromEither(reader, type, flags, 'server');
  }
}

function decodeFromEither(
  reader: PacketReader,
  type: number,
  flags: number,
  sender: Sender,
): Extract<ClientPacket, ServerPacket> | undefined {
  switch (type) {
    case PacketType.Publish:
      return decodePublish(reader, flags, sender);
    case PacketType.Puback:
    case PacketType.Pubrec:
    case PacketType.Pubrel:
    case PacketType.Pubcomp:
      return decodePublishAck(reader, type, sender);
    case PacketType.Disconnect:
      return decodeDisconnect(reader, sender);
    case PacketType.Auth:
      return decodeAuth(reader, sender);
    default:
      reader.protocolError(`Packet type ${type} does not come from a ${sender}`, {
        v5: 'MQTT 5.0 section 2.1.2',
        v3: 'section 2.2.1',
      });
      return undefined;
  }
}
