/** Where a registry keeps what it knows: entries with keys, of which the newest of each key has to stay. */

/** Both are JSON, as other registries write it. `null` removes what the key had. */
export interface LogEntry {
  readonly key: string;
  readonly value: string | null;
}

export interface SchemaLog {
  /** All of them or none; they survive a loss of power when the promise resolves. Rejects with LogRefused. */
  append(entries: readonly LogEntry[]): Promise<void>;
  /** What was appended, in order; of a key at least the newest. */
  read(): AsyncIterable<LogEntry>;
}

/** Nothing was appended. */
export class LogRefused extends Error {}
