/**
 * A session and its connection: joined at CONNECT, parted when the connection ends in whatever way, and the end of the
 * session itself. Whatever changes how a session is reached makes the flows of its subscriptions stale.
 */
import type { Connection } from './connection.ts';
import { type Mqtt, startTimer, TimerKind } from './context.ts';
import { pump } from './pump.ts';
import { isDurable, NEVER_EXPIRES, type Session } from './session.ts';
import { drainSharedFor, forgetEmptyGroups, redeliverShared } from './shared.ts';
import { connectionLost, discardWill, publishWill } from './will.ts';

const PUBREL = 6;
/** Above it one invalidation of everything is cheaper than one per filter. */
const FILTERS_INVALIDATED_MAX = 1000;

/** Precondition: the session has no connection, the connection is established in the data plane. */
export function attach(mqtt: Mqtt, session: Session, connection: Connection): void {
  discardWill(mqtt, session);
  mqtt.timers.cancel(session.expiryTimer);
  session.expiryTimer = 0;
  session.connection = connection;
  connection.session = session;
  if (session.received !== undefined) {
    mqtt.dataPlane.importReceived(connection.slot, session.received);
    session.received = undefined;
  }
  invalidateFlows(mqtt, session);
}

/**
 * After CONNACK: PUBREL packets are repeated at once, PUBLISH packets as the window allows, and only then what waits.
 */
export function resume(mqtt: Mqtt, session: Session, connection: Connection): void {
  const { dataPlane } = mqtt;
  session.resend = [];
  for (const [packetId, { delivery }] of session.inFlight ?? []) {
    if (delivery === undefined) {
      dataPlane.restorePacketId(connection.slot, packetId, 'released', true);
      dataPlane.acknowledge(connection.slot, PUBREL, packetId, 0);
    } else {
      dataPlane.restorePacketId(connection.slot, packetId, delivery.qos === 2 ? 'qos2' : 'qos1', true);
      session.resend.push(packetId);
    }
  }
  session.resend.reverse();
  if (session.resend.length > 0 || (session.queue !== undefined && session.queue.length > 0)) {
    dataPlane.setHostMode(connection.slot, true);
  }
  pump(mqtt, session);
  if (session.hasSharedSubscriptions) drainSharedFor(mqtt, session);
}

/** The connection takes no part any more. `keepsWill` false = DISCONNECT with reason 0x00. */
export function detach(mqtt: Mqtt, connection: Connection, keepsWill: boolean): void {
  const { session } = connection;
  if (session === undefined) return;
  connection.session = undefined;
  session.connection = undefined;
  session.resend = [];
  mqtt.counters.clientsConnected--;
  if (!keepsWill) discardWill(mqtt, session);
  if (!isDurable(session)) {
    endSession(mqtt, session);
    return;
  }
  session.received = mqtt.dataPlane.exportReceived(connection.slot);
  invalidateFlows(mqtt, session);
  if (session.expirySeconds !== NEVER_EXPIRES) {
    const delayMs = session.expirySeconds * 1000;
    session.expiryTimer = startTimer(mqtt, delayMs, TimerKind.SessionExpiry, session.number);
  }
  connectionLost(mqtt, session);
}

/** Everything it was is gone. Precondition: it has no connection. */
export function endSession(mqtt: Mqtt, session: Session): void {
  if (session.ended) return;
  session.ended = true;
  const { counters } = mqtt;
  counters.sessionsEnded++;
  mqtt.timers.cancel(session.expiryTimer);
  mqtt.router.removeSink(session.number);
  mqtt.sessions.remove(session);
  if (session.hasSharedSubscriptions) {
    forgetEmptyGroups(mqtt);
    redeliverShared(mqtt, session);
  }
  counters.droppedOffline += session.queue?.length ?? 0;
  session.queue = undefined;
  session.inFlight = undefined;
  session.retainedJobs = [];
  publishWill(mqtt, session);
}

function invalidateFlows(mqtt: Mqtt, session: Session): void {
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
