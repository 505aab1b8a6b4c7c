/** CONNECT of all versions (MQTT 5.0 and 3.1.1 section 3.1). */
import { isUtf8 } from 'node:buffer';
import { topicNameFault } from '../topic.ts';
import { decodeProperties } from './decode-properties.ts';
import {
  type ConnectPacket,
  type ConnectProperties,
  PacketType,
  type ProtocolVersion,
  type Qos,
  type Will,
  type WillProperties,
} from './packets.ts';
import { WILL } from './properties.ts';
import type { PacketReader } from './reader.ts';
import { ReasonCode } from './reason-codes.ts';
import { decodeUtf8 } from './utf8.ts';

const BRIDGE = 0x80;
const EMPTY = new Uint8Array(0);

/** What a CONNECT turned out to be, also when it is unsound: decides whether and how it can be answered. */
export interface ConnectAttempt {
  readonly packet: ConnectPacket | undefined;
  /** Undefined: not recognisable as MQTT, close without a word. */
  readonly version: ProtocolVersion | undefined;
}

export function decodeConnect(reader: PacketReader): ConnectAttempt {
  // Until the level is known, faults cite MQTT 5.
  reader.version = 5;
  const protocol = decodeUtf8(reader.utf8('Protocol name', { v5: 'MQTT-3.1.2-1' }));
  if (reader.fault === undefined && protocol !== 'MQTT' && protocol !== 'MQIsdp') {
    reader.fail(ReasonCode.UnsupportedProtocolVersion, 'Unknown protocol name', { v5: 'MQTT-3.1.2-1' });
  }
  const levelByte = reader.byte();
  if (reader.fault !== undefined) return { packet: undefined, version: undefined };
  const level = levelByte & ~BRIDGE;
  const version = protocol === 'MQIsdp' ? asVersion(level, [3]) : asVersion(level, [4, 5]);
  if (version === undefined) {
    // The answer takes the form of the protocol that the level is nearest to.
    reader.version = level >= 5 ? 5 : 4;
    reader.fail(
      ReasonCode.UnsupportedProtocolVersion,
      `Protocol level ${level} of ${protocol} is not supported`,
      {
        v5: 'MQTT-3.1.2-2',
      },
    );
    return { packet: undefined, version: reader.version };
  }
  reader.version = version;
  return { packet: decodeBody(reader, version, levelByte >= BRIDGE), version };
}

function asVersion(level: number, allowed: readonly ProtocolVersion[]): ProtocolVersion | undefined {
  return allowed.find((version) => version === level);
}

function decodeBody(
  reader: PacketReader,
  version: ProtocolVersion,
  bridge: boolean,
): ConnectPacket | undefined {
  const flags = reader.byte();
  checkFlags(reader, flags, version);
  const keepAliveSeconds = reader.uint16();
  const properties = version === 5 ? connectProperties(reader) : {};
  const clientId = reader.string('Client identifier', { v5: 'MQTT-3.1.3-4' });
  const will = (flags & 0x04) !== 0 ? decodeWill(reader, flags, version) : undefined;
  // MQTT 3.1 lets the remaining length overrule these two flags: the fields may be missing.
  const mayLack = version === 3;
  const hasUserName = (flags & 0x80) !== 0 && !(mayLack && reader.remaining === 0);
  const userName = hasUserName
    ? reader.string('User name', { v5: 'MQTT-3.1.3-12', v3: 'MQTT-3.1.3-11' })
    : undefined;
  const hasPassword = (flags & 0x40) !== 0 && !(mayLack && reader.remaining === 0);
  const password = hasPassword ? reader.binary() : undefined;
  reader.expectEnd('CONNECT');
  if (reader.fault !== undefined) return undefined;
  const clean = (flags & 0x02) !== 0;
  return {
    type: PacketType.Connect,
    ...{ version, bridge, clean, keepAliveSeconds, clientId, will, userName, password, properties },
  };
}

function checkFlags(reader: PacketReader, flags: number, version: ProtocolVersion): void {
  if (reader.fault !== undefined) return;
  const willQos = (flags >> 3) & 0x03;
  if ((flags & 0x01) !== 0) reader.malformed('Reserved connect flag is set', { v5: 'MQTT-3.1.2-3' });
  if ((flags & 0x04) === 0) {
    if (willQos !== 0) {
      reader.malformed('Will QoS without Will Flag', { v5: 'MQTT-3.1.2-11', v3: 'MQTT-3.1.2-13' });
    }
    if ((flags & 0x20) !== 0) {
      reader.malformed('Will Retain without Will Flag', { v5: 'MQTT-3.1.2-13', v3: 'MQTT-3.1.2-15' });
    }
  } else if (willQos === 3) {
    reader.malformed('Will QoS 3', { v5: 'MQTT-3.1.2-12', v3: 'MQTT-3.1.2-14' });
  }
  if (version !== 5 && (flags & 0xc0) === 0x40) {
    reader.malformed('Password without user name', { v5: 'MQTT-3.1.2-22' });
  }
}

function connectProperties(reader: PacketReader): ConnectProperties {
  const { properties } = decodeProperties<ConnectProperties>(reader, PacketType.Connect);
  if (properties.authenticationData !== undefined && properties.authenticationMethod === undefined) {
    reader.protocolError('Authentication Data without Authentication Method', {
      v5: 'MQTT 5.0 section 3.1.2.11.10',
    });
  }
  return properties;
}

function decodeWill(reader: PacketReader, flags: number, version: ProtocolVersion): Will {
  const { properties, messageProperties } =
    version === 5
      ? decodeProperties<WillProperties>(reader, WILL)
      : { properties: {}, messageProperties: EMPTY };
  const topic = reader.utf8('Will Topic', { v5: 'MQTT-3.1.3-11', v3: 'MQTT-3.1.3-10' });
  const fault = reader.fault === undefined ? topicNameFault(topic, reader.limits) : undefined;
  if (fault !== undefined) reader.fail(fault.reasonCode, `Will Topic: ${fault.message}`, fault);
  const payload = reader.binary();
  if (properties.payloadFormatIndicator === 1 && !isUtf8(payload)) {
    reader.fail(ReasonCode.PayloadFormatInvalid, 'Will payload is not UTF-8 as its format indicator says', {
      v5: 'MQTT 5.0 section 3.1.3.2.3',
    });
  }
  const qos = ((flags >> 3) & 0x03) as Qos;
  return { topic, payload, qos, retain: (flags & 0x20) !== 0, properties, messageProperties };
}
