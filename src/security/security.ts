/**
 * The SECURITY tier: who somebody is and what they may do, decided once for every protocol. Here are the terms that its
 * rooms share; authentication/ lets in, authorization/ decides about what is done, guard/ keeps out (bans, throttles,
 * quotas), audit/ remembers. What a refusal looks like on the wire is each protocol's own.
 *
 * Guaranteed: whatever is missing, broken or late refuses; secrets are in no log, no error and no answer.
 */
import type { PeerCertificate, TransportKind } from '../net/transport.ts';

export type Protocol = 'mqtt' | 'kafka' | 'http';

/** What somebody shows who wants to be let in. */
export interface Attempt {
  readonly protocol: Protocol;
  /** Its key in the configuration. */
  readonly listener: string;
  readonly transport: TransportKind;
  readonly remoteAddress: string;
  readonly clientId: string | undefined;
  readonly userName: string | undefined;
  /** Password or token as it was sent. */
  readonly password: Uint8Array | undefined;
  /** One that the listener's authorities have signed. */
  readonly certificate: PeerCertificate | undefined;
}

/** Somebody who was let in. One object for as long as a connection is this one's: decisions are kept by its identity. */
export interface Principal {
  /** '' where there are no tenants. Bound to the credential, never to what the client says. */
  readonly tenant: string;
  /** undefined: anonymous. */
  readonly userName: string | undefined;
  readonly clientId: string | undefined;
  /** Common name of the certificate that was shown. */
  readonly certificateName: string | undefined;
  /** Names of roles; those that do not exist permit nothing. */
  readonly roles: readonly string[];
  /** Rules that came with the credential (a token's claims, an answer of an HTTP service), asked before all others. */
  readonly rules: readonly Rule[];
  /** May do everything within its tenant, and everything at all where that is ''. */
  readonly isSuperuser: boolean;
  readonly protocol: Protocol;
  readonly listener: string;
  readonly remoteAddress: string;
  /** Wall clock; the connection ends then. undefined: never. */
  readonly expiresAtMs: number | undefined;
}

/** Why somebody is not let in. What clients are told is coarser: it never says whether a user exists. */
export type Refusal = 'bad-credentials' | 'not-authorized' | 'banned' | 'throttled' | 'busy' | 'unavailable';

export type Verdict =
  | { readonly isLetIn: true; readonly principal: Principal }
  | { readonly isLetIn: false; readonly refusal: Refusal };

export type Action = 'publish' | 'subscribe' | 'manage';

/**
 * What a rule says. All of its conditions must fit; a missing one fits everybody.
 */
export interface Rule {
  readonly effect: 'allow' | 'deny';
  readonly actions: readonly Action[];
  /**
   * Topic filters over the levels of an address (`a/b`, whatever the protocol writes), as the tenant sees them.
   * `${clientid}`, `${username}`, `${certname}` and `${tenant}` stand for one whole level each, taken literally.
   */
  readonly filters: readonly string[];
  readonly users?: readonly string[];
  readonly clientIds?: readonly string[];
  readonly roles?: readonly string[];
  /** '' is for those without one. */
  readonly tenants?: readonly string[];
  readonly isAnonymous?: boolean;
  readonly protocols?: readonly Protocol[];
  readonly listeners?: readonly string[];
  /** Addresses and networks (`10.0.0.0/8`). */
  readonly networks?: readonly string[];
}
