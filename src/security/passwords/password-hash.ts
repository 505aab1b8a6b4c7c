/**
 * How hashes of passwords are written: PHC strings (`$argon2id$v=19$m=19456,t=2,p=1$salt$hash`), the two forms of
 * Mosquitto's password files, and that of bcrypt, which are not. What is read has bounds: a line that somebody slipped in must not cost the
 * machine an hour.
 */
import { parseBcrypt } from './bcrypt.ts';
import type { HashAlgorithm, PasswordHash } from './kept-hash.ts';

export type { HashAlgorithm, PasswordHash } from './kept-hash.ts';

interface Form {
  readonly version: number | undefined;
  /** In the order in which they are written: from, to. */
  readonly bounds: Readonly<Record<string, readonly [number, number]>>;
}

/** Of PBKDF2. */
const MAX_ITERATIONS = 10_000_000;

const FORMS: Readonly<Partial<Record<string, Form>>> = {
  argon2id: { version: 19, bounds: { m: [8, 1_048_576], t: [1, 64], p: [1, 16] } },
  scrypt: { version: undefined, bounds: { ln: [1, 20], r: [1, 32], p: [1, 16] } },
  'pbkdf2-sha256': { version: undefined, bounds: { i: [1, MAX_ITERATIONS] } },
  'pbkdf2-sha512': { version: undefined, bounds: { i: [1, MAX_ITERATIONS] } },
};

const MIN_SALT_BYTES = 8;
const MAX_SALT_BYTES = 64;
export const MIN_HASH_BYTES = 16;
export const MAX_HASH_BYTES = 64;
const MAX_TEXT_LENGTH = 512;
const PHC =
  /^\$([a-z0-9-]{1,32})(?:\$v=(\d{1,4}))?\$([a-z]{1,8}=\d{1,9}(?:,[a-z]{1,8}=\d{1,9})*)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;
const MOSQUITTO_6 = /^\$6\$([A-Za-z0-9+/]+={0,2})\$([A-Za-z0-9+/]+={0,2})$/;
const MOSQUITTO_7 = /^\$7\$(\d{1,9})\$([A-Za-z0-9+/]+={0,2})\$([A-Za-z0-9+/]+={0,2})$/;

const unpadded = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64').replace(/=+$/, '');

/** undefined where the text is not what the bytes would be written as. */
function bytesOf(text: string, min: number, max: number): Uint8Array | undefined {
  const bytes = new Uint8Array(Buffer.from(text, 'base64'));
  if (bytes.length < min || bytes.length > max) return undefined;
  return unpadded(bytes) === text.replace(/=+$/, '') ? bytes : undefined;
}

function isWithin(form: Form, parameters: Readonly<Record<string, number>>): boolean {
  return Object.entries(form.bounds).every(([name, [min, max]]) => {
    const value = parameters[name];
    return value !== undefined && value >= min && value <= max;
  });
}

export function formatPhc({ algorithm, parameters, salt, hash }: PasswordHash): string {
  const form = FORMS[algorithm];
  if (form === undefined) throw new Error(`${algorithm} has no PHC string`);
  const version = form.version === undefined ? '' : `$v=${form.version}`;
  const values = Object.keys(form.bounds).map((name) => `${name}=${parameters[name]}`);
  return `$${algorithm}${version}$${values.join(',')}$${unpadded(salt)}$${unpadded(hash)}`;
}

export function parsePhc(text: string): PasswordHash | undefined {
  if (text.length > MAX_TEXT_LENGTH) return undefined;
  const [, name = '', version, values = '', salt = '', hash = ''] = PHC.exec(text) ?? [];
  const form = Object.hasOwn(FORMS, name) ? FORMS[name] : undefined;
  if (form === undefined) return undefined;
  if (version !== undefined && Number(version) !== form.version) return undefined;
  const parameters = Object.fromEntries(
    values.split(',').map((pair) => {
      const [key = '', value = ''] = pair.split('=');
      return [key, Number(value)] as const;
    }),
  );
  const parsed = hashOf(name as HashAlgorithm, parameters, salt, hash);
  // One text for one hash: an order, a repetition or a zero in front that is not ours is refused.
  const isOurs = parsed !== undefined && isWithin(form, parameters);
  if (!isOurs) return undefined;
  const written = formatPhc(parsed);
  return written === text || (version === undefined && written.replace(/\$v=\d+/, '') === text)
    ? parsed
    : undefined;
}

function hashOf(
  algorithm: HashAlgorithm,
  parameters: Readonly<Record<string, number>>,
  saltText: string,
  hashText: string,
): PasswordHash | undefined {
  const salt = bytesOf(saltText, MIN_SALT_BYTES, MAX_SALT_BYTES);
  const hash = bytesOf(hashText, MIN_HASH_BYTES, MAX_HASH_BYTES);
  return salt === undefined || hash === undefined ? undefined : { algorithm, parameters, salt, hash };
}

/** `$6$salt$hash` and `$7$iterations$salt$hash`. */
export function parseMosquitto(text: string): PasswordHash | undefined {
  if (text.length > MAX_TEXT_LENGTH) return undefined;
  const old = MOSQUITTO_6.exec(text);
  if (old !== null) {
    const parsed = hashOf('sha512-password-salt', {}, old[1] ?? '', old[2] ?? '');
    return parsed?.hash.length === 64 ? parsed : undefined;
  }
  const [, iterations, salt = '', hash = ''] = MOSQUITTO_7.exec(text) ?? [];
  const form = FORMS['pbkdf2-sha512'];
  const parameters = { i: Number(iterations) };
  if (iterations === undefined || form === undefined || !isWithin(form, parameters)) return undefined;
  return hashOf('pbkdf2-sha512', parameters, salt, hash);
}

export const parsePasswordHash = (text: string): PasswordHash | undefined =>
  parsePhc(text) ?? parseMosquitto(text) ?? parseBcrypt(text);
