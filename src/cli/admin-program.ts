/** The verbs of administration, of a running broker and of a data directory at rest, in the command tree: names, options, help. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Io } from './io.ts';
import { wholeNumber, withConfig } from './options.ts';

const DEFAULT_LIMIT = 1000;
const DEFAULT_PEEK = 20;

type Ends = (run: Promise<number>) => Promise<void>;

export function addAdminVerbs(program: Command, io: Io, ends: Ends): void {
  const verbs = () => import('./admin-verbs.ts');

  withOutput(program.command('status').description('What a running broker does, in figures.'))
    .addHelpText('after', examples('robustmq status', 'robustmq status -o json | jq .health.status'))
    .action(async (options) => ends((await verbs()).status(options, io)));

  const session = program.command('session').description('Sessions of a running broker.');
  withLimit(withOutput(session.command('list').description('List sessions.')), DEFAULT_LIMIT)
    .addOption(new Option('--connected', 'only those with a connected client').conflicts('disconnected'))
    .option('--disconnected', 'only those without')
    .option('--prefix <text>', 'only client identifiers that start with this')
    .addHelpText('after', examples('robustmq session list --disconnected -o ndjson | jq .clientId'))
    .action(async (options) => ends((await verbs()).sessionList(options, io)));
  withOutput(session.command('show').description('Show a session with its subscriptions.'))
    .argument('<client-id>')
    .action(async (clientId, options) => ends((await verbs()).sessionShow(clientId, options, io)));
  withOutput(
    session
      .command('end')
      .description('Disconnect the client and remove everything it has and that waits for it.'),
  )
    .argument('<client-id>')
    .addHelpText('after', examples('robustmq session end sensor-17'))
    .action(async (clientId, options) => ends((await verbs()).sessionEnd(clientId, options, io)));

  const queue = program.command('queue').description('Queues of sessions and of shared subscriptions.');
  withLimit(withOutput(queue.command('list').description('List queues.')), DEFAULT_LIMIT).action(
    async (options) => ends((await verbs()).queueList(options, io)),
  );
  withOutput(queue.command('show').description('Show a queue with its bounds and members.'))
    .argument('<name>', "client identifier, or '$share/group/filter'")
    .action(async (name, options) => ends((await verbs()).queueShow(name, options, io)));
  withLimit(
    withOutput(
      queue.command('peek').alias('read').description('Show the oldest messages; they stay where they are.'),
    ),
    DEFAULT_PEEK,
  )
    .argument('<name>', "client identifier, or '$share/group/filter'")
    .addHelpText('after', examples("robustmq queue peek '$share/workers/jobs/#' --limit 5"))
    .action(async (name, options) => ends((await verbs()).queuePeek(name, options, io)));
  withOutput(queue.command('purge').description('Remove what waits; what is in flight stays.'))
    .argument('<name>', "client identifier, or '$share/group/filter'")
    .action(async (name, options) => ends((await verbs()).queuePurge(name, options, io)));

  const retained = program.command('retained').description('Retained messages.');
  withLimit(withOutput(retained.command('list').description('List retained messages.')), DEFAULT_LIMIT)
    .argument('[filter]', 'only topics that match')
    .addHelpText('after', examples("robustmq retained list 'sensors/#'"))
    .action(async (filter, options) => ends((await verbs()).retainedList(filter, options, io)));
  withOutput(retained.command('show').description('Show a retained message.'))
    .argument('<topic>')
    .addHelpText('after', examples('robustmq retained show sensors/kitchen -o json | jq -r .payload'))
    .action(async (topic, options) => ends((await verbs()).retainedShow(topic, options, io)));
  withOutput(retained.command('delete').description('Remove a retained message.'))
    .argument('<topic>')
    .action(async (topic, options) => ends((await verbs()).retainedDelete(topic, options, io)));

  const stream = program.command('stream').description('Streams.');
  withLimit(withOutput(stream.command('list').description('List streams.')), DEFAULT_LIMIT).action(
    async (options) => ends((await verbs()).streamList(options, io)),
  );
  withOutput(stream.command('show').description('Show a stream with its partitions.'))
    .argument('<name>')
    .action(async (name, options) => ends((await verbs()).streamShow(name, options, io)));
  withOutput(
    stream.command('read').description('Print records, of all partitions one after the other or of one.'),
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

export function addOfflineVerbs(program: Command, io: Io, ends: Ends): void {
  withConfig(
    program
      .command('verify')
      .description('Check a data directory on which no broker runs: every frame, every index, every view.'),
  )
    .option('--json', 'the report as JSON')
    .addHelpText('after', examples('robustmq verify --data-dir /var/lib/robustmq'))
    .action(async (options) => ends((await import('./offline.ts')).verify(options, io)));
  withConfig(
    program
      .command('repair')
      .description('Say what a start would mend in a data directory, and what it could not.'),
  )
    .option('--dry-run', 'needed: nothing is ever changed by this verb')
    .option('--json', 'the report as JSON')
    .addHelpText('after', examples('robustmq repair --dry-run --data-dir /var/lib/robustmq'))
    .action(async (options) => ends((await import('./repair.ts')).repair(options, io)));
}

function withOutput(command: Command): Command {
  return withConfig(command)
    .addOption(
      new Option('-o, --output <form>', 'form of the output')
        .choices(['table', 'json', 'ndjson'])
        .default('table'),
    )
    .option('--json', 'same as -o json');
}

const withLimit = (command: Command, usual: number): Command =>
  command.option('--limit <number>', 'at most so many', wholeNumber(1), usual);

const examples = (...lines: readonly string[]): string =>
  `\nExamples:\n${lines.map((each) => `  ${each}`).join('\n')}`;

function offset(text: string): number | 'start' | 'end' {
  if (text === 'start' || text === 'end') return text;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError("Expected a number, 'start' or 'end'.");
}
