/** What the repository has for running the broker elsewhere: unit of systemd, Dockerfile, package. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { defaultConfig } from '../../src/config/load.ts';
import { testIo } from '../cli/support.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** The verbs of a command line, without options and what they take: they must be there. */
async function isVerb(words: readonly string[]): Promise<boolean> {
  const io = testIo();
  return (await run([...words, '--help'], io)) === 0;
}

describe('the unit of systemd', () => {
  const unit = read('deploy/robustmq.service');
  const valuesOf = (key: string): string[] =>
    [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value);

  it('is one that systemd understands', ({ skip }) => {
    const probe = spawnSync('systemd-analyze', ['--version']);
    if (probe.error !== undefined) skip('there is no systemd-analyze here');
    const folder = mkdtempSync(join(tmpdir(), 'robustmq-unit-'));
    try {
      const path = join(folder, 'robustmq.service');
      // It wants programs that exist.
      writeFileSync(path, unit.replaceAll('/usr/bin/robustmq', process.execPath));
      const { status, stderr } = spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('calls verbs that there are, of one data directory', async () => {
    const commands = [...valuesOf('ExecStart'), ...valuesOf('ExecStartPost'), ...valuesOf('ExecReload')];
    expect(commands).toHaveLength(3);
    for (const command of commands) {
      const [program = '', verb = '', ...rest] = command.split(' ');
      expect(program.replace(/^-/, '')).toBe('/usr/bin/robustmq');
      expect(await isVerb([verb])).toBe(true);
      expect(rest[rest.indexOf('--data-dir') + 1]).toBe('/var/lib/robustmq');
    }
    expect(valuesOf('StateDirectory')).toEqual(['robustmq']);
  });

  it('does not end a broker that takes long to read its journal, only to begin again', () => {
    const [wait = ''] = valuesOf('ExecStartPost');
    expect(wait).toMatch(/^-/);
    const [, waitSeconds = ''] = / --wait (\d+)s /.exec(wait) ?? [];
    const [limit = ''] = valuesOf('TimeoutStartSec');
    expect(Number.parseInt(limit, 10)).toBeGreaterThan(Number(waitSeconds));
  });

  it('is exposed to little, as systemd counts it', ({ skip }) => {
    const folder = mkdtempSync(join(tmpdir(), 'robustmq-unit-'));
    try {
      const path = join(folder, 'robustmq.service');
      writeFileSync(path, unit);
      const args = ['security', '--offline=true', '--threshold=20', path];
      const { error, status, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
      if (error !== undefined) skip('there is no systemd-analyze here');
      if (/unrecognized option|Unknown/.test(stderr)) skip('this systemd-analyze does not look at files');
      // 20 is 2.0 of 10, which is "OK".
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('runs as nobody in particular, with nothing to write but its own', () => {
    expect(valuesOf('User')).toEqual(['robustmq']);
    expect(valuesOf('ProtectSystem')).toEqual(['strict']);
    expect(valuesOf('NoNewPrivileges')).toEqual(['yes']);
    expect(valuesOf('CapabilityBoundingSet')).toEqual(['']);
    expect(Number(valuesOf('LimitNOFILE')[0])).toBeGreaterThan(defaultConfig().limits.maxConnections);
  });
});

describe('the Dockerfile', () => {
  /** Instructions with their lines joined, without comments. */
  const instructions = read('deploy/Dockerfile')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => ({
      name: line.slice(0, line.indexOf(' ')),
      rest: line.slice(line.indexOf(' ') + 1).trim(),
    }));
  const lastStage = instructions.slice(instructions.findLastIndex(({ name }) => name === 'FROM'));
  const of = (name: string): string[] =>
    lastStage.filter((each) => each.name === name).map(({ rest }) => rest);

  it('has only instructions that there are, and pins what it is built on', () => {
    const known = 'FROM WORKDIR COPY RUN LABEL ENV USER VOLUME EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD';
    for (const { name } of instructions) expect(known.split(' ')).toContain(name);
    const bases = instructions.filter(({ name }) => name === 'FROM').map(({ rest }) => rest);
    expect(bases).toHaveLength(2);
    for (const base of bases) expect(base).toMatch(/^node:\d+-\w+-slim(?: AS build)?$/);
  });

  it('leaves tools and sources behind, and copies what was built', () => {
    const copied = of('COPY');
    for (const each of copied) if (!each.startsWith('--from=build ')) throw new Error(each);
    expect(copied.join('\n')).not.toMatch(/\/source\/?\s/);
    const { files } = JSON.parse(read('package.json')) as { files: string[] };
    for (const path of files.filter((each) => each.startsWith('build/'))) {
      expect(copied.some((each) => each.includes(`/source/${path}`))).toBe(true);
    }
  });

  it('runs as a user who is not root, over a file system that may be read-only', () => {
    expect(of('USER')).toEqual(['10001:10001']);
    expect(of('VOLUME')).toEqual(['/data']);
    expect(of('ENV').join(' ')).toContain('ROBUSTMQ__DATA_DIR=/data');
    const after = lastStage.slice(lastStage.findIndex(({ name }) => name === 'USER'));
    expect(after.some(({ name }) => name === 'RUN' || name === 'COPY')).toBe(false);
  });

  it('ends by the signal that the broker stops at, and is healthy by a verb that there is', async () => {
    expect(of('STOPSIGNAL')).toEqual(['SIGTERM']);
    const [check = ''] = of('HEALTHCHECK');
    const [program, verb = ''] = JSON.parse(check.slice(check.indexOf('['))) as string[];
    expect(program).toBe('robustmq');
    expect(await isVerb([verb])).toBe(true);
    expect(JSON.parse(of('ENTRYPOINT')[0] ?? '')).toEqual(['robustmq']);
    expect(JSON.parse(of('CMD')[0] ?? '')).toEqual(['start']);
  });

  it('says the ports that listeners have', () => {
    const ports = Object.values(defaultConfig().listeners).flatMap((each) =>
      'port' in each ? [each.port] : [],
    );
    expect((of('EXPOSE')[0] ?? '').split(' ').map(Number).sort()).toEqual(ports.sort());
  });
});

describe('the package', () => {
  const pack = (): string[] => {
    const out = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [packed] = JSON.parse(out) as [{ files: { path: string }[] }];
    return packed.files.map(({ path }) => path);
  };

  it('has what runs, and nothing else (item 52)', () => {
    const files = pack();
    for (const needed of ['package.json', 'README.md', 'LICENSE']) expect(files).toContain(needed);
    const others = files.filter(
      (path) => !/^build\/js\/|^build\/\w+\.wasm$|^(?:package\.json|README\.md|LICENSE)$/.test(path),
    );
    expect(others).toEqual([]);
    expect(files.filter((path) => /(?:^|\/)(?:test|\.env|robustmq-data)/.test(path))).toEqual([]);
  }, 60_000);
});
