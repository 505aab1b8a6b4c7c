/**
 * From a durable session's queue to its connection: in order, as far as the window allows and as far as the journal
 * has what is to be sent. Packet identifiers follow from sequence numbers, so that a delivery keeps its identifier over
 * connections and restarts without an entry that says so.
 */
import type { DiscardReason } from '../../../kernel/log-queue/entries.ts';
import type { Message } from '../../../kernel/message.ts';
import { TableId } from '../../../kernel/state/table.ts';
import { ReasonCode } from '../codec/reason-codes.ts';
import type { Connection } from '../connection.ts';
import type { Mqtt } from '../context.ts';
import { fits, type PutDelivery, put } from '../deliver.ts';
import type { Session } from '../session.ts';
import { NO_IDENTIFIERS } from '../subscription-options.ts';
import { graveInSession } from './dead-letters.ts';
import { isRetained, qosOf } from './delivery-options.ts';
import { sendRun } from './send-run.ts';
import { encodeEntry } from './session-entries.ts';
import {
  type DurableState,
  hasLeaving,
  isIdentifierTaken,
  noteRepeats,
  packetIdOf,
  seqOf,
} from './session-state.ts';

const PUBACK = 4;
const PUBREC = 5;
const PUBREL = 6;
const LOADED_AT_ONCE = 64;
/** Identifiers of newer deliveries are given to no older one. */
const IDENTIFIERS_KEPT = 65_535;
const NOTHING = new Uint8Array(0);

/** Reused for each packet that is put out. */
const outgoing = {
  message: {
    topic: NOTHING,
    payload: NOTHING,
    properties: NOTHING,
    qos: 0,
    retain: false,
    expiresAtMs: 0,
    publisher: -1,
  } as Message,
  qos: 0 as 0 | 1 | 2,
  retain: false as boolean,
  subscriptionIds: NO_IDENTIFIERS,
} satisfies PutDelivery;

/** Sends up to `budget` deliveries; what is left of it, 0 or less when there is more to do at once. */
export function sendWaiting(mqtt: Mqtt, session: Session, connection: Connection, budget: number): number {
  const { durable: state } = session;
  if (state === undefined) return budget;
  // What is sent is settled: a journal that cannot keep up must not be given more to settle than it has room for.
  if (mqtt.durable.log.isCrowded()) {
    mqtt.congestion.awaitRoom(session);
    return budget;
  }
  const { queue } = state;
  const nowMs = mqtt.clock.wallMs();
  const asks = mqtt.access.asksAboutWaiting(session);
  let left = budget;
  let hasEntries = false;
  while (left > 0) {
    const seq = queue.nextFrom(state.cursor);
    state.cursor = seq;
    if (seq >= queue.end) {
      mqtt.access.drained(session);
      break;
    }
    const run = asks ? 0 : sendRun(mqtt, connection, state, seq, left);
    if (run > 0) {
      state.cursor = seq + run;
      left -= run;
      continue;
    }
    const outcome = sendOne(mqtt, session, connection, state, seq, nowMs, asks);
    if (outcome === 'later') break;
    if (outcome === 'given-up') hasEntries = true;
    state.cursor = seq + 1;
    left--;
  }
  if (state.cursor > state.sentTo) {
    state.sentTo = state.cursor;
    mqtt.durable.log.add(TableId.Sessions, encodeEntry.sent(session.serial, state.sentTo));
    mqtt.durable.table.touch(session);
    hasEntries = true;
  }
  if (hasEntries) mqtt.durable.commit();
  return left;
}

