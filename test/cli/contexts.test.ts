import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clientOptions } from '../../src/cli/mqtt-options.ts';
import { run } from '../../src/cli/program.ts';
import { testIo } from './support.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'robustmq-contexts-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function runs(argv: readonly string[], environment: Record<string, string> = {}) {
  const io = { ...testIo(), environment: { XDG_CONFIG_HOME: folder, ...environment } };
  const code = await run(argv, io);
  return { code, out: io.outText(), err: io.errText() };
}
const context = (...argv: string[]) => runs(['context', ...argv]);

describe('contexts', () => {
  it('are added, listed, shown, used and deleted', async () => {
    expect(await context('add', 'here', '--data-dir', join(folder, 'a'))).toMatchObject({ code: 0 });
    expect(await context('add', 'far', '--url', 'https://mq.example.org:18084')).toMatchObject({ code: 0 });
    expect(JSON.parse((await context('list', '-o', 'json')).out)).toEqual([
      { name: 'here', isCurrent: true, broker: join(folder, 'a'), mqttUrl: null },
      { name: 'far', isCurrent: false, broker: 'https://mq.example.org:18084', mqttUrl: null },
    ]);
    expect((await context('use', 'far')).code).toBe(0);
    expect(JSON.parse((await context('show', '-o', 'json')).out)).toEqual({
      name: 'far',
      url: 'https://mq.example.org:18084',
    });
    expect((await context('delete', 'far')).code).toBe(0);
    expect(await context('show')).toMatchObject({ code: 1, err: 'robustmq: no context is in use\n' });
    expect((await context('use', 'far')).err).toContain('there is no context "far"');
  });

  it('are in a file that only its user can read', async () => {
    await context('add', 'here', '--data-dir', 'a');
    const { mode } = statSync(join(folder, 'robustmq', 'contexts.json'));
    expect(mode & 0o777).toBe(0o600);
  });

  it('hold no password', async () => {
    const refused = await context('add', 'a', '--mqtt-url', 'mqtt://me:planted-secret@host');
    expect(refused.code).toBe(2);
    expect(refused.err).not.toContain('planted-secret');
    const file = join(folder, 'password');
    writeFileSync(file, 'planted-secret\n');
    await context('add', 'a', '--mqtt-url', 'mqtt://host', '--user', 'me', '--password-file', file);
    const kept = readFileSync(join(folder, 'robustmq', 'contexts.json'), 'utf8');
    expect(kept).toContain(file);
    expect(kept).not.toContain('planted-secret');
  });

  it('say which broker verbs of administration are about, unless something else does', async () => {
    const [kept, said, key] = [join(folder, 'kept'), join(folder, 'said'), join(folder, 'key')];
    writeFileSync(key, 'rmq_key\n');
    await context('add', 'here', '--data-dir', kept);
    await context('add', 'far', '--url', 'http://127.0.0.1:1', '--api-key-file', key);
    const about = async (argv: string[], environment?: Record<string, string>): Promise<string> =>
      (await runs(['status', ...argv], environment)).err;
    expect(await about([])).toContain(kept);
    expect(await about(['--context', 'far'])).toContain('http://127.0.0.1:1');
    expect(await about([], { ROBUSTMQ_CONTEXT: 'far' })).toContain('http://127.0.0.1:1');
    expect(await about(['--data-dir', said])).toContain(said);
    expect(await about([], { ROBUSTMQ__DATA_DIR: said })).toContain(said);
    writeFileSync(key, 'two words');
    expect(await about(['--context', 'far'])).toContain('what is given as API key is none');
    expect(await about(['--context', 'none'])).toContain('there is no context "none"');
    expect(await about(['--context', 'far', '--data-dir', said])).toContain(
      '--context says where the broker is',
    );
  });

  it('say where pub and sub connect, and as whom', async () => {
    const file = join(folder, 'password');
    writeFileSync(file, 'opened\n');
    await context(
      'add',
      'a',
      '--mqtt-url',
      'mqtt://far.example:1999',
      '--user',
      'me',
      '--password-file',
      file,
    );
    const io = { ...testIo(), environment: { XDG_CONFIG_HOME: folder } };
    const usual = { mqttVersion: 5, keepAlive: 60_000, connectTimeout: 1000, clean: true } as const;
    const options = await clientOptions(usual, io);
    expect(options.target).toMatchObject({ host: 'far.example', port: 1999 });
    expect([options.username, String(options.password)]).toEqual(['me', 'opened']);
    const other = await clientOptions({ ...usual, user: 'somebody' }, io);
    expect([other.username, other.password]).toEqual(['somebody', undefined]);
    expect((await clientOptions({ ...usual, host: 'localhost' }, io)).target.host).toBe('localhost');
  });

  it('are none in a file that is damaged', async () => {
    await context('add', 'here', '--data-dir', 'a');
    writeFileSync(join(folder, 'robustmq', 'contexts.json'), '{"contexts": 1}');
    expect(await context('list')).toMatchObject({ code: 2, err: expect.stringContaining('is damaged') });
  });
});
