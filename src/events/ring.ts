/** The newest events of one kind; what is one too many takes the place of the oldest. */
import type { Event } from './event.ts';

export class Ring {
  readonly #capacity: number;
  readonly #items: Event[] = [];
  /** Ever added: the item with index `i` is there while `oldest <= i < end`. */
  #end = 0;
  #lastOverwritten = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get end(): number {
    return this.#end;
  }

  get oldest(): number {
    return this.#end - this.#items.length;
  }

  /** Sequence number of the newest event that is gone; 0 where none is. */
  get lastOverwritten(): number {
    return this.#lastOverwritten;
  }

  add(event: Event): void {
    const place = this.#end % this.#capacity;
    const before = this.#items[place];
    if (before !== undefined) this.#lastOverwritten = before.sequence;
    this.#items[place] = event;
    this.#end++;
  }

  at(index: number): Event | undefined {
    return index < this.oldest || index >= this.#end ? undefined : this.#items[index % this.#capacity];
  }

  /** Of the first event behind that sequence number. */
  indexBehind(sequence: number): number {
    let low = this.oldest;
    let high = this.#end;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((this.at(middle)?.sequence ?? 0) <= sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
