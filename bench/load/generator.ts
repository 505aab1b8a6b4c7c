/**
 * Message load: publishers and subscribers in one process, as one closed loop (a window of deliveries on their
 * way) or at a fixed rate. Under a rate each message carries the time at which it was meant to be sent, so that a
 * broker which makes the generator wait shows it as latency (no coordinated omission). Lost messages close the
 * window and are never counted as speed.
 */
import { processUsage } from '../process-stats.ts';
import { encodePublishBlock, type PublishBlock, patchPacketIds } from './codec.ts';
import { ackCapacity, type Connection, createShared, isFlushed, openConnection } from './connection.ts';
import { createHistogram, type LatencySummary, summarize } from './histogram.ts';
import { fanOut, type LoadOptions } from './options.ts';
import { Observe, type Tally } from './scan.ts';

export interface MessageResult {
  readonly seconds: number;
  readonly sentPerSecond: number;
  readonly receivedPerSecond: number;
  readonly acknowledgedPerSecond: number;
  /** Over the whole run, warm-up and drain included. */
  readonly sent: number;
  readonly received: number;
  readonly expected: number;
  readonly refused: number;
  /** With a rate: messages that were due and could not be sent. */
  readonly unsent: number;
  readonly stalledSeconds: number;
  /** CPU time of the generator per second of the run: near 1 it may be the generator that is measured. */
  readonly generatorLoad: number;
  readonly brokerCpuSeconds?: number;
  readonly brokerCpuMicrosPerMessage?: number;
  readonly brokerResidentBytes?: number;
  readonly delivery?: LatencySummary;
  readonly roundTrip?: LatencySummary;
  readonly failure?: string;
}

const BLOCK_BYTES = 64 * 1024;
const CONNECTS_AT_ONCE = 100;
const STALL_MS = 5000;
/** After the run: what is under way may arrive for this long, as long as anything does arrive. */
const DRAIN_MS = 15_000;
const QUIET_MS = 2000;
const CONNECT_TIMEOUT_MS = 30_000;

export function createTally(options: LoadOptions, maxFrameBytes: number): Tally {
  return {
    observe: options.sparse ? Observe.Sender : options.rate > 0 ? Observe.IntendedTime : Observe.Nothing,
    payloadBytes: options.payloadBytes,
    received: 0,
    acknowledged: 0,
    refused: 0,
    measureFromMs: Number.POSITIVE_INFINITY,
    delivery: createHistogram(),
    roundTrip: createHistogram(),
    senders: new Int32Array(options.sparse ? options.publishers * Math.max(1, fanOut(options)) : 0),
    senderCount: 0,
    acks: new Uint8Array(ackCapacity(maxFrameBytes)),
    ackBytes: 0,
  };
}

function publishBlockFor(options: LoadOptions, index: number): PublishBlock {
  const template = {
    topic: `bench/load/${index % options.topics}`,
    version: options.version,
    qos: options.qos,
    retain: false,
    payloadBytes: options.payloadBytes,
  };
  const { stride } = encodePublishBlock(template, 1);
  // A quarter of the window at most, or generator and broker would wait for each other in turn.
  const quarter = options.window / Math.max(1, fanOut(options)) / Math.max(4, options.publishers);
  let count = Math.min(Math.floor(BLOCK_BYTES / stride), Math.floor(quarter));
  if (options.rate > 0) count = Math.floor(BLOCK_BYTES / stride);
  if (options.qos > 0) count = Math.min(count, options.inFlight);
  if (options.sparse) count = 1;
  const block = encodePublishBlock(template, Math.max(1, count));
  if (options.sparse) block.view.setUint32(block.payloadOffset, index);
  return block;
}

/** Runs `open` for 0…count-1 with a bounded number under way, and resolves when all are ready. */
async function openAll(
  count: number,
  open: (index: number, ready: () => void) => void,
  failed: Promise<never>,
): Promise<void> {
  if (count === 0) return;
  let timer: NodeJS.Timeout | undefined;
  const all = new Promise<void>((resolve, reject) => {
    let opened = 0;
    let done = 0;
    const onReady = (): void => {
      done++;
      if (opened < count) open(opened++, onReady);
      else if (done === count) resolve();
    };
    while (opened < Math.min(count, CONNECTS_AT_ONCE)) open(opened++, onReady);
    timer = setTimeout(() => reject(new Error(`${done} of ${count} connections ready`)), CONNECT_TIMEOUT_MS);
  });
  try {
    await Promise.race([all, failed]);
  } finally {
    clearTimeout(timer);
  }
}

