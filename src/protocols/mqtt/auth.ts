/**
 * The seams to security: who may connect, by password or by an exchange of AUTH packets, and who may publish and
 * subscribe to what. Only interfaces and their open defaults live here; methods and rule sets come from outside.
 * Every decision may be taken at once or promised: while one is pending the connection is not read.
 */
import type { PeerCertificate, TransportKind } from '../../net/transport.ts';
import { ReasonCode } from './codec/reason-codes.ts';

export interface ConnectRequest {
  readonly clientId: string;
  readonly version: 3 | 4 | 5;
  /** The certificate's common name where the listener says so, else as sent. */
  readonly userName: string | undefined;
  readonly password: Uint8Array | undefined;
  readonly certificate: PeerCertificate | undefined;
  readonly remoteAddress: string;
  readonly listener: string;
  readonly transport: TransportKind;
}

/** Who a connection is, once it has been let in. */
export interface ClientIdentity {
  readonly clientId: string;
  readonly userName: string | undefined;
  readonly remoteAddress: string;
  readonly listener: string;
}

export type AuthResult =
  /** `userName` replaces the one sent. */
  | { readonly allow: true; readonly userName?: string | undefined }
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
  begin(request: ConnectRequest, purpose: 'connect' | 're-authenticate'): AuthExchange;
}

export interface PublishRequest {
  /** UTF-8, validated. Borrowed: copy it to keep it. */
  readonly topic: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

/**
 * `scope` says what a publish decision depends on: nothing about the client, its user name, or its client identifier.
 * Publishers for whom decisions are the same share flows in the data plane.
 */
export interface Authorizer {
  readonly scope: 'none' | 'user' | 'client';
  mayPublish(client: ClientIdentity, request: PublishRequest): boolean | Promise<boolean>;
  /** `filter` is without the `$share/group/` prefix. */
  maySubscribe(
    client: ClientIdentity,
    filter: Uint8Array,
    group: string | undefined,
  ): boolean | Promise<boolean>;
}

const DOLLAR = 0x24;
const bridgeState = /^\$SYS\/broker\/connection\/[^/]+\/state$/;

/** Where a bridge of Mosquitto announces itself, by will and by message, unless told not to; refused, it never connects. */
function isBridgeState(topic: Uint8Array): boolean {
  return bridgeState.test(Buffer.from(topic.buffer, topic.byteOffset, topic.byteLength).toString('latin1'));
}

/** Everything but publishing below `$`: those names are the broker's own, but for the state of bridges. */
export const defaultAuthorizer: Authorizer = {
  scope: 'none',
  mayPublish: (_client, request) => request.topic[0] !== DOLLAR || isBridgeState(request.topic),
  maySubscribe: () => true,
};

export function refused(reasonCode: number = ReasonCode.NotAuthorized): AuthResult {
  return { allow: false, reasonCode };
}

export function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && 'then' in value;
}
