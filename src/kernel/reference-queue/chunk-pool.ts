/**
 * Chunks of u32, a head and then slots, all of one size, in pages that queues share: a queue of one delivery costs one
 * small chunk and no array of its own. What the words mean is the owner's. A page whose chunks are all free goes, except the one that is allocated from.
 */
const HEAD_WORDS = 2;
const PAGE_PLACES = 2 ** 15;
const NONE = -1;
const NO_PAGE = new Uint32Array(0);

export class ChunkPool {
  /** Slots of a chunk; a power of two. */
  readonly places: number;
  private readonly pages: Uint32Array[] = [];
  private readonly chunkWords: number;
  private readonly chunksPerPage: number;
  /** A chunk's page is its number shifted by this. */
  private readonly pageShift: number;
  /** By page: the first of the freed chunks, which are chained through their first word. */
  private readonly freed: number[] = [];
  private readonly neverUsed: number[] = [];
  private readonly used: number[] = [];
  private readonly isListed: boolean[] = [];
  /** Pages that may have free chunks. */
  private readonly withRoom: number[] = [];
  private readonly vacant: number[] = [];
  private current = NONE;

  constructor(places: number) {
    this.places = places;
    this.chunkWords = HEAD_WORDS + places;
    this.chunksPerPage = PAGE_PLACES / places;
    this.pageShift = Math.log2(this.chunksPerPage);
  }

  get bytes(): number {
    const inUse = this.pages.length - this.vacant.length;
    return inUse * this.chunksPerPage * this.chunkWords * 4;
  }

  /** What the chunk holds is left over from before. */
  take(): number {
    if (this.current === NONE || !this.hasRoom(this.current)) this.current = this.pageWithRoom();
    const page = this.current;
    this.used[page]++;
    let chunk = this.freed[page];
    if (chunk === NONE) {
      chunk = this.neverUsed[page]++;
    } else {
      this.freed[page] = this.pages[page][this.headOf(chunk)] - 1;
    }
    return page * this.chunksPerPage + chunk;
  }

  free(id: number): void {
    const page = id >>> this.pageShift;
    if (--this.used[page] === 0 && page !== this.current) {
      this.pages[page] = NO_PAGE;
      this.neverUsed[page] = this.chunksPerPage;
      this.freed[page] = NONE;
      this.vacant.push(page);
      return;
    }
    const chunk = id & (this.chunksPerPage - 1);
    this.pages[page][this.headOf(chunk)] = this.freed[page] + 1;
    this.freed[page] = chunk;
    if (!this.isListed[page] && page !== this.current) this.list(page);
  }

  /** Holds the words of the chunk, from `headOf` on. */
  pageOf(id: number): Uint32Array {
    return this.pages[id >>> this.pageShift];
  }

  headOf(id: number): number {
    return (id & (this.chunksPerPage - 1)) * this.chunkWords;
  }

  slotsOf(id: number): number {
    return this.headOf(id) + HEAD_WORDS;
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
    this.pages[page] = new Uint32Array(this.chunksPerPage * this.chunkWords);
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
