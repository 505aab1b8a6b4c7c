/** How often a piece of work can be done, by processor time: other work on the machine disturbs that less than a clock. */

const ROUNDS = 3;
const WARM_CALLS = 20;

/** Calls per second of a processor; the best round counts. */
export function processorRate(secondsPerFigure: number, work: () => void): number {
  for (let i = 0; i < WARM_CALLS; i++) work();
  let best = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const started = process.cpuUsage();
    let calls = 0;
    let micros = 0;
    for (let step = 1; micros < secondsPerFigure * 1e6; step *= 2) {
      for (let i = 0; i < step; i++) work();
      calls += step;
      const { user, system } = process.cpuUsage(started);
      micros = user + system;
    }
    best = Math.max(best, calls / (micros / 1e6));
  }
  return best;
}
