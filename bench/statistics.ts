/** Repeats of one measurement become one figure: the median, which one disturbed run cannot move. */

export function median(values: readonly number[]): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return Number.NaN;
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Half the distance between the extremes, as a share of the median: how far the repeats disagree. */
export function spread(values: readonly number[]): number {
  const finite = values.filter((value) => !Number.isNaN(value));
  const centre = median(finite);
  return finite.length < 2 || centre === 0
    ? 0
    : (Math.max(...finite) - Math.min(...finite)) / 2 / Math.abs(centre);
}
