/**
 * Requests of one kind to the collector: one under way, others in a queue that is bounded in bytes. What may succeed later is
 * tried again, later each time; nobody waits for any of it, and what finds no room or no ear is counted.
 */
import type { Clock } from '../kernel/clock.ts';
import { type HttpClient, jsonObject } from '../security/outbound/request.ts';
import { type PartialSuccess, partialSuccessIn } from './otlp.ts';

export interface SenderOptions {
  readonly client: HttpClient;
  readonly url: URL;
  readonly headers: () => Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly maxBytes: number;
  /** In [0, 1). */
  readonly random: () => number;
  /** `reason` never has what was sent. */
  readonly onFailure: (reason: string) => void;
  readonly onSuccess: () => void;
  /** It took the request, and has something to say. */
  readonly onPartialSuccess: (said: PartialSuccess) => void;
}

export interface SenderCounters {
  /** Data points or spans. */
  sent: number;
  /** The collector took the request and not those. */
  rejected: number;
  /** No room, or given up. */
  dropped: number;
}

export interface Sender {
  readonly counters: Readonly<SenderCounters>;
  send(body: string, items: number): void;
  /** Resolves once nothing waits, or `timeoutMs` is over; what is left is dropped. Nothing is tried again. */
  stop(timeoutMs: number): Promise<void>;
}

interface Batch {
  readonly body: string;
  readonly bytes: number;
  readonly items: number;
  attempts: number;
}

/** OTLP 1.x, "Retryable Response Codes". */
const RETRYABLE = new Set([429, 502, 503, 504]);
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;
/** Some ten minutes. */
const MAX_ATTEMPTS = 15;
const MAX_RETRY_AFTER_MS = 300_000;

/** Seconds, or a date. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const waitMs = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(waitMs, 0), MAX_RETRY_AFTER_MS);
}

type Outcome =
  | { readonly kind: 'sent'; readonly said: PartialSuccess }
  | { readonly kind: 'again' | 'lost'; readonly reason: string; readonly waitMs?: number };

export function createSender(options: SenderOptions): Sender {
  const { client, url, headers, clock, maxBytes, random } = options;
  const { onFailure, onSuccess, onPartialSuccess } = options;
  const counters: SenderCounters = { sent: 0, rejected: 0, dropped: 0 };
  const waiting: Batch[] = [];
  const stopping = new AbortController();
  let waitingBytes = 0;
  let isRunning = false;
  let isStopping = false;
  let wake: (() => void) | undefined;
  let idle: (() => void) | undefined;

  async function attempt({ body }: Batch): Promise<Outcome> {
    try {
      const answer = await client.send({
        method: 'POST',
        url,
        headers: { 'content-type': 'application/json', ...headers() },
        body,
        signal: stopping.signal,
      });
      if (answer === 'busy') return { kind: 'again', reason: 'too many requests are under way' };
      const { status } = answer;
      if (status >= 200 && status < 300)
        return { kind: 'sent', said: partialSuccessIn(jsonObject(answer.body)) };
      const reason = `the collector answered ${status}`;
      if (!RETRYABLE.has(status)) return { kind: 'lost', reason };
      const waitMs = retryAfterMs(answer.retryAfter, clock.wallMs());
      return waitMs === undefined ? { kind: 'again', reason } : { kind: 'again', reason, waitMs };
    } catch (error) {
      return { kind: 'again', reason: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Half of it is chance, so that brokers do not come back together. */
  function backOffMs(attempts: number): number {
    const fullMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempts - 1));
    return fullMs / 2 + (fullMs / 2) * random();
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const stop = clock.every(Math.max(1, ms), () => wake?.());
      wake = () => {
        stop();
        wake = undefined;
        resolve();
      };
    });
  }

  function giveUp(batch: Batch): void {
    counters.dropped += batch.items;
  }

  function shift(): void {
    waitingBytes -= waiting.shift()?.bytes ?? 0;
  }

  async function run(): Promise<void> {
    isRunning = true;
    for (let batch = waiting[0]; batch !== undefined; batch = waiting[0]) {
      const outcome = await attempt(batch);
      batch.attempts++;
      if (outcome.kind === 'sent') {
        const { said } = outcome;
        const rejected = Math.min(said.rejected, batch.items);
        counters.sent += batch.items - rejected;
        counters.rejected += rejected;
        shift();
        onSuccess();
        if (rejected > 0 || said.message !== '') onPartialSuccess(said);
        continue;
      }
      if (!stopping.signal.aborted) onFailure(outcome.reason);
      if (outcome.kind === 'lost' || isStopping || batch.attempts >= MAX_ATTEMPTS) {
        giveUp(batch);
        shift();
        continue;
      }
      // A collector that says "at once" is not asked in a circle.
      await pause(Math.max(outcome.waitMs ?? 0, backOffMs(batch.attempts)));
    }
    isRunning = false;
    idle?.();
  }

  return {
    counters,
    send(body, items) {
      const bytes = Buffer.byteLength(body);
      if (waitingBytes + bytes > maxBytes) {
        counters.dropped += items;
        return;
      }
      waiting.push({ body, bytes, items, attempts: 0 });
      waitingBytes += bytes;
      if (!isRunning) void run();
    },
    async stop(timeoutMs) {
      isStopping = true;
      wake?.();
      if (!isRunning) return;
      await new Promise<void>((resolve) => {
        // In real time whatever the clock: one that stands still must not keep a process from stopping.
        const timer = setTimeout(() => stopping.abort(), timeoutMs);
        idle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    },
  };
}
