/**
 * One message to one session: sent at once where that is possible, else into the session's queue. Order holds per
 * session for QoS 1 and 2: while anything waits, later ones wait behind it. QoS 0 waits for nobody. What a durable
 * session is owed always goes through its queue and the journal (durable/).
 */
import { deliveryBytes } from '../../kernel/delivery.ts';
import type { Message } from '../../kernel/message.ts';
import { DeliveryQueue } from '../../kernel/queue.ts';
import type { Connection } from './connection.ts';
import type { Mqtt } from './context.ts';
import { enqueueDurable } from './durable/publication.ts';
import { returnShared, settleShared } from './group-loans.ts';
import { Outcome } from './outcome.ts';
import { type Delivery, isDurable, type Session } from './session.ts';
import { NO_IDENTIFIERS } from './subscription-options.ts';

export function deliver(mqtt: Mqtt, session: Session, delivery: Delivery): Outcome {
  const connection = session.connection;
  if (isDurable(session) && (delivery.qos > 0 || connection === undefined || hasLooseBacklog(session))) {
    if (connection === undefined && delivery.qos === 0 && !mqtt.config.mqtt.queue.qos0Offline) {
      mqtt.counters.droppedOffline++;
      return Outcome.Dropped;
    }
    if (connection !== undefined && !fits(mqtt, connection, delivery)) {
      mqtt.counters.droppedTooLarge++;
      return Outcome.TooLarge;
    }
    return enqueueDurable(mqtt, session, delivery);
  }
  if (connection === undefined) {
    mqtt.counters.droppedOffline++;
    return Outcome.Dropped;
  }
  if (delivery.qos > 0 && hasBacklog(session)) {
    if (fits(mqtt, connection, delivery)) return enqueue(mqtt, session, delivery);
    mqtt.counters.droppedTooLarge++;
    return Outcome.TooLarge;
  }
  const outcome = send(mqtt, session, connection, delivery);
  return outcome === 'later' ? enqueue(mqtt, session, delivery) : outcome;
}

export function hasBacklog(session: Session): boolean {
  const { durable, queue } = session;
  if (durable !== undefined) return durable.cursor < durable.queue.end;
  return queue !== undefined && queue.length > 0;
}

/** Messages of QoS 0 wait since the client was away: later ones must not overtake them. */
export function hasLooseBacklog({ durable }: Session): boolean {
  return durable !== undefined && durable.cursor < durable.looseTo;
}

/** The queue would take it and give up nothing for it. */
export function hasQueueRoom(mqtt: Mqtt, { queue }: Session, delivery: Delivery): boolean {
  const { maxMessages, maxBytes } = mqtt.config.mqtt.queue;
  if (queue === undefined || queue.length === 0) return true;
  return queue.length < maxMessages && queue.bytes + deliveryBytes(delivery) <= maxBytes;
}

/** Puts it into the queue; from then on the data plane leaves QoS 1 and 2 for this session to the host. */
export function enqueue(mqtt: Mqtt, session: Session, delivery: Delivery): Outcome {
  const { counters } = mqtt;
  session.queue ??= new DeliveryQueue(mqtt.config.mqtt.queue, (expired: Delivery) => {
    counters.droppedExpired++;
    settleShared(mqtt, expired);
  });
  const dropped: readonly Delivery[] = session.queue.push(delivery);
  counters.droppedQueueFull += dropped.length;
  for (const each of dropped) if (each !== delivery) returnShared(mqtt, each);
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
  const isHosts = delivery.group !== undefined;
  if (qos > 0) {
    packetId = dataPlane.takePacketId(connection.slot, qos as 1 | 2, isHosts);
    if (packetId === 0) return 'later';
  }
  if (!put(mqtt, connection, delivery, packetId, false)) {
    counters.droppedNoMemory++;
    if (qos === 0) return Outcome.Dropped;
    dataPlane.releasePacketId(connection.slot, packetId);
    mqtt.congestion.awaitRoom(session);
    return 'later';
  }
  if (qos > 0 && isHosts) {
    session.inFlight ??= new Map();
    session.inFlight.set(packetId, { delivery });
  }
  return Outcome.Taken;
}

/** What of a delivery a packet is made from. */
export type PutDelivery = Pick<Delivery, 'message' | 'qos' | 'retain' | 'subscriptionIds'>;

const kind = {
  topic: NO_IDENTIFIERS,
  version5: false,
  qos: 0 as 0 | 1 | 2,
  retain: false,
  dup: false,
  packetId: 0,
  subscriptionIds: NO_IDENTIFIERS,
  topicAlias: 0,
  withTopic: true,
};

function describe(connection: Connection, delivery: PutDelivery): typeof kind {
  const { topic } = delivery.message;
  kind.topic = connection.tenant.fromTopic(topic) ?? topic;
  kind.version5 = connection.version === 5;
  kind.qos = delivery.qos;
  kind.retain = delivery.retain;
  kind.dup = false;
  kind.packetId = 0;
  kind.subscriptionIds = delivery.subscriptionIds;
  kind.topicAlias = 0;
  kind.withTopic = true;
  return kind;
}

/** Fixed header and the largest remaining length there is: no limit at all. */
const LARGEST_PACKET_BYTES = 5 + 0xfffffff;

/** Where it fits only just, the three bytes that introduce an alias could be too many. */
function isNearLimit(connection: Connection, delivery: PutDelivery): boolean {
  const { maxPacketBytesOut } = connection;
  if (maxPacketBytesOut >= LARGEST_PACKET_BYTES) return false;
  const { topic, payload, properties } = delivery.message;
  return (
    topic.length + payload.length + properties.length + delivery.subscriptionIds.length + 64 >
    maxPacketBytesOut
  );
}

export function fits(mqtt: Mqtt, connection: Connection, delivery: PutDelivery): boolean {
  if (!isNearLimit(connection, delivery)) return true;
  const size = mqtt.encoder.sizeOf(delivery.message, describe(connection, delivery));
  return size <= connection.maxPacketBytesOut;
}

/** False = there is no output memory. */
export function put(
  mqtt: Mqtt,
  connection: Connection,
  delivery: PutDelivery,
  packetId: number,
  dup: boolean,
): boolean {
  const { message, qos } = delivery;
  const alias = dup || isNearLimit(connection, delivery) ? undefined : aliasFor(connection, message);
  describe(connection, delivery);
  kind.dup = dup;
  kind.packetId = packetId;
  if (alias !== undefined) {
    kind.topicAlias = alias.alias;
    kind.withTopic = !alias.known;
  }
  const bytes = putPacket(mqtt, connection.slot, message);
  if (bytes === 0) return false;
  if (alias !== undefined) alias.known = true;
  mqtt.counters.publishSent[qos]++;
  mqtt.counters.publishBytesSent += bytes;
  const { tenantCounts } = connection;
  if (tenantCounts !== undefined) tenantCounts.messagesSent.mqtt++;
  mqtt.turn.wake();
  return true;
}

/** Bytes of the packet that `kind` describes; 0 = there is no output memory. */
function putPacket({ encoder, dataPlane }: Mqtt, slot: number, message: Message): number {
  const { payload } = message;
  const headBytes = encoder.encodeHead(dataPlane.scratch, message, kind);
  if (headBytes > 0) return dataPlane.appendPacket(slot, headBytes, payload) ? headBytes + payload.length : 0;
  // Properties of hundreds of kilobytes.
  const packet = new Uint8Array(encoder.sizeOf(message, kind));
  packet.set(payload, encoder.encodeHead(packet, message, kind));
  return dataPlane.append(slot, packet) ? packet.length : 0;
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
