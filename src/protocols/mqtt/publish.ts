/**
 * Incoming PUBLISH packets that the data plane did not serve by itself: checked, authorized, routed, acknowledged; and
 * what is left to do for those it served in part.
 */
import type { DelayRequest } from '../../kernel/delayed/delay-request.ts';
import type { Message } from '../../kernel/message.ts';
import { decodeBodies } from '../../kernel/message-store/body.ts';
import { TableId } from '../../kernel/state/table.ts';
import { PublishFlag, ROW_FIELDS, RowField } from '../../wasm/data-plane.ts';
import { Acceptance } from './acceptance.ts';
import { isPromise } from './auth.ts';
import type { PublishPacket } from './codec/packets.ts';
import { ReasonCode } from './codec/reason-codes.ts';
import type { Connection } from './connection.ts';
import type { Mqtt } from './context.ts';
import { enqueue } from './deliver.ts';
import { closeConnection } from './disconnect.ts';
import { takeBatch } from './durable/batch.ts';
import { encodeEntry } from './durable/session-entries.ts';
import { type Inbound, inboundFromMessage, inboundFromPacket, inboundFromRow, toMessage } from './inbound.ts';
import { owe, pay, tellDataPlane } from './owed.ts';
import type { PublishOptions } from './publish-message.ts';
import { targetsOf } from './route.ts';
import { clientKeyOf, type Session } from './session.ts';
import { stall } from './stall.ts';
import { topicNameFault } from './topic.ts';

const PUBREC = 5;
const PUBCOMP = 7;

/** True = a flow was installed: the same frame is to be scanned again. */
export function publishRow(mqtt: Mqtt, connection: Connection, row: number, mayAdmit: boolean): boolean {
  const inbound = inboundFromRow(mqtt.dataPlane, row);
  const flags = mqtt.dataPlane.rows[row * ROW_FIELDS + RowField.Extra] as number;
  if ((flags & PublishFlag.Duplicate) !== 0) {
    pay(mqtt, connection, owe(connection, PUBREC, inbound.packetId), ReasonCode.Success);
    return false;
  }
  const isCandidate = (flags & PublishFlag.Admit) !== 0;
  const comesAgain = handlePublish(mqtt, connection, inbound, mayAdmit && isCandidate);
  // The data plane has not counted it: it does so when it comes again.
  if (isCandidate && !comesAgain) mqtt.counters.publishReceived[inbound.qos]++;
  return comesAgain;
}

