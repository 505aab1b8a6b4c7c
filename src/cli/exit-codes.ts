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

/** Codes of MQTT for who is not known or may not: of CONNACK before MQTT 5 the first two. */
const DENIALS: readonly number[] = [4, 5, 0x86, 0x87, 0x8a];

/** What a refusal of an MQTT broker ends a verb with. */
export const exitCodeOfRefusal = (code: number): number =>
  DENIALS.includes(code) ? ExitCode.Denied : ExitCode.Failed;

/** Ends a verb with one sentence for the user. */
export class CliError extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}
