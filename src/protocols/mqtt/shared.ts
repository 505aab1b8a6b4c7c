/**
 * Shared subscriptions: each message goes to one member. Connected members with room come first, then any connected
 * one. A group with durable members keeps what nobody was given, or what an ephemeral member has not acknowledged, in a
 * queue of its own (same bounds as a session's); one without keeps nothing. What a member was given and did not
 * acknowledge goes to another one when its session ends, QoS 2 only as long as PUBREC has not come.
 */
import type { Message } from '../../kernel/message.ts';
import { pick, type SharedGroup, type SharedMember } from '../../kernel/shared-group.ts';
import type { Mqtt } from './context.ts';
import { deliver, hasBacklog, hasQueueRoom } from './deliver.ts';
import { graveInGroup } from './durable/dead-letters.ts';
import { qosOf } from './durable/delivery-options.ts';
import { enqueueForGroup } from './durable/publication.ts';
import { groupKeyOf, returnShared, settleIn } from './group-loans.ts';
import { Outcome } from './outcome.ts';
import { type Delivery, hashOf, isDurable, type Session } from './session.ts';
import { grantedQos, identifierBytes, isRetainAsPublished } from './subscription-options.ts';

const STEP = 256;
const MEMBERS_TRIED_MAX = 8;

/** `publisherHash` stands for the publishing client. `groupSeq`: where the group keeps it already. */
export function deliverShared(
  mqtt: Mqtt,
  group: SharedGroup,
  message: Message,
  publisherHash: number,
  groupSeq?: number,
): Outcome {
  const tooSmall: number[] = [];
  while (tooSmall.length < MEMBERS_TRIED_MAX) {
    const member = choose(mqtt, group, message, publisherHash, tooSmall);
    const session = member && mqtt.sessions.byNumber(member.sink);
    if (member === undefined || session === undefined) break;
    const qos = Math.min(message.qos, grantedQos(member.options)) as 0 | 1 | 2;
    // The group answers for it until an ephemeral member has acknowledged it: it is kept before it is given away.
    if (qos > 0 && groupSeq === undefined && !isDurable(session) && durableQos(mqtt, group, message) > 0)
      break;
    const delivery: Delivery = {
      message,
      qos,
      retain: message.retain && isRetainAsPublished(member.options),
      subscriptionIds: identifierBytes(member.identifier),
      group,
      groupSeq,
    };
    // What the group keeps waits there rather than take the place of what it has given to the member before.
    const isKept = groupSeq !== undefined && !isDurable(session);
    if (isKept && qos > 0 && !hasQueueRoom(mqtt, session, delivery)) return Outcome.Refused;
    const outcome = deliver(mqtt, session, delivery);
    if (outcome === Outcome.TooLarge) {
      tooSmall.push(member.sink);
      continue;
    }
    // On loan it stays the group's; a durable member has taken it over.
    const isOnLoan = qos > 0 && outcome === Outcome.Taken;
    if (groupSeq !== undefined && outcome !== Outcome.Refused && !isDurable(session) && !isOnLoan) {
      settleIn(mqtt, group, groupSeq);
    }
    return outcome;
  }
  if (tooSmall.length > 0) {
    if (groupSeq !== undefined) settleIn(mqtt, group, groupSeq);
    return Outcome.TooLarge;
  }
  return groupSeq === undefined ? keepForGroup(mqtt, group, message) : Outcome.Refused;
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
    isHere(mqtt, sink, message.topic) && !tooSmall.includes(sink);
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

/** Connected, and may have it. */
function isHere(mqtt: Mqtt, sink: number, topic: Uint8Array): boolean {
  const session = mqtt.sessions.byNumber(sink);
  return session?.connection !== undefined && mqtt.access.receives(session, topic);
}

/** The highest that a durable member was granted who may have it; -1 = there is none. */
function durableQos(mqtt: Mqtt, group: SharedGroup, { topic }: Message): number {
  let qos = -1;
  for (const member of group.members) {
    const session = mqtt.sessions.byNumber(member.sink);
    if (session === undefined || !isDurable(session) || !mqtt.access.receives(session, topic)) continue;
    qos = Math.max(qos, grantedQos(member.options));
  }
  return qos;
}

function keepForGroup(mqtt: Mqtt, group: SharedGroup, message: Message): Outcome {
  const qos = Math.min(message.qos, durableQos(mqtt, group, message));
  if (qos < 0 || (qos === 0 && !mqtt.config.mqtt.queue.qos0Offline)) {
    mqtt.counters.droppedOffline++;
    return Outcome.Dropped;
  }
  return enqueueForGroup(mqtt, groupKeyOf(group), message);
}

/** A member is connected again: what its groups kept goes out, in steps. */
export function drainSharedFor(mqtt: Mqtt, session: Session): void {
  for (const group of mqtt.router.groupsOf(session.number)) wakeGroup(mqtt, group);
}

/** There may be something to give out, or somebody to give it to. */
export function wakeGroup(mqtt: Mqtt, group: SharedGroup): void {
  const key = groupKeyOf(group);
  const kept = mqtt.durable.groups.get(key);
  if (kept === undefined || kept.isDraining || kept.queue.length === kept.leased.size + kept.leaving.size)
    return;
  kept.isDraining = true;
  mqtt.turn.defer(() => {
    const more = mqtt.durable.groups.get(key) === kept && drainStep(mqtt, group, key);
    if (!more) kept.isDraining = false;
    return more;
  });
}

/** True = there is more that could be given out now. */
function drainStep(mqtt: Mqtt, group: SharedGroup, key: string): boolean {
  const { groups, store } = mqtt.durable;
  const kept = groups.get(key);
  if (kept === undefined) return false;
  const { queue, leased, leaving } = kept;
  const nowMs = mqtt.clock.wallMs();
  let steps = 0;
  for (let seq = queue.nextFrom(queue.floor); seq < queue.end; seq = queue.nextFrom(seq + 1)) {
    if (leased.has(seq) || leaving.has(seq)) continue;
    if (++steps > STEP) return true;
    const slot = queue.slotAt(seq);
    const expiresAtMs = store.expiresAtMs(slot);
    if (store.isLost(slot)) {
      groups.settle(key, seq);
      mqtt.durable.commit();
      continue;
    }
    if (expiresAtMs !== 0 && expiresAtMs <= nowMs) {
      mqtt.counters.droppedExpired++;
      expire(mqtt, key, seq);
      continue;
    }
    if (!store.isCommitted(slot)) return false;
    const isAnyoneHere = group.members.some(
      ({ sink }) => mqtt.sessions.byNumber(sink)?.connection !== undefined,
    );
    if (!isAnyoneHere) return false;
    const message = store.get(slot);
    if (message === undefined) {
      readBack(mqtt, group, slot);
      return false;
    }
    if (!group.members.some(({ sink }) => isHere(mqtt, sink, message.topic))) {
      // Those who may have it are away, and it waits for them; with nobody left who may it would wait for ever.
      if (durableQos(mqtt, group, message) < 0) {
        mqtt.counters.deliveriesDenied++;
        groups.settle(key, seq);
        mqtt.durable.commit();
      }
      continue;
    }
    if (!giveOut(mqtt, group, key, seq, message)) return false;
  }
  return false;
}

function expire(mqtt: Mqtt, key: string, seq: number): void {
  const { policies, durable } = mqtt;
  const grave = policies.isBuried('expired') ? graveInGroup(mqtt, key, seq, 'expired') : undefined;
  if (grave !== undefined) {
    policies.bury(grave);
    return;
  }
  durable.groups.settle(key, seq);
  durable.commit();
}

/** To a durable member it moves: settled here and waiting there in one change. An ephemeral one has it on loan. */
function giveOut(mqtt: Mqtt, group: SharedGroup, key: string, seq: number, message: Message): boolean {
  const kept = mqtt.durable.groups.get(key);
  if (kept === undefined) return false;
  kept.leased.add(seq);
  if (deliverShared(mqtt, group, message, 0, seq) !== Outcome.Refused) return true;
  kept.leased.delete(seq);
  return false;
}

function readBack(mqtt: Mqtt, group: SharedGroup, slot: number): void {
  mqtt.durable.store.load([slot]).then(
    () => {
      mqtt.wakeGroup(group);
      mqtt.turn.wake();
    },
    (error: unknown) => {
      mqtt.counters.unreadableMessages++;
      mqtt.logger.error({ err: error, group: groupKeyOf(group) }, 'a waiting message cannot be read');
    },
  );
}

/** Groups that nobody is a member of any more keep nothing. */
export function forgetEmptyGroups(mqtt: Mqtt): void {
  const { groups } = mqtt.durable;
  for (const { key } of [...groups.all()]) {
    if (mqtt.router.groupOf(key) !== undefined) continue;
    mqtt.counters.droppedOffline += groups.drop(key);
    mqtt.durable.commit();
  }
}

/**
 * What an ephemeral session that has ended (and left its groups) still owed to shared subscriptions.
 */
export function redeliverShared(mqtt: Mqtt, session: Session): void {
  const owed: Delivery[] = [];
  for (const { delivery } of session.inFlight?.values() ?? []) {
    if (delivery?.group !== undefined) owed.push(delivery);
  }
  for (const delivery of (session.queue ?? []) as Iterable<Delivery>) {
    if (delivery.group !== undefined) owed.push(delivery);
  }
  if (owed.length > 0) redeliver(mqtt, owed);
}

function redeliver(mqtt: Mqtt, owed: readonly Delivery[]): void {
  let next = 0;
  mqtt.turn.defer(() => {
    const end = Math.min(owed.length, next + STEP);
    for (; next < end; next++) {
      const delivery = owed[next] as Delivery;
      const { group, message } = delivery;
      if (group === undefined || group.members.length === 0) {
        mqtt.counters.droppedOffline++;
        continue;
      }
      mqtt.counters.sharedRedelivered++;
      if (delivery.groupSeq === undefined) deliverShared(mqtt, group, message, 0);
      else returnShared(mqtt, delivery);
    }
    return next < owed.length;
  });
}

/**
 * The same for a durable session that ends: in the change that ends it, its groups take over what they had given it.
 * Precondition: it has left its groups, and its queue is still there.
 */
export function handBackShared(mqtt: Mqtt, session: Session): void {
  const { durable: state } = session;
  if (state === undefined) return;
  const { options, store, groups } = mqtt.durable;
  const { queue } = state;
  const woken = new Set<SharedGroup>();
  for (let seq = queue.nextFrom(queue.floor); seq < queue.end; seq = queue.nextFrom(seq + 1)) {
    const packed = queue.optionsAt(seq);
    const key = options.groupOf(packed);
    const group = key === undefined ? undefined : mqtt.router.groupOf(key);
    if (key === undefined || group === undefined || state.released?.has(seq)) continue;
    const slot = queue.slotAt(seq);
    store.addReference(slot);
    const bits = qosOf(packed);
    const groupSeq = groups.push(key, slot, bits);
    groups.writeEnqueue(key, store.idOf(slot), bits, groupSeq);
    mqtt.counters.sharedRedelivered++;
    woken.add(group);
  }
  for (const group of woken) {
    mqtt.turn.defer(() => {
      wakeGroup(mqtt, group);
      return false;
    });
  }
}
