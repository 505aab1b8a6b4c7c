/** Many connections that are opened, at a rate or as fast as they come, held for some time, and ended. */
import { type Connection, createShared, type Failure, openConnection } from './connection.ts';
import { openFleet } from './fleet.ts';
import { createHistogram, type Histogram, record } from './histogram.ts';
import { type Clients, keepAlive } from './load.ts';
import { stampNow } from './stamp.ts';
import { createTally, Observe } from './tally.ts';

export interface HoldPlan {
  readonly clients: Clients;
  readonly count: number;
  /** Connections per second; 0 is as fast as they come. */
  readonly rate: number;
  readonly atOnce: number;
  readonly holdMs: number;
}

export interface HoldNow {
  readonly elapsedMs: number;
  readonly opened: number;
  readonly failed: number;
  /** Were there and are no longer. */
  readonly lost: number;
}

export interface HoldResult extends HoldNow {
  readonly begun: number;
  /** From the first one that is begun to the last that is ready or has failed. */
  readonly connectSeconds: number;
  /** From when each was due to its CONNACK. */
  readonly connect: Histogram;
  readonly failures: readonly { readonly failure: Failure; readonly count: number }[];
  readonly wasStopped: boolean;
}

export interface HoldHooks {
  onSecond?(now: HoldNow, connect: Histogram): void;
  isStopped?(): boolean;
}

const MAX_FRAME_BYTES = 64 * 1024;
const MAX_REASONS = 20;
const LOOK_MS = 10;

export async function holdConnections(plan: HoldPlan, hooks: HoldHooks = {}): Promise<HoldResult> {
  const { clients, count, rate, atOnce, holdMs } = plan;
  const connect = createHistogram();
  const connections: (Connection | undefined)[] = [];
  const settle: ((() => void) | undefined)[] = [];
  const failures = new Map<string, { failure: Failure; count: number }>();
  let begun = 0;
  let opened = 0;
  let failed = 0;
  let lost = 0;
  let isEnded = false;
  const fail = (failure: Failure, connection: Connection): void => {
    if (isEnded) return;
    if (connection.ready) lost++;
    else failed++;
    // The name in front is another one for each.
    const reason = failure.reason.slice(failure.reason.indexOf(': ') + 2);
    const known = failures.get(reason);
    if (known !== undefined) known.count++;
    else if (failures.size < MAX_REASONS) failures.set(reason, { failure: { ...failure, reason }, count: 1 });
    connections[connection.index] = undefined;
    settle[connection.index]?.();
  };
  const tally = createTally({ observe: Observe.Nothing, payloadBytes: 0, maxFrameBytes: MAX_FRAME_BYTES });
  const shared = createShared(tally, MAX_FRAME_BYTES, {
    now: stampNow,
    onProgress: () => undefined,
    onFailure: fail,
  });
  const isStopped = (): boolean => hooks.isStopped?.() === true;
  const startedMs = performance.now();
  const state = (): HoldNow => ({ elapsedMs: performance.now() - startedMs, opened, failed, lost });
  const everySecond = setInterval(() => hooks.onSecond?.(state(), connect), 1000);
  const stopPings = keepAlive(() => connections, clients.keepAliveSeconds);

  await openFleet({
    count,
    atOnce,
    rate,
    now: stampNow,
    isStopped,
    open(index, dueMs, settled) {
      begun++;
      const timeout = setTimeout(() => {
        const { [index]: connection } = connections;
        if (connection === undefined) return;
        const reason = `: no answer for ${clients.connectTimeoutMs / 1000} s`;
        connection.destroy();
        fail({ kind: 'unreachable', reason }, connection);
      }, clients.connectTimeoutMs);
      settle[index] = () => {
        clearTimeout(timeout);
        settle[index] = undefined;
        settled();
      };
      connections[index] = openConnection(
        {
          endpoint: clients.endpointOf(index),
          version: clients.version,
          connectPacket: clients.connectPacketOf('publisher', index),
          name: clients.nameOf('publisher', index),
          index,
          onReady() {
            opened++;
            record(connect, stampNow() - dueMs);
            settle[index]?.();
          },
        },
        shared,
      );
    },
  });
  const connectSeconds = (performance.now() - startedMs) / 1000;
  if (opened > 0 && holdMs > 0 && !isStopped()) {
    await new Promise<void>((resolve) => {
      const deadline = performance.now() + holdMs;
      const timer = setInterval(() => {
        if (!isStopped() && performance.now() < deadline && lost < opened) return;
        clearInterval(timer);
        resolve();
      }, LOOK_MS);
    });
  }
  clearInterval(everySecond);
  stopPings();
  const result = {
    ...state(),
    begun,
    connectSeconds,
    connect,
    failures: [...failures.values()],
    wasStopped: isStopped(),
  };
  isEnded = true;
  // Those that were under way when it was stopped count as neither.
  for (const each of settle) each?.();
  await Promise.all(connections.map((connection) => connection?.end()));
  return result;
}
