/**
 * A session and its connection: joined at CONNECT, parted when the connection ends in whatever way, and the end of the
 * session itself. Whatever changes how a session is reached makes the flows of its subscriptions stale.
 */
import { TableId } from '../../kernel/state/table.ts';
import type { Connection } from './connection.ts';
import { type Mqtt, startTimer, TimerKind } from './context.ts';
import { resumeDurable } from './durable/send-queue.ts';
import { encodeEntry } from './durable/session-entries.ts';
import { pump } from './pump.ts';
import { NEVER_EXPIRES, type Session } from './session.ts';
import { drainSharedFor, forgetEmptyGroups, handBackShared, redeliverShared } from './shared.ts';
import { connectionLost, discardWill, publishWill } from './will.ts';

/** Above it one invalidation of everything is cheaper than one per filter. */
const FILTERS_INVALIDATED_MAX = 1000;

/** Precondition: the session has no connection, the connection is established in the data plane. */
export function attach(mqtt: Mqtt, session: Session, connection: Connection): void {
  discardWill(mqtt, session);
  mqtt.timers.cancel(session.expiryTimer);
  session.expiryTimer = 0;
  session.connection = connection;
  connection.session = session;
  connection.connectedAtMs = mqtt.clock.wallMs();
  const received = session.durable?.received;
  if (received !== undefined && received.size > 0) {
    mqtt.dataPlane.importReceived(connection.slot, Uint16Array.from(received));
  }
  invalidateFlows(mqtt, session);
}

/** After CONNACK: PUBREL packets are repeated at once, PUBLISH packets as the window allows, and only then what waits. */
export function resume(mqtt: Mqtt, session: Session, connection: Connection): void {
  resumeDurable(mqtt, session, connection);
  pump(mqtt, session);
  if (session.hasSharedSubscriptions) drainSharedFor(mqtt, session);
}

/** The connection takes no part any more. `keepsWill` false = DISCONNECT with reason 0x00. */
export function detach(mqtt: Mqtt, connection: Connection, keepsWill: boolean, defersWill = false): void {
  const { session } = connection;
  if (session === undefined) return;
  connection.session = undefined;
  session.connection = undefined;
  mqtt.counters.clientsConnected--;
  if (!keepsWill) discardWill(mqtt, session);
  const { durable } = session;
  if (durable === undefined || session.expirySeconds === 0) {
    endSession(mqtt, session);
    return;
  }
  durable.detachedAtMs = mqtt.clock.wallMs();
  const entry = encodeEntry.detach(session.serial, durable.detachedAtMs, session.expirySeconds, keepsWill);
  mqtt.durable.log.add(TableId.Sessions, entry);
  mqtt.durable.table.touch(session);
  mqtt.durable.commit();
  invalidateFlows(mqtt, session);
  awaitExpiry(mqtt, session, 0);
  if (!defersWill) connectionLost(mqtt, session);
}

/** `elapsedMs`: since its connection ended. */
function awaitExpiry(mqtt: Mqtt, session: Session, elapsedMs: number): void {
  if (session.expirySeconds === NEVER_EXPIRES) return;
  const delayMs = Math.max(0, session.expirySeconds * 1000 - elapsedMs);
  session.expiryTimer = startTimer(mqtt, delayMs, TimerKind.SessionExpiry, session.number);
}

/** Its timer may be late: after a start, or when many sessions end at once. */
export function hasExpired(mqtt: Mqtt, { durable, expirySeconds }: Session): boolean {
  if (durable === undefined || durable.detachedAtMs === 0 || expirySeconds === NEVER_EXPIRES) return false;
  return durable.detachedAtMs + expirySeconds * 1000 <= mqtt.clock.wallMs();
}

/**
 * At start, when all tables are there: what was connected when the process ended has lost its connection now; wills and
 * expiry go on from when each connection ended.
 */
export function takeUpSessions(mqtt: Mqtt): void {
  const nowMs = mqtt.clock.wallMs();
  for (const session of [...mqtt.durable.table.all()]) {
    const { durable } = session;
    if (durable === undefined) continue;
    mqtt.quotas.opened(session);
    if (durable.detachedAtMs === 0) {
      durable.detachedAtMs = nowMs;
      // What was put out last may not have been noted: up to a window of it is repeated as if it was. That is noted, too:
      // the start after this one, should there be one before it is put out, sees a session that was not connected.
      const sentTo = Math.min(durable.queue.end, durable.sentTo + mqtt.config.mqtt.maxInflight);
      if (sentTo > durable.sentTo) {
        durable.sentTo = sentTo;
        mqtt.durable.log.add(TableId.Sessions, encodeEntry.sent(session.serial, sentTo));
      }
      const entry = encodeEntry.detach(session.serial, nowMs, session.expirySeconds, true);
      mqtt.durable.log.add(TableId.Sessions, entry);
      mqtt.durable.commit();
      mqtt.durable.table.touch(session);
    }
    const elapsedMs = Math.max(0, nowMs - durable.detachedAtMs);
    if (session.expirySeconds === 0) {
      endSession(mqtt, session);
      continue;
    }
    awaitExpiry(mqtt, session, elapsedMs);
    connectionLost(mqtt, session, elapsedMs);
  }
  forgetEmptyGroups(mqtt);
}

/** Everything it was is gone. Precondition: it has no connection. */
export function endSession(mqtt: Mqtt, session: Session): void {
  if (session.ended) return;
  session.ended = true;
  const { counters } = mqtt;
  counters.sessionsEnded++;
  mqtt.timers.cancel(session.expiryTimer);
  mqtt.quotas.ended(session);
  mqtt.router.removeSink(session.number);
  mqtt.sessions.remove(session);
  const { durable } = session;
  counters.droppedOffline += session.queue?.length ?? durable?.queue.length ?? 0;
  if (session.hasSharedSubscriptions) {
    forgetEmptyGroups(mqtt);
    redeliverShared(mqtt, session);
  }
  session.retainedJobs = [];
  // The will first: once the session's end is in the journal there is nothing that would publish it.
  publishWill(mqtt, session);
  if (durable !== undefined) {
    handBackShared(mqtt, session);
    mqtt.durable.log.add(TableId.Sessions, encodeEntry.end(session.serial));
    mqtt.durable.table.remove(session);
    mqtt.durable.commit();
  }
  session.queue = undefined;
  session.inFlight = undefined;
}

/** Of whatever reaches the session. */
export function invalidateFlows(mqtt: Mqtt, session: Session): void {
  const count = mqtt.router.countOf(session.number);
  if (count === 0) return;
  if (count > FILTERS_INVALIDATED_MAX) {
    mqtt.dataPlane.invalidateAll();
    return;
  }
  for (const { filter } of mqtt.router.subscriptionsOf(session.number)) {
    mqtt.dataPlane.invalidateFilter(filter);
  }
}
