// What the host is told about: rows of twelve i32, written during one `ingest`, walked by the host after it.

import { ROWS_MAX, ROW_BYTES, rowsBase } from './layout';

export const ROW_CONTROL: i32 = 1;
export const ROW_PUBLISH: i32 = 2;
export const ROW_HOST_PART: i32 = 3;
export const ROW_OVERFLOW: i32 = 4;
export const ROW_ACK: i32 = 5;
export const ROW_WINDOW: i32 = 6;
export const ROW_RELEASE: i32 = 7;
export const ROW_BATCH: i32 = 8;

export let rowCount: i32 = 0;

export function clearRows(): void {
  rowCount = 0;
}

// @ts-ignore: decorator
@inline
export function hasRoomFor(rows: i32): bool {
  return rowCount + rows <= ROWS_MAX;
}

// Rows that stand for several packets in a row: identifiers `packetId` to `packetId + count - 1`.
export const R_A: usize = 4;
export const R_B: usize = 8;
export const R_PACKET_ID: usize = 24;
export const R_EXTRA: usize = 28;
export const R_COUNT: usize = 32;

/** The last row, if `id` is the identifier that follows those it stands for. 0 = it is of another kind, or ends elsewhere. */
export function lastRunUpTo(kind: i32, id: i32): usize {
  if (rowCount == 0) return 0;
  const row = rowsBase + <usize>((rowCount - 1) * ROW_BYTES);
  if (load<i32>(row) != kind) return 0;
  return load<i32>(row, R_PACKET_ID) + load<i32>(row, R_COUNT) == id ? row : 0;
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
