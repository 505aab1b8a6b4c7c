/**
 * The durable tier of a node, from its configuration: journal, views, state log and cleaner, opened in order and closed in
 * reverse. What the tables are is the kernel's and the protocols' business; where a directory comes from, the node's.
 */
import { dirname, join } from 'node:path';
import type { Logger } from 'pino';
import type { Config } from './config/config.ts';
import type { Clock } from './kernel/clock.ts';
import { openStateLog } from './kernel/state/open.ts';
import type { OpenStateLog, Storage } from './kernel/state/state-log.ts';
import type { Table } from './kernel/state/table.ts';
import { createMemoryTier, type MemoryTier, memoryBoundBytes, type OldestKept } from './memory-tier.ts';
import { Histogram } from './metrics/histogram.ts';
import { type Backups, createBackups } from './storage/backup/backup.ts';
import { type Cleaner, type CleanerSource, createCleaner } from './storage/cleaner/cleaner.ts';
import { nodeDisk } from './storage/disk/node-disk.ts';
import type { CommitTimes } from './storage/journal/committer.ts';
import { frameCheck } from './storage/journal/frame.ts';
import { createGathering } from './storage/journal/gathering.ts';
import { DEFAULT_LIMITS, type Journal, openJournal } from './storage/journal/journal.ts';
import { closeOldSegments } from './storage/journal/segment-age.ts';
import { createSpaceGuard, type SpaceGuard } from './storage/journal/space-guard.ts';
import type { KvStore } from './storage/kv/kv-store.ts';
import { openKvStore } from './storage/kv/open.ts';
import { describeObjectStore, openObjectStore } from './storage/segments/open.ts';
import type { SegmentStore } from './storage/segments/segment-store.ts';
import { hasMoved } from './storage/tier/local-files.ts';
import { createTieredWal, type TieredWal } from './storage/tier/tiered-wal.ts';
import { createFileWal } from './storage/wal/file-wal.ts';
import { createSealedWal } from './storage/wal/sealed-wal.ts';
import { createSegmentObjects } from './storage/wal/segment-objects.ts';
import type { WalStore } from './storage/wal/wal-store.ts';

export type Journals = Readonly<Partial<Record<Storage, Journal>>> & { readonly journal: Journal };

export interface DurableTierOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The part of the time since the last call in which the process was busy; without it no group of the journal waits for more. */
  readonly utilization?: (() => number) | undefined;
  /** What is rebuilt; some of it reads journals of its own. */
  readonly tables: (journals: Journals) => readonly Table[];
  /** What the cleaner of another journal than the main one asks. */
  readonly sourcesOf: (storage: Storage) => readonly CleanerSource[];
  /** Applies the retention of partitions, and has records below these positions go besides. */
  readonly retain: (oldestKept: OldestKept) => Promise<void>;
  /** Before anything is cleaned: what the object store has and the tables have not would be dead. */
  readonly onOpen?: (log: OpenStateLog, journals: Journals) => Promise<void>;
  /** Folders of the data directory. */
  readonly journalFolder: string;
  readonly viewsFolder: string;
  /** The journal takes nothing any more. */
  readonly onFailure: (error: Error) => void;
}

export type CommitHistograms = Readonly<Record<'os' | 'sync', Histogram>>;

export interface DurableTier {
  readonly log: OpenStateLog;
  readonly journals: Journals;
  readonly space: SpaceGuard | undefined;
  readonly views: KvStore['engine'] | undefined;
  /** How long commits take, of each storage that takes time. */
  readonly commits: Readonly<Partial<Record<Storage, CommitHistograms>>>;
  /** Where there is a data directory. */
  readonly backups: Backups | undefined;
  close(): Promise<void>;
}

const MAIN = 'main';
const MiB = 1024 * 1024;
/** Far above any: what waits is the state log's to bound, and what it has taken no journal may refuse. */
const MAX_FRAME_BYTES = 1024 * MiB;
/** Above what one append may have. */
const MAX_BLOCK_BYTES = 32 * MiB;
const VIEWS_MAX_BYTES = 4096 * MiB;
const MIN_DEAD_FRACTION = 0.5;

