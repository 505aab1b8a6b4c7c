/**
 * What a node has in the object store besides segments, from its configuration: copies of the messages of topics with
 * `storage: object`, and what comes back from there when the disk was lost.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Config } from './config/config.ts';
import { MAX_BATCH_BYTES, type NodeTables } from './durable-tables.ts';
import type { Journals } from './durable-tier.ts';
import type { Clock } from './kernel/clock.ts';
import type { Delayed } from './kernel/delayed/delayed.ts';
import type { Message } from './kernel/message.ts';
import type { MessageStore } from './kernel/message-store/message-store.ts';
import {
  createObjectCopies,
  type Holder,
  NO_COPIES,
  type ObjectCopies,
  recoverFromObjects,
} from './kernel/object-copies.ts';
import type { StateLog } from './kernel/state/state-log.ts';
import { createTopicRules } from './protocols/mqtt/durable/topic-rules.ts';
import { stripeOf } from './scheduling/stripes.ts';

const COPIES_SLACK_BYTES = 64 * 1024 * 1024;
const HELD_AT_ONCE = 64;
/** Ids looked at between two turns of the event loop. */
const IDS_AT_ONCE = 65_536;

export function storeAsHolder(store: MessageStore): Holder {
  return {
    get nextId() {
      return store.nextId;
    },
    oldestId: store.oldestId,
    async held(from, end) {
      const found: { readonly id: number; readonly slot: number }[] = [];
      const last = Math.min(end, from + IDS_AT_ONCE);
      let next = from;
      for (; next < last && found.length < HELD_AT_ONCE; next++) {
        const slot = store.slotOfId(next);
        if (slot >= 0 && !store.isLost(slot)) found.push({ id: next, slot });
      }
      await turn();
      await store.load(found.map(({ slot }) => slot));
      const messages: Message[] = [];
      for (const { id, slot } of found) {
        const message = store.get(slot);
        if (message !== undefined) messages.push(message);
        else if (store.slotOfId(id) === slot) throw new Error(`message ${id} could not be read for its copy`);
      }
      return { messages, next };
    },
  };
}

export function delayedAsHolder(delayed: Delayed): Holder {
  return {
    get nextId() {
      return delayed.nextId;
    },
    oldestId: delayed.oldestId,
    async held(from, end) {
      const found = delayed.list(from, HELD_AT_ONCE).filter(({ id }) => id < end);
      const messages = found.filter(({ isVolatile }) => !isVolatile).map(({ message }) => message);
      return { messages, next: found.length < HELD_AT_ONCE ? end : (found.at(-1)?.id ?? end) + 1 };
    },
  };
}

export async function openCopies(
  config: Config,
  { partitions, mqtt, delayed, retained }: NodeTables,
  log: StateLog,
  clock: Clock,
  stripes: number,
  logger: Logger,
): Promise<ObjectCopies> {
  if (!config.topics.some(({ storage }) => storage === 'object')) return NO_COPIES;
  const ruleOf = createTopicRules(config);
  const isCopied = (topic: Uint8Array): boolean => ruleOf(topic).storage === 'object';
  const copies = await createObjectCopies({
    partitions,
    log,
    clock,
    holders: [storeAsHolder(mqtt.store), delayedAsHolder(delayed)],
    isCopied,
    slackBytes: COPIES_SLACK_BYTES,
    onError: (error) => logger.warn({ err: error }, 'old copies in the object store stay for now'),
    stripeOf: (kind, key) => stripeOf('', kind, key, stripes),
    maxBytes: config.storage.messages.maxBytes,
    maxMessageBytes: MAX_BATCH_BYTES,
  });
  retained.onExpired = (topic) => {
    if (!isCopied(topic)) return;
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
