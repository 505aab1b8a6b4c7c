/** Numbers of blocks that were removed on purpose: `from` and all behind it below `until`. */
export interface Hole {
  readonly from: number;
  readonly until: number;
}

/** Ascending, apart from each other. */
export type Holes = readonly Hole[];

/** What is in any of the holes, with touching ones made one. */
export function mergeHoles(list: readonly Hole[]): Holes {
  const merged: Hole[] = [];
  for (const hole of list.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last === undefined || hole.from > last.until) merged.push(hole);
    else merged[merged.length - 1] = { from: last.from, until: Math.max(last.until, hole.until) };
  }
  return merged;
}

export function holeAt(holes: Holes, number: number): Hole | undefined {
  return holes.find(({ from, until }) => from <= number && number < until);
}

/** The number, or the first behind the hole that it lies in. */
export function skipHole(holes: Holes, number: number): number {
  return holeAt(holes, number)?.until ?? number;
}

/**
 * The last number outside holes for which `holds` does, which it must for all before the first where it does not;
 * -1 when there is none. Asks some 2 log2(n) times.
 */
export async function lastWhere(holes: Holes, holds: (number: number) => Promise<boolean>): Promise<number> {
  let low = -1;
  let step = 1;
  while (await holds(skipHole(holes, low + step))) {
    low += step;
    step *= 2;
  }
  let high = low + step;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (await holds(skipHole(holes, middle))) low = middle;
    else high = middle;
  }
  return low === -1 ? -1 : skipHole(holes, low);
}
