/**
 * Acknowledgements that a connection is owed, in the order of its messages: none goes out before those ahead of it, be
 * they waiting for the journal or not. While any is owed the data plane leaves all of them to the host.
 */
import type { Connection } from './connection.ts';
import type { Mqtt } from './context.ts';
import { NEVER, type Owed, PENDING } from './owed-queue.ts';

export function owe(connection: Connection, type: 4 | 5 | 7, packetId: number): Owed {
  const owed: Owed = { type, packetId, count: 1, reasonCode: PENDING };
  connection.owed.push(owed);
  return owed;
}

/** It may go out now; undefined = it must never. */
export function pay(mqtt: Mqtt, connection: Connection, owed: Owed, reasonCode: number | undefined): void {
  owed.reasonCode = reasonCode ?? NEVER;
  const { owed: queue, slot } = connection;
  let hasPaid = false;
  for (let each = queue.shift(); each !== undefined; each = queue.shift()) {
    hasPaid = true;
    if (each.reasonCode === NEVER || connection.isGone) continue;
    mqtt.dataPlane.acknowledge(slot, each.type, each.packetId, each.reasonCode, each.count);
  }
  if (!hasPaid) return;
  tellDataPlane(mqtt, connection);
  mqtt.turn.wake();
}

/** To be called when something was owed and the work on a message is done for now. */
export function tellDataPlane(mqtt: Mqtt, connection: Connection): void {
  const owes = connection.owed.length > 0;
  if (connection.owes === owes || connection.isGone) return;
  connection.owes = owes;
  mqtt.dataPlane.setOwes(connection.slot, owes);
}
