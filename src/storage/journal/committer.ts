import { BLOCK_HEADER_BYTES } from '../wal/block.ts';
import type { WalWriter } from '../wal/wal-store.ts';
import { type ClosedSegment, Control, encodeDirectory } from './control.ts';
import { JournalBusy, JournalFull, JournalReadOnly, JournalRefused } from './errors.ts';
import { CONTROL_LOG, FRAME_HEADER_BYTES } from './frame.ts';
import type { Gathering } from './gathering.ts';
import { buildGroup, type Entry, type Group, type Part } from './group.ts';
import { createGroupMemory } from './group-memory.ts';
import type { JournalLimits, Level } from './limits.ts';
import type { Recovered } from './recovery.ts';
import type { Segments } from './segments.ts';
import type { SpaceGuard } from './space-guard.ts';

/** While one group is synced the next is written, and what arrives meanwhile gathers for the one after. */
const MAX_GROUPS_IN_FLIGHT = 2;

export interface CommitterOptions {
  readonly writer: WalWriter;
  readonly segments: Segments;
  readonly limits: JournalLimits;
  readonly maxBlockBytes: number;
  readonly space: SpaceGuard | undefined;
  readonly gathering: Gathering | undefined;
  readonly onFailure: ((error: Error) => void) | undefined;
  readonly times: CommitTimes | undefined;
  /** A group was acknowledged; in the order of positions. */
  readonly onGroup: (group: Group, start: number, end: number) => void;
  /** A segment is finished. */
  readonly onFooter: (segment: number, footer: Uint8Array) => void;
}

/** How long groups take, from the write to the acknowledgement. */
export interface CommitTimes {
  readonly nowMs: () => number;
  record(level: 'os' | 'sync', milliseconds: number): void;
}

export interface Committer {
  /** The first block of the epoch. */
  begin(last: Recovered['last']): Promise<void>;
  append(entries: readonly Entry[], level: Level, isSettlement?: boolean): Promise<number[]>;
  /**
   * An entry of the journal's own log, synced. `apply` runs with the position of its block before anything else can
   * come between: what a directory says that is written next, is what the notes before it say.
   */
  note(control: number, payload: Uint8Array, apply: (block: number) => void): Promise<void>;
  closeSegment(): boolean;
  pendingBytes(): number;
  failure(): Error | undefined;
  close(): Promise<void>;
}

/** Until a request has its own. */
const NO_POSITIONS: number[] = [];

interface Request extends Part {
  readonly level: Level;
  readonly bytes: number;
  readonly apply: ((block: number) => void) | undefined;
  readonly resolve: (positions: number[]) => void;
  readonly reject: (error: Error) => void;
}

