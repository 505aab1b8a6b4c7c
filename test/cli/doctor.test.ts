import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configInit, configValidate } from '../../src/cli/config-verbs.ts';
import { checkNode, type DoctorOptions, doctor } from '../../src/cli/doctor.ts';
import { checkEnvironment } from '../../src/cli/environment.ts';
import { CliError } from '../../src/cli/exit-codes.ts';
import type { Finding } from '../../src/cli/findings.ts';
import { loadConfig } from '../../src/config/load.ts';
import { testIo } from './support.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'robustmq-doctor-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const QUIET = ['mqtt', 'ws', 'kafka', 'http'].map((name) => `listeners.${name}.enabled=false`);

async function examine(set: readonly string[], options: Partial<DoctorOptions> = {}) {
  const io = testIo();
  const all = [...QUIET, ...set];
  const code = await doctor({ dataDir: join(folder, 'data'), output: 'json', ...options, set: all }, io);
  return { code, text: io.outText(), io };
}

const states = (text: string): Record<string, string> =>
  Object.fromEntries((JSON.parse(text) as Finding[]).map(({ check, state }) => [check, state]));

describe('doctor', () => {
  it('finds nothing wrong with a machine that can run a broker, and leaves nothing behind', async () => {
    const { code, text } = await examine(['limits.maxConnections=10']);
    expect(code).toBe(0);
    expect(states(text)).toMatchObject({
      node: 'ok',
      configuration: 'ok',
      dataDir: 'ok',
      'open files': 'ok',
      clock: 'ok',
    });
    expect(execFileSync('ls', ['-A', folder], { encoding: 'utf8' })).toBe('');
  });

  it('finds a directory on which this release does not start', async () => {
    const data = join(folder, 'data');
    mkdirSync(data);
    writeFileSync(join(data, 'format.json'), '{"version":99}');
    const newer = await examine([], { output: 'table' });
    expect(newer.code).toBe(1);
    expect(newer.text).toContain(`PROBLEM  dataDir: ${data} has the format version 99`);
    writeFileSync(join(data, 'format.json'), 'garbage');
    expect((await examine([], { output: 'table' })).text).toContain('format.json is damaged');
    writeFileSync(join(data, 'format.json'), '{"version":1}');
    expect(states((await examine([])).text)).toMatchObject({ dataDir: 'ok' });
  });

  it('names a port that is taken, and what to do', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as net.AddressInfo;
    const { code, text } = await examine(['listeners.mqtt.enabled=true', `listeners.mqtt.port=${port}`], {
      output: 'table',
    });
    server.close();
    expect(code).toBe(1);
    expect(text).toContain(`PROBLEM  listeners.mqtt: 127.0.0.1:${port}: the port is in use\n`);
    expect(text).toContain('-> choose another with --set listeners.mqtt.port=PORT');
    expect(text).not.toContain('\u001b');
  });

  it('goes on with what it can when the configuration is wrong', async () => {
    const { code, text } = await examine(['mqtt.maxQos=9']);
    expect(code).toBe(1);
    expect(states(text)).toEqual({ node: 'ok', configuration: 'problem' });
  });

  it('tells an old Node from one that will do', () => {
    expect(checkNode('18.20.0').state).toBe('problem');
    expect(checkNode('20.18.3').state).toBe('problem');
    expect(checkNode('20.19.0').state).toBe('ok');
    expect(checkNode('24.0.0').state).toBe('ok');
  });
});

describe('the environment of a configuration', () => {
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'pipe' });

  async function tlsFinding(
    certFile: string,
    keyFile: string,
    nowMs = Date.now(),
  ): Promise<Finding | undefined> {
    const loaded = await loadConfig({
      sets: [...QUIET, `listeners.mqtts.tls.certFile=${certFile}`, `listeners.mqtts.tls.keyFile=${keyFile}`],
    });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    const findings = await checkEnvironment(loaded.config, { isRunning: true, nowMs });
    return findings.find(({ check }) => check === 'listeners.mqtts.tls');
  }

  it('knows a certificate that is over, one that is soon, and a key that is another one', async () => {
    const [cert, key, other] = ['cert.pem', 'key.pem', 'other.pem'].map((name) => join(folder, name));
    if (cert === undefined || key === undefined || other === undefined) throw new Error('no names');
    const subject = ['-subj', '/CN=localhost', '-days', '90', '-nodes', '-newkey', 'ec', '-pkeyopt'];
    openssl('req', '-x509', ...subject, 'ec_paramgen_curve:P-256', '-keyout', key, '-out', cert);
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', other);
    const inDays = (days: number): number => Date.now() + days * 86_400_000;
    expect(await tlsFinding(cert, key)).toMatchObject({ state: 'ok' });
    expect(await tlsFinding(cert, key, inDays(80))).toMatchObject({ state: 'warning' });
    expect(await tlsFinding(cert, key, inDays(91))).toMatchObject({ state: 'problem' });
    expect(await tlsFinding(cert, other)).toMatchObject({
      state: 'problem',
      detail: `${other} is not the key of ${cert}`,
    });
    expect(await tlsFinding(join(folder, 'missing.pem'), key)).toMatchObject({ state: 'problem' });
  });

  it('is looked at by config validate when asked', async () => {
    const file = join(folder, 'data');
    writeFileSync(file, 'not a directory');
    const io = testIo();
    const options = { output: 'table' as const, dataDir: file, set: QUIET };
    expect(await configValidate(options, io)).toBe(0);
    expect(await configValidate({ ...options, environment: true }, io)).toBe(1);
    expect(io.outText()).toContain('is not a directory');
  });
});

describe('init', () => {
  it('writes a file that is valid, and overwrites none', async () => {
    mkdirSync(join(folder, 'etc'));
    const file = join(folder, 'etc', 'broker.yaml');
    const io = testIo();
    expect(await configInit({ profile: 'edge', file }, io)).toBe(0);
    expect(await configValidate({ config: file, set: [], output: 'table' }, io)).toBe(0);
    await expect(configInit({ profile: 'dev', file }, io)).rejects.toThrow(CliError);
    expect(await configInit({ profile: 'dev', file, force: true }, io)).toBe(0);
  });
});
