/**
 * The first administrator: there is no password that everybody knows. A node without one makes `admin` with a random password,
 * prints it once and leaves it in a file that only its owner can read until it is changed; or takes the one that the
 * environment gives. Once that was done it is never done again, also where the user is deleted.
 */
import { randomInt } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Settings } from '../../kernel/settings-table.ts';
import { Secret } from '../secret.ts';
import { SettingKind } from '../setting-kinds.ts';
import type { Users } from '../users/users.ts';

export interface InitialAdministratorOptions {
  readonly users: Users;
  readonly settings: Settings;
  /** None: the password is only printed. */
  readonly dataDir: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** To people, not to the log. */
  readonly print: (text: string) => void;
  readonly log: { warn(fields: object, message: string): void };
}

export const ADMINISTRATOR = 'admin';
export const ADMINISTRATOR_ROLE = 'admin';
const PASSWORD = 'ROBUSTMQ_ADMIN_PASSWORD';
const PASSWORD_FILE = 'ROBUSTMQ_ADMIN_PASSWORD_FILE';
const MADE = 'administrator';
const FILE = 'initial-admin';
/** Without what looks like something else. */
const ALPHABET = 'abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const LENGTH = 24;

const randomPassword = (): string =>
  Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');

async function fromEnvironment(
  environment: InitialAdministratorOptions['environment'],
): Promise<string | undefined> {
  const { [PASSWORD]: password, [PASSWORD_FILE]: path } = environment;
  if (password !== undefined && path !== undefined) {
    throw new Error(`${PASSWORD} and ${PASSWORD_FILE} are both set: set one`);
  }
  if (path === undefined) return password;
  try {
    return (await readFile(path, 'utf8')).replace(/\r?\n$/, '');
  } catch (error) {
    throw new Error(`${PASSWORD_FILE} cannot be read: ${(error as Error).message}`);
  }
}

/** Whether it was made now. Rejects when it could not be: a node that nobody can administer must not look ready. */
export async function initialAdministrator(options: InitialAdministratorOptions): Promise<boolean> {
  const { users, settings, dataDir, environment, print, log } = options;
  const file = dataDir === undefined ? undefined : join(dataDir, FILE);
  users.onChange((userName, change) => {
    if (userName !== ADMINISTRATOR || file === undefined) return;
    if (change === 'credential' || change === 'deleted') rm(file, { force: true }).catch(() => {});
  });
  if (settings.get(SettingKind.Secret, MADE) !== undefined || users.get(ADMINISTRATOR) !== undefined) {
    if (environment[PASSWORD] !== undefined || environment[PASSWORD_FILE] !== undefined) {
      log.warn(
        { variable: environment[PASSWORD] === undefined ? PASSWORD_FILE : PASSWORD },
        'the password of the first administrator is ignored: there has been one already',
      );
    }
    return false;
  }
  const given = await fromEnvironment(environment);
  const password = given ?? randomPassword();
  if (given === undefined && file !== undefined) {
    await rm(file, { force: true });
    await writeFile(file, `${password}\n`, { mode: 0o600, flag: 'wx' });
  }
  const outcome = await users.create({
    name: ADMINISTRATOR,
    password: new Secret(password),
    roles: [ADMINISTRATOR_ROLE],
    isSuperuser: true,
  });
  if (!outcome.isDone) {
    if (file !== undefined) await rm(file, { force: true });
    throw new Error(`the first administrator cannot be made: ${outcome.reason}`);
  }
  await settings.change(() => [{ kind: SettingKind.Secret, name: MADE, value: Uint8Array.of(1) }]);
  if (given === undefined) {
    const where = file === undefined ? '' : `\n  It is in ${file} until it is changed.`;
    print(`\n  First administrator: ${ADMINISTRATOR}\n  Password: ${password}${where}\n\n`);
  }
  return true;
}
