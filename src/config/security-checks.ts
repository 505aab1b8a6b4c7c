/** What of authentication contradicts itself, and listeners that would be open to whoever reaches them. */

import type { Config, SecurityConfig, TcpListenerConfig, TlsListenerConfig } from './config.ts';
import { checkLdap, checkSql } from './directory-checks.ts';

type Problem = (path: string, reason: string) => void;
type Authentication = SecurityConfig['authentication'];
type Name = Authentication['listeners'][number]['listener'];

const MIN_SECRET_BYTES = 32;

/** What a listener asks for. */
export function authenticationOf(
  all: Authentication,
  name: string,
): Pick<Authentication, 'authenticators' | 'anonymous'> {
  const own = all.listeners.find(({ listener }) => listener === name);
  const asked =
    own === undefined || own.authenticators.length === 0 ? all.authenticators : own.authenticators;
  // Nobody administers a node without a name, so somebody has to be asked there.
  const isAdministration = name === 'http' || name === 'https';
  return {
    authenticators: isAdministration && asked.length === 0 ? ['database'] : asked,
    anonymous: own === undefined || own.anonymous === 'as-all' ? all.anonymous : own.anonymous,
  };
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

interface Reachable {
  readonly name: Name;
  readonly listener: TcpListenerConfig;
}

function reachable({ listeners }: Config): Reachable[] {
  return (['mqtt', 'mqtts', 'ws', 'wss', 'kafka', 'kafkas'] as const)
    .map((name) => ({ name, listener: listeners[name] }))
    .filter(({ listener: { enabled, host } }) => enabled && !isLoopback(host));
}

/** Those that others can reach and that ask nobody who they are. */
export function openListeners(config: Config): Reachable[] {
  const { authentication: kafkaAuthentication } = config.kafka.security;
  return reachable(config).filter(({ name, listener }) => {
    if (authenticationOf(config.security.authentication, name).authenticators.length > 0) return false;
    if (name !== 'kafka' && name !== 'kafkas') return true;
    const isMutual = name === 'kafkas' && (listener as TlsListenerConfig).tls.clientCertificate === 'require';
    return kafkaAuthentication === 'none' && !isMutual;
  });
}

function wayOut({ name }: Reachable): string {
  if (name === 'kafka' || name === 'kafkas') {
    return 'kafka:\n      security:\n        authentication: sasl';
  }
  return 'security:\n      authentication:\n        authenticators: [database, scram]\n    authorization:\n      rules:\n        - { effect: allow, actions: [publish, subscribe], filters: ["#"], clients: named }';
}

export function checkSecurity(config: Config, problem: Problem): void {
  const { allowInsecure, authentication } = config.security;
  if (!allowInsecure) {
    for (const each of openListeners(config)) {
      const { name, listener } = each;
      problem(
        `listeners.${name}.host`,
        `${listener.host} lets whoever reaches port ${listener.port} publish and subscribe: nobody is asked who they are. Ask:\n    ${wayOut(each)}\nor keep it to this machine:\n    listeners:\n      ${name}:\n        host: 127.0.0.1\nor, where all who reach it are trusted:\n    security:\n      allowInsecure: true`,
      );
    }
  }
  authentication.listeners.forEach(({ listener }, index) => {
    if (authentication.listeners.findIndex((other) => other.listener === listener) < index) {
      problem('security.authentication.listeners', `entry ${index} is for the listener of another`);
    }
  });
  const chains = [
    authentication.authenticators,
    ...authentication.listeners.map((each) => each.authenticators),
  ];
  for (const chain of chains) {
    if (new Set(chain).size !== chain.length) {
      problem('security.authentication.authenticators', 'names an authenticator twice');
    }
  }
  const used = new Set(chains.flat());
  if (used.has('file') && authentication.file.path === '') {
    problem('security.authentication.file.path', 'is needed: the authenticator `file` is asked');
  }
  if (used.has('http') && authentication.http.url === '') {
    problem('security.authentication.http.url', 'is needed: the authenticator `http` is asked');
  }
  if (used.has('jwt')) checkJwt(authentication.jwt, problem);
  if (used.has('ldap')) checkLdap(authentication.ldap, isLoopback, problem);
  if (used.has('sql')) checkSql(authentication.sql, isLoopback, problem);
}

function checkJwt({ jwks, keys }: Authentication['jwt'], problem: Problem): void {
  const path = 'security.authentication.jwt';
  if (keys.length === 0 && jwks.url === '') {
    problem(`${path}.keys`, `or ${path}.jwks.url is needed: the authenticator \`jwt\` is asked`);
  }
  keys.forEach(({ algorithm, file, secret }, index) => {
    if (algorithm.startsWith('HS')) {
      if (Buffer.byteLength(secret) < MIN_SECRET_BYTES) {
        problem(`${path}.keys`, `entry ${index} needs a secret of at least ${MIN_SECRET_BYTES} bytes`);
      }
    } else if (file === '') problem(`${path}.keys`, `entry ${index} needs the file of a public key`);
  });
  if (jwks.url !== '') {
    const { protocol, hostname } = new URL(jwks.url);
    if (protocol !== 'https:' && !isLoopback(hostname.replace(/^\[|\]$/g, ''))) {
      problem(`${path}.jwks.url`, 'must be https: whoever is between could put keys of their own there');
    }
  }
  if (jwks.ttlMs < jwks.refreshMs) problem(`${path}.jwks.ttl`, `must not be below ${path}.jwks.refresh`);
}

const WITH_TLS = { mqtt: 'mqtts', ws: 'wss', kafka: 'kafkas' } as const;

/** Settings that work and probably are not what was meant. */
export function securityWarnings(config: Config): string[] {
  const { allowInsecure, authentication } = config.security;
  const found = openListeners(config).map(
    ({ name, listener: { host, port } }) =>
      `listeners.${name} listens on ${host} without authentication: whoever reaches port ${port} may publish and subscribe. Set listeners.${name}.host=127.0.0.1 to close it.`,
  );
  if (allowInsecure && found.length === 0) {
    found.push('security.allowInsecure is set and no listener needs it: take it out.');
  }
  for (const { name } of reachable(config)) {
    const isKafka = name === 'kafka' || name === 'kafkas';
    // There, and only there, everybody has to log in whatever `anonymous` says.
    if (isKafka && config.kafka.security.authentication === 'sasl') continue;
    const { anonymous, authenticators } = authenticationOf(authentication, name);
    if (anonymous === 'allow' && authenticators.length > 0) {
      found.push(`listeners.${name} lets in clients that show nothing: its anonymous is allow.`);
    }
    const sendsPasswords = authenticators.some((each) => each !== 'certificate' && each !== 'scram');
    if ((name === 'mqtt' || name === 'ws' || name === 'kafka') && sendsPasswords) {
      found.push(
        `listeners.${name} takes passwords without TLS: they can be read on their way. listeners.${WITH_TLS[name]} is for them.`,
      );
    }
  }
  return found;
}
