import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { initialAdministrator } from '../../../src/security/access/initial-administrator.ts';
import { Secret } from '../../../src/security/secret.ts';
import { bytes, type UserBench, userBench } from '../support.ts';

let dataDir = '';
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'administrator-'));
});
afterEach(async () => {
  await rm(dataDir, { recursive: true });
});

async function start({ users, settings }: UserBench, environment: Record<string, string> = {}) {
  const printed: string[] = [];
  const warnings: object[] = [];
  const isMade = await initialAdministrator({
    users,
    settings,
    dataDir,
    environment,
    print: (text) => void printed.push(text),
    log: { warn: (fields) => void warnings.push(fields) },
  });
  return { isMade, printed, warnings };
}

describe('the first administrator', () => {
  it('has a random password that is printed once and lies where only its owner reads it', async () => {
    const bench = userBench();
    const { isMade, printed } = await start(bench);
    expect(isMade).toBe(true);
    const path = join(dataDir, 'initial-admin');
    const password = (await readFile(path, 'utf8')).trim();
    expect(password).toMatch(/^\w{24}$/);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(printed).toHaveLength(1);
    expect(printed[0]).toContain(password);
    expect(bench.users.get('admin')).toMatchObject({ isSuperuser: true, roles: ['admin'] });
    expect(await bench.users.checkPassword('admin', bytes(password))).toBe('right');
    const another = userBench();
    await start(another);
    expect(await another.users.checkPassword('admin', bytes(password))).toBe('wrong');
  });

  it('is made once: not at the next start, and not when it was deleted', async () => {
    const bench = userBench();
    await start(bench);
    const again = await bench.restarted();
    expect(await start(again)).toEqual({ isMade: false, printed: [], warnings: [] });
    await again.users.delete('admin');
    expect(await start(again)).toEqual({ isMade: false, printed: [], warnings: [] });
    expect(again.users.get('admin')).toBeUndefined();
  });

  it('has its file removed when its password is changed', async () => {
    const bench = userBench();
    await start(bench);
    await bench.users.setPassword('admin', new Secret('another password'));
    await expect.poll(() => readdir(dataDir)).toEqual([]);
  });

  it('has the password of the environment, or of a file that it names; nothing is printed or left', async () => {
    const bench = userBench();
    const { printed } = await start(bench, { ROBUSTMQ_ADMIN_PASSWORD: 'from the environment' });
    expect(printed).toEqual([]);
    expect(await bench.users.checkPassword('admin', bytes('from the environment'))).toBe('right');
    expect(await readdir(dataDir)).toEqual([]);
    const path = join(dataDir, 'secret');
    await writeFile(path, 'from a file\n');
    const other = userBench();
    await start(other, { ROBUSTMQ_ADMIN_PASSWORD_FILE: path });
    expect(await other.users.checkPassword('admin', bytes('from a file'))).toBe('right');
  });

  it('keeps its password when the environment has another later, and that is said', async () => {
    const bench = userBench();
    await start(bench, { ROBUSTMQ_ADMIN_PASSWORD: 'the first password' });
    const { isMade, warnings } = await start(bench, { ROBUSTMQ_ADMIN_PASSWORD: 'another password' });
    expect(isMade).toBe(false);
    expect(warnings).toEqual([{ variable: 'ROBUSTMQ_ADMIN_PASSWORD' }]);
    expect(await bench.users.checkPassword('admin', bytes('another password'))).toBe('wrong');
  });

  it('stops the start when it cannot be made', async () => {
    const path = join(dataDir, 'missing');
    for (const environment of [
      { ROBUSTMQ_ADMIN_PASSWORD: 'short' },
      { ROBUSTMQ_ADMIN_PASSWORD: '' },
      { ROBUSTMQ_ADMIN_PASSWORD: 'password' },
      { ROBUSTMQ_ADMIN_PASSWORD_FILE: path },
      { ROBUSTMQ_ADMIN_PASSWORD: 'long enough', ROBUSTMQ_ADMIN_PASSWORD_FILE: path },
    ]) {
      const bench = userBench();
      await expect(start(bench, environment)).rejects.toThrow(/administrator|cannot be read|both set/);
      expect(bench.users.get('admin')).toBeUndefined();
      expect(await readdir(dataDir)).toEqual([]);
    }
  });
});
