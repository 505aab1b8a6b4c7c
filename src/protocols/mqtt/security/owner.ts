/**
 * Who something belongs to that outlives a connection, a session or a delayed message, in a form that can be kept: what it could do
 * when it was let in. What becomes of that later, the authorizer knows.
 */
import type { Message } from '../../../kernel/message.ts';
import { appendUserProperties, userProperty, withoutUserProperty } from '../../../kernel/user-properties.ts';
import type { Principal, Rule } from '../../../security/security.ts';

export interface Owner {
  readonly principal: Principal;
  /** It is a user of the database, and can do nothing once that is not there. */
  readonly isOfDatabase: boolean;
}

export function ownerOf({
  principal,
  isOfDatabase,
}: {
  readonly principal: Principal | undefined;
  readonly isOfDatabase: boolean;
}): Owner | undefined {
  return principal === undefined ? undefined : { principal, isOfDatabase };
}

/** Short names: there is one for each session. What is missing is empty. */
interface Kept {
  t?: string;
  u?: string;
  c?: string;
  n?: string;
  r?: readonly string[];
  a?: readonly Rule[];
  s?: true;
  d?: true;
  l: string;
  i: string;
}

export function encodeOwner({ principal, isOfDatabase }: Owner): string {
  const { tenant, userName, clientId, certificateName, roles, rules, isSuperuser } = principal;
  const kept: Kept = { l: principal.listener, i: principal.remoteAddress };
  if (tenant !== '') kept.t = tenant;
  if (userName !== undefined) kept.u = userName;
  if (clientId !== undefined) kept.c = clientId;
  if (certificateName !== undefined) kept.n = certificateName;
  if (roles.length > 0) kept.r = roles;
  if (rules.length > 0) kept.a = rules;
  if (isSuperuser) kept.s = true;
  if (isOfDatabase) kept.d = true;
  return JSON.stringify(kept);
}

/** Throws for what `encodeOwner` has not made. */
export function decodeOwner(text: string): Owner {
  const kept = JSON.parse(text) as Kept;
  if (typeof kept.l !== 'string' || typeof kept.i !== 'string') throw new Error('an owner is damaged');
  return {
    principal: {
      tenant: kept.t ?? '',
      userName: kept.u,
      clientId: kept.c,
      certificateName: kept.n,
      roles: kept.r ?? [],
      rules: kept.a ?? [],
      isSuperuser: kept.s === true,
      protocol: 'mqtt',
      listener: kept.l,
      remoteAddress: kept.i,
      expiresAtMs: undefined,
    },
    isOfDatabase: kept.d === true,
  };
}

/** A user property that no client can send: U+0000 is not allowed in any text of MQTT. */
const PROPERTY = '\0';
const PROPERTY_BYTES = Buffer.from(PROPERTY);
const MAX_OWNER_BYTES = 65_535;

/** undefined: its owner brought more rules than can be kept with a message. */
export function withOwner(message: Message, owner: Owner): Message | undefined {
  const text = encodeOwner(owner);
  if (Buffer.byteLength(text) > MAX_OWNER_BYTES) return undefined;
  return { ...message, properties: appendUserProperties(message.properties, [[PROPERTY, text]]) };
}

export function takeOwner(message: Message): {
  readonly message: Message;
  readonly owner: Owner | undefined;
} {
  const value = userProperty(message.properties, PROPERTY_BYTES);
  if (value === undefined) return { message, owner: undefined };
  return {
    message: { ...message, properties: withoutUserProperty(message.properties, PROPERTY_BYTES) },
    owner: decodeOwner(Buffer.from(value).toString()),
  };
}
