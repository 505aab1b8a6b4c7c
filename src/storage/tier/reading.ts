import type { Disk } from '../disk/disk.ts';
import type { SegmentStore } from '../segments/segment-store.ts';
import { crcCheck } from '../wal/block.ts';
import { FILE_HEADER_BYTES } from '../wal/epoch-files.ts';
import { type RawBytes, rawBytesOfFiles } from '../wal/raw-bytes.ts';
import { type BodyCheck, type WalBlock, WalCorrupt, type WalStore } from '../wal/wal-store.ts';
import { createColdReader } from './cold-reader.ts';
import { createLocalFiles } from './local-files.ts';
import { objectsOf, storedSegment } from './object-name.ts';
import { createRangeCache } from './range-cache.ts';
import { createTierTable, type TierTable } from './tier-table.ts';

export interface TierReadingOptions {
  /** The engine `files`, over the same disk and directory, with the same check. */
  readonly wal: WalStore;
  readonly walId: string;
  readonly disk: Disk;
  readonly directory: string;
  readonly check?: BodyCheck;
  readonly segments: SegmentStore;
  readonly cacheBytes: number;
}

export interface TierReading {
  /** Reads only: what would change something rejects. */
  readonly wal: WalStore;
  /** Damage of local files that was met so far, where the store had the same bytes undamaged. */
  problems(): readonly string[];
  readonly raw: RawBytes;
}

/**
 * A tiered log that nobody has open, for looking at it: nothing is written here or in the store. What is stored is told
 * by one listing, now; rejects when the store cannot tell.
 */
export async function openTieredWalForReading(options: TierReadingOptions): Promise<TierReading> {
  const { wal, walId, disk, directory, check = crcCheck, segments: store, cacheBytes } = options;
  const { maxBlockBytes } = wal;
  const files = createLocalFiles(disk, `${directory}/${walId}`, check, maxBlockBytes);
  const table: TierTable = createTierTable();
  const cold = createColdReader(createRangeCache(store, cacheBytes), check, maxBlockBytes);
  const damage = new Set<string>();

  const gone = await files.listGone();
  for await (const { key, sizeBytes } of store.list(objectsOf(walId))) {
    const stored = storedSegment(key);
    if (stored === undefined || sizeBytes !== FILE_HEADER_BYTES + stored.end - stored.start) continue;
    const { epoch, start } = stored;
    if (gone.some((each) => each.epoch === epoch && start >= each.from && start < each.until)) continue;
    table.addStored(key, stored);
    const segment = table.get(epoch, start);
    if (segment !== undefined) segment.isLocal = (await files.endOf(epoch, start)) !== undefined;
  }

  async function read(epoch: number, from: number, until: number, maxBytes: number): Promise<WalBlock[]> {
    const segment = table.at(epoch, from);
    if (segment?.object === undefined) return wal.read(walId, epoch, from, until, maxBytes);
    const { key, stored } = segment.object;
    if (!segment.isLocal) return cold.read(key, stored, from, until, maxBytes);
    try {
      return await wal.read(walId, epoch, from, Math.min(until, segment.end), maxBytes);
    } catch (error) {
      if (!(error instanceof WalCorrupt)) throw error;
      const blocks = await cold.read(key, stored, from, until, maxBytes);
      damage.add(`${error.message}; the object store has it undamaged`);
      return blocks;
    }
  }

  const rawHere = rawBytesOfFiles(disk, `${directory}/${walId}`);
  async function raw(epoch: number, position: number, maxBytes: number): Promise<Uint8Array> {
    const segment = table.at(epoch, position);
    if (segment?.object === undefined || segment.isLocal) return rawHere(epoch, position, maxBytes);
    const { key, stored } = segment.object;
    const range = { offset: FILE_HEADER_BYTES + position - stored.start, lengthBytes: maxBytes };
    return (await store.get(key, range)) ?? new Uint8Array(0);
  }

  const refuse = (): Promise<never> => Promise.reject(new Error('this log was opened for reading only'));
  return {
    problems: () => [...damage],
    raw,
    wal: {
      maxBlockBytes,
      probe: async () => {},
      open: refuse,
      seal: refuse,
      remove: refuse,
      epochs: wal.epochs,
      inspect: wal.inspect,
      read: (_, epoch, from, until, maxBytes) => read(epoch, from, until, maxBytes),
      async lastAnchor(_, epoch, length) {
        const stored = table.lastBelow(epoch, length)?.start ?? -1;
        try {
          return Math.max(stored, await wal.lastAnchor(walId, epoch, length));
        } catch (error) {
          if (stored === -1 || !(error instanceof WalCorrupt)) throw error;
          return stored;
        }
      },
    },
  };
}
