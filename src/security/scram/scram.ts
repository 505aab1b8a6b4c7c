/**
 * SCRAM (RFC 5802, RFC 7677) as a server speaks it: what of a password is kept, and the texts of an exchange. Passwords are
 * taken as UTF-8, without SASLprep, as Kafka's clients do. Whose credential it is, is not known here.
 */
import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto';
import { isSame } from '../same-bytes.ts';

export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-512';

export const scramMechanisms: readonly ScramMechanism[] = ['SCRAM-SHA-256', 'SCRAM-SHA-512'];

export const MIN_ITERATIONS = 4096;
export const MAX_ITERATIONS = 16_384;
const SALT_BYTES = 20;

/** Neither the password nor anything that logs in with it. */
export interface ScramCredential {
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

export const digestOf = (mechanism: ScramMechanism): 'sha256' | 'sha512' =>
  mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512';

export const digestBytes = (mechanism: ScramMechanism): number => (mechanism === 'SCRAM-SHA-256' ? 32 : 64);

const hmac = (digest: string, key: Uint8Array, text: string): Buffer =>
  createHmac(digest, key).update(text, 'utf8').digest();

export function credentialOf(
  mechanism: ScramMechanism,
  salt: Uint8Array,
  iterations: number,
  saltedPassword: Uint8Array,
): ScramCredential {
  const digest = digestOf(mechanism);
  const clientKey = hmac(digest, saltedPassword, 'Client Key');
  return {
    salt,
    iterations,
    storedKey: createHash(digest).update(clientKey).digest(),
    serverKey: hmac(digest, saltedPassword, 'Server Key'),
  };
}

/** Slow on purpose. */
export function deriveCredential(
  mechanism: ScramMechanism,
  password: string | Uint8Array,
  salt: Uint8Array,
  iterations: number,
): Promise<ScramCredential> {
  return new Promise((resolve, reject) => {
    pbkdf2(password, salt, iterations, digestBytes(mechanism), digestOf(mechanism), (error, salted) => {
      if (error !== null) reject(error);
      else resolve(credentialOf(mechanism, salt, iterations, salted));
    });
  });
}

export const newSalt = (): Uint8Array => new Uint8Array(randomBytes(SALT_BYTES));

/**
 * What somebody without a credential is shown: always the same for one name and one secret, like any other to look at, and no
 * password fits it.
 */
export function decoyCredential(
  mechanism: ScramMechanism,
  userName: string,
  secret: Uint8Array,
  iterations: number,
): ScramCredential {
  const made = (what: string, bytes: number): Uint8Array =>
    new Uint8Array(
      createHmac('sha512', secret).update(`${what} ${mechanism} ${userName}`).digest().subarray(0, bytes),
    );
  const keyBytes = digestBytes(mechanism);
  return {
    salt: made('salt', SALT_BYTES),
    iterations,
    storedKey: made('stored', keyBytes),
    serverKey: made('server', keyBytes),
  };
}

export interface ClientFirst {
  readonly user: string;
  readonly authorizationId: string;
  readonly nonce: string;
  /** As it was sent, for what is signed. */
  readonly gs2Header: string;
  readonly bare: string;
}

const NAME = '(?:[^,=\\0]|=2C|=3D)+';
const NONCE = '[\\x21-\\x2b\\x2d-\\x7e]+';
const CLIENT_FIRST = new RegExp(
  `^([ny],(?:a=(${NAME}))?,)(n=(${NAME}),r=(${NONCE})(?:,[A-Za-z]=[^,\\0]*)*)$`,
);
const CLIENT_FINAL = new RegExp(
  `^(c=([A-Za-z0-9+/=]+),r=(${NONCE})(?:,[A-Za-z]=[^,\\0]*)*),p=([A-Za-z0-9+/]+={0,2})$`,
);

const nameOf = (text: string): string => text.replaceAll('=2C', ',').replaceAll('=3D', '=');

/** Channel binding is not offered: who asks for it is refused, like who sends nonsense. */
export function readClientFirst(text: string): ClientFirst | undefined {
  const [, gs2Header, authorizationId = '', bare, user, nonce] = CLIENT_FIRST.exec(text) ?? [];
  if (gs2Header === undefined || bare === undefined || user === undefined || nonce === undefined)
    return undefined;
  return { user: nameOf(user), authorizationId: nameOf(authorizationId), nonce, gs2Header, bare };
}

export const serverFirst = (nonce: string, { salt, iterations }: ScramCredential): string =>
  `r=${nonce},s=${Buffer.from(salt).toString('base64')},i=${iterations}`;

/** The server's last word; undefined when the client does not know the password. */
export function serverFinal(
  mechanism: ScramMechanism,
  credential: ScramCredential,
  first: ClientFirst,
  nonce: string,
  clientFinal: string,
): string | undefined {
  const [, withoutProof, binding, echoed, proofText] = CLIENT_FINAL.exec(clientFinal) ?? [];
  if (withoutProof === undefined || proofText === undefined || binding === undefined) return undefined;
  // librdkafka before 2.6.1 puts its own part in front once more. Ours is in it as a whole, and nothing can be replayed.
  if (echoed !== nonce && echoed !== first.nonce + nonce) return undefined;
  if (Buffer.from(binding, 'base64').toString('utf8') !== first.gs2Header) return undefined;
  const digest = digestOf(mechanism);
  const signed = `${first.bare},${serverFirst(nonce, credential)},${withoutProof}`;
  const signature = hmac(digest, credential.storedKey, signed);
  const proof = Buffer.from(proofText, 'base64');
  if (proof.length !== signature.length) return undefined;
  const clientKey = proof.map((byte, i) => byte ^ (signature[i] ?? 0));
  if (!isSame(createHash(digest).update(clientKey).digest(), credential.storedKey)) return undefined;
  return `v=${hmac(digest, credential.serverKey, signed).toString('base64')}`;
}
