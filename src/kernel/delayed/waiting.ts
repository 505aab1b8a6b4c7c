/**
 * The waiting messages by id, grouped as their pages are: 64 ids, of which those with large blocks have pages of their
 * own. Ids ascend and are given once.
 */
export const VERSION = 2;
export const SCHEDULE = 1;
export const DONE = 2;

export const PAGE_IDS = 64;
/** Above this a message is a page of its own: 64 that are not stay well below a megabyte. */
const LARGE_BYTES = 8192;

export interface Waiting {
  readonly id: number;
  readonly dueMs: number;
  readonly block: Uint8Array;
  readonly isVolatile: boolean;
  /** Its entry is committed: it is in pages. */
  isStored: boolean;
  /** Given out by `due` or cancelled; what ends it is not committed yet. */
  isEnding: boolean;
  /** Its number among the timers, and when that fires: later than it is due where it was postponed. */
  timer: number;
  timerMs: number;
}

export function isLarge({ block }: Waiting): boolean {
  return block.length > LARGE_BYTES;
}

export class WaitingMessages {
  /** By number of the page. */
  readonly groups = new Map<number, Map<number, Waiting>>();
  readonly dirtyPages = new Set<number>();
  readonly dirtyLarge = new Set<number>();
  nextId = 1;
  count = 0;
  bytes = 0;

  get(id: number): Waiting | undefined {
    return this.groups.get(Math.floor(id / PAGE_IDS))?.get(id);
  }

  /** Its id must not be there. */
  add(each: Waiting): void {
    const { id, block } = each;
    const number = Math.floor(id / PAGE_IDS);
    const group = this.groups.get(number);
    if (group === undefined) this.groups.set(number, new Map([[id, each]]));
    else group.set(id, each);
    this.nextId = Math.max(this.nextId, id + 1);
    this.count++;
    this.bytes += block.length;
    this.touch(each);
  }

  remove(id: number): void {
    const number = Math.floor(id / PAGE_IDS);
    const group = this.groups.get(number);
    const each = group?.get(id);
    if (group === undefined || each === undefined) return;
    group.delete(id);
    if (group.size === 0) this.groups.delete(number);
    this.count--;
    this.bytes -= each.block.length;
    this.touch(each);
  }

  /** By id. */
  from(fromId: number, max: number, suits: (each: Waiting) => boolean): Waiting[] {
    const found: Waiting[] = [];
    const numbers = [...this.groups.keys()].filter((number) => (number + 1) * PAGE_IDS > fromId);
    for (const number of numbers.sort((a, b) => a - b)) {
      if (found.length >= max) break;
      found.push(...this.group(number).filter((each) => each.id >= fromId && suits(each)));
    }
    return found.slice(0, max);
  }

  /** All, by id: ids of a group may have come in any order while the table was rebuilt. */
  *inOrder(): IterableIterator<Waiting> {
    for (const number of [...this.groups.keys()].sort((a, b) => a - b)) yield* this.group(number);
  }

  group(number: number): Waiting[] {
    return [...(this.groups.get(number)?.values() ?? [])].sort((a, b) => a.id - b.id);
  }

  store(id: number): void {
    const each = this.get(id);
    if (each === undefined || each.isVolatile || each.isStored) return;
    each.isStored = true;
    this.touch(each);
  }

  private touch(each: Waiting): void {
    if (!each.isStored) return;
    if (isLarge(each)) this.dirtyLarge.add(each.id);
    else this.dirtyPages.add(Math.floor(each.id / PAGE_IDS));
  }
}
