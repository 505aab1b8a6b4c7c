/** What the settings keep of a user, as bytes. No password is among it, and nothing that logs in. */
import { ByteReader, ByteWriter } from '../../kernel/binary.ts';
import { formatPhc, type PasswordHash, parsePhc } from '../passwords/password-hash.ts';
import { type ScramCredential, type ScramMechanism, scramMechanisms } from '../scram/scram.ts';

export interface UserRecord {
  readonly tenant: string;
  readonly roles: readonly string[];
  readonly isSuperuser: boolean;
  readonly isDisabled: boolean;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
  /** Counts changes of what logs in; not those of how it is kept. */
  readonly credentialVersion: number;
  readonly passwordHash: PasswordHash | undefined;
  /** In the order in which they were set: the last one is the newest. */
  readonly scram: ReadonlyMap<ScramMechanism, ScramCredential>;
}

const VERSION = 1;
const SUPERUSER = 1;
const DISABLED = 2;

export function encodeUser(user: UserRecord): Uint8Array {
  const { passwordHash, roles, scram } = user;
  const to = new ByteWriter(512)
    .u8(VERSION)
    .u8((user.isSuperuser ? SUPERUSER : 0) | (user.isDisabled ? DISABLED : 0))
    .text(user.tenant)
    .uint(user.createdAtMs)
    .uint(user.changedAtMs)
    .uint(user.credentialVersion)
    .text(passwordHash === undefined ? '' : formatPhc(passwordHash))
    .uint(roles.length);
  for (const role of roles) to.text(role);
  to.uint(scram.size);
  for (const [mechanism, { salt, iterations, storedKey, serverKey }] of scram) {
    to.u8(scramMechanisms.indexOf(mechanism)).uint(iterations).bytes(salt).bytes(storedKey).bytes(serverKey);
  }
  return to.finish();
}

/** Throws when the bytes are not such a record: a user who cannot be read must not be one who is not there. */
export function decodeUser(bytes: Uint8Array): UserRecord {
  const from = new ByteReader(bytes);
  const version = from.u8();
  const flags = from.u8();
  const tenant = from.text();
  const createdAtMs = from.uint();
  const changedAtMs = from.uint();
  const credentialVersion = from.uint();
  const phc = from.text();
  const passwordHash = phc === '' ? undefined : parsePhc(phc);
  const roles = Array.from({ length: from.count() }, () => from.text());
  const scram = new Map<ScramMechanism, ScramCredential>();
  for (let left = from.count(5); left > 0; left--) {
    const mechanism = from.oneOf(scramMechanisms);
    const iterations = from.uint();
    scram.set(mechanism, {
      iterations,
      salt: from.bytes(),
      storedKey: from.bytes(),
      serverKey: from.bytes(),
    });
  }
  const isRead = version === VERSION && from.isComplete && (phc === '' || passwordHash !== undefined);
  if (!isRead) throw new Error('a stored user cannot be read');
  return {
    tenant,
    roles,
    isSuperuser: (flags & SUPERUSER) !== 0,
    isDisabled: (flags & DISABLED) !== 0,
    createdAtMs,
    changedAtMs,
    credentialVersion,
    passwordHash,
    scram,
  };
}
