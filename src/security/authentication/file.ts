/**
 * A password file: lines `name:hash`, as `mosquitto_passwd` writes them (`$7$`, `$6$`, its argon2id) or with PHC strings.
 * Missing, empty, unreadable or with a line that is none, it stops the start; when it is read again, what was there before
 * stays. It is never taken for a file without users.
 */
import { open } from 'node:fs/promises';
import { type PasswordHash, parsePasswordHash } from '../passwords/password-hash.ts';
import type { Passwords } from '../passwords/passwords.ts';
import { MAX_PASSWORD_BYTES } from '../passwords/policy.ts';
import { nameFault } from '../users/faults.ts';
import { type Authenticator, letIn, notMine, refuse } from './authenticator.ts';

export type PasswordFileUsers = ReadonlyMap<string, PasswordHash>;

const MAX_FILE_BYTES = 16 * 1024 * 1024;
const MAX_USERS = 100_000;
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Throws with the number of the line, never with what stands in it. */
export function parsePasswordFile(text: string): PasswordFileUsers {
  const users = new Map<string, PasswordHash>();
  text.split('\n').forEach((raw, index) => {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (line === '' || line.startsWith('#')) return;
    const fault = (what: string): Error => new Error(`line ${index + 1}: ${what}`);
    const colon = line.indexOf(':');
    if (colon < 0) throw fault('no colon between a name and a hash');
    const name = line.slice(0, colon);
    const wrong = nameFault(name);
    if (wrong !== undefined) throw fault(wrong);
    if (users.has(name)) throw fault('a name that was there before');
    const hash = parsePasswordHash(line.slice(colon + 1));
    if (hash === undefined) throw fault('not a hash of a password that is known here');
    if (users.size >= MAX_USERS) throw fault(`more than ${MAX_USERS} users`);
    users.set(name, hash);
  });
  if (users.size === 0) throw new Error('there is no user in it');
  return users;
}

async function readPasswordFile(path: string): Promise<PasswordFileUsers> {
  const file = await open(path);
  try {
    const status = await file.stat();
    if (!status.isFile()) throw new Error('it is not a regular file');
    if (status.size > MAX_FILE_BYTES) throw new Error(`it has more than ${MAX_FILE_BYTES} bytes`);
    return parsePasswordFile(decoder.decode(await file.readFile()));
  } finally {
    await file.close();
  }
}

const isSameHash = (a: PasswordHash, b: PasswordHash): boolean =>
  Buffer.compare(a.hash, b.hash) === 0 && Buffer.compare(a.salt, b.salt) === 0;

export interface FileOptions {
  readonly path: string;
  readonly passwords: Passwords;
  /** Of users who are gone, or have another password, when it was read again. */
  readonly onChange: (userName: string, change: 'credential' | 'deleted') => void;
}

/** Rejects when there is no file to go by. */
export async function openFileAuthenticator(options: FileOptions): Promise<Authenticator> {
  const { path, passwords, onChange } = options;
  const read = async (): Promise<PasswordFileUsers> => {
    try {
      return await readPasswordFile(path);
    } catch (error) {
      throw new Error(`the password file ${path} cannot be used: ${(error as Error).message}`);
    }
  };
  let users = await read();

  return {
    name: 'file',
    async authenticate({ userName, password }) {
      if (userName === undefined || password === undefined || password.length === 0) return notMine;
      if (password.length > MAX_PASSWORD_BYTES) return notMine;
      const hash = users.get(userName);
      const checked = await passwords.check(hash, password);
      if (checked === 'busy') return refuse('busy', 'too many passwords are being hashed');
      if (checked === 'unsupported') return refuse('unavailable', 'its hash needs a later Node');
      if (hash === undefined) return notMine;
      const now = users.get(userName);
      if (now === undefined || !isSameHash(now, hash)) {
        return refuse('bad-credentials', 'the file has changed meanwhile');
      }
      return checked === 'right' ? letIn({ userName }) : refuse('bad-credentials', 'a wrong password');
    },
    async reload() {
      let now: PasswordFileUsers;
      try {
        now = await read();
      } catch (error) {
        return `${(error as Error).message}; the users read before stay`;
      }
      const before = users;
      users = now;
      for (const [name, hash] of before) {
        const next = now.get(name);
        if (next === undefined) onChange(name, 'deleted');
        else if (!isSameHash(hash, next)) onChange(name, 'credential');
      }
      return undefined;
    },
  };
}
