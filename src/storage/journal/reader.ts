import { BLOCK_HEADER_BYTES } from '../wal/block.ts';
import { type WalBlock, WalCorrupt, type WalStore } from '../wal/wal-store.ts';
import { type ClosedSegment, Control } from './control.ts';
import { CONTROL_LOG, walkFrames } from './frame.ts';
import type { JournalRecord } from './group.ts';
import { footerSegment, indexOfFooter, type SegmentIndex } from './segment-index.ts';

const READ_BYTES = 256 * 1024;
const SEQUENTIAL_BYTES = 1024 * 1024;
const MAX_READ_BYTES = 4 * 1024 * 1024;
const MAX_FOOTERS = 64;

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
  records(segment: ReadableSegment, block: WalBlock): JournalRecord[];
  index(segment: ReadableSegment, home: ReadableSegment): Promise<SegmentIndex>;
}

/** Reads old blocks in large pieces through a cache of `cacheBytes`, and footers through one of `MAX_FOOTERS`. */
export function createReader(wal: WalStore, walId: string, cacheBytes: number): SegmentReader {
  const cache = new Map<number, WalBlock>();
  const footers = new Map<number, SegmentIndex>();
  let cached = 0;
  let typicalBytes = 0;
  /** Behind what was read last: who asks for that reads on, and the next piece is fetched ahead. */
  let readEnd = -1;
  let ahead: { readonly position: number; readonly blocks: Promise<WalBlock[]> } | undefined;

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

  function load(segment: ReadableSegment, position: number, isSequential: boolean): Promise<WalBlock[]> {
    // Whole blocks also where they are large: a piece that ends inside a block is read twice.
    const bytes = isSequential
      ? Math.max(SEQUENTIAL_BYTES, 2 * typicalBytes)
      : Math.max(READ_BYTES, typicalBytes);
    const { epoch, epochOffset, end } = segment;
    return wal.read(walId, epoch, position - epochOffset, end - epochOffset, Math.min(MAX_READ_BYTES, bytes));
  }

  async function block(segment: ReadableSegment, position: number): Promise<WalBlock> {
    const known = cache.get(position);
    if (known !== undefined) return known;
    const isSequential = position === readEnd;
    const started = ahead?.position === position ? ahead.blocks : undefined;
    ahead = undefined;
    const blocks = await (started ?? load(segment, position, isSequential));
    const [first, last] = [blocks[0], blocks.at(-1)];
    const from = position - segment.epochOffset;
    if (first?.position !== from || last === undefined) {
      throw new WalCorrupt(`${walId} epoch ${segment.epoch}`, from, 'no block there');
    }
    typicalBytes = first.end - first.position;
    readEnd = last.end + segment.epochOffset;
    if (isSequential && readEnd < segment.end) {
      // The disk works while these are checked and taken; what goes wrong is met when it is asked for.
      ahead = { position: readEnd, blocks: load(segment, readEnd, true) };
      ahead.blocks.catch(() => {});
    }
    // Behind first, so that the one asked for is the last to be dropped.
    for (const each of blocks.toReversed()) keep(each.position + segment.epochOffset, each);
    return first;
  }

  return {
    block,
    records(segment, { position, body }) {
      const base = position + segment.epochOffset + BLOCK_HEADER_BYTES;
      const found: JournalRecord[] = [];
      walkFrames(body, ({ logId, stripe, payload, offset }) => {
        if (logId !== CONTROL_LOG) found.push({ logId, stripe, payload, position: base + offset });
      });
      return found;
    },
    async index(segment, home) {
      if (segment.index !== undefined) return segment.index;
      const known = footers.get(segment.start);
      if (known !== undefined) return known;
      let index: SegmentIndex | undefined;
      const { body } = await block(home, segment.footer);
      walkFrames(body, ({ logId, stripe, payload }) => {
        if (logId !== CONTROL_LOG || stripe !== Control.Footer) return;
        if (footerSegment(payload) === segment.start) index = indexOfFooter(payload.slice());
      });
      if (index === undefined) {
        const { epoch, footer, epochOffset } = segment;
        throw new WalCorrupt(`${walId} epoch ${epoch}`, footer - epochOffset, 'no footer there');
      }
      footers.set(segment.start, index);
      const [oldest] = footers.keys();
      if (footers.size > MAX_FOOTERS && oldest !== undefined) footers.delete(oldest);
      return index;
    },
  };
}

export function closedForReading(segment: ClosedSegment): ReadableSegment {
  return { ...segment, index: undefined };
}
