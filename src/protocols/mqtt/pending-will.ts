/** What a CONNECT leaves behind, for when its connection ends. */
import type { Will } from './codec/packets.ts';

export interface PendingWill {
  /** As the broker names it. */
  readonly topic: Uint8Array;
  readonly payload: Uint8Array;
  readonly properties: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly delaySeconds: number;
  readonly expirySeconds: number | undefined;
}

export function pendingWill(will: Will, topic: Uint8Array): PendingWill {
  return {
    topic,
    payload: will.payload,
    properties: will.messageProperties,
    qos: will.qos,
    retain: will.retain,
    delaySeconds: will.properties.willDelayIntervalSeconds ?? 0,
    expirySeconds: will.properties.messageExpiryIntervalSeconds,
  };
}
