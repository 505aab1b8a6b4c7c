/**
 * The cleaner gives the journal's disk space back. It knows nothing of what lies there: sources tell how many bytes
 * they need of a stretch, and append again what they need of one that is mostly dead. Which record is live is decided
 * in the kernel; how a segment goes, in the journal.
 *
 * Guaranteed: a segment goes only when no source needs a byte of it, after all that was appended before is synced.
 * Once a pass has come to its end, the sealed segments have at most `live / (1 - minDeadFraction) + slackBytes` bytes.
 * A segment is copied only when at least `minDeadFraction` of it is dead, so to free a byte costs at most
 * `(1 - f) / f` bytes of copying: with one half, cleaning writes no more than was written at first. Copying keeps to
 * `bytesPerSecond`. While writers are about to be refused (`isPressed`) none of these bounds counts: segments are copied
 * of which an eighth or more is dead, the deadest first, as fast as can be. When the journal has failed, the cleaner
 * stops for good.
 */
import { setImmediate as immediate } from 'node:timers/promises';
import type { Clock } from '../../kernel/clock.ts';
import type { Journal } from '../journal/journal.ts';
import type { SegmentInfo } from '../journal/reading.ts';
import { createPacer } from './pacer.ts';

export interface CleanerSource {
  readonly name: string;
  /** Bytes of `[start, end)` of the journal that it needs. What it does not need now it never needs again. */
  liveBytes(start: number, end: number): number;
  /** Appends again what it needs of `[start, end)`, as settlements; afterwards it needs nothing of it. */
  evacuate(start: number, end: number): Promise<void>;
}

export interface CleanerOptions {
  readonly journal: Pick<Journal, 'segments' | 'remove' | 'state'>;
  readonly sources: readonly CleanerSource[];
  readonly clock: Clock;
  /** Most live bytes copied per second. */
  readonly bytesPerSecond: number;
  /** Above 0 and below 1. */
  readonly minDeadFraction: number;
  /** Fewer dead bytes than this are left alone. */
  readonly slackBytes: number;
  /** Room is so scarce that it is worth more than copying. Asked before each segment. */
  readonly isPressed?: () => boolean;
  readonly intervalMs?: number;
  /** Something could not be cleaned; it is tried again in the next pass. */
  readonly onError?: (error: Error) => void;
}

export interface CleanerCounters {
  readonly passes: number;
  /** Segments that had nothing live. */
  readonly dropped: number;
  readonly evacuated: number;
  readonly freedBytes: number;
  readonly copiedBytes: number;
  readonly errors: number;
  /** Of the sealed segments, when they were last looked at. */
  readonly sealedBytes: number;
  readonly liveBytes: number;
}

export interface Cleaner {
  /** One pass, beginning now; the one under way where there is one. */
  run(): Promise<void>;
  counters(): CleanerCounters;
  /** From when it resolves until what it gives is called, nothing is removed. Nothing is copied meanwhile either. */
  hold(): Promise<() => void>;
  /** Ends after the step that is under way. */
  close(): Promise<void>;
}

interface Judged extends SegmentInfo {
  readonly live: number;
}

/** A piece of a segment that is copied without a pause. */
const SLICE_BYTES = 8 * 1024 * 1024;
/** Under pressure. Below it, to free a byte would take more than seven of copying. */
const PRESSED_DEAD_FRACTION = 1 / 8;
/** Segments looked at in one turn of the event loop. */
const SEGMENTS_PER_TURN = 64;

