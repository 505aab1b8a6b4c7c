/**
 * State of one network connection. What happens to it is decided elsewhere (ingress.ts reads, output.ts writes,
 * disconnect.ts ends it): the class only hands the transport's events to them, so that a connection costs one object.
 */
import type { ConnectionHandler, Transport } from '../../net/transport.ts';
import type { Meter } from '../../security/guard/rates.ts';
import type { Principal } from '../../security/security.ts';
import type { TenantCounts } from '../../security/tenants/limits.ts';
import { NO_TENANT, type Tenant } from '../../security/tenants/tenants.ts';
import type { AuthExchange } from './auth.ts';
import type { ProtocolVersion } from './codec/packets.ts';
import type { ExchangeState } from './exchange-state.ts';
import { OwedQueue } from './owed-queue.ts';
import type { Session } from './session.ts';

/** connect: nothing accepted yet. authenticating: CONNECT is good, CONNACK is not sent. closing: only output is left. */
export type Phase = 'connect' | 'authenticating' | 'open' | 'closing' | 'closed';

/** Why a transport is paused; it is read again when no reason is left. */
export const Paused = { Stalled: 1, Congestion: 2, Closing: 4, Rate: 8 } as const;

/** A packet as far as it has come. */
export interface Partial {
  bytes: Uint8Array;
  filled: number;
  /** Length of the whole packet; 0 = its header is not complete. */
  readonly needBytes: number;
  /** Monotonic time of its first byte. */
  readonly sinceMs: number;
}

export interface ConnectionEvents {
  onRead(connection: Connection, length: number): void;
  onClosed(connection: Connection, error: Error | undefined): void;
  onWritten(connection: Connection): void;
}

export class Connection implements ConnectionHandler {
  readonly slot: number;
  readonly transport: Transport;
  private readonly events: ConnectionEvents;

  phase: Phase = 'connect';
  version: ProtocolVersion = 4;
  session: Session | undefined;
  /** Who was let in. */
  identity: Principal | undefined;
  /** Whose names it uses. */
  tenant: Tenant = NO_TENANT;
  /** What its tenant's metrics count; undefined without one. */
  tenantCounts: TenantCounts | undefined;
  /** The guard counts it as connected. */
  isCounted = false;
  /** undefined: no rate limits it. */
  meter: Meter | undefined;
  keepAliveSeconds = 0;
  /** Of input that is kept while nobody has been let in (strangers.ts). */
  strangerBytes = 0;
  /** Wall-clock time at which it took up its session. */
  connectedAtMs = 0;
  /** Publishers of one class share flows. */
  classId = 0;
  /** By which rules, and for whom, the class was found (security/access.ts). */
  classEpoch = -1;
  classOwner: Principal | undefined;
  maxPacketBytesOut = 0xffffffff;
  sendWindow = 0;
  /** Reason strings and user properties may go into any packet (Request Problem Information). */
  tellsProblems = true;
  isPublisher = false;
  /** Another broker: it is not sent what it published itself. */
  isBridge = false;

  partial: Partial | undefined;
  /** Input that waits for a pending decision. */
  stalled: Uint8Array | undefined;
  isStalled = false;
  paused = 0;
  /** Tick of the last packet that the host assembled; the data plane stamps those it sees. */
  assembledTick = 0;

  /** Acknowledgements that wait, in the order of the messages. */
  readonly owed = new OwedQueue();
  /** The data plane has been told of them. */
  owes = false;
  /** CONNACK, and all behind it, stays until the journal has the session. */
  isHeld = false;

  isWriting = false;
  isInWrite = false;
  /** Monotonic time at which the write that is under way began. */
  writeSinceMs = 0;
  writeDeadlineMs = 0;
  hasEnded = false;
  saidGoodbye = false;

  deadline = 0;
  keepAliveTimer = 0;
  partialTimer = 0;
  writeTimer = 0;
  credentialTimer = 0;
  rateTimer = 0;

  aliasesIn: Map<number, Uint8Array> | undefined;
  aliasMaximumOut = 0;
  /** By topic as Latin-1. True = the client has been told. */
  aliasesOut: Map<string, { readonly alias: number; known: boolean }> | undefined;

  /** Set by a CONNECT with an authentication method, for the life of the connection. */
  auth: ExchangeState | undefined;
  exchange: AuthExchange | undefined;

  constructor(slot: number, transport: Transport, events: ConnectionEvents) {
    this.slot = slot;
    this.transport = transport;
    this.events = events;
  }

  read(length: number): void {
    this.events.onRead(this, length);
  }

  closed(error: Error | undefined): void {
    this.events.onClosed(this, error);
  }

  readonly written = (): void => {
    this.events.onWritten(this);
  };

  pause(why: number): void {
    if (this.paused === 0) this.transport.pause();
    this.paused |= why;
  }

  resume(why: number): void {
    if ((this.paused & why) === 0) return;
    this.paused &= ~why;
    if (this.paused === 0) this.transport.resume();
  }

  get isOpen(): boolean {
    return this.phase === 'open';
  }

  get isGone(): boolean {
    return this.phase === 'closing' || this.phase === 'closed';
  }
}
