/** The verbs as processes: what in-process tests cannot see of output, exit codes and signals. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ControlServer, startControlServer } from '../../src/admin/control-server.ts';
import { createLoggedAudit } from '../../src/security/audit/logged-audit.ts';
import { openDataDirectory } from '../../src/storage/data-directory/data-directory.ts';
import { createFakeNode, fakeStreams } from '../admin/fake-node.ts';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
let folder: string;
let server: ControlServer;

beforeAll(async () => {
  // Deeper than the path of a socket may be.
  folder = join(mkdtempSync(join(tmpdir(), 'robustmq-verbs-')), 'deep'.repeat(20), 'data');
  const data = await openDataDirectory(folder);
  const node = createFakeNode();
  server = await startControlServer({
    path: data.controlSocket,
    node,
    audit: createLoggedAudit({ info: () => {} }),
    streams: fakeStreams(),
    onDefect: () => {},
  });
  return async () => {
    await server.close();
    await data.close();
  };
});
afterAll(() => rmSync(join(folder, '..', '..'), { recursive: true }));

async function robustmq(args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...args, '--data-dir', folder]);
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const [code] = (await once(child, 'close')) as [number];
  return { code, out, err };
}

describe('administration from the shell', () => {
  it('answers at once, in both forms', { timeout: 60_000 }, async () => {
    const [status, sessions, missing] = await Promise.all([
      robustmq(['status']),
      robustmq(['session', 'list', '-o', 'ndjson']),
      robustmq(['retained', 'show', 'none']),
    ]);
    expect(status).toMatchObject({ code: 0, err: '' });
    expect(status.out).toContain('1.2.3');
    expect(sessions.code).toBe(0);
    expect(
      sessions.out
        .trim()
        .split('\n')
        .map((each) => (JSON.parse(each) as { clientId: string }).clientId),
    ).toEqual(['kitchen', 'cellar/ä b']);
    expect(missing).toEqual({
      code: 1,
      out: '',
      err: 'robustmq: there is no retained message on "none"\n',
    });
  });

  it('looks at no data directory that is in use, and starts no second broker on it', {
    timeout: 60_000,
  }, async () => {
    const [verify, start] = await Promise.all([robustmq(['verify']), robustmq(['start'])]);
    for (const { code, err } of [verify, start]) {
      expect(code).toBe(1);
      expect(err).toContain(`in use by process ${process.pid}`);
    }
  });
});
