/**
 * Load on a broker over MQTT: publishers and subscribers in one process, for `robustmq bench` and for the measurements in
 * bench/. Here are packets that are encoded before a run, scanning of what comes back without an object per packet, pacing,
 * histograms, and the course of a run; options, what is shown, and the broker's own figures are not.
 *
 * Guaranteed: a rate is held by what was due, and latency counts from then; what is lost is never counted as speed; memory
 * does not grow with the length of a run.
 */
import { PINGREQ, type ProtocolVersion } from './codec.ts';
import {
  type Connection,
  createShared,
  type Endpoint,
  type Failure,
  isFlushed,
  openConnection,
} from './connection.ts';
import { openFleet } from './fleet.ts';
import { createPublishing, type Publishing, type PublishingOptions, sentAtLength } from './publishing.ts';
import { createPump, type Pump } from './pump.ts';
import { stampNow } from './stamp.ts';
import { createTally, Observe, type ObserveMode, type Tally } from './tally.ts';

/** How the connections of a run are made; indexes count publishers and subscribers each from 0. */
export interface Clients {
  readonly version: ProtocolVersion;
  endpointOf(index: number): Endpoint;
  connectPacketOf(role: 'publisher' | 'subscriber', index: number): Uint8Array;
  /** For whoever reads why one failed. */
  nameOf(role: 'publisher' | 'subscriber', index: number): string;
  /** 0: no pings. */
  readonly keepAliveSeconds: number;
  readonly connectTimeoutMs: number;
}

export interface LoadPlan extends Omit<PublishingOptions, 'now' | 'version'> {
  readonly clients: Clients;
  readonly subscribers: number;
  filterOf(subscriber: number): string;
  readonly maxFrameBytes: number;
  readonly observe: ObserveMode;
  /** What the step does instead of the closed loop or the rate. */
  readonly step?: (publishing: Publishing, tally: Tally) => number | undefined;
  /** Waits below this are spent looking at the clock. */
  readonly spinBelowMs: number;
  readonly warmMs: number;
  /** Infinity: until the limit is reached, or somebody stops it. */
  readonly durationMs: number;
  /** Without publishers of its own: messages after which it ends. */
  readonly receiveLimit: number;
}

export type EndedBy = 'duration' | 'limit' | 'stop' | 'failure' | 'stall';

/** Counters now; `elapsedMs` of the measured time. */
export interface LoadNow {
  readonly elapsedMs: number;
  readonly sent: number;
  readonly received: number;
  readonly acknowledged: number;
  readonly behind: number;
}

export interface LoadHooks {
  /** All are connected, and what is measured begins; or it ends here. */
  onMeasured?(what: 'begins' | 'ends'): void;
  /** Each second of the measured time. */
  onSecond?(now: LoadNow, tally: Tally): void;
  /** Of what a user asked for; looked at often. */
  isStopped?(): boolean;
}

export interface LoadResult {
  readonly endedBy: EndedBy;
  /** Of the measured time. */
  readonly seconds: number;
  readonly measured: { readonly sent: number; readonly received: number; readonly acknowledged: number };
  readonly receivedBytes: number;
  /** Over the whole run, warm-up and drain included. */
  readonly sent: number;
  readonly received: number;
  readonly expected: number;
  readonly acknowledged: number;
  readonly refused: number;
  readonly behind: number;
  readonly stalledMs: number;
  readonly tally: Tally;
  readonly failure: Failure | undefined;
}

const CONNECTS_AT_ONCE = 100;
const STALL_MS = 5000;
/** After the run: what is under way may arrive for this long, as long as anything does arrive. */
const DRAIN_MS = 15_000;
const QUIET_MS = 2000;
const LOOK_MS = 10;
const MAX_PING_MS = 15_000;
const LOOK_FOR_PINGS_MS = 500;

/** Resolves when `until` holds, looked at again and again. */
function wait(ms: number, until: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const deadline = performance.now() + ms;
    const timer = setInterval(() => {
      if (!until() && performance.now() < deadline) return;
      clearInterval(timer);
      resolve();
    }, LOOK_MS);
  });
}

/** Pings of connections, each before it has been silent for half of what it, or the broker, has asked for. */
export function keepAlive(
  connections: () => readonly (Connection | undefined)[],
  seconds: number,
): () => void {
  const timer = setInterval(
    () => {
      const nowMs = performance.now();
      for (const connection of connections()) {
        if (connection === undefined || !connection.ready || connection.isOver) continue;
        const { keepAliveSeconds = seconds } = connection.connack ?? {};
        if (keepAliveSeconds === 0 || nowMs < connection.pingDueMs) continue;
        // Right after it was made it need not, but those that were made together do not ping together then.
        connection.pingDueMs =
          nowMs + Math.min(keepAliveSeconds * 500, MAX_PING_MS) * (0.75 + Math.random() / 4);
        connection.writer?.write(PINGREQ);
      }
    },
    seconds === 0 ? LOOK_FOR_PINGS_MS : Math.min(LOOK_FOR_PINGS_MS, seconds * 100),
  );
  timer.unref();
  return () => clearInterval(timer);
}

