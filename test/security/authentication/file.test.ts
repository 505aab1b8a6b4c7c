import { spawnSync } from 'node:child_process';
import { randomBytes, scryptSync } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Authenticator } from '../../../src/security/authentication/authenticator.ts';
import { openFileAuthenticator, parsePasswordFile } from '../../../src/security/authentication/file.ts';
import { formatPhc } from '../../../src/security/passwords/password-hash.ts';
import { userBench, withPassword } from '../support.ts';

let directory = '';
let path = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'password-file-'));
  path = join(directory, 'users');
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

function line(name: string, password: string): string {
  const salt = randomBytes(16);
  const hash = scryptSync(password, salt, 32, { N: 16, r: 8, p: 1 });
  return `${name}:${formatPhc({ algorithm: 'scrypt', parameters: { ln: 4, r: 8, p: 1 }, salt, hash })}\n`;
}

const events: string[] = [];
const open = (): Promise<Authenticator> => {
  events.length = 0;
  return openFileAuthenticator({
    path,
    passwords: userBench().passwords,
    onChange: (name, change) => events.push(`${name} ${change}`),
  });
};
const kindOf = async (authenticator: Authenticator, name: string, password: string): Promise<string> =>
  (await authenticator.authenticate(withPassword(name, password), new AbortController().signal)).kind;

describe('a password file', () => {
  it('lets in its users, refuses wrong passwords, and leaves others to others', async () => {
    await writeFile(path, `# people\n\n${line('alice', 'wonderland')}${line('bob', 'builder')}`);
    const file = await open();
    expect(await kindOf(file, 'alice', 'wonderland')).toBe('let-in');
    expect(await kindOf(file, 'alice', 'builder')).toBe('refuse');
    expect(await kindOf(file, 'eve', 'wonderland')).toBe('not-mine');
    expect(await kindOf(file, 'alice', '')).toBe('not-mine');
  });

  it('is read again when it is told to, and says whose password is another now', async () => {
    const alice = line('alice', 'wonderland');
    await writeFile(path, alice + line('bob', 'builder') + line('carol', 'carrot'));
    const file = await open();
    await writeFile(path, alice + line('bob', 'painter') + line('dave', 'digger'));
    expect(await file.reload?.()).toBeUndefined();
    expect(events.toSorted()).toEqual(['bob credential', 'carol deleted']);
    expect(await kindOf(file, 'bob', 'builder')).toBe('refuse');
    expect(await kindOf(file, 'bob', 'painter')).toBe('let-in');
    expect(await kindOf(file, 'dave', 'digger')).toBe('let-in');
    expect(await kindOf(file, 'carol', 'carrot')).toBe('not-mine');
  });

  const broken: [string, () => Promise<unknown>][] = [
    ['is missing', () => rm(path, { force: true })],
    ['is empty', () => writeFile(path, '')],
    ['has comments alone', () => writeFile(path, '# nobody\n\n')],
    ['has a line without a hash', () => writeFile(path, `${line('alice', 'wonderland')}bob\n`)],
    ['has a password that is not hashed', () => writeFile(path, 'bob:hunter2\n')],
    ['has a line without a name', () => writeFile(path, line('', 'x'))],
    ['has a user twice', () => writeFile(path, line('a', 'x') + line('a', 'y'))],
    ['has a line that is cut', () => writeFile(path, line('alice', 'wonderland').slice(0, -30))],
    ['is no text', () => writeFile(path, Buffer.from([0xff, 0xfe, 0x3a]))],
    [
      'is a directory',
      async () => {
        path = directory;
      },
    ],
    ['cannot be read', () => writeFile(path, line('a', 'x')).then(() => chmod(path, 0))],
  ];
  it.each(broken)(
    'ops 35: that %s stops the start, and stays without effect later',
    async (what, breakIt) => {
      // Who may read everything cannot be kept from it.
      if (what === 'cannot be read' && process.getuid?.() === 0) return;
      await writeFile(path, line('alice', 'wonderland'));
      const file = await open();
      const before = path;
      await breakIt();
      await expect(open()).rejects.toThrow(/password file .* cannot be used/);
      await expect(open()).rejects.not.toThrow(/hunter2|\$scrypt/);
      if (path !== before) return;
      const fault = await file.reload?.();
      expect(fault).toContain('the users read before stay');
      expect(fault).not.toMatch(/hunter2|scrypt/);
      expect(await kindOf(file, 'alice', 'wonderland')).toBe('let-in');
      expect(await kindOf(file, 'alice', 'x')).toBe('refuse');
      expect(await kindOf(file, 'bob', 'hunter2')).toBe('not-mine');
      expect(events).toEqual([]);
    },
  );

  it('may have the ends of lines of another system', () => {
    expect([...parsePasswordFile(line('alice', 'x').replace('\n', '\r\n')).keys()]).toEqual(['alice']);
  });

  const hasTool = spawnSync('mosquitto_passwd', ['-h']).error === undefined;
  it.skipIf(!hasTool)('may be one that mosquitto_passwd has written', async () => {
    for (const [name, password, create] of [
      ['alice', 'wonderland', ['-c']],
      ['bob', 'builder', []],
    ] as const) {
      const { status, stderr } = spawnSync('mosquitto_passwd', [...create, '-b', path, name, password]);
      expect([status, String(stderr)]).toEqual([0, expect.any(String)]);
    }
    const file = await open();
    expect(await kindOf(file, 'alice', 'wonderland')).toBe('let-in');
    expect(await kindOf(file, 'bob', 'builder')).toBe('let-in');
    expect(await kindOf(file, 'bob', 'wonderland')).toBe('refuse');
  });
});
