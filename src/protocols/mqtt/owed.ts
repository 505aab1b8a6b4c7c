/**
 * Acknowledgements that a connection is owed, in the order of its messages: none goes out before those ahead of it, be
 * they waiting for the journal or not. While any is owed the data plane leaves all of them to the host.
 */
import type { Connection } from './connection.ts';
import type { Mqtt } from './context.ts';

export interface Owed {
  readonly type: 4 | 5 | 7;
  readonly packetId: number;
  /** Identifiers in a row, from `packetId` on. */
  readonly count: number;
  /** Below 0 it waits, or never goes out. */
  reasonCode: number;
}

export const PENDING = -1;
const NEVER = -2;
const PASSED_MAX = 32;

/** In the order in which they are to go out. */
export class OwedQueue {
  private readonly items: Owed[] = [];
  /** What is in front of it has gone out: taken away in bulk. */
  private head = 0;

  get length(): number {
    return this.items.length - this.head;
  }

  push(owed: Owed): void {
    this.items.push(owed);
  }

  /** The first one, if it waits for nothing any more. */
  shift(): Owed | undefined {
    const first = this.items[this.head];
    if (first === undefined || first.reasonCode === PENDING) return undefined;
    this.head++;
    if (this.head === this.items.length) {
      this.items.length = 0;
      this.head = 0;
    } else if (this.head >= PASSED_MAX && this.head * 2 >= this.items.length) {
      this.items.splice(0, this.head);
      this.head = 0;
    }
    return first;
  }
}

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
