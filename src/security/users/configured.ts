/**
 * Users whose password stands in the configuration. What is checked against is derived when it is first asked for: a
 * thousand of them must not delay the start.
 */
import type { Passwords } from '../passwords/passwords.ts';
import { deriveCredential, newSalt, type ScramCredential, type ScramMechanism } from '../scram/scram.ts';
import { Secret } from '../secret.ts';

export interface ConfiguredUser {
  readonly name: string;
  readonly password: string;
}

export interface ConfiguredUsers {
  has(name: string): boolean;
  names(): Iterable<string>;
  /** undefined: there is no such user. */
  credential(mechanism: ScramMechanism, name: string): Promise<ScramCredential | 'busy' | undefined>;
}

export function createConfiguredUsers(
  users: readonly ConfiguredUser[],
  passwords: Passwords,
  iterations: number,
): ConfiguredUsers {
  const secrets = new Map(users.map(({ name, password }) => [name, new Secret(password)]));
  const derived = new Map<string, Promise<ScramCredential | 'busy'>>();

  return {
    has: (name) => secrets.has(name),
    names: () => secrets.keys(),
    async credential(mechanism, name) {
      const secret = secrets.get(name);
      if (secret === undefined) return undefined;
      const key = `${mechanism} ${name}`;
      const known = derived.get(key);
      if (known !== undefined) return known;
      const made = passwords.slowly(() =>
        deriveCredential(mechanism, secret.reveal(), newSalt(), iterations),
      );
      derived.set(key, made);
      const credential = await made;
      if (credential === 'busy') derived.delete(key);
      return credential;
    },
  };
}
