/** The script itself, on a project whose tests run out of time, and are wrong, as they are told. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const script = join(root, 'scripts/ci-tests.ts');

/** Several starts of the runner, each of which takes its seconds where the machine is busy. */
const LIMIT_MS = 120_000;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'robustmq-ci-tests-'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  mkdirSync(join(folder, 'test'));
  const scripts = { test: 'ROBUSTMQ_TEST_TOLD=yes vitest run', 'test:other': 'vitest run --project other' };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module', scripts }));
  writeFileSync(
    join(folder, 'vitest.config.ts'),
    `export default { test: { testTimeout: 500, hookTimeout: 500, globalSetup: ['set-up.js'], projects: [
      { extends: true, test: { name: 'one', include: ['test/*.test.ts'] } },
      { extends: true, test: { name: 'other', include: ['test/good.test.ts'] } },
    ] } };`,
  );
  writeFileSync(
    join(folder, 'set-up.js'),
    `export function setup() {
      const told = process.env.ROBUSTMQ_TEST_TOLD;
      const started = 'started by ' + process.pid;
      if (![undefined, 'yes', started].includes(told)) throw new Error(told);
      process.env.ROBUSTMQ_TEST_TOLD = started;
    }`,
  );
  write('good', `test('is good', () => {}); test.skip('is not run', () => {});`);
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): void {
  const head = `import { existsSync, writeFileSync } from 'node:fs';
    import { beforeAll, describe, expect, test } from 'vitest';
    const isFirst = (name) => { const is = !existsSync(name); writeFileSync(name, ''); return is; };
    const never = new Promise(() => {});`;
  writeFileSync(join(folder, 'test', `${name}.test.ts`), `${head}\n${text}\n`);
}

async function run(
  ...scripts: string[]
): Promise<{ readonly code: number | null; readonly lines: string[] }> {
  // It is a run of its own, not a part of this one.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(VITEST|TEST$|ROBUSTMQ_)/.test(name)),
  );
  const child = spawn(process.execPath, ['--import', 'tsx', script, ...scripts], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, lines: out.trimEnd().split('\n') };
}

it('runs what ran out of time again, alone, with the same settings, and says so', {
  timeout: LIMIT_MS,
}, async () => {
  write(
    'late',
    `test('is late once', async () => {
      if (isFirst('late')) await never;
      expect(process.env.ROBUSTMQ_TEST_TOLD).toContain('started by');
    });
    describe('some', () => {
      beforeAll(async () => { if (isFirst('hook')) await never; });
      test('are good', () => {});
    });`,
  );
  const { code, lines } = await run('test', 'test:other');
  expect(lines).toEqual(
    expect.arrayContaining([
      'passed on the second run, alone: test/late.test.ts (one) > is late once',
      'passed on the second run, alone: test/late.test.ts (one) > some',
    ]),
  );
  expect(lines.at(-1)).toBe('5 passed, 0 failed, 3 skipped');
  expect(code).toBe(0);
});

it('asks nobody again who was wrong, and counts what fails outside of tests', {
  timeout: LIMIT_MS,
}, async () => {
  write('wrong', `test('is wrong once', () => expect(isFirst('wrong')).toBe(false));`);
  write('missing', `import './nothing.ts';`);
  write(
    'loose',
    `test('is good', () => { setTimeout(() => { throw new Error('late') }); return new Promise((r) => setTimeout(r, 50)); });`,
  );
  const { code, lines } = await run('test');
  expect(lines.slice(-2)).toEqual(['outside of tests: late', '3 passed, 3 failed, 2 skipped']);
  expect(code).toBe(1);
  expect(await run('nothing')).toMatchObject({
    code: 1,
    lines: expect.arrayContaining(['0 passed, 1 failed, 0 skipped']),
  });
});
