/**
 * Deadlines of members and groups in one heap: each is an object that its owner sets, moves and clears as it likes. Time counts as
 * long as somebody listens: a process that was stopped, or a machine that slept, does not find that everybody has been silent.
 */
import type { Clock } from '../../../kernel/clock.ts';
import { createDeadlineHeap } from '../../../kernel/deadline-heap.ts';

export interface Deadline {
  /** Fires once, in the first `fireDue` that is `delayMs` from now or later. Moves it where it was set before. */
  set(delayMs: number): void;
  clear(): void;
}

export interface Deadlines {
  create(onDue: () => void): Deadline;
  /** Fires what is due, at most `budget` of it. */
  fireDue(budget: number): void;
  readonly size: number;
}

/** Most time that counts between two looks at what is due. */
const MAX_STEP_MS = 1000;

export function createDeadlines(clock: Clock): Deadlines {
  /** When we last looked, by the clock and in time that counts. */
  let lookedMs = clock.monotonicMs();
  let lastMs = 0;
  const timeMs = (): number => lastMs + Math.min(MAX_STEP_MS, clock.monotonicMs() - lookedMs);
  const heap = createDeadlineHeap();
  const waiting: (() => void)[] = [];
  const free: number[] = [];
  const nobody = (): void => {};

  return {
    create(onDue) {
      let number = -1;
      const clear = (): void => {
        if (number < 0) return;
        heap.remove(number);
        waiting[number] = nobody;
        free.push(number);
        number = -1;
      };
      const fire = (): void => {
        clear();
        onDue();
      };
      return {
        set(delayMs) {
          if (number < 0) {
            number = free.pop() ?? waiting.length;
            waiting[number] = fire;
          }
          heap.set(number, timeMs() + delayMs);
        },
        clear,
      };
    },
    fireDue(budget) {
      lastMs = timeMs();
      lookedMs = clock.monotonicMs();
      const nowMs = lastMs;
      for (let left = budget; left > 0; left--) {
        const number = heap.firstDue(nowMs);
        if (number === undefined) return;
        waiting[number]();
      }
    },
    get size() {
      return heap.size;
    },
  };
}
