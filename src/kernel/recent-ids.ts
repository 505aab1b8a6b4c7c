/**
 * The last so many ids, in order of arrival, with a number and a time each. Found by id through maps of one generation
 * each, which go as a whole when all in them is forgotten: nothing is ever deleted from a map, and an id costs one
 * insertion and no object.
 */
const SMALLEST = 16;
/** A map holds half of what may be remembered, so three of them are the most there are. */
const GENERATIONS = 2;
const SMALLEST_GENERATION = 1024;

export class RecentIds {
  private readonly generationIds: number;
  /** Newest first: id -> its place, which is its number among all that ever came. */
  private generations: Map<string, number>[] = [new Map()];
  /** The first place of each. */
  private starts: number[] = [0];
  private ids: string[] = new Array<string>(SMALLEST).fill('');
  private numbers = new Float64Array(SMALLEST);
  private times = new Float64Array(SMALLEST);
  private begin = 0;
  private end = 0;

  constructor(maxIds: number) {
    this.generationIds = Math.max(SMALLEST_GENERATION, Math.ceil(maxIds / GENERATIONS));
  }

  get size(): number {
    return this.end - this.begin;
  }

  /** The place of an id, or -1. Good until something is forgotten. */
  find(id: string): number {
    for (let i = 0; i < this.generations.length; i++) {
      const place = this.generations[i].get(id);
      if (place !== undefined) return place >= this.begin ? place : -1;
    }
    return -1;
  }

  /** Of the oldest. */
  get first(): number {
    return this.begin;
  }

  idAt(place: number): string {
    return this.ids[place & (this.ids.length - 1)];
  }

  numberAt(place: number): number {
    return this.numbers[place & (this.ids.length - 1)];
  }

  timeAt(place: number): number {
    return this.times[place & (this.ids.length - 1)];
  }

  /** The id must not be there. */
  append(id: string, number: number, atMs: number): void {
    if (this.end - this.begin === this.ids.length) this.grow();
    const at = this.end & (this.ids.length - 1);
    this.ids[at] = id;
    this.numbers[at] = number;
    this.times[at] = atMs;
    let newest = this.generations[0];
    if (newest.size >= this.generationIds) {
      newest = new Map();
      this.generations.unshift(newest);
      this.starts.unshift(this.end);
    }
    newest.set(id, this.end++);
  }

  forgetOldest(): void {
    this.ids[this.begin & (this.ids.length - 1)] = '';
    this.begin++;
    if (this.begin === this.end) {
      this.clear();
      return;
    }
    if (this.generations.length > 1 && this.starts[this.starts.length - 2] <= this.begin) {
      this.generations.pop();
      this.starts.pop();
    }
  }

  clear(): void {
    this.generations = [new Map()];
    this.starts = [0];
    this.begin = this.end = 0;
    if (this.ids.length === SMALLEST) return;
    this.ids = new Array<string>(SMALLEST).fill('');
    this.numbers = new Float64Array(SMALLEST);
    this.times = new Float64Array(SMALLEST);
  }

  private grow(): void {
    const length = this.ids.length * 2;
    const old = { ids: this.ids, numbers: this.numbers, times: this.times };
    this.ids = new Array<string>(length).fill('');
    this.numbers = new Float64Array(length);
    this.times = new Float64Array(length);
    for (let place = this.begin; place < this.end; place++) {
      const from = place & (old.ids.length - 1);
      const to = place & (length - 1);
      this.ids[to] = old.ids[from];
      this.numbers[to] = old.numbers[from];
      this.times[to] = old.times[from];
    }
  }
}
