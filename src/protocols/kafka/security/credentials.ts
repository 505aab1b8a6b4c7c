/**
 * Credentials of users: those of the configuration, and those that administrators set while the broker runs. What is kept
 * of a password is salted. Deriving is slow on purpose: it is done one at a time, off the event loop, and when too many wait
 * the next is refused, so that a flood of log-ins does not take the threads that write the journal.
 */
import { createHmac, pbkdf2, randomBytes } from 'node:crypto';
import { ByteReader, ByteWriter } from '../../../kernel/binary.ts';
import type { Edit, Settings } from '../../../kernel/settings-table.ts';
import {
  credentialOf,
  digestBytes,
  digestOf,
  isSame,
  MIN_ITERATIONS,
  type ScramCredential,
  type ScramMechanism,
} from './scram.ts';
import { SettingKind } from './setting-kinds.ts';

export interface ConfiguredUser {
  readonly name: string;
  readonly password: string;
}

export interface Credentials {
  /** Of somebody unknown: one that looks like any other, and that no password fits. */
  scram(mechanism: ScramMechanism, user: string): Promise<ScramCredential | 'busy'>;
  isRight(user: string, password: string): Promise<boolean | 'busy'>;
  /** Those that were set, by user. */
  list(): ReadonlyMap<string, ReadonlyMap<ScramMechanism, ScramCredential>>;
}

const VERSION = 1;
const SALT_BYTES = 20;
const MAX_WAITING = 1024;

export const mechanisms: readonly ScramMechanism[] = ['SCRAM-SHA-256', 'SCRAM-SHA-512'];

/** One edit of the settings; undefined removes the credential. */
export function credentialEdit(
  user: string,
  mechanism: ScramMechanism,
  credential: ScramCredential | undefined,
): Edit {
  const name = `${mechanism} ${user}`;
  if (credential === undefined) return { kind: SettingKind.Scram, name, value: undefined };
  const { salt, iterations, storedKey, serverKey } = credential;
  const to = new ByteWriter(256).u8(VERSION).uint(iterations).bytes(salt).bytes(storedKey).bytes(serverKey);
  return { kind: SettingKind.Scram, name, value: to.finish() };
}

function readCredential(bytes: Uint8Array): ScramCredential {
  const from = new ByteReader(bytes);
  const version = from.u8();
  const iterations = from.uint();
  const credential = { iterations, salt: from.bytes(), storedKey: from.bytes(), serverKey: from.bytes() };
  if (version !== VERSION || !from.isComplete) throw new Error('a stored credential cannot be read');
  return credential;
}

export function createCredentials(users: readonly ConfiguredUser[], settings: Settings): Credentials {
  const configured = new Map(users.map(({ name, password }) => [name, password]));
  const derived = new Map<string, Promise<ScramCredential | 'busy'>>();
  const stored = new Map<string, Map<ScramMechanism, ScramCredential>>();
  /** Of this process: what somebody unknown is given is the same for as long as it runs. */
  const secret = randomBytes(32);
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;

  settings.watch(SettingKind.Scram, (name, value) => {
    const space = name.indexOf(' ');
    const mechanism = name.slice(0, space) as ScramMechanism;
    const user = name.slice(space + 1);
    const known = stored.get(user) ?? new Map<ScramMechanism, ScramCredential>();
    if (value === undefined) known.delete(mechanism);
    else known.set(mechanism, readCredential(value));
    if (known.size === 0) stored.delete(user);
    else stored.set(user, known);
  });

  const derive = (
    mechanism: ScramMechanism,
    password: string,
    salt: Uint8Array,
    iterations: number,
  ): Promise<ScramCredential | 'busy'> => {
    if (waiting >= MAX_WAITING) return Promise.resolve('busy');
    waiting++;
    const result = last.then(
      () =>
        new Promise<ScramCredential>((resolve, reject) => {
          pbkdf2(password, salt, iterations, digestBytes(mechanism), digestOf(mechanism), (error, salted) => {
            waiting--;
            if (error !== null) reject(error);
            else resolve(credentialOf(mechanism, salt, iterations, salted));
          });
        }),
    );
    last = result.catch(() => {});
    return result;
  };

  const nobody = (mechanism: ScramMechanism, user: string): ScramCredential => {
    const made = (what: string, bytes: number): Uint8Array =>
      createHmac('sha512', secret).update(`${what} ${mechanism} ${user}`).digest().subarray(0, bytes);
    const keyBytes = digestBytes(mechanism);
    return {
      salt: made('salt', SALT_BYTES),
      iterations: MIN_ITERATIONS,
      storedKey: made('stored', keyBytes),
      serverKey: made('server', keyBytes),
    };
  };

  const ofConfigured = async (
    mechanism: ScramMechanism,
    user: string,
    password: string,
  ): Promise<ScramCredential | 'busy'> => {
    const key = `${mechanism} ${user}`;
    const known = derived.get(key);
    if (known !== undefined) return known;
    const made = derive(mechanism, password, randomBytes(SALT_BYTES), MIN_ITERATIONS);
    derived.set(key, made);
    const credential = await made;
    if (credential === 'busy') derived.delete(key);
    return credential;
  };

  const scram = async (mechanism: ScramMechanism, user: string): Promise<ScramCredential | 'busy'> => {
    const password = configured.get(user);
    if (password !== undefined) return ofConfigured(mechanism, user, password);
    return stored.get(user)?.get(mechanism) ?? nobody(mechanism, user);
  };

  return {
    scram,
    async isRight(user, password) {
      const own = stored.get(user);
      const mechanism = mechanisms.find((each) => own?.has(each)) ?? 'SCRAM-SHA-256';
      const credential = await scram(mechanism, user);
      if (credential === 'busy') return 'busy';
      const tried = await derive(mechanism, password, credential.salt, credential.iterations);
      if (tried === 'busy') return 'busy';
      return isSame(tried.storedKey, credential.storedKey);
    },
    list: () => stored,
  };
}
