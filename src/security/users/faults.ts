/** What cannot be the name, the tenant or the roles of a user, in sentences. */
import { isTenantName } from '../tenants/tenants.ts';

export const MAX_NAME_LENGTH = 1024;
const MAX_ROLES = 64;
const MAX_ROLE_LENGTH = 255;
/** Control characters, and halves of characters. */
const UNFIT = /[\p{Cc}\p{Surrogate}]/u;

function textFault(what: string, text: string, maxLength: number): string | undefined {
  if (text.length > maxLength) return `${what} is too long`;
  return UNFIT.test(text) ? `${what} has characters that are none of a name` : undefined;
}

export function nameFault(name: string): string | undefined {
  if (name === '') return 'the user has no name';
  return textFault('the name of the user', name, MAX_NAME_LENGTH);
}

export function accessFault(access: {
  readonly tenant?: string;
  readonly roles?: readonly string[];
}): string | undefined {
  const { tenant = '', roles = [] } = access;
  if (roles.length > MAX_ROLES) return `there are more than ${MAX_ROLES} roles`;
  if (new Set(roles).size !== roles.length) return 'a role is there twice';
  if (roles.includes('')) return 'a role has no name';
  for (const role of roles) {
    const fault = textFault('the name of a role', role, MAX_ROLE_LENGTH);
    if (fault !== undefined) return fault;
  }
  if (tenant === '' || isTenantName(tenant)) return undefined;
  return 'the name of a tenant has small letters, digits and hyphens, 63 at most';
}
