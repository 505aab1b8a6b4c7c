import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type DataDirectory,
  DataDirectoryError,
  type DataDirectoryOptions,
  openDataDirectory,
} from '../../../src/storage/data-directory/data-directory.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'robustmq-data-'));
  path = join(folder, 'data');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function refusal(options?: DataDirectoryOptions): Promise<DataDirectoryError> {
  const outcome = await openDataDirectory(path, options).catch((error: unknown) => error);
  if (outcome instanceof DataDirectoryError) return outcome;
  throw new Error(`expected a DataDirectoryError, got ${String(outcome)}`);
}

async function createOnce(): Promise<string> {
  const data = await openDataDirectory(path);
  await data.close();
  return data.nodeId;
}

describe('a data directory', () => {
  it('has its folders and keeps its identity', async () => {
    const data = await openDataDirectory(path);
    expect(readdirSync(path).sort()).toEqual([
      'audit',
      'format.json',
      'journal',
      'lock',
      'meta',
      'node.json',
      'views',
    ]);
    expect(data.nodeId).toMatch(/^[0-9a-f-]{36}$/);
    await data.close();
    expect(await createOnce()).toBe(data.nodeId);
  });

  it('is refused with an unknown version, and nothing in it changes', async () => {
    await createOnce();
    writeFileSync(join(path, 'format.json'), '{"version":7}\n');
    const { reason, message } = await refusal();
    expect(reason).toBe('format');
    expect(message).toContain('format version 7');
    expect(readFileSync(join(path, 'format.json'), 'utf8')).toBe('{"version":7}\n');
  });

  it.each(['', 'null', '{', '{"nodeId":1}'])('is refused with the damaged identity %j', async (text) => {
    await createOnce();
    writeFileSync(join(path, 'node.json'), text);
    expect((await refusal()).reason).toBe('damaged');
  });

  it('is not made of a directory that has something else under its names', async () => {
    mkdirSync(join(path, 'journal'), { recursive: true });
    writeFileSync(join(path, 'journal', 'letter.txt'), 'x');
    const { reason, message } = await refusal();
    expect(reason).toBe('damaged');
    expect(message).toContain('journal/');
  });

  it('is completed when its creation was cut short', async () => {
    mkdirSync(join(path, 'journal'), { recursive: true });
    writeFileSync(join(path, 'format.json.tmp'), '{"ver');
    await createOnce();
    expect(readFileSync(join(path, 'format.json'), 'utf8')).toBe('{"version":1}\n');
  });

  it('says so when a tool is to look at one that does not exist, and creates nothing', async () => {
    expect((await refusal({ mustExist: true })).reason).toBe('missing');
    mkdirSync(path);
    expect((await refusal({ mustExist: true })).reason).toBe('missing');
    expect(readdirSync(path)).toEqual([]);
  });

  it('names the path when the system refuses', async () => {
    writeFileSync(path, 'a file');
    const { reason, message } = await refusal();
    expect(reason).toBe('system');
    expect(message).toContain(path);
  });

  it('has a control socket that can be used however deep the directory lies', async () => {
    path = join(folder, ...Array.from({ length: 12 }, () => 'a-rather-long-name'), 'data');
    const data = await openDataDirectory(path);
    const server = net.createServer((socket) => socket.end('hello')).listen(data.controlSocket);
    await once(server, 'listening');
    expect(readdirSync(path)).toContain('control.sock');
    const [answer] = await once(net.connect(data.controlSocket), 'data');
    expect(String(answer)).toBe('hello');
    await new Promise((resolve) => server.close(resolve));
    await data.close();
  });
});

describe('the lock', () => {
  it('lets one in and names the process that has it', async () => {
    const data = await openDataDirectory(path);
    const { reason, message } = await refusal();
    expect(reason).toBe('in-use');
    expect(message).toContain(`in use by process ${process.pid}`);
    await data.close();
    await data.close();
    await createOnce();
  });

  it('never lets in two of many that start at once', async () => {
    for (let round = 0; round < 8; round++) {
      const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => openDataDirectory(path)));
      const won = outcomes.filter((each) => each.status === 'fulfilled').map(({ value }) => value);
      expect(won.length).toBeLessThanOrEqual(1);
      for (const each of outcomes) {
        if (each.status === 'rejected') expect(each.reason).toMatchObject({ reason: 'in-use' });
      }
      await Promise.all(won.map((data: DataDirectory) => data.close()));
    }
    await createOnce();
  });

  it('is free again when the process that had it was killed', async () => {
    const module = fileURLToPath(
      new URL('../../../src/storage/data-directory/data-directory.ts', import.meta.url),
    );
    const script = `import { openDataDirectory } from ${JSON.stringify(module)};
      await openDataDirectory(${JSON.stringify(path)});
      process.stdout.write('open');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    expect((await refusal()).message).toContain(`process ${child.pid}`);
    child.kill('SIGSTOP');
    expect((await refusal()).reason).toBe('in-use');
    child.kill('SIGKILL');
    await once(child, 'close');
    await createOnce();
    expect(readdirSync(join(path, 'lock'))).toEqual([]);
  });
});
