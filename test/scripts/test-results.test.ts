import { describe, expect, it } from 'vitest';
import {
  countsOf,
  type FileResults,
  filesToRepeat,
  linesOfSecondRuns,
  MAX_REPEATED_FILES,
  type RunResults,
  withSecondRuns,
} from '../../scripts/test-results.ts';

const LATE = 'Test timed out in 20000ms.\nIf this is a long-running test, pass a timeout value';
const LATE_HOOK = 'Hook timed out in 30000ms.';
const WRONG = 'expected 1 to be 2 // Object.is equality';

const file = (name: string, ...failures: [name: string, ...messages: string[]][]): FileResults => ({
  project: 'all',
  file: name,
  passed: 3,
  skipped: 1,
  failures: failures.map(([test, ...messages]) => ({ name: test, messages })),
});
const run = (files: readonly FileResults[], errors: readonly string[] = []): RunResults => ({
  files,
  errors,
  settings: {},
});
const namesOf = (files: readonly FileResults[]): string[] => files.map((each) => each.file);

describe('files to repeat', () => {
  it('are those in which tests and hooks ran out of time, and nothing else was wrong', () => {
    const results = run([
      file('good'),
      file('late', ['a', LATE]),
      file('late hook', ['a', LATE], ['b', LATE_HOOK]),
      file('wrong', ['a', WRONG]),
      file('late and wrong', ['a', LATE], ['b', WRONG]),
      file('late, and wrong behind it', ['a', LATE, WRONG]),
      file('wrong about time', ['a', 'expected "Test timed out in 5ms" to be ""']),
      file('fails and does not say why', ['a']),
    ]);
    expect(namesOf(filesToRepeat(results))).toEqual(['late', 'late hook']);
  });

  it('are none where there are too many', () => {
    const files = Array.from({ length: MAX_REPEATED_FILES }, (_, i) => file(String(i), ['a', LATE]));
    expect(filesToRepeat(run(files))).toHaveLength(MAX_REPEATED_FILES);
    expect(filesToRepeat(run([...files, file('one more', ['a', LATE])]))).toEqual([]);
  });
});

describe('a second run', () => {
  const other: FileResults = { ...file('late', ['a', LATE]), project: 'flow cache off' };
  const first = run([file('late', ['a', LATE]), other, file('wrong', ['b', WRONG])], ['nobody caught this']);
  const repeated = [first.files[0]];

  it('counts in place of the first, for its file in its project only', () => {
    const second = run([{ ...file('late'), passed: 4 }, file('wrong')], ['nor this']);
    const results = withSecondRuns(first, repeated, [second]);
    expect(results.files).toEqual([{ ...file('late'), passed: 4 }, other, file('wrong', ['b', WRONG])]);
    expect(results.errors).toEqual(['nobody caught this', 'nor this']);
    expect(countsOf([results])).toEqual({ passed: 10, failed: 4, skipped: 3 });
    expect(linesOfSecondRuns(repeated, results)).toEqual(['passed on the second run, alone: late (all) > a']);
  });

  it('that fails too, or says nothing, saves nobody', () => {
    for (const second of [run([file('late', ['a', WRONG])]), run([])]) {
      const results = withSecondRuns(first, repeated, [second]);
      expect(countsOf([results]).failed).toBe(4);
      expect(linesOfSecondRuns(repeated, results)).toEqual([
        'failed on the second run, alone: late (all) > a',
      ]);
    }
  });
});

it('counts over several runs', () => {
  const runs = [run([file('a'), file('b', ['x', WRONG])], ['outside']), run([file('c')])];
  expect(countsOf(runs)).toEqual({ passed: 9, failed: 2, skipped: 3 });
});
