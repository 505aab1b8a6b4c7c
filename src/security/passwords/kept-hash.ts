/** What is kept of a password, however it is written. */

export type HashAlgorithm =
  | 'argon2id'
  | 'scrypt'
  | 'pbkdf2-sha256'
  | 'pbkdf2-sha512'
  /** One pass over password and salt, in the order of the name: of old tables and files; none is made. */
  | 'sha256-password-salt'
  | 'sha256-salt-password'
  | 'sha512-password-salt'
  | 'sha512-salt-password'
  | 'bcrypt'
  /** The stored key of a SCRAM credential, which a password can be checked against as well. */
  | 'scram-sha-256'
  | 'scram-sha-512';

export interface PasswordHash {
  readonly algorithm: HashAlgorithm;
  /** argon2id: m (KiB), t, p. scrypt: ln (log2 of N), r, p. pbkdf2 and scram: i. bcrypt: cost (log2 of the rounds). One pass: none. */
  readonly parameters: Readonly<Record<string, number>>;
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
}
