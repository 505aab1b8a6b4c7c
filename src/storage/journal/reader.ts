import { BLOCK_HEADER_BYTES } from '../wal/block.ts';
import { type WalBlock, WalCorrupt, type WalStore } from '../wal/wal-store.ts';
import type { BufferPool } from './buffer-pool.ts';
import { type ClosedSegment, Control } from './control.ts';
import { CONTROL_LOG, walkFrames } from './frame.ts';
import { type Body, collectRecords, type JournalRecord } from './group.ts';
import { footerSegment, indexOfFooter, type SegmentIndex } from './segment-index.ts';

const READ_BYTES = 256 * 1024;
const SEQUENTIAL_BYTES = 1024 * 1024;
const MAX_READ_BYTES = 4 * 1024 * 1024;
const MAX_FOOTER_BYTES = 32 * 1024 * 1024;

/** A segment as readers see it: an open one ends where acknowledgements do, and has its index in memory. */
export interface ReadableSegment {
  readonly epoch: number;
  readonly epochOffset: number;
  readonly start: number;
  readonly end: number;
  readonly footer: number;
  readonly index: SegmentIndex | undefined;
}

export interface SegmentReader {
  /** The block at a position of the journal; what was read with it is kept for the next call. */
  block(segment: ReadableSegment, position: number): Promise<WalBlock>;
  body(segment: ReadableSegment, block: WalBlock): Body;
  /** All records of a block. */
  records(segment: ReadableSegment, block: WalBlock): JournalRecord[];
  /** `home`: the segment in which the footer lies. */
  index(segment: ReadableSegment, home: ReadableSegment): Promise<SegmentIndex>;
  /** The index of a closed segment as it lies on disk. */
  footer(segment: ReadableSegment, home: ReadableSegment): Promise<Uint8Array>;
  /** The index of a segment that was closed just now, for the readers that come next. */
  keepFooter(start: number, footer: Uint8Array): SegmentIndex;
}

/** What one read of the log brings. */
interface Piece {
  readonly position: number;
  readonly blocks: Promise<WalBlock[]>;
  /** Of the pool. */
  readonly buffers: Uint8Array[];
  /** Behind its last block, once that is known, which can be before they are checked. */
  end: number | undefined;
  onEnd: () => void;
}

/**
 * Reads old blocks in large pieces through a cache of `cacheBytes`, and footers through one of `MAX_FOOTER_BYTES`. With
 * `recycled` a block is good until the next one is asked for: pieces are read into the same buffers again and again,
 * since new ones for a whole journal would have the collector go through all of a large heap every few dozen pieces.
 */
