/**
 * A write-ahead log in files whose finished segments move to an object store: uploaded in the background, kept here as
 * long as there is room for them, read through a bounded cache afterwards. Here are the uploads, the reads and the
 * removals; what is live is the journal's to know, and how an object store works that of its engine.
 *
 * Guaranteed: appends never wait for the store. A local file goes only after its object was read back and found the
 * same, byte for byte. A segment that the journal gives up leaves the store, too, also over restarts. What is stored
 * is told by the listing of the store alone. A store that is away delays all this, and is said so once.
 */
import type { Clock } from '../../kernel/clock.ts';
import type { Disk } from '../disk/disk.ts';
import type { SegmentStore } from '../segments/segment-store.ts';
import { crcCheck } from '../wal/block.ts';
import {
  type BodyCheck,
  checkWalId,
  type WalBlock,
  WalCorrupt,
  type WalStore,
  type WalWriter,
} from '../wal/wal-store.ts';
import { createColdReader } from './cold-reader.ts';
import { createLocalFiles } from './local-files.ts';
import { createLogTier, type LogTier } from './log-tier.ts';
import { createPersistence, type TierLog } from './persistence.ts';
import { type CacheState, createRangeCache } from './range-cache.ts';
import { bytesOfSegment, type Segment } from './tier-table.ts';
import { createWorkQueue } from './work-queue.ts';

export interface TieredWalOptions {
  /** The engine `files`, over the same disk and directory, with the same check. */
  readonly wal: WalStore;
  readonly disk: Disk;
  readonly directory: string;
  readonly check?: BodyCheck;
  readonly segments: SegmentStore;
  readonly clock: Clock;
  /** Uploaded segments that are kept here, too; the oldest go first. */
  readonly localBytes: number;
  /** Memory for reads of what is only in the store. */
  readonly cacheBytes: number;
  /** Uploads and removals at once; each upload holds a segment in memory. */
  readonly concurrency?: number;
  readonly log?: TierLog;
}

export interface TierState {
  /** Here and in the store. */
  readonly localBytes: number;
  /** Only in the store. */
  readonly coldSegments: number;
  readonly coldBytes: number;
  /** Finished and not yet in the store. */
  readonly waitingSegments: number;
  readonly waitingBytes: number;
  /** Not whole, and therefore never uploaded. */
  readonly damagedSegments: number;
  readonly failures: number;
  /** What the store said last, while it fails. */
  readonly failure: string | undefined;
  readonly cache: CacheState;
}

/** A segment that only the store has. */
export interface ColdSegment {
  readonly epoch: number;
  /** In the epoch. */
  readonly position: number;
  readonly key: string;
  /** Of the object. */
  readonly bytes: number;
}

export interface TieredWal extends WalStore {
  state(): TierState;
  /** Those of a log. Rejects when the store cannot tell. */
  coldSegments(walId: string): Promise<ColdSegment[]>;
  /** Until what it gives is called, no local file goes because the store has it, too. */
  hold(): () => void;
  /** Stops uploads; those under way get some seconds to end. Does not close the log or the store. */
  close(): Promise<void>;
}

const CLOSE_MS = 5_000;

