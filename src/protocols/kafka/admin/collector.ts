/** Hands metrics to a collector: OpenTelemetry over HTTP, a few at a time. What finds no room is dropped and counted. */
import type { MetricsSink } from './telemetry.ts';

export interface CollectorLog {
  warn(fields: object, message: string): void;
}

export interface Collector {
  readonly sink: MetricsSink;
  readonly dropped: number;
  stop(): void;
}

const MAX_AT_ONCE = 4;
const MAX_WAITING_BYTES = 32 * 1024 * 1024;
const TIMEOUT_MS = 10_000;

export function createCollector(endpoint: string, log: CollectorLog): Collector {
  const waiting: Uint8Array[] = [];
  const stopping = new AbortController();
  let waitingBytes = 0;
  let running = 0;
  let dropped = 0;
  let isFailing = false;

  const deliver = async (body: Uint8Array): Promise<void> => {
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const headers = { 'content-type': 'application/x-protobuf' };
    const { ok, status } = await fetch(endpoint, {
      method: 'POST',
      headers,
      body: Buffer.from(body),
      signal,
    });
    if (!ok) throw new Error(`the collector answered ${status}`);
  };

  const work = async (body: Uint8Array): Promise<void> => {
    running++;
    try {
      await deliver(body);
      isFailing = false;
    } catch (error) {
      dropped++;
      // Once until it works again: each client pushes on.
      if (!isFailing && !stopping.signal.aborted) {
        log.warn({ err: error, endpoint }, 'metrics of clients could not be handed on');
      }
      isFailing = true;
    }
    running--;
    const next = waiting.shift();
    if (next === undefined) return;
    waitingBytes -= next.byteLength;
    void work(next);
  };

  return {
    sink(payload) {
      if (stopping.signal.aborted) return false;
      if (running < MAX_AT_ONCE) void work(payload);
      else if (waitingBytes + payload.byteLength > MAX_WAITING_BYTES) {
        dropped++;
        return false;
      } else {
        waiting.push(payload);
        waitingBytes += payload.byteLength;
      }
      return true;
    },
    get dropped() {
      return dropped;
    },
    stop() {
      waiting.length = 0;
      waitingBytes = 0;
      stopping.abort();
    },
  };
}