export async function openDurableTier(options: DurableTierOptions): Promise<DurableTier> {
  const { config, clock, logger, utilization } = options;
  const { storage } = config;
  const closers: (() => Promise<void>)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of closers.reverse()) await close();
  };
  try {
    const hasFiles = storage.engine === 'files';
    const inMemory = newMemory(options);
    const space = hasFiles ? await openSpace(options, closers) : undefined;
    const room = space ?? inMemory.space;
    // Side by side with the journal: both wait for the disk.
    const opening = hasFiles ? openViews(options) : undefined;
    const opened = opening?.catch(() => undefined);
    closers.push(async () => (await opened)?.close());
    const wal = hasFiles ? await openFiles(options, closers) : inMemory.newWal();
    await wal.probe();
    const limits = { segmentBytes: storage.segmentBytes, maxPendingBytes: MAX_FRAME_BYTES };
    const memoryLimits = { ...limits, ...inMemory.limits };
    const commits = { journal: commitHistograms(), object: commitHistograms() };
    const timesOf = (histograms: CommitHistograms): CommitTimes => ({
      nowMs: () => clock.monotonicMs(),
      record: (level, milliseconds) => histograms[level].record(milliseconds),
    });
    const journal = await openJournal({
      wal,
      walId: MAIN,
      limits: hasFiles ? limits : memoryLimits,
      space: room,
      times: timesOf(commits.journal),
      ...(utilization === undefined ? {} : { gathering: createGathering({ clock, utilization }) }),
      onFailure: options.onFailure,
    });
    const memory = await openJournal({
      wal: inMemory.newWal(),
      walId: 'memory',
      limits: memoryLimits,
      space: inMemory.space,
    });
    const object = await openObjectJournal(options, closers, timesOf(commits.object));
    const journals: Journals = { journal, memory, ...(object === undefined ? {} : { object }) };
    for (const each of object === undefined ? [journal] : [journal, object]) {
      const stop = closeOldSegments(each, clock, storage.segmentAgeSeconds * 1000);
      closers.push(async () => stop());
    }
    const kv = await opening;
    const log = await openStateLog({
      journal,
      journals: { memory, ...(object === undefined ? {} : { object }) },
      ...(kv === undefined ? {} : { kv }),
      tables: options.tables(journals),
      clock,
      space: room,
      isReplayed: hasFiles,
      limits: {
        maxPendingBytes: storage.maxPendingBytes,
        cycleBytes: 4 * storage.segmentBytes,
        journal: { ...DEFAULT_LIMITS, maxPendingBytes: storage.maxPendingBytes },
      },
      logger,
    });
    // The state log closes the journals; what cleans must have ended before, what is below comes after.
    closers.push(() => log.close());
    await options.onOpen?.(log, journals);
    const clean = (cleaned: Journal, sources: readonly CleanerSource[], isInMemory = false): Cleaner => {
      const cleaner = createCleaner({
        journal: cleaned,
        sources,
        clock,
        bytesPerSecond: storage.cleanerBytesPerSecond,
        minDeadFraction: MIN_DEAD_FRACTION,
        slackBytes: 2 * storage.segmentBytes,
        ...(isInMemory ? inMemory.cleaning : {}),
        onError: (error) => logger.warn({ err: error }, 'a segment could not be cleaned'),
      });
      closers.push(() => cleaner.close());
      return cleaner;
    };
    // It waits for a pass, which ends where the cleaners do.
    closers.push(() => inMemory.close());
    const cleaner = clean(journal, log.sources, !hasFiles);
    const memoryCleaner = clean(memory, [log.underWay('memory'), ...options.sourcesOf('memory')], true);
    if (object !== undefined) clean(object, [log.underWay('object'), ...options.sourcesOf('object')]);
    const kept = [{ storage: 'memory', journal: memory, cleaner: memoryCleaner }] as const;
    inMemory.keepPace(hasFiles ? kept : [{ storage: 'journal', journal, cleaner }, ...kept], options.retain);
    const backups = hasFiles ? openBackups(options, { journal, log, cleaner, wal, space }) : undefined;
    closers.push(async () => backups?.close());
    logger.debug({ ...log.recovered, views: kv?.engine }, 'journal replayed');
    return {
      log,
      journals,
      space,
      views: kv?.engine,
      commits: object === undefined ? { journal: commits.journal } : commits,
      backups,
      close: closeAll,
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

const commitHistograms = (): CommitHistograms => ({ os: new Histogram(), sync: new Histogram() });

interface BackupParts {
  readonly journal: Journal;
  readonly log: OpenStateLog;
  readonly cleaner: Cleaner;
  readonly wal: WalStore;
  readonly space: SpaceGuard | undefined;
}

function openBackups(
  { config, clock, journalFolder }: DurableTierOptions,
  { journal, log, cleaner, wal, space }: BackupParts,
): Backups {
  const tiered = 'coldSegments' in wal ? (wal as TieredWal) : undefined;
  return createBackups({
    disk: nodeDisk,
    clock,
    dataDirectory: dirname(journalFolder),
    journal,
    walId: MAIN,
    drained: () => log.drained(),
    async hold() {
      const letFilesGo = tiered?.hold();
      const letSegmentsGo = await cleaner.hold();
      return () => {
        letSegmentsGo();
        letFilesGo?.();
      };
    },
    isFull: () => space?.isFull ?? false,
    coldSegments: tiered && (() => tiered.coldSegments(MAIN)),
    objectPlace: describeObjectStore(config.storage.object),
    usesObjectStorage: [...config.topics, ...config.streams].some(({ storage }) => storage === 'object'),
  });
}

type Closers = (() => Promise<void>)[];

function newMemory({ config, clock, logger }: DurableTierOptions): MemoryTier {
  const { segmentBytes, reserveBytes, maxPendingBytes } = config.storage;
  return createMemoryTier({
    maxBytes: memoryBoundBytes(config),
    segmentBytes,
    maxBlockBytes: MAX_BLOCK_BYTES,
    reserveBytes: reserveBytes + 2 * maxPendingBytes,
    clock,
    onError: (error) => logger.warn({ err: error }, 'what is kept in memory could not be cleaned'),
  });
}

async function openFiles(options: DurableTierOptions, closers: Closers): Promise<WalStore> {
  const { config, clock, logger, journalFolder: directory } = options;
  const nowMs = (): number => clock.monotonicMs();
  const wal = createFileWal({ disk: nodeDisk, directory, check: frameCheck, nowMs });
  closers.push(() => wal.close());
  const { tier, object } = config.storage;
  if (!tier.enabled) {
    if (!(await hasMoved(nodeDisk, directory, MAIN))) return wal;
    throw new Error(
      'segments of the journal were moved to an object store, and cannot be read without storage.tier.enabled and storage.object',
    );
  }
  const segments = await openObjectStore(object, clock);
  closers.push(() => segments.close());
  const { localBytes, cacheBytes } = tier;
  const tiered = createTieredWal({
    wal,
    disk: nodeDisk,
    directory,
    check: frameCheck,
    segments,
    clock,
    localBytes,
    cacheBytes,
    log: logger,
  });
  closers.push(() => tiered.close());
  return tiered;
}

async function openSpace(
  { config, clock, journalFolder }: DurableTierOptions,
  closers: Closers,
): Promise<SpaceGuard> {
  const { watermarkBytes, reserveBytes } = config.storage;
  const space = await createSpaceGuard({
    disk: nodeDisk,
    directory: journalFolder,
    clock,
    watermarkBytes,
    reserveBytes,
  });
  closers.push(() => space.close());
  return space;
}

function openViews({ config, logger, viewsFolder }: DurableTierOptions): Promise<KvStore> {
  const { views } = config.storage;
  return openKvStore({
    folder: join(viewsFolder, MAIN),
    engine: views === 'auto' ? 'rocksdb' : views,
    maxBytes: VIEWS_MAX_BYTES,
    warn: (sentence) => (views === 'auto' ? logger.info(sentence) : logger.warn(sentence)),
  });
}

/** Only where something asks for it: the self-test of a store costs requests. */
async function openObjectJournal(
  { config, clock }: DurableTierOptions,
  closers: Closers,
  times: CommitTimes,
): Promise<Journal | undefined> {
  const isWanted = [...config.topics, ...config.streams].some(({ storage }) => storage === 'object');
  if (!isWanted) return undefined;
  const store: SegmentStore = await openObjectStore(config.storage.object, clock);
  closers.push(() => store.close());
  const objects = createSegmentObjects(store);
  const wal = createSealedWal({ objects, check: frameCheck, maxBlockBytes: MAX_BLOCK_BYTES });
  const { segmentBytes } = config.storage;
  const limits = { segmentBytes, maxPendingBytes: MAX_FRAME_BYTES };
  return openJournal({ wal, walId: 'object', limits, times });
}
