/**
 * From the data plane's output to the transports: each slot with output is written once per turn, in one write, and
 * its blocks are free again when that write has ended.
 */
import type { Connection } from './connection.ts';
import { type Mqtt, startTimer, TimerKind } from './context.ts';

export interface Output {
  /** Writes everything that waits and has no write under way. */
  flush(): void;
  /** Writes what this connection has, now. */
  write(connection: Connection): void;
  /** The transport's `done`. True when all output of the connection has left. */
  written(connection: Connection): boolean;
}

/** Synchronous completions in a row before a connection waits for the next turn: one greedy reader must not hold the loop. */
const WRITES_IN_A_ROW = 16;

/** How slow a reader may be: a long write is given this much more time than `writeTimeoutMs`. */
const LEAST_BYTES_PER_MS = 64;

export function createOutput(mqtt: Mqtt): Output {
  const { dataPlane, connections, counters, clock } = mqtt;
  const timeoutMs = mqtt.config.limits.writeTimeoutMs;
  let slots = new Int32Array(256);

  function flush(): void {
    const dirty = dataPlane.takeDirty();
    const count = dirty.length;
    if (count === 0) return;
    if (slots.length < count) slots = new Int32Array(count * 2);
    slots.set(dirty);
    for (let i = 0; i < count; i++) {
      const connection = connections[slots[i] as number];
      if (connection !== undefined) write(connection);
    }
  }

  function write(connection: Connection): void {
    if (connection.isWriting || connection.isHeld || connection.phase === 'closed') return;
    connection.isInWrite = true;
    let rounds = 0;
    for (; rounds < WRITES_IN_A_ROW; rounds++) {
      const views = dataPlane.collect(connection.slot);
      if (views === undefined) {
        // Output memory ran out inside a packet: what follows could not be read by the client.
        counters.droppedNoMemory++;
        connection.transport.destroy();
        break;
      }
      if (views.length === 0) break;
      let bytes = 0;
      for (const view of views) bytes += view.length;
      counters.bytesSent += bytes;
      counters.writes++;
      connection.isWriting = true;
      connection.transport.write(views, connection.written);
      if (connection.isWriting) {
        awaitWrite(connection, bytes);
        break;
      }
      if (isClosed(connection)) break;
    }
    connection.isInWrite = false;
    if (rounds === WRITES_IN_A_ROW) {
      mqtt.turn.defer(() => {
        write(connection);
        return false;
      });
    }
  }

  /** One lazy timer per connection: it looks at the write of then, not of now. */
  function awaitWrite(connection: Connection, bytes: number): void {
    connection.writeSinceMs = clock.monotonicMs();
    connection.writeDeadlineMs = connection.writeSinceMs + timeoutMs + bytes / LEAST_BYTES_PER_MS;
    if (timeoutMs > 0 && connection.writeTimer === 0) {
      connection.writeTimer = startTimer(mqtt, timeoutMs, TimerKind.Write, connection.slot);
    }
  }

  /** A write may close it. */
  function isClosed(connection: Connection): boolean {
    return connection.phase === 'closed';
  }

  function written(connection: Connection): boolean {
    connection.isWriting = false;
    const more = dataPlane.complete(connection.slot);
    if (!more) return true;
    if (!connection.isInWrite) write(connection);
    return false;
  }

  return { flush, write, written };
}
