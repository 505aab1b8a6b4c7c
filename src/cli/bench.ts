/** `robustmq bench`: load on a broker, and what became of it. */
import { type HoldResult, holdConnections } from '../load/holding.ts';
import { type LoadPlan, type LoadResult, runLoad } from '../load/load.ts';
import { Observe } from '../load/tally.ts';
import { benchClients, numbered } from './bench-clients.ts';
import { createDisplay } from './bench-display.ts';
import {
  type Asked,
  type BenchReport,
  failureText,
  holdReport,
  loadReport,
  reportText,
} from './bench-report.ts';
import { CliError, ExitCode, exitCodeOfRefusal } from './exit-codes.ts';
import { type Io, write } from './io.ts';
import type { ConnectionOptions } from './mqtt-options.ts';

export interface BenchOptions extends ConnectionOptions {
  readonly qos: 0 | 1 | 2;
  readonly clients: number;
  readonly subscribers?: number;
  readonly topic: string;
  readonly size: number;
  readonly rate: number;
  readonly count?: number;
  readonly duration?: number;
  readonly window: number;
  readonly inFlight: number;
  readonly retain?: boolean;
  readonly output: 'text' | 'json';
  readonly quiet?: boolean;
}

export interface BenchConnOptions extends ConnectionOptions {
  readonly clients: number;
  readonly rate: number;
  readonly atOnce: number;
  readonly hold: number;
  readonly output: 'text' | 'json';
  readonly quiet?: boolean;
}

type MessageKind = 'pub' | 'sub' | 'pubsub';

const DEFAULT_DURATION_MS = 10_000;
/** On their way to this process at most, whatever --window says: more is dropped by brokers that bound what they hold. */
const MAX_WINDOW_BYTES = 8 * 1024 * 1024;
/** Blocks of all publishers; each has one message at least. */
const MAX_BLOCKS_BYTES = 1024 * 1024 * 1024;
const MAX_RECEIVED_BYTES = 16 * 1024 * 1024;
const FRAME_HEAD_BYTES = 70_000;
/** A timer is exact to about a millisecond. */
const SPIN_BELOW_MS = 2;

