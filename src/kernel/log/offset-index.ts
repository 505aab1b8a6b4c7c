/**
 * Where the offsets of one partition lie in the journal. A row stands for a run of batches without gaps in offsets,
 * which lie in this order between two positions of the journal, with batches of other runs between them perhaps. The
 * first position may be too low and the last one too high: who reads takes the batch whose base offset comes next,
 * and no other. A row without positions is a hole: its records were removed for good, or are missing.
 *
 * Rows are in the order of offsets, and since batches are moved, not in that of positions. A row ends at `intervalBytes`,
 * which grows with the partition, so that the number of rows grows with the logarithm of its bytes once it is large.
 */

export interface Row {
  readonly offset: number;
  /** No batch of the row lies before it. */
  readonly position: number;
  /** And none behind the one that lies here. */
  readonly last: number;
  /** Largest timestamp of the row; -1 without one. */
  readonly timeMs: number;
  readonly bytes: number;
}

export interface FoundRow extends Row {
  /** Offset behind the row. */
  readonly end: number;
}

export interface IndexLimits {
  readonly intervalBytes: number;
  /** Rows per partition before the interval grows. */
  readonly maxEvenRows: number;
  /** Stretch of the journal that a row may span. */
  readonly maxSpanBytes: number;
  /** Time that a row may span: what retention by age can tell apart. */
  readonly intervalMs: number;
}

/** Positions of rows that have none. Records of a missing row may still be found while the journal is replayed. */
export const Hole = { Removed: -1, Missing: -2 } as const;

const WORDS = 5;
const OFFSET = 0;
const POSITION = 1;
const LAST = 2;
const TIME = 3;
const BYTES = 4;

const hole = (offset: number, kind: number): Row => ({
  offset,
  position: kind,
  last: kind,
  timeMs: -1,
  bytes: 0,
});

export class OffsetIndex {
  readonly #limits: IndexLimits;
  #words = new Float64Array(WORDS);
  #count = 0;
  #end: number;
  #bytes = 0;
  #rowTimeMs = -1;
  #low = Number.POSITIVE_INFINITY;
  #high = -1;
  /** Changes with everything but appends at the end. */
  version = 0;

  constructor(limits: IndexLimits, end = 0) {
    this.#limits = limits;
    this.#end = end;
  }

  get count(): number {
    return this.#count;
  }

  /** Offset behind the last row. */
  get end(): number {
    return this.#end;
  }

  /** Of all batches; estimated where a run was split. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Largest timestamp of the newest row that has one; -1 without any. */
  get newestMs(): number {
    for (let i = this.#count - 1; i >= 0; i--) {
      const timeMs = this.#words[i * WORDS + TIME] ?? -1;
      if (timeMs >= 0) return timeMs;
    }
    return -1;
  }

  row(i: number): FoundRow {
    const at = i * WORDS;
    const words = this.#words;
    return {
      offset: words[at + OFFSET],
      position: words[at + POSITION],
      last: words[at + LAST],
      timeMs: words[at + TIME],
      bytes: words[at + BYTES],
      end: i + 1 < this.#count ? words[at + WORDS + OFFSET] : this.#end,
    };
  }

  /** Rows as they were written down, into an index without any. */
  load(rows: readonly Row[]): void {
    this.#splice(0, this.#count, rows);
  }

