/**
 * Who something belongs to that outlives a connection, a session or a delayed message, in a form that can be kept: what it could do
 * when it was let in. What becomes of that later, its standing says.
 */
import type { Principal, Protocol, Rule } from '../security.ts';
import type { User, Users } from '../users/users.ts';

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

/** Short names: there is one for each session and delayed message. What is missing is empty. */
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
export function decodeOwner(text: string, protocol: Protocol): Owner {
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
      protocol,
      listener: kept.l,
      remoteAddress: kept.i,
      expiresAtMs: undefined,
    },
    isOfDatabase: kept.d === true,
  };
}

const userOf = ({ userName, tenant }: Principal, users: Pick<Users, 'get'>): User | undefined => {
  const user = userName === undefined ? undefined : users.get(userName);
  return user?.tenant === tenant ? user : undefined;
};

/** Its user is one of the database, in its tenant. */
export const isOfDatabase = (principal: Principal, users: Pick<Users, 'get'>): boolean =>
  userOf(principal, users) !== undefined;

/** What it could do and can still do, never more. */
export function narrowed(principal: Principal, user: User | undefined): Principal {
  return {
    ...principal,
    roles: principal.roles.filter((role) => user?.roles.includes(role)),
    isSuperuser: principal.isSuperuser && user?.isSuperuser === true,
  };
}

/** Who the owner is today; undefined: nobody any more. */
export function standingOf(owner: Owner, users: Pick<Users, 'get'>): Principal | undefined {
  const user = userOf(owner.principal, users);
  if (user?.isDisabled === true) return undefined;
  if (!owner.isOfDatabase) return owner.principal;
  return user && narrowed(owner.principal, user);
}
