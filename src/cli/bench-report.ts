/** What `robustmq bench` says at its end: one object with the same fields always, or lines for people. */
import type { Failure } from '../load/connection.ts';
import { type Histogram, type LatencySummary, summarize } from '../load/histogram.ts';
import type { HoldResult } from '../load/holding.ts';
import type { LoadResult } from '../load/load.ts';
import { describeReason } from './mqtt-client.ts';

export type BenchKind = 'pub' | 'sub' | 'pubsub' | 'conn';

/** Scripts rely on these names; null is what the kind of run does not have. */
export interface BenchReport {
  readonly kind: BenchKind;
  readonly endedBy: 'duration' | 'count' | 'signal' | 'failure' | 'stall';
  readonly failure: string | null;
  readonly seconds: number;
  readonly publishers: number;
  readonly subscribers: number;
  readonly qos: number;
  /** Payload of what is sent. */
  readonly messageBytes: number | null;
  /** Asked for; null is as fast as possible. */
  readonly rate: number | null;
  readonly sent: number | null;
  readonly sentPerSecond: number | null;
  readonly received: number | null;
  readonly receivedPerSecond: number | null;
  readonly receivedBytesPerSecond: number | null;
  readonly acknowledged: number | null;
  /** By the broker. */
  readonly refused: number | null;
  /** Deliveries that did not arrive. */
  readonly missing: number | null;
  /** Due by the rate and not sent. */
  readonly behind: number | null;
  /** From when a message was due until it arrived. */
  readonly delivery: LatencySummary | null;
  /** From when a message was due until it was acknowledged. */
  readonly acknowledgement: LatencySummary | null;
  readonly connections: {
    readonly opened: number;
    readonly failed: number;
    readonly lost: number;
    readonly perSecond: number;
    readonly failures: readonly { readonly reason: string; readonly count: number }[];
  } | null;
  /** From when a connection was due until the broker accepted it. */
  readonly connect: LatencySummary | null;
  /** CPU time of this process per second: near 1 it may be the generator that is measured. */
  readonly generatorLoad: number;
}

export interface Asked {
  readonly kind: BenchKind;
  readonly publishers: number;
  readonly subscribers: number;
  readonly qos: number;
  readonly messageBytes: number | null;
  readonly rate: number;
  readonly version: number;
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));

function latency(histogram: Histogram): LatencySummary | null {
  if (histogram.count === 0) return null;
  const { count, ...rest } = summarize(histogram);
  const ms = (name: keyof typeof rest): number => rounded(rest[name], 3);
  return {
    count,
    meanMs: ms('meanMs'),
    p50Ms: ms('p50Ms'),
    p90Ms: ms('p90Ms'),
    p99Ms: ms('p99Ms'),
    p999Ms: ms('p999Ms'),
    maxMs: ms('maxMs'),
  };
}

export function failureText({ reason, code }: Failure, version: number): string {
  return code === undefined || version !== 5 ? reason : `${reason} (${describeReason(code)})`;
}

const ENDS = {
  duration: 'duration',
  limit: 'count',
  stop: 'signal',
  failure: 'failure',
  stall: 'stall',
} as const;

export function loadReport(asked: Asked, result: LoadResult, generatorLoad: number): BenchReport {
  const { kind, version, rate, ...shown } = asked;
  const { measured, seconds, tally, failure } = result;
  const publishes = kind !== 'sub';
  const subscribes = kind !== 'pub';
  const perSecond = (count: number): number => (seconds > 0 ? rounded(count / seconds, 1) : 0);
  return {
    kind,
    endedBy: ENDS[result.endedBy],
    failure: failure === undefined ? null : failureText(failure, version),
    seconds: rounded(seconds, 3),
    ...shown,
    rate: rate > 0 ? rate : null,
    sent: publishes ? result.sent : null,
    sentPerSecond: publishes ? perSecond(measured.sent) : null,
    received: subscribes ? result.received : null,
    receivedPerSecond: subscribes ? perSecond(measured.received) : null,
    receivedBytesPerSecond: subscribes ? Math.round(perSecond(result.receivedBytes)) : null,
    acknowledged: publishes && asked.qos > 0 ? result.acknowledged : null,
    refused: publishes && asked.qos > 0 ? result.refused : null,
    missing: kind === 'pubsub' ? Math.max(0, result.expected - result.received) : null,
    behind: publishes && rate > 0 ? result.behind : null,
    delivery: latency(tally.delivery),
    acknowledgement: latency(tally.roundTrip),
    connections: null,
    connect: null,
    generatorLoad: rounded(generatorLoad, 2),
  };
}

