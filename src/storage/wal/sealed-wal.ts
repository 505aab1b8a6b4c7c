import { randomBytes } from 'node:crypto';
import { BLOCK_HEADER_BYTES, crcCheck, decodeBlockHeader } from './block.ts';
import { type Hole, type Holes, holeAt, lastWhere, mergeHoles, skipHole } from './holes.ts';
import type { PutIfAbsent } from './put-if-absent.ts';
import { createSealedWriter } from './sealed-writer.ts';
import {
  type BodyCheck,
  checkWalId,
  type WalBlock,
  WalCorrupt,
  WalFenced,
  type WalStore,
} from './wal-store.ts';

/**
 * A write-ahead log of objects, fenced by nothing but atomic creation. Block n of an epoch is object n. To seal an
 * epoch is to take its first free number for a marker: no block can be created there any more, and since
 * acknowledgements go out in order, none behind it was or will be acknowledged. Markers are never removed. The first
 * one counts; there may be others behind it.
 *
 * Removed numbers are free again, and a marker there would mean nothing: before blocks are removed, the hole that they
 * leave is published, and a sealer whose marker turns out to lie in a hole goes on behind it. Touching holes become one,
 * so that there are few. What a process leaves that dies between the two is never freed.
 */
export interface SealedWalOptions {
  readonly objects: PutIfAbsent;
  readonly check?: BodyCheck;
  readonly maxBlockBytes?: number;
  readonly maxInFlight?: number;
  /** How often one request is made before its outcome is given up as unknown. */
  readonly attempts?: number;
  /** Names a writer: how it tells its own blocks from another's. */
  readonly nonce?: () => Uint8Array;
}

const NONCE_BYTES = 16;
const SEAL = Buffer.from('RMQ-SEAL');
const DIGITS = 12;
const RACERS = 16;
const MOST_IN_FLIGHT = 64;
const MAX_ROUNDS = 16;
const HEAD_BYTES = NONCE_BYTES + BLOCK_HEADER_BYTES;
const MAX_HEADS = 16 * 1024;
/** Places that are looked at side by side. */
const LOOKS = 16;

const digits = (value: number): string => String(value).padStart(DIGITS, '0');

/** What a search needs of a block. */
interface Head {
  readonly position: number;
  readonly isAnchor: boolean;
}

interface Stored {
  readonly nonce: Uint8Array;
  readonly block: Uint8Array;
}

