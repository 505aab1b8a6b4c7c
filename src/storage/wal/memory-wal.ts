/**
 * A write-ahead log in memory, for what need not outlive the process: the engine `memory`, and topics that are kept in
 * memory beside another engine. An append is there when it returns, so that nothing is ever torn, and nobody but this
 * process can seal an epoch. A body that was laid out in the log's own memory stays where it is; any other is copied there.
 */
import { BLOCK_HEADER_BYTES, bytesOf, crcCheck, crcOf } from './block.ts';
import { copyBytes } from './copy-bytes.ts';
import { type Chunk, createMemoryChunks, type MemoryChunks, type Place } from './memory-chunks.ts';
import {
  type AppendOptions,
  type BodyCheck,
  checkWalId,
  type ReadHints,
  type WalBlock,
  WalBusy,
  WalCorrupt,
  WalFenced,
  type WalStore,
  type WalWriter,
} from './wal-store.ts';

export interface MemoryWalOptions {
  readonly check?: BodyCheck;
  readonly maxBlockBytes?: number;
  readonly maxInFlight?: number;
  /** Shared with other logs, where one bound is to hold for all. */
  readonly chunks?: MemoryChunks;
}

interface Kept {
  readonly position: number;
  readonly isAnchor: boolean;
  readonly sum: number;
  readonly chunk: Chunk;
  /** Of the body, in the chunk. */
  readonly offset: number;
  readonly bodyBytes: number;
}

interface Epoch {
  /** In the order of their positions. */
  readonly blocks: Kept[];
  length: number;
  isSealed: boolean;
}

const endOf = ({ position, bodyBytes }: Kept): number => position + BLOCK_HEADER_BYTES + bodyBytes;

