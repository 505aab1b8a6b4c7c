/**
 * The seams to security: who may connect, by password or by an exchange of AUTH packets, and who may publish and
 * subscribe to what. Only interfaces and their open defaults live here; security/ puts the node's security behind them.
 * Every decision may be taken at once or promised: while one is pending the connection is not read.
 */
import type { PeerCertificate, TransportKind } from '../../net/transport.ts';
import type { Guard } from '../../security/guard/guard.ts';
import type { Principal } from '../../security/security.ts';
import { ReasonCode } from './codec/reason-codes.ts';
import type { Owner } from './security/owner.ts';

export interface ConnectRequest {
  readonly clientId: string;
  readonly version: 3 | 4 | 5;
  readonly userName: string | undefined;
  readonly password: Uint8Array | undefined;
  readonly certificate: PeerCertificate | undefined;
  readonly remoteAddress: string;
  readonly listener: string;
  readonly transport: TransportKind;
}

export type AuthResult =
  /** Without a principal it is who it says, and nothing more is known. `userName` replaces the one sent. */
  | { readonly allow: true; readonly userName?: string | undefined; readonly principal?: Principal }
  | { readonly allow: false; readonly reasonCode: number; readonly message?: string | undefined };

export interface Authenticator {
  authenticate(request: ConnectRequest): AuthResult | Promise<AuthResult>;
}

export const allowEveryone: Authenticator = { authenticate: () => ({ allow: true }) };

export type AuthStep =
  | { readonly type: 'continue'; readonly data: Uint8Array | undefined }
  | {
      readonly type: 'success';
      readonly data: Uint8Array | undefined;
      readonly userName?: string | undefined;
      readonly principal?: Principal;
    }
  | { readonly type: 'failure'; readonly reasonCode: number; readonly message?: string | undefined };

/** One exchange: made at CONNECT or re-authentication, asked once per AUTH packet of the client. */
export interface AuthExchange {
  start(data: Uint8Array | undefined): AuthStep | Promise<AuthStep>;
  continue(data: Uint8Array | undefined): AuthStep | Promise<AuthStep>;
}

/** An enhanced authentication method of MQTT 5, found by the name the client gives. */
export interface AuthMethod {
  readonly name: string;
  /** `current`: who it is that authenticates again. undefined: the listener does not offer the method. */
  begin(
    request: ConnectRequest,
    purpose: 'connect' | 're-authenticate',
    current?: Principal,
  ): AuthExchange | undefined;
}

export interface PublishRequest {
  /** UTF-8, validated. Borrowed: copy it to keep it. As the broker names it: a tenant's with its prefix. */
  readonly topic: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

/** 'partly': granted, and each message is asked about before it is delivered. */
export type Grant = boolean | 'partly';

/** Of topics and filters it is told the broker's names, of tenants with their prefix (security/tenants). */
export interface Authorizer {
  /** Those of one class are of one tenant, may publish to the same, and share flows in the data plane. Numbers change with the rules. */
  publisherClass(principal: Principal): number;
  mayPublish(principal: Principal, request: PublishRequest): boolean | Promise<boolean>;
  /** Asked when what was allowed at CONNECT or at the request is due: a will, a delayed message. */
  mayStillPublish(owner: Owner, topic: Uint8Array): boolean;
  /** Whether it can do nothing without its user in the database. */
  isOfDatabase(principal: Principal): boolean;
  /** `filter` is without the `$share/group/` prefix. */
  maySubscribe(principal: Principal, filter: Uint8Array, group: string | undefined): Grant | Promise<Grant>;
  mayReceive(principal: Principal, topic: Uint8Array): boolean;
  /** Principals for whom it is the same may do the same, as long as no rule changes. */
  viewOf(principal: Principal): unknown;
  /** Decisions that were made before may be wrong now. */
  onChange(listener: () => void): void;
}

/** Bans, limits and quotas; see src/security/guard. */
export type Gate = Pick<
  Guard,
  'enter' | 'leave' | 'connected' | 'disconnected' | 'meterOf' | 'quotas' | 'tenants'
>;

const DOLLAR = 0x24;
const bridgeState = /^\$SYS\/broker\/connection\/[^/]+\/state$/;

/** Where a bridge of Mosquitto announces itself, by will and by message, unless told not to; refused, it never connects. */
function isBridgeState(topic: Uint8Array): boolean {
  return bridgeState.test(Buffer.from(topic.buffer, topic.byteOffset, topic.byteLength).toString('latin1'));
}

/** Everything but publishing below `$`: those names are the broker's own, but for the state of bridges. */
export const defaultAuthorizer: Authorizer = {
  publisherClass: () => 0,
  mayPublish: (_principal, request) => request.topic[0] !== DOLLAR || isBridgeState(request.topic),
  mayStillPublish: () => true,
  maySubscribe: () => true,
  mayReceive: () => true,
  isOfDatabase: () => false,
  viewOf: () => undefined,
  onChange: () => {},
};

/** Who it is where nothing but what it says is known. */
export function principalFrom(request: ConnectRequest, userName: string | undefined): Principal {
  const { clientId, certificate, listener, remoteAddress } = request;
  return {
    tenant: '',
    userName,
    clientId,
    certificateName: certificate?.commonName,
    roles: [],
    rules: [],
    isSuperuser: false,
    protocol: 'mqtt',
    listener,
    remoteAddress,
    expiresAtMs: undefined,
  };
}

export function refused(reasonCode: number = ReasonCode.NotAuthorized): AuthResult {
  return { allow: false, reasonCode };
}

export function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && 'then' in value;
}
