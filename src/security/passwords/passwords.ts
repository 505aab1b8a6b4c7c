/**
 * Passwords: what is kept of them, and whether one is right. New hashes are argon2id where Node has it, scrypt otherwise;
 * all that PHC strings and Mosquitto's files have is read. Who users are is not known here.
 *
 * Guaranteed: at most two hashes are made at once and 64 wait, the next is told 'busy'; asking about nobody costs what
 * asking about somebody does; a password that was right is known again for a minute by an HMAC under a key of the process,
 * and asking twice at once is asking once, so that a thousand clients that come back with it are let in.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import { isSame } from '../same-bytes.ts';
import { type Argon2, derive, nodeArgon2 } from './derive.ts';
import { createGate } from './gate.ts';
import { createKnownPasswords } from './known.ts';
import type { PasswordHash } from './password-hash.ts';

export interface HashSettings {
  /** `auto`: argon2id where Node has it. */
  readonly algorithm: 'auto' | 'argon2id' | 'scrypt';
  readonly argon2: { readonly memoryBytes: number; readonly passes: number; readonly parallelism: number };
  readonly scrypt: { readonly logCost: number; readonly blockSize: number; readonly parallelism: number };
}

export type PasswordCheck = 'right' | 'wrong' | 'busy' | 'unsupported';

export interface Passwords {
  hash(password: Uint8Array): Promise<PasswordHash | 'busy'>;
  /** Without a hash it takes as long and says 'wrong'. */
  check(hash: PasswordHash | undefined, password: Uint8Array): Promise<PasswordCheck>;
  /** Whether a new hash of the same password would be harder to guess. */
  isOutdated(hash: PasswordHash): boolean;
  /** Work of some milliseconds that passwords need, one at a time. */
  slowly<T>(work: () => Promise<T>): Promise<T | 'busy'>;
}

export interface PasswordsOptions {
  readonly settings: HashSettings;
  readonly clock: Clock;
  /** In place of Node's; null is none. */
  readonly argon2?: Argon2 | null;
}

const MAX_HASHING = 2;
const MAX_WAITING = 64;
/** Of what takes milliseconds. */
const MAX_WAITING_FOR_LIGHT = 1024;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const KNOWN_MS = 60_000;

export function createPasswords({
  settings,
  clock,
  argon2 = nodeArgon2 ?? null,
}: PasswordsOptions): Passwords {
  const gate = createGate(MAX_HASHING, MAX_WAITING);
  const lightGate = createGate(1, MAX_WAITING_FOR_LIGHT);
  const known = createKnownPasswords<PasswordCheck>({
    clock,
    ttlMs: KNOWN_MS,
    isKept: (checked) => checked === 'right',
  });
  const algorithm =
    settings.algorithm === 'auto' ? (argon2 === null ? 'scrypt' : 'argon2id') : settings.algorithm;
  if (algorithm === 'argon2id' && argon2 === null) {
    throw new Error(`argon2id needs Node 24.7 or later, this is ${process.version}: use scrypt or auto`);
  }
  const parameters: Readonly<Record<string, number>> =
    algorithm === 'argon2id'
      ? {
          m: Math.floor(settings.argon2.memoryBytes / 1024),
          t: settings.argon2.passes,
          p: settings.argon2.parallelism,
        }
      : { ln: settings.scrypt.logCost, r: settings.scrypt.blockSize, p: settings.scrypt.parallelism };
  const nobody: PasswordHash = {
    algorithm,
    parameters,
    salt: randomBytes(SALT_BYTES),
    hash: randomBytes(HASH_BYTES),
  };

  const compare = async (hash: PasswordHash | undefined, password: Uint8Array): Promise<PasswordCheck> => {
    const against = hash ?? nobody;
    const isLight = against.algorithm.startsWith('scram');
    const derivation = { ...against, hashBytes: against.hash.length };
    const made = await (isLight ? lightGate : gate).run(async () =>
      derive(password, derivation, argon2 ?? undefined),
    );
    if (made === 'busy') return 'busy';
    if (made === undefined) return 'unsupported';
    return isSame(made, against.hash) && hash !== undefined ? 'right' : 'wrong';
  };

  return {
    hash(password) {
      const salt = randomBytes(SALT_BYTES);
      return gate.run(async () => {
        const made = derive(
          password,
          { algorithm, parameters, salt, hashBytes: HASH_BYTES },
          argon2 ?? undefined,
        );
        if (made === undefined) throw new Error(`${algorithm} is missing`);
        return { algorithm, parameters, salt, hash: await made };
      });
    },
    check(hash, password) {
      const against = hash ?? nobody;
      const { algorithm: kind, parameters: cost, salt, hash: made } = against;
      const how = Buffer.from(JSON.stringify([kind, cost]));
      return known.ask([how, salt, made, password], () => compare(hash, password));
    },
    isOutdated(hash) {
      if (hash.algorithm !== algorithm) {
        // Not from argon2id to scrypt: that would be a step back.
        return hash.algorithm !== 'argon2id';
      }
      return Object.entries(parameters).some(([name, value]) => (hash.parameters[name] ?? 0) < value);
    },
    slowly: (work) => lightGate.run(work),
  };
}
