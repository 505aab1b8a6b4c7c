/** What of the authenticators `ldap` and `sql` contradicts itself, or would send passwords where others can read them. */
import type { SecurityConfig } from './config.ts';

type Problem = (path: string, reason: string) => void;
type Authentication = SecurityConfig['authentication'];

// biome-ignore lint/suspicious/noTemplateCurlyInString: what users write
const USER_NAME = '${username}';

export function checkLdap(
  ldap: Authentication['ldap'],
  isLoopback: (host: string) => boolean,
  problem: Problem,
): void {
  const at = (name: string): string => `security.authentication.ldap.${name}`;
  const { url, startTls, bindDn, search, groups } = ldap;
  if (url === '') {
    problem(at('url'), 'is needed: the authenticator `ldap` is asked');
    return;
  }
  const { protocol, hostname } = new URL(url);
  if (protocol === 'ldaps:' && startTls) problem(at('startTls'), 'is for an address with ldap://');
  if (protocol === 'ldap:' && !startTls && !isLoopback(hostname.replace(/^\[|\]$/g, ''))) {
    problem(at('url'), 'must be ldaps://, or have startTls: passwords could be read on their way');
  }
  if (bindDn === '') {
    if (search.base === '') problem(at('search.base'), 'is needed where there is no bindDn');
  } else {
    if (!bindDn.includes(USER_NAME)) problem(at('bindDn'), `needs ${USER_NAME}`);
    if (!/[=@\\]/.test(bindDn.replaceAll(USER_NAME, ''))) {
      problem(at('bindDn'), 'is the name of an entry (with =) or of an account (with @ or \\)');
    }
    if (!bindDn.includes('=') && search.base === '') {
      problem(at('search.base'), 'is needed: bindDn is not the name of an entry');
    }
  }
  if (search.base !== '' && !search.filter.includes(USER_NAME))
    problem(at('search.filter'), `needs ${USER_NAME}`);
  if (search.bindDn !== '' && search.password === '') {
    problem(at('search.password'), 'is needed: without one a directory takes search.bindDn for anonymous');
  }
  if (groups.base !== '' && groups.nameAttribute === '') problem(at('groups.nameAttribute'), 'is needed');
}

export function checkSql(
  sql: Authentication['sql'],
  isLoopback: (host: string) => boolean,
  problem: Problem,
): void {
  const at = (name: string): string => `security.authentication.sql.${name}`;
  for (const name of ['host', 'database', 'user', 'query'] as const) {
    if (sql[name] === '') problem(at(name), 'is needed: the authenticator `sql` is asked');
  }
  if (sql.query !== '' && !/\$1(?!\d)/.test(sql.query))
    problem(at('query'), 'needs $1, the name of the user');
  for (const [, number] of sql.query.matchAll(/\$(\d+)/g)) {
    if (Number(number) > 3) problem(at('query'), `has $${number}; there are $1, $2 and $3`);
  }
  const isLocal = sql.host.startsWith('/') || isLoopback(sql.host);
  if (!sql.tls && sql.host !== '' && !isLocal) {
    problem(at('tls'), 'is needed: hashes of passwords could be read, and answers forged, on their way');
  }
}
