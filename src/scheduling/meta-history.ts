/** The last changes, by revision, for those who watch. A watcher pulls; what it is slow to take costs nothing. */
import { Compacted, type MetaEvent, MetaStoreError, type Revision } from './meta-store.ts';

const MAX_EVENTS = 10_000;
const MAX_WATCHERS = 4_096;

export interface MetaHistory {
  /** The events of revision `revision`, which is the one after the last. */
  push(revision: Revision, events: readonly MetaEvent[]): void;
  watch(prefix: string, fromRevision: Revision): AsyncIterableIterator<readonly MetaEvent[]>;
  /** Ends all watches; with an error, by throwing it. */
  end(error?: Error): void;
}

const keyOf = (event: MetaEvent): string => (event.type === 'put' ? event.entry.key : event.key);

/** `firstRevision` is the first that can still be asked for. */
export function createMetaHistory(firstRevision: Revision): MetaHistory {
  let first = firstRevision;
  let kept: (readonly MetaEvent[])[] = [];
  let events = 0;
  let hasEnded = false;
  let failure: Error | undefined;
  const watchers = new Set<() => void>();

  const wakeAll = (): void => {
    for (const wake of watchers) wake();
  };

  return {
    push(revision, added) {
      // A revision before the first change has no events, and can be asked for.
      while (first + BigInt(kept.length) < revision) kept.push([]);
      kept.push(added);
      events += added.length;
      let dropped = 0;
      while (events > MAX_EVENTS && dropped < kept.length - 1) {
        events -= kept[dropped]?.length ?? 0;
        dropped++;
      }
      if (dropped > 0) kept = kept.slice(dropped);
      first += BigInt(dropped);
      wakeAll();
    },

    watch(prefix, fromRevision) {
      if (watchers.size >= MAX_WATCHERS)
        throw new MetaStoreError(`${watchers.size} watches are open already`);
      let at = fromRevision;
      let wake = (): void => {};
      let isClosed = false;
      const onChange = (): void => wake();
      watchers.add(onChange);
      const finish = (): { readonly done: true; readonly value: undefined } => {
        isClosed = true;
        watchers.delete(onChange);
        wake();
        return { done: true, value: undefined };
      };

      /** The next revision with events for this watcher, of those that are known. */
      function take(): readonly MetaEvent[] | undefined {
        if (at < first) throw new Compacted(at, first);
        while (at < first + BigInt(kept.length)) {
          const found = kept[Number(at - first)]?.filter((event) => keyOf(event).startsWith(prefix)) ?? [];
          at++;
          if (found.length > 0) return found;
        }
        return undefined;
      }

      return {
        [Symbol.asyncIterator]() {
          return this;
        },
        async next() {
          while (!isClosed) {
            if (failure !== undefined) {
              finish();
              throw failure;
            }
            try {
              const value = take();
              if (value !== undefined) return { done: false, value };
            } catch (error) {
              finish();
              throw error;
            }
            if (hasEnded) break;
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
          return finish();
        },
        return: async () => finish(),
      };
    },

    end(error) {
      hasEnded = true;
      failure = error;
      wakeAll();
    },
  };
}