  /** Number of the row that has the offset; -1 when none has. */
  find(offset: number): number {
    if (offset >= this.#end) return -1;
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#words[middle * WORDS + OFFSET] <= offset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Whether nothing is left of the offset for good. */
  isRemoved(offset: number): boolean {
    const i = this.find(offset);
    return i >= 0 && this.#words[i * WORDS + POSITION] === Hole.Removed;
  }

  /** A batch behind all others. Offsets that it leaves out are missing. */
  append(offset: number, end: number, position: number, timeMs: number, bytes: number): void {
    if (offset > this.#end) this.extend(offset, Hole.Missing);
    if (this.#hasRoom(position, timeMs)) {
      const at = (this.#count - 1) * WORDS;
      this.#words[at + LAST] = position;
      this.#words[at + BYTES] += bytes;
      if (timeMs > this.#words[at + TIME]) this.#words[at + TIME] = timeMs;
    } else {
      this.#push({ offset, position, last: position, timeMs, bytes });
      this.#rowTimeMs = timeMs;
    }
    this.#bytes += bytes;
    this.#low = Math.min(this.#low, position);
    this.#high = Math.max(this.#high, position);
    this.#end = end;
  }

  /** Offsets up to `end` were given and have no records. */
  extend(end: number, kind: number): void {
    if (end <= this.#end) return;
    if (this.#count === 0 || this.#words[(this.#count - 1) * WORDS + POSITION] !== kind) {
      this.#push(hole(this.#end, kind));
    }
    this.#end = end;
  }

  /**
   * `rows` take the place of all that is known of `[from, end)`, which ends at or below the end of the index. What is
   * left of a run that is cut keeps its positions, which are then wider than they must be.
   */
  replace(from: number, end: number, rows: readonly Row[]): void {
    const first = this.find(from);
    const last = this.find(end - 1);
    if (first < 0 || last < 0) throw new RangeError(`offsets ${from} to ${end} are not in the index`);
    const left = this.row(first);
    const right = this.row(last);
    const put: Row[] = [];
    const share = (row: FoundRow, count: number): number =>
      Math.round((row.bytes * count) / (row.end - row.offset));
    if (left.offset < from) put.push({ ...left, bytes: share(left, from - left.offset) });
    put.push(...rows);
    if (right.end > end) put.push({ ...right, offset: end, bytes: share(right, right.end - end) });
    this.#splice(first, last - first + 1, put);
  }

  /** Puts a hole in the place of `[from, end)`. */
  remove(from: number, end: number, kind: number): void {
    const before = this.find(from - 1);
    const behind = this.find(end);
    const start = before >= 0 && this.row(before).position === kind ? this.row(before).offset : from;
    const stop = behind >= 0 && this.row(behind).position === kind ? this.row(behind).end : end;
    this.replace(start, stop, [hole(start, kind)]);
  }

  /**
   * The batch with `[offset, end)` was written again. It joins the run before it where that was written again as well:
   * between its positions no older copy of this batch can lie, which a reader would take for it.
   */
  move(offset: number, end: number, position: number, timeMs: number, bytes: number): void {
    const old = this.row(this.find(offset));
    const i = this.find(offset - 1);
    const before = i < 0 ? undefined : this.row(i);
    const joins =
      before !== undefined &&
      before.end === offset &&
      before.position >= 0 &&
      before.position > old.last &&
      before.last < position &&
      before.bytes + bytes <= this.#limits.intervalBytes &&
      position - before.position < this.#limits.maxSpanBytes;
    if (joins) {
      const timeOfBoth = Math.max(before.timeMs, timeMs);
      const row = { ...before, last: position, timeMs: timeOfBoth, bytes: before.bytes + bytes };
      this.replace(before.offset, end, [row]);
    } else this.replace(offset, end, [{ offset, position, last: position, timeMs, bytes }]);
  }

  /** Rows that end at or below `start` go. */
  trim(start: number): void {
    if (start >= this.#end) {
      this.#splice(0, this.#count, []);
      this.#end = Math.max(start, this.#end);
    } else {
      const first = this.find(start);
      if (first > 0) this.#splice(0, first, []);
    }
  }

  /** Bytes of the runs that may have a batch in `[start, end)` of the journal. */
  liveBytes(start: number, end: number): number {
    if (this.#low >= end || this.#high < start) return 0;
    let bytes = 0;
    for (let at = 0; at < this.#count * WORDS; at += WORDS) {
      const isThere = this.#words[at + POSITION] < end && this.#words[at + LAST] >= start;
      if (isThere) bytes += this.#words[at + BYTES];
    }
    return bytes;
  }

  /** Offset of the first run at or behind `from` that may have a batch in `[start, end)` of the journal. */
  nextIn(from: number, start: number, end: number): number | undefined {
    if (this.#low >= end || this.#high < start) return undefined;
    for (let i = Math.max(0, this.find(from)); i < this.#count; i++) {
      const at = i * WORDS;
      if (this.#words[at + POSITION] >= end || this.#words[at + LAST] < start) continue;
      const offset = this.#words[at + OFFSET];
      if (offset >= from) return offset;
    }
    return undefined;
  }

  #hasRoom(position: number, timeMs: number): boolean {
    if (this.#count === 0) return false;
    const { intervalBytes, maxEvenRows, maxSpanBytes, intervalMs } = this.#limits;
    const at = (this.#count - 1) * WORDS;
    const interval = Math.max(intervalBytes, this.#bytes / maxEvenRows);
    const start = this.#words[at + POSITION];
    return (
      start >= 0 &&
      position > this.#words[at + LAST] &&
      position - start < Math.max(maxSpanBytes, interval) &&
      this.#words[at + BYTES] < interval &&
      timeMs - this.#rowTimeMs < intervalMs
    );
  }

  #push(row: Row): void {
    this.#reserve(this.#count + 1);
    this.#write(this.#count++, row);
  }

  #write(i: number, row: Row): void {
    this.#words.set([row.offset, row.position, row.last, row.timeMs, row.bytes], i * WORDS);
  }

  #reserve(count: number): void {
    if (count * WORDS <= this.#words.length) return;
    const larger = new Float64Array(Math.max(count, Math.ceil(this.#count * 1.5)) * WORDS);
    larger.set(this.#words.subarray(0, this.#count * WORDS));
    this.#words = larger;
  }

  #splice(first: number, gone: number, put: readonly Row[]): void {
    const rows = merged(put);
    const behind = first + gone;
    const count = this.#count - gone + rows.length;
    this.#reserve(count);
    this.#words.copyWithin((first + rows.length) * WORDS, behind * WORDS, this.#count * WORDS);
    rows.forEach((row, i) => {
      this.#write(first + i, row);
    });
    this.#count = count;
    this.#measure();
    this.version++;
  }

  #measure(): void {
    this.#bytes = 0;
    this.#low = Number.POSITIVE_INFINITY;
    this.#high = -1;
    for (let at = 0; at < this.#count * WORDS; at += WORDS) {
      this.#bytes += this.#words[at + BYTES];
      if (this.#words[at + POSITION] < 0) continue;
      this.#low = Math.min(this.#low, this.#words[at + POSITION]);
      this.#high = Math.max(this.#high, this.#words[at + LAST]);
    }
    this.#rowTimeMs = this.#count === 0 ? -1 : this.#words[(this.#count - 1) * WORDS + TIME];
  }
}

/** Holes of one kind that touch are one. */
function merged(rows: readonly Row[]): readonly Row[] {
  return rows.filter((row, i) => row.position >= 0 || rows[i - 1]?.position !== row.position);
}
