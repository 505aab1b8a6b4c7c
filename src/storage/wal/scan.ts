import type { DiskFile } from '../disk/disk.ts';
import { BLOCK_HEADER_BYTES, BLOCK_MAGIC, type BlockHeader, decodeBlockHeader } from './block.ts';
import { FILE_HEADER_BYTES } from './epoch-files.ts';
import { type BodyCheck, type WalBlock, WalCorrupt } from './wal-store.ts';

const WINDOW_BYTES = 1024 * 1024;

/** Where an epoch ends, and up to where its own blocks say that they were synced. */
export interface Measure {
  readonly length: number;
  readonly synced: number;
  /** What lies behind the last whole block. */
  readonly tornBytes: number;
}

export interface Cut {
  readonly blocks: readonly WalBlock[];
  /** Position behind the last whole block. */
  readonly end: number;
  /** What the block at `end` needs when its header is good and its body is not all here; 0 when it is bad or absent. */
  readonly needBytes: number;
  /** The highest position that a header knew to be synced. */
  readonly synced: number;
}

/**
 * Whole blocks at the start of `bytes`, which lie at `position` of the epoch. `onEnd` is told where the next blocks
 * begin by what the headers say, before any body is checked, which takes longer than all the rest.
 */
export function cutBlocks(
  bytes: Uint8Array,
  position: number,
  epoch: number,
  check: BodyCheck,
  maxBlockBytes: number,
  onEnd?: (position: number) => void,
): Cut {
  const { headers, end, needBytes } = cutHeaders(bytes, position, epoch, maxBlockBytes);
  if (end > position) onEnd?.(end);
  const blocks: WalBlock[] = [];
  let synced = 0;
  for (const header of headers) {
    const start = header.position - position + BLOCK_HEADER_BYTES;
    const body = bytes.subarray(start, start + header.bodyBytes);
    if (!check.matches(body, header.sum)) return { blocks, end: header.position, needBytes: 0, synced };
    const blockEnd = position + start + header.bodyBytes;
    blocks.push({ position: header.position, end: blockEnd, isAnchor: header.isAnchor, body });
    synced = Math.max(synced, header.synced);
  }
  return { blocks, end, needBytes, synced };
}

/** Headers of the blocks whose bodies are all here. */
function cutHeaders(
  bytes: Uint8Array,
  position: number,
  epoch: number,
  maxBlockBytes: number,
): { headers: BlockHeader[]; end: number; needBytes: number } {
  const headers: BlockHeader[] = [];
  for (let offset = 0; ; ) {
    const header = decodeBlockHeader(bytes, offset, epoch);
    const end = position + offset;
    if (header === undefined || header.position !== end || header.bodyBytes > maxBlockBytes) {
      const isShort = offset > 0 && bytes.byteLength - offset < BLOCK_HEADER_BYTES;
      return { headers, end, needBytes: isShort ? BLOCK_HEADER_BYTES : 0 };
    }
    const blockBytes = BLOCK_HEADER_BYTES + header.bodyBytes;
    if (offset + blockBytes > bytes.byteLength) return { headers, end, needBytes: blockBytes };
    headers.push(header);
    offset += blockBytes;
  }
}

/** Bytes of a file from a position on, where the file's first block is at `base`. */
export async function readAt(
  file: DiskFile,
  base: number,
  position: number,
  bytes: number,
  allocate: (bytes: number) => Uint8Array = Buffer.allocUnsafeSlow,
): Promise<Uint8Array> {
  const into = allocate(bytes);
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
): Promise<Measure> {
  const limit = base + Math.max(0, (await file.size()) - FILE_HEADER_BYTES);
  let at = base;
  let synced = base;
  let windowBytes = WINDOW_BYTES;
  while (at < limit) {
    const bytes = await readAt(file, base, at, Math.min(windowBytes, limit - at));
    const cut = cutBlocks(bytes, at, epoch, check, maxBlockBytes);
    windowBytes = Math.max(WINDOW_BYTES, cut.needBytes);
    synced = Math.max(synced, cut.synced);
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
  return { length: at, synced, tornBytes: limit - at };
}

/**
 * Writes the bytes from `synced` to `length` once more and syncs them. After a failed sync the operating system may
 * show bytes that the disk never got, and take them for clean: only a new write makes a sync mean them.
 */
export async function settleTail(file: DiskFile, base: number, { synced, length }: Measure): Promise<void> {
  for (let at = synced; at < length; at += WINDOW_BYTES) {
    const bytes = await readAt(file, base, at, Math.min(WINDOW_BYTES, length - at));
    await file.writev([bytes], FILE_HEADER_BYTES + at - base);
  }
  await file.datasync();
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
    for (
      let found = buffer.indexOf(BLOCK_MAGIC);
      found !== -1;
      found = buffer.indexOf(BLOCK_MAGIC, found + 1)
    ) {
      const header = decodeBlockHeader(bytes, found, epoch);
      if (header !== undefined && header.position === at + found && header.synced > bad)
        return header.position;
    }
  }
  return undefined;
}
