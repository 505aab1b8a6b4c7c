/**
 * A real S3-compatible server for tests: one Ceph monitor, one object store daemon in memory and the RADOS gateway, all
 * on loopback, without authentication between them. Started only where Ceph's programs are installed; every process
 * is a child of the test and ends with it.
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from './free-port.ts';

const run = promisify(execFile);
const PROGRAMS = ['ceph-mon', 'ceph-osd', 'radosgw', 'radosgw-admin', 'monmaptool', 'ceph'];

const MAX_ATTEMPTS = 5;

export interface S3Server {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  stop(): Promise<void>;
}

export type S3Choice =
  | { readonly kind: 'start' }
  | { readonly kind: 'given'; readonly server: S3Server }
  | { readonly kind: 'skip'; readonly reason: string };

/**
 * What the environment asks for. `ROBUSTMQ_TEST_S3=radosgw` starts a cluster, `=http://host:port` takes a running server
 * with the keys in `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
 */
export function chooseS3Server(environment: NodeJS.ProcessEnv = process.env): S3Choice {
  const wish = environment.ROBUSTMQ_TEST_S3 ?? '';
  if (wish === '') {
    return {
      kind: 'skip',
      reason:
        'set ROBUSTMQ_TEST_S3=radosgw (Debian: radosgw ceph-mon ceph-osd ceph-common) or to the address of a server',
    };
  }
  if (wish === 'radosgw') return { kind: 'start' };
  const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = environment;
  const region = environment.AWS_REGION ?? 'us-east-1';
  const stop = async (): Promise<void> => {};
  return { kind: 'given', server: { endpoint: wish, region, accessKeyId, secretAccessKey, stop } };
}

function missingPrograms(): string[] {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const isThere = (program: string): boolean =>
    folders.some((folder) => {
      try {
        accessSync(join(folder, program), constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
  return PROGRAMS.filter((program) => !isThere(program));
}

function configuration(folder: string, fsid: string, monitorPort: number, gatewayPort: number): string {
  return `[global]
fsid = ${fsid}
mon host = v1:127.0.0.1:${monitorPort}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind msgr2 = false
auth cluster required = none
auth service required = none
auth client required = none
run dir = ${folder}
admin socket =
pid file =
log file = ${folder}/$name.log
mon cluster log file = ${folder}/cluster.log
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 2000
mon data = ${folder}/mon
mon data avail crit = 1
mon data avail warn = 2
[osd]
osd data = ${folder}/osd
osd objectstore = memstore
memstore device bytes = 1073741824
osd memory target = 939524096
[client]
keyring = /dev/null
rgw frontends = beast endpoint=127.0.0.1:${gatewayPort}
rgw data = ${folder}/rgw
rgw enable usage log = false
rgw run sync thread = false
`;
}

/** The end of what each daemon logged. */
async function lastWords(folder: string): Promise<string> {
  const logs = (await readdir(folder)).filter((name) => name.endsWith('.log'));
  const said = await Promise.all(
    logs.map(async (name) => `${name}:\n${(await readFile(join(folder, name), 'utf8')).slice(-2000)}`),
  );
  return said.join('\n');
}

/** Waits until `isReady`, for as long as the process it depends on lives. */
async function until(what: string, process: ChildProcess, isReady: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt++) {
    if (process.exitCode !== null)
      throw new Error(`${what}: the process ended with code ${process.exitCode}`);
    if (await isReady()) return;
    await delay(100);
  }
  throw new Error(`${what}: not ready after a minute`);
}

/**
 * Started again when it did not come up: a daemon that asks its monitor for something before it has been told the identity
 * of the cluster is refused ("wrong fsid") and ends, which happens to one start in ten or twenty.
 */
export async function startRadosgw(): Promise<S3Server> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startCluster();
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || !(error instanceof Error && error.cause !== undefined)) throw error;
    }
  }
}

async function startCluster(): Promise<S3Server> {
  const missing = missingPrograms();
  if (missing.length > 0) {
    throw new Error(
      `no Ceph here: ${missing.join(', ')} missing (Debian: radosgw ceph-mon ceph-osd ceph-common)`,
    );
  }
  const folder = await mkdtemp(join(tmpdir(), 'robustmq-radosgw-'));
  const [monitorPort, gatewayPort] = [await freePort(), await freePort()];
  const fsid = randomUUID();
  const conf = join(folder, 'ceph.conf');
  const monmap = join(folder, 'monmap');
  const children: ChildProcess[] = [];

  const start = (program: string, ...args: string[]): ChildProcess => {
    const child = spawn(program, ['-c', conf, '-f', ...args], { stdio: 'ignore' });
    child.on('error', () => {});
    children.push(child);
    return child;
  };
  const killAll = (): void => {
    for (const child of children) child.kill('SIGKILL');
  };
  process.once('exit', killAll);
  const stop = async (): Promise<void> => {
    process.off('exit', killAll);
    for (const child of children.reverse()) {
      if (child.exitCode !== null || child.pid === undefined) continue;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    }
    await rm(folder, { recursive: true, force: true });
  };

  try {
    await writeFile(conf, configuration(folder, fsid, monitorPort, gatewayPort));
    for (const each of ['mon', 'osd', 'rgw']) await mkdir(join(folder, each));
    await run('monmaptool', [
      '--create',
      '--fsid',
      fsid,
      '--addv',
      'a',
      `[v1:127.0.0.1:${monitorPort}]`,
      monmap,
    ]);
    await run('ceph-mon', ['-c', conf, '--mkfs', '-i', 'a', '--monmap', monmap, '--keyring', '/dev/null']);
    const monitor = start('ceph-mon', '-i', 'a');
    const ask = (...args: string[]): Promise<{ stdout: string }> =>
      run('ceph', ['-c', conf, '--connect-timeout', '5', ...args]);
    const answers = async (...args: string[]): Promise<boolean> =>
      ask(...args).then(
        () => true,
        () => false,
      );
    await until('monitor', monitor, () => answers('mon', 'stat'));
    const osdId = randomUUID();
    await ask('osd', 'new', osdId);
    await run('ceph-osd', ['-c', conf, '-i', '0', '--mkfs', '--osd-uuid', osdId]);
    const store = start('ceph-osd', '-i', '0');
    await until('object store', store, async () => / 1 up/.test((await ask('osd', 'stat')).stdout));

    const gateway = start('radosgw', '-n', 'client.rgw');
    const endpoint = `http://127.0.0.1:${gatewayPort}`;
    await until('gateway', gateway, () =>
      fetch(endpoint).then(
        (response) => response.ok,
        () => false,
      ),
    );
    const [accessKeyId, secretAccessKey] = ['robustmq', randomUUID()];
    await run('radosgw-admin', [
      ...['-c', conf, '-n', 'client.rgw', 'user', 'create', '--uid', 'robustmq', '--display-name', 'tests'],
      ...['--access-key', accessKeyId, '--secret-key', secretAccessKey],
    ]);
    return { endpoint, region: 'us-east-1', accessKeyId, secretAccessKey, stop };
  } catch (error) {
    const said = await lastWords(folder);
    await stop();
    throw new Error(`radosgw did not start: ${String(error)}\n${said}`, { cause: error });
  }
}
