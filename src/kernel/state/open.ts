import { FRAME_HEADER_BYTES } from '../../storage/journal/frame.ts';
import { createLoan } from '../../storage/journal/group-memory.ts';
import type { Level } from '../../storage/journal/journal.ts';
import { BLOCK_HEADER_BYTES } from '../../storage/wal/block.ts';
import { copyBytes } from '../../wasm/copy-bytes.ts';
import { withAccessors } from '../with-accessors.ts';
import { ChangeRefused } from './errors.ts';
import {
  createFrameBuffer,
  EMPTY_FRAME_BYTES,
  encodeMark,
  MARK_LOG,
  type Mark,
  PAGE_LOG,
  STATE_LOG,
} from './frame-format.ts';
import { createFrameQueue } from './frame-queue.ts';
import type { FrameRecord } from './frame-record.ts';
import { createMaintenance } from './maintenance.ts';
import { createPacer } from './pacer.ts';
import { recoverFromJournal, recoverFromViews, type Start } from './recovery.ts';
import {
  DEFAULT_STATE_LIMITS,
  type Done,
  type LiveSource,
  type OpenStateLog,
  type StateLogOptions,
  type Storage,
} from './state-log.ts';
import type { Table } from './table.ts';
import { dropViews } from './views.ts';

const LEVELS: readonly Level[] = ['memory', 'os', 'sync'];

/** What a replay does for a record of another log, in bytes of entries that take as long. */
const NOTED_BYTES = 256;

type ForeignRecord = FrameRecord & { readonly storage: Storage };

