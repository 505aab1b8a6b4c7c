/** A collector of OpenTelemetry that tests look into: it reads the JSON of OTLP as the specification has it. */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

export type Value = string | number | boolean;

export interface SeenSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly kind: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, Value>>;
  readonly links: readonly string[];
  readonly fault: string | undefined;
}

export interface SeenMetric {
  readonly name: string;
  readonly unit: string;
  readonly kind: 'gauge' | 'sum' | 'histogram';
  readonly points: readonly {
    readonly attributes: Readonly<Record<string, Value>>;
    readonly value: number;
    readonly buckets: readonly number[] | undefined;
    readonly bounds: readonly number[] | undefined;
  }[];
}

export interface Request {
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly resource: Readonly<Record<string, Value>>;
  readonly spans: readonly SeenSpan[];
  readonly metrics: readonly SeenMetric[];
}

export interface Answer {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
  /** It takes the request and says nothing. */
  readonly hangs?: boolean;
}

export interface TestCollector {
  readonly url: string;
  readonly requests: Request[];
  /** Of the next requests; afterwards all are taken. */
  readonly answers: Answer[];
  spans(): SeenSpan[];
  close(): Promise<void>;
}

type Json = Record<string, unknown>;
const listOf = (value: unknown): Json[] => (value ?? []) as Json[];

function valueOfAny(any: Json): Value {
  if (typeof any.stringValue === 'string') return any.stringValue;
  if (typeof any.boolValue === 'boolean') return any.boolValue;
  if (typeof any.intValue === 'string') return Number(any.intValue);
  if (typeof any.doubleValue === 'number') return any.doubleValue;
  throw new Error(`no value: ${JSON.stringify(any)}`);
}

const attributesOf = (list: unknown): Record<string, Value> =>
  Object.fromEntries(listOf(list).map(({ key, value }) => [key as string, valueOfAny(value as Json)]));

function nanosToMs(text: unknown): number {
  if (typeof text !== 'string' || !/^\d{19}$/.test(text)) throw new Error(`no time: ${JSON.stringify(text)}`);
  return Number(BigInt(text) / 1000n) / 1000;
}

function hex(text: unknown, digits: number): string {
  if (typeof text !== 'string' || !new RegExp(`^[0-9a-f]{${digits}}$`).test(text)) {
    throw new Error(`no identifier: ${JSON.stringify(text)}`);
  }
  return text;
}

const spanOf = (span: Json): SeenSpan => ({
  traceId: hex(span.traceId, 32),
  spanId: hex(span.spanId, 16),
  parentSpanId: span.parentSpanId === undefined ? undefined : hex(span.parentSpanId, 16),
  name: span.name as string,
  kind: span.kind as number,
  startMs: nanosToMs(span.startTimeUnixNano),
  endMs: nanosToMs(span.endTimeUnixNano),
  attributes: attributesOf(span.attributes),
  links: listOf(span.links).map(({ traceId }) => hex(traceId, 32)),
  fault: (span.status as Json | undefined)?.message as string | undefined,
});

function metricOf(metric: Json): SeenMetric {
  const kind = (['gauge', 'sum', 'histogram'] as const).find((each) => each in metric);
  if (kind === undefined) throw new Error(`no data: ${JSON.stringify(metric)}`);
  const data = metric[kind] as Json;
  if (kind !== 'gauge' && data.aggregationTemporality !== 2) throw new Error('not cumulative');
  if (kind === 'sum' && data.isMonotonic !== true) throw new Error('not monotonic');
  const points = listOf(data.dataPoints).map((point) => {
    nanosToMs(point.timeUnixNano);
    if (kind !== 'gauge') nanosToMs(point.startTimeUnixNano);
    return {
      attributes: attributesOf(point.attributes),
      value: kind === 'histogram' ? Number(point.count as string) : (point.asDouble as number),
      buckets: (point.bucketCounts as string[] | undefined)?.map(Number),
      bounds: point.explicitBounds as number[] | undefined,
    };
  });
  return { name: metric.name as string, unit: metric.unit as string, kind, points };
}

function requestOf(path: string, headers: http.IncomingHttpHeaders, body: Json): Request {
  const [resourceSpans] = listOf(body.resourceSpans);
  const [resourceMetrics] = listOf(body.resourceMetrics);
  const { resource } = (resourceSpans ?? resourceMetrics) as { resource: Json };
  return {
    path,
    headers,
    resource: attributesOf(resource.attributes),
    spans: listOf(resourceSpans?.scopeSpans).flatMap(({ spans }) => listOf(spans).map(spanOf)),
    metrics: listOf(resourceMetrics?.scopeMetrics).flatMap(({ metrics }) => listOf(metrics).map(metricOf)),
  };
}

export async function startCollector(): Promise<TestCollector> {
  const requests: Request[] = [];
  const answers: Answer[] = [];
  const server = http.createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request.setEncoding('utf8')) text += chunk;
    requests.push(requestOf(request.url ?? '', request.headers, JSON.parse(text) as Json));
    const { status = 200, headers = {}, body = {}, hangs = false } = answers.shift() ?? {};
    if (hangs) return;
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answers,
    spans: () => requests.flatMap(({ spans }) => spans),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
