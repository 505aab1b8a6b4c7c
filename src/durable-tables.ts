/**
 * The tables of a node: what its state log keeps, new and empty, in the order in which they are replayed. The node and
 * the audit of its data directory both make them here, so that one knows what the other has written.
 */
import type { Config } from './config/config.ts';
import type { Clock } from './kernel/clock.ts';
import { createDeduplication, type Deduplication } from './kernel/deduplication-table.ts';
import { createDelayed, type Delayed } from './kernel/delayed/delayed.ts';
import type { BatchOpener } from './kernel/log/batch-opener.ts';
import { createPartitions, type Partitions, type PartitionsOptions } from './kernel/log/partitions.ts';
import { createRetainedStore, type RetainedStore } from './kernel/retained.ts';
import { createRouter, type Router } from './kernel/router.ts';
import { createSettings, type Settings } from './kernel/settings-table.ts';
import { type Table, TableId } from './kernel/state/table.ts';
import { createBatchOpener } from './protocols/kafka/records/opener.ts';
import { createKafkaTables, type KafkaTables } from './protocols/kafka/tables.ts';
import { createDurableTables, type DurableTables } from './protocols/mqtt/durable/durable.ts';
import { createSessionRegistry, type SessionRegistry } from './protocols/mqtt/session-registry.ts';
import { createLogKernel } from './wasm/create-log.ts';
import type { LogKernel } from './wasm/log.ts';

export interface NodeTablesOptions {
  readonly config: Config;
  readonly clock: Clock;
  /** None for tables that are only rebuilt: records are read and appended there. */
  readonly journals: PartitionsOptions['journals'];
  readonly leaderEpoch: number;
}

export interface NodeTables {
  readonly router: Router;
  readonly sessions: SessionRegistry;
  readonly mqtt: DurableTables;
  readonly retained: RetainedStore;
  readonly delayed: Delayed;
  readonly deduplication: Deduplication;
  readonly partitions: Partitions;
  readonly kafka: KafkaTables;
  /** Users, roles, keys, bans. */
  readonly security: Settings;
  readonly kernel: LogKernel;
  readonly opener: BatchOpener;
  readonly all: readonly Table[];
}

export const MAX_BATCH_BYTES = 8 * 1024 * 1024;
const LOG_MEMORY_BYTES = 512 * 1024 * 1024;
const DELAYED_MAX_BYTES = 1024 * 1024 * 1024;
const DELAYED_RECORDS_MAX_BYTES = 256 * 1024 * 1024;

export function createNodeTables({ config, clock, journals, leaderEpoch }: NodeTablesOptions): NodeTables {
  const router = createRouter();
  const sessions = createSessionRegistry(config.limits.maxSessions);
  const mqtt = createDurableTables(config, router, sessions);
  const retained = createRetainedStore(config.mqtt.retained, clock);
  const delayed = createDelayed({ maxMessages: config.delay.maxMessages, maxBytes: DELAYED_MAX_BYTES });
  const deduplication = createDeduplication({
    maxIds: config.deduplication.maxIds,
    windowMs: config.deduplication.windowSeconds * 1000,
  });
  const kernel = createLogKernel({ maxBatchBytes: MAX_BATCH_BYTES, memoryLimitBytes: LOG_MEMORY_BYTES });
  const opener = createBatchOpener(kernel);
  const partitions = createPartitions({ journals, kernel, clock, leaderEpoch, opener });
  const kafka = createKafkaTables({
    partitions,
    kernel,
    wallMs: () => clock.wallMs(),
    delayed: { maxMessages: config.delay.maxMessages, maxBytes: DELAYED_RECORDS_MAX_BYTES },
  });
  const security = createSettings(TableId.Security, 'security');
  // What is largest outside the engine's heap comes first: its memory makes the collector run, which costs by what is on
  // the heap by then.
  const all = [
    retained.table,
    ...mqtt.all,
    delayed.table,
    deduplication.table,
    partitions.table,
    ...kafka.all,
    security.table,
  ];
  return {
    router,
    sessions,
    mqtt,
    retained,
    delayed,
    deduplication,
    partitions,
    kafka,
    security,
    kernel,
    opener,
    all,
  };
}
