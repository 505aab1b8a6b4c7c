import type { Disk } from '../disk/disk.ts';
import { FILE_HEADER_BYTES, listEpochFiles } from './epoch-files.ts';
import { readAt } from './scan.ts';

/**
 * Bytes of an epoch from a position on as they lie there, whole or not: for saying what was in what is damaged, and for
 * nothing else. Short where the file ends.
 */
export type RawBytes = (epoch: number, position: number, maxBytes: number) => Promise<Uint8Array>;

const NONE = new Uint8Array(0);

/** Of the log whose files are in a folder. */
export function rawBytesOfFiles(disk: Disk, folder: string): RawBytes {
  return async (epoch, position, maxBytes) => {
    const files = await listEpochFiles(disk, folder);
    const found = files.findLast(
      (each) => each.epoch === epoch && (each.position ?? position + 1) <= position,
    );
    const base = found?.position;
    if (found === undefined || base === undefined) return NONE;
    const file = await disk.open(`${folder}/${found.name}`, 'read');
    try {
      const left = (await file.size()) - FILE_HEADER_BYTES - (position - base);
      return left <= 0 ? NONE : await readAt(file, base, position, Math.min(maxBytes, left));
    } finally {
      await file.close();
    }
  };
}