/** Place in the list of the first block that begins at or behind a position. */
function firstFrom(blocks: readonly Kept[], position: number): number {
  let low = 0;
  let high = blocks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((blocks[middle] as Kept).position < position) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function createMemoryWal(options: MemoryWalOptions = {}): WalStore {
  const {
    check = crcCheck,
    maxBlockBytes = 8 * 1024 * 1024,
    maxInFlight = 8,
    chunks = createMemoryChunks(),
  } = options;
  const logs = new Map<string, Map<number, Epoch>>();

  const find = (walId: string, epoch: number): Epoch | undefined => logs.get(walId)?.get(epoch);

  function add(walId: string, epoch: number, isSealed: boolean): Epoch {
    const log = logs.get(walId) ?? new Map<number, Epoch>();
    logs.set(walId, log);
    const added = { blocks: [], length: 0, isSealed };
    log.set(epoch, added);
    return added;
  }

  /** The body as one piece of the log's own memory. */
  function copied(body: readonly Uint8Array[], bodyBytes: number): Place {
    const place = chunks.take(bodyBytes);
    let at = 0;
    for (const part of body) {
      copyBytes(part, place.bytes, at);
      at += part.byteLength;
    }
    return place;
  }

  function newWriter(walId: string, epoch: number, into: Epoch): WalWriter {
    let inFlight = 0;
    let failure: Error | undefined;
    /** Laid out last, and appended next if at all. */
    let laidOut: Place | undefined;

    function placed(body: readonly Uint8Array[], bodyBytes: number): Place {
      if (laidOut === undefined || body.length !== 1 || body[0] !== laidOut.bytes)
        return copied(body, bodyBytes);
      laidOut.lend();
      return laidOut;
    }

    async function acknowledged(position: number): Promise<number> {
      await undefined;
      inFlight--;
      return position;
    }

    return {
      epoch,
      maxInFlight,
      memory: {
        take(bytes) {
          laidOut = chunks.take(bytes);
          return laidOut;
        },
      },
      get next() {
        return into.length;
      },
      get inFlight() {
        return inFlight;
      },
      append(body, { isAnchor = false, sum = crcOf(body) }: AppendOptions) {
        if (into.isSealed) failure ??= new WalFenced(walId, epoch, 'was sealed by another owner');
        if (failure !== undefined) return Promise.reject(failure);
        if (inFlight >= maxInFlight) {
          return Promise.reject(new WalBusy(`${maxInFlight} appends are under way, and no more may be`));
        }
        const bodyBytes = bytesOf(body);
        if (bodyBytes > maxBlockBytes) {
          return Promise.reject(new Error(`a block of ${bodyBytes} bytes: ${maxBlockBytes} at most`));
        }
        const position = into.length;
        const { chunk, offset } = placed(body, bodyBytes);
        laidOut = undefined;
        into.blocks.push({ position, isAnchor: isAnchor || position === 0, sum, chunk, offset, bodyBytes });
        into.length += BLOCK_HEADER_BYTES + bodyBytes;
        inFlight++;
        return acknowledged(position);
      },
      async close() {
        failure ??= new Error('the writer is closed');
      },
    };
  }

  /** Blocks from the one at `from`, as many as are wanted of those that follow each other there. */
  function wanted({ blocks }: Epoch, from: number, until: number, maxBytes: number): Kept[] {
    const first = firstFrom(blocks, from);
    let next = first;
    for (let position = from; position < until && (next === first || position - from < maxBytes); next++) {
      const block = blocks[next];
      if (block?.position !== position) break;
      position = endOf(block);
    }
    return blocks.slice(first, next);
  }

  return {
    maxBlockBytes,
    async probe() {},
    async open(walId, epoch) {
      checkWalId(walId);
      if (find(walId, epoch) !== undefined) throw new WalFenced(walId, epoch, 'has had its writer');
      return newWriter(walId, epoch, add(walId, epoch, false));
    },
    async seal(walId, epoch) {
      checkWalId(walId);
      const sealed = find(walId, epoch) ?? add(walId, epoch, true);
      sealed.isSealed = true;
      return sealed.length;
    },
    async epochs(walId) {
      checkWalId(walId);
      return [...(logs.get(walId)?.keys() ?? [])].sort((a, b) => a - b);
    },
    async read(walId, epoch, from, until, maxBytes, hints: ReadHints = {}) {
      // `onEnd` is told after the call.
      await undefined;
      const there = find(walId, epoch);
      const found = there === undefined ? [] : wanted(there, from, until, maxBytes);
      const last = found.at(-1);
      if (last === undefined) throw new WalCorrupt(nameOf(walId, epoch), from, 'the block there is missing');
      hints.onEnd?.(endOf(last));
      // The chunks are filled again once the blocks are removed, and nobody says until when these are wanted.
      const { allocate = Buffer.allocUnsafeSlow } = hints;
      const bytes = allocate(found.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0));
      let at = 0;
      return found.map((block): WalBlock => {
        const { position, isAnchor, sum, chunk, offset, bodyBytes } = block;
        const body = bytes.subarray(at, at + bodyBytes);
        at += bodyBytes;
        copyBytes(chunk.whole.subarray(offset, offset + bodyBytes), body, 0);
        if (!check.matches(body, sum)) {
          throw new WalCorrupt(nameOf(walId, epoch), position, 'the block there is damaged');
        }
        return { position, end: endOf(block), isAnchor, body };
      });
    },
    async lastAnchor(walId, epoch, length) {
      const blocks = find(walId, epoch)?.blocks ?? [];
      for (let i = firstFrom(blocks, length) - 1; i >= 0; i--) {
        const { isAnchor, position } = blocks[i] as Kept;
        if (isAnchor) return position;
      }
      throw new WalCorrupt(nameOf(walId, epoch), 0, 'no anchor is left');
    },
    async inspect(walId, epoch) {
      const { length = 0, isSealed = false } = find(walId, epoch) ?? {};
      return { length, isSealed, tornBytes: 0 };
    },
    async remove(walId, epoch, from, until) {
      const blocks = find(walId, epoch)?.blocks ?? [];
      const first = firstFrom(blocks, from);
      const gone = blocks.splice(first, firstFrom(blocks, until) - first);
      for (const { chunk } of gone) chunks.giveBack(chunk);
    },
  };
}

const nameOf = (walId: string, epoch: number): string => `memory:${walId}/${epoch}`;
