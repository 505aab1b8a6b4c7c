/** Offsets that nobody needs any more, and groups without anything, looked for a little at a time. */
import type { Group } from './group.ts';
import type { GroupsTable } from './groups-table.ts';
import { agingOf, expiredPartitions } from './offsets.ts';

export interface RetentionOptions {
  readonly table: GroupsTable;
  readonly live: ReadonlyMap<string, Group>;
  readonly retentionMs: number;
  wallMs(): number;
  forget(id: string, partitions: ReadonlyMap<string, readonly number[]>): void;
  /** Has neither members nor offsets. */
  remove(group: Group): void;
}

export const hasMembers = (group: Group): boolean => {
  if (group.kind === 'consumer') return group.members.size > 0;
  return group.state !== 'Empty' || group.pending.size > 0;
};

/** Ends when all have been looked at; each step is about as much as the offsets of a topic. */
export function* sweep(options: RetentionOptions): Generator<void> {
  const { table, live, retentionMs } = options;
  for (const [id, record] of table.records) {
    const aging = agingOf(live.get(id));
    const expired =
      aging === undefined ? undefined : expiredPartitions(record, aging, options.wallMs(), retentionMs);
    if (expired !== undefined && expired.size > 0) options.forget(id, expired);
    for (let topics = record.offsets.size; topics >= 0; topics--) yield;
  }
  for (const group of live.values()) {
    const record = table.records.get(group.id);
    const isUnused = !hasMembers(group) && group.keeping.pending === 0;
    if (isUnused && (record?.offsets.size ?? 0) + (record?.staged.size ?? 0) === 0) options.remove(group);
    yield;
  }
}
