/** Acknowledgements of deliveries that the host remembers: those of durable sessions and of shared subscriptions. */
import type { Mqtt } from './context.ts';
import { pump } from './pump.ts';
import type { Session } from './session.ts';

const PUBREC = 5;

/** The data plane has updated its window and sent PUBREL where one is due. */
export function acknowledged(
  mqtt: Mqtt,
  session: Session,
  type: number,
  packetId: number,
  reason: number,
): void {
  const { inFlight } = session;
  const entry = inFlight?.get(packetId);
  if (inFlight !== undefined && entry !== undefined) {
    inFlight.delete(packetId);
    if (type === PUBREC && reason < 0x80) {
      entry.delivery = undefined;
      inFlight.set(packetId, entry); // last: PUBREL packets are repeated in the order of their PUBRECs
    }
  }
  if (session.resend.length > 0) pump(mqtt, session);
}
