/**
 * What waits for an acknowledgement: QoS 1 publishes, subscribes and unsubscribes, by packet identifier. It keeps
 * to the server's Receive Maximum, and sends again, in order, what a lost connection left open.
 */
import type { Properties } from './properties.ts';

export type Encode = (packetId: number, duplicate: boolean) => Uint8Array<ArrayBuffer>;

export class RefusedError extends Error {
  readonly reasonCode: number;
  constructor(reasonCode: number, properties: Properties) {
    super(properties.reasonString ?? `refused with reason code 0x${reasonCode.toString(16)}`);
    this.name = 'RefusedError';
    this.reasonCode = reasonCode;
  }
}

interface Pending {
  readonly encode: Encode;
  /** Counted against the server's Receive Maximum, and sent as a duplicate in a resumed session. */
  readonly isPublish: boolean;
  sent: boolean;
  readonly resolve: (reason: number) => void;
  readonly reject: (error: Error) => void;
}

export interface Outbox {
  /** Sends now or as soon as connection and window allow. Resolves with the reason code, rejects when it says failure. */
  request(encode: Encode, isPublish: boolean): Promise<number>;
  settle(packetId: number, reason: number, properties: Properties): void;
  /** The connection is up. */
  resume(receiveMaximum: number, sessionPresent: boolean): void;
  pause(): void;
  rejectAll(reason: string): void;
}

/** Half of all packet identifiers, so that publishes and the other requests can never take all of them. */
const MAX_REQUESTS = 0x7fff;

export function createOutbox(options: {
  readonly send: (bytes: Uint8Array<ArrayBuffer>) => void;
  readonly maxPending: number;
}): Outbox {
  const maxPublishes = Math.min(options.maxPending, MAX_REQUESTS);
  /** Sent and not acknowledged, in the order of sending. */
  const inFlight = new Map<number, Pending>();
  /** Not sent in this connection yet. */
  const waiting = new Map<number, Pending>();
  let publishes = 0;
  let publishesInFlight = 0;
  let othersWaiting = 0;
  let window = 0;
  let up = false;
  let lastPacketId = 0;

  function nextPacketId(): number {
    do lastPacketId = (lastPacketId % 0xffff) + 1;
    while (inFlight.has(lastPacketId) || waiting.has(lastPacketId));
    return lastPacketId;
  }

  function sendWaiting(): void {
    if (!up) return;
    for (const [packetId, pending] of waiting) {
      if (pending.isPublish && publishesInFlight >= window) {
        if (othersWaiting === 0) return;
        continue;
      }
      waiting.delete(packetId);
      inFlight.set(packetId, pending);
      if (pending.isPublish) publishesInFlight++;
      else othersWaiting--;
      options.send(pending.encode(packetId, pending.sent && pending.isPublish));
      pending.sent = true;
    }
  }

  function request(encode: Encode, isPublish: boolean): Promise<number> {
    const others = inFlight.size + waiting.size - publishes;
    if (isPublish ? publishes >= maxPublishes : others >= MAX_REQUESTS) {
      return Promise.reject(new Error('too many requests wait for the server'));
    }
    return new Promise((resolve, reject) => {
      if (isPublish) publishes++;
      else othersWaiting++;
      waiting.set(nextPacketId(), { encode, isPublish, sent: false, resolve, reject });
      sendWaiting();
    });
  }

  function settle(packetId: number, reason: number, properties: Properties): void {
    const pending = inFlight.get(packetId);
    if (pending === undefined) return;
    inFlight.delete(packetId);
    if (pending.isPublish) {
      publishes--;
      publishesInFlight--;
    }
    if (reason < 0x80) pending.resolve(reason);
    else pending.reject(new RefusedError(reason, properties));
    sendWaiting();
  }

  function resume(receiveMaximum: number, sessionPresent: boolean): void {
    window = receiveMaximum;
    up = true;
    // To a server that has forgotten the session these are first attempts.
    if (!sessionPresent) for (const pending of waiting.values()) pending.sent = false;
    sendWaiting();
  }

  function pause(): void {
    up = false;
    const later = [...waiting];
    waiting.clear();
    for (const [packetId, pending] of inFlight) waiting.set(packetId, pending);
    for (const [packetId, pending] of later) waiting.set(packetId, pending);
    inFlight.clear();
    publishesInFlight = 0;
    othersWaiting = waiting.size - publishes;
  }

  function rejectAll(reason: string): void {
    const all = [...inFlight.values(), ...waiting.values()];
    inFlight.clear();
    waiting.clear();
    publishes = publishesInFlight = othersWaiting = 0;
    for (const pending of all) pending.reject(new Error(reason));
  }

  return { request, settle, resume, pause, rejectAll };
}