/** Gathers what a turn appends into groups and acknowledges each as a whole, in order. */
export function createCommitter(options: CommitterOptions): Committer {
  const { writer, segments, limits, space, gathering, maxBlockBytes, times } = options;
  const offset = segments.epochOffset;
  const memory = writer.memory ?? createGroupMemory();
  let pending: Request[] = [];
  let pendingBytes = 0;
  let isScheduled = false;
  let isChanging = false;
  let endsSegment = false;
  let isClosed = false;
  let inFlight = 0;
  let failure: JournalReadOnly | undefined;
  let drained: (() => void) | undefined;

  function fail(error: unknown): JournalReadOnly {
    if (failure === undefined) {
      failure = new JournalReadOnly(error instanceof Error ? error : new Error(String(error)));
      const waiting = pending;
      pending = [];
      pendingBytes = 0;
      for (const { reject } of waiting) reject(failure);
      options.onFailure?.(failure);
    }
    return failure;
  }

  function schedule(): void {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(pump);
  }

  function isSegmentFull(): boolean {
    const { entries } = segments.openIndex();
    // The list of all others alone can be as large as a segment may be: one with nothing else in it is never full.
    if (entries === 0) return false;
    return (
      endsSegment ||
      offset + writer.next - segments.openStart() >= limits.segmentBytes ||
      entries >= limits.maxIndexEntries
    );
  }

  function pump(): void {
    isScheduled = false;
    let isFirstHalf = false;
    if (endsSegment && inFlight === 0 && !isChanging && failure === undefined) changeSegment();
    while (pending.length > 0 && inFlight < MAX_GROUPS_IN_FLIGHT && !isChanging && failure === undefined) {
      if (isSegmentFull()) {
        // The footer has all of the segment, so all of it must be acknowledged first.
        if (inFlight === 0) changeSegment();
        break;
      }
      if (!isClosed && !isFirstHalf && gathering?.holds(pendingBytes, pump)) break;
      // A crowd of callers whose group was acknowledged is back at once, all of it, and nothing would be done while its
      // next group is synced. Halves of it take turns.
      isFirstHalf = inFlight === 0 && pending.length >= limits.crowd;
      startGroup(isFirstHalf ? pending.length >>> 1 : pending.length);
    }
    if (pending.length === 0 && inFlight === 0 && !isChanging) drained?.();
  }

  function takeGroup(most: number): Request[] {
    let bytes = 0;
    let count = 0;
    for (const request of pending) {
      if (count === most || (count > 0 && bytes + request.bytes > limits.maxGroupBytes)) break;
      bytes += request.bytes;
      count++;
    }
    pendingBytes -= bytes;
    if (count < pending.length) return pending.splice(0, count);
    const all = pending;
    pending = [];
    return all;
  }

  function startGroup(most: number): void {
    const requests = takeGroup(most);
    const start = offset + writer.next;
    const group = buildGroup(requests, start + BLOCK_HEADER_BYTES, memory);
    let level: 'os' | 'sync' = 'os';
    for (const request of requests) {
      if (request.level === 'sync') level = 'sync';
      if (request.level === 'memory') request.resolve(request.positions);
    }
    inFlight++;
    gathering?.begun();
    const startedMs = times === undefined ? 0 : times.nowMs();
    const written = writer.append(group.views, { level, sum: group.sum });
    const end = offset + writer.next;
    space?.wrote(end - start);
    written.then(
      () => {
        times?.record(level, times.nowMs() - startedMs);
        acknowledge(requests, group, start, end);
        inFlight--;
        pump();
      },
      (error: unknown) => {
        const reason = fail(error);
        for (const { reject } of requests) reject(reason);
        inFlight--;
        pump();
      },
    );
  }

  function acknowledge(requests: readonly Request[], group: Group, start: number, end: number): void {
    segments.advance(end);
    const index = segments.openIndex();
    for (const { entries, positions } of requests) {
      for (let i = 0; i < entries.length; i++) {
        const { logId } = entries[i] as Entry;
        if (logId !== CONTROL_LOG) index.add(logId, start, positions[i] as number);
      }
    }
    options.onGroup(group, start, end);
    for (const { level, apply, positions, resolve } of requests) {
      apply?.(start);
      if (level !== 'memory') resolve(positions);
    }
  }

  function changeSegment(): void {
    isChanging = true;
    endsSegment = false;
    finishSegment()
      .catch(fail)
      .finally(() => {
        isChanging = false;
        pump();
      });
  }

  async function writeFooter(): Promise<ClosedSegment> {
    const start = segments.openStart();
    const footer = offset + writer.next;
    const payload = segments.openIndex().encode(start);
    const body = controlGroup([[Control.Footer, payload]], footer);
    const written = writer.append(body.views, { level: 'os', sum: body.sum });
    const end = offset + writer.next;
    space?.wrote(end - footer);
    await written;
    options.onFooter(start, payload);
    return { epoch: segments.epoch, epochOffset: offset, start, end, footer };
  }

  async function finishSegment(): Promise<void> {
    const closed = await writeFooter();
    await writeAnchor([...segments.closed(), closed], [], 'os');
    segments.close(closed);
    segments.advance(offset + writer.next);
  }

  async function writeAnchor(
    list: readonly ClosedSegment[],
    more: readonly (readonly [number, Uint8Array])[],
    level: 'os' | 'sync',
  ): Promise<void> {
    const directory = encodeDirectory({
      epochOffset: offset,
      segments: list,
      removed: segments.removed(),
    });
    const start = writer.next;
    const body = controlGroup([[Control.Directory, directory], ...more], offset + start);
    const written = writer.append(body.views, { level, sum: body.sum, isAnchor: true });
    space?.wrote(writer.next - start);
    await written;
  }

  function enqueue(
    entries: readonly Entry[],
    level: Level,
    bytes: number,
    apply?: (block: number) => void,
  ): Promise<number[]> {
    return new Promise((resolve, reject) => {
      pending.push({ entries, positions: NO_POSITIONS, level, bytes, apply, resolve, reject });
      pendingBytes += bytes;
      schedule();
    });
  }

  /** Why an append cannot be taken; undefined when it can. */
  function refusal(entries: readonly Entry[], bytes: number, isSettlement: boolean): Error | undefined {
    if (failure !== undefined) return failure;
    if (isClosed) return new JournalRefused('the journal is closed');
    if (entries.length === 0) return new JournalRefused('an append without entries');
    for (const { logId, stripe } of entries) {
      if (!Number.isSafeInteger(logId) || logId <= CONTROL_LOG) {
        return new JournalRefused('the id of a log is a whole number above 0');
      }
      if (stripe >>> 0 !== stripe) return new JournalRefused('a stripe is a whole number of 32 bits');
    }
    const most = Math.min(limits.maxAppendBytes, maxBlockBytes);
    if (bytes > most) return new JournalRefused(`an append of ${bytes} bytes: ${most} at most`);
    if (pendingBytes + bytes > limits.maxPendingBytes) {
      return new JournalBusy(`${pendingBytes} bytes wait to be written: wait for acknowledgements`);
    }
    if (space?.allows(bytes + pendingBytes + BLOCK_HEADER_BYTES, isSettlement) === false) {
      return new JournalFull('the disk is nearly full: writers wait until there is space again');
    }
    if (!isSettlement && segments.closed().length >= limits.maxSegments) {
      return new JournalFull(
        `${limits.maxSegments} segments are in use: writers wait until some are removed`,
      );
    }
    return undefined;
  }

  return {
    async begin(last) {
      const footer = last?.index.encode(last.segment.start);
      const more = footer === undefined ? [] : [[Control.Footer, footer] as const];
      await writeAnchor(segments.closed(), more, 'sync');
      segments.advance(offset + writer.next);
    },
    append(entries, level, isSettlement = false) {
      let bytes = entries.length * FRAME_HEADER_BYTES;
      for (const { payload } of entries) bytes += payload.byteLength;
      const refused = refusal(entries, bytes, isSettlement);
      return refused === undefined ? enqueue(entries, level, bytes) : Promise.reject(refused);
    },
    async note(control, payload, apply) {
      if (failure !== undefined) throw failure;
      if (isClosed) throw new JournalRefused('the journal is closed');
      const entry = { logId: CONTROL_LOG, stripe: control, payload };
      await enqueue([entry], 'sync', payload.byteLength + FRAME_HEADER_BYTES, apply);
    },
    closeSegment() {
      if (segments.openIndex().entries === 0 || failure !== undefined || isClosed) return false;
      endsSegment = true;
      schedule();
      return true;
    },
    pendingBytes: () => pendingBytes,
    failure: () => failure,
    async close() {
      isClosed = true;
      gathering?.stop();
      pump();
      if (pending.length > 0 || inFlight > 0 || isChanging) {
        await new Promise<void>((resolve) => {
          drained = resolve;
        });
      }
      if (failure === undefined) {
        // What was acknowledged at lower levels is synced as well.
        const body = controlGroup([[Control.Closed, new Uint8Array(0)]], offset + writer.next);
        await writer.append(body.views, { level: 'sync', sum: body.sum }).catch(fail);
      }
      await writer.close();
    },
  };
}

function controlGroup(frames: readonly (readonly [number, Uint8Array])[], position: number): Group {
  const entries = frames.map(([stripe, payload]) => ({ logId: CONTROL_LOG, stripe, payload }));
  return buildGroup([{ entries, positions: [] }], position + BLOCK_HEADER_BYTES);
}
