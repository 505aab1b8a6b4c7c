/** The configuration of who is let in, for every protocol: ways to show who one is, and who asks for which. */
import { ldapSchema } from './ldap-schema.ts';
import { boolean, bytes, choice, count, list, milliseconds, section, string } from './schema-kit.ts';
import { sqlSchema } from './sql-schema.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const HOUR_MS = 3_600_000;

const AUTHENTICATORS = ['database', 'file', 'jwt', 'http', 'certificate', 'scram', 'ldap', 'sql'] as const;

const plainText = (fallback: string, description: string, maxLength = 255) =>
  string(fallback, description, {
    maxLength,
    expected: 'text without U+0000',
    accepts: (text) => !text.includes('\0'),
  });

const url = (description: string) =>
  string('', description, {
    maxLength: 2048,
    expected: 'an address such as https://auth.example.org/mqtt',
    accepts: (text) => text === '' || isHttpUrl(text),
  });

const file = (description: string) => string('', description, { expected: 'a path' });

const anonymous = choice(
  ['loopback', 'allow', 'refuse'],
  'loopback',
  'Whether clients that show nothing are let in; `loopback`: where the listener is bound to loopback and takes no PROXY protocol.',
);

export const securitySchema = section('Who is let in, for every protocol.', {
  allowInsecure: boolean(
    false,
    'Let listeners that others can reach start without authentication. Whoever reaches them may do anything.',
  ),
  authentication: section('How clients show who they are.', {
    authenticators: list(
      choice(AUTHENTICATORS, 'database', 'Authenticator'),
      'Authenticators of all listeners, asked in this order until one knows the client; empty asks nobody.',
      8,
    ),
    anonymous,
    listeners: list(
      section('What differs for one listener.', {
        listener: choice(
          ['mqtt', 'mqtts', 'ws', 'wss', 'unix', 'kafka', 'kafkas', 'http', 'https'],
          'mqtt',
          'Its key under `listeners`.',
        ),
        authenticators: list(
          choice(AUTHENTICATORS, 'database', 'Authenticator'),
          'Authenticators, asked in this order; empty takes those of all.',
          8,
        ),
        anonymous: choice(
          ['as-all', 'loopback', 'allow', 'refuse'],
          'as-all',
          'Whether clients that show nothing are let in.',
        ),
      }),
      'Listeners with something of their own.',
      8,
    ),
    timeoutMs: milliseconds(5000, 'An authenticator that takes longer refuses.', { min: 10, max: 60_000 }),
    maxPending: count(4096, 'Log-ins being decided at once; the next is refused.', {
      min: 1,
      max: 1_000_000,
    }),
    file: section('A file of names and hashed passwords, read again on SIGHUP.', {
      path: file(
        'Lines `name:hash`, as `mosquitto_passwd` writes them, with PHC strings or hashes of bcrypt.',
      ),
    }),
    jwt: section('Tokens (JWT) that an issuer has signed.', {
      from: choice(['password', 'username'], 'password', 'The field in which clients send it.'),
      issuer: plainText('', 'Who must have issued it (`iss`); empty is anybody with a key.', 2048),
      audience: plainText('', 'For whom it must be (`aud`); empty is anybody.', 2048),
      clockSkewMs: milliseconds(30_000, 'By how much clocks may differ.', { max: 600_000 }),
      userClaim: plainText('sub', 'Claim with the name of the user.'),
      tenantClaim: plainText('', 'Claim with the tenant; empty takes none.'),
      rolesClaim: plainText('roles', 'Claim with roles: a list, or one text with spaces; empty takes none.'),
      rulesClaim: plainText('acl', 'Claim with rules; empty takes none.'),
      superuserClaim: plainText('', 'Claim that is `true` for who may do everything; empty takes none.'),
      keys: list(
        section('A key.', {
          id: plainText('', 'Its identifier in tokens (`kid`); empty fits any.'),
          algorithm: choice(
            ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'HS256', 'HS384', 'HS512'],
            'RS256',
            'What it signs with; no other is accepted from it.',
          ),
          file: file('The public key or certificate, PEM.'),
          secret: string('', 'The secret of at least 32 bytes, for HS.', { secret: true, maxLength: 4096 }),
        }),
        'Keys of which one must have signed a token.',
        64,
      ),
      jwks: section('Keys that the issuer publishes.', {
        url: url('Where they are; `https`, or `http` on loopback. Empty takes none.'),
        caFile: file('Authorities that sign its certificate, PEM; empty takes those of the system.'),
        refreshMs: milliseconds(300_000, 'Keys older than this are fetched again while they are used.', {
          min: 1000,
          max: 24 * HOUR_MS,
        }),
        ttlMs: milliseconds(HOUR_MS, 'How long keys count while the issuer does not answer.', {
          min: 1000,
          max: 24 * HOUR_MS,
        }),
        minFetchIntervalMs: milliseconds(30_000, 'It is not asked more often than this.', {
          min: 100,
          max: HOUR_MS,
        }),
      }),
    }),
    http: section('A service of yours that is asked, by POST of a JSON object.', {
      url: url('Its address; the fields are never part of it.'),
      headers: list(
        section('A header.', {
          name: string('', 'Name.', {
            maxLength: 128,
            expected: 'the name of a header',
            accepts: (text) => /^[\w-]+$/.test(text),
          }),
          value: string('', 'Value.', {
            secret: true,
            maxLength: 4096,
            expected: 'printable characters of ASCII',
            accepts: (text) => /^[\x20-\x7e]*$/.test(text),
          }),
        }),
        'Headers of the request, such as `authorization`.',
        32,
      ),
      body: list(
        section('A field.', {
          name: plainText('', 'Name.', 128),
          value: plainText(
            '',
            // biome-ignore lint/suspicious/noTemplateCurlyInString: what users write
            'Text in which `${username}`, `${password}`, `${clientid}`, `${protocol}`, `${listener}`, `${ip}` and `${certname}` stand for what the client showed.',
            1024,
          ),
        }),
        'Fields of the object; empty sends all that are known.',
        32,
      ),
      timeoutMs: milliseconds(4000, 'For the whole answer; what is late refuses.', { min: 10, max: 60_000 }),
      maxInFlight: count(64, 'Requests at once.', { min: 1, max: 10_000 }),
      maxWaiting: count(1024, 'Log-ins that wait for a request; the next is refused.', { max: 100_000 }),
      caFile: file('Authorities that sign its certificate, PEM; empty takes those of the system.'),
      allowLinkLocal: boolean(
        false,
        'Whether its address may be one of the link (169.254.0.0/16, fe80::/10).',
      ),
    }),
    ldap: ldapSchema,
    sql: sqlSchema,
    certificate: section('Client certificates that the listener has verified.', {
      identity: choice(
        ['commonName', 'subject', 'dns', 'email', 'uri'],
        'commonName',
        'What of it is the name of the user: its only common name, its whole subject, or its only alternative name of that kind.',
      ),
      requireUser: boolean(false, 'Refuse names that the user database does not have.'),
      roles: list(plainText('', 'Role'), 'Roles of those whom the user database does not have.', 64),
    }),
  }),
  passwords: section('Passwords of users.', {
    minLength: count(8, 'Fewest characters; 15 are advised where there is no second factor.', {
      min: 8,
      max: 128,
    }),
    hash: choice(
      ['auto', 'argon2id', 'scrypt'],
      'auto',
      'How they are kept; `auto` is argon2id where Node has it (24.7) and scrypt otherwise. Older hashes are renewed at log-in.',
    ),
    argon2MemoryBytes: bytes(19 * MiB, 'Memory of one argon2id hash.', { min: 8 * MiB, max: 1024 * MiB }),
    argon2Passes: count(2, 'Passes of one argon2id hash.', { min: 1, max: 64 }),
    scryptLogCost: count(14, 'Base-2 logarithm of the cost of one scrypt hash.', { min: 10, max: 20 }),
    scryptParallelism: count(5, 'Parallelism of one scrypt hash.', { min: 1, max: 16 }),
    scramIterations: count(4096, 'Iterations of SCRAM credentials that are made of passwords.', {
      min: 4096,
      max: 16_384,
    }),
  }),
});

function isHttpUrl(text: string): boolean {
  try {
    const { protocol, username, password } = new URL(text);
    return (protocol === 'https:' || protocol === 'http:') && username === '' && password === '';
  } catch {
    return false;
  }
}
