/** Keys of the authenticator that asks a database of SQL. */
import { boolean, choice, count, milliseconds, section, string } from './schema-kit.ts';

const text = (fallback: string, description: string, maxLength = 255) =>
  string(fallback, description, {
    maxLength,
    expected: 'text without U+0000',
    accepts: (each) => !each.includes('\0'),
  });

export const sqlSchema = section('A database (PostgreSQL) in which users are.', {
  host: text('', 'Its host, or the directory of its Unix socket.', 1024),
  port: count(5432, 'Its port.', { min: 1, max: 65_535 }),
  database: text('', 'The name of the database.'),
  user: text('', 'Who asks.'),
  password: string('', 'The password of `user`.', { secret: true, maxLength: 1024 }),
  tls: boolean(true, 'Whether by TLS; the certificate is checked. Off only on loopback and Unix sockets.'),
  caFile: string('', 'Authorities that sign its certificate, PEM; empty takes those of the system.', {
    expected: 'a path',
  }),
  query: text(
    '',
    'A query with `$1` for the name of the user, and where wanted `$2` for the client identifier and `$3` for the protocol. It answers with no row where there is no such user, and one with the columns `password_hash`, and where wanted `salt`, `user_name`, `is_superuser`, `roles` and `tenant`.',
    16_384,
  ),
  hash: section('What `password_hash` is where it does not say so itself.', {
    format: choice(
      ['phc', 'sha256', 'sha512', 'pbkdf2-sha256', 'pbkdf2-sha512'],
      'phc',
      '`phc`: PHC strings, hashes of bcrypt and of Mosquitto. The others are digits in hexadecimal, with the column `salt`; there, too, what says itself what it is is taken for that. Plain passwords, MD5 and SHA-1 are too weak to be taken.',
    ),
    saltPosition: choice(
      ['prefix', 'suffix'],
      'suffix',
      'Of `sha256` and `sha512`: whether the salt is in front of the password or behind it.',
    ),
    iterations: count(4096, 'Of `pbkdf2-sha256` and `pbkdf2-sha512`.', { min: 1, max: 10_000_000 }),
  }),
  timeoutMs: milliseconds(4000, 'For the whole answer; what is late refuses.', { min: 10, max: 60_000 }),
  maxConnections: count(8, 'Connections at once.', { min: 1, max: 1000 }),
  maxWaiting: count(1024, 'Log-ins that wait for a connection; the next is refused.', { max: 100_000 }),
});
