/** The process of a broker from the shell: wait for it, read its configuration again, end it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile, type Finished, type Program, readyFile, robustmq } from '../e2e/process.ts';

let folder: string;
let dataDir: string;
let file: string;
let broker: Program;

const BASE = `listeners:
  mqtt: { port: 0 }
  ws: { enabled: false }
  kafka: { enabled: false }
  http: { enabled: false }
`;
const runs = (...args: string[]): Promise<Finished> =>
  robustmq([...args, '--config', file, '--data-dir', dataDir]).finished;

async function start(): Promise<void> {
  const ready = join(folder, `ready-${process.hrtime.bigint()}.json`);
  broker = robustmq(['start', '--config', file, '--data-dir', dataDir, '--ready-file', ready]);
  await readyFile(ready, broker);
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'robustmq-lifecycle-'));
  dataDir = join(folder, 'data');
  file = join(folder, 'broker.yaml');
  writeFileSync(file, BASE);
  compile();
}, 120_000);
afterAll(() => {
  if (broker?.child.exitCode === null) broker.child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

describe('the life of a broker', () => {
  it('is waited for, reloaded, compared and ended', async () => {
    const waited = runs('status', '--wait', '30s', '-o', 'json');
    await start();
    const { code, out } = await waited;
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ health: { status: 'green' } });

    writeFileSync(file, `${BASE}logging: { level: warn }\nlimits: { maxSessions: 7 }\n`);
    const differing = await runs('config', 'diff', '-o', 'json');
    expect(differing.code).toBe(1);
    expect(JSON.parse(differing.out)).toEqual([
      { key: 'logging.level', from: 'info', to: 'warn', effect: 'live' },
      { key: 'limits.maxSessions', from: '1000000', to: '7', effect: 'restart' },
    ]);
    const reloaded = await runs('reload');
    expect(reloaded).toMatchObject({ code: 0, out: '' });
    expect(reloaded.err).toBe(
      'In effect now:\n  logging.level: info -> warn\nWaiting for a restart:\n  limits.maxSessions: 1000000 -> 7\n',
    );

    writeFileSync(file, `${BASE}mqtt: { maxQos: 9 }\n`);
    const refused = await robustmq(['reload', '--data-dir', dataDir]).finished;
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(/broker\.yaml:6.*mqtt\.maxQos/);

    writeFileSync(file, BASE);
    expect(await runs('stop')).toMatchObject({
      code: 0,
      err: expect.stringMatching(/process \d+ has ended/),
    });
    expect((await broker.finished).code).toBe(0);
  }, 60_000);

  it('ends at once where that is asked for, and keeps its directory usable', async () => {
    await start();
    expect((await runs('stop', '--now')).code).toBe(0);
    expect((await broker.finished).code).toBe(0);
    await start();
    expect((await runs('stop')).code).toBe(0);
  }, 60_000);

  it('says when nothing runs', async () => {
    const [stop, reload, wait] = await Promise.all([
      runs('stop'),
      runs('reload'),
      runs('status', '--wait', '200ms'),
    ]);
    expect([stop.code, reload.code, wait.code]).toEqual([5, 5, 6]);
    expect(stop.err).toContain('no broker runs');
  }, 60_000);
});
