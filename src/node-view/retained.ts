/** Retained messages. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import type { NodeView } from '../admin/node-view.ts';
import { OperationError } from '../admin/operation.ts';
import type { RetainedSummary } from '../admin/views.ts';
import type { Message } from '../kernel/message.ts';
import type { RetainedCursor } from '../kernel/retained.ts';
import { encodeRetainedDelete } from '../kernel/retained-table.ts';
import { TableId } from '../kernel/state/table.ts';
import type { Mqtt } from '../protocols/mqtt/context.ts';
import { parseFilter, topicNameFault } from '../protocols/mqtt/topic.ts';
import { checkJournal, committed } from './changes.ts';
import { propertiesOf, textOf } from './message-properties.ts';
import { invalidCursor, MAX_PAGE_CHARACTERS } from './pages.ts';

/** Messages that are copied out of the store before the broker has its turn. */
const STEP = 64;
const SEAL_BYTES = 16;

/**
 * Cursors of the store say where in its memory a listing goes on, and it believes them: one that was made up, or comes
 * from another life of the process, must not reach it.
 */
function createSeal(): {
  close(filter: Buffer, cursor: Uint8Array): string;
  open(filter: Buffer, text: string): Uint8Array;
} {
  const key = randomBytes(32);
  const sealOf = (filter: Buffer, cursor: Uint8Array): Buffer =>
    createHmac('sha256', key).update(cursor).update(filter).digest().subarray(0, SEAL_BYTES);
  return {
    close: (filter, cursor) => Buffer.concat([sealOf(filter, cursor), cursor]).toString('base64url'),
    open(filter, text) {
      const bytes = Buffer.from(text, 'base64url');
      const cursor = bytes.subarray(SEAL_BYTES);
      const isOurs =
        bytes.length > SEAL_BYTES && timingSafeEqual(bytes.subarray(0, SEAL_BYTES), sealOf(filter, cursor));
      if (!isOurs) throw invalidCursor();
      return cursor;
    },
  };
}

function summary({ topic, qos, payload, expiresAtMs }: Message): RetainedSummary {
  return {
    topic: textOf(topic),
    qos,
    payloadBytes: payload.length,
    expiresAtMs: expiresAtMs === 0 ? null : expiresAtMs,
  };
}

export function retainedView(
  mqtt: Mqtt,
): Pick<NodeView, 'retained' | 'retainedMessage' | 'deleteRetained' | 'deleteAllRetained'> {
  const { retained, durable, config } = mqtt;
  const seal = createSeal();

  /** Undefined for what no topic looks like: nothing can be retained there. */
  function get(topic: string): Message | undefined {
    const bytes = Buffer.from(topic);
    return topicNameFault(bytes, config.mqtt) === undefined ? retained.get(bytes) : undefined;
  }

  /** In the change that follows. */
  function remove(topic: string): boolean {
    const known = get(topic);
    if (known === undefined) return false;
    retained.set({ ...known, payload: new Uint8Array(0) });
    durable.log.add(TableId.Retained, encodeRetainedDelete(known.topic));
    return true;
  }

  return {
    async retained({ filter: text, limit, after }) {
      const filter = Buffer.from(text);
      const parsed = parseFilter(filter, config.mqtt);
      if ('type' in parsed) throw new OperationError(400, 'invalid-filter', `filter: ${parsed.message}`);
      if (parsed.group !== undefined) {
        throw new OperationError(
          400,
          'invalid-filter',
          'filter: a shared subscription gets no retained messages',
        );
      }
      let cursor: RetainedCursor | undefined = after === undefined ? undefined : seal.open(filter, after);
      const items: RetainedSummary[] = [];
      let characters = 0;
      for (;;) {
        const page = retained.page(filter, cursor, Math.min(STEP, limit - items.length));
        cursor = page.cursor;
        for (const message of page.messages) {
          items.push(summary(message));
          characters += message.topic.length;
        }
        if (cursor === undefined) return { items };
        if (items.length >= limit || characters >= MAX_PAGE_CHARACTERS) break;
        await turn();
      }
      return { items, next: seal.close(filter, cursor) };
    },
    retainedMessage(topic) {
      const message = get(topic);
      return message && { ...summary(message), properties: propertiesOf(message), payload: message.payload };
    },
    async deleteRetained(topic) {
      if (get(topic) === undefined) return false;
      checkJournal(mqtt);
      remove(topic);
      await committed(mqtt);
      return true;
    },
    async deleteAllRetained(topics) {
      let removed = 0;
      for (let from = 0; from < topics.length; from += STEP) {
        checkJournal(mqtt);
        for (const topic of topics.slice(from, from + STEP)) if (remove(topic)) removed++;
        await committed(mqtt);
      }
      return removed;
    },
  };
}
