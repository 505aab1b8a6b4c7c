/**
 * A subscription's options as the router carries them, in one byte: that of SUBSCRIBE in MQTT 5. And the wire form of
 * subscription identifiers, shared so that equal ones are the same array.
 */
import { encodeSubscriptionIds } from './codec/encode-publish.ts';
import type { Qos, SubscriptionRequest } from './codec/packets.ts';

const NO_LOCAL = 4;
const RETAIN_AS_PUBLISHED = 8;

export function packOptions(request: SubscriptionRequest, qos: Qos): number {
  return (
    qos |
    (request.noLocal ? NO_LOCAL : 0) |
    (request.retainAsPublished ? RETAIN_AS_PUBLISHED : 0) |
    (request.retainHandling << 4)
  );
}

export function grantedQos(options: number): Qos {
  return (options & 3) as Qos;
}

export function isNoLocal(options: number): boolean {
  return (options & NO_LOCAL) !== 0;
}

export function isRetainAsPublished(options: number): boolean {
  return (options & RETAIN_AS_PUBLISHED) !== 0;
}

export const NO_IDENTIFIERS: Uint8Array = new Uint8Array(0);
const KEPT_MAX = 4096;
const kept = new Map<number, Uint8Array>();

/** 0 = none. */
export function identifierBytes(identifier: number): Uint8Array {
  if (identifier === 0) return NO_IDENTIFIERS;
  const known = kept.get(identifier);
  if (known !== undefined) return known;
  const bytes = encodeSubscriptionIds([identifier]);
  if (kept.size >= KEPT_MAX) kept.clear();
  kept.set(identifier, bytes);
  return bytes;
}
