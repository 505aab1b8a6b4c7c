/**
 * One run of one scenario against one running peer: starts the generator in its own pinned process and turns what
 * it prints into the metrics of the table. Failures are part of the sample, not exceptions.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { MessageResult } from './load/generator.ts';
import type { IdleResult } from './load/idle.ts';
import { defaultLoad, type LoadOptions, loadArguments } from './load/options.ts';
import type { RetainedResult } from './load/retained.ts';
import { pinned, type RunningPeer } from './peers/peer.ts';
import { processUsage } from './process-stats.ts';
import type { Metric } from './scenarios.ts';

export interface Sample {
  readonly metrics: Partial<Record<Metric, number>>;
  /** CPU time per second of the generator and, where it can be read, of the broker. */
  readonly generatorLoad?: number;
  readonly brokerLoad?: number;
  readonly notes: readonly string[];
  /** Why this sample does not count. */
  readonly failure?: string;
}

interface MqloadResult {
  readonly recv_per_s: number;
  readonly recvd: number;
  readonly expected: number;
  readonly loss_pct: number;
  readonly stall_s: number;
  readonly gen_cpu_s: number;
  readonly lat_ms?: { readonly p50: number; readonly p99: number };
}

const generator = fileURLToPath(new URL('load/main.ts', import.meta.url));
const MIB = 1024 * 1024;
const PATIENCE_SECONDS = 60;
const SETUP_PATIENCE_SECONDS = 300;

function present(metrics: Partial<Record<Metric, number | undefined>>): Partial<Record<Metric, number>> {
  return Object.fromEntries(Object.entries(metrics).filter(([, value]) => value !== undefined));
}

export function messageSample(result: MessageResult): Sample {
  const lost = result.expected - result.received;
  const offered = result.expected + (result.sent > 0 ? (result.unsent * result.expected) / result.sent : 0);
  const missing = Math.max(0, lost) + offered - result.expected;
  const notes: string[] = [];
  if (lost > 0) notes.push(`${lost} lost`);
  if (lost < 0) notes.push(`${-lost} doubled`);
  if (result.refused > 0) notes.push(`${result.refused} refused`);
  if (result.unsent > 0) notes.push(`${result.unsent} behind the rate`);
  const stalled = result.stalledSeconds > 0 ? `stalled with ${lost} deliveries missing` : undefined;
  const failure = result.failure ?? stalled;
  return {
    metrics: present({
      messagesPerSecond: result.receivedPerSecond,
      cpuMicrosPerMessage: result.brokerCpuMicrosPerMessage,
      residentMiB: result.brokerResidentBytes === undefined ? undefined : result.brokerResidentBytes / MIB,
      deliveryP50Ms: result.delivery?.p50Ms,
      deliveryP99Ms: result.delivery?.p99Ms,
      roundTripP50Ms: result.roundTrip?.p50Ms,
      roundTripP99Ms: result.roundTrip?.p99Ms,
      lostPercent: offered > 0 ? (100 * missing) / offered : 0,
    }),
    generatorLoad: result.generatorLoad,
    ...(result.brokerCpuSeconds === undefined
      ? {}
      : { brokerLoad: result.brokerCpuSeconds / result.seconds }),
    notes,
    ...(failure === undefined ? {} : { failure }),
  };
}

function idleSample(result: IdleResult): Sample {
  const limit = result.cappedByOpenFiles ? ', the limit of open files' : '';
  const notes = [`${result.held} connections held${limit}`];
  return {
    metrics: present({
      bytesPerConnection: result.residentBytesPerConnection,
      cpuPercentWhileHeld:
        result.brokerLoadWhileHeld === undefined ? undefined : result.brokerLoadWhileHeld * 100,
      connectionsPerSecond: result.connectionsPerSecond,
      cpuMicrosPerConnect: result.brokerCpuMicrosPerConnect,
    }),
    generatorLoad: result.generatorLoad,
    notes,
    ...(result.failure === undefined ? {} : { failure: result.failure }),
  };
}

function retainedSample(result: RetainedResult): Sample {
  return {
    metrics: present({
      subscribeP50Ms: result.subscribe?.p50Ms,
      subscribeMaxMs: result.subscribe?.maxMs,
      storedPerSecond: result.storedPerSecond,
      bytesPerRetained: result.residentBytesPerMessage,
    }),
    generatorLoad: result.generatorLoad,
    notes: [`${result.stored} messages stored`],
    ...(result.failure === undefined ? {} : { failure: result.failure }),
  };
}

