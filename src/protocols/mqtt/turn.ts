/**
 * Work that waits for the end of the current turn of the event loop: output first of all, and jobs that were cut
 * into steps so that none of them holds the loop (a long queue, ten thousand retained messages). Steps take turns;
 * at most `STEPS_PER_TURN` run before sockets get their chance again.
 */

/** One bounded step; true = there is more to do. */
export type Job = () => boolean;

export interface Turn {
  /** Runs the job at the end of this turn and, while it returns true, in the following ones. */
  defer(job: Job): void;
  /** Something may be waiting to be written. */
  wake(): void;
  stop(): void;
}

const STEPS_PER_TURN = 64;

/** `afterJobs` runs once at the end of each turn that was woken. A job that throws is dropped and reported. */
export function createTurn(afterJobs: () => void, onError: (error: unknown) => void): Turn {
  let jobs: Job[] = [];
  let scheduled = false;
  let stopped = false;

  function run(): void {
    scheduled = false;
    if (stopped) return;
    if (jobs.length > 0) {
      const due = jobs.splice(0, STEPS_PER_TURN);
      for (const job of due) if (step(job)) jobs.push(job);
      if (jobs.length > 0) wake();
    }
    afterJobs();
  }

  function step(job: Job): boolean {
    try {
      return job();
    } catch (error) {
      onError(error);
      return false;
    }
  }

  function wake(): void {
    if (scheduled || stopped) return;
    scheduled = true;
    setImmediate(run);
  }

  return {
    defer(job) {
      jobs.push(job);
      wake();
    },
    wake,
    stop() {
      stopped = true;
      jobs = [];
    },
  };
}
