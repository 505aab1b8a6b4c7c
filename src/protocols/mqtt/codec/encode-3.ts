/**
 * Control packets of MQTT 3.1 and 3.1.1, written by mqtt-packet, which does these well. It does not write ours of
 * MQTT 5: it takes user properties as an object, which loses their order among each other (MQTT-3.3.2-18), it refuses
 * a password without a user name and an empty client identifier without Clean Start, and it measures Maximum Packet
 * Size without the fixed header. PUBLISH has its own encoder in all versions: topics are bytes here, strings there.
 */
import { generate, type Packet as PeerPacket, writeToStream } from 'mqtt-packet';
import type {
  ClientPacket,
  ConnectPacket,
  PublishAckPacket,
  PublishPacket,
  ServerPacket,
} from './packets.ts';
import { PacketType } from './packets.ts';
import { connackReturnCode, subackReturnCode } from './reason-codes.ts';
import { decodeUtf8 } from './utf8.ts';

// Its cache of all two-byte numbers costs 40 ms and 16 MB at the first packet.
writeToStream.cacheNumbers = false;

type Control<T> = Exclude<T, PublishPacket>;

const ACK_NAMES = {
  [PacketType.Puback]: 'puback',
  [PacketType.Pubrec]: 'pubrec',
  [PacketType.Pubrel]: 'pubrel',
  [PacketType.Pubcomp]: 'pubcomp',
} as const;

/** Undefined where 3.x has nothing to send: DISCONNECT and AUTH from the server, a CONNACK without a return code. */
export function encodeServerControl3(packet: Control<ServerPacket>, version: 3 | 4): Uint8Array | undefined {
  switch (packet.type) {
    case PacketType.Connack: {
      const returnCode = connackReturnCode(packet.reasonCode);
      if (returnCode === undefined) return undefined;
      // 3.1 has no Session Present; its byte is reserved.
      const sessionPresent = version === 4 && packet.sessionPresent;
      return written({ cmd: 'connack', returnCode, sessionPresent }, version);
    }
    case PacketType.Suback: {
      const granted = packet.reasonCodes.map((code) => subackReturnCode(version, code));
      return written({ cmd: 'suback', messageId: packet.packetId, granted }, version);
    }
    case PacketType.Unsuback:
      return written({ cmd: 'unsuback', messageId: packet.packetId, granted: [] }, version);
    case PacketType.Pingresp:
      return written({ cmd: 'pingresp' }, version);
    case PacketType.Disconnect:
    case PacketType.Auth:
      return undefined;
    default:
      return writtenAck(packet, version);
  }
}

/** Undefined for AUTH. Throws on what 3.x cannot say, such as a password without a user name. */
export function encodeClientControl3(packet: Control<ClientPacket>, version: 3 | 4): Uint8Array | undefined {
  switch (packet.type) {
    case PacketType.Connect:
      return writtenConnect(packet, version);
    case PacketType.Subscribe: {
      const subscriptions = packet.subscriptions.map(({ filter, qos }) => ({
        topic: decodeUtf8(filter),
        qos,
      }));
      return written({ cmd: 'subscribe', messageId: packet.packetId, subscriptions }, version);
    }
    case PacketType.Unsubscribe: {
      const unsubscriptions = packet.filters.map((filter) => decodeUtf8(filter));
      return written({ cmd: 'unsubscribe', messageId: packet.packetId, unsubscriptions }, version);
    }
    case PacketType.Pingreq:
      return written({ cmd: 'pingreq' }, version);
    case PacketType.Disconnect:
      return written({ cmd: 'disconnect' }, version);
    case PacketType.Auth:
      return undefined;
    default:
      return writtenAck(packet, version);
  }
}

function written(packet: PeerPacket, protocolVersion: 3 | 4): Uint8Array {
  // Plain bytes like everywhere else: a Buffer's methods differ.
  return new Uint8Array(generate(packet, { protocolVersion }));
}

function writtenAck(packet: PublishAckPacket, version: 3 | 4): Uint8Array {
  return written({ cmd: ACK_NAMES[packet.type], messageId: packet.packetId }, version);
}

function writtenConnect(packet: ConnectPacket, version: 3 | 4): Uint8Array {
  const { bridge, clean, clientId, keepAliveSeconds, userName, password, will } = packet;
  return written(
    {
      cmd: 'connect',
      protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
      protocolVersion: version,
      ...{ clean, clientId, keepalive: keepAliveSeconds },
      ...(bridge && { bridgeMode: true }),
      ...(userName !== undefined && { username: userName }),
      ...(password !== undefined && { password: buffer(password) }),
      ...(will !== undefined && {
        will: {
          topic: decodeUtf8(will.topic),
          payload: buffer(will.payload),
          qos: will.qos,
          retain: will.retain,
        },
      }),
    },
    version,
  );
}

function buffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
