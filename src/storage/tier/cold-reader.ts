import { BLOCK_HEADER_BYTES } from '../wal/block.ts';
import { FILE_HEADER_BYTES } from '../wal/epoch-files.ts';
import { cutBlocks } from '../wal/scan.ts';
import { type BodyCheck, type WalBlock, WalCorrupt } from '../wal/wal-store.ts';
import type { StoredSegment } from './object-name.ts';
import type { RangeCache } from './range-cache.ts';

export interface ColdReader {
  /** As `WalStore.read`, for positions within one stored segment. */
  read(
    key: string,
    segment: StoredSegment,
    from: number,
    until: number,
    maxBytes: number,
  ): Promise<WalBlock[]>;
}

/** Reads blocks out of objects, which are files of the engine `files` byte for byte, and checks each as that does. */
export function createColdReader(cache: RangeCache, check: BodyCheck, maxBlockBytes: number): ColdReader {
  async function blocksAt(
    key: string,
    { epoch, start, end }: StoredSegment,
    from: number,
    wantedBytes: number,
  ): Promise<WalBlock[] | undefined> {
    const sizeBytes = FILE_HEADER_BYTES + end - start;
    const offset = FILE_HEADER_BYTES + from - start;
    for (let bytes = Math.max(BLOCK_HEADER_BYTES, wantedBytes); ; ) {
      const found = await cache.read(key, sizeBytes, offset, bytes);
      if (found === undefined) throw new WalCorrupt(key, offset, 'the object is gone');
      const cut = cutBlocks(found, from, epoch, check, maxBlockBytes);
      if (cut.blocks.length > 0) return [...cut.blocks];
      if (cut.needBytes <= bytes) return undefined;
      bytes = cut.needBytes;
    }
  }

  return {
    async read(key, segment, from, until, maxBytes) {
      const bytes = Math.min(maxBytes, until - from, segment.end - from);
      let blocks = await blocksAt(key, segment, from, bytes);
      if (blocks === undefined) {
        // The damage may have happened on the way or in memory: the store is asked once more.
        cache.forget(key);
        blocks = await blocksAt(key, segment, from, bytes);
      }
      if (blocks === undefined) {
        const offset = FILE_HEADER_BYTES + from - segment.start;
        throw new WalCorrupt(key, offset, 'the block there is damaged');
      }
      return blocks.filter((block) => block.position < until);
    },
  };
}