function planOf(kind: MessageKind, options: BenchOptions): Omit<LoadPlan, 'clients'> {
  const { topic, size, qos, count } = options;
  if (topic === '' || topic.includes('\0') || (kind !== 'sub' && /[+#]/.test(topic))) {
    throw new CliError(
      ExitCode.Usage,
      `--topic ${JSON.stringify(topic)}: a topic is not empty and has no + or #`,
    );
  }
  const publishers = kind === 'sub' ? 0 : options.clients;
  const subscribers = kind === 'pub' ? 0 : (options.subscribers ?? options.clients);
  if (publishers * (size + topic.length) > MAX_BLOCKS_BYTES) {
    throw new CliError(
      ExitCode.Usage,
      'that many clients with messages of that size need too much memory here',
    );
  }
  const isNumbered = topic.includes('{i}');
  const fanOf = (publisher: number): number => {
    if (kind !== 'pubsub') return 0;
    if (!isNumbered) return subscribers;
    return Math.floor(subscribers / publishers) + (publisher < subscribers % publishers ? 1 : 0);
  };
  return {
    publishers,
    subscribers,
    qos,
    retain: options.retain === true,
    payloadBytes: size,
    topicOf: (index) => numbered(topic, index),
    // In pairs, where there are topics of their own.
    filterOf: (index) => numbered(topic, kind === 'pubsub' ? index % publishers : index),
    fanOf,
    window: Math.max(fanOf(0), Math.min(options.window, Math.floor(MAX_WINDOW_BYTES / size))),
    inFlight: options.inFlight,
    rate: options.rate,
    tickMicros: 0,
    limit: kind === 'sub' ? Number.POSITIVE_INFINITY : (count ?? Number.POSITIVE_INFINITY),
    receiveLimit: kind === 'sub' ? (count ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY,
    isSampled: options.rate === 0,
    maxFrameBytes: kind === 'pub' ? 4096 : kind === 'sub' ? MAX_RECEIVED_BYTES : size + FRAME_HEAD_BYTES,
    observe: Observe.Stamp,
    spinBelowMs: SPIN_BELOW_MS,
    warmMs: 0,
    durationMs: options.duration ?? (count === undefined ? DEFAULT_DURATION_MS : Number.POSITIVE_INFINITY),
  };
}

/** A signal ends the run with its summary, a second one at once. */
function watchSignals(io: Io): { isStopped(): boolean; forget(): void } {
  let isStopped = false;
  const cleanups = (['SIGINT', 'SIGTERM'] as const).map((signal) =>
    io.onSignal(signal, () => {
      if (isStopped) io.exit(ExitCode.Failed);
      isStopped = true;
    }),
  );
  return {
    isStopped: () => isStopped,
    forget() {
      for (const cleanup of cleanups) cleanup();
    },
  };
}

/** CPU time of this process per second since then. */
function watchLoad(): () => number {
  const startedMs = performance.now();
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000 / Math.max(1, performance.now() - startedMs);
  };
}

const print = (report: BenchReport, output: 'text' | 'json', io: Io): Promise<void> =>
  write(io.out, output === 'json' ? `${JSON.stringify(report, undefined, 2)}\n` : reportText(report));

export async function benchMessages(kind: MessageKind, options: BenchOptions, io: Io): Promise<number> {
  const plan = planOf(kind, options);
  const clients = await benchClients(options, kind === 'pubsub', io);
  const display = createDisplay(options.quiet === true, io);
  const signals = watchSignals(io);
  let loadOf = watchLoad();
  let generatorLoad = 0;
  let hasBegun = false;
  let result: LoadResult;
  try {
    result = await runLoad(
      { ...plan, clients },
      {
        isStopped: signals.isStopped,
        onMeasured(what) {
          hasBegun = true;
          if (what === 'begins') loadOf = watchLoad();
          else generatorLoad = loadOf();
        },
        onSecond({ elapsedMs, sent, received, behind }, { delivery, roundTrip }) {
          const counters = { ...(kind === 'sub' ? {} : { sent }), ...(kind === 'pub' ? {} : { received }) };
          display.show(elapsedMs, counters, delivery.count > 0 ? delivery : roundTrip);
          if (behind > plan.rate) display.note(`${behind} messages behind the rate`);
        },
      },
    );
  } finally {
    signals.forget();
    display.end();
  }
  const { failure, sent, received } = result;
  if (failure !== undefined && (!hasBegun || (sent === 0 && received === 0))) {
    throw new CliError(exitCodeOf(result), failureText(failure, clients.version));
  }
  const asked: Asked = {
    kind,
    publishers: plan.publishers,
    subscribers: plan.subscribers,
    qos: options.qos,
    messageBytes: kind === 'sub' ? null : options.size,
    rate: options.rate,
    version: clients.version,
  };
  const report = loadReport(asked, result, generatorLoad);
  await print(report, options.output, io);
  if (failure !== undefined) throw new CliError(exitCodeOf(result), `ended early: ${report.failure}`);
  const missing = result.expected - result.received;
  if (result.endedBy === 'stall') {
    throw new CliError(
      ExitCode.Failed,
      `ended early: nothing came for ${Math.round(result.stalledMs / 1000)} s`,
    );
  }
  if (result.refused > 0)
    throw new CliError(ExitCode.Failed, `the broker refused ${result.refused} messages`);
  if (options.qos > 0 && missing > 0)
    throw new CliError(ExitCode.Failed, `${missing} messages did not arrive`);
  return ExitCode.Ok;
}

function exitCodeOf({ failure }: Pick<LoadResult, 'failure'>): number {
  if (failure?.kind === 'unreachable' || failure?.kind === 'lost') return ExitCode.Unreachable;
  return exitCodeOfRefusal(failure?.code ?? 0);
}

export async function benchConnections(options: BenchConnOptions, io: Io): Promise<number> {
  const clients = await benchClients(options, false, io);
  const display = createDisplay(options.quiet === true, io);
  const signals = watchSignals(io);
  const loadOf = watchLoad();
  let result: HoldResult;
  try {
    result = await holdConnections(
      { clients, count: options.clients, rate: options.rate, atOnce: options.atOnce, holdMs: options.hold },
      {
        isStopped: signals.isStopped,
        onSecond({ elapsedMs, opened, failed, lost }, connect) {
          display.show(
            elapsedMs,
            { opened, ...(failed + lost > 0 ? { failed: failed + lost } : {}) },
            connect,
          );
        },
      },
    );
  } finally {
    signals.forget();
    display.end();
  }
  const { opened, failed, lost } = result;
  const asked: Asked = {
    kind: 'conn',
    publishers: options.clients,
    subscribers: 0,
    qos: 0,
    messageBytes: null,
    rate: options.rate,
    version: clients.version,
  };
  await print(holdReport(asked, result, loadOf()), options.output, io);
  if (failed + lost === 0) return ExitCode.Ok;
  const codes = new Set(result.failures.map(({ failure }) => exitCodeOf({ failure })));
  const [only] = codes;
  throw new CliError(
    opened === 0 && codes.size === 1 && only !== undefined ? only : ExitCode.Failed,
    `${failed} connections failed and ${lost} were lost`,
  );
}