export async function runMessages(options: LoadOptions): Promise<MessageResult> {
  const fan = fanOut(options);
  const maxFrameBytes = options.payloadBytes + 4096;
  const tally = createTally(options, maxFrameBytes);
  const publishers: Connection[] = [];
  const subscribers: Connection[] = [];
  let sent = 0;
  let failure: string | undefined;
  let ended = false;
  let pumping = false;
  let scheduled = false;
  let rejectFailed: (reason: Error) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => {
    rejectFailed = reject;
  });
  failed.catch(() => undefined);

  const schedule = (): void => {
    if (scheduled || !pumping) return;
    scheduled = true;
    setImmediate(pump);
  };
  const shared = createShared(tally, maxFrameBytes, {
    onProgress: schedule,
    onFailure(reason) {
      if (ended || failure !== undefined) return;
      failure = reason;
      rejectFailed(new Error(reason));
    },
  });

  const writeFirst = (connection: Connection, block: PublishBlock, count: number): void => {
    if (options.qos > 0) {
      connection.packetId = patchPacketIds(block, count, connection.packetId);
      connection.inFlight += count;
    }
    const length = count * block.stride;
    connection.writer?.write(length === block.bytes.length ? block.bytes : block.bytes.subarray(0, length));
    connection.sent += count;
    sent += count;
  };

  let cursor = 0;
  const pumpClosed = (): void => {
    for (let tried = 0; tried < publishers.length; tried++) {
      const connection = publishers[cursor];
      cursor = cursor + 1 === publishers.length ? 0 : cursor + 1;
      if (connection?.block === undefined || !isFlushed(connection)) continue;
      const { block } = connection;
      const room = Math.floor((options.window - (sent * fan - tally.received)) / Math.max(1, fan));
      if (room < 1) return;
      const allowed = options.qos > 0 ? options.inFlight - connection.inFlight : block.count;
      const count = Math.min(block.count, allowed);
      // Half a block at least, for acknowledgements arrive in small groups and a write costs the same.
      if (count > 0 && count <= room && count * 2 >= block.count) writeFirst(connection, block, count);
    }
  };

  const pumpSparse = (): void => {
    const { senders, senderCount } = tally;
    tally.senderCount = 0;
    for (let i = 0; i < senderCount; i++) {
      const connection = publishers[senders[i] ?? 0];
      if (connection?.block !== undefined) writeFirst(connection, connection.block, 1);
    }
  };

  let startedMs = 0;
  let nextTickMs = 0;
  let lastTickMs = 0;
  const intervalMs = 1000 / options.rate;
  /** Messages whose time had come at `nowMs`. */
  const dueAt = (nowMs: number): number =>
    publishers.reduce((sum, { index }) => {
      const own = (nowMs - startedMs) / intervalMs - index;
      return sum + (own < 0 ? 0 : Math.floor(own / publishers.length) + 1);
    }, 0);
  const pumpRate = (): void => {
    const nowMs = performance.now();
    if (nowMs < nextTickMs) return;
    lastTickMs = nowMs;
    nextTickMs = nowMs + options.tickMicros / 1000;
    for (const connection of publishers) {
      const { block } = connection;
      if (block === undefined || !isFlushed(connection)) continue;
      const limit =
        options.qos > 0 ? Math.min(block.count, options.inFlight - connection.inFlight) : block.count;
      let count = 0;
      let intendedMs = startedMs + (connection.index + connection.sent * publishers.length) * intervalMs;
      let packetId = connection.packetId;
      while (count < limit && intendedMs <= nowMs) {
        block.view.setFloat64(count * block.stride + block.payloadOffset, intendedMs);
        if (connection.sentAtMs !== undefined) {
          packetId = packetId >= 65_535 ? 1 : packetId + 1;
          connection.sentAtMs[packetId] = intendedMs;
        }
        intendedMs += publishers.length * intervalMs;
        count++;
      }
      if (count > 0) writeFirst(connection, block, count);
    }
  };

  const step = options.rate > 0 ? pumpRate : options.sparse ? pumpSparse : pumpClosed;
  function pump(): void {
    scheduled = false;
    if (!pumping) return;
    step();
    if (options.rate > 0) schedule();
  }

  const common = { ...options, keepAliveSeconds: 0, durable: false };
  try {
    await openAll(
      options.subscribers,
      (index, onReady) => {
        const filter = options.spread === 'own' ? `bench/load/${index % options.topics}` : 'bench/load/#';
        const clientId = `bench-s${index}`;
        subscribers[index] = openConnection(
          { ...common, durable: options.durable, clientId, index, filter, filterQos: options.qos, onReady },
          shared,
        );
      },
      failed,
    );
    await openAll(
      options.publishers,
      (index, onReady) => {
        const keepSentAt = options.rate > 0 && options.qos > 0;
        const connection = openConnection(
          { ...common, clientId: `bench-p${index}`, index, keepSentAt, onReady },
          shared,
        );
        connection.block = publishBlockFor(options, index);
        publishers[index] = connection;
      },
      failed,
    );
  } catch (error) {
    failure ??= error instanceof Error ? error.message : String(error);
  }

  const waitMs = (ms: number, until: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const deadline = performance.now() + ms;
      const timer = setInterval(() => {
        if (failure === undefined && !until() && performance.now() < deadline) return;
        clearInterval(timer);
        resolve();
      }, 10);
    });

  let lastReceived = 0;
  let movedMs = performance.now();
  let stalledMs = 0;
  const stalled = (): boolean => {
    const nowMs = performance.now();
    if (tally.received !== lastReceived || fan === 0) {
      lastReceived = tally.received;
      movedMs = nowMs;
      return false;
    }
    stalledMs = nowMs - movedMs;
    return stalledMs > STALL_MS;
  };

  startedMs = performance.now();
  pumping = failure === undefined;
  if (options.sparse && pumping) {
    for (const connection of publishers)
      if (connection.block !== undefined) writeFirst(connection, connection.block, 1);
  }
  schedule();
  await waitMs(options.warmSeconds * 1000, stalled);
  const before = { received: tally.received, sent, acknowledged: tally.acknowledged };
  const beforeMs = performance.now();
  const beforeCpu = process.cpuUsage();
  const beforeBroker = processUsage(options.brokerPid);
  tally.measureFromMs = beforeMs;
  await waitMs(options.seconds * 1000, stalled);
  pumping = false;
  const seconds = (performance.now() - beforeMs) / 1000;
  const afterCpu = process.cpuUsage(beforeCpu);
  const afterBroker = processUsage(options.brokerPid);
  const measured = {
    received: tally.received - before.received,
    sent: sent - before.sent,
    acknowledged: tally.acknowledged - before.acknowledged,
  };
  const unsent = options.rate > 0 ? dueAt(lastTickMs) - sent : 0;
  let arrived = tally.received;
  let arrivedMs = performance.now();
  await waitMs(DRAIN_MS, () => {
    if (tally.received !== arrived) {
      arrived = tally.received;
      arrivedMs = performance.now();
    } else if (performance.now() - arrivedMs > QUIET_MS) return true;
    return tally.received >= sent * fan && (options.qos === 0 || tally.acknowledged >= sent);
  });
  ended = true;
  for (const { socket } of [...publishers, ...subscribers]) socket.destroy();

  return {
    seconds,
    sentPerSecond: measured.sent / seconds,
    receivedPerSecond: measured.received / seconds,
    acknowledgedPerSecond: measured.acknowledged / seconds,
    sent,
    received: tally.received,
    expected: sent * fan,
    refused: tally.refused,
    unsent,
    stalledSeconds: stalledMs > STALL_MS ? stalledMs / 1000 : 0,
    generatorLoad: (afterCpu.user + afterCpu.system) / 1e6 / seconds,
    ...(beforeBroker === undefined || afterBroker === undefined
      ? {}
      : {
          brokerCpuSeconds: afterBroker.cpuSeconds - beforeBroker.cpuSeconds,
          brokerCpuMicrosPerMessage:
            ((afterBroker.cpuSeconds - beforeBroker.cpuSeconds) * 1e6) / Math.max(1, measured.received),
          brokerResidentBytes: afterBroker.residentBytes,
        }),
    ...(tally.delivery.count > 0 ? { delivery: summarize(tally.delivery) } : {}),
    ...(tally.roundTrip.count > 0 ? { roundTrip: summarize(tally.roundTrip) } : {}),
    ...(failure === undefined ? {} : { failure }),
  };
}
