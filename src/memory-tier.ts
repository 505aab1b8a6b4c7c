/**
 * What is kept in memory, by the engine `memory` or for topics and streams beside another one: one bound for all of it, and
 * cleaning that keeps pace with what comes, for memory is soon full. Close to the bound the oldest records of partitions go,
 * as if their retention said so, and segments are copied of which less is dead than elsewhere would be worth it; at the bound
 * writers are refused until there is room again. Guaranteed: as long as less than six tenths of the bound are wanted by anyone,
 * a refusal ends with a pass of cleaning.
 */
import { totalmem } from 'node:os';
import type { Config } from './config/config.ts';
import type { Clock } from './kernel/clock.ts';
import { watermarkBytes } from './kernel/memory-watermark.ts';
import type { Storage } from './kernel/state/state-log.ts';
import type { Cleaner, CleanerOptions } from './storage/cleaner/cleaner.ts';
import { frameCheck } from './storage/journal/frame.ts';
import { DEFAULT_LIMITS, type Journal, type JournalLimits } from './storage/journal/journal.ts';
import { createMemoryGuard } from './storage/journal/memory-guard.ts';
import type { SpaceGuard } from './storage/journal/space-guard.ts';
import { CHUNK_BYTES, createMemoryChunks } from './storage/wal/memory-chunks.ts';
import { createMemoryWal } from './storage/wal/memory-wal.ts';
import type { WalStore } from './storage/wal/wal-store.ts';

/** Positions in journals below which records of partitions are not kept. */
export type OldestKept = Readonly<Partial<Record<Storage, number>>>;

interface Kept {
  readonly storage: Storage;
  readonly journal: Pick<Journal, 'segments'>;
  readonly cleaner: Pick<Cleaner, 'run'>;
}

export interface MemoryTierOptions {
  readonly maxBytes: number;
  readonly segmentBytes: number;
  readonly maxBlockBytes: number;
  /** Beyond the bound: for settlements, and for what was let in before it was met. */
  readonly reserveBytes: number;
  readonly clock: Clock;
  readonly onError: (error: Error) => void;
}

export interface MemoryTier {
  readonly space: SpaceGuard;
  /** For journals that lie here: many segments make up what the bound allows, and their tails, which hold on to it, little of it. */
  readonly limits: Pick<JournalLimits, 'segmentBytes' | 'tailBytes'>;
  newWal(): WalStore;
  /** For cleaners of journals that lie here. */
  readonly cleaning: Pick<CleanerOptions, 'slackBytes' | 'isPressed'>;
  /** From now on. `retain` applies the retention of partitions. */
  keepPace(all: readonly Kept[], retain: (oldestKept: OldestKept) => Promise<void>): void;
  close(): Promise<void>;
}

/** Of the bound. */
const SEGMENT_SHARE = 1 / 16;
const TAIL_SHARE = 1 / 16;
/** Of a segment: a chunk that lies across the border of two stays until both are gone. */
const CHUNK_SHARE = 1 / 8;
/** Above the one, the oldest go until the other. */
const HIGH = 0.85;
const LOW = 0.75;
const LOOK_MS = 1000;
/** Cleaning takes so much of the time at most, unless that made it wait for longer than a look. */
const SHARE = 0.2;

/** The configured bound; without one, half of the resident memory at which publishers are paused. */
export function memoryBoundBytes({ storage, limits }: Pick<Config, 'storage' | 'limits'>): number {
  if (storage.memory.maxBytes > 0) return storage.memory.maxBytes;
  const available = { constrainedBytes: process.constrainedMemory?.(), totalBytes: totalmem() };
  return Math.floor(watermarkBytes(limits.memoryWatermarkBytes, available) / 2);
}

export function createMemoryTier(options: MemoryTierOptions): MemoryTier {
  const { maxBytes, maxBlockBytes, reserveBytes, clock, onError } = options;
  const segmentBytes = Math.min(options.segmentBytes, Math.ceil(maxBytes * SEGMENT_SHARE));
  const tailBytes = Math.min(DEFAULT_LIMITS.tailBytes, Math.ceil(maxBytes * TAIL_SHARE));
  const chunks = createMemoryChunks(Math.min(CHUNK_BYTES, Math.ceil(segmentBytes * CHUNK_SHARE)));
  let kept: readonly Kept[] = [];
  let retain: (oldestKept: OldestKept) => Promise<void> = async () => {};
  let written = 0;
  let running: Promise<void> | undefined;
  let notBeforeMs = 0;
  let stop = (): void => {};

  const isPressed = (): boolean => chunks.usedBytes() > HIGH * maxBytes;

  function oldestKept(): OldestKept {
    const used = chunks.usedBytes();
    if (!isPressed()) return {};
    const closed = kept.map(({ storage, journal }) => ({
      storage,
      segments: journal.segments().filter(({ isOpen }) => !isOpen),
    }));
    const bytesOf = (segments: readonly { readonly bytes: number }[]): number =>
      segments.reduce((sum, { bytes }) => sum + bytes, 0);
    const total = bytesOf(closed.flatMap(({ segments }) => segments));
    const share = Math.min(1, (used - LOW * maxBytes) / total);
    const oldest: Partial<Record<Storage, number>> = {};
    for (const { storage, segments } of closed) {
      let left = share * bytesOf(segments);
      for (const { end, bytes } of segments) {
        if (left <= 0) break;
        left -= bytes;
        oldest[storage] = end;
      }
    }
    return oldest;
  }

  async function pass(): Promise<void> {
    const beganMs = clock.monotonicMs();
    written = 0;
    try {
      await retain(oldestKept());
      for (const { cleaner } of kept) await cleaner.run();
    } catch (error) {
      onError(error instanceof Error ? error : new Error(String(error)));
    }
    const nowMs = clock.monotonicMs();
    notBeforeMs = nowMs + Math.min(LOOK_MS, (nowMs - beganMs) * (1 / SHARE - 1));
  }

  function run(): void {
    if (kept.length === 0 || running !== undefined || clock.monotonicMs() < notBeforeMs) return;
    running = pass().finally(() => {
      running = undefined;
    });
  }

  return {
    limits: { segmentBytes, tailBytes },
    space: createMemoryGuard({
      usedBytes: chunks.usedBytes,
      maxBytes,
      reserveBytes,
      onWrote(bytes) {
        written += bytes;
        if (written >= segmentBytes) run();
      },
    }),
    cleaning: { slackBytes: 2 * segmentBytes, isPressed },
    newWal: () => createMemoryWal({ chunks, check: frameCheck, maxBlockBytes }),
    keepPace(all, apply) {
      kept = all;
      retain = apply;
      stop = clock.every(LOOK_MS, () => {
        if (isPressed()) run();
      });
    },
    async close() {
      stop();
      kept = [];
      await running;
    },
  };
}
