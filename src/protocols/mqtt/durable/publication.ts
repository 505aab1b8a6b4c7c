/**
 * A message on its way to those who keep it: gathered while it is routed, then one change of the state log. The message
 * is stored once, each waiting session is a few bytes of one entry, and nobody gets it, or is told that it was taken,
 * before the change is as durable as the topic asks for.
 */
import type { Message } from '../../../kernel/message.ts';
import { TableId } from '../../../kernel/state/table.ts';
import type { Mqtt } from '../context.ts';
import { groupKeyOf } from '../group-loans.ts';
import { Outcome } from '../outcome.ts';
import type { Delivery, Session } from '../session.ts';
import { type Grave, graveOf } from './dead-letters.ts';
import { encodeEntry } from './session-entries.ts';
import type { TopicRuleOf } from './topic-rules.ts';

export interface Publication {
  readonly message: Message;
  readonly rule: TopicRuleOf;
  /** Of the message in the store; -1 = nobody keeps it so far. */
  slot: number;
  /** It was in the store before. */
  isStored: boolean;
  readonly serials: number[];
  readonly options: number[];
  readonly seqs: number[];
  /** Connected sessions that wait for it. */
  readonly online: Session[];
  /** Groups that keep it. */
  readonly groupKeys: string[];
  readonly groupOptions: number[];
  readonly groupSeqs: number[];
  /** Something besides deliveries is to be written. */
  hasEntries: boolean;
  /** The journal takes no messages. */
  refusal: 'failed' | 'full' | undefined;
  /** Somebody who keeps messages could not be given it because of that. */
  wasNeeded: boolean;
  readonly graves: Grave[];
}

/** `error`: nothing of it may be acknowledged. */
export type Published = (error: Error | undefined) => void;

let current: Publication | undefined;

function begin(mqtt: Mqtt, message: Message): Publication {
  return {
    message,
    rule: mqtt.durable.ruleOf(message.topic),
    slot: -1,
    isStored: false,
    serials: [],
    options: [],
    seqs: [],
    online: [],
    groupKeys: [],
    groupOptions: [],
    groupSeqs: [],
    hasEntries: false,
    refusal: mqtt.durable.log.refusal(),
    wasNeeded: false,
    graves: [],
  };
}

/**
 * Runs `route`, whose deliveries to durable sessions and groups become one change, with the entries that it adds. `done` runs when that is durable; at once when nothing was to be kept.
 */
export function publication<T>(
  mqtt: Mqtt,
  message: Message,
  route: (publication: Publication) => T,
  done: Published | undefined,
): T {
  const outer = current;
  const own = begin(mqtt, message);
  current = own;
  let routed: T;
  try {
    routed = route(own);
  } finally {
    current = outer;
    finish(mqtt, own, done);
  }
  for (const grave of own.graves) mqtt.policies.bury(grave);
  return routed;
}

function finish(mqtt: Mqtt, own: Publication, done: Published | undefined): void {
  const { log, store } = mqtt.durable;
  const { slot, message, rule, online } = own;
  if (slot < 0 && !own.hasEntries) {
    done?.(undefined);
    return;
  }
  let offset = 0;
  if (slot >= 0) {
    if (!own.isStored) offset = store.stage(slot);
    const id = store.idOf(slot);
    const { serials, options, seqs } = own;
    if (serials.length > 0) {
      log.add(TableId.Sessions, encodeEntry.deliver(id, serials, options, seqs, serials.length));
    }
    own.groupKeys.forEach((key, i) => {
      mqtt.durable.groups.writeEnqueue(key, id, own.groupOptions[i] as number, own.groupSeqs[i] as number);
    });
    if (rule.storage === 'object' && !own.isStored) mqtt.durable.copyToObjects(message);
  }
  const level = rule.storage === 'memory' ? 'memory' : message.qos === 0 ? 'os' : rule.level;
  log.commit(level, (error, position) => {
    if (slot >= 0) {
      if (error === undefined && !own.isStored) store.placed(slot, position, offset);
      store.release(slot);
    }
    for (const session of online) mqtt.pump(session);
    for (const key of own.groupKeys) {
      const group = mqtt.router.groupOf(key);
      if (group !== undefined) mqtt.wakeGroup(group);
    }
    done?.(error);
  });
}

/** A delivery that the session is owed until it acknowledges it. A message of its own where none is being published. */
export function enqueueDurable(mqtt: Mqtt, session: Session, delivery: Delivery): Outcome {
  if (current?.message === delivery.message) return enter(mqtt, current, session, delivery);
  return publication(
    mqtt,
    delivery.message,
    (own) => {
      const kept = groupPlaceOf(delivery);
      if (kept === undefined) return enter(mqtt, own, session, delivery);
      // From the group's queue into the session's, in one change; the message is in the store already.
      const { groups, store } = mqtt.durable;
      own.slot = groups.get(kept.key)?.queue.slotAt(kept.seq) ?? -1;
      if (own.slot < 0) return Outcome.Dropped;
      own.isStored = true;
      store.addReference(own.slot);
      const outcome = enter(mqtt, own, session, delivery);
      if (outcome === Outcome.Taken) groups.settle(kept.key, kept.seq);
      return outcome;
    },
    undefined,
  );
}

