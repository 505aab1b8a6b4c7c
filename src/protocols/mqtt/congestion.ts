/**
 * Back-pressure on publishers: while output memory runs low, the process holds too much memory or the journal has too
 * much to write, connections that publish are not read, and new ones are refused. Subscribers are always read: their acknowledgements make room.
 */

import { withAccessors } from '../../kernel/with-accessors.ts';
import { type Connection, Paused } from './connection.ts';
import type { Mqtt } from './context.ts';
import { pump } from './pump.ts';
import type { Session } from './session.ts';

export interface Congestion {
  /** Looks at the data plane's output memory. */
  check(): void;
  /** After input of that many bytes was handled. */
  afterRead(connection: Connection, bytes: number): void;
  /** Output for this session found no memory, or the journal no room for what it leads to: it is tried again later. */
  awaitRoom(session: Session): void;
  setMemoryHigh(isHigh: boolean): void;
  /** What waits for the journal is below its mark again. */
  journalReady(): void;
  refusesConnections(): boolean;
  forget(connection: Connection): void;
  readonly pausedCount: number;
}

const PAUSE_BELOW_FREE = 0.25;
const RESUME_ABOVE_FREE = 0.5;
/** Input between two looks at the counters. */
const CHECK_EVERY_BYTES = 1 << 20;

export function createCongestion(mqtt: Mqtt): Congestion {
  const paused = new Set<Connection>();
  const starved = new Set<Session>();
  let isOutputLow = false;
  let isMemoryHigh = false;
  let bytesSinceCheck = 0;

  function check(): void {
    bytesSinceCheck = 0;
    const { blocksFree, blocksTotal } = mqtt.dataPlane.counters();
    if (blocksFree < blocksTotal * PAUSE_BELOW_FREE) isOutputLow = true;
    else if (blocksFree > blocksTotal * RESUME_ABOVE_FREE) isOutputLow = false;
    feedStarved();
    resumeAll();
  }

  function feedStarved(): void {
    if (isOutputLow || starved.size === 0) return;
    const waiting = [...starved];
    starved.clear();
    for (const session of waiting) pump(mqtt, session);
  }

  function resumeAll(): void {
    if (isOutputLow || isMemoryHigh || mqtt.durable.log.isBusy() || paused.size === 0) return;
    const waiting = [...paused];
    paused.clear();
    for (const connection of waiting) connection.resume(Paused.Congestion);
  }

  return withAccessors<Congestion, 'pausedCount'>(
    {
      get pausedCount() {
        return paused.size;
      },
    },
    {
      check,
      afterRead(connection, bytes) {
        bytesSinceCheck += bytes;
        if (bytesSinceCheck > CHECK_EVERY_BYTES) {
          mqtt.output.flush();
          check();
        }
        const isLow = isOutputLow || isMemoryHigh || mqtt.durable.log.isBusy();
        if (isLow && connection.isPublisher && connection.isOpen) {
          if (paused.has(connection)) return;
          paused.add(connection);
          mqtt.counters.publishersPaused++;
          connection.pause(Paused.Congestion);
        }
      },
      awaitRoom: (session) => {
        starved.add(session);
      },
      setMemoryHigh(isHigh) {
        isMemoryHigh = isHigh;
        resumeAll();
      },
      journalReady() {
        feedStarved();
        resumeAll();
      },
      refusesConnections: () => isMemoryHigh,
      forget: (connection) => {
        paused.delete(connection);
      },
    },
  );
}
