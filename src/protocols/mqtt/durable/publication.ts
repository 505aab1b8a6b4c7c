/**
 * A message on its way to those who keep it: gathered while it is routed, then one change of the state log. The message
 * is stored once, each waiting session is a few bytes of one entry, and nobody gets it, or is told that it was taken,
 * before the change is as durable as the topic asks for.
 */
import type { Message } from '../../../kernel/message.ts';
import type { StateLog } from '../../../kernel/state/state-log.ts';
import { TableId } from '../../../kernel/state/table.ts';
import type { Tenant } from '../../../security/tenants/tenants.ts';
import type { Mqtt } from '../context.ts';
import { groupKeyOf } from '../group-loans.ts';
import { Outcome } from '../outcome.ts';
import { Routed } from '../routed.ts';
import { type Delivery, type Session, writtenClientId } from '../session.ts';
import {
  type Grave,
  graveInGroup,
  graveInSession,
  groupNameOf,
  mayLeave,
  tenantOfGroup,
} from './dead-letters.ts';
import { encodeEntry } from './session-entries.ts';
import type { TopicRuleOf } from './topic-rules.ts';

/** Who is told about a publication. */
export interface Told {
  /** When all of it is as durable as the topic asks for. `error`: nothing of it may be acknowledged. */
  done?(routed: Routed, error: Error | undefined): void;
}

export interface Publication {
  readonly message: Message;
  readonly rule: TopicRuleOf;
  /** The publication within which this one was begun. */
  readonly outer: Publication | undefined;
  /** Of the message in the store; -1 = nobody keeps it so far. */
  slot: number;
  /** It was in the store before. */
  isStored: boolean;
  /** Who keeps it, with what its subscription says and the delivery's number. */
  sessions: Session[];
  options: number[];
  seqs: number[];
  groups: GroupPlace[] | undefined;
  /** Something besides deliveries is to be written. */
  hasEntries: boolean;
  /** The highest that the streams ask for that have captured it. */
  streamLevel: Level | undefined;
  /** Something of it has to be in the object store. */
  waitsForObjects: boolean;
  /** It waits for its time, or is its topic's retained message now: kept where neither sessions nor groups keep it. */
  isDelayed: boolean;
  isRetained: boolean;
  /** Why its storage takes no messages. */
  refusal: 'failed' | 'full' | undefined;
  /** Somebody who keeps messages could not be given it because of that. */
  wasNeeded: boolean;
  graves: Grave[] | undefined;
  routed: Routed;
}

type Level = Parameters<StateLog['commit']>[0];

interface GroupPlace {
  readonly key: string;
  readonly options: number;
  readonly seq: number;
}

const NO_SESSIONS: Session[] = [];
const NO_NUMBERS: number[] = [];
/** A change that nothing is staged for in the store. */
const NO_OFFSET = 0;

const LEVELS: readonly Level[] = ['memory', 'os', 'sync'];

export function higherLevel(a: Level, b: Level): Level {
  return LEVELS.indexOf(a) < LEVELS.indexOf(b) ? b : a;
}

let current: Publication | undefined;

/** From here to `endPublication` all deliveries of the message to durable sessions and groups are one change. */
export function beginPublication(mqtt: Mqtt, message: Message): Publication {
  const { durable } = mqtt;
  const rule = durable.ruleOf(message.topic);
  const isObject = rule.storage === 'object';
  const refusal = durable.log.refusal();
  current = {
    message,
    rule,
    outer: current,
    slot: -1,
    isStored: false,
    sessions: NO_SESSIONS,
    options: NO_NUMBERS,
    seqs: NO_NUMBERS,
    groups: undefined,
    hasEntries: false,
    streamLevel: undefined,
    waitsForObjects: isObject,
    isDelayed: false,
    isRetained: false,
    refusal: isObject ? (refusal ?? durable.copies.refusal(message)) : refusal,
    wasNeeded: false,
    graves: undefined,
    routed: Routed.Refused,
  };
  return current;
}

/** `told` hears of it when it is durable; at once when nothing was to be kept. */
export function endPublication(mqtt: Mqtt, own: Publication, told: Told | undefined): void {
  current = own.outer;
  if (own.graves === undefined) end(mqtt, own, told);
  else endWithGraves(mqtt, own, own.graves, told);
}

