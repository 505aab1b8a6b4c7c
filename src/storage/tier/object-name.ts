/** What the name of an object says of the segment in it: enough to rebuild from a listing what is stored. */
export interface StoredSegment {
  readonly epoch: number;
  readonly start: number;
  readonly end: number;
  /** CRC-32 of the whole object. */
  readonly sum: number;
}

const NAME = /^(\d{10})-(\d{16})-(\d{16})-([0-9a-f]{8})$/;
const digits = (value: number, count: number): string => String(value).padStart(count, '0');

/** Names sort by epoch and position. */
export function objectKey(walId: string, { epoch, start, end, sum }: StoredSegment): string {
  const hex = (sum >>> 0).toString(16).padStart(8, '0');
  return `${objectsFrom(walId, epoch, start)}-${digits(end, 16)}-${hex}`;
}

/** What the names of the segment at a position begin with; all of an epoch from there on come behind it. */
export function objectsFrom(walId: string, epoch: number, start: number): string {
  return `${objectsOf(walId, epoch)}${digits(start, 16)}`;
}

export function objectsOf(walId: string, epoch?: number): string {
  return epoch === undefined ? `tier/${walId}/` : `tier/${walId}/${digits(epoch, 10)}-`;
}

/** undefined for names that were not made here. */
export function storedSegment(key: string): StoredSegment | undefined {
  const match = NAME.exec(key.split('/').at(-1) ?? '');
  if (match === null) return undefined;
  const [, epoch, start, end, sum] = match;
  return {
    epoch: Number(epoch),
    start: Number(start),
    end: Number(end),
    sum: Number.parseInt(sum ?? '', 16),
  };
}
