/**
 * One message to one session: sent at once where that is possible, else into the session's queue. Order holds per
 * session for QoS 1 and 2: while anything waits, later ones wait behind it. QoS 0 waits for nobody.
 */
import type { Message } from '../../kernel/message.ts';
import { DeliveryQueue } from '../../kernel/queue.ts';
import { ReasonCode } from './codec/reason-codes.ts';
import type { Connection } from './connection.ts';
import type { Mqtt } from './context.ts';
import type { Encoded } from './publish-encoder.ts';
import { type Delivery, isDurable, type Session } from './session.ts';
import { NO_IDENTIFIERS } from './subscription-options.ts';

/** What became of a delivery. */
export const Outcome = {
  /** Sent, or kept to be sent. */
  Taken: 0,
  /** Given up, and counted. */
  Dropped: 1,
  /** The queue would not take it: the publisher should hear of it. */
  Refused: 2,
  /** The subscriber's Maximum Packet Size is smaller. */
  TooLarge: 3,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

export function deliver(mqtt: Mqtt, session: Session, delivery: Delivery): Outcome {
  const connection = session.connection;
  if (connection === undefined) {
    if (!isDurable(session) || (delivery.qos === 0 && !mqtt.config.mqtt.queue.qos0Offline)) {
      mqtt.counters.droppedOffline++;
      return Outcome.Dropped;
    }
    return enqueue(mqtt, session, delivery);
  }
  if (delivery.qos > 0 && hasBacklog(session)) return enqueue(mqtt, session, delivery);
  const outcome = send(mqtt, session, connection, delivery);
  return outcome === 'later' ? enqueue(mqtt, session, delivery) : outcome;
}

export function hasBacklog(session: Session): boolean {
  return session.resend.length > 0 || (session.queue !== undefined && session.queue.length > 0);
}

/** Puts it into the queue; from then on the data plane leaves QoS 1 and 2 for this session to the host. */
export function enqueue(mqtt: Mqtt, session: Session, delivery: Delivery): Outcome {
  const { counters } = mqtt;
  session.queue ??= new DeliveryQueue(mqtt.config.mqtt.queue, () => {
    counters.droppedExpired++;
  });
  const dropped = session.queue.push(delivery);
  counters.droppedQueueFull += dropped.length;
  if (session.connection !== undefined) mqtt.dataPlane.setHostMode(session.connection.slot, true);
  if (dropped.length === 0) return Outcome.Taken;
  return dropped.includes(delivery) ? Outcome.Refused : Outcome.Taken;
}

/** 'later': no packet identifier is free, or too much output is held. */
export function send(
  mqtt: Mqtt,
  session: Session,
  connection: Connection,
  delivery: Delivery,
): Outcome | 'later' {
  const { dataPlane, counters, config } = mqtt;
  const { message, qos } = delivery;
  if (message.expiresAtMs !== 0 && message.expiresAtMs <= mqtt.clock.wallMs()) {
    counters.droppedExpired++;
    return Outcome.Dropped;
  }
  if (dataPlane.heldBytes(connection.slot) > config.mqtt.maxHeldBytes) {
    if (qos > 0) return 'later';
    counters.droppedSlowConsumer++;
    return Outcome.Dropped;
  }
  if (!fits(mqtt, connection, delivery)) {
    counters.droppedTooLarge++;
    return Outcome.TooLarge;
  }
  let packetId = 0;
  const isHosts = isDurable(session) || delivery.group !== undefined;
  if (qos > 0) {
    packetId = dataPlane.takePacketId(connection.slot, qos as 1 | 2, isHosts);
    if (packetId === 0) return 'later';
  }
  if (!put(mqtt, connection, delivery, packetId, false)) {
    counters.droppedNoMemory++;
    if (qos === 0) return Outcome.Dropped;
    dataPlane.releasePacketId(connection.slot, packetId);
    mqtt.congestion.awaitMemory(session);
    return 'later';
  }
  if (qos > 0 && isHosts) {
    session.inFlight ??= new Map();
    session.inFlight.set(packetId, { delivery });
  }
  return Outcome.Taken;
}

/** Repeats a delivery of an earlier connection with its identifier. */
export function sendAgain(mqtt: Mqtt, connection: Connection, delivery: Delivery, packetId: number): void {
  if (!fits(mqtt, connection, delivery)) {
    mqtt.counters.droppedTooLarge++;
    mqtt.dataPlane.releasePacketId(connection.slot, packetId);
    connection.session?.inFlight?.delete(packetId);
    return;
  }
  if (!put(mqtt, connection, delivery, packetId, true)) mqtt.fail(connection, ReasonCode.QuotaExceeded);
}

const kind = {
  version5: false,
  qos: 0 as 0 | 1 | 2,
  retain: false,
  dup: false,
  subscriptionIds: NO_IDENTIFIERS,
};

function describe(connection: Connection, delivery: Delivery, dup: boolean): typeof kind {
  kind.version5 = connection.version === 5;
  kind.qos = delivery.qos;
  kind.retain = delivery.retain;
  kind.dup = dup;
  kind.subscriptionIds = delivery.subscriptionIds;
  return kind;
}

/** Where it fits only just, the three bytes that introduce an alias could be too many. */
function isNearLimit(connection: Connection, delivery: Delivery): boolean {
  const { topic, payload, properties } = delivery.message;
  const { maxPacketBytesOut } = connection;
  return (
    topic.length + payload.length + properties.length + delivery.subscriptionIds.length + 64 >
    maxPacketBytesOut
  );
}

function fits(mqtt: Mqtt, connection: Connection, delivery: Delivery): boolean {
  if (!isNearLimit(connection, delivery)) return true;
  const size = mqtt.encoder.sizeOf(delivery.message, describe(connection, delivery, false));
  return size <= connection.maxPacketBytesOut;
}

function put(
  mqtt: Mqtt,
  connection: Connection,
  delivery: Delivery,
  packetId: number,
  dup: boolean,
): boolean {
  const { message, qos } = delivery;
  const alias = dup || isNearLimit(connection, delivery) ? undefined : aliasFor(connection, message);
  describe(connection, delivery, dup);
  const encoded: Encoded =
    alias === undefined
      ? mqtt.encoder.encode(message, kind)
      : mqtt.encoder.encodeWithAlias(message, kind, alias.alias, !alias.known);
  if (qos > 0) {
    encoded.bytes[encoded.idOffset] = packetId >>> 8;
    encoded.bytes[encoded.idOffset + 1] = packetId;
  }
  if (!mqtt.dataPlane.append(connection.slot, encoded.bytes)) return false;
  if (alias !== undefined) alias.known = true;
  mqtt.counters.publishSent[qos]++;
  mqtt.counters.publishBytesSent += encoded.bytes.length;
  mqtt.turn.wake();
  return true;
}

/** The alias of this topic towards this client, new ones as long as it allows more. */
export function aliasFor(
  connection: Connection,
  message: Pick<Message, 'topic'>,
): { readonly alias: number; known: boolean } | undefined {
  if (connection.aliasMaximumOut === 0) return undefined;
  const { topic } = message;
  const key = Buffer.from(topic.buffer, topic.byteOffset, topic.length).toString('latin1');
  connection.aliasesOut ??= new Map();
  const known = connection.aliasesOut.get(key);
  if (known !== undefined) return known;
  if (connection.aliasesOut.size >= connection.aliasMaximumOut) return undefined;
  const fresh = { alias: connection.aliasesOut.size + 1, known: false };
  connection.aliasesOut.set(key, fresh);
  return fresh;
}
