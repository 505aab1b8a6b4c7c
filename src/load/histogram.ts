/**
 * Latencies in log-linear buckets: 128 per power of two of microseconds, so a percentile is exact to 0.8 % at any
 * magnitude and recording is a few integer operations. Values above the range are counted in the last bucket.
 */

const SUB_BITS = 7;
const SUB = 1 << SUB_BITS;
/** Up to 2^33 microseconds, a little over two hours. */
const MAX_EXPONENT = 33;
const BUCKETS = (MAX_EXPONENT - SUB_BITS + 2) * SUB;

export interface Histogram {
  readonly buckets: Float64Array;
  count: number;
  sumMicros: number;
  maxMicros: number;
}

export interface LatencySummary {
  readonly count: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

export function createHistogram(): Histogram {
  return { buckets: new Float64Array(BUCKETS), count: 0, sumMicros: 0, maxMicros: 0 };
}

function bucketOf(micros: number): number {
  if (micros < SUB) return micros | 0;
  const exponent = Math.floor(Math.log2(micros));
  if (exponent > MAX_EXPONENT) return BUCKETS - 1;
  const shift = exponent - SUB_BITS;
  return (shift + 1) * SUB + (Math.floor(micros / 2 ** shift) - SUB);
}

/** The middle of a bucket. */
function middleOf(bucket: number): number {
  if (bucket < SUB) return bucket + 0.5;
  const shift = Math.floor(bucket / SUB) - 1;
  return (SUB + (bucket % SUB) + 0.5) * 2 ** shift;
}

export function record(histogram: Histogram, ms: number): void {
  const micros = ms > 0 ? ms * 1000 : 0;
  const bucket = bucketOf(micros);
  histogram.buckets[bucket] = (histogram.buckets[bucket] ?? 0) + 1;
  histogram.count++;
  histogram.sumMicros += micros;
  if (micros > histogram.maxMicros) histogram.maxMicros = micros;
}

/** The smallest value that at least `share` of the records do not exceed; NaN when nothing was recorded. */
export function percentileMs(histogram: Histogram, share: number): number {
  if (histogram.count === 0) return Number.NaN;
  const wanted = Math.max(1, Math.ceil(histogram.count * share));
  let seen = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    seen += histogram.buckets[bucket] ?? 0;
    if (seen >= wanted) return Math.min(middleOf(bucket), histogram.maxMicros) / 1000;
  }
  return histogram.maxMicros / 1000;
}

export function summarize(histogram: Histogram): LatencySummary {
  return {
    count: histogram.count,
    meanMs: histogram.sumMicros / histogram.count / 1000,
    p50Ms: percentileMs(histogram, 0.5),
    p90Ms: percentileMs(histogram, 0.9),
    p99Ms: percentileMs(histogram, 0.99),
    p999Ms: percentileMs(histogram, 0.999),
    maxMs: histogram.maxMicros / 1000,
  };
}
