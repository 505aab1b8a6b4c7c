import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

async function problemsOf(script: string): Promise<string> {
  const path = fileURLToPath(new URL(`../../scripts/${script}`, import.meta.url));
  return promisify(execFile)(process.execPath, [path, '--check']).then(
    () => '',
    (error: unknown) => (error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error)),
  );
}

test('the table of conformance is up to date and every statement that binds a server has a test', async () => {
  expect(await problemsOf('conformance-table.mjs')).toBe('');
});

test("the table of Kafka's APIs is up to date and every API that is served has a test", async () => {
  expect(await problemsOf('conformance-kafka.mjs')).toBe('');
});

test('the security checklist is up to date and every item whose surface exists has a test', async () => {
  expect(await problemsOf('security-checklist.mjs')).toBe('');
});
