/**
 * Where readers of a partition stopped: who goes on there need not search. A reader takes its hint along, so that reading leaves
 * nothing to collect; of more readers than there is room for, some search.
 */

/** The run with the batch that was read last, as the index was then, and the position behind that batch. */
export interface ReadHint {
  readonly version: number;
  readonly row: number;
  readonly position: number;
}

interface Place {
  offset: number;
  version: number;
  row: number;
  position: number;
}

const MAX_HINTS = 16;

export class ReadHints {
  readonly #places: Place[] = [];
  #turn = 0;

  /** Of a reader that stopped in front of this offset. */
  at(offset: number): ReadHint | undefined {
    return this.#places.find((place) => place.offset === offset);
  }

  /** One that stood at `from` stands at `offset` now. */
  moved(from: number, offset: number, { version, row, position }: ReadHint): void {
    let place = this.#places.find((each) => each.offset === from);
    if (place === undefined && this.#places.length === MAX_HINTS) {
      place = this.#places[this.#turn];
      this.#turn = (this.#turn + 1) % MAX_HINTS;
    }
    if (place === undefined) {
      this.#places.push({ offset, version, row, position });
      return;
    }
    place.offset = offset;
    place.version = version;
    place.row = row;
    place.position = position;
  }
}