export function holdReport(asked: Asked, result: HoldResult, generatorLoad: number): BenchReport {
  const { kind, version, rate, ...shown } = asked;
  const { opened, failed, lost, connectSeconds } = result;
  const failures = result.failures.map(({ failure, count }) => ({
    reason: failureText(failure, version),
    count,
  }));
  return {
    kind,
    endedBy: result.wasStopped ? 'signal' : failed + lost > 0 ? 'failure' : 'duration',
    failure: failures[0]?.reason ?? null,
    seconds: rounded(result.elapsedMs / 1000, 3),
    ...shown,
    rate: rate > 0 ? rate : null,
    sent: null,
    sentPerSecond: null,
    received: null,
    receivedPerSecond: null,
    receivedBytesPerSecond: null,
    acknowledged: null,
    refused: null,
    missing: null,
    behind: null,
    delivery: null,
    acknowledgement: null,
    connections: {
      opened,
      failed,
      lost,
      perSecond: connectSeconds > 0 ? rounded(opened / connectSeconds, 1) : 0,
      failures,
    },
    connect: latency(result.connect),
    generatorLoad: rounded(generatorLoad, 2),
  };
}

export const grouped = (value: number): string => Math.round(value).toLocaleString('en-US');

const plural = (count: number, what: string): string => `${grouped(count)} ${what}${count === 1 ? '' : 's'}`;

const milliseconds = (ms: number): string =>
  ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : ms.toFixed(0);

export function latencyText(of: Pick<LatencySummary, 'p50Ms' | 'p99Ms'>): string {
  return `p50 ${milliseconds(of.p50Ms)} ms, p99 ${milliseconds(of.p99Ms)} ms`;
}

/** A line for each figure that there is. */
export function reportText(report: BenchReport): string {
  const { kind, publishers, subscribers, qos, messageBytes, rate, connections } = report;
  const who =
    kind === 'conn'
      ? plural(publishers, 'connection')
      : [
          ...(publishers > 0 ? [plural(publishers, 'publisher')] : []),
          ...(subscribers > 0 ? [plural(subscribers, 'subscriber')] : []),
          `QoS ${qos}`,
          ...(messageBytes === null ? [] : [`${grouped(messageBytes)} bytes`]),
        ].join(', ');
  const asked = rate === null ? '' : `, ${grouped(rate)}/s asked for`;
  const lines: [string, string][] = [];
  const counted = (name: string, count: number | null, perSecond?: number | null): void => {
    if (count === null) return;
    lines.push([name, grouped(count) + (perSecond == null ? '' : `  (${grouped(perSecond)}/s)`)]);
  };
  counted('sent', report.sent, report.sentPerSecond);
  counted('received', report.received, report.receivedPerSecond);
  counted('acknowledged', report.acknowledged);
  for (const name of ['refused', 'missing', 'behind'] as const) {
    if ((report[name] ?? 0) > 0) counted(name, report[name]);
  }
  if (connections !== null) {
    counted('opened', connections.opened, connections.perSecond);
    if (connections.failed > 0) counted('failed', connections.failed);
    if (connections.lost > 0) counted('lost', connections.lost);
    for (const { reason, count } of connections.failures) lines.push(['', `${grouped(count)} × ${reason}`]);
  }
  for (const name of ['delivery', 'acknowledgement', 'connect'] as const) {
    const { [name]: of } = report;
    if (of === null) continue;
    const rest = `p90 ${milliseconds(of.p90Ms)}, p99 ${milliseconds(of.p99Ms)}, p99.9 ${milliseconds(of.p999Ms)}`;
    lines.push([
      name,
      `p50 ${milliseconds(of.p50Ms)} ms, ${rest}, max ${milliseconds(of.maxMs)}  (${grouped(of.count)} measured)`,
    ]);
  }
  const load = report.generatorLoad;
  if (load > 0.9)
    lines.push(['generator', `${Math.round(load * 100)} % of a core: it may be what is measured`]);
  const width = Math.max(0, ...lines.map(([name]) => name.length));
  const body = lines.map(([name, text]) => `${name.padEnd(width)}  ${text}\n`).join('');
  return `${kind}: ${who}${asked}; ${report.seconds.toFixed(1)} s, ended by ${report.endedBy}\n${body}`;
}
