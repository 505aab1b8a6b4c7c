import type { Clock } from '../../kernel/clock.ts';
import { withAccessors } from '../../kernel/with-accessors.ts';
import { type Disk, diskErrorCode } from '../disk/disk.ts';

/**
 * Meets a full disk before it is full. Below the watermark writers are refused and settlements go on; when even those
 * run out of room, a reserve file is given up for them. Once space is back the reserve is made again, then writers
 * are let in. Between two looks at the disk, what was written meanwhile is counted.
 */
export interface SpaceGuard {
  readonly isFull: boolean;
  readonly freeBytes: number;
  readonly hasReserve: boolean;
  /** Whether that many bytes may be appended now. */
  allows(bytes: number, isSettlement: boolean): boolean;
  wrote(bytes: number): void;
  /** Looks now. Looks in between come by themselves, and at once when the count says that a limit was met. */
  check(): Promise<void>;
  close(): Promise<void>;
}

export interface SpaceGuardOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly clock: Clock;
  /** Writers are refused below this many free bytes. */
  readonly watermarkBytes: number;
  readonly reserveBytes: number;
  readonly intervalMs?: number;
}

const CHUNK_BYTES = 1024 * 1024;

export async function createSpaceGuard(options: SpaceGuardOptions): Promise<SpaceGuard> {
  const { disk, directory, clock, watermarkBytes, reserveBytes, intervalMs = 1000 } = options;
  const path = `${directory}/reserve`;
  /** Settlements need the reserve below this; what lies under it when that is gone is for closing segments. */
  const criticalBytes = watermarkBytes / 4;
  const lastBytes = watermarkBytes / 16;
  let free = 0;
  let since = 0;
  let isFull = false;
  let hasReserve = false;
  let checking: Promise<void> | undefined;
  const estimate = (): number => free - since;

  async function look(): Promise<void> {
    free = await disk.freeBytes(directory);
    since = 0;
  }

  async function makeReserve(): Promise<void> {
    const zeros = new Uint8Array(Math.min(CHUNK_BYTES, reserveBytes));
    await removeReserve();
    const file = await disk.open(path, 'create');
    try {
      for (let at = 0; at < reserveBytes; at += zeros.byteLength) {
        await file.writev([zeros.subarray(0, Math.min(zeros.byteLength, reserveBytes - at))], at);
      }
      await file.datasync();
      hasReserve = true;
    } finally {
      await file.close();
    }
  }

  async function removeReserve(): Promise<void> {
    hasReserve = false;
    try {
      await disk.remove(path);
    } catch (error) {
      if (diskErrorCode(error) !== 'ENOENT') throw error;
    }
  }

  async function findReserve(): Promise<boolean> {
    if (!(await disk.exists(path))) return false;
    const file = await disk.open(path, 'read');
    try {
      return (await file.size()) === reserveBytes;
    } finally {
      await file.close();
    }
  }

  async function judge(): Promise<void> {
    await look();
    if (free < watermarkBytes) isFull = true;
    if (isFull && hasReserve && free < criticalBytes) {
      await removeReserve();
      await look();
    }
    // A little more than the watermark, so that the state does not flap around it.
    const wanted = watermarkBytes + criticalBytes;
    if (!hasReserve && free >= wanted + reserveBytes) {
      try {
        await makeReserve();
      } catch (error) {
        await removeReserve();
        throw error;
      }
      await look();
    }
    if (isFull && hasReserve && free >= wanted) isFull = false;
    if (!hasReserve) isFull = true;
  }

  function check(): Promise<void> {
    checking ??= judge().finally(() => {
      checking = undefined;
    });
    return checking;
  }

  /** A disk that cannot be asked keeps the last answer; what was written since still counts. */
  function checkSoon(): void {
    check().catch(() => {});
  }

  hasReserve = await findReserve();
  await check();
  const stop = clock.every(intervalMs, checkSoon);

  return withAccessors<SpaceGuard, 'isFull' | 'freeBytes' | 'hasReserve'>(
    {
      get isFull() {
        return isFull;
      },
      get freeBytes() {
        return Math.max(0, estimate());
      },
      get hasReserve() {
        return hasReserve;
      },
    },
    {
      allows(bytes, isSettlement) {
        if (isSettlement) return estimate() - bytes >= lastBytes;
        // Who is refused once waits until there is room again, not until a smaller append fits.
        if (estimate() - bytes < watermarkBytes) isFull = true;
        return !isFull;
      },
      wrote(bytes) {
        const before = estimate();
        since += bytes;
        const met = (limit: number): boolean => before >= limit && estimate() < limit;
        if (met(watermarkBytes) || met(criticalBytes)) checkSoon();
      },
      check,
      async close() {
        stop();
        await checking?.catch(() => {});
      },
    },
  );
}