export function createSealedWal(options: SealedWalOptions): WalStore {
  const {
    objects,
    check = crcCheck,
    maxBlockBytes = 8 * 1024 * 1024,
    maxInFlight = 8,
    attempts = 4,
  } = options;
  if (maxInFlight > MOST_IN_FLIGHT)
    throw new Error(`${maxInFlight} blocks in flight: ${MOST_IN_FLIGHT} at most`);
  const makeNonce = options.nonce ?? (() => randomBytes(NONCE_BYTES));
  /** Where reading went on last: sequential reads need no search. One entry per epoch that is read. */
  const cursors = new Map<string, { readonly position: number; readonly seq: number }>();

  /** A block never changes, so a search need not fetch again what one before it has seen. Oldest first. */
  const heads = new Map<string, Head>();

  const epochKey = (walId: string, epoch: number): string => {
    checkWalId(walId);
    return `${walId}/${digits(epoch)}`;
  };
  const blockKey = (root: string, seq: number): string => `${root}/b/${digits(seq)}`;
  const isSeal = (bytes: Uint8Array): boolean => Buffer.compare(bytes, SEAL) === 0;

  async function retried<T>(request: () => Promise<T>): Promise<T> {
    for (let left = attempts - 1; ; left--) {
      try {
        return await request();
      } catch (error) {
        if (left <= 0) throw error;
      }
    }
  }

  /** Creates, or finds what is there instead. An object that was removed in between is asked for again. */
  async function createOrGet(key: string, body: readonly Uint8Array[]): Promise<Uint8Array | 'created'> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      if ((await retried(() => objects.create(key, body))) === 'created') return 'created';
      const there = await retried(() => objects.get(key));
      if (there !== undefined) return there;
    }
    throw new Error(`the object store says that "${key}" exists, and has no such object`);
  }

  function stored(bytes: Uint8Array): Stored {
    return { nonce: bytes.subarray(0, NONCE_BYTES), block: bytes.subarray(NONCE_BYTES) };
  }

  async function holesOf(root: string): Promise<Holes> {
    const keys = await retried(() => objects.list(`${root}/hole/`));
    return mergeHoles(keys.map(holeOfKey));
  }

  async function getBlock(root: string, seq: number, epoch: number): Promise<WalBlock | undefined> {
    const key = blockKey(root, seq);
    const bytes = await retried(() => objects.get(key));
    if (bytes === undefined || isSeal(bytes)) return undefined;
    const { block } = stored(bytes);
    const header = decodeBlockHeader(block, 0, epoch);
    const body = block.subarray(BLOCK_HEADER_BYTES);
    if (header === undefined || header.bodyBytes !== body.byteLength || !check.matches(body, header.sum)) {
      throw new WalCorrupt(key, header?.position ?? 0, 'the block there is damaged');
    }
    const { position, isAnchor } = header;
    return { position, end: position + BLOCK_HEADER_BYTES + body.byteLength, isAnchor, body };
  }

  /** undefined for a place that is free or has a marker. */
  async function getHead(root: string, seq: number, epoch: number): Promise<Head | undefined> {
    const key = blockKey(root, seq);
    const known = heads.get(key);
    if (known !== undefined) return known;
    const bytes = await retried(() => objects.get(key, HEAD_BYTES));
    if (bytes === undefined || isSeal(bytes)) return undefined;
    const header = decodeBlockHeader(stored(bytes).block, 0, epoch);
    if (header === undefined) throw new WalCorrupt(key, 0, 'the header there is damaged');
    heads.set(key, header);
    const [oldest] = heads.keys();
    if (heads.size > MAX_HEADS && oldest !== undefined) heads.delete(oldest);
    return header;
  }

  /**
   * Where to begin looking for the first free place: all before it are taken. Blocks are put side by side, so the one
   * found last may have gaps before it, but none further back than a writer has in flight.
   */
  async function firstUnsure(root: string, holes: Holes): Promise<number> {
    const last = await lastWhere(holes, async (seq) => (await lookAt(root, seq)) === 'block');
    return Math.max(0, last + 1 - MOST_IN_FLIGHT);
  }

  /** What is at a place, as far as a walk must know. */
  async function lookAt(root: string, seq: number): Promise<'block' | 'marker' | 'free'> {
    const there = await retried(() => objects.get(blockKey(root, seq), HEAD_BYTES));
    if (there === undefined) return 'free';
    return isSeal(there) ? 'marker' : 'block';
  }

  /** The first place from `seq` on, outside holes, that has no block now; some are looked at side by side. */
  async function firstWithoutBlock(root: string, holes: Holes, seq: number): Promise<number> {
    for (let from = seq; ; ) {
      const places: number[] = [];
      for (; places.length < LOOKS; from++) {
        from = skipHole(holes, from);
        places.push(from);
      }
      const found = await Promise.all(places.map((place) => lookAt(root, place)));
      const index = found.findIndex((each) => each !== 'block');
      if (index !== -1) return places[index] ?? from;
    }
  }

  /**
   * A marker some way ahead of a writer that may still be at work. It says nothing of the length; it only keeps that
   * writer, which has many requests under way, from outrunning the sealer, which has to go step by step.
   */
  async function fenceAhead(root: string, from: number): Promise<void> {
    for (let ahead = LOOKS; ; ahead *= 2) {
      const there = await createOrGet(blockKey(root, from + ahead), [SEAL]);
      if (there === 'created' || isSeal(there)) return;
    }
  }

  /** Number of the first free place, which is a marker's from now on. */
  async function sealedCount(root: string): Promise<number> {
    let holes = await holesOf(root);
    let seq = await firstWithoutBlock(root, holes, await firstUnsure(root, holes));
    if ((await lookAt(root, seq)) !== 'marker') await fenceAhead(root, seq);
    for (; ; seq++) {
      seq = skipHole(holes, seq);
      const there = await createOrGet(blockKey(root, seq), [SEAL]);
      if (there === 'created' || isSeal(there)) {
        holes = await holesOf(root);
        if (holeAt(holes, seq) === undefined) return seq;
      }
    }
  }

  /** As far as blocks follow each other now. */
  async function currentCount(root: string): Promise<{ count: number; isSealed: boolean }> {
    const holes = await holesOf(root);
    const count = await firstWithoutBlock(root, holes, await firstUnsure(root, holes));
    return { count, isSealed: (await lookAt(root, count)) === 'marker' };
  }

  async function lengthOf(root: string, epoch: number, count: number): Promise<number> {
    return count === 0 ? 0 : ((await getBlock(root, count - 1, epoch))?.end ?? 0);
  }

  /** Number of the last block that begins at or below a position; -1 when there is none. */
  async function seqOf(root: string, epoch: number, holes: Holes, position: number): Promise<number> {
    return lastWhere(holes, async (seq) => {
      const head = await getHead(root, seq, epoch);
      return head !== undefined && head.position <= position;
    });
  }

  /** Number of the first block that begins at or behind a position; of the last where none does. */
  async function seqFrom(root: string, epoch: number, holes: Holes, position: number): Promise<number> {
    const before = position === 0 ? -1 : await seqOf(root, epoch, holes, position - 1);
    const seq = skipHole(holes, before + 1);
    return (await getHead(root, seq, epoch)) === undefined ? before : seq;
  }

  return {
    maxBlockBytes,
    async probe() {
      const key = `probe/${randomBytes(NONCE_BYTES).toString('hex')}`;
      try {
        const racers = Array.from({ length: RACERS }, (_, i) => objects.create(key, [Uint8Array.of(i)]));
        const winners = (await Promise.all(racers)).filter((outcome) => outcome === 'created').length;
        const late = await objects.create(key, [SEAL]);
        if (winners !== 1 || late !== 'exists') {
          throw new Error(
            `this object store cannot hold a write-ahead log: of ${RACERS} racing creations of one key ${winners} succeeded, and exactly one must`,
          );
        }
      } finally {
        await objects.remove([key]);
      }
    },
    async open(walId, epoch) {
      const root = epochKey(walId, epoch);
      const nonce = makeNonce();
      const there = await createOrGet(`${root}/open`, [nonce]);
      if (there !== 'created' && Buffer.compare(there, nonce) !== 0) {
        throw new WalFenced(walId, epoch, 'has had its writer');
      }
      return createSealedWriter({ walId, epoch, nonce, maxBlockBytes, maxInFlight }, (seq, body) =>
        createOrGet(blockKey(root, seq), [nonce, ...body]),
      );
    },
    async seal(walId, epoch) {
      const root = epochKey(walId, epoch);
      return lengthOf(root, epoch, await sealedCount(root));
    },
    async epochs(walId) {
      checkWalId(walId);
      const keys = await retried(() => objects.list(`${walId}/`));
      return [...new Set(keys.map((key) => Number(key.split('/')[1])))].sort((a, b) => a - b);
    },
    async read(walId, epoch, from, until, maxBytes) {
      const root = epochKey(walId, epoch);
      const blocks: WalBlock[] = [];
      let position = from;
      const cursor = cursors.get(root);
      let seq = cursor?.position === from ? cursor.seq : await seqOf(root, epoch, await holesOf(root), from);
      while (position < until && (position === from || position - from < maxBytes)) {
        const block = await getBlock(root, seq, epoch);
        if (block?.position !== position) {
          throw new WalCorrupt(blockKey(root, seq), position, 'the block there is missing');
        }
        blocks.push(block);
        position = block.end;
        seq++;
      }
      cursors.set(root, { position, seq });
      return blocks;
    },
    async lastAnchor(walId, epoch, length) {
      const root = epochKey(walId, epoch);
      const holes = await holesOf(root);
      for (let seq = await seqOf(root, epoch, holes, length - 1); seq >= 0; seq--) {
        seq = (holeAt(holes, seq)?.from ?? seq + 1) - 1;
        const head = await getHead(root, seq, epoch);
        if (head === undefined) break;
        if (head.isAnchor && head.position < length) return head.position;
      }
      throw new WalCorrupt(root, 0, 'no anchor is left');
    },
    async inspect(walId, epoch) {
      const root = epochKey(walId, epoch);
      const { count, isSealed } = await currentCount(root);
      return { length: await lengthOf(root, epoch, count), isSealed, tornBytes: 0 };
    },
    async remove(walId, epoch, from, until) {
      const root = epochKey(walId, epoch);
      const holes = await holesOf(root);
      const first = await seqFrom(root, epoch, holes, from);
      // The last block stays: a sealer finds the length with it.
      const end = await seqFrom(root, epoch, holes, until);
      if (end <= first) return;
      const isFree = (seq: number): boolean => holeAt(holes, seq) === undefined;
      const dead = Array.from({ length: end - first }, (_, i) => first + i).filter(isFree);
      const whole = mergeHoles([...holes, { from: first, until: end }]);
      const mine = holeAt(whole, first) ?? { from: first, until: end };
      await createOrGet(holeKey(root, mine), [SEAL]);
      await retried(() => objects.remove(dead.map((seq) => blockKey(root, seq))));
      const within = holes.filter((hole) => hole.from >= mine.from && hole.until <= mine.until);
      if (within.length > 0) await retried(() => objects.remove(within.map((hole) => holeKey(root, hole))));
    },
  };
}

function holeKey(root: string, { from, until }: Hole): string {
  return `${root}/hole/${digits(from)}-${digits(until)}`;
}

function holeOfKey(key: string): Hole {
  const [from, until] = (key.split('/').at(-1) ?? '').split('-').map(Number);
  return { from: from ?? 0, until: until ?? 0 };
}
