/** How long requests take, by API: from when one runs until it is answered. */
import { Histogram } from '../../metrics/histogram.ts';
import type { Api } from './messages/apis.ts';

export interface RequestTimes {
  record(api: Api, milliseconds: number): void;
  /** Of those that were asked for. */
  all(): Iterable<readonly [api: string, histogram: Histogram]>;
}

export function createRequestTimes(): RequestTimes {
  const byKey: (Histogram | undefined)[] = [];
  const byName = new Map<string, Histogram>();
  return {
    record(api, milliseconds) {
      let histogram = byKey[api.key];
      if (histogram === undefined) {
        histogram = new Histogram();
        byKey[api.key] = histogram;
        byName.set(api.name, histogram);
      }
      histogram.record(milliseconds);
    },
    all: () => byName,
  };
}
