/**
 * What of the frames has to be in the object store: appended to its journal in the order of the frames, and acknowledged
 * in that order, each behind its own frame. Frames that have nothing there are held by none: they only lend the last one
 * ahead of them their end, so that `end` never passes a frame whose changes are not all in the tables. Bounded by those
 * who ask before they append (`refusal` of the state log).
 */
import type { Journal } from '../../storage/journal/journal.ts';
import { withAccessors } from '../with-accessors.ts';
import { asError, bytesOfRecords, type FrameRecord, inAppends } from './frame-record.ts';
import type { Done } from './state-log.ts';

export interface Stored {
  readonly records: readonly FrameRecord[];
  readonly dones: readonly Done[];
  readonly bytes: number;
  readonly placed: Map<FrameRecord, number>;
  isSent: boolean;
  /** Appends that are not answered. */
  open: number;
  /** Its frame is acknowledged. */
  isWritten: boolean;
  isSettled: boolean;
  error: Error | undefined;
  position: number;
  end: number;
}

/** What the queue of frames keeps of it. */
export interface Owner {
  readonly stored: Stored | undefined;
  readonly follows: Stored | undefined;
}

export interface StoredQueueOptions {
  readonly object: Journal | undefined;
  /** Of its journal. */
  readonly maxAppendBytes: number;
  /** Where the state log ends. */
  readonly end: number;
  readonly hasRoom: (journal: Journal, bytes: number) => boolean;
  readonly guarded: (call: () => void) => void;
  /** Of the state log: nothing is appended after it. */
  readonly whyFailed: () => Error | undefined;
  /** Its appends were answered. */
  readonly onAnswer: () => void;
}

export interface StoredQueue {
  /** Undefined when it has nothing to wait for. */
  push(records: readonly FrameRecord[], dones: readonly Done[]): Stored | undefined;
  /** Appends what there is room for; true when some is left. */
  send(): boolean;
  /** The frame is acknowledged, with this error; `end` is behind it. */
  acknowledged(owner: Owner, error: Error | undefined, position: number, end: number): void;
  /** Runs what is due; true when something was. */
  settle(): boolean;
  readonly last: Stored | undefined;
  readonly pendingBytes: number;
  readonly end: number;
  readonly objectEnd: number;
}

export function createStoredQueue(options: StoredQueueOptions): StoredQueue {
  const { object, guarded } = options;
  const waiting: Stored[] = [];
  let unsent = 0;
  let pendingBytes = 0;
  let { end } = options;
  let objectEnd = object?.state().end ?? 0;
  let isSettling = false;

  function append(one: Stored): void {
    one.isSent = true;
    if (one.records.length === 0) return;
    const failed = options.whyFailed();
    if (failed !== undefined) {
      one.error = failed;
      return;
    }
    for (const records of inAppends(one.records, options.maxAppendBytes)) appendPart(one, records);
  }

  function appendPart(one: Stored, records: readonly FrameRecord[]): void {
    one.open++;
    const entries = records.map(({ entry }) => entry);
    // Whatever the frame asks for: what the store does not have yet is nowhere.
    const appended =
      object?.append(entries, 'sync', true) ?? Promise.reject(new Error('no storage "object"'));
    appended.then(
      (positions) => {
        records.forEach((record, i) => void one.placed.set(record, positions[i] ?? -1));
        one.open--;
        options.onAnswer();
      },
      (error: unknown) => {
        one.error ??= asError(error);
        one.open--;
        options.onAnswer();
      },
    );
  }

  function settleOne(one: Stored): void {
    const error = one.error ?? options.whyFailed();
    one.placed.forEach((position, record) => {
      guarded(() => record.onPosition?.(position));
      objectEnd = Math.max(objectEnd, position + 1);
    });
    const position = error === undefined ? one.position : -1;
    for (const done of one.dones) guarded(() => done(error, position));
    end = Math.max(end, one.end);
  }

  return withAccessors<StoredQueue, 'last' | 'pendingBytes' | 'end' | 'objectEnd'>(
    {
      get last() {
        return waiting.at(-1);
      },
      get pendingBytes() {
        return pendingBytes;
      },
      get end() {
        return end;
      },
      get objectEnd() {
        return objectEnd;
      },
    },
    {
      push(records, dones) {
        if (records.length === 0 && dones.length === 0) return undefined;
        const bytes = bytesOfRecords(records);
        const one: Stored = {
          records,
          dones,
          bytes,
          placed: new Map(),
          isSent: false,
          open: 0,
          isWritten: false,
          isSettled: false,
          error: undefined,
          position: -1,
          end: 0,
        };
        waiting.push(one);
        pendingBytes += bytes;
        return one;
      },
      send() {
        for (; unsent < waiting.length; unsent++) {
          const next = waiting[unsent];
          if (next === undefined) break;
          const waitsForRoom =
            next.records.length > 0 && object !== undefined && !options.hasRoom(object, next.bytes);
          if (waitsForRoom && options.whyFailed() === undefined) return true;
          append(next);
        }
        return false;
      },
      acknowledged({ stored, follows }, error, position, frameEnd) {
        if (stored !== undefined) {
          stored.isWritten = true;
          stored.error ??= error;
          stored.position = position;
          stored.end = Math.max(stored.end, frameEnd);
        } else if (follows !== undefined && !follows.isSettled) {
          follows.end = Math.max(follows.end, frameEnd);
        } else end = Math.max(end, frameEnd);
      },
      settle() {
        if (isSettling) return false;
        isSettling = true;
        let some = false;
        for (let head = waiting[0]; head?.isSent && head.open === 0 && head.isWritten; head = waiting[0]) {
          waiting.shift();
          unsent--;
          settleOne(head);
          head.isSettled = true;
          pendingBytes -= head.bytes;
          some = true;
        }
        isSettling = false;
        return some;
      },
    },
  );
}
