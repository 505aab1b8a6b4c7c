/** How durable an append of the journal is, and how much of everything there is. */

/**
 * When an append is acknowledged: `memory` once it has its position, `os` once the operating system has it, `sync`
 * once it survives a loss of power. A group goes by the highest level in it.
 */
export type Level = 'memory' | 'os' | 'sync';

export interface JournalLimits {
  /** A segment is closed when it has grown to this. */
  readonly segmentBytes: number;
  /** A group takes no further append once it has this many bytes. */
  readonly maxGroupBytes: number;
  /** So many appends that wait while nothing is under way become two groups. */
  readonly crowd: number;
  /** All entries of one append. */
  readonly maxAppendBytes: number;
  /** Waiting to be written; above it appends are refused with `JournalBusy`. */
  readonly maxPendingBytes: number;
  /** Newest records kept in memory. */
  readonly tailBytes: number;
  /** Old blocks kept in memory. */
  readonly cacheBytes: number;
  /** Entries of one segment's index; a segment is closed early at it. */
  readonly maxIndexEntries: number;
  /** At this many the journal refuses writers until some are removed. */
  readonly maxSegments: number;
}

export const DEFAULT_LIMITS: JournalLimits = {
  segmentBytes: 64 * 1024 * 1024,
  maxGroupBytes: 1024 * 1024,
  crowd: 200,
  maxAppendBytes: 16 * 1024 * 1024,
  maxPendingBytes: 32 * 1024 * 1024,
  tailBytes: 16 * 1024 * 1024,
  cacheBytes: 16 * 1024 * 1024,
  maxIndexEntries: 256 * 1024,
  maxSegments: 64 * 1024,
};
