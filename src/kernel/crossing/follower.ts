/**
 * Records that cannot cross in the turn of their append, because it is not known whether they count: from the first batch of a
 * transaction on, a partition is held. What is in it then, of transactions or not, crosses in the order of its offsets as far as
 * all is decided, without what was aborted; when everything has crossed that is there, the partition is let go.
 *
 * Guaranteed: each such record crosses once, in one change with how far the partition has come, so no crash repeats or loses
 * one that was decided; the first of those entries is in the change of the decision itself. A partition costs one number, and
 * the records are read from the log, so nothing here grows; while the journal takes nothing, they wait there. What retention or
 * compaction has removed meanwhile does not cross. While nobody listens all counts as having crossed.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { LogRecord } from '../../storage/records/record.ts';
import type { RecordBatch } from '../../storage/records/record-batch.ts';
import type { Clock } from '../clock.ts';
import { createLineBudget } from '../line-budget.ts';
import {
  type BatchOpener,
  type Partition,
  PartitionDamaged,
  type Partitions,
  type ProducerView,
} from '../log/partitions.ts';
import { createOutcomes, type Outcomes } from '../log/producer-view.ts';
import type { StateLog } from '../state/state-log.ts';
import { TableId } from '../state/table.ts';
import type { Change, Crossing, CrossingRefusal } from './crossing.ts';
import { type Cursors, encodeCursor } from './cursors.ts';

export interface FollowerOptions {
  readonly cursors: Cursors;
  readonly partitions: Pick<Partitions, 'list' | 'read' | 'onAppend'>;
  readonly crossing: Pick<Crossing, 'isWanted' | 'hasRoom' | 'publishWith' | 'isOwnMessage'>;
  readonly opener: Pick<BatchOpener, 'open'>;
  readonly log: Pick<StateLog, 'add' | 'commit' | 'refusal' | 'isBusy'>;
  readonly clock: Clock;
  /** A record that cannot cross; part of the change that passes it over. */
  readonly onRefused?: (
    partition: Partition,
    record: LogRecord,
    offset: number,
    reason: CrossingRefusal,
  ) => void;
  readonly logger?: { warn(fields: object, message: string): void };
}

/** What those who append tell. */
export interface Holding {
  /** From this offset on it is not known what counts; harmless where the partition is held. */
  hold(partition: Partition, offset: number): void;
  isHeld(partition: Partition): boolean;
  /** A batch does not cross, since nobody can open it. */
  unopened(partition: Partition, reason: string): void;
  /**
   * The current change decides something of the partition: what may cross then crosses after any crash. Calls back when the
   * change is committed, or never will be.
   */
  decided(partition: Partition): (error: Error | undefined) => void;
}

export interface Follower extends Holding {
  /** From now on records cross. */
  start(view: Pick<ProducerView, 'lastStableOffset' | 'aborted'>): void;
  /** The state log takes changes again. */
  resume(): void;
  /** Resolves when all has crossed that may cross now. */
  idle(): Promise<void>;
  stop(): Promise<void>;
  heldCount(): number;
}

interface Held {
  readonly partition: Partition;
  /** Below it all has crossed. */
  at: number;
  /** What the journal says, where it says something. */
  noted: number | undefined;
  running: Promise<void> | undefined;
  isStale: boolean;
  readonly unwatch: () => void;
}

const READ_BYTES = 256 * 1024;
const RECORDS_A_TURN = 256;
const RETRY_MS = 1000;
const LINES_PER_SECOND = 1;

