/**
 * What the broker remembers of a client between its packets and, where the client asked for it, between its
 * connections. State only: who changes it is named at each field's user (deliver.ts, pump.ts, lifecycle.ts).
 */
import type { QueuedDelivery } from '../../kernel/delivery.ts';
import type { DeliveryQueue } from '../../kernel/queue.ts';
import type { SharedGroup } from '../../kernel/shared-group.ts';
import type { Connection } from './connection.ts';
import type { RetainedJob } from './retained-delivery.ts';
import type { PendingWill } from './will.ts';

export const NEVER_EXPIRES = 0xffffffff;

/** A queued delivery that a shared group gave to this session; when the session ends another member gets it. */
export interface Delivery extends QueuedDelivery {
  readonly group?: SharedGroup | undefined;
}

/** A delivery that was sent and whose acknowledgement the host awaits. */
export interface InFlight {
  /** Undefined once PUBREC has come: the client owns the message then. */
  delivery: Delivery | undefined;
}

export interface Session {
  /** The router's sink. Reused after the session has ended. */
  readonly number: number;
  /** Never reused; marks what this session published, for No Local. */
  readonly serial: number;
  readonly clientId: string;
  /** For `hash-client`. */
  readonly clientHash: number;
  /** Seconds it outlives its connection; 0 = not at all. */
  expirySeconds: number;
  connection: Connection | undefined;
  /** QoS 1 and 2 (offline also QoS 0 where configured) that could not be sent yet. */
  queue: DeliveryQueue | undefined;
  /**
   * By packet identifier. PUBLISH packets in the order they were sent, then released ones in the order their
   * PUBREC came: what a resumed session must repeat, in that order.
   */
  inFlight: Map<number, InFlight> | undefined;
  /** Identifiers of `inFlight` still to be repeated after a resume, last one first. */
  resend: number[];
  /** Incoming QoS 2 identifiers received and not released, while there is no connection. */
  received: Uint16Array | undefined;
  retainedJobs: RetainedJob[];
  will: PendingWill | undefined;
  willTimer: number;
  expiryTimer: number;
  /** A pump step is in the turn's queue. */
  pumping: boolean;
  hasSharedSubscriptions: boolean;
  ended: boolean;
}

export function createSession(
  number: number,
  serial: number,
  clientId: string,
  expirySeconds: number,
): Session {
  return {
    number,
    serial,
    clientId,
    clientHash: hashOf(clientId),
    expirySeconds,
    connection: undefined,
    queue: undefined,
    inFlight: undefined,
    resend: NO_IDS,
    received: undefined,
    retainedJobs: NO_JOBS,
    will: undefined,
    willTimer: 0,
    expiryTimer: 0,
    pumping: false,
    hasSharedSubscriptions: false,
    ended: false,
  };
}

/** Shared by all idle sessions, which saves two arrays each; never pushed to. */
const NO_IDS: number[] = Object.freeze([]) as unknown as number[];
const NO_JOBS: RetainedJob[] = Object.freeze([]) as unknown as RetainedJob[];

export function isDurable(session: Session): boolean {
  return session.expirySeconds > 0;
}

/** FNV-1a over UTF-16 units: stable across runs, so that hash strategies are. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
