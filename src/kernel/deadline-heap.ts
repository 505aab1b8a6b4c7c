/**
 * Which of many numbered things is due first: a binary heap that knows where each number lies, so that any of them can
 * be taken out or put off in O(log n). Eight bytes of heap and eight of deadline per number.
 */
export interface DeadlineHeap {
  /** Adds the number or moves it to another deadline. Numbers should be dense: they are array indexes. */
  set(number: number, deadlineMs: number): void;
  /** Does nothing when it is not in. */
  remove(number: number): void;
  /** The number that is due first if its deadline is not after `nowMs`; it stays in. */
  firstDue(nowMs: number): number | undefined;
  readonly size: number;
}

import { withAccessors } from './with-accessors.ts';

const ABSENT = 0;

export function createDeadlineHeap(): DeadlineHeap {
  let heap = new Uint32Array(64);
  /** Position in the heap + 1. */
  let positions = new Uint32Array(64);
  let deadlines = new Float64Array(64);
  let size = 0;

  const deadlineAt = (position: number): number => deadlines[heap[position] ?? 0] ?? 0;
  const put = (position: number, number: number): void => {
    heap[position] = number;
    positions[number] = position + 1;
  };

  const siftUp = (start: number, number: number): number => {
    let position = start;
    const deadline = deadlines[number] ?? 0;
    while (position > 0) {
      const parent = (position - 1) >> 1;
      if (deadlineAt(parent) <= deadline) break;
      put(position, heap[parent] ?? 0);
      position = parent;
    }
    put(position, number);
    return position;
  };

  const siftDown = (start: number, number: number): void => {
    let position = start;
    const deadline = deadlines[number] ?? 0;
    for (;;) {
      let child = position * 2 + 1;
      if (child >= size) break;
      if (child + 1 < size && deadlineAt(child + 1) < deadlineAt(child)) child++;
      if (deadlineAt(child) >= deadline) break;
      put(position, heap[child] ?? 0);
      position = child;
    }
    put(position, number);
  };

  const settle = (position: number, number: number): void => {
    if (siftUp(position, number) === position) siftDown(position, number);
  };

  return withAccessors<DeadlineHeap, 'size'>(
    {
      get size() {
        return size;
      },
    },
    {
      set(number, deadlineMs) {
        if (number >= positions.length) {
          const length = Math.max(positions.length * 2, number + 1);
          const grownPositions = new Uint32Array(length);
          grownPositions.set(positions);
          positions = grownPositions;
          const grownDeadlines = new Float64Array(length);
          grownDeadlines.set(deadlines);
          deadlines = grownDeadlines;
        }
        deadlines[number] = deadlineMs;
        const position = positions[number] ?? ABSENT;
        if (position !== ABSENT) {
          settle(position - 1, number);
          return;
        }
        if (size === heap.length) {
          const grown = new Uint32Array(size * 2);
          grown.set(heap);
          heap = grown;
        }
        size++;
        siftUp(size - 1, number);
      },
      remove(number) {
        const position = positions[number] ?? ABSENT;
        if (position === ABSENT) return;
        positions[number] = ABSENT;
        size--;
        const last = heap[size] ?? 0;
        if (last !== number) settle(position - 1, last);
      },
      firstDue(nowMs) {
        return size !== 0 && deadlineAt(0) <= nowMs ? heap[0] : undefined;
      },
    },
  );
}