/** Rebuilds the tables, then takes changes. */
export async function openStateLog(options: StateLogOptions): Promise<OpenStateLog> {
  const { journal, journals = {}, kv, tables, clock, space, isReplayed = true, logger } = options;
  const limits = { ...DEFAULT_STATE_LIMITS, ...options.limits };
  const { start: journalStart } = journal.state();
  const start = await recover(options);

  const buffer = createFrameBuffer();
  let marks: FrameRecord[] = [];
  let records: FrameRecord[] = [];
  let foreign: ForeignRecord[] = [];
  let dones: Done[] = [];
  let storedDones: Done[] = [];
  let level = 0;
  /** Of marks and records. */
  let recordBytes = 0;
  /** Of all frames; see PageWriting. */
  let replayBytes = 0;
  /** Something of this frame is to be written. */
  let isWritten = false;
  /** What the frame had when the current change began. */
  const before = { bytes: EMPTY_FRAME_BYTES, records: 0, foreign: 0, recordBytes: 0 };
  let isScheduled = false;
  let isClosing = false;
  let isEnded = false;
  let isFull = false;
  /** Not even settlements are taken. */
  let isOverfull = false;
  let wasBusy = false;
  const contributors: (() => void)[] = [];
  const gatherers: (() => number)[] = [];

  const queue = createFrameQueue({
    journal,
    journals,
    space,
    limits: limits.journal,
    clock,
    logger,
    onSettled() {
      maintenance.look();
      if (!wasBusy || pendingBytes() > limits.maxPendingBytes / 4) return;
      wasBusy = false;
      log.onReady();
    },
  });

  const frameBytes = (): number => buffer.length + recordBytes;
  const pendingBytes = (): number => queue.pendingBytes + frameBytes() - EMPTY_FRAME_BYTES;
  const isBetweenChanges = (): boolean =>
    buffer.length === before.bytes && recordBytes === before.recordBytes;
  /** The room that is left is for what is gathered over the turn. */
  const maxFrameBytes = limits.journal.maxAppendBytes - limits.frameBytes;
  const isFrameFull = (): boolean =>
    frameBytes() >= limits.frameBytes || gatherers.some((bytes) => bytes() >= limits.gatheredBytes);
  const isOpen = (): boolean => frameBytes() > EMPTY_FRAME_BYTES || dones.length > 0 || isWritten;

  function judgeRoom(): void {
    const { pendingBytes: waits, isFull: isJournalFull, segments } = journal.state();
    const bytes = pendingBytes();
    isOverfull = bytes > 2 * limits.maxPendingBytes;
    isFull =
      bytes > limits.maxPendingBytes ||
      isJournalFull ||
      segments > limits.journal.maxSegments ||
      space?.allows(bytes + waits + BLOCK_HEADER_BYTES, false) === false;
  }

  function schedule(): void {
    if (isScheduled || isClosing) return;
    isScheduled = true;
    setImmediate(() => {
      isScheduled = false;
      closeFrame();
      judgeRoom();
    });
  }

  function closeFrame(): void {
    if (!isOpen()) return;
    isClosing = true;
    for (const contribute of contributors) contribute();
    beginChange();
    isClosing = false;
    const hasContent = isWritten || frameBytes() > EMPTY_FRAME_BYTES;
    const payload = hasContent ? buffer.take() : undefined;
    replayBytes += payload?.byteLength ?? 0;
    const frame = {
      payload,
      marks,
      records,
      foreign,
      level: LEVELS[level] ?? 'sync',
      dones,
      storedDones,
    };
    marks = [];
    records = [];
    foreign = [];
    dones = [];
    storedDones = [];
    level = 0;
    recordBytes = 0;
    isWritten = false;
    beginChange();
    queue.push(frame);
    isOverfull = queue.pendingBytes > 2 * limits.maxPendingBytes;
  }

  function beginChange(): void {
    before.bytes = buffer.length;
    before.records = records.length;
    before.foreign = foreign.length;
    before.recordBytes = recordBytes;
  }

  function cutChange(): void {
    buffer.cut(before.bytes);
    records.length = before.records;
    foreign.length = before.foreign;
    recordBytes = before.recordBytes;
  }

  function whyNot(isSettlement: boolean): Error | undefined {
    if (queue.failure !== undefined) return queue.failure;
    if (isEnded) return new ChangeRefused('full', 'the state log is closed');
    if (frameBytes() > maxFrameBytes) {
      const bytes = frameBytes() - before.bytes - before.recordBytes;
      return new ChangeRefused('too-large', `a change of ${bytes} bytes is too large for the journal`);
    }
    if (isOverfull || (isFull && !isSettlement)) {
      return new ChangeRefused('full', 'there is no room for more at the moment');
    }
    return undefined;
  }

  const log: OpenStateLog = withAccessors<OpenStateLog, 'sources'>(
    {
      get sources() {
        return sources;
      },
    },
    {
      add(table, entry) {
        if (buffer.length + entry.length > limits.frameBytes && isBetweenChanges() && !isClosing)
          closeFrame();
        schedule();
        return buffer.add(table, entry);
      },
      addRecord(storage, entry, onPosition) {
        const bytes = entry.payload.byteLength + FRAME_HEADER_BYTES;
        if (bytes > limits.journal.maxAppendBytes) throw new RangeError(`a record of ${bytes} bytes`);
        if (storage === 'journal') records.push({ entry, onPosition });
        else foreign.push({ entry, onPosition, storage });
        recordBytes += bytes;
        replayBytes += Math.min(bytes, NOTED_BYTES);
        schedule();
      },
      commit(atLevel, done, isSettlement = false, storage = 'journal') {
        const refused = whyNot(isSettlement);
        if (refused === undefined) {
          isWritten = true;
          if (level < LEVELS.length - 1) level = Math.max(level, LEVELS.indexOf(atLevel));
          if (done !== undefined) (storage === 'object' ? storedDones : dones).push(done);
          beginChange();
        } else {
          cutChange();
          if (done !== undefined) dones.push(() => done(refused, -1));
        }
        if (isFrameFull() && !isClosing) closeFrame();
        else schedule();
      },
      onFlush(contribute, gatheredBytes) {
        contributors.push(contribute);
        if (gatheredBytes !== undefined) gatherers.push(gatheredBytes);
      },
      async read(position, offset, length) {
        if (position >= journal.state().end) await written('os');
        const loan = createLoan();
        const { records: found } = await journal.read(STATE_LOG, position, 1, loan);
        const record = found[0];
        if (record?.position !== position || offset + length > record.payload.byteLength) {
          throw new RangeError(`the state log has no ${length} bytes at ${offset} of position ${position}`);
        }
        // A frame has many messages: who keeps one is not to keep all of them.
        const bytes = new Uint8Array(length);
        copyBytes(record.payload.subarray(offset, offset + length), bytes, 0);
        loan.release();
        return bytes;
      },
      drained() {
        closeFrame();
        return new Promise((resolve, reject) => {
          queue.whenEmpty((error) => (error === undefined ? resolve() : reject(error)));
        });
      },
      refusal(storage = 'journal') {
        if (queue.failure !== undefined || isEnded) return 'failed';
        if (storage !== 'journal') {
          const state = journals[storage]?.state();
          if (state === undefined || state.failure !== undefined) return 'failed';
          const waits = storage === 'object' ? queue.pendingObjectBytes : state.pendingBytes;
          if (state.isFull || waits > limits.journal.maxPendingBytes / 2) return 'full';
        }
        judgeRoom();
        return isFull ? 'full' : undefined;
      },
      isBusy() {
        if (pendingBytes() > limits.maxPendingBytes / 2) wasBusy = true;
        return wasBusy;
      },
      isCrowded() {
        const isCrowded = pendingBytes() > limits.maxPendingBytes;
        if (isCrowded) wasBusy = true;
        return isCrowded;
      },
      onReady: () => {},
      end: () => queue.end,
      checkpoint: () => maintenance.checkpoint(),
      async close() {
        await maintenance.close();
        await log.drained().catch(() => {});
        isEnded = true;
        queue.close();
        await journal.close();
        await journals.memory?.close();
        await journals.object?.close();
      },
      snapshot: () => maintenance.cycle(),
      viewsPosition: () => maintenance.viewsPosition(),
      recovered: start,
      underWay: (storage) => ({
        name: 'records under way',
        liveBytes: (from, to) => (queue.isUnderWay(storage, to) ? to - from : 0),
        async evacuate() {},
      }),
    },
  );

  const pacer = createPacer(clock, limits.pageBytesPerSecond);
  const maintenance = createMaintenance({
    writing: {
      tables,
      mark,
      addPages(payload) {
        log.addRecord('journal', { logId: PAGE_LOG, stripe: 0, payload }, () => {});
        return written('os').then(() => {});
      },
      barrier: async () => (await written('sync')) + 1,
      end: () => queue.end,
      replayBytes: () => replayBytes,
      objectEnd: () => queue.objectEnd,
      pace: pacer.take,
    },
    pacer,
    kv,
    start,
    journalStart,
    isReplayed,
    limits,
    logger,
    hasFailed: () => queue.failure !== undefined || isEnded,
  });
  const sources = [maintenance.source, ...tables.flatMap(sourceOf)];

  /** Resolves with the position of the frame when all so far is as durable as that. */
  function written(atLevel: Level, storage: Storage = 'journal'): Promise<number> {
    return new Promise((resolve, reject) => {
      const done: Done = (error, position) => (error === undefined ? resolve(position) : reject(error));
      log.commit(atLevel, done, true, storage);
    });
  }

  async function mark(what: Mark): Promise<number> {
    const payload = encodeMark(what);
    const bytes = payload.byteLength + FRAME_HEADER_BYTES;
    let position = -1;
    const onPosition = (at: number): void => {
      position = at;
    };
    marks.push({ entry: { logId: MARK_LOG, stripe: 0, payload }, onPosition });
    recordBytes += bytes;
    before.recordBytes += bytes;
    // All `done`s ahead of it have run: pages that are written from now on have what a replay from here does not bring.
    await written('sync', 'object');
    return position;
  }

  return log;
}

function sourceOf(table: Table): LiveSource[] {
  if (table.liveBytes === undefined) return [];
  return [
    {
      name: table.name,
      liveBytes: (start, end) => table.liveBytes?.(start, end) ?? 0,
      evacuate: async (start, end) => table.evacuate?.(start, end),
    },
  ];
}

async function recover({ journal, journals, kv, tables, logger }: StateLogOptions): Promise<Start> {
  const { start, end } = journal.state();
  if (kv !== undefined) {
    const found = await recoverFromViews(journal, end, journals?.object, tables, kv, logger);
    if (found !== undefined) return found;
    // If they could not be removed, a later start could take them for good: better none than that.
    await dropViews(kv);
  }
  return recoverFromJournal(journal, start, journals?.object, tables);
}
