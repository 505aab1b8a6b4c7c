/** All control packets but CONNECT and PUBLISH (sections 3.2 and 3.4 to 3.15). */
import { parseFilter } from '../topic.ts';
import { decodeProperties } from './decode-properties.ts';
import {
  type AckProperties,
  type AuthPacket,
  type AuthProperties,
  type ConnackPacket,
  type ConnackProperties,
  type DisconnectPacket,
  type DisconnectProperties,
  PacketType,
  type PublishAckPacket,
  type Qos,
  type RetainHandling,
  type SubackPacket,
  type SubscribePacket,
  type SubscribeProperties,
  type SubscriptionRequest,
  type UnsubackPacket,
  type UnsubscribePacket,
  type UnsubscribeProperties,
} from './packets.ts';
import type { Citation, PacketReader } from './reader.ts';
import { mayCarry, ReasonCode, type Sender } from './reason-codes.ts';

const REASON_CITATION: Readonly<Partial<Record<PacketType, string>>> = {
  [PacketType.Connack]: 'MQTT-3.2.2-8',
  [PacketType.Puback]: 'MQTT-3.4.2-1',
  [PacketType.Pubrec]: 'MQTT-3.5.2-1',
  [PacketType.Pubrel]: 'MQTT-3.6.2-1',
  [PacketType.Pubcomp]: 'MQTT-3.7.2-1',
  [PacketType.Suback]: 'MQTT-3.9.3-2',
  [PacketType.Unsuback]: 'MQTT-3.11.3-2',
  [PacketType.Disconnect]: 'MQTT-3.14.2-1',
  [PacketType.Auth]: 'MQTT-3.15.2-1',
};

const FILTERS: Citation = { v5: 'MQTT-3.8.3-1' };
const FILTERS_OFF: Citation = { v5: 'MQTT-3.10.3-1' };
const NEW_PACKET_ID: Citation = { v5: 'MQTT-2.2.1-3', v3: 'MQTT-2.3.1-1' };

function readReason(reader: PacketReader, type: PacketType, sender: Sender): number {
  const code = reader.byte();
  if (reader.fault === undefined && !mayCarry(type, sender, code)) {
    const hex = code.toString(16).padStart(2, '0');
    reader.protocolError(`Reason code 0x${hex} does not belong in this packet`, {
      v5: REASON_CITATION[type] ?? 'MQTT 5.0 section 2.4',
    });
  }
  return code;
}

/** PUBACK, PUBREC, PUBREL, PUBCOMP: reason code and properties may be left out from the end. */
export function decodePublishAck(
  reader: PacketReader,
  type: PublishAckPacket['type'],
  sender: Sender,
): PublishAckPacket {
  const packetId = reader.packetId({ v5: 'MQTT-2.2.1-5', v3: 'MQTT-2.3.1-6' });
  let reasonCode: number = ReasonCode.Success;
  let properties: AckProperties = {};
  if (reader.version === 5 && reader.remaining > 0) {
    reasonCode = readReason(reader, type, sender);
    if (reader.remaining > 0) properties = decodeProperties<AckProperties>(reader, type).properties;
  }
  reader.expectEnd('the acknowledgement');
  return { type, packetId, reasonCode, properties };
}

export function decodeSubscribe(reader: PacketReader): SubscribePacket {
  const packetId = reader.packetId(NEW_PACKET_ID);
  const properties =
    reader.version === 5
      ? decodeProperties<SubscribeProperties>(reader, PacketType.Subscribe).properties
      : {};
  const subscriptions: SubscriptionRequest[] = [];
  if (reader.remaining === 0) {
    reader.protocolError('SUBSCRIBE without a topic filter', { v5: 'MQTT-3.8.3-2', v3: 'MQTT-3.8.3-3' });
  }
  while (reader.remaining > 0) {
    if (!roomForAnother(reader, subscriptions.length)) break;
    subscriptions.push(readSubscription(reader));
  }
  return { type: PacketType.Subscribe, packetId, subscriptions, properties };
}

