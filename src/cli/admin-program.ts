/** The verbs of administration, of a running broker and of a data directory at rest, in the command tree: names, options, help. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { withAdminOptions } from './admin-target.ts';
import type { Io } from './io.ts';
import { addOperationVerbs, subjectOf } from './operation-verbs.ts';
import { usualDuration, wholeNumber, withConfig, withOutput } from './options.ts';
import { addWatchingVerbs } from './watching-program.ts';

type Ends = (run: Promise<number>) => Promise<void>;

export function addAdminVerbs(program: Command, io: Io, ends: Ends): void {
  addOperationVerbs(program, io, ends);
  addTop(program, io, ends);
  addWatchingVerbs(program, io, ends);
  addAuditVerify(program, io, ends);
  withAdminOptions(
    subjectOf(program, 'stream')
      .command('read')
      .description('Print records, of all partitions one after the other or of one.'),
  )
    .argument('<name>')
    .option('-p, --partition <number>', 'only this partition', wholeNumber(0, 65_535))
    .addOption(
      new Option('--offset <offset>', "where to begin: a number, 'start' or 'end'")
        .argParser(offset)
        .default('start'),
    )
    .option('--limit <number>', 'end after this many records', wholeNumber(1))
    .option('-f, --follow', 'go on with what comes')
    .addHelpText(
      'after',
      examples(
        'robustmq stream read telemetry --partition 0 --limit 10',
        'robustmq stream read telemetry --follow --offset end -o ndjson',
      ),
    )
    .action(async (name, options) => ends((await import('./stream-read.ts')).streamRead(name, options, io)));
}

function addAuditVerify(program: Command, io: Io, ends: Ends): void {
  withAdminOptions(
    subjectOf(program, 'audit')
      .command('verify')
      .description('Whether the audit log is whole, of a running broker or of a data directory at rest.'),
  )
    .option('--expected <sequence:hash>', 'an entry that was noted before; it must be there as it was')
    .addHelpText(
      'after',
      examples(
        'robustmq audit verify',
        'robustmq audit verify --data-dir /var/lib/robustmq --expected "$(cat /mnt/elsewhere/audit-anchor)"',
        'robustmq audit verify -o ndjson | jq -r \'"\\(.lastSequence):\\(.lastHash)"\' > /mnt/elsewhere/audit-anchor',
      ),
    )
    .action(async (options) => ends((await import('./audit-verify.ts')).auditVerify(options, io)));
}

function addTop(program: Command, io: Io, ends: Ends): void {
  withAdminOptions(program.command('top').description('The figures of a running broker as they change.'))
    .addOption(usualDuration('-i, --interval <duration>', 'how often to look', '2s'))
    .option('-n, --count <number>', 'end after this many looks', wholeNumber(1))
    .addHelpText('after', examples('robustmq top', 'robustmq top --interval 10s -o ndjson >> figures.ndjson'))
    .action(async (options) => ends((await import('./top.ts')).top(options, io)));
}

export function addOfflineVerbs(program: Command, io: Io, ends: Ends): void {
  withReport(
    program
      .command('verify')
      .description('Check a data directory on which no broker runs: every frame, every index, every view.'),
  )
    .addHelpText(
      'after',
      examples(
        'robustmq verify --data-dir /var/lib/robustmq',
        'robustmq verify --config broker.yaml --json | jq .isSound',
      ),
    )
    .action(async (options) => ends((await import('./offline.ts')).verify(options, io)));
  withReport(
    program
      .command('repair')
      .description('Say what a start would mend in a data directory, and what it could not.'),
  )
    .option('--dry-run', 'needed: nothing is ever changed by this verb')
    .addHelpText('after', examples('robustmq repair --dry-run --data-dir /var/lib/robustmq'))
    .action(async (options) => ends((await import('./repair.ts')).repair(options, io)));
}

const withReport = (command: Command): Command =>
  withOutput(withConfig(command), ['text', 'json', 'ndjson', 'yaml'], 'text');

const examples = (...lines: readonly string[]): string =>
  `\nExamples:\n${lines.map((each) => `  ${each}`).join('\n')}`;

function offset(text: string): number | 'start' | 'end' {
  if (text === 'start' || text === 'end') return text;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError("Expected a number, 'start' or 'end'.");
}