/** Null where the other generator has no such mode. */
export function mqloadArguments(load: LoadOptions): string[] | null {
  if (load.mode !== 'messages') return null;
  return Object.entries({
    host: load.host,
    port: load.port,
    pubs: load.publishers,
    subs: load.subscribers,
    topics: load.topics,
    spread: load.spread,
    size: load.payloadBytes,
    qos: load.qos,
    inflight: load.inFlight,
    window: load.sparse ? load.publishers : load.window,
    rate: load.rate,
    secs: load.seconds,
    warm: load.warmSeconds,
  })
    .flatMap(([key, value]) => [`--${key}`, String(value)])
    .concat(load.version === 5 ? ['--v5'] : []);
}

/** It reads no broker's CPU time: what the broker used from its start to its end is spread over all it received. */
function mqloadSample(
  result: MqloadResult,
  seconds: number,
  cpuSeconds: number | undefined,
  bytes?: number,
): Sample {
  return {
    metrics: present({
      messagesPerSecond: result.recv_per_s,
      cpuMicrosPerMessage:
        cpuSeconds === undefined ? undefined : (cpuSeconds * 1e6) / Math.max(1, result.recvd),
      residentMiB: bytes === undefined ? undefined : bytes / MIB,
      deliveryP50Ms: result.lat_ms?.p50,
      deliveryP99Ms: result.lat_ms?.p99,
      lostPercent: result.loss_pct,
    }),
    generatorLoad: result.gen_cpu_s / seconds,
    ...(cpuSeconds === undefined ? {} : { brokerLoad: cpuSeconds / seconds }),
    notes: result.expected > result.recvd ? [`${result.expected - result.recvd} lost`] : [],
    ...(result.stall_s > 0
      ? { failure: `stalled with ${result.expected - result.recvd} deliveries missing` }
      : {}),
  };
}

function run(command: readonly string[], timeoutSeconds: number): Promise<{ output: string; error: string }> {
  const [file = '', ...args] = command;
  return new Promise((resolve) => {
    execFile(
      file,
      args,
      { timeout: timeoutSeconds * 1000, killSignal: 'SIGKILL' },
      (error, stdout, stderr) => {
        const reason = stderr.trim().split('\n').at(-1) || error?.message || 'no output';
        resolve({ output: stdout.trim(), error: reason });
      },
    );
  });
}

export interface MeasureOptions {
  readonly core: number | undefined;
  /** Path of the C generator; our own is used when undefined. */
  readonly mqload: string | undefined;
}

export async function measure(
  scenarioLoad: Partial<LoadOptions>,
  peer: RunningPeer,
  options: MeasureOptions,
): Promise<Sample> {
  const load = { ...defaultLoad, ...scenarioLoad, host: peer.host, port: peer.port, brokerPid: peer.pid };
  const patience = load.mode === 'messages' ? PATIENCE_SECONDS : SETUP_PATIENCE_SECONDS;
  const timeoutSeconds = load.warmSeconds + load.seconds + patience;
  const foreign = options.mqload === undefined ? null : mqloadArguments(load);
  const command =
    options.mqload !== undefined && foreign !== null
      ? [options.mqload, ...foreign]
      : [process.execPath, '--import', 'tsx', generator, ...loadArguments(load)];
  const before = processUsage(peer.pid);
  const startedMs = performance.now();
  const { output, error } = await run(pinned(options.core, command), timeoutSeconds);
  const seconds = (performance.now() - startedMs) / 1000;
  const after = processUsage(peer.pid);
  const crash = peer.crash();
  if (!output.startsWith('{')) return { metrics: {}, notes: [], failure: crash ?? error };

  const result: unknown = JSON.parse(output);
  const cpuSeconds = before && after ? after.cpuSeconds - before.cpuSeconds : undefined;
  const sample =
    foreign !== null
      ? mqloadSample(result as MqloadResult, seconds, cpuSeconds, after?.residentBytes)
      : load.mode === 'idle'
        ? idleSample(result as IdleResult)
        : load.mode === 'retained'
          ? retainedSample(result as RetainedResult)
          : messageSample(result as MessageResult);
  return crash === undefined ? sample : { ...sample, failure: crash };
}
