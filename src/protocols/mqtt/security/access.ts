/**
 * What publishers and sessions may, as far as it is remembered: publishers' classes, by which flows are shared, and whether
 * anything has to be asked about what a session is sent. Rules that change make all of it stale at once: from that moment each
 * delivery is asked about, until the session's subscriptions have been looked at again, a few sessions at a time.
 */
import type { Principal } from '../../../security/security.ts';
import type { Connection } from '../connection.ts';
import type { Mqtt } from '../context.ts';
import { hasBacklog } from '../deliver.ts';
import type { Session } from '../session.ts';

/** What has to be asked about: nothing, until what waits has gone out, or everything. */
export const Asks = { Nothing: 0, Backlog: 1, Everything: 2 } as const;

export interface Access {
  /** The session is this principal's. False where it may now do something else than before. */
  assume(session: Session, principal: Principal): boolean;
  /** A subscription was granted in part. */
  narrow(session: Session): void;
  receives(session: Session, topic: Uint8Array): boolean;
  /** Each message that waits has to be asked about. */
  asksAboutWaiting(session: Session): boolean;
  /** Nothing waits any more. */
  drained(session: Session): void;
  /** Of its publishes as they are decided now; the data plane knows it. */
  classOf(connection: Connection): number;
  /** Who is traced has changed: publishers' classes and decisions about their messages are stale. */
  reclassify(): void;
  /** Rules have changed. */
  changed(): void;
}

const SESSIONS_PER_STEP = 256;
/** The class of clients that tracing names: no flow that others have installed takes their messages. */
const SINGLED_OUT = 0x7fff_ffff;

export function createAccess(mqtt: Mqtt): Access {
  const { authorizer, dataPlane, router, sessions } = mqtt;
  let epoch = 0;
  let classEpoch = 0;
  let isLooking = false;

  const isSingledOut = ({ clientId }: Principal): boolean =>
    clientId !== undefined && mqtt.tracing?.singlesOut(clientId) === true;
  const isCurrent = ({ accessEpoch }: Session): boolean => accessEpoch === epoch;

  function look(session: Session, principal: Principal): void {
    let isWhole = true;
    if (router.countOf(session.number) > 0) {
      for (const { filter, group } of router.subscriptionsOf(session.number)) {
        if (authorizer.maySubscribe(principal, filter, group) !== true) isWhole = false;
      }
    }
    session.accessEpoch = epoch;
    // What waits may come by a subscription that is not there any more.
    session.asks = !isWhole ? Asks.Everything : hasBacklog(session) ? Asks.Backlog : Asks.Nothing;
  }

  function lookAgain(): void {
    if (isLooking) return;
    isLooking = true;
    let from = 0;
    let goal = epoch;
    mqtt.turn.defer(() => {
      if (goal !== epoch) {
        goal = epoch;
        from = 0;
      }
      const to = Math.min(sessions.numbers, from + SESSIONS_PER_STEP);
      for (; from < to; from++) {
        const session = sessions.byNumber(from);
        if (session?.principal === undefined || isCurrent(session)) continue;
        session.view = authorizer.viewOf(session.principal);
        look(session, session.principal);
      }
      isLooking = from < sessions.numbers;
      return isLooking;
    });
  }

  return {
    assume(session, principal) {
      const view = authorizer.viewOf(principal);
      const isSame = isCurrent(session) && session.principal !== undefined && session.view === view;
      session.principal = principal;
      session.view = view;
      if (!isSame) look(session, principal);
      return isSame;
    },
    narrow(session) {
      session.asks = Asks.Everything;
    },
    receives(session, topic) {
      if (session.asks !== Asks.Everything && isCurrent(session)) return true;
      return session.principal === undefined || authorizer.mayReceive(session.principal, topic);
    },
    asksAboutWaiting: (session) => session.asks !== Asks.Nothing || !isCurrent(session),
    drained(session) {
      if (session.asks === Asks.Backlog && isCurrent(session)) session.asks = Asks.Nothing;
    },
    classOf(connection) {
      const { identity } = connection;
      if (identity === undefined) return 0;
      if (connection.classEpoch === classEpoch && connection.classOwner === identity) {
        return connection.classId;
      }
      connection.classEpoch = classEpoch;
      connection.classOwner = identity;
      connection.classId = isSingledOut(identity) ? SINGLED_OUT : authorizer.publisherClass(identity);
      if (connection.isOpen) dataPlane.setClass(connection.slot, connection.classId);
      return connection.classId;
    },
    reclassify() {
      classEpoch++;
      dataPlane.invalidateAll();
    },
    changed() {
      epoch++;
      classEpoch++;
      dataPlane.invalidateAll();
      lookAgain();
    },
  };
}
