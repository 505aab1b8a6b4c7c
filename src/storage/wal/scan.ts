import type { DiskFile } from '../disk/disk.ts';
import { BLOCK_HEADER_BYTES, BLOCK_MAGIC, decodeBlockHeader } from './block.ts';
import { FILE_HEADER_BYTES } from './epoch-files.ts';
import { type BodyCheck, type WalBlock, WalCorrupt } from './wal-store.ts';

const WINDOW_BYTES = 1024 * 1024;

export interface Cut {
  readonly blocks: readonly WalBlock[];
  /** Position behind the last whole block. */
  readonly end: number;
  /** What the block at `end` needs when its header is good and its body is not all here; 0 when it is bad or absent. */
  readonly needBytes: number;
}

/** Whole blocks at the start of `bytes`, which lie at `position` of the epoch. */
export function cutBlocks(
  bytes: Uint8Array,
  position: number,
  epoch: number,
  check: BodyCheck,
  maxBlockBytes: number,
): Cut {
  const blocks: WalBlock[] = [];
  let offset = 0;
  for (;;) {
    const header = decodeBlockHeader(bytes, offset, epoch);
    if (header === undefined || header.position !== position + offset || header.bodyBytes > maxBlockBytes) {
      const isShort = offset > 0 && bytes.byteLength - offset < BLOCK_HEADER_BYTES;
      return { blocks, end: position + offset, needBytes: isShort ? BLOCK_HEADER_BYTES : 0 };
    }
    const start = offset + BLOCK_HEADER_BYTES;
    const end = start + header.bodyBytes;
    if (end > bytes.byteLength) {
      return { blocks, end: position + offset, needBytes: BLOCK_HEADER_BYTES + header.bodyBytes };
    }
    const body = bytes.subarray(start, end);
    if (!check.matches(body, header.sum)) return { blocks, end: position + offset, needBytes: 0 };
    blocks.push({ position: header.position, end: position + end, isAnchor: header.isAnchor, body });
    offset = end;
  }
}

/** Bytes of a file from a position on, where the file's first block is at `base`. */
export async function readAt(file: DiskFile, base: number, position: number, bytes: number): Promise<Uint8Array> {
  const into = Buffer.allocUnsafeSlow(bytes);
  const got = await file.read(into, FILE_HEADER_BYTES + position - base);
  return into.subarray(0, got);
}

/**
 * Length of an epoch, told from its last file: behind the last whole block nothing counts, unless a later header says
 * that this place was on stable storage once. Then it was damaged, and nobody may take that for a torn tail.
 */
export async function measureTail(
  file: DiskFile,
  epoch: number,
  base: number,
  check: BodyCheck,
  maxBlockBytes: number,
): Promise<number> {
  const limit = base + Math.max(0, (await file.size()) - FILE_HEADER_BYTES);
  let at = base;
  let windowBytes = WINDOW_BYTES;
  while (at < limit) {
    const bytes = await readAt(file, base, at, Math.min(windowBytes, limit - at));
    const cut = cutBlocks(bytes, at, epoch, check, maxBlockBytes);
    windowBytes = Math.max(WINDOW_BYTES, cut.needBytes);
    if (cut.end > at) at = cut.end;
    else if (cut.needBytes === 0 || at + cut.needBytes > limit) break;
  }
  const witness = at < limit ? await findWitness(file, epoch, base, at, limit) : undefined;
  if (witness !== undefined) {
    throw new WalCorrupt(
      file.path,
      FILE_HEADER_BYTES + at - base,
      `the block there is damaged: it was synced before the one at ${FILE_HEADER_BYTES + witness - base} was written`,
    );
  }
  return at;
}

/** Position of a whole header behind `bad` that knew `bad` to be synced. */
async function findWitness(
  file: DiskFile,
  epoch: number,
  base: number,
  bad: number,
  limit: number,
): Promise<number | undefined> {
  for (let at = bad; at < limit; at += WINDOW_BYTES) {
    // Windows overlap by a header, so that none is cut in two.
    const bytes = await readAt(file, base, at, Math.min(WINDOW_BYTES + BLOCK_HEADER_BYTES, limit - at));
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let found = buffer.indexOf(BLOCK_MAGIC); found !== -1; found = buffer.indexOf(BLOCK_MAGIC, found + 1)) {
      const header = decodeBlockHeader(bytes, found, epoch);
      if (header !== undefined && header.position === at + found && header.synced > bad) return header.position;
    }
  }
  return undefined;
}