function readSubscription(reader: PacketReader): SubscriptionRequest {
  const { filter, shared } = readFilter(reader, FILTERS);
  const options = reader.byte();
  const qos = options & 0x03;
  const retainHandling = (options >> 4) & 0x03;
  const noLocal = (options & 0x04) !== 0;
  if (reader.fault === undefined) {
    if ((options & (reader.version === 5 ? 0xc0 : 0xfc)) !== 0) {
      reader.malformed('Reserved bits of the subscription options are set', {
        v5: 'MQTT-3.8.3-5',
        v3: 'MQTT-3.8.3-4',
      });
    }
    if (qos === 3) {
      reader.protocolError('Subscription with QoS 3', { v5: 'MQTT 5.0 section 3.8.3.1', v3: 'MQTT-3.8.3-4' });
    }
    if (retainHandling === 3) {
      reader.protocolError('Retain Handling 3', { v5: 'MQTT 5.0 section 3.8.3.1' });
    }
    if (noLocal && shared) {
      reader.protocolError('No Local on a shared subscription', { v5: 'MQTT-3.8.3-4' });
    }
  }
  return {
    ...{ filter, qos: qos as Qos, noLocal },
    retainAsPublished: (options & 0x08) !== 0,
    retainHandling: retainHandling as RetainHandling,
  };
}

function readFilter(reader: PacketReader, citation: Citation): { filter: Uint8Array; shared: boolean } {
  const filter = reader.utf8('Topic filter', citation);
  if (reader.fault !== undefined) return { filter, shared: false };
  const parsed = parseFilter(filter, reader.limits);
  if ('type' in parsed) {
    if (reader.limits.leavesFiltersToSession === true) return { filter, shared: false };
    reader.fail(parsed.reasonCode, parsed.message, parsed);
    return { filter, shared: false };
  }
  return { filter, shared: parsed.group !== undefined };
}

function roomForAnother(reader: PacketReader, count: number): boolean {
  if (count < reader.limits.maxFiltersPerPacket) return true;
  reader.fail(ReasonCode.QuotaExceeded, 'Too many topic filters in one packet', {
    v5: 'MQTT 5.0 section 4.13.2',
    v3: 'section 4.8',
  });
  return false;
}

export function decodeUnsubscribe(reader: PacketReader): UnsubscribePacket {
  const packetId = reader.packetId(NEW_PACKET_ID);
  const properties =
    reader.version === 5
      ? decodeProperties<UnsubscribeProperties>(reader, PacketType.Unsubscribe).properties
      : {};
  const filters: Uint8Array[] = [];
  if (reader.remaining === 0) {
    reader.protocolError('UNSUBSCRIBE without a topic filter', { v5: 'MQTT-3.10.3-2' });
  }
  while (reader.remaining > 0) {
    if (!roomForAnother(reader, filters.length)) break;
    filters.push(readFilter(reader, FILTERS_OFF).filter);
  }
  return { type: PacketType.Unsubscribe, packetId, filters, properties };
}

export function decodeDisconnect(reader: PacketReader, sender: Sender): DisconnectPacket {
  let reasonCode: number = ReasonCode.NormalDisconnection;
  let properties: DisconnectProperties = {};
  if (reader.version === 5 && reader.remaining > 0) {
    reasonCode = readReason(reader, PacketType.Disconnect, sender);
    if (reader.remaining > 0) {
      properties = decodeProperties<DisconnectProperties>(reader, PacketType.Disconnect).properties;
    }
    if (sender === 'client' && properties.serverReference !== undefined) {
      reader.protocolError('Server Reference from a client', { v5: 'MQTT 5.0 section 3.14.2.2.5' });
    }
    if (sender === 'server' && properties.sessionExpiryIntervalSeconds !== undefined) {
      reader.protocolError('Session Expiry Interval from the server', { v5: 'MQTT-3.14.2-2' });
    }
  }
  reader.expectEnd('DISCONNECT');
  return { type: PacketType.Disconnect, reasonCode, properties };
}