export function createFollower(options: FollowerOptions): Follower {
  const { cursors, partitions, crossing, opener, log, clock, logger } = options;
  const lines = createLineBudget(clock, LINES_PER_SECOND);
  const held = new Map<number, Held>();
  let view: Pick<ProducerView, 'lastStableOffset' | 'aborted'> | undefined;
  let isStopped = false;

  function keep(partition: Partition, at: number, noted: number | undefined): Held {
    const one: Held = {
      partition,
      at,
      noted,
      running: undefined,
      isStale: false,
      unwatch: partitions.onAppend(partition, () => wake(one)),
    };
    held.set(partition.logId, one);
    return one;
  }

  const byLog = new Map(partitions.list().map((partition) => [partition.logId, partition]));
  for (const [logId, offset] of [...cursors.offsets]) {
    const partition = byLog.get(logId);
    if (partition === undefined || partition.storage === 'memory') cursors.set(logId, undefined);
    else keep(partition, Math.min(offset, partition.nextOffset), offset);
  }

  /** In the current change. */
  function note(one: Held, offset: number | undefined): void {
    if (one.partition.storage === 'memory') return;
    one.noted = offset;
    log.add(TableId.Crossings, encodeCursor(one.partition.logId, offset));
  }

  const settle = ({ partition }: Held, offset: number | undefined, error: Error | undefined): void => {
    if (error === undefined && partition.storage !== 'memory') cursors.set(partition.logId, offset);
  };

  /** As a change of its own, for which nobody waits. */
  function write(one: Held, offset: number | undefined): void {
    note(one, offset);
    log.commit('os', (error) => settle(one, offset, error), true);
  }

  function letGo(one: Held): void {
    one.unwatch();
    held.delete(one.partition.logId);
    if (one.noted !== undefined) write(one, undefined);
  }

  const isWaiting = (): boolean => isStopped || log.refusal() !== undefined || log.isBusy();

  function wake(one: Held): void {
    if (view === undefined || isStopped) return;
    if (one.running !== undefined) {
      one.isStale = true;
      return;
    }
    one.running = follow(one)
      .catch((error: unknown) => {
        logger?.warn({ err: error, topic: one.partition.name }, 'records wait to cross to other protocols');
      })
      .finally(() => {
        one.running = undefined;
        if (!one.isStale) return;
        one.isStale = false;
        wake(one);
      });
  }

  async function follow(one: Held): Promise<void> {
    const { partition } = one;
    for (;;) {
      // Appends of the turn, whose watchers run one by one, are seen together.
      await turn();
      if (partition.isDeleted) {
        letGo(one);
        return;
      }
      const end = view?.lastStableOffset(partition) ?? 0;
      one.at = Math.max(one.at, Math.min(partition.startOffset, end));
      const isThrough = one.at >= partition.nextOffset;
      if (!isThrough && one.at >= end) return;
      if (isWaiting()) return;
      if (isThrough) {
        letGo(one);
        return;
      }
      if (!crossing.isWanted(partition.name)) {
        one.at = end;
        if (one.noted !== undefined) write(one, end);
        continue;
      }
      const before = one.at;
      await crossUpTo(one, end);
      // Somebody has no room, or what is there cannot be read now: it is tried again.
      if (one.at === before) return;
    }
  }

  function unopened({ name }: Partition, reason: string): void {
    const told = lines.take();
    if (told === undefined) return;
    logger?.warn({ topic: name, reason, ...told }, 'a batch cannot be opened for other protocols');
  }

  /** A piece of what lies below `end`, at least a batch. */
  async function crossUpTo(one: Held, end: number): Promise<void> {
    const { partition } = one;
    try {
      const { batches, next } = await partitions.read(partition, one.at, READ_BYTES);
      const outcomes = createOutcomes(view?.aborted(partition, one.at, Math.min(next, end)) ?? []);
      for (const { bytes, baseOffset, lastOffset } of batches) {
        if (baseOffset >= end) return;
        const { batch, fault } = await opener.open(bytes);
        if (batch === undefined) {
          unopened(partition, fault);
        } else if (!(await crossBatch(one, batch, outcomes))) return;
        one.at = Math.max(one.at, lastOffset + 1);
      }
      one.at = Math.max(one.at, Math.min(next, end));
    } catch (error) {
      if (error instanceof PartitionDamaged) one.at = Math.max(one.at, Math.min(error.resumeAt, end));
      else if (!(error instanceof RangeError)) throw error;
    }
  }

  /** False when it has to wait. */
  async function crossBatch(one: Held, batch: RecordBatch, outcomes: Outcomes): Promise<boolean> {
    if (batch.isControl || outcomes.isAborted(batch)) return true;
    const { name } = one.partition;
    for (let i = 0; i < batch.length; i++) {
      const offset = batch.offset(i);
      if (offset < one.at) continue;
      if (i % RECORDS_A_TURN === RECORDS_A_TURN - 1) await turn();
      if (isWaiting() || !crossing.hasRoom(name)) return false;
      const record = batch.record(i);
      // What was published to the address has been there, and is not told from what somebody else writes in its form.
      if (batch.isTransactional || !crossing.isOwnMessage(name, record)) crossRecord(one, record, offset);
      one.at = offset + 1;
    }
    return true;
  }

  function crossRecord(one: Held, record: LogRecord, offset: number): void {
    const { partition } = one;
    const change: Change = {
      also: () => note(one, offset + 1),
      done: (error) => settle(one, offset + 1, error),
    };
    const refused = crossing.publishWith(partition.name, record, change);
    if (refused === undefined) return;
    options.onRefused?.(partition, record, offset, refused);
    write(one, offset + 1);
  }

  const isBehind = ({ partition, at }: Held): boolean =>
    partition.isDeleted || at < (view?.lastStableOffset(partition) ?? 0) || at >= partition.nextOffset;
  const wakeAll = (): void => {
    for (const one of [...held.values()]) if (isBehind(one)) wake(one);
  };

  async function idle(): Promise<void> {
    for (;;) {
      const running = [...held.values()].flatMap((one) => one.running ?? []);
      if (running.length === 0) return;
      await Promise.all(running);
    }
  }

  const stopRetry = clock.every(RETRY_MS, wakeAll);

  return {
    hold(partition, offset) {
      if (!held.has(partition.logId)) keep(partition, offset, undefined);
    },
    isHeld: ({ logId }) => held.has(logId),
    unopened,
    decided(partition) {
      const one = held.get(partition.logId);
      if (one === undefined || one.noted !== undefined || !crossing.isWanted(partition.name)) return () => {};
      const { at } = one;
      note(one, at);
      return (error) => {
        settle(one, at, error);
        if (error !== undefined && one.noted === at) one.noted = undefined;
      };
    },
    start(decisions) {
      view = decisions;
      wakeAll();
    },
    resume: wakeAll,
    idle,
    async stop() {
      isStopped = true;
      stopRetry();
      for (const one of held.values()) one.unwatch();
      await idle();
    },
    heldCount: () => held.size,
  };
}
