import { BLOCK_HEADER_BYTES } from '../wal/block.ts';
import { type WalBlock, WalCorrupt, type WalStore } from '../wal/wal-store.ts';
import { type ClosedSegment, Control, type Directory, decodeDirectory, decodeRemoved } from './control.ts';
import { CONTROL_LOG, walkFrames } from './frame.ts';
import { createIndexBuilder, footerSegment, type IndexBuilder } from './segment-index.ts';

const READ_BYTES = 1024 * 1024;

/** What is there. */
export interface Recovered {
  /** Position behind the last whole block, at which a new epoch begins. */
  readonly end: number;
  /** Finished segments, oldest first. */
  readonly segments: readonly ClosedSegment[];
  /** Segments that were given up, and whose bytes may still be there. */
  readonly removed: readonly ClosedSegment[];
  /** The segment that was being written, without a footer yet; its index was built by reading it. */
  readonly last: { readonly segment: ClosedSegment; readonly index: IndexBuilder } | undefined;
}

const NOTHING: Recovered = { end: 0, segments: [], removed: [], last: undefined };

/**
 * Seals what came before `epoch` and reads the newest segment, which is the only one whose index is not on disk: its
 * directory tells of all others. What a torn tail held is behind the sealed length and is never looked at.
 */
export async function recover(wal: WalStore, walId: string, epoch: number): Promise<Recovered> {
  for (const previous of (await wal.epochs(walId)).reverse()) {
    if (previous >= epoch) continue;
    const length = await wal.seal(walId, previous);
    if (length > 0) return scanNewest(wal, walId, previous, length);
  }
  return NOTHING;
}

/** The same as far as it can be seen without sealing: nothing is written. */
export async function recoverForReading(wal: WalStore, walId: string): Promise<Recovered> {
  for (const epoch of (await wal.epochs(walId)).reverse()) {
    const { length } = await wal.inspect(walId, epoch);
    if (length > 0) return scanNewest(wal, walId, epoch, length);
  }
  return NOTHING;
}

async function scanNewest(wal: WalStore, walId: string, epoch: number, length: number): Promise<Recovered> {
  const anchor = await wal.lastAnchor(walId, epoch, length);
  const index = createIndexBuilder();
  const gone = new Set<number>();
  const footers = new Map<number, number>();
  let directory: Directory | undefined;
  let epochOffset = 0;
  for (let at = anchor; at < length; ) {
    const blocks = await readTail(wal, walId, epoch, at, length);
    for (const block of blocks) {
      walkFrames(block.body, ({ logId, stripe, payload, offset }) => {
        if (logId === CONTROL_LOG && stripe === Control.Directory && directory === undefined) {
          directory = decodeDirectory(payload);
          epochOffset = directory?.epochOffset ?? 0;
        }
        const start = block.position + epochOffset;
        if (logId !== CONTROL_LOG) index.add(logId, start, start + BLOCK_HEADER_BYTES + offset);
        else if (stripe === Control.Removed) for (const each of decodeRemoved(payload)) gone.add(each);
        else if (stripe === Control.Footer) footers.set(footerSegment(payload), start);
      });
      if (directory === undefined)
        throw new WalCorrupt(`${walId} epoch ${epoch}`, anchor, 'no directory there');
      at = block.end;
    }
  }
  const end = epochOffset + length;
  const segment = { epoch, epochOffset, start: epochOffset + anchor, end, footer: end };
  const known = (directory?.segments ?? []).map((each) => ({
    ...each,
    footer: footers.get(each.start) ?? each.footer,
  }));
  return {
    end,
    segments: known.filter(({ start }) => !gone.has(start)),
    removed: [...(directory?.removed ?? []), ...known.filter(({ start }) => gone.has(start))],
    last: { segment, index },
  };
}

/** The end of the newest epoch is the one place where damage can be a loss that nobody else would ever notice. */
async function readTail(
  wal: WalStore,
  walId: string,
  epoch: number,
  at: number,
  length: number,
): Promise<WalBlock[]> {
  try {
    return await wal.read(walId, epoch, at, length, READ_BYTES);
  } catch (error) {
    if (!(error instanceof WalCorrupt)) throw error;
    const reason = `epoch ${epoch} is whole up to ${at} and was sealed at ${length}: what is missing was acknowledged`;
    throw new WalCorrupt(error.file, error.position, reason);
  }
}
