/** Writes what a run has seen into the file that ROBUSTMQ_CI_RESULTS names. */
import { writeFileSync } from 'node:fs';
import type { SerializedError } from 'vitest';
import type { Reporter, TestModule } from 'vitest/node';
import type { Failure, FileResults, RunResults } from './test-results.ts';

type Errors = readonly { readonly message: string }[];

const failureOf = (name: string, errors: Errors): Failure[] =>
  errors.length === 0 ? [] : [{ name, messages: errors.map(({ message }) => message) }];

function resultsOf(module: TestModule): FileResults {
  const failures = failureOf('the file itself', module.errors());
  for (const suite of module.children.allSuites())
    failures.push(...failureOf(suite.fullName, suite.errors()));
  let passed = 0;
  let skipped = 0;
  for (const test of module.children.allTests()) {
    const { state, errors } = test.result();
    if (state === 'passed') passed++;
    else if (state === 'failed')
      failures.push({ name: test.fullName, messages: (errors ?? []).map(({ message }) => message) });
    else skipped++;
  }
  return { project: module.project.name, file: module.relativeModuleId, passed, skipped, failures };
}

export default class CiReporter implements Reporter {
  /** As they are before a global set-up puts the address of what it has started there. */
  readonly #settings: RunResults['settings'] = Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      name.startsWith('ROBUSTMQ_TEST_') && value !== undefined ? [[name, value]] : [],
    ),
  );

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const file = process.env.ROBUSTMQ_CI_RESULTS;
    if (file === undefined) return;
    const results: RunResults = {
      files: modules.map(resultsOf),
      errors: unhandled.map(({ message }) => message),
      settings: this.#settings,
    };
    writeFileSync(file, JSON.stringify(results));
  }
}
