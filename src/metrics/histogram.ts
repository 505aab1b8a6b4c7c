/**
 * Durations, counted in buckets whose bounds are the same for all: 1, 2, 5 in each power of ten from 10 µs to 10 s, as SLOs are
 * written. One record is a few array accesses; nothing is allocated, and nothing is summed up before somebody looks.
 */

/** Upper bounds, inclusive; one more bucket has what is above. */
export const BOUNDS_SECONDS: readonly number[] = [
  0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1,
  2, 5, 10,
];

export interface Distribution {
  /** Of each bucket by itself, the one without a bound last. */
  readonly counts: readonly number[];
  readonly count: number;
  readonly sumSeconds: number;
}

const BUCKETS = BOUNDS_SECONDS.length + 1;
const SUM_MS = BUCKETS;
const BOUNDS_US = BOUNDS_SECONDS.map((bound) => Math.round(bound * 1e6));
const LAST_BOUND_US = BOUNDS_US.at(-1) ?? 0;

/**
 * Bounds are at least a factor of two apart: between two powers of two lies at most one of them. So the exponent says which
 * bucket it is, or that it is the next one.
 */
const FIRST_BUCKET = new Uint8Array(33);
const FIRST_BOUND_US = new Float64Array(33);
for (let exponent = 0; exponent <= 32; exponent++) {
  const above = exponent === 0 ? 0 : 2 ** (exponent - 1);
  const first = BOUNDS_US.findIndex((bound) => bound > above);
  FIRST_BUCKET[exponent] = first === -1 ? BUCKETS - 1 : first;
  FIRST_BOUND_US[exponent] = first === -1 ? Number.POSITIVE_INFINITY : (BOUNDS_US[first] as number);
}

export class Histogram {
  readonly #cells = new Float64Array(BUCKETS + 1);

  record(milliseconds: number): void {
    const cells = this.#cells;
    const microseconds = milliseconds * 1000;
    // (2^(e-1), 2^e]; what is not a duration at all counts as none.
    const exponent = microseconds > 1 ? 32 - Math.clz32(Math.ceil(microseconds) - 1) : 0;
    const bucket =
      microseconds > LAST_BOUND_US
        ? BUCKETS - 1
        : (FIRST_BUCKET[exponent] as number) + (microseconds > (FIRST_BOUND_US[exponent] as number) ? 1 : 0);
    (cells[bucket] as number)++;
    if (milliseconds > 0) (cells[SUM_MS] as number) += milliseconds;
  }

  read(): Distribution {
    const counts = [...this.#cells.subarray(0, BUCKETS)];
    const count = counts.reduce((sum, each) => sum + each, 0);
    return { counts, count, sumSeconds: (this.#cells[SUM_MS] as number) / 1000 };
  }
}
