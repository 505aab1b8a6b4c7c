/** backup, restore, export and import as verbs, against a node in this process. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backup } from '../../src/cli/backup.ts';
import { run } from '../../src/cli/program.ts';
import type { Disk } from '../../src/storage/disk/disk.ts';
import { nodeDisk } from '../../src/storage/disk/node-disk.ts';
import { startViewed, type ViewedNode } from '../node-view/support.ts';
import { type TestIo, testIo } from './support.ts';

const folder = mkdtempSync(join(tmpdir(), 'robustmq-verbs-'));
let node: ViewedNode;

beforeAll(async () => {
  node = await startViewed({ 'listeners.kafka.enabled': false });
  for (const name of ['anna', 'berta']) {
    await node.post('/users', { name, password: 'a rather good one', roles: ['viewer'] });
  }
  await node.post('/messages', { topic: 'kept/here', payload: 'on', retain: true });
});
afterAll(async () => {
  await node.stop();
  rmSync(folder, { recursive: true, force: true });
});

const inFolder = (name: string): string => join(folder, name);

async function verb(...args: string[]): Promise<{ readonly code: number; readonly io: TestIo }> {
  const io = testIo();
  return { code: await run([...args, '--data-dir', node.folder], io), io };
}

const withDisk = (target: string, disk: Disk, io = testIo()): Promise<number> =>
  backup(target, { dataDir: node.folder, set: [], output: 'table', link: true }, io, disk);

describe('backup and restore', () => {
  it('make a folder for its owner, and a data directory of it that verifies', async () => {
    const target = inFolder('one');
    const { code, io } = await verb('backup', target, '-o', 'json');
    expect([code, JSON.parse(io.outText())]).toMatchObject([0, { directory: target, objects: 0 }]);
    expect(io.errText()).toMatch(/has a backup of .* in \d+ files/);
    expect(statSync(target).mode & 0o777).toBe(0o700);
    expect(existsSync(join(target, 'INCOMPLETE'))).toBe(false);
    const restored = testIo();
    const args = ['restore', target, '--data-dir', inFolder('restored'), '--new-identity'];
    expect(await run(args, restored)).toBe(0);
    expect(restored.outText()).toMatch(/is sound/);
    const idIn = (path: string): string => readFileSync(join(path, 'node.json'), 'utf8');
    expect(idIn(inFolder('restored'))).not.toBe(idIn(node.folder));
    const again = testIo();
    expect(await run(args, again)).toBe(1);
    expect(again.errText()).toMatch(/is not empty/);
  });

  it('refuse what cannot be, with a word why', async () => {
    const used = inFolder('used');
    expect((await verb('backup', used)).code).toBe(0);
    const twice = await verb('backup', used);
    expect([twice.code, twice.io.errText()]).toEqual([2, expect.stringMatching(/is not empty/)]);
    const inside = await verb('backup', join(node.folder, 'backup'));
    expect([inside.code, inside.io.errText()]).toEqual([
      2,
      expect.stringMatching(/cannot lie in the data directory/),
    ]);
    const remote = testIo();
    expect(await run(['backup', inFolder('remote'), '--url', 'http://127.0.0.1:1'], remote)).toBe(2);
    expect(remote.errText()).toMatch(/on the machine of the broker/);
    const nothing = testIo();
    expect(await run(['restore', folder, '--check'], nothing)).toBe(1);
    expect(nothing.errText()).toMatch(/is no backup/);
    const nobody = testIo();
    expect(await run(['backup', inFolder('nobody'), '--data-dir', inFolder('none')], nobody)).toBe(5);
  });

  it('say that they are incomplete when the disk is full or somebody interrupts, and let the broker go on', async () => {
    const full: Disk = {
      ...nodeDisk,
      async open(path, mode) {
        if (mode === 'create' && path.includes('/full/journal')) {
          throw Object.assign(new Error('ENOSPC: no space'), { code: 'ENOSPC' });
        }
        return nodeDisk.open(path, mode);
      },
      link: () => Promise.reject(Object.assign(new Error('EXDEV'), { code: 'EXDEV' })),
    };
    await expect(withDisk(inFolder('full'), full)).rejects.toThrow(
      /is incomplete and cannot be restored: no space left/,
    );
    const io = testIo();
    const interrupting: Disk = {
      ...nodeDisk,
      async open(path, mode) {
        if (path.includes('/interrupted/journal')) io.signal('SIGINT');
        return nodeDisk.open(path, mode);
      },
      link: full.link,
    };
    await expect(withDisk(inFolder('interrupted'), interrupting, io)).rejects.toThrow(/interrupted/);
    for (const name of ['full', 'interrupted']) {
      expect(existsSync(join(inFolder(name), 'INCOMPLETE'))).toBe(true);
      const checked = testIo();
      expect(await run(['restore', inFolder(name), '--check'], checked)).toBe(1);
      expect(checked.errText()).toMatch(/incomplete/);
    }
    // Nothing is held for them any longer.
    expect((await verb('backup', inFolder('after'))).code).toBe(0);
  });
});

describe('export and import', () => {
  it('write a file for its owner, and take it in again', async () => {
    const file = inFolder('definitions.json');
    const written = await verb('export', file);
    expect([written.code, written.io.errText()]).toEqual([
      0,
      `${file} has 2 users, 0 roles, 0 apiKeys, 0 bans\n`,
    ]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const { io } = await verb('export', '--only', 'users');
    const document = JSON.parse(io.outText()) as { users: Record<string, unknown>[] };
    expect(document.users.length).toBe(2);
    const same = await verb('import', file);
    expect([same.code, same.io.errText()]).toEqual([0, 'same: 2\n']);
    writeFileSync(file, JSON.stringify({ ...document, users: [{ ...document.users[0], isDisabled: true }] }));
    const dry = await verb('import', file, '--dry-run');
    expect(dry.code).toBe(1);
    expect(dry.io.outText()).toMatch(/conflict +users +anna +it is there, and different/);
    expect(dry.io.errText()).toMatch(/conflict: 1; nothing was changed/);
    const refused = await verb('import', file);
    expect([refused.code, refused.io.errText()]).toEqual([
      1,
      expect.stringMatching(/nothing was changed: users "anna"/),
    ]);
    const replaced = await verb('import', file, '--on-conflict', 'replace', '-o', 'json');
    expect([replaced.code, JSON.parse(replaced.io.outText())]).toMatchObject([0, { isApplied: true }]);
    expect((await node.get('/users/anna')).body.isDisabled).toBe(true);
  });

  it('refuse what is no document', async () => {
    const file = inFolder('wrong.json');
    writeFileSync(file, 'users: []');
    const wrong = await verb('import', file);
    expect([wrong.code, wrong.io.errText()]).toEqual([2, expect.stringMatching(/is not JSON/)]);
    writeFileSync(file, '{"format":"robustmq-definitions","version":9}');
    const unknown = await verb('import', file);
    expect([unknown.code, unknown.io.errText()]).toEqual([2, expect.stringMatching(/version is 9/)]);
  });
});
