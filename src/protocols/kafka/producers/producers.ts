/**
 * Producers: who writes, in what order, and what of it counts. Here are producer ids, the sequences by which a batch is stored once,
 * the coordinator of transactions with its durable table, how far each partition is decided, what was aborted in it, and the requests
 * about all that. Not here: offsets of a transaction, which groups keep; the records themselves.
 *
 * Guaranteed: an id is given once; a batch of an idempotent producer is stored once, over restarts too; a transaction that was
 * acknowledged as ended has ended that way in all of its partitions and groups, and one that was not is ended by its producer, by a
 * newer one, or by time; nobody reads past the last stable offset what a crash could decide otherwise. Producers that a partition
 * knows, transactional ids, parts of a transaction and aborted ranges are bounded: the idle are forgotten, what is new is refused.
 *
 * The kernel's primitive of transactions (src/kernel/transaction) is not under this. It keeps the ranges of each transaction itself and
 * names transactions once; here these follow from batches and markers in the log, which are Kafka's format, are there without entries
 * of their own and so cannot disagree with them, and a transactional id lives through many transactions and fences by epochs.
 */
import type { Clock } from '../../../kernel/clock.ts';
import type { Follower } from '../../../kernel/crossing/follower.ts';
import type { Partitions } from '../../../kernel/log/partitions.ts';
import type { StateLog } from '../../../kernel/state/state-log.ts';
import type { LogKernel } from '../../../wasm/log.ts';
import type { ProducerGate } from '../produce/gate.ts';
import { createChangeLog } from './change-log.ts';
import {
  type Coordinator,
  createCoordinator,
  type ProducerLimits,
  type TransactionOffsets,
} from './coordinator.ts';
import { heal } from './healing.ts';
import { firstOpenOffset, forgetIdle } from './partition-producers.ts';
import { createProducerSides } from './producer-gate.ts';
import type { ProducerStore } from './store.ts';

export type { ProducerLimits, TransactionOffsets } from './coordinator.ts';
export { createProducerStore, type ProducerStore } from './store.ts';

/** As Kafka has them, where it has them. */
export const DEFAULT_PRODUCER_LIMITS: ProducerLimits = {
  maxProducers: 10_000,
  maxTransactionalIds: 100_000,
  maxPartsEach: 4096,
  maxAbortedRanges: 1_000_000,
  maxTimeoutMs: 900_000,
  producerIdleMs: 86_400_000,
  transactionalIdIdleMs: 7 * 86_400_000,
};

export interface Producers extends ProducerGate {
  readonly coordinator: Coordinator;
  readonly store: ProducerStore;
  /** Ends its timer. */
  close(): void;
}

export interface ProducersOptions {
  /** Rebuilt from the journal. */
  readonly store: ProducerStore;
  readonly partitions: Pick<Partitions, 'appendBatch' | 'follow' | 'isRemoved'>;
  readonly kernel: LogKernel;
  readonly log: StateLog;
  readonly level: Parameters<StateLog['commit']>[0];
  readonly offsets: TransactionOffsets;
  /** What crosses to other protocols once it is decided. */
  readonly crossing: Pick<Follower, 'hold' | 'decided' | 'start'>;
  readonly clock: Clock;
  readonly limits?: Partial<ProducerLimits>;
  readonly logger?: { info(fields: object, message: string): void };
}

/** How often transactions are looked at that have taken too long. */
export const TICK_MS = 1000;
/** How often producers and transactional ids are that nobody has used for long. */
export const SWEEP_MS = 600_000;

/** Resolves when what a crash has left is whole again, or cannot be made so for lack of room; that is tried again then. */
export async function openProducers(options: ProducersOptions): Promise<Producers> {
  const { store, partitions, kernel, log, level, offsets, crossing, clock, logger } = options;
  const limits = { ...DEFAULT_PRODUCER_LIMITS, ...options.limits };
  const wallMs = (): number => clock.wallMs();
  const changes = createChangeLog({ store, partitions, kernel, log, level, wallMs, crossing });
  const coordinator = createCoordinator({ store, changes, offsets, wallMs, limits });
  const { maxProducers } = limits;
  const { gate, view } = createProducerSides({
    store,
    coordinator,
    partitions,
    wallMs,
    maxProducers,
    crossing,
  });
  let healing: 'due' | 'under way' | 'done' = 'due';
  let ticks = 0;

  async function makeWhole(): Promise<void> {
    healing = 'under way';
    const healed = await heal({ store, coordinator });
    healing = healed === undefined ? 'due' : 'done';
    if (healed !== undefined && healed.ended + healed.joined + healed.aborted > 0) {
      logger?.info(healed, 'transactions that a crash had left were made whole');
    }
  }

  function sweep(): void {
    store.sweep();
    coordinator.forgetIdle();
    const sinceMs = clock.wallMs() - limits.producerIdleMs;
    for (const [logId, state] of store.logs) {
      if (forgetIdle(state, sinceMs) > 0) store.logChanged(logId);
    }
  }

  for (const [logId, state] of store.logs) {
    const partition = store.partitionOf(logId);
    if (partition !== undefined && state.open.size > 0) crossing.hold(partition, firstOpenOffset(state));
  }
  await makeWhole();
  partitions.follow(view);
  crossing.start(view);
  const stop = clock.every(TICK_MS, () => {
    if (healing === 'due') void makeWhole();
    coordinator.expire();
    if (++ticks % (SWEEP_MS / TICK_MS) === 0) sweep();
  });

  return { ...gate, coordinator, store, close: stop };
}
