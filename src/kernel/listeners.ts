/**
 * Who wants to be told of something, where that changes with every request: a reader that waits for records listens for a
 * millisecond. Not a `Set`: each time that one grows or shrinks, V8 lets the table that it leaves point to the next one.
 * Once one of them is old, all later ones are kept by it, with what was in them, until the whole heap is marked: requests
 * long answered, a kilobyte or two each, filled the old generation, and marking it made everybody wait for 30 ms.
 */

interface Place<F> {
  readonly callback: F;
  /** Negative once it has left. */
  at: number;
}

export class Listeners<F extends (...args: never[]) => unknown> {
  /** Dense up to the count; behind it nothing is held, and the room is kept. */
  readonly #places: (Place<F> | undefined)[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Gives what takes it away again; that may be called twice. */
  add(callback: F): () => void {
    const place: Place<F> = { callback, at: this.#count };
    this.#places[this.#count++] = place;
    return () => this.#remove(place);
  }

  /** Those that are there at the moment, in no certain order, without those that leave before it is their turn. */
  each(tell: (callback: F) => void): void {
    if (this.#count === 0) return;
    const [first] = this.#places;
    if (this.#count === 1 && first !== undefined) {
      tell(first.callback);
      return;
    }
    for (const place of this.#places.slice(0, this.#count)) {
      if (place !== undefined && place.at >= 0) tell(place.callback);
    }
  }

  #remove(place: Place<F>): void {
    const { at } = place;
    if (at < 0) return;
    place.at = -1;
    const last = this.#places[--this.#count];
    this.#places[this.#count] = undefined;
    if (last === undefined || last === place) return;
    last.at = at;
    this.#places[at] = last;
  }
}
