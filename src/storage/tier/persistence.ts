import type { Clock } from '../../kernel/clock.ts';

/** The part of a logger that this folder uses. */
export interface TierLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Work on a store that may be away for long: tried again with growing pauses until it succeeds. */
export interface Persistence {
  /** False when it was closed, or `isWanted` was no more, before the work succeeded. */
  persist(work: () => Promise<void>, isWanted?: () => boolean): Promise<boolean>;
  readonly failures: number;
  /** What the last failure said; undefined once something has succeeded again. */
  readonly failure: string | undefined;
  readonly isClosed: boolean;
  close(): void;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;

export function createPersistence(clock: Clock, log: TierLog | undefined): Persistence {
  const waiting = new Set<() => void>();
  let failures = 0;
  let failure: string | undefined;
  let isClosed = false;

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const stop = clock.every(ms, wake);
      function wake(): void {
        stop();
        waiting.delete(wake);
        resolve();
      }
      waiting.add(wake);
    });
  }

  function failed(error: unknown): void {
    failures++;
    const text = error instanceof Error ? error.message : String(error);
    // Once for as long as it lasts: a store that is away for a day is no reason for a full log.
    if (failure === undefined) {
      log?.warn({ reason: text }, 'the object store fails; segments stay here meanwhile');
    }
    failure = text;
  }

  function succeeded(): void {
    if (failure !== undefined) log?.info({ failures }, 'the object store works again');
    failure = undefined;
  }

  return {
    get failures() {
      return failures;
    },
    get failure() {
      return failure;
    },
    get isClosed() {
      return isClosed;
    },
    async persist(work, isWanted = () => true) {
      for (let pauseMs = FIRST_PAUSE_MS; !isClosed && isWanted(); ) {
        try {
          await work();
          succeeded();
          return true;
        } catch (error) {
          if (isClosed || !isWanted()) break;
          failed(error);
        }
        await pause(pauseMs);
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      }
      return false;
    },
    close() {
      isClosed = true;
      for (const wake of [...waiting]) wake();
    },
  };
}
