/** Runs so many pieces of work at once, in the order of their coming. Bounded by what its users have to do. */
export interface WorkQueue {
  add(work: () => Promise<void>): Promise<void>;
  readonly waiting: number;
  /** Forgets what has not begun; resolves when what has is done. */
  close(): Promise<void>;
}

interface Item {
  readonly work: () => Promise<void>;
  readonly done: () => void;
}

export function createWorkQueue(concurrency: number): WorkQueue {
  const items: Item[] = [];
  let running = 0;
  let isClosed = false;
  let onIdle: (() => void) | undefined;

  function pump(): void {
    while (running < concurrency) {
      const item = items.shift();
      if (item === undefined) break;
      running++;
      item
        .work()
        .catch(() => {})
        .finally(() => {
          running--;
          item.done();
          pump();
        });
    }
    if (running === 0) onIdle?.();
  }

  return {
    add(work) {
      return new Promise<void>((done) => {
        if (isClosed) return done();
        items.push({ work, done });
        pump();
      });
    },
    get waiting() {
      return items.length + running;
    },
    async close() {
      isClosed = true;
      for (const { done } of items.splice(0)) done();
      if (running > 0) {
        await new Promise<void>((resolve) => {
          onIdle = resolve;
        });
      }
    },
  };
}
