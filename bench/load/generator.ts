/**
 * Message load for the measurements: a run of src/load, with the broker's CPU time and memory beside it. Lost messages close
 * the window and are never counted as speed.
 */
import { encodeConnect } from '../../src/load/codec.ts';
import { type LatencySummary, summarize } from '../../src/load/histogram.ts';
import { type Clients, runLoad } from '../../src/load/load.ts';
import type { Publishing } from '../../src/load/publishing.ts';
import { Observe, type Tally } from '../../src/load/tally.ts';
import { type ProcessUsage, processUsage } from '../process-stats.ts';
import { fanOut, type LoadOptions } from './options.ts';

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

const CONNECT_TIMEOUT_MS = 30_000;

/** Each publisher sends its next message when the last has arrived. */
function createSparseStep(options: LoadOptions): (publishing: Publishing, tally: Tally) => undefined {
  let isFirst = true;
  return (publishing, tally) => {
    const { senders } = tally;
    const senderCount = isFirst ? options.publishers : tally.senderCount;
    tally.senderCount = 0;
    for (let i = 0; i < senderCount; i++) {
      const connection = publishing.publishers[isFirst ? i : (senders[i] ?? 0)];
      if (connection?.block === undefined) continue;
      const { block } = connection;
      if (isFirst) block.view.setUint32(block.payloadOffset, connection.index);
      publishing.send(connection, 1);
    }
    isFirst = false;
    return undefined;
  };
}

function clientsOf(options: LoadOptions): Clients {
  const { host, port, version, durable } = options;
  return {
    version,
    endpointOf: () => ({ host, port }),
    connectPacketOf: (role, index) =>
      encodeConnect(version, `bench-${role[0]}${index}`, 0, durable && role === 'subscriber'),
    nameOf: (role, index) => `bench-${role[0]}${index}`,
    keepAliveSeconds: 0,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
  };
}

export async function runMessages(options: LoadOptions): Promise<MessageResult> {
  const { rate, sparse, spread, topics } = options;
  let cpu = process.cpuUsage();
  let beforeBroker: ProcessUsage | undefined;
  let afterBroker: ProcessUsage | undefined;
  const result = await runLoad(
    {
      ...options,
      clients: clientsOf(options),
      retain: false,
      topicOf: (index) => `bench/load/${index % topics}`,
      filterOf: (index) => (spread === 'own' ? `bench/load/${index % topics}` : 'bench/load/#'),
      fanOf: () => fanOut(options),
      maxFrameBytes: options.payloadBytes + 4096,
      observe: sparse ? Observe.Sender : rate > 0 ? Observe.Stamp : Observe.Nothing,
      ...(sparse ? { step: createSparseStep(options) } : {}),
      spinBelowMs: Number.POSITIVE_INFINITY,
      limit: Number.POSITIVE_INFINITY,
      receiveLimit: Number.POSITIVE_INFINITY,
      isSampled: false,
      warmMs: options.warmSeconds * 1000,
      durationMs: options.seconds * 1000,
    },
    {
      onMeasured(what) {
        if (what === 'begins') {
          cpu = process.cpuUsage();
          beforeBroker = processUsage(options.brokerPid);
        } else {
          cpu = process.cpuUsage(cpu);
          afterBroker = processUsage(options.brokerPid);
        }
      },
    },
  );
  const { seconds, measured, tally, failure } = result;
  return {
    seconds,
    sentPerSecond: measured.sent / seconds,
    receivedPerSecond: measured.received / seconds,
    acknowledgedPerSecond: measured.acknowledged / seconds,
    sent: result.sent,
    received: result.received,
    expected: result.expected,
    refused: result.refused,
    unsent: result.behind,
    stalledSeconds: result.stalledMs / 1000,
    generatorLoad: (cpu.user + cpu.system) / 1e6 / seconds,
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
    ...(failure === undefined ? {} : { failure: failure.reason }),
  };
}