export function createTieredWal(options: TieredWalOptions): TieredWal {
  const { wal, disk, directory, segments: store, clock, localBytes, log } = options;
  const check = options.check ?? crcCheck;
  const { maxBlockBytes } = wal;
  const persistence = createPersistence(clock, log);
  const queue = createWorkQueue(options.concurrency ?? 2);
  const cache = createRangeCache(store, options.cacheBytes);
  const cold = createColdReader(cache, check, maxBlockBytes);
  const tiers = new Map<string, LogTier>();
  let dropping: Promise<void> | undefined;
  let isDropWanted = false;
  let holds = 0;

  function tierOf(walId: string): LogTier {
    checkWalId(walId);
    let tier = tiers.get(walId);
    if (tier === undefined) {
      const files = createLocalFiles(disk, `${directory}/${walId}`, check, maxBlockBytes);
      tier = createLogTier({ walId, wal, files, store, persistence, queue, log, onStored: dropSoon });
      tiers.set(walId, tier);
    }
    return tier;
  }

  const all = (): { tier: LogTier; segment: Segment }[] =>
    [...tiers.values()].flatMap((tier) => tier.table.all().map((segment) => ({ tier, segment })));
  const isBoth = ({ isLocal, object, isDamaged }: Segment): boolean =>
    isLocal && object !== undefined && !isDamaged;

  /** Removes the oldest local files until what is left fits. */
  async function dropOldest(): Promise<void> {
    while (isDropWanted && holds === 0) {
      isDropWanted = false;
      const both = all().filter(({ segment }) => isBoth(segment));
      let bytes = both.reduce((sum, { segment }) => sum + bytesOfSegment(segment), 0);
      for (const { tier, segment } of both) {
        if (bytes <= localBytes || persistence.isClosed || holds > 0) break;
        await tier.drop(segment, () => holds === 0);
        bytes -= bytesOfSegment(segment);
      }
    }
  }

  function dropSoon(): void {
    isDropWanted = true;
    dropping ??= dropOldest()
      .catch((error: unknown) => log?.warn({ reason: String(error) }, 'an uploaded segment stays here'))
      .finally(() => {
        dropping = undefined;
      });
  }

  /** Looks for files that were finished. What goes wrong is tried again with the next. */
  function look(tier: LogTier, finalBelow: number): void {
    tier.onAnchor(finalBelow).catch((error: unknown) => {
      log?.warn({ reason: String(error) }, 'finished segments could not be listed');
    });
  }

  function watched(writer: WalWriter, tier: LogTier): WalWriter {
    return {
      epoch: writer.epoch,
      maxInFlight: writer.maxInFlight,
      get next() {
        return writer.next;
      },
      get inFlight() {
        return writer.inFlight;
      },
      append(body, how) {
        const begins = how.isAnchor === true || writer.next === 0;
        const appended = writer.append(body, how);
        // An anchor that was acknowledged ends the file before it.
        if (begins) appended.then(() => look(tier, writer.epoch)).catch(() => {});
        return appended;
      },
      close: () => writer.close(),
    };
  }

  async function read(
    tier: LogTier,
    epoch: number,
    from: number,
    until: number,
    maxBytes: number,
  ): Promise<WalBlock[]> {
    for (;;) {
      const segment = tier.table.at(epoch, from);
      const object = segment?.object;
      if (object !== undefined && segment?.isLocal === false) {
        return cold.read(object.key, object.stored, from, until, maxBytes);
      }
      try {
        return await wal.read(tier.walId, epoch, from, Math.min(until, segment?.end ?? until), maxBytes);
      } catch (error) {
        // The file went away meanwhile, or is damaged: the store has the same. Or only the store knows of it.
        if (segment?.object !== undefined) {
          return cold.read(segment.object.key, segment.object.stored, from, until, maxBytes);
        }
        if (segment !== undefined || tier.isListed) throw error;
        await tier.listed();
      }
    }
  }

  return {
    maxBlockBytes,
    probe: () => wal.probe(),
    async open(walId, epoch) {
      const tier = tierOf(walId);
      await tier.ready();
      return watched(await wal.open(walId, epoch), tier);
    },
    seal: (walId, epoch) => wal.seal(walId, epoch),
    inspect: (walId, epoch) => wal.inspect(walId, epoch),
    epochs: (walId) => wal.epochs(walId),
    async read(walId, epoch, from, until, maxBytes) {
      const tier = tierOf(walId);
      await tier.ready();
      return read(tier, epoch, from, until, maxBytes);
    },
    async lastAnchor(walId, epoch, length) {
      const tier = tierOf(walId);
      await tier.ready();
      const local = await wal.lastAnchor(walId, epoch, length).catch((error: unknown) => {
        if (error instanceof WalCorrupt) return undefined;
        throw error;
      });
      // A file that reaches to the end is the last; the store need not be asked.
      if (local !== undefined && ((await tier.endOfFile(epoch, local)) ?? 0) >= length) return local;
      await tier.listed();
      const stored = tier.table.lastBelow(epoch, length)?.start;
      const anchor = Math.max(local ?? -1, stored ?? -1);
      if (anchor === -1)
        throw new WalCorrupt(`${directory}/${walId}`, 0, `epoch ${epoch} has lost its files`);
      return anchor;
    },
    remove: (walId, epoch, from, until) => tierOf(walId).remove(epoch, from, until),
    state() {
      const list = all().map(({ segment }) => segment);
      const bytesOf = (some: readonly Segment[]): number =>
        some.reduce((sum, segment) => sum + bytesOfSegment(segment), 0);
      const coldOnes = list.filter((segment) => !segment.isLocal);
      const waiting = list.filter(
        ({ isLocal, object, isDamaged }) => isLocal && object === undefined && !isDamaged,
      );
      return {
        localBytes: bytesOf(list.filter(isBoth)),
        coldSegments: coldOnes.length,
        coldBytes: bytesOf(coldOnes),
        waitingSegments: waiting.length,
        waitingBytes: bytesOf(waiting),
        damagedSegments: list.filter(({ isDamaged }) => isDamaged).length,
        failures: persistence.failures,
        failure: persistence.failure,
        cache: cache.state(),
      };
    },
    async coldSegments(walId) {
      const tier = tierOf(walId);
      await tier.ready();
      await tier.listed();
      return tier.table.all().flatMap((segment) => {
        const { epoch, start: position, object, isLocal } = segment;
        if (isLocal || object === undefined) return [];
        return [{ epoch, position, key: object.key, bytes: bytesOfSegment(segment) }];
      });
    },
    hold() {
      holds++;
      let isHeld = true;
      return () => {
        if (isHeld) holds--;
        isHeld = false;
        dropSoon();
      };
    },
    async close() {
      persistence.close();
      let stop = (): void => {};
      const late = new Promise<void>((resolve) => {
        stop = clock.every(CLOSE_MS, resolve);
      });
      await Promise.race([Promise.allSettled([queue.close(), dropping]), late]);
      stop();
    },
  };
}
