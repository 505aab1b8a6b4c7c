/** What `robustmq bench` shows while it runs, on standard error: one line in place at a terminal, otherwise a line each second. */
import { createHistogram, type Histogram, percentileMs } from '../load/histogram.ts';
import { grouped, latencyText } from './bench-report.ts';
import type { Io } from './io.ts';

export interface Display {
  /** Counters since the beginning; what is shown is their growth per second, and latency since the last line. */
  show(elapsedMs: number, counters: Readonly<Record<string, number>>, latency?: Histogram): void;
  /** A remark behind the figures. */
  note(text: string): void;
  /** What follows begins on a line of its own. */
  end(): void;
}

const REDRAW = '\r\u001b[K';

/** Latencies since `before`, which becomes `now`. */
function since(before: Histogram, now: Histogram): Histogram {
  const grown = createHistogram();
  for (const [bucket, count] of now.buckets.entries()) {
    grown.buckets[bucket] = count - (before.buckets[bucket] ?? 0);
    before.buckets[bucket] = count;
  }
  grown.count = now.count - before.count;
  grown.maxMicros = now.maxMicros;
  before.count = now.count;
  return grown;
}

export function createDisplay(isQuiet: boolean, io: Io): Display {
  if (isQuiet) return { show: () => {}, note: () => {}, end: () => {} };
  const isLive = io.err.isTTY === true;
  const shown = createHistogram();
  let beforeMs = 0;
  let before: Readonly<Record<string, number>> = {};
  let hasLine = false;
  return {
    show(elapsedMs, counters, latency) {
      const seconds = Math.max(0.001, (elapsedMs - beforeMs) / 1000);
      const parts = Object.entries(counters).map(
        ([name, count]) => `${name} ${grouped((count - (before[name] ?? 0)) / seconds)}/s`,
      );
      if (latency !== undefined && latency.count > shown.count) {
        const grown = since(shown, latency);
        parts.push(latencyText({ p50Ms: percentileMs(grown, 0.5), p99Ms: percentileMs(grown, 0.99) }));
      }
      beforeMs = elapsedMs;
      before = counters;
      const line = `${(elapsedMs / 1000).toFixed(0)} s  ${parts.join('  ')}`;
      io.err.write(isLive ? `${REDRAW}${line}` : `${line}\n`);
      hasLine = isLive;
    },
    note: (text) => void io.err.write(isLive ? `  (${text})` : `${text}\n`),
    end() {
      if (hasLine) io.err.write('\n');
      hasLine = false;
    },
  };
}
