/**
 * A write-ahead log in memory, for what need not outlive the process: the engine `memory`, and topics that are kept in
 * memory beside another engine. An append is there when it returns, so that nothing is ever torn, and nobody but this
 * process can seal an epoch. A body that was laid out in the log's own memory stays where it is; any other is copied there.
 */
import { copyBytes } from '../../wasm/copy-bytes.ts';
import { bytesOf, crcCheck, crcOf } from './block.ts';
import { createMemoryChunks, type MemoryChunks, type Place } from './memory-chunks.ts';
import { createStretch, type Kept, type Stretch } from './memory-stretch.ts';
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

interface Epoch {
  /** Oldest first, with holes between them where others were removed. */
  readonly stretches: Stretch[];
  length: number;
  isSealed: boolean;
}

/** Place in the list of the first stretch that begins at or behind a position. */
function firstFrom(stretches: readonly Stretch[], position: number): number {
  let low = 0;
  let high = stretches.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((stretches[middle] as Stretch).start < position) low = middle + 1;
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
    const added = { stretches: [], length: 0, isSealed };
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
        const last = into.stretches.at(-1);
        const stretch = isAnchor || last === undefined ? createStretch(position, chunks) : last;
        if (stretch !== last) into.stretches.push(stretch);
        stretch.add(placed(body, bodyBytes), sum);
        laidOut = undefined;
        into.length = stretch.end;
        inFlight++;
        return acknowledged(position);
      },
      async close() {
        failure ??= new Error('the writer is closed');
      },
    };
  }

  /** Blocks from the one at `from`, as many as are wanted of those that follow each other there. */
  function wanted({ stretches }: Epoch, from: number, until: number, maxBytes: number): Kept[] {
    const found: Kept[] = [];
    let position = from;
    for (let i = firstFrom(stretches, from + 1) - 1; i < stretches.length; i++) {
      const stretch = stretches[i];
      if (stretch === undefined) break;
      for (let row = stretch.firstFrom(position); row < stretch.count; row++) {
        if (position >= until || (found.length > 0 && position - from >= maxBytes)) return found;
        const block = stretch.block(row);
        if (block?.position !== position) return found;
        found.push(block);
        position = block.end;
      }
    }
    return found;
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
      hints.onEnd?.(last.end);
      // The chunks are filled again once the blocks are removed, and nobody says until when these are wanted.
      const { allocate = Buffer.allocUnsafeSlow } = hints;
      const all = allocate(found.reduce((sum, { bytes }) => sum + bytes.byteLength, 0));
      let at = 0;
      return found.map(({ position, end, isAnchor, sum, bytes }): WalBlock => {
        const body = all.subarray(at, at + bytes.byteLength);
        at += bytes.byteLength;
        copyBytes(bytes, body, 0);
        if (check.matches(body, sum)) return { position, end, isAnchor, body };
        throw new WalCorrupt(nameOf(walId, epoch), position, 'the block there is damaged');
      });
    },
    async lastAnchor(walId, epoch, length) {
      const stretches = find(walId, epoch)?.stretches ?? [];
      const last = stretches[firstFrom(stretches, length) - 1];
      if (last === undefined) throw new WalCorrupt(nameOf(walId, epoch), 0, 'no anchor is left');
      return last.start;
    },
    async inspect(walId, epoch) {
      const { length = 0, isSealed = false } = find(walId, epoch) ?? {};
      return { length, isSealed, tornBytes: 0 };
    },
    async remove(walId, epoch, from, until) {
      const { stretches, isSealed } = find(walId, epoch) ?? { stretches: [], isSealed: true };
      const first = firstFrom(stretches, from);
      let behind = firstFrom(stretches, until);
      // The newest may still grow.
      while (
        behind > first &&
        ((stretches[behind - 1]?.end ?? 0) > until || (!isSealed && behind === stretches.length))
      )
        behind--;
      for (const stretch of stretches.splice(first, behind - first)) stretch.free();
    },
  };
}

const nameOf = (walId: string, epoch: number): string => `memory:${walId}/${epoch}`;
