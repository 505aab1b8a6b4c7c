/**
 * The MQTT encoder: packets in, bytes of one whole frame out. Not here: PUBLISH without allocation
 * (encode-publish.ts). It guarantees that nothing larger than the receiver's Maximum Packet Size comes out.
 * A field that MQTT cannot hold (a string above 65,535 bytes) is the caller's error and throws RangeError.
 */
import { encodeClientControl3, encodeServerControl3 } from './encode-3.ts';
import { writeProperties } from './encode-properties.ts';
import { encodePublish } from './encode-publish.ts';
import {
  type ClientPacket,
  type ConnectPacket,
  type Packet,
  PacketType,
  type ProtocolVersion,
  type PublishAckPacket,
  type PublishPacket,
  type ServerPacket,
  type SubscribePacket,
} from './packets.ts';
import { WILL } from './properties.ts';
import { PacketWriter } from './writer.ts';

/**
 * What goes to a client. Undefined: nothing may be sent, because the version has no such packet (see encode-3.ts) or
 * because it is above `maxPacketBytes` even without reason string and user properties.
 */
export function encodeForClient(
  packet: ServerPacket,
  version: ProtocolVersion,
  maxPacketBytes = Number.POSITIVE_INFINITY,
): Uint8Array | undefined {
  const bytes = encodeServer(packet, version);
  if (bytes === undefined || bytes.length <= maxPacketBytes) return bytes;
  if (version !== 5 || packet.type === PacketType.Publish) return undefined;
  // The reason string says more in fewer bytes: user properties go first.
  for (const strip of [withoutUserProperties, withoutDiagnostics]) {
    const smaller = encodeServer(strip(packet), version);
    if (smaller !== undefined && smaller.length <= maxPacketBytes) return smaller;
  }
  return undefined;
}

/** What a client sends; undefined for AUTH below MQTT 5. */
export function encodeForServer(packet: ClientPacket, version: ProtocolVersion): Uint8Array | undefined {
  if (packet.type === PacketType.Publish) return encodePublish(packet, version);
  return version === 5 ? encodeControl5(packet) : encodeClientControl3(packet, version);
}

/**
 * Without reason string and user properties: also for a client that set Request Problem Information to 0
 * (MQTT-3.1.2-29; it still gets them in CONNACK, DISCONNECT and PUBLISH).
 */
export function withoutDiagnostics<T extends ServerPacket>(packet: T): T {
  return without(packet, { reasonString: undefined, userProperties: undefined });
}

function withoutUserProperties<T extends ServerPacket>(packet: T): T {
  return without(packet, { userProperties: undefined });
}

function without<T extends ServerPacket>(packet: T, fields: object): T {
  if (packet.type === PacketType.Publish || packet.type === PacketType.Pingresp) return packet;
  return { ...packet, properties: { ...packet.properties, ...fields } };
}

function encodeServer(packet: ServerPacket, version: ProtocolVersion): Uint8Array | undefined {
  if (packet.type === PacketType.Publish) return encodePublish(packet, version);
  return version === 5 ? encodeControl5(packet) : encodeServerControl3(packet, version);
}

function encodeControl5(packet: Exclude<Packet, PublishPacket>): Uint8Array {
  const writer = new PacketWriter();
  switch (packet.type) {
    case PacketType.Connect:
      writeConnect(writer, packet);
      break;
    case PacketType.Connack:
      writer.byte(packet.sessionPresent ? 1 : 0);
      writer.byte(packet.reasonCode);
      writeProperties(writer, packet.properties, packet.type);
      break;
    case PacketType.Subscribe:
      writeSubscribe(writer, packet);
      break;
    case PacketType.Unsubscribe:
      writer.uint16(packet.packetId);
      writeProperties(writer, packet.properties, packet.type);
      for (const filter of packet.filters) writer.binary(filter);
      break;
    case PacketType.Suback:
    case PacketType.Unsuback:
      writer.uint16(packet.packetId);
      writeProperties(writer, packet.properties, packet.type);
      for (const code of packet.reasonCodes) writer.byte(code);
      break;
    case PacketType.Disconnect:
      if (packet.reasonCode !== 0 || hasAny(packet.properties)) {
        writer.byte(packet.reasonCode);
        writeProperties(writer, packet.properties, packet.type);
      }
      break;
    case PacketType.Auth:
      if (packet.reasonCode !== 0 || hasAny(packet.properties)) {
        writer.byte(packet.reasonCode);
        writeProperties(writer, packet.properties, packet.type);
      }
      break;
    case PacketType.Pingreq:
    case PacketType.Pingresp:
      break;
    default:
      writePublishAck(writer, packet);
  }
  return writer.packet((packet.type << 4) | headerFlags(packet.type));
}

function headerFlags(type: PacketType): number {
  const usesQos1 =
    type === PacketType.Pubrel || type === PacketType.Subscribe || type === PacketType.Unsubscribe;
  return usesQos1 ? 0x02 : 0;
}

/** In the shortest of its three forms. */
function writePublishAck(writer: PacketWriter, packet: PublishAckPacket): void {
  writer.uint16(packet.packetId);
  const withProperties = hasAny(packet.properties);
  if (packet.reasonCode !== 0 || withProperties) writer.byte(packet.reasonCode);
  if (withProperties) writeProperties(writer, packet.properties, packet.type);
}

function hasAny(properties: object): boolean {
  return Object.values(properties).some((value) => value !== undefined);
}

function writeConnect(writer: PacketWriter, packet: ConnectPacket): void {
  const { will, userName, password } = packet;
  writer.string('MQTT');
  writer.byte(packet.bridge ? 0x85 : 5);
  const willFlags = will === undefined ? 0 : 0x04 | (will.qos << 3) | (will.retain ? 0x20 : 0);
  const identity = (userName === undefined ? 0 : 0x80) | (password === undefined ? 0 : 0x40);
  writer.byte(identity | willFlags | (packet.clean ? 0x02 : 0));
  writer.uint16(packet.keepAliveSeconds);
  writeProperties(writer, packet.properties, PacketType.Connect);
  writer.string(packet.clientId);
  if (will !== undefined) {
    writeProperties(writer, will.properties, WILL);
    writer.binary(will.topic);
    writer.binary(will.payload);
  }
  if (userName !== undefined) writer.string(userName);
  if (password !== undefined) writer.binary(password);
}

function writeSubscribe(writer: PacketWriter, packet: SubscribePacket): void {
  writer.uint16(packet.packetId);
  writeProperties(writer, packet.properties, packet.type);
  for (const { filter, qos, noLocal, retainAsPublished, retainHandling } of packet.subscriptions) {
    writer.binary(filter);
    writer.byte(qos | (noLocal ? 0x04 : 0) | (retainAsPublished ? 0x08 : 0) | (retainHandling << 4));
  }
}
