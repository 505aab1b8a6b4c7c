/** How long requests of HTTP take, by what they are for and how they end: few words each, whatever is asked for. */
import type { ServerResponse } from 'node:http';
import { Histogram } from '../metrics/histogram.ts';

export interface HttpTimes {
  /** Recorded once the answer has left, or whoever asked has gone. */
  begin(route: string, response: ServerResponse): void;
  all(): Iterable<{ readonly route: string; readonly status: string; readonly histogram: Histogram }>;
}

/** Of those who went without an answer. */
const GONE = 'none';

export function createHttpTimes(nowMs: () => number): HttpTimes {
  const byKey = new Map<string, { route: string; status: string; histogram: Histogram }>();
  return {
    begin(route, response) {
      const startedMs = nowMs();
      response.once('close', () => {
        const status = response.writableFinished ? `${Math.floor(response.statusCode / 100)}xx` : GONE;
        const key = `${route} ${status}`;
        let known = byKey.get(key);
        if (known === undefined) {
          known = { route, status, histogram: new Histogram() };
          byKey.set(key, known);
        }
        known.histogram.record(nowMs() - startedMs);
      });
    },
    all: () => byKey.values(),
  };
}
