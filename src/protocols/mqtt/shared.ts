/**
 * Shared subscriptions: each message goes to one member. Connected members with room come first, then any connected
 * one; while all are away a group with durable members keeps messages in a queue of its own (same bounds as a
 * session's), so that whoever comes back first gets them. What a member was given and did not acknowledge goes to
 * another one when its session ends, QoS 2 only as long as PUBREC has not come.
 */
import type { Message } from '../../kernel/message.ts';
import { DeliveryQueue } from '../../kernel/queue.ts';
import { pick, type SharedGroup, type SharedMember } from '../../kernel/shared-group.ts';
import type { Mqtt } from './context.ts';
import { deliver, hasBacklog, Outcome } from './deliver.ts';
import { type Delivery, hashOf, isDurable, type Session } from './session.ts';
import { grantedQos, identifierBytes, isRetainAsPublished, NO_IDENTIFIERS } from './subscription-options.ts';

export type SharedQueues = Map<SharedGroup, DeliveryQueue>;

const STEP = 256;
const MEMBERS_TRIED_MAX = 8;

/** `publisherHash` stands for the publishing client. */
export function deliverShared(
  mqtt: Mqtt,
  group: SharedGroup,
  message: Message,
  publisherHash: number,
): Outcome {
  const tooSmall: number[] = [];
  while (tooSmall.length < MEMBERS_TRIED_MAX) {
    const member = choose(mqtt, group, message, publisherHash, tooSmall);
    const session = member && mqtt.sessions.byNumber(member.sink);
    if (member === undefined || session === undefined) break;
    const outcome = deliver(mqtt, session, {
      message,
      qos: Math.min(message.qos, grantedQos(member.options)) as 0 | 1 | 2,
      retain: message.retain && isRetainAsPublished(member.options),
      subscriptionIds: identifierBytes(member.identifier),
      group,
    });
    if (outcome !== Outcome.TooLarge) return outcome;
    tooSmall.push(member.sink);
  }
  if (tooSmall.length > 0) return Outcome.TooLarge;
  return keepForGroup(mqtt, group, message);
}

function choose(
  mqtt: Mqtt,
  group: SharedGroup,
  message: Message,
  publisherKey: number,
  tooSmall: readonly number[],
): SharedMember | undefined {
  const { sessions, random } = mqtt;
  const strategy = mqtt.config.mqtt.sharedStrategy;
  const isConnected = (sink: number): boolean =>
    sessions.byNumber(sink)?.connection !== undefined && !tooSmall.includes(sink);
  const hasRoom = (sink: number): boolean => {
    const session = sessions.byNumber(sink);
    const connection = session?.connection;
    return (
      isConnected(sink) &&
      session !== undefined &&
      connection !== undefined &&
      !hasBacklog(session) &&
      mqtt.dataPlane.inFlight(connection.slot) < connection.sendWindow &&
      mqtt.dataPlane.heldBytes(connection.slot) <= mqtt.config.mqtt.maxHeldBytes
    );
  };
  const topicHash = strategy === 'hash-topic' ? hashOf(Buffer.from(message.topic).toString('latin1')) : 0;
  const context = { publisherKey, topicHash, random };
  return (
    pick(group, strategy, { ...context, eligible: hasRoom }) ??
    pick(group, strategy, { ...context, eligible: isConnected })
  );
}

function keepForGroup(mqtt: Mqtt, group: SharedGroup, message: Message): Outcome {
  const { counters, config, sessions } = mqtt;
  let qos = -1;
  for (const member of group.members) {
    const session = sessions.byNumber(member.sink);
    if (session !== undefined && isDurable(session)) qos = Math.max(qos, grantedQos(member.options));
  }
  const kept = Math.min(message.qos, qos);
  if (kept < 0 || (kept === 0 && !config.mqtt.queue.qos0Offline)) {
    counters.droppedOffline++;
    return Outcome.Dropped;
  }
  let queue = mqtt.shared.get(group);
  if (queue === undefined) {
    queue = new DeliveryQueue(config.mqtt.queue, () => {
      counters.droppedExpired++;
    });
    mqtt.shared.set(group, queue);
  }
  const delivery = { message, qos: kept as 0 | 1 | 2, retain: false, subscriptionIds: NO_IDENTIFIERS };
  const dropped = queue.push(delivery);
  counters.droppedQueueFull += dropped.length;
  return dropped.includes(delivery) ? Outcome.Refused : Outcome.Taken;
}

/** A member is connected again: what its groups kept goes out, in steps. */
export function drainSharedFor(mqtt: Mqtt, session: Session): void {
  for (const [group, queue] of mqtt.shared) {
    if (group.member(session.number) === undefined) continue;
    mqtt.turn.defer(() => drainStep(mqtt, group, queue));
  }
}

function drainStep(mqtt: Mqtt, group: SharedGroup, queue: DeliveryQueue): boolean {
  if (mqtt.shared.get(group) !== queue) return false;
  const nowMs = mqtt.clock.wallMs();
  for (let i = 0; i < STEP; i++) {
    const isAnyoneHere = group.members.some(
      ({ sink }) => mqtt.sessions.byNumber(sink)?.connection !== undefined,
    );
    if (!isAnyoneHere) return false;
    const next = queue.take(nowMs);
    if (next === undefined) {
      mqtt.shared.delete(group);
      return false;
    }
    deliverShared(mqtt, group, next.message, 0);
  }
  return true;
}

/** Groups that nobody is a member of any more keep nothing. */
export function forgetEmptyGroups(mqtt: Mqtt): void {
  for (const [group, queue] of mqtt.shared) {
    if (group.members.length > 0) continue;
    mqtt.counters.droppedOffline += queue.length;
    mqtt.shared.delete(group);
  }
}

/** What a session that has ended (and left its groups) still owed to shared subscriptions. */
export function redeliverShared(mqtt: Mqtt, session: Session): void {
  const owed: Delivery[] = [];
  for (const { delivery } of session.inFlight?.values() ?? []) {
    if (delivery?.group !== undefined) owed.push(delivery);
  }
  for (const delivery of (session.queue ?? []) as Iterable<Delivery>) {
    if (delivery.group !== undefined) owed.push(delivery);
  }
  if (owed.length === 0) return;
  let next = 0;
  mqtt.turn.defer(() => {
    const end = Math.min(owed.length, next + STEP);
    for (; next < end; next++) {
      const { group, message } = owed[next] as Delivery;
      if (group === undefined || group.members.length === 0) {
        mqtt.counters.droppedOffline++;
        continue;
      }
      mqtt.counters.sharedRedelivered++;
      deliverShared(mqtt, group, message, 0);
    }
    return next < owed.length;
  });
}
