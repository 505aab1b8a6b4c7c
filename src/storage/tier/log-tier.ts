import { type SegmentStore, SegmentStoreError } from '../segments/segment-store.ts';
import { FILE_HEADER_BYTES } from '../wal/epoch-files.ts';
import { WalCorrupt, type WalStore } from '../wal/wal-store.ts';
import type { Gone, LocalFiles, WholeFile } from './local-files.ts';
import { objectKey, objectsFrom, objectsOf, storedSegment } from './object-name.ts';
import type { Persistence, TierLog } from './persistence.ts';
import { createTierTable, type Segment, type TierTable } from './tier-table.ts';
import type { WorkQueue } from './work-queue.ts';

export interface LogTierOptions {
  readonly walId: string;
  readonly wal: WalStore;
  readonly files: LocalFiles;
  readonly store: SegmentStore;
  readonly persistence: Persistence;
  /** Uploads of all logs wait in it. */
  readonly queue: WorkQueue;
  readonly log: TierLog | undefined;
  /** Something was uploaded: there may be more here than should stay. */
  readonly onStored: () => void;
}

/** What tiering knows and does of one log. */
export interface LogTier {
  readonly walId: string;
  readonly table: TierTable;
  /** Knows the local files. */
  ready(): Promise<void>;
  readonly isListed: boolean;
  /** Knows the stored segments, too; rejects when the store cannot tell. */
  listed(): Promise<void>;
  /** A file was finished; those of epochs below `finalBelow` are finished to the last. */
  onAnchor(finalBelow: number): Promise<void>;
  endOfFile(epoch: number, start: number): Promise<number | undefined>;
  /** The journal has given up a stretch of an epoch. Local files go now, objects when the store lets them. */
  remove(epoch: number, from: number, until: number): Promise<void>;
  /** Removes the local file of a stored segment, once the object is known to be the same, if it still may. */
  drop(segment: Segment, mayGo: () => boolean): Promise<void>;
}

const VERIFY_BYTES = 8 * 1024 * 1024;

