/**
 * The hash of a password in a row of the operator's database: one that says itself what it is, or digits in hexadecimal with a column
 * `salt`, as other brokers have them, for which the configuration says what they are. What is too weak to be taken is called by its name.
 */
import type { SecurityConfig } from '../../config/config.ts';
import {
  type HashAlgorithm,
  MAX_HASH_BYTES,
  MIN_HASH_BYTES,
  type PasswordHash,
  parsePasswordHash,
} from '../passwords/password-hash.ts';

export type HashFormat = SecurityConfig['authentication']['sql']['hash'];

const MAX_SALT_BYTES = 256;
const HEX = /^(?:[0-9a-fA-F]{2})+$/;
const MD5_BYTES = 16;
const SHA1_BYTES = 20;
/** With other parameters, or of another kind: not to be told from a password by what stands in it. */
const MARKED = /^(?:\$|\{\w+\}|md5[0-9a-f]{32}$)/;
const WEAK_MARK = /^(?:\$1\$|\$apr1\$|\{S?(?:MD5|SHA)\}|md5[0-9a-f]{32}$)/i;

interface Kind {
  readonly algorithm: HashAlgorithm;
  /** undefined: any within bounds. */
  readonly bytes: number | undefined;
}

function kindOf({ format, saltPosition }: HashFormat): Kind | undefined {
  switch (format) {
    case 'phc':
      return undefined;
    case 'sha256':
      return {
        algorithm: saltPosition === 'prefix' ? 'sha256-salt-password' : 'sha256-password-salt',
        bytes: 32,
      };
    case 'sha512':
      return {
        algorithm: saltPosition === 'prefix' ? 'sha512-salt-password' : 'sha512-password-salt',
        bytes: 64,
      };
    case 'pbkdf2-sha256':
    case 'pbkdf2-sha512':
      return { algorithm: format, bytes: undefined };
  }
}

/** A sentence without what stands in the column: it may be a password. */
function whyNot(text: string, format: string): string {
  const bytes = HEX.test(text) ? text.length / 2 : 0;
  if (WEAK_MARK.test(text)) return 'password_hash is of MD5 or SHA-1, which are too weak to be taken';
  if (MARKED.test(text)) return 'password_hash is not of a kind that is known here';
  if (bytes === MD5_BYTES) return 'password_hash is as long as one of MD5, which is too weak to be taken';
  if (bytes === SHA1_BYTES) return 'password_hash is as long as one of SHA-1, which is too weak to be taken';
  if (bytes > 0) {
    return format === 'phc'
      ? 'password_hash says not what it is: sql.hash.format is needed'
      : `password_hash has ${bytes} bytes, which ${format} has not`;
  }
  return 'password_hash is no hash; passwords themselves are not taken';
}

/** A string is why there is none, for the log. */
export function hashOfRow(text: unknown, salt: unknown, format: HashFormat): PasswordHash | string {
  if (typeof text !== 'string') return 'password_hash is no text';
  const described = parsePasswordHash(text);
  if (described !== undefined) return described;
  const kind = kindOf(format);
  if (kind === undefined || !HEX.test(text)) return whyNot(text, format.format);
  const bytes = text.length / 2;
  const isRight =
    kind.bytes === undefined ? bytes >= MIN_HASH_BYTES && bytes <= MAX_HASH_BYTES : bytes === kind.bytes;
  if (!isRight) return whyNot(text, format.format);
  const saltBytes = typeof salt === 'string' ? Buffer.from(salt) : salt;
  if (!(saltBytes instanceof Uint8Array))
    return 'the query answers without salt, which sql.hash.format needs';
  if (saltBytes.length === 0 || saltBytes.length > MAX_SALT_BYTES) {
    return `salt has ${saltBytes.length} bytes; 1 to ${MAX_SALT_BYTES} are taken`;
  }
  return {
    algorithm: kind.algorithm,
    parameters: kind.bytes === undefined ? { i: format.iterations } : {},
    salt: new Uint8Array(saltBytes),
    hash: new Uint8Array(Buffer.from(text, 'hex')),
  };
}
