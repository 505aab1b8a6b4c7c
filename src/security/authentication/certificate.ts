/**
 * Client certificates that the listener's authorities have signed: one field is the name of the user, exactly as it is
 * written. A certificate that has the field twice, or not at all, names nobody. What else the client says of itself is not
 * looked at.
 */
import type { PeerCertificate } from '../../net/transport.ts';
import { nameFault } from '../users/faults.ts';
import type { Users } from '../users/users.ts';
import { type Authenticator, letIn, notMine, refuse } from './authenticator.ts';
import { letInUser } from './database.ts';

export type CertificateIdentity = 'commonName' | 'subject' | 'dns' | 'email' | 'uri';

export interface CertificateOptions {
  readonly identity: CertificateIdentity;
  readonly requireUser: boolean;
  readonly roles: readonly string[];
  readonly users: Users;
}

const KINDS = { dns: 'DNS', email: 'email', uri: 'URI' } as const;

/**
 * As Node writes alternative names: `kind:value` with `, ` between, and values with special characters as JSON strings. A
 * text that is not whole gives none.
 */
export function alternativeNames(text: string): readonly (readonly [kind: string, value: string])[] {
  const names: (readonly [string, string])[] = [];
  const entry = /([A-Za-z0-9 ]+):(?:("(?:[^"\\]|\\.)*")|([^,"]*))(?:, |$)/y;
  while (entry.lastIndex < text.length) {
    const [whole, kind = '', quoted, plain = ''] = entry.exec(text) ?? [];
    if (whole === undefined) return [];
    const value = quoted === undefined ? plain : unquoted(quoted);
    if (value === undefined) return [];
    names.push([kind, value]);
  }
  return names;
}

function unquoted(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

export function identityOf(
  { commonName, subject, subjectAltName = '' }: PeerCertificate,
  identity: CertificateIdentity,
): string | undefined {
  if (identity === 'commonName') return commonName || undefined;
  if (identity === 'subject') return subject || undefined;
  const kind = KINDS[identity];
  const [only, another] = alternativeNames(subjectAltName).filter(([each]) => each === kind);
  return another === undefined ? only?.[1] || undefined : undefined;
}

export function createCertificateAuthenticator(options: CertificateOptions): Authenticator {
  const { identity, requireUser, roles, users } = options;
  return {
    name: 'certificate',
    authenticate({ certificate }) {
      if (certificate === undefined) return notMine;
      const userName = identityOf(certificate, identity);
      if (userName === undefined)
        return refuse('bad-credentials', `the certificate has no single ${identity}`);
      const fault = nameFault(userName);
      if (fault !== undefined) return refuse('bad-credentials', fault);
      const user = users.get(userName);
      if (user === undefined) {
        return requireUser ? refuse('bad-credentials', 'there is no such user') : letIn({ userName, roles });
      }
      return user.isDisabled ? refuse('bad-credentials', 'the user is disabled') : letInUser(user);
    },
  };
}