export function decodeAuth(reader: PacketReader, sender: Sender): AuthPacket {
  if (reader.version !== 5) {
    reader.malformed('Packet type 15 is reserved', { v5: 'MQTT 5.0 section 2.1.2', v3: 'section 2.2.1' });
  }
  const short = reader.remaining === 0 && reader.fault === undefined;
  if (short && mayCarry(PacketType.Auth, sender, ReasonCode.Success)) {
    return { type: PacketType.Auth, reasonCode: ReasonCode.Success, properties: {} };
  }
  if (short) {
    reader.protocolError('AUTH with Success is the server’s to send', { v5: 'MQTT-3.15.2-1' });
  }
  const reasonCode = readReason(reader, PacketType.Auth, sender);
  const { properties } = decodeProperties<AuthProperties>(reader, PacketType.Auth);
  if (properties.authenticationMethod === undefined) {
    reader.protocolError('AUTH without Authentication Method', { v5: 'MQTT 5.0 section 3.15.2.2.2' });
  }
  reader.expectEnd('AUTH');
  return { type: PacketType.Auth, reasonCode, properties };
}

export function decodeConnack(reader: PacketReader): ConnackPacket {
  const flags = reader.byte();
  if (flags > 1) reader.malformed('Reserved CONNACK flags are set', { v5: 'MQTT-3.2.2-1' });
  let reasonCode: number;
  let properties: ConnackProperties = {};
  if (reader.version === 5) {
    reasonCode = readReason(reader, PacketType.Connack, 'server');
    properties = decodeProperties<ConnackProperties>(reader, PacketType.Connack).properties;
  } else {
    reasonCode = reader.byte();
    if (reasonCode > 5) reader.protocolError('Unknown CONNACK return code', { v5: 'section 3.2.2.3' });
  }
  const sessionPresent = flags === 1;
  if (sessionPresent && reasonCode !== 0) {
    reader.protocolError('Session Present on a refusal', { v5: 'MQTT-3.2.2-6', v3: 'MQTT-3.2.2-4' });
  }
  reader.expectEnd('CONNACK');
  return { type: PacketType.Connack, sessionPresent, reasonCode, properties };
}

export function decodeSuback(reader: PacketReader): SubackPacket {
  const packetId = reader.packetId({ v5: 'MQTT-2.2.1-6', v3: 'MQTT-2.3.1-7' });
  const properties =
    reader.version === 5 ? decodeProperties<AckProperties>(reader, PacketType.Suback).properties : {};
  const reasonCodes: number[] = [];
  while (reader.remaining > 0) {
    if (reader.version === 5) {
      reasonCodes.push(readReason(reader, PacketType.Suback, 'server'));
      continue;
    }
    const code = reader.byte();
    if (code > 2 && code !== 0x80) reader.protocolError('Unknown SUBACK return code', { v5: 'MQTT-3.9.3-2' });
    reasonCodes.push(code);
  }
  if (reasonCodes.length === 0) reader.protocolError('SUBACK without a reason code', { v5: 'MQTT-3.8.4-6' });
  return { type: PacketType.Suback, packetId, reasonCodes, properties };
}

export function decodeUnsuback(reader: PacketReader): UnsubackPacket {
  const packetId = reader.packetId({ v5: 'MQTT-2.2.1-6', v3: 'MQTT-2.3.1-7' });
  const reasonCodes: number[] = [];
  let properties: AckProperties = {};
  if (reader.version === 5) {
    properties = decodeProperties<AckProperties>(reader, PacketType.Unsuback).properties;
    while (reader.remaining > 0) reasonCodes.push(readReason(reader, PacketType.Unsuback, 'server'));
    if (reasonCodes.length === 0) {
      reader.protocolError('UNSUBACK without a reason code', { v5: 'MQTT-3.11.3-1' });
    }
  }
  reader.expectEnd('UNSUBACK');
  return { type: PacketType.Unsuback, packetId, reasonCodes, properties };
}
