/** Keys of the authenticator that asks a directory. */
import { boolean, count, list, milliseconds, section, string } from './schema-kit.ts';

const HOUR_MS = 3_600_000;

const text = (fallback: string, description: string, maxLength = 1024) =>
  string(fallback, description, {
    maxLength,
    expected: 'text without U+0000',
    accepts: (each) => !each.includes('\0'),
  });

const attribute = (fallback: string, description: string) =>
  string(fallback, description, {
    maxLength: 128,
    expected: 'the name of an attribute',
    accepts: (each) => each === '' || /^[A-Za-z][\w.;-]*$/.test(each),
  });

export const ldapSchema = section('A directory (LDAP) in which users are.', {
  url: string('', 'Its address: `ldaps://host` or, with `startTls` or on loopback, `ldap://host`.', {
    maxLength: 1024,
    expected: 'an address such as ldaps://ldap.example.org',
    accepts: (each) => each === '' || isLdapUrl(each),
  }),
  startTls: boolean(false, 'Whether TLS begins on the connection of an `ldap` address.'),
  caFile: string('', 'Authorities that sign its certificate, PEM; empty takes those of the system.', {
    expected: 'a path',
  }),
  bindDn: text(
    '',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: what users write
    'Who binds with the password, such as `uid=${username},ou=people,dc=example,dc=org` or `${username}@corp.example.org`; empty looks for the entry first, as `search` says.',
  ),
  search: section('How the entry of a user is found.', {
    bindDn: text('', 'Who looks for it; empty is anonymous.'),
    password: string('', 'The password of `bindDn`.', { secret: true, maxLength: 1024 }),
    base: text('', 'Below which entry.'),
    // biome-ignore lint/suspicious/noTemplateCurlyInString: what users write
    filter: text('(uid=${username})', 'Filter with `${username}`.'),
    nameAttribute: attribute(
      'uid',
      'What of the entry is the name of the user here; empty takes what the client writes, though the directory may not tell it from another.',
    ),
  }),
  groups: section('Groups, which become roles.', {
    userAttribute: attribute(
      '',
      'Attribute of the user with its groups, such as `memberOf`; empty has none.',
    ),
    base: text('', 'Below which entry groups are looked for; empty looks for none.'),
    // biome-ignore lint/suspicious/noTemplateCurlyInString: what users write
    filter: text('(member=${dn})', 'Filter with `${dn}` or `${username}`.'),
    nameAttribute: attribute('cn', 'What of a group is its name.'),
    roles: list(
      section('A group.', {
        group: text('', 'Its name.', 255),
        role: text('', 'The role of its members.', 255),
      }),
      'Which groups are which roles; empty takes the names of all groups.',
      256,
    ),
    superusers: text('', 'The group of those who may do everything; empty is nobody.', 255),
  }),
  tenant: text('', 'The tenant of all its users.', 63),
  timeoutMs: milliseconds(4000, 'For all that a log-in asks it; what is late refuses.', {
    min: 10,
    max: 60_000,
  }),
  maxConnections: count(8, 'Connections at once.', { min: 1, max: 1000 }),
  maxWaiting: count(1024, 'Log-ins that wait for a connection; the next is refused.', { max: 100_000 }),
  cacheMs: milliseconds(60_000, 'How long a password that was right is not asked about again.', {
    max: HOUR_MS,
  }),
});

function isLdapUrl(text: string): boolean {
  try {
    const { protocol, username, password, pathname, search } = new URL(text);
    const isBare =
      username === '' && password === '' && (pathname === '' || pathname === '/') && search === '';
    return (protocol === 'ldap:' || protocol === 'ldaps:') && isBare;
  } catch {
    return false;
  }
}
