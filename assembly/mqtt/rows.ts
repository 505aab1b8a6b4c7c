// What the host is told about: rows of twelve i32, written during one `ingest`, walked by the host after it.

import { ROWS_MAX, ROW_BYTES, rowsBase } from './layout';

export const ROW_CONTROL: i32 = 1;
export const ROW_PUBLISH: i32 = 2;
export const ROW_HOST_PART: i32 = 3;
export const ROW_OVERFLOW: i32 = 4;
export const ROW_ACK: i32 = 5;
export const ROW_WINDOW: i32 = 6;
export const ROW_RELEASE: i32 = 7;

export let rowCount: i32 = 0;

export function clearRows(): void {
  rowCount = 0;
}

// @ts-ignore: decorator
@inline
export function hasRoomFor(rows: i32): bool {
  return rowCount + rows <= ROWS_MAX;
}

/** Precondition: `hasRoomFor(1)`. */
export function addRow(kind: i32, a: i32, b: i32, packetId: i32, extra: i32): usize {
  const row = rowsBase + <usize>(rowCount * ROW_BYTES);
  rowCount++;
  store<i32>(row, kind);
  store<i32>(row, a, 4);
  store<i32>(row, b, 8);
  store<i32>(row, packetId, 24);
  store<i32>(row, extra, 28);
  return row;
}
