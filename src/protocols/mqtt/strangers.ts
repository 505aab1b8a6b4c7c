/**
 * Memory for input of connections that have not been let in. Anybody can open those, so together they hold no more than a configured
 * amount, however many there are; who has been let in is bounded by other limits.
 */
import type { Connection } from './connection.ts';
import type { Mqtt } from './context.ts';

/** To be called whenever input was kept or let go; false when there is no room for what is kept. */
export function accountStranger(mqtt: Mqtt, connection: Connection): boolean {
  if (connection.isOpen && connection.strangerBytes === 0) return true;
  const { partial, stalled } = connection;
  const bytes = connection.isOpen ? 0 : (partial?.bytes.length ?? 0) + (stalled?.length ?? 0);
  mqtt.strangers.bytes += bytes - connection.strangerBytes;
  connection.strangerBytes = bytes;
  return mqtt.strangers.bytes <= mqtt.config.limits.maxUnauthenticatedBytes;
}
