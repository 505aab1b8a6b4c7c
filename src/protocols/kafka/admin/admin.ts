/**
 * Administration of the Kafka front-end, of what has no folder of its own: configurations of brokers and groups, where
 * partitions lie, and the questions of tools for which one node has short answers. Not here: topics and their
 * configurations, groups, transactions, and who may do what.
 *
 * Guaranteed: what can be set takes effect, and is durable when it is acknowledged; secrets are never shown.
 */
import type { HandlerTable } from '../handlers.ts';
import { updateFeatures } from './features.ts';
import { listConfigResources } from './list-resources.ts';
import { describeLogDirs } from './log-dirs.ts';
import { electLeaders, listPartitionReassignments } from './replicas.ts';
import { getTelemetrySubscriptions, pushTelemetry } from './telemetry-requests.ts';

export const adminHandlers = {
  describeLogDirs,
  electLeaders,
  listPartitionReassignments,
  listConfigResources,
  updateFeatures,
  getTelemetrySubscriptions,
  pushTelemetry,
} satisfies HandlerTable;
