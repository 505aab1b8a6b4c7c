/** Acknowledgements of deliveries that the host remembers: those of durable sessions and of shared subscriptions. */
import type { Mqtt } from './context.ts';
import { acknowledgedDurable } from './durable/send-queue.ts';
import { settleShared } from './group-loans.ts';
import type { Session } from './session.ts';

const PUBREC = 5;

/** `count` identifiers in a row. The data plane has updated its window and, for an ephemeral session, sent PUBREL where one is due. */
export function acknowledged(
  mqtt: Mqtt,
  session: Session,
  type: number,
  packetId: number,
  reason: number,
  count = 1,
): void {
  if (session.durable !== undefined) {
    acknowledgedDurable(mqtt, session, type, packetId, reason, count);
    return;
  }
  for (let i = 0; i < count; i++) acknowledgedShared(mqtt, session, type, packetId + i, reason);
}

function acknowledgedShared(
  mqtt: Mqtt,
  session: Session,
  type: number,
  packetId: number,
  reason: number,
): void {
  const { inFlight } = session;
  const entry = inFlight?.get(packetId);
  if (inFlight === undefined || entry === undefined) return;
  if (entry.delivery !== undefined) settleShared(mqtt, entry.delivery);
  if (type === PUBREC && reason < 0x80) entry.delivery = undefined;
  else inFlight.delete(packetId);
}
