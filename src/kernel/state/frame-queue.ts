/**
 * Frames on their way: each is appended to the journal with its records, in order, and acknowledged in order. A frame
 * that a journal has no room for waits here, and all behind it: whether its changes may be taken was decided before
 * they were made, so what has come this far is never refused and always counts as a settlement.
 *
 * What has to be in the object store as well is acknowledged by a second queue (stored-queue.ts), behind the first: a
 * store takes hundreds of times as long as a disk, and only those who asked for it wait.
 */

import { FRAME_HEADER_BYTES } from '../../storage/journal/frame.ts';
import type { Journal, JournalLimits, Level } from '../../storage/journal/journal.ts';
import type { SpaceGuard } from '../../storage/journal/space-guard.ts';
import { BLOCK_HEADER_BYTES } from '../../storage/wal/block.ts';
import type { Clock } from '../clock.ts';
import { withAccessors } from '../with-accessors.ts';
import { STATE_LOG } from './frame-format.ts';
import { asError, bytesOfRecords, type FrameRecord, inAppends } from './frame-record.ts';
import type { Done, StateLogger, Storage } from './state-log.ts';
import { createStoredQueue, type Stored } from './stored-queue.ts';

export interface Frame {
  /** Undefined when nothing is to be written: its `done`s wait for their turn only. */
  readonly payload: Uint8Array | undefined;
  /** In front of the frame, so that a replay that starts at one has the whole frame. */
  readonly marks: readonly FrameRecord[];
  readonly records: readonly FrameRecord[];
  /** Of storages with journals of their own. */
  readonly foreign: readonly (FrameRecord & { readonly storage: Storage })[];
  readonly level: Level;
  readonly dones: readonly Done[];
  /** Those that wait for the object storage, too. */
  readonly storedDones: readonly Done[];
}

export interface FrameQueueOptions {
  readonly journal: Journal;
  readonly journals: { readonly memory?: Journal; readonly object?: Journal };
  readonly space: SpaceGuard | undefined;
  readonly limits: Pick<JournalLimits, 'maxAppendBytes' | 'maxPendingBytes'>;
  readonly clock: Clock;
  readonly logger: StateLogger | undefined;
  /** Some frames were acknowledged, or failed. */
  readonly onSettled: () => void;
}

export interface FrameQueue {
  push(frame: Frame): void;
  /** Of all frames that are not acknowledged, without their records of the object storage. */
  readonly pendingBytes: number;
  readonly pendingObjectBytes: number;
  readonly failure: Error | undefined;
  /** Behind the last frame of which all is acknowledged. */
  readonly end: number;
  /** Behind the last record of the object storage that was acknowledged with its frame. */
  readonly objectEnd: number;
  /** Records below `to` are there that their owners do not know of yet: their frames are under way. */
  isUnderWay(storage: 'memory' | 'object', to: number): boolean;
  /** Calls back when all frames are acknowledged, at once when there are none. */
  whenEmpty(done: Done): void;
  close(): void;
}

const RETRY_MS = 50;

interface Waiting {
  readonly frame: Frame;
  readonly bytes: number;
  readonly positions: number[];
  readonly placed: Map<FrameRecord, number>;
  payloadPosition: number;
  isSent: boolean;
  /** The queue had failed before it was appended anywhere. */
  isRefused: boolean;
  /** Appends that are not answered. */
  open: number;
  error: Error | undefined;
  readonly stored: Stored | undefined;
  /** The one ahead of it that waits for the object storage last. */
  readonly follows: Stored | undefined;
}

