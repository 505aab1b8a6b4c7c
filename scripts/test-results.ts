/** What a run of the tests has seen, and what of it deserves a second look: pure, for ci-tests.ts and its reporter. */

export interface Failure {
  readonly name: string;
  readonly messages: readonly string[];
}

/** A file of tests in one project. */
export interface FileResults {
  readonly project: string;
  readonly file: string;
  readonly passed: number;
  readonly skipped: number;
  /** Of tests, of hooks, and of the file itself. */
  readonly failures: readonly Failure[];
}

export interface RunResults {
  readonly files: readonly FileResults[];
  /** What nobody caught, in no test's name. */
  readonly errors: readonly string[];
  /** Of the environment: what the run was told, and a second one of its files has to be told, too. */
  readonly settings: Readonly<Record<string, string>>;
}

/** So many files at once are no accident of a moment. */
export const MAX_REPEATED_FILES = 10;

const TIME_LIMIT = /^(Test|Hook) timed out in \d+ ?ms/;

const ranOutOfTime = ({ messages }: Failure): boolean =>
  messages.length > 0 && messages.every((message) => TIME_LIMIT.test(message));

/** Files in which nothing is wrong but time; none where there are too many. Something that was seen to be wrong is not asked twice. */
export function filesToRepeat({ files }: RunResults): FileResults[] {
  const late = files.filter(({ failures }) => failures.length > 0 && failures.every(ranOutOfTime));
  return late.length > MAX_REPEATED_FILES ? [] : late;
}

const isSame = (a: FileResults, b: FileResults): boolean => a.file === b.file && a.project === b.project;

/** With what the second runs, in the order of `repeated`, have said of its files in place of what the first said; of others they say nothing. */
export function withSecondRuns(
  first: RunResults,
  repeated: readonly FileResults[],
  seconds: readonly RunResults[],
): RunResults {
  const again = repeated.flatMap(
    (before, i) => seconds[i]?.files.filter((each) => isSame(before, each)) ?? [],
  );
  return {
    ...first,
    files: first.files.map((each) => again.find((other) => isSame(each, other)) ?? each),
    errors: [...first.errors, ...seconds.flatMap(({ errors }) => errors)],
  };
}

/** A line for each test that a second run was about. */
export function linesOfSecondRuns(repeated: readonly FileResults[], after: RunResults): string[] {
  return repeated.flatMap((before) => {
    const failures = after.files.find((each) => isSame(before, each))?.failures ?? [];
    return before.failures.map(({ name }) => {
      const outcome = failures.some((each) => each.name === name) ? 'failed' : 'passed';
      return `${outcome} on the second run, alone: ${before.file} (${before.project}) > ${name}`;
    });
  });
}

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export function countsOf(runs: readonly RunResults[]): Counts {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for (const { files, errors } of runs) {
    failed += errors.length;
    for (const file of files) {
      passed += file.passed;
      failed += file.failures.length;
      skipped += file.skipped;
    }
  }
  return { passed, failed, skipped };
}
