/** Sessions, and what is on its way to each. */
import type { NodeView } from '../admin/node-view.ts';
import type { SessionDetail, SessionSummary } from '../admin/views.ts';
import { ReasonCode } from '../protocols/mqtt/codec/reason-codes.ts';
import type { Connection } from '../protocols/mqtt/connection.ts';
import type { Mqtt } from '../protocols/mqtt/context.ts';
import { closeConnection } from '../protocols/mqtt/disconnect.ts';
import { endSession } from '../protocols/mqtt/lifecycle.ts';
import { NEVER_EXPIRES, type Session, writtenClientId } from '../protocols/mqtt/session.ts';
import { checkJournal, committed } from './changes.ts';
import { textOf } from './message-properties.ts';
import { pageOf } from './pages.ts';
import { sessionNamed, shownName } from './session-names.ts';
import { shownSubscription } from './subscriptions.ts';

/** What a session page has of its subscriptions; `subscriptions` says how many there are. */
const MAX_FILTERS = 1000;

/**
 * Sent and not acknowledged. Of a durable session also what was sent over a former connection, which the client may
 * have: it is at most the window of that connection.
 */
export function inFlightOf(mqtt: Mqtt, { durable, connection }: Session): number {
  if (durable === undefined) return connection === undefined ? 0 : mqtt.dataPlane.inFlight(connection.slot);
  const { queue, sentTo } = durable;
  let count = 0;
  for (let seq = queue.nextFrom(queue.floor); seq < sentTo; seq = queue.nextFrom(seq + 1)) count++;
  return count;
}

export function protocolOf(connection: Connection | undefined): string {
  if (connection === undefined) return 'MQTT';
  return { 3: 'MQTT 3.1', 4: 'MQTT 3.1.1', 5: 'MQTT 5.0' }[connection.version];
}

function summary(mqtt: Mqtt, session: Session): SessionSummary {
  const { number, connection, durable, queue, expirySeconds } = session;
  const disconnectedAtMs = durable === undefined || durable.detachedAtMs === 0 ? null : durable.detachedAtMs;
  const isForEver = expirySeconds === NEVER_EXPIRES;
  const inFlight = inFlightOf(mqtt, session);
  return {
    ...shownName(session),
    isConnected: connection !== undefined,
    isDurable: durable !== undefined,
    protocol: protocolOf(connection),
    address: connection?.transport.remoteAddress ?? null,
    connectedAtMs: connection?.connectedAtMs ?? null,
    disconnectedAtMs,
    expirySeconds: isForEver ? null : expirySeconds,
    expiresAtMs: disconnectedAtMs === null || isForEver ? null : disconnectedAtMs + expirySeconds * 1000,
    subscriptions: mqtt.router.countOf(number),
    waiting: durable === undefined ? (queue?.length ?? 0) : durable.queue.length - inFlight,
    inFlight,
    waitingBytes: durable?.bytes ?? queue?.bytes ?? 0,
  };
}

function detail(mqtt: Mqtt, session: Session): SessionDetail {
  const { connection, will, number } = session;
  return {
    ...summary(mqtt, session),
    userName: connection?.identity?.userName ?? null,
    keepAliveSeconds: connection?.keepAliveSeconds ?? null,
    receiveMaximum: connection?.sendWindow ?? null,
    willTopic: will === undefined ? null : textOf(will.topic),
    filters: mqtt.router.subscriptionsOf(number, MAX_FILTERS).map(shownSubscription),
  };
}

export function sessionsView(mqtt: Mqtt): Pick<NodeView, 'sessions' | 'session' | 'endSession'> {
  const { sessions } = mqtt;
  return {
    sessions({ connected, prefix = '', tenant, ...request }) {
      const at = (number: number): SessionSummary | undefined => {
        const session = sessions.byNumber(number);
        if (session === undefined || !writtenClientId(session).startsWith(prefix)) return undefined;
        if (tenant !== undefined && session.tenant.name !== tenant) return undefined;
        const isWanted = connected === undefined || connected === (session.connection !== undefined);
        return isWanted ? summary(mqtt, session) : undefined;
      };
      return pageOf([{ end: () => sessions.numbers, at }], request, ({ clientId }) => clientId.length);
    },
    session(clientId, tenant) {
      const session = sessionNamed(mqtt, clientId, tenant);
      return session && detail(mqtt, session);
    },
    async endSession(clientId, tenant) {
      const session = sessionNamed(mqtt, clientId, tenant);
      if (session === undefined) return false;
      checkJournal(mqtt);
      const { connection } = session;
      if (connection !== undefined) {
        closeConnection(mqtt, connection, { reasonCode: ReasonCode.AdministrativeAction });
      }
      // One that does not outlive its connection has ended with it.
      endSession(mqtt, session);
      mqtt.turn.wake();
      await committed(mqtt);
      return true;
    },
  };
}
