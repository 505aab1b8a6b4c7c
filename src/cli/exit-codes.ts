/** What the process ends with; scripts rely on these numbers, which docs/cli.md lists. */
export const ExitCode = {
  Ok: 0,
  Failed: 1,
  /** Wrong command, option, or configuration. */
  Usage: 2,
  /** `verify` or `repair --dry-run` found damage. */
  Unsound: 3,
  /** Not known to the broker, or not allowed. */
  Denied: 4,
  /** No connection to the broker, or it was lost. */
  Unreachable: 5,
  TimedOut: 6,
  /** A defect: an exception that nothing expected. */
  Internal: 70,
} as const;

/** Ends a verb with one sentence for the user. */
export class CliError extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}
