import type { Message } from './message.ts';

/** A message on its way to one subscriber, with what the subscription decided about it. */
export interface QueuedDelivery {
  readonly message: Message;
  /** min(published, granted). */
  readonly qos: 0 | 1 | 2;
  /** The RETAIN flag that the subscriber is to see. */
  readonly retain: boolean;
  /** Encoded subscription identifiers in MQTT 5 wire form (each 0x0B and a varint); empty for none. */
  readonly subscriptionIds: Uint8Array;
}

/** What the bounds on bytes count: everything that the delivery carries of its own. */
export function deliveryBytes(delivery: QueuedDelivery): number {
  const { topic, payload, properties } = delivery.message;
  return topic.length + payload.length + properties.length + delivery.subscriptionIds.length;
}
