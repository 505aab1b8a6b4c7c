import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BOUNDS_SECONDS, Histogram } from '../../src/metrics/histogram.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';

const bucketOf = (microseconds: number): number => {
  const bucket = BOUNDS_SECONDS.findIndex((bound) => microseconds <= Math.round(bound * 1e6));
  return bucket === -1 ? BOUNDS_SECONDS.length : bucket;
};

describe('a histogram', () => {
  it('counts each duration in the first bucket whose bound it does not exceed', () => {
    const durations = fc.oneof(
      fc.integer({ min: 0, max: 20_000_000 }),
      fc.integer({ min: 0, max: 5000 }),
      fc.constantFrom(...BOUNDS_SECONDS.flatMap((bound) => [Math.round(bound * 1e6), bound * 1e6 + 1])),
    );
    fc.assert(
      fc.property(fc.array(durations, { maxLength: 50 }), (all) => {
        const histogram = new Histogram();
        const model = new Array(BOUNDS_SECONDS.length + 1).fill(0) as number[];
        for (const microseconds of all) {
          // As the histogram sees it: the way through milliseconds rounds.
          const milliseconds = microseconds / 1000;
          histogram.record(milliseconds);
          (model[bucketOf(milliseconds * 1000)] as number)++;
        }
        const { counts, count, sumSeconds } = histogram.read();
        expect(counts).toEqual(model);
        expect(count).toBe(all.length);
        expect(sumSeconds).toBeCloseTo(all.reduce((sum, each) => sum + each, 0) / 1e6, 6);
      }),
    );
  });

  it('takes what is no duration as none, and what is longer than anything as that', () => {
    const histogram = new Histogram();
    for (const odd of [-5, Number.NaN, 0, 1e18, Number.POSITIVE_INFINITY]) histogram.record(odd);
    const { counts, count } = histogram.read();
    expect([counts[0], counts.at(-1), count]).toEqual([3, 2, 5]);
  });

  it('is text with cumulative buckets, the last of which is the count', async () => {
    const histogram = new Histogram();
    for (const milliseconds of [0.004, 0.3, 0.3, 70, 60_000]) histogram.record(milliseconds);
    const text = await createMetrics([
      (to) => to.addHistogram('robustmq_http_request_seconds', histogram, { route: 'api', status: '2xx' }),
    ]).text();
    const lines = text.split('\n');
    expect(lines[1]).toBe('# TYPE robustmq_http_request_seconds histogram');
    const of = (bound: string): string | undefined =>
      lines.find((line) => line.includes(`le="${bound}"`))?.split(' ')[1];
    expect(['0.00001', '0.0002', '0.0005', '0.1', '10', '+Inf'].map(of)).toEqual([
      '1',
      '1',
      '3',
      '4',
      '4',
      '5',
    ]);
    expect(lines.at(-3)).toMatch(/^robustmq_http_request_seconds_sum\{route="api",status="2xx"\} 60\.0706/);
    expect(lines.at(-2)).toBe('robustmq_http_request_seconds_count{route="api",status="2xx"} 5');
  });
});