export function createLogTier(options: LogTierOptions): LogTier {
  const { walId, wal, files, store, persistence, queue, log } = options;
  const table = createTierTable();
  /** Stretches whose objects are still to be removed. */
  const gone = new Set<Gone>();
  const working = new Map<Segment, Promise<unknown>>();
  let finalBelow = 0;
  let isListed = false;
  let reading: Promise<void> | undefined;
  let listing: Promise<void> | undefined;
  let scanning: Promise<void> = Promise.resolve();

  const isGone = (epoch: number, start: number): boolean =>
    [...gone].some((each) => each.epoch === epoch && start >= each.from && start < each.until);

  /** Finds files that were finished since it last looked. */
  function scan(): Promise<void> {
    scanning = scanning
      .catch(() => {})
      .then(async () => {
        const known = (epoch: number, start: number): boolean => table.get(epoch, start)?.isLocal === true;
        for (const file of await files.finished(finalBelow, known)) {
          if (isGone(file.epoch, file.start)) continue;
          const segment = table.addLocal(file);
          if (isListed) enqueue(segment);
        }
      });
    return scanning;
  }

  async function readFolder(): Promise<void> {
    for (const each of await files.listGone()) gone.add(each);
    finalBelow = Math.max(finalBelow, (await wal.epochs(walId)).at(-1) ?? 0);
    await scan();
    for (const each of gone) removeObjects(each, []);
    // In the background: a store that is away must not hold up the start.
    void persistence.persist(listed);
  }

  function ready(): Promise<void> {
    reading ??= readFolder().catch((error: unknown) => {
      reading = undefined;
      throw error;
    });
    return reading;
  }

  async function list(): Promise<void> {
    for await (const { key, sizeBytes } of store.list(objectsOf(walId))) {
      const stored = storedSegment(key);
      if (stored === undefined || isGone(stored.epoch, stored.start)) continue;
      if (sizeBytes === FILE_HEADER_BYTES + stored.end - stored.start) table.addStored(key, stored);
    }
    isListed = true;
    for (const segment of table.all()) if (segment.object === undefined) enqueue(segment);
    options.onStored();
  }

  function listed(): Promise<void> {
    if (isListed) return Promise.resolve();
    listing ??= list().finally(() => {
      listing = undefined;
    });
    return listing;
  }

  function enqueue(segment: Segment): void {
    if (segment.object !== undefined || segment.isDamaged || working.has(segment)) return;
    const done = queue.add(async () => {
      await persistence.persist(
        () => upload(segment),
        () => !segment.isRemoved && !segment.isDamaged,
      );
      working.delete(segment);
      if (segment.object !== undefined && !segment.isRemoved) options.onStored();
    });
    working.set(segment, done);
  }

  /** The bytes of the local file; undefined, for good, when they are not whole. */
  async function readLocal(segment: Segment): Promise<WholeFile | undefined> {
    try {
      return await files.readWhole(segment);
    } catch (error) {
      if (!(error instanceof WalCorrupt)) throw error;
      segment.isDamaged = true;
      log?.error({ walId, reason: error.message }, 'a damaged segment is not uploaded');
      return undefined;
    }
  }

  async function upload(segment: Segment): Promise<void> {
    const local = await readLocal(segment);
    if (local === undefined) return;
    const { epoch, start, end } = segment;
    const { bytes, sum } = local;
    const stored = { epoch, start, end, sum };
    const key = objectKey(walId, stored);
    // `exists` is as good: the name has the sum, and what is there is read back.
    await store.create(key, [bytes]);
    if (!(await isSame(key, bytes))) {
      throw new SegmentStoreError(`object "${key}" is not what was written: it was removed`);
    }
    segment.object = { key, stored };
    segment.isVerified = true;
  }

  /** Reads an object back. One that is not what it must be is removed, so that it can be created again. */
  async function isSame(key: string, bytes: Uint8Array): Promise<boolean> {
    for (let at = 0; at < bytes.byteLength; at += VERIFY_BYTES) {
      const wanted = bytes.subarray(at, at + VERIFY_BYTES);
      const found = await store.get(key, { offset: at, lengthBytes: VERIFY_BYTES });
      if (found === undefined || Buffer.compare(found, wanted) !== 0) {
        await store.remove([key]);
        return false;
      }
    }
    return true;
  }

  /** An object that an earlier process created, or did not come to compare. */
  async function verify(segment: Segment): Promise<void> {
    const { object } = segment;
    const local = object === undefined ? undefined : await readLocal(segment);
    if (object === undefined || local === undefined) return;
    const isOfThisFile = object.stored.sum === local.sum;
    if (!isOfThisFile) await store.remove([object.key]);
    if (isOfThisFile && (await isSame(object.key, local.bytes))) segment.isVerified = true;
    else {
      segment.object = undefined;
      log?.warn({ walId, key: object.key }, 'an object was not the segment here: it is uploaded again');
      enqueue(segment);
    }
  }

  function removeObjects(each: Gone, after: readonly Segment[]): void {
    const uploads = after.map((segment) => working.get(segment));
    void queue.add(async () => {
      await Promise.allSettled(uploads);
      await persistence.persist(() => removeStretch(each));
    });
  }

  async function removeStretch(each: Gone): Promise<void> {
    const keys: string[] = [];
    // Names begin with the position, and the name of the first segment sorts behind its own beginning.
    for await (const { key } of store.list(
      objectsOf(walId, each.epoch),
      objectsFrom(walId, each.epoch, each.from),
    )) {
      const stored = storedSegment(key);
      if (stored !== undefined && stored.start >= each.until) break;
      keys.push(key);
    }
    await store.remove(keys);
    await files.strikeOut(each);
    gone.delete(each);
  }

  return {
    walId,
    table,
    ready,
    get isListed() {
      return isListed;
    },
    listed,
    async onAnchor(below) {
      finalBelow = Math.max(finalBelow, below);
      await scan();
    },
    endOfFile: files.endOf,
    async remove(epoch, from, until) {
      await ready();
      await scanning.catch(() => {});
      const removed = table.remove(epoch, from, until);
      if (!isListed || removed.some((segment) => segment.object !== undefined || working.has(segment))) {
        const each = { epoch, from, until };
        await files.noteGone(each);
        gone.add(each);
        await wal.remove(walId, epoch, from, until);
        removeObjects(each, removed);
      } else await wal.remove(walId, epoch, from, until);
    },
    async drop(segment, mayGo) {
      const isWanted = (): boolean =>
        !segment.isRemoved && !segment.isDamaged && segment.object !== undefined;
      if (!segment.isVerified) await persistence.persist(() => verify(segment), isWanted);
      if (!segment.isVerified || !isWanted()) return;
      const { epoch, start, end } = segment;
      await files.noteMoved();
      if (!mayGo()) return;
      // First nobody is sent to the file any more; a reader that is there keeps it open.
      segment.isLocal = false;
      await wal.remove(walId, epoch, start, end);
    },
  };
}
