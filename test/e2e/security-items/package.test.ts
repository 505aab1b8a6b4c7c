/** Item 52 of the security checklist: what comes with the package, and what the process needs to be allowed. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compile, entry, root, run } from '../process.ts';

interface LockedPackage {
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly hasInstallScript?: boolean;
  readonly integrity?: string;
  readonly license?: string;
}

const json = <T>(path: string): T => JSON.parse(readFileSync(join(root, path), 'utf8')) as T;
const manifest = json<{ scripts: Record<string, string>; dependencies: object }>('package.json');
const lock = json<{ packages: Record<string, LockedPackage> }>('package-lock.json');
/** What users get; the package itself is the one without a name. */
const shipped = Object.entries(lock.packages).filter(
  ([path, { dev, devOptional }]) => path !== '' && dev !== true && devOptional !== true,
);

describe('item 52: dependencies', () => {
  test('run no scripts when they are installed, and neither does the package', () => {
    expect(shipped.filter(([, { hasInstallScript }]) => hasInstallScript === true)).toEqual([]);
    for (const script of ['preinstall', 'install', 'postinstall'])
      expect(manifest.scripts).not.toHaveProperty(script);
  });

  test('are few, of fixed content, and of licences that allow this use', () => {
    expect(Object.keys(manifest.dependencies).length).toBeLessThanOrEqual(10);
    for (const [path, { integrity, license }] of shipped) {
      expect([path, integrity]).toEqual([path, expect.stringMatching(/^sha512-/)]);
      expect([path, license]).toEqual([
        path,
        expect.stringMatching(/^(?:MIT|ISC|Apache-2\.0|BSD-[23]-Clause|0BSD)$/),
      ]);
    }
  });

  test('can be listed as CycloneDX out of the lock file, each with version and licence', () => {
    // With what only development needs: npm leaves out what both need when it is asked to omit that.
    const options = ['--package-lock-only', '--sbom-format', 'cyclonedx'];
    const out = execFileSync('npm', ['sbom', ...options], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const { bomFormat, components } = JSON.parse(out) as {
      bomFormat: string;
      components: Record<string, unknown>[];
    };
    expect(bomFormat).toBe('CycloneDX');
    for (const name of Object.keys(manifest.dependencies)) {
      const listed = components.find(({ 'bom-ref': reference }) => String(reference).startsWith(`${name}@`));
      expect([name, listed]).toMatchObject([name, { version: expect.stringMatching(/^\d+\./) as string }]);
      expect([name, listed?.licenses]).toEqual([name, [expect.anything()]]);
    }
  });
});

/**
 * Node forbids fdatasync when its permission model is on, whatever may be written; a broker that acknowledges what is on disk
 * cannot do without. The unit of systemd and the container fence the process in instead (test/deploy).
 */
test('item 52: under the permission model of Node the broker says in one sentence why it cannot run', async () => {
  compile();
  const folder = mkdtempSync(join(tmpdir(), 'robustmq-permitted-'));
  const own = join(folder, 'own');
  mkdirSync(own);
  try {
    const permission = process.allowedNodeEnvironmentFlags.has('--permission')
      ? '--permission'
      : '--experimental-permission';
    const allowed = ['--allow-fs-read=*', `--allow-fs-write=${own}/*`, '--allow-worker'];
    const sets = ['mqtt', 'ws', 'kafka', 'http'].flatMap((name) => ['--set', `listeners.${name}.port=0`]);
    const options = [permission, '--no-warnings', ...allowed, entry, 'start', ...sets];
    for (const dataDir of [join(own, 'data'), join(folder, 'elsewhere')]) {
      const { code, err } = await run(process.execPath, [...options, '--data-dir', dataDir]).finished;
      expect(code).toBeGreaterThan(0);
      expect(err).toMatch(
        /^robustmq: cannot use the data directory .*(?:fdatasync|fsync|[Aa]ccess|permission)/,
      );
      expect(err.trimEnd().split('\n').length).toBeLessThanOrEqual(3);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);