export function createFrameQueue(options: FrameQueueOptions): FrameQueue {
  const { journal, journals, space, limits, clock, logger } = options;
  const waiting: Waiting[] = [];
  let unsent = 0;
  let pendingBytes = 0;
  let failure: Error | undefined;
  let isSettling = false;
  let stopRetry: (() => void) | undefined;
  /** Frames with records in memory that are sent and not settled. */
  let unsettledInMemory = 0;
  /** Behind the last record there whose frame is settled. */
  let memoryEnd = journals.memory?.state().end ?? 0;

  const stored = createStoredQueue({
    object: journals.object,
    maxAppendBytes: limits.maxAppendBytes,
    end: journal.state().end,
    hasRoom,
    guarded,
    whyFailed: () => failure,
    onAnswer: sendMore,
  });

  function guarded(call: () => void): void {
    try {
      call();
    } catch (error) {
      // Others must be told all the same.
      logger?.error({ err: error }, 'a callback of the state log failed');
    }
  }

  function hasRoom(of: Journal, bytes: number): boolean {
    const { pendingBytes: waits, failure: broken } = of.state();
    if (broken !== undefined) return true;
    if (waits > 0 && waits + bytes > limits.maxPendingBytes) return false;
    return of !== journal || space?.allows(waits + bytes + BLOCK_HEADER_BYTES, true) !== false;
  }

  function canSend({ frame, bytes }: Waiting): boolean {
    const { memory } = journals;
    const isInMemory = frame.foreign.some(({ storage }) => storage === 'memory');
    return hasRoom(journal, bytes) && (!isInMemory || memory === undefined || hasRoom(memory, bytes));
  }

  function sendMore(): void {
    const isObjectWaiting = stored.send();
    while (unsent < waiting.length) {
      const next = waiting[unsent];
      if (next === undefined) break;
      if (failure === undefined && !canSend(next)) {
        stopRetry ??= clock.every(RETRY_MS, sendMore);
        return;
      }
      unsent++;
      send(next);
    }
    if (isObjectWaiting) stopRetry ??= clock.every(RETRY_MS, sendMore);
    else {
      stopRetry?.();
      stopRetry = undefined;
    }
    settle();
  }

  function send(one: Waiting): void {
    one.isSent = true;
    const { frame } = one;
    if (failure !== undefined) {
      one.error = failure;
      one.isRefused = true;
      return;
    }
    const { ahead, main } = planAppends(frame, limits.maxAppendBytes);
    for (const records of ahead) appendPart(one, records);
    if (main.length > 0) appendPart(one, main);
    const inMemory = frame.foreign.filter(({ storage }) => storage === 'memory');
    if (inMemory.length > 0) unsettledInMemory++;
    for (const part of inAppends(inMemory, limits.maxAppendBytes)) appendToMemory(one, part);
  }

  function appendPart(one: Waiting, records: readonly FrameRecord[]): void {
    one.open++;
    const entries = records.map((record) => record.entry);
    journal.append(entries, one.frame.level, true).then(
      (positions) => {
        records.forEach((record, i) => {
          const position = positions[i] ?? -1;
          if (record.entry.logId === STATE_LOG) one.payloadPosition = position;
          else if (record.onPosition !== undefined) one.placed.set(record, position);
          one.positions.push(position);
        });
        answered(one, undefined);
      },
      (error: unknown) => {
        failure ??= asError(error);
        answered(one, failure);
      },
    );
  }

  /** A storage whose journal fails takes nobody else's with it: only frames with records of it fail. */
  function appendToMemory(one: Waiting, records: readonly FrameRecord[]): void {
    one.open++;
    const entries = records.map((record) => record.entry);
    const appended =
      journals.memory?.append(entries, 'memory', true) ?? Promise.reject(new Error('no storage "memory"'));
    appended.then(
      (positions) => {
        records.forEach((record, i) => void one.placed.set(record, positions[i] ?? -1));
        answered(one, undefined);
      },
      (error: unknown) => answered(one, asError(error)),
    );
  }

  function answered(one: Waiting, error: Error | undefined): void {
    one.open--;
    one.error ??= error;
    sendMore();
  }

  function settle(): void {
    if (isSettling) return;
    isSettling = true;
    let some = false;
    while (settleWritten() || stored.settle()) some = true;
    isSettling = false;
    if (some) options.onSettled();
  }

  /** False when nothing was due. */
  function settleWritten(): boolean {
    let some = false;
    for (let head = waiting[0]; head?.isSent && head.open === 0; head = waiting[0]) {
      waiting.shift();
      unsent--;
      pendingBytes -= head.bytes;
      some = true;
      settleOne(head);
    }
    return some;
  }

  function settleOne(one: Waiting): void {
    // A frame sent before the failure was known can be written in part of its journals: it counts as failed.
    const error = one.error ?? failure;
    for (const [record, position] of one.placed) guarded(() => record.onPosition?.(position));
    settleInMemory(one);
    const frameEnd = one.positions.reduce((most, position) => Math.max(most, position + 1), 0);
    const position = error === undefined ? (one.payloadPosition >= 0 ? one.payloadPosition : stored.end) : -1;
    for (const done of one.frame.dones) guarded(() => done(error, position));
    stored.acknowledged(one, error, position, error === undefined ? frameEnd : 0);
  }

  function settleInMemory({ frame, placed, isRefused }: Waiting): void {
    const inMemory = frame.foreign.filter(({ storage }) => storage === 'memory');
    if (inMemory.length === 0 || isRefused) return;
    unsettledInMemory--;
    for (const record of inMemory) memoryEnd = Math.max(memoryEnd, (placed.get(record) ?? -1) + 1);
  }

  function push(frame: Frame): void {
    const { payload, marks, records, foreign, storedDones } = frame;
    const objects = foreign.filter(({ storage }) => storage === 'object');
    const bytes =
      (payload === undefined ? 0 : payload.byteLength + FRAME_HEADER_BYTES) +
      bytesOfRecords(marks) +
      bytesOfRecords(records) +
      bytesOfRecords(foreign) -
      bytesOfRecords(objects);
    pendingBytes += bytes;
    const follows = stored.last;
    waiting.push({
      frame,
      bytes,
      positions: [],
      placed: new Map(),
      payloadPosition: -1,
      isSent: false,
      isRefused: false,
      open: 0,
      error: undefined,
      stored: stored.push(objects, storedDones),
      follows,
    });
    sendMore();
  }

  return withAccessors<FrameQueue, 'pendingBytes' | 'pendingObjectBytes' | 'failure' | 'end' | 'objectEnd'>(
    {
      get pendingBytes() {
        return pendingBytes;
      },
      get pendingObjectBytes() {
        return stored.pendingBytes;
      },
      get failure() {
        return failure;
      },
      get end() {
        return stored.end;
      },
      get objectEnd() {
        return stored.objectEnd;
      },
    },
    {
      push,
      isUnderWay: (storage, to) =>
        storage === 'memory'
          ? unsettledInMemory > 0 && to > memoryEnd
          : stored.last !== undefined && to > stored.objectEnd,
      whenEmpty(done) {
        const nothing = { payload: undefined, marks: [], records: [], foreign: [], dones: [] };
        if (waiting.length > 0 || stored.last !== undefined) {
          push({ ...nothing, level: 'memory', storedDones: [done] });
        } else done(failure, failure === undefined ? stored.end : -1);
      },
      close() {
        stopRetry?.();
      },
    },
  );
}

/**
 * Normally one append: marks, the frame, its records. Where that is more than an append can hold, records go ahead in
 * appends of their own: after a crash in between they can be there without the frame, never the frame without them.
 */
function planAppends(frame: Frame, maxBytes: number): { ahead: FrameRecord[][]; main: FrameRecord[] } {
  const { payload, marks, records } = frame;
  const own: FrameRecord[] =
    payload === undefined ? [] : [{ entry: { logId: STATE_LOG, stripe: 0, payload }, onPosition: undefined }];
  const fixed = [...marks, ...own];
  let left = bytesOfRecords(fixed) + bytesOfRecords(records);
  let from = 0;
  for (; left > maxBytes && from < records.length; from++)
    left -= bytesOfRecords(records.slice(from, from + 1));
  const ahead = inAppends(records.slice(0, from), maxBytes);
  return { ahead, main: [...fixed, ...records.slice(from)] };
}
