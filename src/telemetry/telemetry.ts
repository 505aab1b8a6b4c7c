/**
 * Telemetry: metrics and spans of messages for a collector of OpenTelemetry, by OTLP over HTTP in JSON. Here live the rules of what
 * is traced (rules.ts), spans (tracer.ts), the wire format (otlp.ts) and the way to the collector (sender.ts). What is counted is
 * in src/metrics/; where spans begin and end is the protocols' business, which see tracing.ts only.
 *
 * Guaranteed: nothing here is waited for while the broker works, whatever the collector does; what waits is bounded, and what is
 * dropped is counted; where nothing is configured nothing is made; values of headers appear in no log.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Collector, Family } from '../metrics/metrics.ts';
import { createHttpClient } from '../security/outbound/request.ts';
import { metricsRequest, type Resource, tracesRequest } from './otlp.ts';
import { createRules } from './rules.ts';
import { createSender, type Sender } from './sender.ts';
import { createTracer } from './tracer.ts';
import type { Tracing } from './tracing.ts';

export interface TelemetryOptions {
  readonly config: Pick<Config, 'telemetry' | 'node'>;
  readonly clock: Clock;
  readonly logger: TelemetryLog;
  /** In [0, 1). */
  readonly random: () => number;
  readonly version: string;
  readonly nodeId: string;
}

export interface TelemetryLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface Telemetry {
  /** Undefined where no rule wants a trace. */
  readonly tracing: Tracing | undefined;
  /** From now on metrics are handed out. */
  start(collect: () => Promise<readonly Family[]>): void;
  /** What is handed out, and what is not, as metrics of its own. */
  readonly source: (to: Collector) => void;
  /** Hands out what there is, for some seconds at most. Idempotent. */
  stop(): Promise<void>;
}

const MAX_ANSWER_BYTES = 64 * 1024;
const MAX_SPANS = 8192;
const SPANS_PER_REQUEST = 1024;
const LAST_CHANCE_MS = 3000;
/** What comes again and again is told so often. */
const TELL_MS = 60_000;
/** How often it is looked whether it is time: intervals may change meanwhile. */
const LOOK_MS = 100;

