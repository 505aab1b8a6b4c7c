/**
 * Watches the memory of the process and says when it gets too much and when it is well again. It only tells;
 * what is paused or refused is decided by those who listen.
 */
import type { Clock } from './clock.ts';

export interface MemoryWatermarkOptions {
  readonly clock: Clock;
  /** Resident bytes of the process. */
  readonly residentBytes: () => number;
  /** Above this is high. */
  readonly highBytes: number;
  /** At or below this is normal again; lower than `highBytes`, so that the state does not flap. Default 90 %. */
  readonly lowBytes?: number;
  readonly intervalMs?: number;
  readonly onHigh: (bytes: number) => void;
  readonly onNormal: (bytes: number) => void;
}

export interface MemoryWatermark {
  readonly isHigh: () => boolean;
  readonly highBytes: number;
  /** Samples at once, outside the interval. */
  readonly sample: () => void;
  readonly stop: () => void;
}

const SHARE_OF_AVAILABLE = 0.8;

export interface AvailableMemory {
  /** What a container allows, as `process.constrainedMemory()`: 0 or an absurd number when there is no limit. */
  readonly constrainedBytes: number | undefined;
  readonly totalBytes: number;
}

/** The configured limit, or for 0 a share of what this process may have. */
export function watermarkBytes(configuredBytes: number, available: AvailableMemory): number {
  if (configuredBytes > 0) return configuredBytes;
  const { constrainedBytes = 0, totalBytes } = available;
  const limit = constrainedBytes > 0 ? Math.min(constrainedBytes, totalBytes) : totalBytes;
  return Math.floor(limit * SHARE_OF_AVAILABLE);
}

export function watchMemory(options: MemoryWatermarkOptions): MemoryWatermark {
  const { clock, residentBytes, highBytes, onHigh, onNormal } = options;
  const lowBytes = Math.min(options.lowBytes ?? highBytes * 0.9, highBytes);
  let high = false;

  function sample(): void {
    const bytes = residentBytes();
    if (!high && bytes > highBytes) {
      high = true;
      onHigh(bytes);
    } else if (high && bytes <= lowBytes) {
      high = false;
      onNormal(bytes);
    }
  }

  const stop = clock.every(options.intervalMs ?? 1000, sample);
  return { isHigh: () => high, highBytes, sample, stop };
}
