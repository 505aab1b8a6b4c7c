/** What a connection owes, in the order in which it is to go out. */

export interface Owed {
  readonly type: 4 | 5 | 7;
  readonly packetId: number;
  /** Identifiers in a row, from `packetId` on. */
  readonly count: number;
  /** Below 0 it waits, or never goes out. */
  reasonCode: number;
}

export const PENDING = -1;
export const NEVER = -2;
const PASSED_MAX = 32;

/** In the order in which they are to go out. */
export class OwedQueue {
  private readonly items: Owed[] = [];
  /** What is in front of it has gone out: taken away in bulk. */
  private head = 0;

  get length(): number {
    return this.items.length - this.head;
  }

  push(owed: Owed): void {
    this.items.push(owed);
  }

  /** The first one, if it waits for nothing any more. */
  shift(): Owed | undefined {
    const first = this.items[this.head];
    if (first === undefined || first.reasonCode === PENDING) return undefined;
    this.head++;
    if (this.head === this.items.length) {
      this.items.length = 0;
      this.head = 0;
    } else if (this.head >= PASSED_MAX && this.head * 2 >= this.items.length) {
      this.items.splice(0, this.head);
      this.head = 0;
    }
    return first;
  }
}
