/** What is handed out, as OTLP 1.x writes it in JSON: identifiers in hexadecimal, 64-bit numbers as texts, enumerations as numbers. */
import { BOUNDS_SECONDS } from '../metrics/histogram.ts';
import type { Family, Labels, Sample } from '../metrics/metrics.ts';
import type { Span } from './tracer.ts';
import type { Attributes, AttributeValue } from './tracing.ts';

type Json = Readonly<Record<string, unknown>>;

const CUMULATIVE = 2;
const STATUS_ERROR = 2;
const FLAG_SAMPLED = 1;

function anyValue(value: AttributeValue): Json {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isSafeInteger(value) ? { intValue: `${value}` } : { doubleValue: value };
}

const attributesOf = (all: Attributes): Json[] =>
  Object.entries(all).map(([key, value]) => ({ key, value: anyValue(value) }));

/** Microseconds are what the clock has. */
export const unixNano = (milliseconds: number): string =>
  `${BigInt(Math.round(milliseconds * 1000)) * 1000n}`;

export interface Resource {
  readonly attributes: Attributes;
  /** Of the broker. */
  readonly version: string;
}

const scopeOf = ({ version }: Resource): Json => ({ name: 'robustmq', version });

/** Of what a name of ours says. */
function unitOf(name: string): string {
  if (/_seconds(?:_total)?$/.test(name)) return 's';
  if (/_bytes(?:_total)?$/.test(name)) return 'By';
  return '1';
}

function pointOf({ labels, value, distribution }: Sample, times: Json): Json {
  const common = { attributes: attributesOf(labels satisfies Labels), ...times };
  if (distribution === undefined) return { ...common, asDouble: value };
  const { counts, count, sumSeconds } = distribution;
  return {
    ...common,
    count: `${count}`,
    sum: sumSeconds,
    bucketCounts: counts.map((each) => `${each}`),
    explicitBounds: BOUNDS_SECONDS,
  };
}

function metricOf({ name, type, help, samples }: Family, startMs: number, nowMs: number): Json {
  const isGauge = type === 'gauge';
  const times = {
    ...(isGauge ? {} : { startTimeUnixNano: unixNano(startMs) }),
    timeUnixNano: unixNano(nowMs),
  };
  // No number of JSON stands for one that is not finite.
  const dataPoints = samples
    .filter(({ value }) => Number.isFinite(value))
    .map((sample) => pointOf(sample, times));
  const head = { name, description: help, unit: unitOf(name) };
  if (isGauge) return { ...head, gauge: { dataPoints } };
  const data = { dataPoints, aggregationTemporality: CUMULATIVE };
  return type === 'histogram'
    ? { ...head, histogram: data }
    : { ...head, sum: { ...data, isMonotonic: true } };
}

/** `startMs`: since when counters count. */
export function metricsRequest(
  resource: Resource,
  families: readonly Family[],
  startMs: number,
  nowMs: number,
): Json {
  const metrics = families.map((family) => metricOf(family, startMs, nowMs));
  return {
    resourceMetrics: [
      {
        resource: { attributes: attributesOf(resource.attributes) },
        scopeMetrics: [{ scope: scopeOf(resource), metrics }],
      },
    ],
  };
}

const spanJson = (span: Span): Json => ({
  traceId: span.traceId,
  spanId: span.spanId,
  ...(span.parentSpanId === undefined ? {} : { parentSpanId: span.parentSpanId }),
  name: span.name,
  kind: span.kind,
  flags: FLAG_SAMPLED,
  startTimeUnixNano: unixNano(span.startMs),
  endTimeUnixNano: unixNano(Math.max(span.startMs, span.endMs)),
  attributes: attributesOf(span.attributes),
  ...(span.links.length === 0
    ? {}
    : { links: span.links.map(({ traceId, spanId }) => ({ traceId, spanId, flags: FLAG_SAMPLED })) }),
  ...(span.fault === undefined ? {} : { status: { code: STATUS_ERROR, message: span.fault } }),
});

export const tracesRequest = (resource: Resource, spans: readonly Span[]): Json => ({
  resourceSpans: [
    {
      resource: { attributes: attributesOf(resource.attributes) },
      scopeSpans: [{ scope: scopeOf(resource), spans: spans.map(spanJson) }],
    },
  ],
});

export interface PartialSuccess {
  readonly rejected: number;
  /** What the collector says of it; it may say something where it has rejected nothing. */
  readonly message: string;
}

const MAX_MESSAGE = 256;

/** What a collector says of a request that it answered with success. */
export function partialSuccessIn(answer: Readonly<Record<string, unknown>> | undefined): PartialSuccess {
  const partial = answer?.partialSuccess;
  if (typeof partial !== 'object' || partial === null) return { rejected: 0, message: '' };
  const { rejectedDataPoints = 0, rejectedSpans = 0, errorMessage } = partial as Json;
  const rejected = Number(rejectedDataPoints) + Number(rejectedSpans);
  return {
    rejected: Number.isSafeInteger(rejected) && rejected > 0 ? rejected : 0,
    message: typeof errorMessage === 'string' ? errorMessage.slice(0, MAX_MESSAGE) : '',
  };
}