export function createReader(
  wal: WalStore,
  walId: string,
  cacheBytes: number,
  recycled?: BufferPool,
): SegmentReader {
  const cache = new Map<number, WalBlock>();
  const footers = new Map<number, { readonly index: SegmentIndex; readonly bytes: number }>();
  let footerBytes = 0;
  let cached = 0;
  let typicalBytes = 0;
  /** Behind what was read last: who asks for that reads on, and the next piece is fetched ahead. */
  let readEnd = -1;
  let ahead: Piece | undefined;
  /** The piece that was asked for last: only it is followed by another. */
  let current: Piece | undefined;

  function keep(position: number, block: WalBlock): void {
    if (cache.has(position)) return;
    cache.set(position, block);
    cached += block.body.byteLength;
    for (const [oldest, { body }] of cache) {
      if (cached <= cacheBytes || cache.size === 1) break;
      cache.delete(oldest);
      cached -= body.byteLength;
    }
  }

  function load(segment: ReadableSegment, position: number, isSequential: boolean): Piece {
    // Whole blocks also where they are large: a piece that ends inside a block is read twice.
    const wanted = isSequential
      ? Math.max(SEQUENTIAL_BYTES, 2 * typicalBytes)
      : Math.max(READ_BYTES, typicalBytes);
    const bytes = Math.min(MAX_READ_BYTES, wanted);
    const { epoch, epochOffset, end } = segment;
    const onEnd = (at: number): void => {
      piece.end = at + epochOffset;
      piece.onEnd();
    };
    const buffers: Uint8Array[] = [];
    const allocate = recycled && ((most: number) => recycled.take(most, buffers));
    const hints = allocate === undefined ? { onEnd } : { onEnd, allocate };
    const blocks = wal.read(walId, epoch, position - epochOffset, end - epochOffset, bytes, hints);
    const piece: Piece = { position, blocks, buffers, end: undefined, onEnd: () => {} };
    return piece;
  }

  /** The disk works while the bodies of this piece are checked and taken; what goes wrong is met when it is asked for. */
  function readOn(segment: ReadableSegment, piece: Piece): void {
    const { end } = piece;
    if (end === undefined || end >= segment.end || ahead !== undefined || current !== piece) return;
    ahead = load(segment, end, true);
    ahead.blocks.catch(() => {});
  }

  async function block(segment: ReadableSegment, position: number): Promise<WalBlock> {
    const known = cache.get(position);
    if (known !== undefined) return known;
    const isSequential = position === readEnd;
    const piece = ahead?.position === position ? ahead : load(segment, position, isSequential);
    ahead = undefined;
    if (recycled !== undefined) {
      cache.clear();
      cached = 0;
      if (current !== undefined) recycled.give(current.buffers);
    }
    current = piece;
    if (isSequential) {
      piece.onEnd = () => readOn(segment, piece);
      readOn(segment, piece);
    }
    const blocks = await piece.blocks;
    const [first, last] = [blocks[0], blocks.at(-1)];
    const from = position - segment.epochOffset;
    if (first?.position !== from || last === undefined) {
      throw new WalCorrupt(`${walId} epoch ${segment.epoch}`, from, 'no block there');
    }
    typicalBytes = first.end - first.position;
    readEnd = last.end + segment.epochOffset;
    if (isSequential && piece.end === undefined) {
      piece.end = readEnd;
      readOn(segment, piece);
    }
    // Behind first, so that the one asked for is the last to be dropped.
    for (const each of blocks.toReversed()) keep(each.position + segment.epochOffset, each);
    return first;
  }

  async function footer(segment: ReadableSegment, home: ReadableSegment): Promise<Uint8Array> {
    let found: Uint8Array | undefined;
    const { body } = await block(home, segment.footer);
    walkFrames(body, ({ logId, stripe, payload }) => {
      if (logId !== CONTROL_LOG || stripe !== Control.Footer) return;
      if (footerSegment(payload) === segment.start) found = payload.slice();
    });
    if (found !== undefined) return found;
    const { epoch, epochOffset } = segment;
    throw new WalCorrupt(`${walId} epoch ${epoch}`, segment.footer - epochOffset, 'no footer there');
  }

  function keepFooter(start: number, bytes: Uint8Array): SegmentIndex {
    const index = indexOfFooter(bytes);
    footerBytes += bytes.byteLength - (footers.get(start)?.bytes ?? 0);
    footers.set(start, { index, bytes: bytes.byteLength });
    for (const [oldest, held] of footers) {
      if (footerBytes <= MAX_FOOTER_BYTES || footers.size === 1) break;
      footers.delete(oldest);
      footerBytes -= held.bytes;
    }
    return index;
  }

  const bodyOf = (segment: ReadableSegment, { position, body }: WalBlock): Body => ({
    bytes: body,
    large: undefined,
    position: position + segment.epochOffset + BLOCK_HEADER_BYTES,
  });

  return {
    block,
    body: bodyOf,
    footer,
    keepFooter,
    records(segment, whole) {
      const found: JournalRecord[] = [];
      collectRecords(bodyOf(segment, whole), undefined, 0, Number.POSITIVE_INFINITY, found);
      return found;
    },
    async index(segment, home) {
      if (segment.index !== undefined) return segment.index;
      const known = footers.get(segment.start);
      return known?.index ?? keepFooter(segment.start, await footer(segment, home));
    },
  };
}

export function closedForReading(segment: ClosedSegment): ReadableSegment {
  return { ...segment, index: undefined };
}
