/** The directory that the configuration names, with the library that speaks to it, which is loaded only then. */
import type { SecurityConfig } from '../../config/config.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Authenticator } from './authenticator.ts';
import { createLdapAuthenticator } from './ldap.ts';
import { createLdapConnections, type LdapServer } from './ldap-connections.ts';

type Settings = SecurityConfig['authentication']['ldap'];

export interface OpenLdapParts {
  readonly settings: Settings;
  /** PEM. */
  readonly ca: string | undefined;
  readonly clock: Clock;
}

const DEFAULT_PORT = 389;
const DEFAULT_TLS_PORT = 636;

function serverOf({ url, startTls }: Settings, ca: string | undefined): LdapServer {
  const { protocol, hostname, port } = new URL(url);
  const security = protocol === 'ldaps:' ? 'tls' : startTls ? 'starttls' : 'none';
  const usual = security === 'tls' ? DEFAULT_TLS_PORT : DEFAULT_PORT;
  const host = hostname.replace(/^\[|\]$/g, '');
  return { host: host === '' ? 'localhost' : host, port: port === '' ? usual : Number(port), security, ca };
}

/** Rejects, in a sentence for the operator, where the library is not installed. The directory need not be there yet. */
export async function openLdapAuthenticator({ settings, ca, clock }: OpenLdapParts): Promise<Authenticator> {
  let library: typeof import('ldapts');
  try {
    library = await import('ldapts');
  } catch (cause) {
    throw new Error('the authenticator `ldap` needs the optional package ldapts, which is not installed', {
      cause,
    });
  }
  const { timeoutMs, maxConnections, maxWaiting } = settings;
  const server = serverOf(settings, ca);
  return createLdapAuthenticator({
    options: settings,
    connections: createLdapConnections({ server, library, timeoutMs, maxConnections, maxWaiting }),
    isResultCode: (error, code) => error instanceof library.ResultCodeError && error.code === code,
    clock,
  });
}
