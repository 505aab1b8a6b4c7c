/**
 * Incoming PUBLISH packets that the data plane did not serve by itself: checked, authorized, routed, acknowledged; and
 * what is left to do for those it served in part.
 */
import { PublishFlag, ROW_FIELDS, RowField } from '../../wasm/data-plane.ts';
import { isPromise } from './auth.ts';
import type { PublishPacket } from './codec/packets.ts';
import { ReasonCode } from './codec/reason-codes.ts';
import type { Connection } from './connection.ts';
import type { Mqtt } from './context.ts';
import { enqueue } from './deliver.ts';
import { closeConnection } from './disconnect.ts';
import { type Inbound, inboundFromPacket, inboundFromRow, toMessage } from './inbound.ts';
import { publishMessage } from './publish-message.ts';
import { Routed, targetsOf } from './route.ts';
import { stall } from './stall.ts';
import { topicNameFault } from './topic.ts';

const PUBACK = 4;
const PUBREC = 5;

/** True = a flow was installed: the same frame is to be scanned again. */
export function publishRow(mqtt: Mqtt, connection: Connection, row: number, mayAdmit: boolean): boolean {
  const inbound = inboundFromRow(mqtt.dataPlane, row);
  const flags = mqtt.dataPlane.rows[row * ROW_FIELDS + RowField.Extra] as number;
  const isAdmitted = mayAdmit && (flags & PublishFlag.Admit) !== 0;
  return handlePublish(mqtt, connection, inbound, isAdmitted);
}

/** A PUBLISH too long for the read window. Its QoS 2 bookkeeping is done here. */
export function publishPacket(mqtt: Mqtt, connection: Connection, packet: PublishPacket): void {
  const { dataPlane } = mqtt;
  mqtt.counters.publishReceived[packet.qos]++;
  if (packet.qos === 2) {
    if (dataPlane.hasReceived(connection.slot, packet.packetId)) {
      dataPlane.acknowledge(connection.slot, PUBREC, packet.packetId, 0);
      return;
    }
    if (
      connection.version === 5 &&
      dataPlane.receivedCount(connection.slot) >= mqtt.config.mqtt.receiveMaximum
    ) {
      closeConnection(mqtt, connection, { reasonCode: ReasonCode.ReceiveMaximumExceeded });
      return;
    }
  }
  handlePublish(mqtt, connection, inboundFromPacket(packet), false);
}

function handlePublish(mqtt: Mqtt, connection: Connection, inbound: Inbound, isAdmitted: boolean): boolean {
  connection.isPublisher = true;
  const topic = resolveTopic(mqtt, connection, inbound);
  if (topic === undefined || !isAcceptable(mqtt, connection, inbound, topic)) return false;
  const { identity } = connection;
  if (identity === undefined) return false;
  const { qos, retain } = inbound;
  const allowed = mqtt.authorizer.mayPublish(identity, { topic, qos, retain });
  if (isPromise(allowed)) {
    stall(mqtt, connection, allowed, (isAllowed) => decide(mqtt, connection, inbound, topic, isAllowed));
    return false;
  }
  if (allowed && isAdmitted && mqtt.flows.install(connection.classId, topic)) return true;
  decide(mqtt, connection, inbound, topic, allowed);
  return false;
}

/** The topic by its name or alias; undefined = the connection is being closed. */
function resolveTopic(mqtt: Mqtt, connection: Connection, inbound: Inbound): Uint8Array | undefined {
  const { topic, topicAlias } = inbound;
  if (topicAlias === 0) return topic;
  if (topicAlias > mqtt.config.mqtt.topicAliasMaximum) {
    closeConnection(mqtt, connection, { reasonCode: ReasonCode.TopicAliasInvalid });
    return undefined;
  }
  if (topic.length > 0) {
    connection.aliasesIn ??= new Map();
    connection.aliasesIn.set(topicAlias, topic.slice());
    return topic;
  }
  const known = connection.aliasesIn?.get(topicAlias);
  if (known === undefined) {
    const message = `topic alias ${topicAlias} stands for no topic`;
    closeConnection(mqtt, connection, { reasonCode: ReasonCode.ProtocolError, message });
  }
  return known;
}

function isAcceptable(mqtt: Mqtt, connection: Connection, inbound: Inbound, topic: Uint8Array): boolean {
  const { config } = mqtt;
  const { qos, retain } = inbound;
  if (qos > config.mqtt.maxQos) {
    closeConnection(mqtt, connection, { reasonCode: ReasonCode.QosNotSupported });
    return false;
  }
  if (retain && !config.mqtt.retainAvailable) {
    closeConnection(mqtt, connection, { reasonCode: ReasonCode.RetainNotSupported });
    return false;
  }
  const fault = topicNameFault(topic, config.mqtt);
  if (fault !== undefined) {
    closeConnection(mqtt, connection, { reasonCode: fault.reasonCode, message: fault.message });
    return false;
  }
  if (inbound.payloadNotUtf8) {
    if (qos === 0) closeConnection(mqtt, connection, { reasonCode: ReasonCode.PayloadFormatInvalid });
    else answer(mqtt, connection, inbound, ReasonCode.PayloadFormatInvalid);
    return false;
  }
  return true;
}

