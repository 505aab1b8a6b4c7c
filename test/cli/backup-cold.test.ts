/** Backups of a node whose older segments lie in an object store alone: with them, and without. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { startViewed, type ViewedNode } from '../node-view/support.ts';
import { type TestIo, testIo } from './support.ts';

const folder = mkdtempSync(join(tmpdir(), 'robustmq-cold-'));
const inFolder = (name: string): string => join(folder, name);
const OBJECTS = inFolder('objects');
const STREAM = JSON.stringify([{ name: 'cold', capture: ['s/#'], partitions: 1 }]);
const COUNT = 60;
const body = (number: number): string => `${number} `.padEnd(8000, 'x');
let node: ViewedNode;

const objects = (): string[] =>
  readdirSync(OBJECTS, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile() && each.parentPath.includes('tier'))
    .map((each) => join(each.parentPath, each.name));

beforeAll(async () => {
  node = await startViewed({
    streams: STREAM,
    'storage.object.directory': OBJECTS,
    'storage.tier.enabled': true,
    'storage.tier.localSize': 0,
    'storage.segmentSize': '64KiB',
  });
  for (let i = 0; i < COUNT; i++) {
    await node.post('/messages', { topic: 's/1', payload: body(i), qos: 1 });
  }
  await vi.waitUntil(() => objects().length >= 5 && files(join(node.folder, 'journal/main')).length <= 3, {
    timeout: 8000,
  });
});
afterAll(async () => {
  await node.stop();
  rmSync(folder, { recursive: true, force: true });
});

const files = (path: string): string[] => readdirSync(path).filter((name) => name.endsWith('.wal'));
const CONFIG = ['--set', `storage.object.directory=${OBJECTS}`, '--set', 'storage.tier.enabled=true'];

async function verb(...args: string[]): Promise<{ readonly code: number; readonly io: TestIo }> {
  const io = testIo();
  return { code: await run(args, io), io };
}

const backup = (name: string, ...args: string[]) =>
  verb('backup', inFolder(name), '--data-dir', node.folder, ...args);

it('with --with-cold is whole: it is restored and started on without the object store', async () => {
  const { code, io } = await backup('whole', '--with-cold', ...CONFIG, '-o', 'json');
  expect([code, io.errText()]).toEqual([0, expect.stringMatching(/has a backup of/)]);
  expect(JSON.parse(io.outText())).toMatchObject({ objects: 0 });
  expect(files(inFolder('whole/journal/main')).length).toBeGreaterThan(5);
  expect(existsSync(inFolder('whole/journal/main/moved'))).toBe(false);
  const restored = await verb(
    'restore',
    inFolder('whole'),
    '--data-dir',
    inFolder('again'),
    '--new-identity',
  );
  expect([restored.code, restored.io.outText()]).toEqual([0, expect.stringMatching(/is sound/)]);
  const again = await startViewed({ streams: STREAM }, inFolder('again'));
  try {
    const { body: first } = await again.get('/streams/cold/partitions/0/records?offset=0&limit=1');
    expect(JSON.stringify(first)).toContain(body(0).slice(0, 100));
    const partitions = await again.get('/streams/cold/partitions');
    expect(partitions.body.items).toMatchObject([{ startOffset: 0, endOffset: COUNT }]);
  } finally {
    await again.stop();
  }
});

it('without it says what a restore needs, and a restore looks whether it is there', async () => {
  const { code, io } = await backup('named', ...CONFIG);
  expect(code).toBe(0);
  expect(io.errText()).toMatch(/segments lie in the object store \(the directory .*objects.*--with-cold/);
  const manifest = JSON.parse(readFileSync(inFolder('named/manifest.json'), 'utf8')) as {
    objects: { key: string }[];
    objectPlace: string;
  };
  expect(manifest.objects.length).toBeGreaterThanOrEqual(5);
  expect(manifest.objectPlace).toContain(OBJECTS);
  const restore = (name: string, ...args: string[]) =>
    verb('restore', inFolder('named'), '--data-dir', inFolder(name), ...args);
  const without = await restore('one');
  expect([without.code, without.io.errText()]).toEqual([
    1,
    expect.stringMatching(/segments are not in the backup, and no object store is configured: .*objects/),
  ]);
  expect((await restore('one', '--check')).code).toBe(0);
  const within = await restore('two', '--new-identity', ...CONFIG);
  expect(within.io.errText()).toMatch(/all of them are in the directory/);
  expect([within.code, within.io.outText()]).toEqual([0, expect.stringMatching(/is sound/)]);

  const [path = ''] = objects().toSorted();
  const bytes = readFileSync(path);
  rmSync(path);
  try {
    const gone = await restore('three', ...CONFIG);
    expect([gone.code, gone.io.errText()]).toEqual([1, expect.stringMatching(/does not have tier\/main\//)]);
    expect(existsSync(join(inFolder('three'), 'format.json'))).toBe(false);
    expect((await restore('three', '--check', ...CONFIG)).code).toBe(1);
    const rest = await restore('three', '--no-verify', ...CONFIG);
    expect([rest.code, rest.io.errText()]).toEqual([0, expect.stringMatching(/does not have tier\/main\//)]);
    const cold = await backup('holey', '--with-cold', ...CONFIG);
    expect([cold.code, cold.io.errText()]).toEqual([1, expect.stringMatching(/object store does not have/)]);
    writeFileSync(path, bytes.fill(0, 500, 600));
    const changed = await backup('changed', '--with-cold', ...CONFIG);
    expect([changed.code, changed.io.errText()]).toEqual([
      1,
      expect.stringMatching(/is not what was written/),
    ]);
    expect(existsSync(inFolder('changed/INCOMPLETE'))).toBe(true);
  } finally {
    writeFileSync(path, bytes);
  }
});

it('needs the configuration of the store to copy from it', async () => {
  const { code, io } = await backup('lost', '--with-cold');
  expect([code, io.errText()]).toEqual([2, expect.stringMatching(/give its configuration/)]);
});
