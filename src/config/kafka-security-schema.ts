/** The configuration of who may use Kafka's protocol. */
import { choice, list, milliseconds, section, string } from './schema-kit.ts';

const DAY_MS = 86_400_000;

const principal = string('', 'Principal', {
  maxLength: 1024,
  expected: 'a principal such as User:admin',
  accepts: (text) => /^[^:\s]+:.+$/.test(text),
});
const name = (description: string) =>
  string('', description, {
    maxLength: 255,
    expected: 'text without U+0000',
    accepts: (text) => !text.includes('\0'),
  });

export const kafkaSecuritySchema = section('Who may use it, and what for.', {
  authentication: choice(
    ['none', 'sasl'],
    'none',
    'Whether clients have to log in. Without it they are `User:ANONYMOUS`, or what their TLS certificate says.',
  ),
  mechanisms: list(
    choice(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'], 'SCRAM-SHA-256', 'Mechanism'),
    'Ways to log in; empty offers all, and OAUTHBEARER where `oauth.keys` has something to check tokens with.',
    4,
  ),
  users: list(
    section('A user.', {
      name: name('Name.'),
      password: string('', 'Password.', { secret: true, maxLength: 1024 }),
    }),
    'Users who can log in besides those whose SCRAM credentials administrators have set; there are no others.',
    10_000,
  ),
  logInTimeoutMs: milliseconds(10_000, 'From accept to the end of the log-in.', { min: 10, max: 600_000 }),
  sessionMs: milliseconds(0, 'How long a log-in counts before the client has to repeat it; 0 is for ever.', {
    max: 30 * DAY_MS,
  }),
  failureDelayMs: milliseconds(100, 'A client that could not log in hears of it this much later.', {
    max: 10_000,
  }),
  oauth: section('Tokens for OAUTHBEARER (JWT).', {
    issuer: name('Who must have issued a token (`iss`); empty is anybody with a key.'),
    audience: name('For whom a token must be (`aud`); empty is anybody.'),
    principalClaim: string('sub', 'What in a token is the name of the user.', { maxLength: 255 }),
    clockSkewMs: milliseconds(30_000, 'By how much clocks may differ.', { max: 600_000 }),
    keys: list(
      section('A key.', {
        id: name('Its identifier in tokens (`kid`); empty fits any.'),
        algorithm: choice(
          ['RS256', 'ES256', 'HS256'],
          'RS256',
          'What it signs with; no other is accepted from it.',
        ),
        file: string('', 'The public key or certificate, PEM; for RS256 and ES256.', { expected: 'a path' }),
        secret: string('', 'The secret of at least 32 bytes; for HS256.', { secret: true, maxLength: 4096 }),
      }),
      'Keys of which one must have signed a token.',
      64,
    ),
  }),
  authorization: choice(
    ['none', 'acl'],
    'none',
    '`acl`: what no access control list allows is refused. They are set by clients (CreateAcls).',
  ),
  superUsers: list(principal, 'Principals who may do everything.', 1024),
});
