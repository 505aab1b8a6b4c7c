/** Delayed messages of MQTT. */
import { OperationError } from '../admin/operation.ts';
import type { DelayedSummary, DelayedView } from '../admin/operations/delayed.ts';
import type { Delayed, DueMessage } from '../kernel/delayed/delayed.ts';
import { TableId } from '../kernel/state/table.ts';
import type { Mqtt } from '../protocols/mqtt/context.ts';
import { takeOwner } from '../protocols/mqtt/security/owner.ts';
import { checkJournal, committed } from './changes.ts';
import { propertiesOf, textOf } from './message-properties.ts';
import { wholeNumber } from './pages.ts';

function summary({ id, dueMs, message }: DueMessage): DelayedSummary {
  const { topic, qos, payload, expiresAtMs } = message;
  return {
    id,
    dueAtMs: dueMs,
    topic: textOf(topic),
    qos,
    payloadBytes: payload.length,
    expiresAtMs: expiresAtMs === 0 ? null : expiresAtMs,
  };
}

export function delayedView(mqtt: Mqtt, delayed: Delayed): DelayedView {
  return {
    list({ limit, after }) {
      const found = delayed.list(after === undefined ? 0 : wholeNumber(after) + 1, limit + 1);
      const items = found.slice(0, limit).map(summary);
      const last = items.at(-1);
      return found.length > limit && last !== undefined ? { items, next: String(last.id) } : { items };
    },
    get(id) {
      const found = delayed.get(id);
      if (found === undefined) return undefined;
      const { message } = takeOwner(found.message);
      return { ...summary(found), properties: propertiesOf(message), payload: message.payload };
    },
    async cancel(id) {
      const found = delayed.get(id);
      if (found === undefined) return false;
      checkJournal(mqtt);
      const entry = delayed.cancel(id);
      if (entry === undefined) return false;
      if (!found.isVolatile) mqtt.durable.log.add(TableId.Delayed, entry);
      try {
        await committed(mqtt);
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
        // It is in the journal still: the next start publishes it.
        throw new OperationError(error.status, error.kind, `${error.message}; after a start it waits again`);
      }
      delayed.ended([id]);
      return true;
    },
  };
}