function groupPlaceOf(delivery: Delivery): { key: string; seq: number } | undefined {
  const { group, groupSeq } = delivery;
  return group === undefined || groupSeq === undefined
    ? undefined
    : { key: groupKeyOf(group), seq: groupSeq };
}

/** No member can be given it now: the group keeps it. */
export function enqueueForGroup(mqtt: Mqtt, key: string, message: Message): Outcome {
  if (current?.message === message) return enterGroup(mqtt, current, key);
  return publication(mqtt, message, (own) => enterGroup(mqtt, own, key), undefined);
}

function enterGroup(mqtt: Mqtt, own: Publication, key: string): Outcome {
  if (own.refusal !== undefined) {
    own.wasNeeded = true;
    return Outcome.Refused;
  }
  const { groups } = mqtt.durable;
  if (!makeGroupRoom(mqtt, own, key)) {
    mqtt.counters.droppedQueueFull++;
    own.graves.push(graveOf(own.message, 'overflow', key));
    return Outcome.Refused;
  }
  const slot = keep(mqtt, own);
  if (slot < 0) return Outcome.Refused;
  const { qos } = own.message;
  own.groupSeqs.push(groups.push(key, slot, qos));
  own.groupKeys.push(key);
  own.groupOptions.push(qos);
  return Outcome.Taken;
}

function makeGroupRoom(mqtt: Mqtt, own: Publication, key: string): boolean {
  const { maxMessages, maxBytes, overflow } = mqtt.config.mqtt.queue;
  const { groups, store } = mqtt.durable;
  const kept = groups.get(key);
  if (kept === undefined) return true;
  const { topic, payload, properties } = own.message;
  const bytes = topic.length + payload.length + properties.length;
  const { queue, leased } = kept;
  const fits = (): boolean => queue.length < maxMessages && kept.bytes + bytes <= maxBytes;
  if (fits()) return true;
  if (overflow === 'drop-newest' || own.message.qos === 0 || bytes > maxBytes) return false;
  for (let seq = queue.nextFrom(queue.floor); !fits() && seq < queue.end; seq = queue.nextFrom(seq + 1)) {
    if (leased.has(seq)) continue;
    mqtt.counters.droppedQueueFull++;
    own.graves.push(graveOf(queue.slotAt(seq), 'overflow', key, store));
    groups.settle(key, seq);
    own.hasEntries = true;
  }
  return fits();
}

/** A slot for the message with one more reference; -1 when the store or the journal has no room. */
export function keep(mqtt: Mqtt, own: Publication): number {
  if (own.refusal !== undefined) return -1;
  const { store } = mqtt.durable;
  if (own.slot < 0) {
    own.slot = own.rule.storage === 'memory' ? store.putVolatile(own.message) : store.put(own.message);
  }
  if (own.slot >= 0) store.addReference(own.slot);
  return own.slot;
}

function enter(mqtt: Mqtt, own: Publication, session: Session, delivery: Delivery): Outcome {
  const { durable: state } = session;
  const { durable, counters } = mqtt;
  if (state === undefined) return Outcome.Dropped;
  if (own.refusal !== undefined) {
    own.wasNeeded = true;
    return Outcome.Refused;
  }
  const packed = durable.options.pack(
    delivery.qos,
    delivery.retain,
    delivery.subscriptionIds,
    delivery.group === undefined ? undefined : groupKeyOf(delivery.group),
  );
  if (packed < 0 || !makeRoom(mqtt, own, session, delivery)) {
    counters.droppedQueueFull++;
    own.graves.push(graveOf(delivery.message, 'overflow', session.clientId));
    return Outcome.Refused;
  }
  const slot = keep(mqtt, own);
  if (slot < 0) return Outcome.Refused;
  own.seqs.push(state.queue.push(slot, packed));
  state.bytes += durable.store.bytesOf(slot);
  durable.table.touch(session);
  own.serials.push(session.serial);
  own.options.push(packed);
  if (session.connection !== undefined) own.online.push(session);
  return Outcome.Taken;
}

/** What waits longest gives way where the configuration says so; what is in flight never does. */
function makeRoom(mqtt: Mqtt, own: Publication, session: Session, delivery: Delivery): boolean {
  const { durable: state } = session;
  if (state === undefined) return false;
  const { maxMessages, maxBytes, overflow } = mqtt.config.mqtt.queue;
  const { topic, payload, properties } = delivery.message;
  const bytes = topic.length + payload.length + properties.length;
  const { queue } = state;
  const fits = (): boolean => queue.length < maxMessages && state.bytes + bytes <= maxBytes;
  if (fits()) return true;
  if (overflow === 'drop-newest' || delivery.qos === 0 || bytes > maxBytes) return false;
  const from = Math.max(state.sentTo, queue.floor);
  for (let seq = queue.nextFrom(from); !fits() && seq < queue.end; seq = queue.nextFrom(seq + 1)) {
    // Its entry is not written yet: a settlement that came ahead of it would mean nothing to a replay.
    if (queue.slotAt(seq) === own.slot) continue;
    mqtt.counters.droppedQueueFull++;
    own.graves.push(graveOf(queue.slotAt(seq), 'overflow', session.clientId, mqtt.durable.store));
    mqtt.durable.settle(session, seq);
    own.hasEntries = true;
  }
  return fits();
}
