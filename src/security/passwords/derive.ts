/** The functions that make a hash of a password, off the event loop. */
import { isUtf8 } from 'node:buffer';
import * as crypto from 'node:crypto';
import { deriveCredential } from '../scram/scram.ts';
import { bcrypt } from './bcrypt.ts';
import type { HashAlgorithm } from './password-hash.ts';

export interface Argon2Parameters {
  readonly message: Uint8Array;
  readonly nonce: Uint8Array;
  readonly parallelism: number;
  readonly tagLength: number;
  /** KiB. */
  readonly memory: number;
  readonly passes: number;
}

export type Argon2 = (
  algorithm: 'argon2id',
  parameters: Argon2Parameters,
  done: (error: Error | null, tag: Uint8Array) => void,
) => void;

/** Of Node from 24.7 on. */
export const nodeArgon2: Argon2 | undefined = (crypto as unknown as { readonly argon2?: Argon2 }).argon2;

export interface Derivation {
  readonly algorithm: HashAlgorithm;
  readonly parameters: Readonly<Record<string, number>>;
  readonly salt: Uint8Array;
  readonly hashBytes: number;
}

type Done = (error: Error | null, result: Uint8Array) => void;

const promised = (start: (done: Done) => void): Promise<Uint8Array> =>
  new Promise((resolve, reject) => {
    start((error, result) => (error === null ? resolve(new Uint8Array(result)) : reject(error)));
  });

const onePass = (digest: 'sha256' | 'sha512', first: Uint8Array, second: Uint8Array): Promise<Uint8Array> =>
  Promise.resolve(new Uint8Array(crypto.createHash(digest).update(first).update(second).digest()));

/** undefined where this Node does not have it. */
export function derive(
  password: Uint8Array,
  { algorithm, parameters, salt, hashBytes }: Derivation,
  argon2: Argon2 | undefined,
): Promise<Uint8Array> | undefined {
  const { m = 0, t = 0, p = 0, ln = 0, r = 0, i = 0 } = parameters;
  switch (algorithm) {
    case 'argon2id': {
      if (argon2 === undefined) return undefined;
      const wanted = {
        message: password,
        nonce: salt,
        parallelism: p,
        tagLength: hashBytes,
        memory: m,
        passes: t,
      };
      return promised((done) => argon2('argon2id', wanted, done));
    }
    case 'scrypt': {
      const cost = 2 ** ln;
      // What it needs, and a little: Node refuses above.
      const maxmem = 128 * r * (cost + p + 2) + 1024 * 1024;
      return promised((done) =>
        crypto.scrypt(password, salt, hashBytes, { cost, blockSize: r, parallelization: p, maxmem }, done),
      );
    }
    case 'pbkdf2-sha256':
      return promised((done) => crypto.pbkdf2(password, salt, i, hashBytes, 'sha256', done));
    case 'pbkdf2-sha512':
      return promised((done) => crypto.pbkdf2(password, salt, i, hashBytes, 'sha512', done));
    case 'scram-sha-256':
      return deriveCredential('SCRAM-SHA-256', password, salt, i).then(({ storedKey }) => storedKey);
    case 'scram-sha-512':
      return deriveCredential('SCRAM-SHA-512', password, salt, i).then(({ storedKey }) => storedKey);
    case 'bcrypt':
      return isUtf8(password)
        ? bcrypt(password, { parameters, salt })
        : Promise.resolve(new Uint8Array(hashBytes));
    case 'sha256-password-salt':
      return onePass('sha256', password, salt);
    case 'sha256-salt-password':
      return onePass('sha256', salt, password);
    case 'sha512-password-salt':
      return onePass('sha512', password, salt);
    case 'sha512-salt-password':
      return onePass('sha512', salt, password);
  }
}