function sendOne(
  mqtt: Mqtt,
  session: Session,
  connection: Connection,
  state: DurableState,
  seq: number,
  nowMs: number,
  asks: boolean,
): 'sent' | 'given-up' | 'later' {
  const { durable, dataPlane, counters, config } = mqtt;
  const { store, options } = durable;
  const { queue } = state;
  if (state.released?.has(seq) || state.leaving?.has(seq)) return 'sent';
  const slot = queue.slotAt(seq);
  const packed = queue.optionsAt(seq);
  const qos = qosOf(packed);
  // At most once: what may have been sent before a crash is not sent again.
  if (store.isLost(slot) || (qos === 0 && seq < state.sentTo)) {
    durable.settle(session, seq);
    return 'given-up';
  }
  if (!store.isCommitted(slot)) return 'later';
  const expiresAtMs = store.expiresAtMs(slot);
  // What was sent once stays: the client may have it, and its identifier.
  if (expiresAtMs !== 0 && expiresAtMs <= nowMs && seq >= state.sentTo) {
    const outcome = giveUp(mqtt, session, state, seq, 'expired');
    if (outcome === 'given-up') counters.droppedExpired++;
    return outcome;
  }
  const limit = config.deadLetter.deliveryLimit;
  const repeats = state.repeats?.get(seq) ?? 0;
  if (limit > 0 && repeats >= limit) return giveUp(mqtt, session, state, seq, 'delivery-limit', repeats);
  if (dataPlane.heldBytes(connection.slot) > config.mqtt.maxHeldBytes) return 'later';
  if (qos > 0) {
    if (dataPlane.inFlight(connection.slot) >= connection.sendWindow || isIdentifierTaken(state, seq)) {
      return 'later';
    }
  }
  const message = store.get(slot);
  if (message === undefined) {
    load(mqtt, session, state, seq);
    return 'later';
  }
  if (
    asks &&
    session.principal !== undefined &&
    !mqtt.authorizer.mayReceive(session.principal, message.topic)
  ) {
    counters.deliveriesDenied++;
    durable.settle(session, seq);
    return 'given-up';
  }
  outgoing.message = message;
  outgoing.qos = qos;
  outgoing.retain = isRetained(packed);
  outgoing.subscriptionIds = options.subscriptionIdsOf(packed);
  if (!fits(mqtt, connection, outgoing)) {
    counters.droppedTooLarge++;
    durable.settle(session, seq);
    return 'given-up';
  }
  const packetId = qos === 0 ? 0 : packetIdOf(seq);
  if (qos > 0) dataPlane.restorePacketId(connection.slot, packetId, qos === 2 ? 'qos2' : 'qos1', true);
  if (!put(mqtt, connection, outgoing, packetId, qos > 0 && seq < state.sentTo)) {
    counters.droppedNoMemory++;
    if (qos > 0) dataPlane.releasePacketId(connection.slot, packetId);
    mqtt.congestion.awaitRoom(session);
    return 'later';
  }
  if (qos > 0) return 'sent';
  durable.settle(session, seq);
  return 'given-up';
}

/** 'later': its body is needed for a dead letter, and has to be read back. What waits behind it waits for that, too. */
function giveUp(
  mqtt: Mqtt,
  session: Session,
  state: DurableState,
  seq: number,
  reason: DiscardReason,
  times = 0,
): 'given-up' | 'later' {
  const { durable, policies } = mqtt;
  if (policies.isBuried(reason)) {
    if (durable.store.get(state.queue.slotAt(seq)) === undefined) {
      load(mqtt, session, state, seq);
      return 'later';
    }
    const grave = graveInSession(mqtt, session, seq, reason, times);
    if (grave !== undefined) policies.bury(grave);
  } else durable.settle(session, seq);
  return 'given-up';
}

/** Bodies of the next deliveries are read back in one go. */
function load(mqtt: Mqtt, session: Session, state: DurableState, from: number): void {
  if (state.isLoading) return;
  const { store } = mqtt.durable;
  const { queue } = state;
  const slots: number[] = [];
  for (let seq = from; seq < queue.end && slots.length < LOADED_AT_ONCE; seq = queue.nextFrom(seq + 1)) {
    const slot = queue.slotAt(seq);
    if (!store.isCommitted(slot)) break;
    slots.push(slot);
  }
  state.isLoading = true;
  store.load(slots).then(
    () => {
      state.isLoading = false;
      mqtt.pump(session);
      mqtt.turn.wake();
    },
    (error: unknown) => {
      state.isLoading = false;
      // Never skipped silently: the session stands still at what cannot be read, and says so at each attempt.
      mqtt.counters.unreadableMessages++;
      mqtt.logger.error({ err: error, clientId: session.clientId }, 'a waiting message cannot be read');
      const { connection } = session;
      if (connection !== undefined) mqtt.fail(connection, ReasonCode.UnspecifiedError);
    },
  );
}

