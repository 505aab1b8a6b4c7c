/**
 * Lets a few pieces of work run at once and a bounded number wait, in order. Hashing a password takes a core and megabytes
 * on purpose: without the gate, whoever can knock can take the machine.
 */
export interface Gate {
  run<T>(work: () => Promise<T>): Promise<T | 'busy'>;
  readonly waiting: number;
}

export function createGate(maxRunning: number, maxWaiting: number): Gate {
  const queue: (() => void)[] = [];
  let running = 0;

  const leave = (): void => {
    running--;
    queue.shift()?.();
  };

  return {
    async run(work) {
      if (running >= maxRunning) {
        if (queue.length >= maxWaiting) return 'busy';
        await new Promise<void>((resolve) => {
          queue.push(() => {
            // Taken here and not below: whoever comes in between must not have the place.
            running++;
            resolve();
          });
        });
      } else running++;
      try {
        return await work();
      } finally {
        leave();
      }
    },
    get waiting() {
      return queue.length;
    },
  };
}
