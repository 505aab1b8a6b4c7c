import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHistogram, percentileMs, record, summarize } from '../../src/load/histogram.ts';

describe('the latency histogram', () => {
  it('gives the percentiles of a sorted list, to within 0.8 % and a microsecond', () => {
    const latency = fc.double({ min: 0, max: 60_000, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(latency, { minLength: 1, maxLength: 300 }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (all, share) => {
          const histogram = createHistogram();
          for (const ms of all) record(histogram, ms);
          const sorted = [...all].sort((a, b) => a - b);
          const exact = sorted[Math.max(1, Math.ceil(all.length * share)) - 1] ?? 0;
          expect(Math.abs(percentileMs(histogram, share) - exact)).toBeLessThanOrEqual(exact * 0.008 + 0.001);
        },
      ),
    );
  });

  it('keeps the largest value exactly and says nothing of nothing', () => {
    const histogram = createHistogram();
    expect(percentileMs(histogram, 0.5)).toBeNaN();
    record(histogram, 1e9);
    record(histogram, -1);
    expect(summarize(histogram)).toMatchObject({ count: 2, maxMs: 1e9 });
  });
});
