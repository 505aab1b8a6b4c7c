/** What the broker knows of each message without its body, in columns by slot: some 70 bytes for a message. */
import { IdIndex } from './id-index.ts';
import { PlaceIndex } from './place-index.ts';

export const State = {
  /** In the chain of free slots. */
  Free: 0,
  /** Its body is in memory only, and is to be in the journal. */
  New: 1,
  Placed: 2,
  /** Its body is in memory only, and stays there. */
  Volatile: 3,
  /** Referenced, and its body is gone or, while the tables are rebuilt, did not come yet. */
  Lost: 4,
} as const;

const NONE = 0xffffffff;
const FIRST_CAPACITY = 1024;

export class SlotTable {
  ids = new Float64Array(0);
  positions = new Float64Array(0);
  expiries = new Float64Array(0);
  offsets = new Uint32Array(0);
  lengths = new Uint32Array(0);
  references = new Uint32Array(0);
  states = new Uint8Array(0);
  readonly places = new PlaceIndex();
  /** Slots that were ever used. */
  used = 0;
  /** Not free. */
  count = 0;
  /** Of the bodies. */
  bytes = 0;
  private readonly index = new IdIndex();
  /** Chained through `offsets`. */
  private firstFree = NONE;

  allocate(id: number, state: number): number {
    let slot = this.firstFree;
    if (slot === NONE) {
      slot = this.used++;
      if (slot === this.ids.length) this.grow();
    } else {
      this.firstFree = this.offsets[slot];
    }
    this.ids[slot] = id;
    this.states[slot] = state;
    this.positions[slot] = -1;
    this.expiries[slot] = 0;
    this.offsets[slot] = 0;
    this.lengths[slot] = 0;
    this.references[slot] = 0;
    this.index.add(this.ids, slot);
    this.count++;
    return slot;
  }

  free(slot: number): void {
    const length = this.lengths[slot];
    if (this.states[slot] === State.Placed) this.places.remove(slot, this.positions[slot], length);
    this.index.remove(this.ids, this.ids[slot]);
    this.ids[slot] = -1;
    this.states[slot] = State.Free;
    this.bytes -= length;
    this.count--;
    this.offsets[slot] = this.firstFree;
    this.firstFree = slot;
  }

  /** -1 when the id is not there. */
  slotOf(id: number): number {
    return this.index.get(this.ids, id);
  }

  setLength(slot: number, length: number): void {
    this.bytes += length - this.lengths[slot];
    this.lengths[slot] = length;
  }

  place(slot: number, position: number, offset: number): void {
    if (this.states[slot] === State.Placed) {
      this.places.remove(slot, this.positions[slot], this.lengths[slot]);
    }
    this.states[slot] = State.Placed;
    this.positions[slot] = position;
    this.offsets[slot] = offset;
    this.places.add(slot, position, this.lengths[slot]);
  }

  isNewerPlace(slot: number, position: number, offset: number): boolean {
    const known = this.positions[slot];
    return position > known || (position === known && offset > this.offsets[slot]);
  }

  private grow(): void {
    const capacity = Math.max(FIRST_CAPACITY, this.ids.length * 2);
    this.ids = grown(this.ids, new Float64Array(capacity));
    this.positions = grown(this.positions, new Float64Array(capacity));
    this.expiries = grown(this.expiries, new Float64Array(capacity));
    this.offsets = grown(this.offsets, new Uint32Array(capacity));
    this.lengths = grown(this.lengths, new Uint32Array(capacity));
    this.references = grown(this.references, new Uint32Array(capacity));
    this.states = grown(this.states, new Uint8Array(capacity));
    this.places.grow(capacity);
  }
}

function grown<T extends Float64Array | Uint32Array | Uint8Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