function decide(
  mqtt: Mqtt,
  connection: Connection,
  inbound: Inbound,
  topic: Uint8Array,
  isAllowed: boolean,
): void {
  const { counters, config, clock } = mqtt;
  if (!isAllowed) {
    counters.publishesDenied++;
    answer(mqtt, connection, inbound, ReasonCode.NotAuthorized);
    return;
  }
  const { session } = connection;
  const nowMs = clock.wallMs();
  const serial = session?.serial ?? -1;
  const message = toMessage(inbound, topic, serial, nowMs, config.mqtt.maxMessageExpirySeconds);
  // An interval of zero: it has expired as it comes. It still takes a retained message's place.
  const routed = publishMessage(mqtt, message, session);
  answer(mqtt, connection, inbound, reasonFor(mqtt, routed));
}

function reasonFor(mqtt: Mqtt, routed: Routed): number {
  if (routed === Routed.Delivered) return ReasonCode.Success;
  if (routed === Routed.Unmatched) {
    mqtt.counters.publishesUnmatched++;
    return ReasonCode.NoMatchingSubscribers;
  }
  mqtt.counters.publishesRefused++;
  return ReasonCode.QuotaExceeded;
}

/**
 * PUBACK or PUBREC. MQTT 3 knows no refusal but closing, which would have the client send it again and again: there the
 * message is acknowledged, and counted as denied or refused.
 */
function answer(mqtt: Mqtt, connection: Connection, inbound: Inbound, reasonCode: number): void {
  const { dataPlane } = mqtt;
  const { qos, packetId } = inbound;
  if (qos === 0 || connection.isGone) return;
  const isRefusal = reasonCode >= 0x80 && connection.version === 5;
  if (qos === 2) {
    if (isRefusal) dataPlane.forgetReceived(connection.slot, packetId);
    else if (!inbound.isRecorded) dataPlane.recordReceived(connection.slot, packetId);
  }
  dataPlane.acknowledge(connection.slot, qos === 1 ? PUBACK : PUBREC, packetId, reasonCode);
  mqtt.turn.wake();
}

/** The flow has served its fast destinations; the host part and the acknowledgement are left. */
export function hostPartRow(mqtt: Mqtt, connection: Connection, row: number): void {
  const { dataPlane, clock, config, flows } = mqtt;
  const flowId = dataPlane.rows[row * ROW_FIELDS + RowField.Extra] as number;
  const { session } = connection;
  const serial = session?.serial ?? -1;
  // The data plane has recorded a QoS 2 identifier.
  const inbound = { ...inboundFromRow(dataPlane, row, flows.topicOf(flowId)), isRecorded: true };
  const nowMs = clock.wallMs();
  const message = toMessage(inbound, inbound.topic, serial, nowMs, config.mqtt.maxMessageExpirySeconds);
  const routed = flows.serveHostPart(flowId, message, session);
  if (inbound.qos > 0) answer(mqtt, connection, inbound, reasonFor(mqtt, routed));
}

/** A delivery of a flow for which the destination has no room now: it waits in the session's queue. */
export function overflowRow(mqtt: Mqtt, connection: Connection, row: number): void {
  const { dataPlane, clock, config, flows } = mqtt;
  const at = row * ROW_FIELDS;
  const slot = dataPlane.rows[at + RowField.Extra] as number;
  const session = mqtt.connections[slot]?.session;
  if (session === undefined) return;
  const inbound = inboundFromRow(dataPlane, row);
  const serial = connection.session?.serial ?? -1;
  const { topic } = inbound;
  const message = toMessage(inbound, topic, serial, clock.wallMs(), config.mqtt.maxMessageExpirySeconds);
  // Flows carry no alias: the field holds the group, an address, that the destination is a member of.
  const encoding =
    flows.encodingOf((dataPlane.rows[at + RowField.TopicAlias] as number) >>> 0) ??
    targetsOf(mqtt, mqtt.router.match(topic)).find((target) => target.sink === session.number);
  if (encoding === undefined) return;
  const qos = Math.min(message.qos, encoding.qos) as 0 | 1 | 2;
  enqueue(mqtt, session, { message, qos, retain: false, subscriptionIds: encoding.subscriptionIds });
}
