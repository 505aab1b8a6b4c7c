/** `doctor --bundle`: what is in the archive, and what must never be. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { keys } from '../../src/config/describe.ts';
import { loadConfig } from '../../src/config/load.ts';
import { secretsOf } from '../../src/config/secrets.ts';
import { startViewed, type ViewedNode } from '../node-view/support.ts';
import { testIo } from './support.ts';

const folder = mkdtempSync(join(tmpdir(), 'robustmq-bundle-'));
const inFolder = (name: string): string => join(folder, name);
const PASSWORD = 'planted-password-of-a-user';
let node: ViewedNode;
let apiKey = '';

beforeAll(async () => {
  node = await startViewed({ 'listeners.kafka.enabled': false });
  await node.post('/users', { name: 'vera', password: PASSWORD, roles: ['viewer'] });
  apiKey = String((await node.post('/keys', { owner: 'vera' })).body.key);
  const client = await node.connect({ clientId: 'sensor' });
  await client.publish({ topic: 'a/b', payload: 'planted-payload', qos: 1, retain: true });
});
afterAll(async () => {
  await node.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function bundled(name: string, ...args: string[]) {
  const io = testIo();
  const file = inFolder(`${name}.tar.gz`);
  const code = await run(['doctor', '--data-dir', node.folder, '--bundle', file, ...args], io);
  const out = inFolder(name);
  execFileSync('mkdir', ['-p', out]);
  execFileSync('tar', ['-xzf', file, '-C', out]);
  const place = join(out, 'robustmq-support');
  const texts = new Map(readdirSync(place).map((each) => [each, readFileSync(join(place, each), 'utf8')]));
  return { code, io, file, texts };
}

const textOf = ({ texts }: { readonly texts: ReadonlyMap<string, string> }, name: string): string =>
  texts.get(name) ?? '';

describe('doctor --bundle', () => {
  it('has what is known of the machine, the configuration and the running broker', async () => {
    const made = await bundled('whole');
    expect([...made.texts.keys()].toSorted()).toEqual([
      'README.txt',
      'alarm-history.json',
      'alarms.json',
      'certificates.json',
      'configuration.yaml',
      'data-directory.txt',
      'doctor.json',
      'events.json',
      'health.json',
      'machine.json',
      'metrics.txt',
      'running-configuration.json',
      'status.json',
    ]);
    expect(textOf(made, 'README.txt')).not.toContain('Not to be had');
    expect(textOf(made, 'metrics.txt')).toMatch(/^robustmq_/m);
    expect(textOf(made, 'events.json')).toContain('sensor');
    expect(textOf(made, 'data-directory.txt')).toMatch(/journal\/main\//);
    expect(JSON.parse(textOf(made, 'machine.json'))).toMatchObject({
      versions: { node: process.versions.node },
    });
    expect(made.io.errText()).toMatch(/look through it before you hand it on/);
    expect(statSync(made.file).mode & 0o777).toBe(0o600);
    const again = testIo();
    expect(await run(['doctor', '--data-dir', node.folder, '--bundle', made.file], again)).toBe(1);
    expect(again.errText()).toMatch(/is there already/);
  });

  it('has no secret in it: of every key of the configuration, of users, of keys, of messages, of the log', async () => {
    const planted: string[] = [];
    const sets = keys()
      .filter(({ node: { kind, ...leaf } }) => kind === 'string' && 'secret' in leaf && leaf.secret)
      .flatMap(({ path }, i) => {
        const secret = `planted-secret-number-${i}-"of"-it`;
        planted.push(secret);
        return ['--set', `${path}=${secret}`];
      });
    expect(planted.length).toBeGreaterThanOrEqual(3);
    sets.push('--set', 'storage.object.accessKeyId=name-of-a-key');
    const header = 'planted-value-of-a-header';
    sets.push('--set', `telemetry.headers=${JSON.stringify([{ name: 'authorization', value: header }])}`);
    const key = 'planted-key-of-tokens-that-is-long-enough';
    sets.push(
      '--set',
      `security.authentication.jwt.keys=${JSON.stringify([{ id: 'k', algorithm: 'HS256', secret: key }])}`,
    );
    const log = inFolder('broker.log');
    writeFileSync(log, `{"msg":"a line"}\n${JSON.stringify({ msg: [...planted, header, key] })}\n`);
    const made = await bundled('planted', '--log', log, ...sets);
    expect(textOf(made, 'log.txt')).toContain('a line');
    expect(textOf(made, 'configuration.yaml')).toContain('secretAccessKey: ');
    const secrets = [...planted, ...planted.map((each) => JSON.stringify(each).slice(1, -1))];
    for (const [name, text] of made.texts) {
      for (const secret of [...secrets, header, key, PASSWORD, apiKey, 'planted-payload']) {
        expect([name, text.includes(secret)]).toEqual([name, false]);
      }
    }
  });

  it('is made without a broker and with a wrong configuration, too, and says what is missing', async () => {
    const io = testIo();
    const file = inFolder('alone.tar.gz');
    const args = ['--data-dir', inFolder('nothing'), '--bundle', file, '--log', inFolder('no.log')];
    await run(['doctor', ...args], io);
    const text = execFileSync('tar', ['-xzOf', file, 'robustmq-support/README.txt']).toString();
    expect(text).toMatch(/Not to be had:\n {2}log\.txt: no such file/);
    expect(text).toMatch(/status\.json: .*no broker/);
    const wrong = inFolder('wrong.tar.gz');
    const log = inFolder('wrong.log');
    writeFileSync(log, 'who knows what is in it');
    expect(await run(['doctor', '--set', 'nonsense=1', '--bundle', wrong, '--log', log], testIo())).toBe(1);
    expect(execFileSync('tar', ['-tzf', wrong]).toString()).toMatch(/doctor\.json/);
    expect(execFileSync('tar', ['-tzf', wrong]).toString()).not.toMatch(/log\.txt/);
  });

  it('knows every secret of a configuration, those in lists among them', async () => {
    const loaded = await loadConfig({
      sets: [
        'telemetry.endpoint=http://localhost:1',
        'telemetry.headers=[{"name":"a","value":"one"},{"name":"b","value":"two"}]',
      ],
    });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    expect(secretsOf(loaded.config)).toEqual(['one', 'two']);
  });
});
