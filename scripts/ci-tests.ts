/**
 * Runs the npm scripts of tests that it is given, one after the other. Files in which something ran out of time and nothing else was
 * wrong are run once more, alone, for the machine may have been busy with others' work; what a test has seen to be wrong is never asked
 * again. Ends with a line for each test that passed only then, and "N passed, N failed, N skipped" as the second run has it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  countsOf,
  filesToRepeat,
  linesOfSecondRuns,
  MAX_REPEATED_FILES,
  type RunResults,
  withSecondRuns,
} from './test-results.ts';

const reporter = fileURLToPath(new URL('./ci-reporter.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'robustmq-ci-'));
let runs = 0;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** A run that says nothing, or fails and does not say why, is a failure by itself. */
function run(command: string, args: readonly string[], settings: RunResults['settings']): RunResults {
  const file = join(folder, `${runs++}.json`);
  const { status, signal } = spawnSync(command, [...args, '--reporter=default', `--reporter=${reporter}`], {
    stdio: 'inherit',
    env: { ...process.env, ...settings, ROBUSTMQ_CI_RESULTS: file },
  });
  const none: RunResults = { files: [], errors: [], settings };
  const results = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as RunResults) : none;
  if (status === 0 && results.files.length > 0) return results;
  if (countsOf([results]).failed > 0) return results;
  return {
    ...results,
    errors: [`${command} ${args.join(' ')} ended with ${status ?? signal}, and names no failed test`],
  };
}

const lines: string[] = [];

function runScript(script: string): RunResults {
  print(`== npm run ${script}`);
  const first = run('npm', ['run', '--silent', script, '--'], {});
  const repeated = filesToRepeat(first);
  if (repeated.length === 0) return first;
  print(
    `== ${repeated.length} files of ${script} ran out of time: again, each alone (never more than ${MAX_REPEATED_FILES})`,
  );
  const seconds = repeated.map(({ project, file }) =>
    run('npx', ['vitest', 'run', '--project', project, file], first.settings),
  );
  const results = withSecondRuns(first, repeated, seconds);
  lines.push(...linesOfSecondRuns(repeated, results));
  return results;
}

try {
  const results = process.argv.slice(2).map(runScript);
  for (const line of lines) print(line);
  for (const { errors } of results) for (const error of errors) print(`outside of tests: ${error}`);
  const { passed, failed, skipped } = countsOf(results);
  print(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = failed > 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
