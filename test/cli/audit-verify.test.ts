import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ControlServer, startControlServer } from '../../src/admin/control-server.ts';
import { run } from '../../src/cli/program.ts';
import { type Audit, openAudit } from '../../src/security/audit/audit.ts';
import { type DataDirectory, openDataDirectory } from '../../src/storage/data-directory/data-directory.ts';
import { createFakeNode, fakeStreams } from '../admin/fake-node.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { testIo } from './support.ts';

let folder: string;
let data: DataDirectory;

const openLog = (): Promise<Audit> =>
  openAudit({
    directory: data.audit,
    config: { maxFileBytes: 100_000, maxFiles: 4, onFailure: 'refuse' },
    clock: createManualClock(),
  });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'robustmq-audit-'));
  data = await openDataDirectory(folder);
  const audit = await openLog();
  const event = { user: 'ann', tenant: '', via: 'cli', remoteAddress: '', input: {}, result: 'ok' } as const;
  for (const operation of ['a', 'b', 'c']) await audit.note({ ...event, operation });
  await audit.close();
  await data.close();
});
afterEach(() => rm(folder, { recursive: true }));

async function verify(...argv: string[]) {
  const io = testIo();
  const code = await run(['audit', 'verify', '--data-dir', folder, ...argv], io);
  return { code, out: io.outText(), err: io.errText() };
}

describe('audit verify', () => {
  it('looks at a data directory at rest, and asks the broker that runs on one', async () => {
    const rest = await verify('--json');
    expect(rest).toMatchObject({ code: 0, err: '' });
    const found = JSON.parse(rest.out);
    expect(found).toMatchObject({ isSound: true, entries: 3, lastSequence: 3, broken: null });
    const anchor = `3:${found.lastHash}`;
    expect((await verify('--expected', anchor)).code).toBe(0);
    expect(await verify('--expected', anchor.replace(/^3/, '2'))).toMatchObject({
      code: 3,
      err: 'robustmq: entry 2 is another one than was noted\n',
    });
    expect((await verify('--expected', anchor.replace(/^3/, '9'))).err).toContain('entry 9 is not there');
    expect((await verify('--expected', 'x')).code).toBe(2);

    const running = await openDataDirectory(folder);
    const audit = await openLog();
    const node = createFakeNode();
    const server: ControlServer = await startControlServer({
      path: running.controlSocket,
      node: { ...node, security: { ...node.security, audit } },
      audit,
      streams: fakeStreams(),
      onDefect: () => {},
    });
    try {
      const asked = await verify('--json', '--expected', anchor);
      expect(asked.code).toBe(0);
      expect(JSON.parse(asked.out)).toEqual({ ...found, expected: 'found' });
    } finally {
      await server.close();
      await audit.close();
      await running.close();
    }
  });

  it('names the first entry that is not in order, with an exit code of its own', async () => {
    const file = join(folder, 'audit', 'audit-00000001.jsonl');
    const before = await readFile(file, 'utf8');
    await writeFile(file, before.replace('"operation":"a"', '"operation":"x"'));
    expect(await verify()).toMatchObject({
      code: 3,
      err: expect.stringMatching(
        /broken at entry 2 \(audit-00000001\.jsonl, line 2\): the entry before it is not/,
      ),
    });
    await writeFile(file, before.split('\n').slice(0, 2).join('\n'));
    expect((await verify()).err).toContain(
      'broken at entry 3 (audit-00000001.jsonl): entries up to number 3',
    );
    await writeFile(file, before);
    expect((await verify()).code).toBe(0);
  });
});