/** PUBACK, PUBREC or PUBCOMP of a durable session, for `count` identifiers in a row. The data plane has updated its window. */
export function acknowledgedDurable(
  mqtt: Mqtt,
  session: Session,
  type: number,
  firstId: number,
  reason: number,
  count: number,
): void {
  const { durable: state, connection } = session;
  if (state === undefined || connection === undefined) return;
  let done = 0;
  if (type === PUBACK && reason < 0x80 && !hasLeaving(state)) {
    while (done < count) {
      const seq = seqOf(state, firstId + done);
      const run = seq === -1 ? 1 : runOf(state, seq, count - done);
      if (seq !== -1) mqtt.durable.settleRun(session, seq, run);
      done += run;
    }
    mqtt.durable.commit();
    mqtt.wake(session);
  }
  for (; done < count; done++)
    acknowledgedOne(mqtt, session, connection, state, type, firstId + done, reason);
}

/** So many of those behind it are what the client has under the identifiers that follow. */
function runOf({ queue, cursor }: DurableState, seq: number, most: number): number {
  if (seq < cursor - IDENTIFIERS_KEPT) return 1;
  let run = 1;
  while (run < most && seq + run < cursor && !queue.isSettled(seq + run)) run++;
  return run;
}

function acknowledgedOne(
  mqtt: Mqtt,
  session: Session,
  connection: Connection,
  state: DurableState,
  type: number,
  packetId: number,
  reason: number,
): void {
  const seq = seqOf(state, packetId);
  const { durable } = mqtt;
  if (type === PUBREC && reason < 0x80) {
    if (seq !== -1 && !state.released?.has(seq)) {
      state.released ??= new Set();
      state.released.add(seq);
      durable.log.add(TableId.Sessions, encodeEntry.released(session.serial, seq));
      durable.table.touch(session);
    }
    durable.log.commit(
      mqtt.config.storage.durability,
      (error) => {
        if (error !== undefined || session.connection !== connection) return;
        mqtt.dataPlane.acknowledge(connection.slot, PUBREL, packetId, 0);
        mqtt.turn.wake();
      },
      true,
    );
    return;
  }
  const isRejected = seq !== -1 && reason >= 0x80 && (type === PUBACK || type === PUBREC);
  if (isRejected && mqtt.policies.isBuried('rejected')) {
    const times = (state.repeats?.get(seq) ?? 0) + 1;
    const grave = graveInSession(mqtt, session, seq, 'rejected', times);
    if (grave !== undefined) mqtt.policies.bury(grave);
  } else if (!state.leaving?.has(seq)) durable.settle(session, seq);
  durable.commit();
  mqtt.wake(session);
}

/** A connection takes the session up: what was sent before is repeated, released identifiers first. */
export function resumeDurable(mqtt: Mqtt, session: Session, connection: Connection): void {
  const { durable: state } = session;
  if (state === undefined) return;
  const { dataPlane, durable } = mqtt;
  state.cursor = state.queue.floor;
  for (const seq of state.released ?? []) {
    const packetId = packetIdOf(seq);
    dataPlane.restorePacketId(connection.slot, packetId, 'released', true);
    dataPlane.acknowledge(connection.slot, PUBREL, packetId, 0);
  }
  if (state.sentTo <= state.queue.floor) return;
  noteRepeats(state);
  durable.log.add(TableId.Sessions, encodeEntry.repeated(session.serial, state.rounds));
  durable.table.touch(session);
  durable.commit();
}
