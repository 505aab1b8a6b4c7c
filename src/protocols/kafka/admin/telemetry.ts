/**
 * Metrics that clients push (KIP-714). They come in OpenTelemetry's encoding and go on as they are, decompressed, to the
 * collector of the configuration; without one no client is asked for any. What the collector does not take in time is
 * dropped and counted: nothing waits for it.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../../kernel/clock.ts';
import { CODECS, loadCodec } from '../compression/compression.ts';
import { ErrorCode } from '../messages/errors.ts';
import { ZERO_UUID } from '../schema/fields.ts';
import type { ClientMetrics, MetricsClient } from './client-metrics.ts';

/** Hands a payload on; false when it was dropped. */
export type MetricsSink = (payload: Uint8Array) => boolean;

export interface Subscribed {
  readonly instanceId: string;
  readonly subscriptionId: number;
  readonly intervalMs: number;
  readonly metrics: readonly string[];
}

export interface Push {
  readonly subscriptionId: number;
  readonly isTerminating: boolean;
  readonly compressionType: number;
  readonly metrics: Uint8Array;
}

export interface Telemetry {
  readonly maxBytes: number;
  /** undefined where there is nobody to give metrics to. */
  subscribe(client: MetricsClient): Subscribed | undefined;
  push(client: MetricsClient, push: Push): Promise<ErrorCode>;
}

export interface TelemetryOptions {
  readonly subscriptions: ClientMetrics;
  readonly clock: Clock;
  readonly maxBytes: number;
  readonly sink: MetricsSink | undefined;
  readonly newInstanceId: () => string;
}

interface Instance {
  /** Infinity below zero before its first push. */
  pushedAtMs: number;
  isTerminated: boolean;
}

const MAX_INSTANCES = 20_000;
/** A push that is a little early is one that was sent in time. */
const EARLY_FRACTION = 0.1;
/** What comes out of a compressed payload, as a multiple of what goes in at most. */
const MAX_EXPANSION = 8;

/** The same for as long as the same is wanted of the client. */
function subscriptionIdOf(client: MetricsClient, metrics: readonly string[], intervalMs: number): number {
  const text = JSON.stringify([client.instanceId, metrics, intervalMs]);
  return createHash('sha256').update(text).digest().readInt32BE(0);
}

export function createTelemetry(options: TelemetryOptions): Telemetry {
  const { subscriptions, clock, maxBytes, sink } = options;
  const instances = new Map<string, Instance>();

  const instanceOf = (id: string): Instance => {
    const known = instances.get(id);
    if (known !== undefined) {
      // The one not heard of for longest is the first.
      instances.delete(id);
      instances.set(id, known);
      return known;
    }
    if (instances.size >= MAX_INSTANCES) {
      const [oldest] = instances.keys();
      if (oldest !== undefined) instances.delete(oldest);
    }
    const made = { pushedAtMs: Number.NEGATIVE_INFINITY, isTerminated: false };
    instances.set(id, made);
    return made;
  };

  const subscribed = (client: MetricsClient): Subscribed => {
    const { metrics, intervalMs } = subscriptions.wantedOf(client);
    const subscriptionId = subscriptionIdOf(client, metrics, intervalMs);
    return { instanceId: client.instanceId, subscriptionId, intervalMs, metrics };
  };

  const faultOf = (client: MetricsClient, push: Push): ErrorCode | undefined => {
    const instance = instanceOf(client.instanceId);
    const { subscriptionId, intervalMs } = subscribed(client);
    if (instance.isTerminated) return ErrorCode.INVALID_REQUEST;
    if (push.subscriptionId !== subscriptionId) return ErrorCode.UNKNOWN_SUBSCRIPTION_ID;
    const sinceMs = clock.monotonicMs() - instance.pushedAtMs;
    if (!push.isTerminating && sinceMs < intervalMs * (1 - EARLY_FRACTION))
      return ErrorCode.THROTTLING_QUOTA_EXCEEDED;
    if (push.compressionType < 0 || push.compressionType > CODECS.length)
      return ErrorCode.UNSUPPORTED_COMPRESSION_TYPE;
    if (push.metrics.length > maxBytes) return ErrorCode.TELEMETRY_TOO_LARGE;
    instance.pushedAtMs = clock.monotonicMs();
    instance.isTerminated = push.isTerminating;
    return undefined;
  };

  return {
    maxBytes,
    subscribe(client) {
      if (sink === undefined) return undefined;
      const instanceId = client.instanceId === ZERO_UUID ? options.newInstanceId() : client.instanceId;
      instanceOf(instanceId);
      return subscribed({ ...client, instanceId });
    },
    async push(client, push) {
      if (sink === undefined) return ErrorCode.UNSUPPORTED_VERSION;
      if (client.instanceId === ZERO_UUID) return ErrorCode.INVALID_REQUEST;
      const fault = faultOf(client, push);
      if (fault !== undefined) return fault;
      const name = CODECS[push.compressionType - 1];
      const payload =
        name === undefined
          ? push.metrics
          : (await loadCodec(name)).decompress(push.metrics, maxBytes * MAX_EXPANSION);
      if (payload === 'too-large') return ErrorCode.TELEMETRY_TOO_LARGE;
      if (payload === 'corrupt') return ErrorCode.INVALID_RECORD;
      if (payload.length > 0) sink(payload);
      return ErrorCode.NONE;
    },
  };
}