export function createCleaner(options: CleanerOptions): Cleaner {
  const { journal, sources, clock, minDeadFraction, slackBytes, intervalMs = 5000 } = options;
  const { isPressed = () => false } = options;
  if (!(minDeadFraction > 0 && minDeadFraction < 1)) {
    throw new Error(`minDeadFraction is ${minDeadFraction}, and lies between 0 and 1`);
  }
  const pacer = createPacer(clock, options.bytesPerSecond);
  const counters = {
    passes: 0,
    dropped: 0,
    evacuated: 0,
    freedBytes: 0,
    copiedBytes: 0,
    errors: 0,
    sealedBytes: 0,
    liveBytes: 0,
  };
  let isClosed = false;
  let running: Promise<void> | undefined;
  let holds = 0;
  let removing: Promise<unknown> = Promise.resolve();
  const isOver = (): boolean => isClosed || journal.state().failure !== undefined;

  function liveIn(start: number, end: number): number {
    let live = 0;
    for (const source of sources) live += source.liveBytes(start, end);
    return Math.min(live, end - start);
  }

  async function judge(): Promise<Judged[]> {
    const judged: Judged[] = [];
    counters.sealedBytes = 0;
    counters.liveBytes = 0;
    for (const segment of journal.segments()) {
      if (segment.isOpen) continue;
      const live = liveIn(segment.start, segment.end);
      judged.push({ ...segment, live });
      counters.sealedBytes += segment.bytes;
      counters.liveBytes += live;
      if (judged.length % SEGMENTS_PER_TURN === 0) await immediate();
    }
    return judged;
  }

  /** False when it is not to be now. */
  async function remove(segments: readonly SegmentInfo[]): Promise<boolean> {
    if (segments.length === 0 || holds > 0) return false;
    const removed = journal.remove(segments.map(({ start }) => start));
    removing = removed.catch(() => {});
    await removed;
    for (const { bytes } of segments) {
      counters.freedBytes += bytes;
      counters.sealedBytes -= bytes;
    }
    return true;
  }

  /** False when it was told to end before all was copied. */
  async function evacuate(segment: Judged): Promise<boolean> {
    for (let start = segment.start; start < segment.end; start += SLICE_BYTES) {
      const end = Math.min(start + SLICE_BYTES, segment.end);
      const live = liveIn(start, end);
      if (live === 0) continue;
      if (!isPressed()) await pacer.take(live, () => isOver() || isPressed());
      if (isOver() || holds > 0) return false;
      for (const source of sources) {
        if (source.liveBytes(start, end) > 0) await source.evacuate(start, end);
      }
      counters.copiedBytes += live;
    }
    return true;
  }

  /** Only segments of the beginning: what is copied meanwhile lies behind them, and a pass comes to an end. */
  async function evacuateMostlyDead(judged: readonly Judged[]): Promise<void> {
    for (const segment of judged.toSorted((a, b) => a.live / a.bytes - b.live / b.bytes)) {
      const dead = counters.sealedBytes - counters.liveBytes;
      const pressed = isPressed();
      const isWorth = dead > slackBytes && dead > minDeadFraction * counters.sealedBytes;
      const least = pressed ? Math.min(minDeadFraction, PRESSED_DEAD_FRACTION) : minDeadFraction;
      if (!(isWorth || pressed) || segment.bytes - segment.live < least * segment.bytes) return;
      if (!(await evacuate(segment))) return;
      const left = liveIn(segment.start, segment.end);
      if (left > 0) {
        counters.errors++;
        const who = sources.filter((source) => source.liveBytes(segment.start, segment.end) > 0);
        const names = who.map(({ name }) => name).join(', ');
        options.onError?.(
          new Error(`${left} bytes of segment ${segment.start} were left behind by ${names}`),
        );
        continue;
      }
      if (!(await remove([segment]))) return;
      counters.evacuated++;
      counters.liveBytes -= segment.live;
    }
  }

  async function pass(): Promise<void> {
    if (isOver() || holds > 0) return;
    try {
      const judged = await judge();
      const dead = judged.filter(({ live }) => live === 0);
      if (await remove(dead)) counters.dropped += dead.length;
      await evacuateMostlyDead(judged.filter(({ live }) => live > 0));
      counters.passes++;
    } catch (error) {
      counters.errors++;
      options.onError?.(error instanceof Error ? error : new Error(String(error)));
    }
  }

  function run(): Promise<void> {
    running ??= pass().finally(() => {
      running = undefined;
    });
    return running;
  }

  const stop = clock.every(intervalMs, () => {
    if (journal.state().failure !== undefined) stop();
    else void run();
  });

  return {
    run,
    counters: () => ({ ...counters }),
    async hold() {
      holds++;
      let isHeld = true;
      await removing;
      return () => {
        if (isHeld) holds--;
        isHeld = false;
      };
    },
    async close() {
      isClosed = true;
      stop();
      pacer.close();
      await running;
    },
  };
}
