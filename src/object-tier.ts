/**
 * What a node has in the object store besides segments, from its configuration: copies of the messages of topics with
 * `storage: object`, and what comes back from there when the disk was lost.
 */
import type { Logger } from 'pino';
import type { Config } from './config/config.ts';
import { MAX_BATCH_BYTES, type NodeTables } from './durable-tables.ts';
import type { Journals } from './durable-tier.ts';
import type { Clock } from './kernel/clock.ts';
import {
  createObjectCopies,
  NO_COPIES,
  type ObjectCopies,
  recoverFromObjects,
} from './kernel/object-copies.ts';
import type { StateLog } from './kernel/state/state-log.ts';
import { createTopicRules } from './protocols/mqtt/durable/topic-rules.ts';
import { stripeOf } from './scheduling/stripes.ts';

export async function openCopies(
  config: Config,
  { partitions, mqtt, delayed, retained }: NodeTables,
  log: StateLog,
  clock: Clock,
  stripes: number,
): Promise<ObjectCopies> {
  if (!config.topics.some(({ storage }) => storage === 'object')) return NO_COPIES;
  const copies = await createObjectCopies({
    partitions,
    log,
    clock,
    holders: [mqtt.store, delayed],
    stripeOf: (kind, key) => stripeOf('', kind, key, stripes),
    maxBytes: config.storage.messages.maxBytes,
    maxMessageBytes: MAX_BATCH_BYTES,
  });
  const ruleOf = createTopicRules(config);
  retained.onExpired = (topic) => {
    if (ruleOf(topic).storage !== 'object') return;
    copies.forget(topic);
    log.commit('os', undefined, true);
  };
  return copies;
}

/** Says what it found. */
export async function recoverLost(
  { partitions, kernel, retained }: NodeTables,
  { object }: Journals,
  log: StateLog,
  clock: Clock,
  logger: Logger,
): Promise<void> {
  if (object === undefined) return;
  const found = await recoverFromObjects({ partitions, kernel, retained, log, clock, journal: object });
  if (found !== undefined) logger.warn(found, 'recovered from the object store what the disk does not know');
}
