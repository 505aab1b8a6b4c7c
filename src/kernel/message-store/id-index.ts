/**
 * From the id of a message to its slot: open addressing over a column of ids that others keep. Half full at most;
 * multiplying spreads ids in a row without collisions. Removing shifts back what probed past the gap.
 */
const SPREAD = 0x9e3779b1;
const FREE = -1;

export class IdIndex {
  private table = new Int32Array(16).fill(FREE);
  private shift = 28;
  private count = 0;

  get bytes(): number {
    return this.table.byteLength;
  }

  /** -1 when the id is not there. */
  get(ids: Float64Array, id: number): number {
    const { table } = this;
    const mask = table.length - 1;
    for (let at = this.home(id); ; at = (at + 1) & mask) {
      const slot = table[at];
      if (slot === FREE || ids[slot] === id) return slot;
    }
  }

  /** `ids[slot]` is set and not in here yet. */
  add(ids: Float64Array, slot: number): void {
    if (++this.count * 2 > this.table.length) this.grow(ids);
    this.place(ids, slot);
  }

  remove(ids: Float64Array, id: number): void {
    const { table } = this;
    const mask = table.length - 1;
    let gap = this.home(id);
    while (table[gap] !== FREE && ids[table[gap]] !== id) gap = (gap + 1) & mask;
    if (table[gap] === FREE) return;
    this.count--;
    for (let at = (gap + 1) & mask; table[at] !== FREE; at = (at + 1) & mask) {
      const home = this.home(ids[table[at]]);
      // It may stay where it is only when its home lies behind the gap.
      if (((at - home) & mask) < ((at - gap) & mask)) continue;
      table[gap] = table[at];
      gap = at;
    }
    table[gap] = FREE;
  }

  private home(id: number): number {
    return Math.imul(id | 0, SPREAD) >>> this.shift;
  }

  private place(ids: Float64Array, slot: number): void {
    const { table } = this;
    const mask = table.length - 1;
    let at = this.home(ids[slot]);
    while (table[at] !== FREE) at = (at + 1) & mask;
    table[at] = slot;
  }

  private grow(ids: Float64Array): void {
    const old = this.table;
    this.table = new Int32Array(old.length * 2).fill(FREE);
    this.shift--;
    for (const slot of old) if (slot !== FREE) this.place(ids, slot);
  }
}
