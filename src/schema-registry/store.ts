/** The state and the log together: what changes is durable first and in force then, one change after the other. */
import type { CompatibilityLevel } from './entities.ts';
import { type Change, decodeChange, encodeChange } from './entries.ts';
import { RegistryError } from './errors.ts';
import type { LogEntry, SchemaLog } from './schema-log.ts';
import { LogRefused } from './schema-log.ts';
import { createState, type RegistryState } from './state.ts';

export interface Store {
  readonly state: RegistryState;
  /** Runs `decide` when all changes before are in force. Of two that wait, the first one decides first. */
  exclusively<T>(decide: () => Promise<T>): Promise<T>;
  /** Within `exclusively`. All changes or none. `extra`: entries that change nothing in memory. */
  commit(changes: readonly Change[], extra?: readonly LogEntry[]): Promise<void>;
}

export interface OpenedStore {
  readonly store: Store;
  /** Entries that were passed over. */
  readonly damaged: number;
}

/** At most so many changes wait for each other. */
const MAX_WAITING = 1000;

export async function openStore(
  log: SchemaLog,
  level: CompatibilityLevel = 'BACKWARD',
): Promise<OpenedStore> {
  const state = createState(level);
  let damaged = 0;
  for await (const entry of log.read()) {
    try {
      const change = decodeChange(entry);
      if (change !== undefined) state.apply(change);
    } catch {
      // Whoever may write to the log must not keep the others from their schemas.
      damaged++;
    }
  }
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  const store: Store = {
    state,
    async exclusively(decide) {
      if (waiting >= MAX_WAITING) throw new RegistryError(50003, 'too many changes are waiting');
      waiting++;
      const result = last.then(decide);
      last = result.catch(() => {});
      try {
        return await result;
      } finally {
        waiting--;
      }
    },
    async commit(changes, extra = []) {
      try {
        await log.append([...changes.map(encodeChange), ...extra]);
      } catch (error) {
        if (error instanceof LogRefused) throw new RegistryError(50001, `not stored: ${error.message}`);
        throw error;
      }
      for (const change of changes) state.apply(change);
    },
  };
  return { store, damaged };
}