export async function runLoad(plan: LoadPlan, hooks: LoadHooks = {}): Promise<LoadResult> {
  const { clients, publishers, subscribers, observe, payloadBytes, maxFrameBytes, qos } = plan;
  const { version } = clients;
  const maxSenders = observe === Observe.Sender ? publishers * Math.max(1, plan.fanOf(0)) : 0;
  const tally = createTally({ observe, payloadBytes, maxFrameBytes, maxSenders });
  const publishing = createPublishing({ ...plan, version, now: stampNow }, tally);
  const all: Connection[] = [];
  let failure: Failure | undefined;
  let isEnded = false;
  let pump: Pump | undefined;
  const shared = createShared(tally, maxFrameBytes, {
    now: stampNow,
    onProgress: () => pump?.wake(),
    onFailure(reason) {
      if (!isEnded) failure ??= reason;
    },
  });
  const isStopped = (): boolean => failure !== undefined || hooks.isStopped?.() === true;

  const connectAll = async (role: 'publisher' | 'subscriber', count: number): Promise<void> => {
    if (count === 0 || isStopped()) return;
    let movedMs = performance.now();
    await openFleet({
      count,
      atOnce: CONNECTS_AT_ONCE,
      rate: 0,
      now: stampNow,
      isStopped() {
        if (failure === undefined && performance.now() - movedMs > clients.connectTimeoutMs) {
          failure = { kind: 'unreachable', reason: `no answer for ${clients.connectTimeoutMs / 1000} s` };
        }
        return isStopped();
      },
      open(index, _dueMs, settled) {
        const isPublisher = role === 'publisher';
        const connection = openConnection(
          {
            endpoint: clients.endpointOf(index),
            version,
            connectPacket: clients.connectPacketOf(role, index),
            name: clients.nameOf(role, index),
            index,
            ...(isPublisher ? {} : { filter: plan.filterOf(index), filterQos: qos }),
            ...(isPublisher && qos > 0 && (plan.rate > 0 || plan.isSampled)
              ? { keepSentAt: sentAtLength(plan.inFlight) }
              : {}),
            onReady(ready) {
              movedMs = performance.now();
              if (isPublisher) publishing.add(ready);
              settled();
            },
          },
          shared,
        );
        all.push(connection);
      },
    });
  };
  await connectAll('subscriber', subscribers);
  await connectAll('publisher', publishers);

  const stopPings = keepAlive(() => all, clients.keepAliveSeconds);
  let arrived = tally.received + tally.acknowledged;
  let arrivedMs = performance.now();
  let stalledMs = 0;
  const isAllOut = (): boolean =>
    publishing.publishers.every((each) => each === undefined || each.isOver || isFlushed(each));
  const hasArrived = (): boolean =>
    tally.received >= publishing.expected() && (qos === 0 || tally.acknowledged >= publishing.sent());
  const isDone = (): boolean =>
    (publishing.sent() >= plan.limit && hasArrived() && isAllOut()) || tally.received >= plan.receiveLimit;
  /** Something is on its way, and nothing has come for long. */
  const isStalled = (): boolean => {
    const moved = tally.received + tally.acknowledged;
    if (moved !== arrived || hasArrived()) {
      arrived = moved;
      arrivedMs = performance.now();
    }
    stalledMs = performance.now() - arrivedMs;
    return stalledMs > STALL_MS;
  };
  const isCut = (): boolean => isStopped() || isDone() || isStalled();

  if (!isStopped()) {
    publishing.start();
    pump = createPump(() => (plan.step ?? publishing.step)(publishing, tally), plan.spinBelowMs);
    if (plan.warmMs > 0) await wait(plan.warmMs, isCut);
  }
  const before = {
    sent: publishing.sent(),
    received: tally.received,
    acknowledged: tally.acknowledged,
    bytes: tally.receivedBytes,
  };
  const beforeMs = performance.now();
  hooks.onMeasured?.('begins');
  // Without a warm-up everything counts, also what has been sent in this turn.
  tally.measureFromMs = plan.warmMs > 0 ? stampNow() : 0;
  const everySecond = setInterval(() => {
    const { received, acknowledged } = tally;
    const elapsedMs = performance.now() - beforeMs;
    const behind = publishing.behind();
    hooks.onSecond?.({ elapsedMs, sent: publishing.sent(), received, acknowledged, behind }, tally);
  }, 1000);
  if (!isCut()) await wait(plan.durationMs, isCut);
  clearInterval(everySecond);
  const endedBy: EndedBy =
    failure !== undefined
      ? 'failure'
      : hooks.isStopped?.() === true
        ? 'stop'
        : isDone() || publishing.sent() >= plan.limit
          ? 'limit'
          : stalledMs > STALL_MS
            ? 'stall'
            : 'duration';
  pump?.stop();
  const seconds = (performance.now() - beforeMs) / 1000;
  hooks.onMeasured?.('ends');
  const measured = {
    sent: publishing.sent() - before.sent,
    received: tally.received - before.received,
    acknowledged: tally.acknowledged - before.acknowledged,
  };
  const receivedBytes = tally.receivedBytes - before.bytes;
  const behind = endedBy === 'limit' ? 0 : publishing.behind();
  if (endedBy !== 'stall' && publishing.sent() > 0) {
    const quietFromMs = performance.now();
    arrivedMs = quietFromMs;
    await wait(DRAIN_MS, () => {
      if (failure !== undefined) return true;
      const moved = tally.received + tally.acknowledged;
      if (moved !== arrived) {
        arrived = moved;
        arrivedMs = performance.now();
      } else if (performance.now() - arrivedMs > QUIET_MS) return true;
      return isAllOut() && hasArrived();
    });
  }
  isEnded = true;
  stopPings();
  await Promise.all(all.map((connection) => connection.end()));
  return {
    endedBy,
    seconds,
    measured,
    receivedBytes,
    sent: publishing.sent(),
    received: tally.received,
    expected: publishing.expected(),
    acknowledged: tally.acknowledged,
    refused: tally.refused,
    behind,
    stalledMs: stalledMs > STALL_MS ? stalledMs : 0,
    tally,
    failure,
  };
}
