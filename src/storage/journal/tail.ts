import type { JournalRecord } from './group.ts';

/** The newest records, in memory, whole groups up to a number of bytes: what most readers read never meets the disk. */
export interface Tail {
  /** All records from this position on are here. */
  readonly start: number;
  push(records: readonly JournalRecord[], start: number, bytes: number): void;
  /** Records of a log from a position at or behind `start`. */
  read(logId: number, from: number, maxBytes: number): JournalRecord[];
}

interface Held {
  readonly records: readonly JournalRecord[];
  readonly bytes: number;
  /** Where the next group begins. */
  readonly end: number;
}

interface LogTail {
  readonly records: JournalRecord[];
  /** Those before are gone; the array is cut when they are the larger part. */
  gone: number;
}

export function createTail(start: number, maxBytes: number): Tail {
  const groups: Held[] = [];
  const logs = new Map<number, LogTail>();
  let held = 0;
  let first = start;

  function drop(group: Held): void {
    for (const { logId } of group.records) {
      const log = logs.get(logId);
      if (log === undefined) continue;
      log.gone++;
      if (log.gone === log.records.length) logs.delete(logId);
      else if (log.gone > 64 && log.gone * 2 > log.records.length) {
        log.records.splice(0, log.gone);
        log.gone = 0;
      }
    }
    held -= group.bytes;
    first = group.end;
  }

  return {
    get start() {
      return first;
    },
    push(records, groupStart, bytes) {
      groups.push({ records, bytes, end: groupStart + bytes });
      held += bytes;
      for (const record of records) {
        const log = logs.get(record.logId);
        if (log === undefined) logs.set(record.logId, { records: [record], gone: 0 });
        else log.records.push(record);
      }
      while (held > maxBytes) {
        const oldest = groups.shift();
        if (oldest === undefined) break;
        drop(oldest);
      }
    },
    read(logId, from, limit) {
      const log = logs.get(logId);
      if (log === undefined) return [];
      let low = log.gone;
      let high = log.records.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((log.records[middle]?.position ?? 0) < from) low = middle + 1;
        else high = middle;
      }
      const found: JournalRecord[] = [];
      for (let bytes = 0; low < log.records.length && (found.length === 0 || bytes < limit); low++) {
        const record = log.records[low];
        if (record === undefined) break;
        found.push(record);
        bytes += record.payload.byteLength;
      }
      return found;
    },
  };
}