/** Undefined where there is no collector. */
export function createTelemetry(options: TelemetryOptions): Telemetry | undefined {
  const { clock, logger, random } = options;
  const { telemetry } = options.config;
  if (telemetry.endpoint === '') return undefined;
  const endpoint = telemetry.endpoint.replace(/\/+$/, '');
  const resource = resourceOf(options);
  const startedMs = clock.wallMs();
  const client = createHttpClient({
    timeoutMs: telemetry.timeoutMs,
    maxInFlight: 2,
    maxWaiting: 2,
    maxAnswerBytes: MAX_ANSWER_BYTES,
    allowLinkLocal: false,
    ...(telemetry.caFile === '' ? {} : { ca: authoritiesIn(telemetry.caFile) }),
  });
  const tracer =
    telemetry.traces.rules.length === 0
      ? undefined
      : createTracer({
          rules: createRules(telemetry.traces.rules),
          clock,
          maxPerSecond: () => telemetry.traces.maxPerSecond,
          maxSpans: MAX_SPANS,
          randomBytes,
        });
  const metrics = senderTo('metrics');
  const traces = senderTo('traces');
  let collect: (() => Promise<readonly Family[]>) | undefined;
  let isCollecting = false;
  let metricsMs = clock.monotonicMs();
  let tracesMs = metricsMs;
  let stopping: Promise<void> | undefined;

  function senderTo(signal: 'metrics' | 'traces'): Sender {
    const url = new URL(`${endpoint}/v1/${signal}`);
    const mayTell = atMostEvery(TELL_MS, clock);
    const mayTellOfPart = atMostEvery(TELL_MS, clock);
    let isFailing = false;
    let isTold = false;
    return createSender({
      client,
      url,
      headers: () => Object.fromEntries(telemetry.headers.map(({ name, value }) => [name, value])),
      clock,
      maxBytes: telemetry.maxQueueBytes,
      random,
      // Once until it works again; one that works every other time is told of now and then.
      onFailure(reason) {
        if (!isFailing && mayTell()) {
          logger.warn({ url: url.href, reason }, `${signal} cannot be handed to the collector`);
          isTold = true;
        }
        isFailing = true;
      },
      onSuccess() {
        if (isTold) logger.info({ url: url.href }, `${signal} are handed to the collector again`);
        isFailing = isTold = false;
      },
      onPartialSuccess({ rejected, message }) {
        if (!mayTellOfPart()) return;
        const reason = message === '' ? 'it does not say why' : message;
        if (rejected > 0) logger.warn({ url: url.href, rejected, reason }, `the collector rejects ${signal}`);
        else logger.warn({ url: url.href, reason }, `the collector warns about ${signal}`);
      },
    });
  }

  async function exportMetrics(): Promise<void> {
    if (collect === undefined || isCollecting || !telemetry.metrics.enabled) return;
    isCollecting = true;
    try {
      const families = await collect();
      const points = families.reduce((sum, { samples }) => sum + samples.length, 0);
      metrics.send(JSON.stringify(metricsRequest(resource, families, startedMs, clock.wallMs())), points);
    } catch (error) {
      logger.warn({ err: error }, 'metrics could not be collected');
    } finally {
      isCollecting = false;
    }
  }

  function exportSpans(): void {
    const spans = tracer?.take() ?? [];
    for (let at = 0; at < spans.length; at += SPANS_PER_REQUEST) {
      const some = spans.slice(at, at + SPANS_PER_REQUEST);
      traces.send(JSON.stringify(tracesRequest(resource, some)), some.length);
    }
  }

  const stopLooking = clock.every(LOOK_MS, () => {
    const nowMs = clock.monotonicMs();
    if (nowMs - metricsMs >= telemetry.metrics.intervalMs) {
      metricsMs = nowMs;
      void exportMetrics();
    }
    if (tracer !== undefined && nowMs - tracesMs >= telemetry.traces.intervalMs) {
      tracesMs = nowMs;
      exportSpans();
    }
  });

  async function stopAll(): Promise<void> {
    stopLooking();
    exportSpans();
    await exportMetrics();
    await Promise.all([metrics.stop(LAST_CHANCE_MS), traces.stop(LAST_CHANCE_MS)]);
    client.close();
  }

  return {
    tracing: tracer,
    start(by) {
      collect = by;
    },
    source(to) {
      for (const [signal, { counters }] of [['metrics', metrics] as const, ['traces', traces] as const]) {
        for (const [result, count] of Object.entries(counters)) {
          const more = signal === 'traces' && result === 'dropped' ? (tracer?.counters().dropped ?? 0) : 0;
          to.add('robustmq_telemetry_items_total', count + more, { signal, result });
        }
      }
      to.add('robustmq_telemetry_traces_limited_total', tracer?.counters().limited ?? 0);
    },
    stop() {
      stopping ??= stopAll();
      return stopping;
    },
  };
}

function atMostEvery(intervalMs: number, clock: Clock): () => boolean {
  let lastMs = Number.NEGATIVE_INFINITY;
  return () => {
    const nowMs = clock.monotonicMs();
    if (nowMs - lastMs < intervalMs) return false;
    lastMs = nowMs;
    return true;
  };
}

function authoritiesIn(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`telemetry.caFile cannot be read: ${reason}`);
  }
}

function resourceOf({ config, version, nodeId }: TelemetryOptions): Resource {
  const own = Object.fromEntries(config.telemetry.attributes.map(({ name, value }) => [name, value]));
  const attributes = {
    'service.name': 'robustmq',
    'service.version': version,
    'service.instance.id': nodeId === '' ? config.node.name : nodeId,
    'robustmq.node.name': config.node.name,
    ...own,
  };
  return { attributes, version };
}
