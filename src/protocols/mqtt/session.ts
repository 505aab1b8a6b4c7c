/**
 * What the broker remembers of a client between its packets and, where the client asked for it, between its
 * connections. State only: who changes it is named at each field's user (deliver.ts, pump.ts, lifecycle.ts).
 */
import { createHash } from 'node:crypto';
import type { QueuedDelivery } from '../../kernel/delivery.ts';
import type { DeliveryQueue } from '../../kernel/queue.ts';
import type { SharedGroup } from '../../kernel/shared-group.ts';
import type { Principal } from '../../security/security.ts';
import { type Tenant, tenantOfName } from '../../security/tenants/tenants.ts';
import type { Connection } from './connection.ts';
import type { DurableState } from './durable/session-state.ts';
import type { PendingWill } from './pending-will.ts';
import type { RetainedJob } from './retained-job.ts';

export const NEVER_EXPIRES = 0xffffffff;

/** A queued delivery that a shared group gave to this session; when the session ends another member gets it. */
export interface Delivery extends QueuedDelivery {
  readonly group?: SharedGroup | undefined;
  /** Where the group keeps it; undefined = nowhere, as it has no durable member. */
  readonly groupSeq?: number | undefined;
}

/** A delivery that was sent and whose acknowledgement the host awaits. */
export interface InFlight {
  /** Undefined once PUBREC has come: the client owns the message then. */
  delivery: Delivery | undefined;
}

export interface Session {
  /** The router's sink. Reused after the session has ended. */
  readonly number: number;
  /** Never reused. */
  readonly serial: number;
  /** As the broker names it, a tenant's with its tenant in front; see `writtenClientId`. */
  readonly clientId: string;
  /** Whose names it uses. */
  readonly tenant: Tenant;
  /** For `hash-client`. */
  readonly clientHash: number;
  /** See `clientKeyOf`; 0 = not asked for yet. */
  clientKey: number;
  /** Seconds it outlives its connection; 0 = not at all. */
  expirySeconds: number;
  connection: Connection | undefined;
  /** Of a session that was created to outlive its connection; it has no `queue` and no `inFlight`. */
  durable: DurableState | undefined;
  /** QoS 1 and 2 that could not be sent yet. */
  queue: DeliveryQueue | undefined;
  /** By packet identifier, for what a shared group gave: another member gets it when this session ends. */
  inFlight: Map<number, InFlight> | undefined;
  retainedJobs: RetainedJob[];
  will: PendingWill | undefined;
  willTimer: number;
  expiryTimer: number;
  /** A pump step is in the turn's queue. */
  pumping: boolean;
  hasSharedSubscriptions: boolean;
  ended: boolean;
  /** Whose it is: who took it up last, and may take it up again. undefined: of before there were owners. */
  principal: Principal | undefined;
  /** See `Owner`. */
  isOfDatabase: boolean;
  /** What its principal was when its subscriptions were looked at last, and by which rules (security/access.ts). */
  view: unknown;
  accessEpoch: number;
  asks: number;
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
    tenant: tenantOfName(clientId),
    clientHash: hashOf(clientId),
    clientKey: 0,
    expirySeconds,
    connection: undefined,
    durable: undefined,
    queue: undefined,
    inFlight: undefined,
    retainedJobs: NO_JOBS,
    will: undefined,
    willTimer: 0,
    expiryTimer: 0,
    pumping: false,
    hasSharedSubscriptions: false,
    ended: false,
    principal: undefined,
    isOfDatabase: false,
    view: undefined,
    accessEpoch: -1,
    asks: 0,
  };
}

/** Shared by all idle sessions, which saves an array each; never pushed to. */
const NO_JOBS: RetainedJob[] = Object.freeze([]) as unknown as RetainedJob[];

/** As the client wrote it. */
export function writtenClientId({ tenant, clientId }: Pick<Session, 'tenant' | 'clientId'>): string {
  return tenant.fromName(clientId) ?? clientId;
}

/** Decided when the session is created: it stays so until it ends. */
export function isDurable(session: Session): boolean {
  return session.durable !== undefined;
}

/**
 * Marks what this client published, for No Local, which is about client identifiers: it stays the same over sessions and
 * restarts. 48 bits of a hash that nobody can aim at: that two clients share them does not happen.
 */
export function clientKeyOf(session: Session): number {
  if (session.clientKey === 0) {
    session.clientKey = createHash('sha256').update(session.clientId).digest().readUIntBE(0, 6);
  }
  return session.clientKey;
}

/** FNV-1a over UTF-16 units: stable across runs, so that hash strategies are. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
