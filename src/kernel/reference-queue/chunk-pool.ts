/**
 * Chunks of pairs of u32, all of one size, in pages that queues share: a queue of one delivery costs one small chunk and
 * no array of its own. A page whose chunks are all free goes, except the one that is allocated from.
 */
const PAGE_WORDS = 2 ** 16;
const NONE = -1;
const NO_PAGE = new Uint32Array(0);
const NO_COUNTS = new Uint8Array(0);

export class ChunkPool {
  /** Per chunk; a power of two. */
  readonly pairs: number;
  /** A chunk's page is its number shifted by this. */
  readonly pageShift: number;
  private readonly chunksPerPage: number;
  readonly pages: Uint32Array[] = [];
  /** By page and chunk: for the owner of the chunk, 0 when it is taken. */
  readonly counts: Uint8Array[] = [];
  /** By page: the first of the freed chunks, which are chained through their first word. */
  private readonly freed: number[] = [];
  private readonly neverUsed: number[] = [];
  private readonly used: number[] = [];
  private readonly isListed: boolean[] = [];
  /** Pages that may have free chunks. */
  private readonly withRoom: number[] = [];
  private readonly vacant: number[] = [];
  private current = NONE;

  constructor(pairs: number) {
    this.pairs = pairs;
    this.chunksPerPage = PAGE_WORDS / 2 / pairs;
    this.pageShift = Math.log2(this.chunksPerPage);
  }

  get bytes(): number {
    const inUse = this.pages.length - this.vacant.length;
    return inUse * (PAGE_WORDS * 4 + this.chunksPerPage);
  }

  take(): number {
    if (this.current === NONE || !this.hasRoom(this.current)) this.current = this.pageWithRoom();
    const page = this.current;
    this.used[page]++;
    let chunk = this.freed[page];
    if (chunk === NONE) {
      chunk = this.neverUsed[page]++;
    } else {
      this.freed[page] = this.pages[page][this.wordOf(chunk)] - 1;
    }
    this.counts[page][chunk] = 0;
    return page * this.chunksPerPage + chunk;
  }

  free(id: number): void {
    const page = id >>> this.pageShift;
    if (--this.used[page] === 0 && page !== this.current) {
      this.pages[page] = NO_PAGE;
      this.counts[page] = NO_COUNTS;
      this.neverUsed[page] = this.chunksPerPage;
      this.freed[page] = NONE;
      this.vacant.push(page);
      return;
    }
    const chunk = id & (this.chunksPerPage - 1);
    this.pages[page][this.wordOf(chunk)] = this.freed[page] + 1;
    this.freed[page] = chunk;
    if (!this.isListed[page] && page !== this.current) this.list(page);
  }

  /** Where the chunk begins in its page. */
  wordOf(id: number): number {
    return (id & (this.chunksPerPage - 1)) * 2 * this.pairs;
  }

  countOf(id: number): number {
    return this.counts[id >>> this.pageShift][id & (this.chunksPerPage - 1)];
  }

  setCount(id: number, count: number): void {
    this.counts[id >>> this.pageShift][id & (this.chunksPerPage - 1)] = count;
  }

  private hasRoom(page: number): boolean {
    return this.freed[page] !== NONE || this.neverUsed[page] < this.chunksPerPage;
  }

  private list(page: number): void {
    this.isListed[page] = true;
    this.withRoom.push(page);
  }

  private pageWithRoom(): number {
    for (let page = this.withRoom.pop(); page !== undefined; page = this.withRoom.pop()) {
      this.isListed[page] = false;
      if (this.hasRoom(page)) return page;
    }
    const page = this.vacant.pop() ?? this.pages.length;
    this.pages[page] = new Uint32Array(PAGE_WORDS);
    this.counts[page] = new Uint8Array(this.chunksPerPage);
    this.freed[page] = NONE;
    this.neverUsed[page] = 0;
    this.used[page] = 0;
    this.isListed[page] ??= false;
    return page;
  }
}

/** What all queues of a process take their chunks from. */
export interface ReferencePools {
  readonly small: ChunkPool;
  readonly medium: ChunkPool;
  readonly large: ChunkPool;
}

export function createReferencePools(): ReferencePools {
  return { small: new ChunkPool(4), medium: new ChunkPool(16), large: new ChunkPool(64) };
}
