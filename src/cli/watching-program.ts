/** The verbs that watch a running broker, in the command tree: events, messages, checks. */
import type { Command } from 'commander';
import { EVENT_KINDS } from '../events/event.ts';
import { withAdminOptions } from './admin-target.ts';
import type { Io } from './io.ts';
import { append, examples, wholeNumber } from './options.ts';

type Ends = (run: Promise<number>) => Promise<void>;

export function addWatchingVerbs(program: Command, io: Io, ends: Ends): void {
  withAdminOptions(
    program.command('events').description('What has happened on a running broker lately, and what happens.'),
  )
    .option('-f, --follow', 'go on with what happens')
    .option(
      '--kind <kind>',
      `only these, repeatable; a part before the dot is all of it: ${EVENT_KINDS.join(', ')}`,
      append,
      [],
    )
    .option('--client <id>', 'only of this client identifier')
    .option('--user <name>', 'only of this user')
    .option('-n, --last <number>', 'so many that have happened come first', wholeNumber(0), 20)
    .option('--count <number>', 'with --follow: end after this many', wholeNumber(1))
    .addHelpText(
      'after',
      examples(
        'events --last 100',
        'events --follow --kind client.refused --kind alarm',
        'events -f --client sensor-17 -o ndjson | jq .reason',
      ),
    )
    .action(async (options) => ends((await import('./events.ts')).events(options, io)));
}