/** A PUBLISH too long for the read window. Its QoS 2 bookkeeping is done here. */
export function publishPacket(mqtt: Mqtt, connection: Connection, packet: PublishPacket): void {
  const { dataPlane } = mqtt;
  mqtt.counters.publishReceived[packet.qos]++;
  if (packet.qos === 2) {
    if (dataPlane.hasReceived(connection.slot, packet.packetId)) {
      pay(mqtt, connection, owe(connection, PUBREC, packet.packetId), ReasonCode.Success);
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
  const named = resolveTopic(mqtt, connection, inbound);
  if (named === undefined || connection.identity === undefined) return false;
  const asked = mqtt.policies.delayOf(named, inbound.properties);
  if (asked !== undefined && 'fault' in asked) {
    refuse(mqtt, connection, inbound, ReasonCode.TopicNameInvalid, `a delayed message: ${asked.fault}`);
    return false;
  }
  const written = asked?.topic ?? named;
  if (!isAcceptable(mqtt, connection, inbound, written)) return false;
  const topic = connection.tenant.toTopic(written);
  if (topic === undefined) {
    refuse(mqtt, connection, inbound, ReasonCode.TopicNameInvalid, 'the topic is too long');
    return false;
  }
  const { qos, retain } = inbound;
  const allowed = mqtt.authorizer.mayPublish(connection.identity, { topic, qos, retain });
  if (isPromise(allowed)) {
    stall(mqtt, connection, allowed, (isAllowed) =>
      decide(mqtt, connection, inbound, topic, asked, isAllowed),
    );
    return false;
  }
  const mayInstall = allowed && isAdmitted && asked === undefined && !isTraced(mqtt, connection, topic);
  if (mayInstall && mqtt.flows.install(mqtt.access.classOf(connection), connection.tenant, topic))
    return true;
  decide(mqtt, connection, inbound, topic, asked, allowed);
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
    else refuseAs(mqtt, connection, inbound, ReasonCode.PayloadFormatInvalid);
    return false;
  }
  return true;
}

function decide(
  mqtt: Mqtt,
  connection: Connection,
  inbound: Inbound,
  topic: Uint8Array,
  asked: DelayRequest | undefined,
  isAllowed: boolean,
): void {
  const { counters, config, clock } = mqtt;
  if (!isAllowed) {
    counters.publishesDenied++;
    if (connection.tenantCounts !== undefined) connection.tenantCounts.denied++;
    refuseAs(mqtt, connection, inbound, ReasonCode.NotAuthorized);
    return;
  }
  const { session } = connection;
  const publisher = publisherOf(session);
  const own = asked === undefined ? inbound : { ...inbound, properties: asked.properties };
  const delayMs = (asked?.delaySeconds ?? 0) * 1000;
  const message = toMessage(own, topic, publisher, clock, delayMs, config.mqtt.maxMessageExpirySeconds);
  take(mqtt, connection, inbound, message, delayMs === 0 ? undefined : clock.wallMs() + delayMs, undefined);
}

const publisherOf = (session: Session | undefined): number =>
  session === undefined ? -1 : clientKeyOf(session);

/** Accepted: delayed, recognized as a duplicate, or published; and acknowledged when that is durable. */
function take(
  mqtt: Mqtt,
  connection: Connection,
  inbound: Inbound,
  message: Message,
  dueMs: number | undefined,
  flowId: number | undefined,
): void {
  const own = new Acceptance(mqtt, connection, inbound, flowId);
  const accepted = mqtt.tracing === undefined ? own : followed(mqtt, connection, message, own);
  if (dueMs !== undefined) mqtt.policies.delay(message, dueMs, connection.session, accepted);
  else mqtt.policies.publishOnce(message, connection.session, accepted);
  tellDataPlane(mqtt, connection);
}

/** A flow would carry its messages where nobody follows them. */
function isTraced({ tracing, access }: Mqtt, connection: Connection, topic: Uint8Array): boolean {
  if (tracing === undefined) return false;
  const clientId = connection.identity?.clientId ?? '';
  // What one of those has installed would carry messages of another.
  if (!tracing.covers(topic, clientId)) return tracing.singlesOut(clientId);
  // From now on not of the class of those whose messages others have decided.
  access.classOf(connection);
  return true;
}

const followed = (
  { tracing }: Mqtt,
  { identity, transport }: Connection,
  message: Message,
  options: Acceptance,
): PublishOptions =>
  tracing?.follow(
    {
      protocol: 'mqtt',
      clientId: identity?.clientId ?? '',
      attributes: {
        'robustmq.qos': message.qos,
        'robustmq.listener': transport.listener,
        ...(identity === undefined || identity.tenant === '' ? {} : { 'robustmq.tenant': identity.tenant }),
      },
    },
    message,
    options,
  ) ?? options;

/** PUBREL of a durable connection: PUBCOMP says that the identifier will not be taken for the same message again. */
export function releaseRow(mqtt: Mqtt, connection: Connection, packetId: number, reasonCode: number): void {
  const { session } = connection;
  const durable = session?.durable;
  const owed = owe(connection, PUBCOMP, packetId);
  if (session === undefined || durable?.received?.delete(packetId) !== true) {
    pay(mqtt, connection, owed, reasonCode);
    return;
  }
  mqtt.durable.log.add(TableId.Sessions, encodeEntry.forgot(session.serial, packetId));
  mqtt.durable.table.touch(session);
  mqtt.durable.log.commit(
    mqtt.config.storage.durability,
    (error) => {
      if (error === undefined) pay(mqtt, connection, owed, reasonCode);
      else mqtt.fail(connection, ReasonCode.UnspecifiedError);
    },
    true,
  );
  tellDataPlane(mqtt, connection);
}

function refuse(
  mqtt: Mqtt,
  connection: Connection,
  inbound: Inbound,
  reasonCode: number,
  message: string,
): void {
  if (inbound.qos === 0) closeConnection(mqtt, connection, { reasonCode, message });
  else refuseAs(mqtt, connection, inbound, reasonCode);
}

/** In its place among the acknowledgements of the connection. */
function refuseAs(mqtt: Mqtt, connection: Connection, inbound: Inbound, reasonCode: number): void {
  new Acceptance(mqtt, connection, inbound, undefined).answer(reasonCode);
}

/** The flow has served its fast destinations; the host part and the acknowledgement are left. */
export function hostPartRow(mqtt: Mqtt, connection: Connection, row: number): void {
  const { dataPlane, clock, config, flows } = mqtt;
  const flowId = dataPlane.rows[row * ROW_FIELDS + RowField.Extra] as number;
  const { session } = connection;
  connection.isPublisher = true;
  const publisher = publisherOf(session);
  const inbound = inboundFromRow(dataPlane, row, flows.topicOf(flowId));
  const message = toMessage(inbound, inbound.topic, publisher, clock, 0, config.mqtt.maxMessageExpirySeconds);
  take(mqtt, connection, inbound, message, undefined, flowId);
}

/** Messages of QoS 1 that durable sessions keep. What one of them needs more than that, each is asked on its own. */
export function batchRow(mqtt: Mqtt, connection: Connection, row: number): void {
  const { dataPlane, flows } = mqtt;
  connection.isPublisher = true;
  const at = row * ROW_FIELDS;
  const field = (index: number): number => dataPlane.rows[at + index] as number;
  const flowId = field(RowField.Extra);
  const packetId = field(RowField.PacketId);
  const count = field(RowField.Count);
  const begin = field(RowField.Frame);
  const bodies = dataPlane.memory.subarray(begin, begin + field(RowField.FrameLength));
  const keepers = flows.keepersOf(flowId);
  if (keepers !== undefined && takeBatch(mqtt, connection, keepers, { bodies, count, packetId })) return;
  let next = packetId;
  for (const stored of decodeBodies(bodies)) {
    const message = {
      ...stored,
      topic: flows.topicOf(flowId) ?? stored.topic,
      publisher: publisherOf(connection.session),
    };
    take(mqtt, connection, inboundFromMessage(message, next++), message, undefined, flowId);
  }
}

/** A delivery of a flow for which the destination has no room now: it waits in the session's queue. */
export function overflowRow(mqtt: Mqtt, connection: Connection, row: number): void {
  const { dataPlane, clock, config, flows } = mqtt;
  const at = row * ROW_FIELDS;
  const slot = dataPlane.rows[at + RowField.Extra] as number;
  const session = mqtt.connections[slot]?.session;
  if (session === undefined) return;
  const inbound = inboundFromRow(dataPlane, row);
  const publisher = publisherOf(connection.session);
  const topic = connection.tenant.toTopic(inbound.topic);
  if (topic === undefined) return;
  const message = toMessage(inbound, topic, publisher, clock, 0, config.mqtt.maxMessageExpirySeconds);
  // Flows carry no alias: the field holds the group, an address, that the destination is a member of.
  const encoding =
    flows.encodingOf((dataPlane.rows[at + RowField.TopicAlias] as number) >>> 0) ??
    targetsOf(mqtt, mqtt.router.match(topic)).find((target) => target.sink === session.number);
  if (encoding === undefined) return;
  const qos = Math.min(message.qos, encoding.qos) as 0 | 1 | 2;
  enqueue(mqtt, session, { message, qos, retain: false, subscriptionIds: encoding.subscriptionIds });
}