function end(mqtt: Mqtt, own: Publication, told: Told | undefined): void {
  if (own.slot < 0 && !own.hasEntries && own.streamLevel === undefined) told?.done?.(own.routed, undefined);
  else commit(mqtt, own, told);
}

/** Who is told that it was taken must be able to rely on the dead letters of those that had no room for it. */
function endWithGraves(mqtt: Mqtt, own: Publication, graves: readonly Grave[], told: Told | undefined): void {
  let left = 1 + graves.filter(({ place }) => place === undefined).length;
  let failure: Error | undefined;
  const oneDone = (error: Error | undefined): void => {
    failure ??= error;
    if (--left === 0) told?.done?.(own.routed, failure);
  };
  end(mqtt, own, { done: (_, error) => oneDone(error) });
  for (const grave of graves) mqtt.policies.bury(grave, grave.place === undefined ? oneDone : undefined);
}

/** Runs `route` as one publication. */
export function publication<T>(
  mqtt: Mqtt,
  message: Message,
  route: (publication: Publication) => T,
  told: Told | undefined,
): T {
  const own = beginPublication(mqtt, message);
  try {
    return route(own);
  } finally {
    endPublication(mqtt, own, told);
  }
}

function commit(mqtt: Mqtt, own: Publication, told: Told | undefined): void {
  const { log } = mqtt.durable;
  const offset = own.slot < 0 ? NO_OFFSET : writeDeliveries(mqtt, own);
  const isCopied = own.rule.storage !== 'object' || copy(mqtt, own);
  log.commit(
    levelOf(own),
    (error, position) => committed(mqtt, own, told, offset, isCopied, error, position),
    false,
    own.waitsForObjects ? 'object' : 'journal',
  );
}

/** What its topic asks for where somebody keeps it, and what the streams ask for that have it. */
function levelOf({ slot, hasEntries, rule, message, streamLevel }: Publication): Level {
  const { storage, level } = rule;
  const ofTopic = storage === 'memory' ? 'memory' : message.qos === 0 ? 'os' : level;
  if (streamLevel === undefined) return ofTopic;
  return slot >= 0 || hasEntries ? higherLevel(ofTopic, streamLevel) : streamLevel;
}

/** False when the object store's copies have no room for it after all. */
function copy(mqtt: Mqtt, own: Publication): boolean {
  const { copies } = mqtt.durable;
  const isNew = (own.slot >= 0 && !own.isStored) || own.isDelayed;
  const isKept = !isNew || copies.keep(own.message);
  return (!own.isRetained || copies.retain(own.message)) && isKept;
}

/** Returns where the body lies in the change. */
function writeDeliveries(mqtt: Mqtt, own: Publication): number {
  const { log, store, groups } = mqtt.durable;
  const { slot, sessions, isStored } = own;
  const offset = isStored ? NO_OFFSET : store.stage(slot);
  const id = store.idOf(slot);
  if (sessions.length > 0) {
    mqtt.deliveryTimes.keep(mqtt, sessions[0] as Session, own.seqs[0] as number);
    log.add(TableId.Sessions, encodeEntry.deliver(id, sessions, own.options, own.seqs));
  }
  // Many publications wait for the journal at a time: what is written already is not kept for that.
  own.options = NO_NUMBERS;
  own.seqs = NO_NUMBERS;
  if (own.groups !== undefined) {
    for (const { key, options, seq } of own.groups) groups.writeEnqueue(key, id, options, seq);
  }
  return offset;
}

function committed(
  mqtt: Mqtt,
  own: Publication,
  told: Told | undefined,
  offset: number,
  isCopied: boolean,
  error: Error | undefined,
  position: number,
): void {
  const { store } = mqtt.durable;
  const { slot } = own;
  if (slot >= 0) {
    if (error === undefined && !own.isStored) store.placed(slot, position, offset);
    store.release(slot);
  }
  for (const session of own.sessions) mqtt.wake(session);
  if (own.groups !== undefined) {
    for (const { key } of own.groups) {
      const group = mqtt.router.groupOf(key);
      if (group !== undefined) mqtt.wakeGroup(group);
    }
  }
  told?.done?.(own.routed, error ?? (isCopied ? undefined : new Error('no copy in the object store')));
}

