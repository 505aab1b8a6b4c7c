/**
 * What waits for a connected session goes out here, a bounded step at a time: the queue, then retained messages of new
 * subscriptions.
 */
import type { Connection } from './connection.ts';
import type { Mqtt } from './context.ts';
import { hasBacklog, send } from './deliver.ts';
import { sendWaiting } from './durable/send-queue.ts';
import { returnShared, settleShared } from './group-loans.ts';
import { Outcome } from './outcome.ts';
import { continueRetained } from './retained-delivery.ts';
import type { Delivery, Session } from './session.ts';
import { deliverShared, drainSharedFor } from './shared.ts';

const DELIVERIES_PER_STEP = 256;

export function isIdle(session: Session): boolean {
  return !hasBacklog(session) && session.retainedJobs.length === 0;
}

/** Called whenever there may be room again: a write ended, a window opened, a session was resumed. */
export function pump(mqtt: Mqtt, session: Session): void {
  if (isIdle(session) || session.connection === undefined || session.pumping) return;
  if (step(mqtt, session)) defer(mqtt, session);
}

function defer(mqtt: Mqtt, session: Session): void {
  session.pumping = true;
  mqtt.turn.defer(() => {
    // Also when the step throws: a session must not be left as one that is being served.
    session.pumping = false;
    session.pumping = step(mqtt, session);
    return session.pumping;
  });
}

/** As `pump`, at the end of the turn and once for all that asks for it until then. */
export function wake(mqtt: Mqtt, session: Session): void {
  if (session.pumping || session.connection === undefined) return;
  defer(mqtt, session);
}

/** True = there is more that could go out now. */
function step(mqtt: Mqtt, session: Session): boolean {
  const { connection } = session;
  if (connection === undefined || session.ended) return false;
  const isDurable = session.durable !== undefined;
  const left = (isDurable ? sendWaiting : sendQueued)(mqtt, session, connection, DELIVERIES_PER_STEP);
  if (left <= 0) return true;
  if (hasBacklog(session)) return false;
  return session.retainedJobs.length > 0 && continueRetained(mqtt, session, connection);
}

/** What a shared subscription gave goes to a member who may have it. */
function mayHave(mqtt: Mqtt, { principal }: Session, delivery: Delivery): boolean {
  if (principal === undefined || mqtt.authorizer.mayReceive(principal, delivery.message.topic)) return true;
  mqtt.counters.deliveriesDenied++;
  const { group, groupSeq, message } = delivery;
  if (group !== undefined && groupSeq === undefined) deliverShared(mqtt, group, message, 0);
  else returnShared(mqtt, delivery);
  return false;
}

function sendQueued(mqtt: Mqtt, session: Session, connection: Connection, budget: number): number {
  const { queue } = session;
  if (queue === undefined) return budget;
  const nowMs = mqtt.clock.wallMs();
  let left = budget;
  while (left > 0) {
    const next = queue.peek(nowMs);
    if (next === undefined) {
      mqtt.dataPlane.setHostMode(connection.slot, false);
      mqtt.access.drained(session);
      if (session.hasSharedSubscriptions) drainSharedFor(mqtt, session);
      return left;
    }
    if (mqtt.access.asksAboutWaiting(session) && !mayHave(mqtt, session, next)) {
      queue.take(nowMs);
      left--;
      continue;
    }
    const outcome = send(mqtt, session, connection, next);
    if (outcome === 'later') return left;
    queue.take(nowMs);
    if (outcome !== Outcome.Taken) settleShared(mqtt, next);
    left--;
  }
  return left;
}
