/**
 * The stamp in a payload's last sixteen bytes: a mark, and when the message was due, in milliseconds of the wall clock. A
 * subscriber in another process reads it too; what has no mark has no latency.
 */

export const STAMP_BYTES = 16;
export const MARK_HIGH = 0x524d_5142;
export const MARK_LOW = 0x656e_6368;

/** `end` is where the payload ends. */
export function mark(view: DataView, end: number): void {
  view.setUint32(end - STAMP_BYTES, MARK_HIGH);
  view.setUint32(end - STAMP_BYTES + 4, MARK_LOW);
  view.setFloat64(end - 8, 0);
}

/** Of the wall clock, but never going back while this process lives, and finer than a millisecond. */
export function stampNow(): number {
  return performance.timeOrigin + performance.now();
}
