/** Packets that the data plane leaves to the host, decoded and handed to whoever handles their kind. */
import { acknowledged } from './acks.ts';
import { handleAuth } from './auth-exchange.ts';
import { decodePacket } from './codec/decode.ts';
import {
  type ClientPacket,
  type DisconnectPacket,
  isViolation,
  PacketType,
  type ProtocolViolation,
  type PublishAckPacket,
} from './codec/packets.ts';
import { ReasonCode } from './codec/reason-codes.ts';
import { handleConnect } from './connect.ts';
import type { Connection } from './connection.ts';
import type { Mqtt } from './context.ts';
import { closeConnection } from './disconnect.ts';
import { publishPacket, releaseRow } from './publish.ts';
import { pump } from './pump.ts';
import { refuseConnect } from './refuse-connect.ts';
import { handleSubscribe, handleUnsubscribe } from './subscribe.ts';

/** `frame` is one whole packet; it may be a view of the read window. */
export function controlPacket(mqtt: Mqtt, connection: Connection, frame: Uint8Array): void {
  const version = connection.phase === 'connect' ? undefined : connection.version;
  const packet = decodePacket(frame, version, mqtt.codecLimits);
  if (isViolation(packet)) violation(mqtt, connection, packet);
  else dispatch(mqtt, connection, packet);
}

function violation(mqtt: Mqtt, connection: Connection, found: ProtocolViolation): void {
  mqtt.counters.protocolViolations++;
  const { reasonCode, message, citation, answer } = found;
  mqtt.logger.debug({ remote: connection.transport.remoteAddress, reasonCode, citation }, message);
  const isConnecting = !connection.isOpen;
  if (connection.phase === 'connect') connection.version = found.version;
  if (isConnecting && answer !== 'none') {
    refuseConnect(mqtt, connection, reasonCode, message);
    return;
  }
  closeConnection(mqtt, connection, { reasonCode, message, silent: answer === 'none' });
}

function dispatch(mqtt: Mqtt, connection: Connection, packet: ClientPacket): void {
  if (connection.phase === 'connect') {
    if (packet.type === PacketType.Connect) handleConnect(mqtt, connection, packet);
    else closeConnection(mqtt, connection, { reasonCode: ReasonCode.ProtocolError, silent: true });
    return;
  }
  if (connection.phase === 'authenticating' && packet.type !== PacketType.Auth) {
    mqtt.counters.protocolViolations++;
    refuseConnect(mqtt, connection, ReasonCode.ProtocolError);
    return;
  }
  switch (packet.type) {
    case PacketType.Publish:
      publishPacket(mqtt, connection, packet);
      break;
    case PacketType.Puback:
    case PacketType.Pubrec:
    case PacketType.Pubrel:
    case PacketType.Pubcomp:
      handleAcknowledgement(mqtt, connection, packet);
      break;
    case PacketType.Subscribe:
      handleSubscribe(mqtt, connection, packet);
      break;
    case PacketType.Unsubscribe:
      handleUnsubscribe(mqtt, connection, packet);
      break;
    case PacketType.Disconnect:
      handleDisconnect(mqtt, connection, packet);
      break;
    case PacketType.Auth:
      handleAuth(mqtt, connection, packet);
      break;
    case PacketType.Pingreq:
      mqtt.counters.controlPacketsSent++;
      mqtt.dataPlane.append(connection.slot, Uint8Array.of(0xd0, 0));
      break;
    case PacketType.Connect:
      mqtt.counters.protocolViolations++;
      closeConnection(mqtt, connection, { reasonCode: ReasonCode.ProtocolError, message: 'second CONNECT' });
  }
}

/** Acknowledgements with properties; the others never get here. */
function handleAcknowledgement(mqtt: Mqtt, connection: Connection, packet: PublishAckPacket): void {
  const { dataPlane } = mqtt;
  const { session, slot } = connection;
  const { type, packetId, reasonCode } = packet;
  if (type === PacketType.Pubrel) {
    const isKnown = dataPlane.forgetReceived(slot, packetId);
    releaseRow(mqtt, connection, packetId, isKnown ? 0 : ReasonCode.PacketIdentifierNotFound);
    return;
  }
  const isHosts = dataPlane.settle(slot, type, packetId, reasonCode);
  if (session === undefined) return;
  if (isHosts) acknowledged(mqtt, session, type, packetId, reasonCode);
  // No Window row comes for these.
  pump(mqtt, session);
}

function handleDisconnect(mqtt: Mqtt, connection: Connection, packet: DisconnectPacket): void {
  const { session } = connection;
  const asked = packet.properties.sessionExpiryIntervalSeconds;
  if (session !== undefined && asked !== undefined) {
    if (session.expirySeconds === 0 && asked > 0) {
      const message = 'a session that ends with its connection cannot be prolonged';
      closeConnection(mqtt, connection, { reasonCode: ReasonCode.ProtocolError, message });
      return;
    }
    session.expirySeconds = Math.min(asked, mqtt.config.mqtt.maxSessionExpirySeconds);
  }
  closeConnection(mqtt, connection, {
    reasonCode: packet.reasonCode,
    message: packet.properties.reasonString,
    discardsWill: packet.reasonCode === ReasonCode.NormalDisconnection,
    silent: true,
    byClient: true,
  });
}