function addGrave(own: Publication, grave: Grave): void {
  if (own.graves === undefined) own.graves = [grave];
  else own.graves.push(grave);
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
    addGrave(own, refusedBy(tenantOfGroup(key), '', groupNameOf(key), own.message));
    return Outcome.Refused;
  }
  const slot = keep(mqtt, own);
  if (slot < 0) return Outcome.Refused;
  const { qos } = own.message;
  own.groups ??= [];
  own.groups.push({ key, options: qos, seq: groups.push(key, slot, qos) });
  return Outcome.Taken;
}

function makeGroupRoom(mqtt: Mqtt, own: Publication, key: string): boolean {
  const { maxMessages, maxBytes, overflow } = mqtt.config.mqtt.queue;
  const { groups } = mqtt.durable;
  const kept = groups.get(key);
  if (kept === undefined) return true;
  const isBuried = mqtt.policies.isBuried('overflow');
  const { topic, payload, properties } = own.message;
  const bytes = topic.length + payload.length + properties.length;
  const { queue, leased } = kept;
  const { leaving } = kept;
  const fits = (): boolean => queue.length - leaving.size < maxMessages && kept.bytes + bytes <= maxBytes;
  if (fits()) return true;
  if (overflow === 'drop-newest' || own.message.qos === 0 || bytes > maxBytes) return false;
  for (let seq = queue.nextFrom(queue.floor); !fits() && seq < queue.end; seq = queue.nextFrom(seq + 1)) {
    if (leased.has(seq) || leaving.has(seq)) continue;
    if (isBuried && !mayLeave(leaving)) return false;
    mqtt.counters.droppedQueueFull++;
    const grave = isBuried ? graveInGroup(mqtt, key, seq, 'overflow') : undefined;
    if (grave !== undefined) {
      addGrave(own, grave);
      continue;
    }
    groups.settle(key, seq);
    own.hasEntries = true;
  }
  return fits();
}

function refusedBy(tenant: Tenant, clientId: string, group: string | undefined, body: Message): Grave {
  return { body, reason: 'overflow', tenant, clientId, group, deliveries: 0, place: undefined };
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
    const clientId = writtenClientId(session);
    addGrave(own, refusedBy(session.tenant, clientId, delivery.group?.name, delivery.message));
    return Outcome.Refused;
  }
  const slot = keep(mqtt, own);
  if (slot < 0) return Outcome.Refused;
  const seq = state.queue.push(slot, packed);
  if (delivery.qos === 0) state.looseTo = seq + 1;
  state.bytes += durable.store.bytesOf(slot);
  durable.table.touch(session);
  if (own.sessions.length === 0) {
    own.sessions = [session];
    own.options = [packed];
    own.seqs = [seq];
  } else {
    own.sessions.push(session);
    own.options.push(packed);
    own.seqs.push(seq);
  }
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
  const waiting = (): number => queue.length - (state.leaving?.size ?? 0);
  const fits = (): boolean => waiting() < maxMessages && state.bytes + bytes <= maxBytes;
  if (fits()) return true;
  if (overflow === 'drop-newest' || delivery.qos === 0 || bytes > maxBytes) return false;
  const from = Math.max(state.sentTo, queue.floor);
  const isBuried = mqtt.policies.isBuried('overflow');
  for (let seq = queue.nextFrom(from); !fits() && seq < queue.end; seq = queue.nextFrom(seq + 1)) {
    // Its entry is not written yet: a settlement that came ahead of it would mean nothing to a replay.
    if (queue.slotAt(seq) === own.slot || state.leaving?.has(seq)) continue;
    if (isBuried && !mayLeave(state.leaving)) return false;
    mqtt.counters.droppedQueueFull++;
    const grave = isBuried ? graveInSession(mqtt, session, seq, 'overflow') : undefined;
    if (grave !== undefined) {
      addGrave(own, grave);
      continue;
    }
    mqtt.durable.settle(session, seq);
    own.hasEntries = true;
  }
  return fits();
}
