/**
 * The file that the memory engine starts from: a header with magic and version, frames of entries with a length and a
 * CRC-32 each, and an empty frame that says how many entries there are. It replaces the one before it atomically.
 */
import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { type KvEntry, KvStoreError, MAX_KEY_BYTES, MAX_VALUE_BYTES } from './kv-store.ts';

const MAGIC = 'RMQKVSNP';
const VERSION = 1;
const HEADER_BYTES = 12;
/** Length of the payload, CRC-32 of the payload. */
const FRAME_HEADER_BYTES = 8;
const ENTRY_HEADER_BYTES = 8;
const FRAME_BYTES = 256 * 1024;
const MAX_FRAME_BYTES = FRAME_BYTES + ENTRY_HEADER_BYTES + MAX_KEY_BYTES + MAX_VALUE_BYTES;
const END_BYTES = 8;

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let from = 0; from < bytes.byteLength; ) {
    from += (await handle.write(bytes, from, bytes.byteLength - from)).bytesWritten;
  }
}

function frame(payload: readonly Uint8Array[], lengthField: number): Buffer {
  const body = Buffer.concat(payload);
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32LE(lengthField, 0);
  header.writeUInt32LE(crc32(body), 4);
  return Buffer.concat([header, body]);
}

function header(): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.write(MAGIC, 0, 'latin1');
  bytes.writeUInt32LE(VERSION, MAGIC.length);
  return bytes;
}

function end(entries: number): Buffer {
  const count = Buffer.alloc(END_BYTES);
  count.writeBigUInt64LE(BigInt(entries));
  return frame([count], 0);
}

async function writeFrames(handle: FileHandle, entries: Iterable<KvEntry>): Promise<void> {
  await writeAll(handle, header());
  let parts: Uint8Array[] = [];
  let sizeBytes = 0;
  let count = 0;
  for (const { key, value } of entries) {
    const lengths = Buffer.allocUnsafe(ENTRY_HEADER_BYTES);
    lengths.writeUInt32LE(key.byteLength, 0);
    lengths.writeUInt32LE(value.byteLength, 4);
    parts.push(lengths, key, value);
    sizeBytes += ENTRY_HEADER_BYTES + key.byteLength + value.byteLength;
    count++;
    if (sizeBytes >= FRAME_BYTES) {
      await writeAll(handle, frame(parts, sizeBytes));
      parts = [];
      sizeBytes = 0;
    }
  }
  if (sizeBytes > 0) await writeAll(handle, frame(parts, sizeBytes));
  await writeAll(handle, end(count));
}

/** When it resolves, the snapshot is durable under its name; when it rejects, the one before it still is. */
export async function writeSnapshot(path: string, entries: Iterable<KvEntry>): Promise<void> {
  const temporary = `${path}.new`;
  const handle = await open(temporary, 'w');
  try {
    await writeFrames(handle, entries);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function* entriesOf(payload: Buffer, damaged: (what: string) => KvStoreError): Generator<KvEntry> {
  for (let at = 0; at < payload.byteLength; ) {
    if (payload.byteLength - at < ENTRY_HEADER_BYTES) throw damaged('an entry that is cut off');
    const keyBytes = payload.readUInt32LE(at);
    const valueBytes = payload.readUInt32LE(at + 4);
    const key = at + ENTRY_HEADER_BYTES;
    at = key + keyBytes + valueBytes;
    if (at > payload.byteLength) throw damaged('an entry that reaches over the end of its frame');
    yield { key: payload.subarray(key, key + keyBytes), value: payload.subarray(key + keyBytes, at) };
  }
}

/** Entries in the order in which they were written; nothing when there is no file. Rejects at the first damage. */
export async function* readSnapshot(path: string): AsyncGenerator<KvEntry> {
  const handle = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (handle === undefined) return;
  let position = 0;
  const damaged = (what: string): KvStoreError =>
    new KvStoreError(
      `the snapshot ${path} is damaged at byte ${position} (${what}); remove it to have it built again, if the journal still goes back to its start`,
    );
  const read = async (lengthBytes: number): Promise<Buffer> => {
    const bytes = Buffer.allocUnsafeSlow(lengthBytes);
    for (let filled = 0; filled < lengthBytes; ) {
      const { bytesRead } = await handle.read(bytes, filled, lengthBytes - filled, position + filled);
      if (bytesRead === 0) throw damaged('it ends in the middle');
      filled += bytesRead;
    }
    position += lengthBytes;
    return bytes;
  };
  try {
    const head = await read(HEADER_BYTES);
    if (head.toString('latin1', 0, MAGIC.length) !== MAGIC) throw damaged('it does not start as a snapshot');
    const version = head.readUInt32LE(MAGIC.length);
    if (version !== VERSION) {
      throw new KvStoreError(
        `the snapshot ${path} has format ${version}; this version reads format ${VERSION} only`,
      );
    }
    for (let count = 0; ; ) {
      const frameHeader = await read(FRAME_HEADER_BYTES);
      const lengthBytes = frameHeader.readUInt32LE(0);
      if (lengthBytes > MAX_FRAME_BYTES) throw damaged(`a frame of ${lengthBytes} bytes`);
      const payload = await read(lengthBytes === 0 ? END_BYTES : lengthBytes);
      if (crc32(payload) !== frameHeader.readUInt32LE(4)) throw damaged('a wrong checksum');
      if (lengthBytes === 0) {
        if (payload.readBigUInt64LE() !== BigInt(count)) throw damaged('entries are missing');
        return;
      }
      for (const entry of entriesOf(payload, damaged)) {
        count++;
        yield entry;
      }
    }
  } finally {
    await handle.close();
  }
}
