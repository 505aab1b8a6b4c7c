import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

test('the table of conformance is up to date and every statement that binds a server has a test', async () => {
  const script = fileURLToPath(new URL('../../scripts/conformance-table.mjs', import.meta.url));
  const run = promisify(execFile)(process.execPath, [script, '--check']);
  const problems = await run.then(
    () => '',
    (error: unknown) => (error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error)),
  );
  expect(problems).toBe('');
});
