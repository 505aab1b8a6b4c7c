/** All that sealed epochs ask of an object store. `create` must be atomic: of many that race, one wins. */
export interface PutIfAbsent {
  create(key: string, body: readonly Uint8Array[]): Promise<'created' | 'exists'>;
  /** undefined when there is no such object. Who needs only the first bytes of it says so, and may get all of it. */
  get(key: string, firstBytes?: number): Promise<Uint8Array | undefined>;
  /** Keys with this prefix, in order of their names, behind `after`; all of them. */
  list(prefix: string, after?: string): Promise<string[]>;
  remove(keys: readonly string[]): Promise<void>;
}
