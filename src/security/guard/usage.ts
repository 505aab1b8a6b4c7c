/**
 * How much of what each owner has, where that is limited: sessions of a user, retained messages of a tenant. An owner is known
 * as long as it has something, so that the table is as large as what it counts; above `maxOwners` no new owner gets anything.
 */
export interface Usage {
  /** Takes `count` more, all or none. A limit of 0 is none, and then nothing is refused, only counted. */
  tryAdd(owner: string, limit: number, count?: number): boolean;
  /** What is there already counts, whatever there may be. */
  add(owner: string, count: number): void;
  remove(owner: string, count?: number): void;
  owners(): Iterable<string>;
  of(owner: string): number;
  counters(): { readonly refused: number; readonly refusedOwners: number; readonly owners: number };
}

export function createUsage(maxOwners: number): Usage {
  const used = new Map<string, number>();
  let refused = 0;
  let refusedOwners = 0;
  return {
    tryAdd(owner, limit, count = 1) {
      const before = used.get(owner);
      if (before === undefined && used.size >= maxOwners) {
        refusedOwners++;
        return false;
      }
      const after = (before ?? 0) + count;
      if (limit > 0 && after > limit) {
        refused++;
        return false;
      }
      if (after > 0) used.set(owner, after);
      return true;
    },
    add(owner, count) {
      if (count > 0) used.set(owner, (used.get(owner) ?? 0) + count);
    },
    owners: () => used.keys(),
    remove(owner, count = 1) {
      const left = (used.get(owner) ?? 0) - count;
      if (left > 0) used.set(owner, left);
      else used.delete(owner);
    },
    of: (owner) => used.get(owner) ?? 0,
    counters: () => ({ refused, refusedOwners, owners: used.size }),
  };
}
