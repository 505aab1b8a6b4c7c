/** Messages that are given up, on their way to the dead-letter topic. */
import type { Message } from '../../../kernel/message.ts';
import type { MessageStore } from '../../../kernel/message-store/message-store.ts';

export type GraveReason = 'expired' | 'rejected' | 'delivery-limit' | 'overflow';

export interface Grave {
  /** The message, or its slot in the store where it has to be read back. */
  readonly body: Message | number;
  readonly reason: GraveReason;
  readonly clientId: string;
  readonly deliveries: number;
}

/** A slot is looked up at once, while the reference that is about to go still holds it. */
export function graveOf(
  body: Message | number,
  reason: GraveReason,
  clientId: string,
  store?: MessageStore,
  deliveries = 0,
): Grave {
  if (typeof body !== 'number' || store === undefined) return { body, reason, clientId, deliveries };
  const cached = store.get(body);
  // Held until it was buried.
  if (cached === undefined) store.addReference(body);
  return { body: cached ?? body, reason, clientId, deliveries };
}
