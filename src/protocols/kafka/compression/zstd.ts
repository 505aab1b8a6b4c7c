/**
 * zstd, by Facebook's library compiled to WebAssembly, the same on every version of Node. It decompresses a frame into a room that
 * it is given, so what is asked for is found out before: the blocks of a frame bound its length from above, by their headers alone.
 */
import type { Codec, DecompressionFault } from './codec.ts';

const MAGIC = 0xfd2f_b528;
/** Of the sixteen kinds of frames that are to be skipped. */
const SKIPPED = 0x184d_2a50;
const MAX_BLOCK_BYTES = 131_072;
const BlockType = { raw: 0, repeated: 1, compressed: 2 } as const;
/** As the producers' libraries choose when they are not told. */
const LEVEL = 3;

interface Frame {
  readonly at: number;
  readonly end: number;
  /** No more can come out. */
  readonly mostBytes: number;
  /** So much comes out, or nothing. */
  readonly isExact: boolean;
}

/** Sizes of the optional fields of a frame's header by their two bits each. */
const SIZE_BYTES = [0, 2, 4, 8] as const;
const DICTIONARY_BYTES = [0, 1, 2, 4] as const;

interface Header {
  /** Where the blocks start. */
  readonly at: number;
  readonly hasChecksum: boolean;
  readonly contentBytes: number | undefined;
}

function headerOf(bytes: Uint8Array, view: DataView, start: number): Header | undefined {
  const descriptor = bytes[start + 4];
  if (descriptor === undefined || (descriptor & 8) !== 0) return undefined;
  const isSingleSegment = (descriptor & 32) !== 0;
  const dictionaryBytes = DICTIONARY_BYTES[(descriptor & 3) as 0 | 1 | 2 | 3];
  const sizeBits = (descriptor >> 6) as 0 | 1 | 2 | 3;
  const sizeBytes = sizeBits === 0 && isSingleSegment ? 1 : SIZE_BYTES[sizeBits];
  const sizeAt = start + 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes;
  // Nobody has a dictionary that the peer could mean.
  if (dictionaryBytes > 0 || sizeAt + sizeBytes > bytes.length) return undefined;
  let contentBytes: number | undefined;
  if (sizeBytes === 1) contentBytes = bytes[sizeAt];
  else if (sizeBytes === 2) contentBytes = view.getUint16(sizeAt, true) + 256;
  else if (sizeBytes === 4) contentBytes = view.getUint32(sizeAt, true);
  else if (sizeBytes === 8) contentBytes = Number(view.getBigUint64(sizeAt, true));
  return { at: sizeAt + sizeBytes, hasChecksum: (descriptor & 4) !== 0, contentBytes };
}

/** The frame that starts at `start`, by its headers; undefined if there is none. */
function frameAt(bytes: Uint8Array, view: DataView, start: number): Frame | undefined {
  if (bytes.length - start < 8) return undefined;
  const magic = view.getUint32(start, true);
  if ((magic & ~15) >>> 0 === SKIPPED) {
    const end = start + 8 + view.getUint32(start + 4, true);
    return end > bytes.length ? undefined : { at: start, end, mostBytes: 0, isExact: true };
  }
  const header = magic === MAGIC ? headerOf(bytes, view, start) : undefined;
  if (header === undefined) return undefined;
  let { at } = header;
  let mostBytes = 0;
  for (let isLast = false; !isLast; ) {
    if (bytes.length - at < 3) return undefined;
    const word = view.getUint16(at, true) | ((bytes[at + 2] as number) << 16);
    const size = word >> 3;
    const type = (word >> 1) & 3;
    if (type > BlockType.compressed || size > MAX_BLOCK_BYTES) return undefined;
    mostBytes += type === BlockType.compressed ? MAX_BLOCK_BYTES : size;
    at += 3 + (type === BlockType.repeated ? 1 : size);
    if (at > bytes.length) return undefined;
    isLast = (word & 1) === 1;
  }
  const end = at + (header.hasChecksum ? 4 : 0);
  const { contentBytes } = header;
  if (end > bytes.length || (contentBytes ?? 0) > mostBytes) return undefined;
  return { at: start, end, mostBytes: contentBytes ?? mostBytes, isExact: contentBytes !== undefined };
}

function framesOf(bytes: Uint8Array): Frame[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const frame = frameAt(bytes, view, at);
    if (frame === undefined) return undefined;
    if (frame.mostBytes > 0) frames.push(frame);
    at = frame.end;
  }
  return frames;
}

export async function createZstd(): Promise<Codec> {
  const library = await import('@bokuweb/zstd-wasm');
  await library.init();

  function decompressFrame(
    frame: Uint8Array,
    mostBytes: number,
    left: number,
  ): Uint8Array | DecompressionFault {
    const room = Math.min(mostBytes, left);
    try {
      return library.decompress(frame, { defaultHeapSize: room });
    } catch {
      return room < mostBytes ? 'too-large' : 'corrupt';
    }
  }

  return {
    decompress(bytes, maxBytes) {
      const frames = framesOf(bytes);
      if (frames === undefined) return 'corrupt';
      const parts: Uint8Array[] = [];
      let left = maxBytes;
      for (const { at, end, mostBytes, isExact } of frames) {
        if (left === 0 || (isExact && mostBytes > left)) return 'too-large';
        const part = decompressFrame(bytes.subarray(at, end), mostBytes, left);
        if (typeof part === 'string') return part;
        parts.push(part);
        left -= part.length;
      }
      return parts.length === 1 ? (parts[0] as Uint8Array) : new Uint8Array(Buffer.concat(parts));
    },
    compress: (bytes) => library.compress(bytes, LEVEL),
  };
}
