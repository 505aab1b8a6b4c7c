import { BLOCK_HEADER_BYTES } from '../wal/block.ts';
import { WalCorrupt, type WalStore } from '../wal/wal-store.ts';
import { type ClosedSegment, Control, decodeDirectory, decodeRemoved } from './control.ts';
import { CONTROL_LOG, walkFrames } from './frame.ts';
import { createIndexBuilder, type IndexBuilder } from './segment-index.ts';

const READ_BYTES = 1024 * 1024;

/** What was there before this epoch. */
export interface Recovered {
  /** Position at which the new epoch begins. */
  readonly end: number;
  /** Segments that were given up, and whose bytes may still be there. */
  readonly removed: readonly ClosedSegment[];
  /** Finished segments, oldest first. */
  readonly segments: readonly ClosedSegment[];
  /** The segment that was being written, without a footer yet; its index was built by reading it. */
  readonly last: { readonly segment: ClosedSegment; readonly index: IndexBuilder } | undefined;
}

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
  return { end: 0, removed: [], segments: [], last: undefined };
}

async function scanNewest(wal: WalStore, walId: string, epoch: number, length: number): Promise<Recovered> {
  const anchor = await wal.lastAnchor(walId, epoch, length);
  const index = createIndexBuilder();
  let epochOffset = 0;
  let segments: readonly ClosedSegment[] | undefined;
  let removedBelow = 0;
  for (let at = anchor; at < length; ) {
    const blocks = await wal.read(walId, epoch, at, length, READ_BYTES);
    for (const block of blocks) {
      walkFrames(block.body, ({ logId, stripe, payload, offset }) => {
        const start = block.position + epochOffset;
        if (logId !== CONTROL_LOG) index.add(logId, start, start + BLOCK_HEADER_BYTES + offset);
        else if (stripe === Control.Removed) removedBelow = Math.max(removedBelow, decodeRemoved(payload));
        else if (stripe === Control.Directory && segments === undefined) {
          const directory = decodeDirectory(payload);
          if (directory !== undefined) ({ epochOffset, segments } = directory);
        }
      });
      if (segments === undefined)
        throw new WalCorrupt(`${walId} epoch ${epoch}`, anchor, 'no directory there');
      at = block.end;
    }
  }
  const end = epochOffset + length;
  const segment = { epoch, epochOffset, start: epochOffset + anchor, end, footer: end };
  return {
    end,
    removed: (segments ?? []).filter((each) => each.end <= removedBelow),
    segments: (segments ?? []).filter((each) => each.end > removedBelow),
    last: { segment, index },
  };
}
