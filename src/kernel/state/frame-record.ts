/** A record on its way to a journal, and what all queues of them need. */
import { FRAME_HEADER_BYTES } from '../../storage/journal/frame.ts';
import type { Entry } from '../../storage/journal/group.ts';

export interface FrameRecord {
  readonly entry: Entry;
  readonly onPosition: ((position: number) => void) | undefined;
}

export const bytesOfRecords = (records: readonly FrameRecord[]): number =>
  records.reduce((sum, { entry }) => sum + entry.payload.byteLength + FRAME_HEADER_BYTES, 0);

/** In order, each as much as one append can hold. */
export function inAppends<R extends FrameRecord>(records: readonly R[], maxBytes: number): R[][] {
  const appends: R[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const record of records) {
    const more = bytesOfRecords([record]);
    if (bytes + more > maxBytes) {
      appends.push([]);
      bytes = 0;
    }
    appends.at(-1)?.push(record);
    bytes += more;
  }
  return appends;
}

export const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
