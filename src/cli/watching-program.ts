/** The verbs that watch a running broker, in the command tree: events, messages, checks. */
import { type Command, Option } from 'commander';
import { CHECKS } from '../admin/operations/checks.ts';
import { MAX_PER_SECOND } from '../admin/operations/tail.ts';
import { MAX_TRACE_SECONDS, MAX_TRACED_PER_SECOND } from '../admin/operations/trace.ts';
import { EVENT_KINDS } from '../events/event.ts';
import { withAdminOptions } from './admin-target.ts';
import type { Io } from './io.ts';
import { append, examples, size, wholeNumber } from './options.ts';

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
    .option('--tenant <name>', 'only of this tenant')
    .option('-n, --last <number>', 'so many that have happened come first', wholeNumber(0), 20)
    .option('--count <number>', 'with --follow: end after this many', wholeNumber(1))
    .option('--retry', 'with --follow: go on when a broker that was lost is back')
    .addHelpText(
      'after',
      examples(
        'events --last 100',
        'events --follow --kind client.refused --kind alarm',
        'events -f --client sensor-17 -o ndjson | jq .reason',
      ),
    )
    .action(async (options) => ends((await import('./events.ts')).events(options, io)));
  withAdminOptions(
    program
      .command('tail')
      .description('Messages of all protocols as they are published; nothing is consumed, nobody waits.'),
  )
    .argument('<filter...>', "topic filters as MQTT has them; a topic of Kafka is one with '/' for '.'")
    .addOption(
      new Option('--format <format>', 'how payloads are shown')
        .choices(['text', 'json', 'hex'])
        .default('text'),
    )
    .option(
      '--rate <number>',
      'messages shown in a second; the rest is counted',
      wholeNumber(1, MAX_PER_SECOND),
      100,
    )
    .option('--max-payload <size>', 'longer payloads are cut', size(0, 64 * 1024), 1024)
    .option('-n, --count <number>', 'end after this many', wholeNumber(1))
    .option('--retry', 'go on when a broker that was lost is back')
    .addHelpText(
      'after',
      examples(
        "tail 'sensors/#'",
        'tail orders/created payments/# --format json --rate 10',
        "tail '#' -o ndjson --url https://broker.example:18084 | jq .topic",
      ),
    )
    .action(async (filters, options) => ends((await import('./tail.ts')).tail(filters, options, io)));
  withAdminOptions(
    program
      .command('trace')
      .description('What becomes of messages, step by step: taken, routed, written, delivered.'),
  )
    .option('--topic <filter>', "only messages to these topics; a topic of Kafka is one with '/' for '.'")
    .option('--client <id>', "only of this publisher; 'dev-*' is all whose identifiers begin so")
    .option(
      '--rate <number>',
      'messages followed in a second; the rest is counted',
      wholeNumber(1, MAX_TRACED_PER_SECOND),
      10,
    )
    .option('--seconds <number>', 'end after so long', wholeNumber(1, MAX_TRACE_SECONDS), 600)
    .option('-n, --count <number>', 'end after this many steps', wholeNumber(1))
    .addHelpText(
      'after',
      `\nSteps of a message begin with the same eight digits, and come in the order in which they end.\n${examples(
        'trace --client sensor-17',
        "trace --topic 'orders/#' --rate 1",
        "trace --topic 'orders/#' --seconds 60 -o ndjson | jq 'select(.step == \"deliver\") | .micros'",
      )}`,
    )
    .action(async (options) => ends((await import('./trace.ts')).trace(options, io)));
  withAdminOptions(
    program
      .command('check')
      .description('Ask a running broker by name whether all is well: exit code 0 when it is, 1 when not.'),
  )
    .argument('[name...]', `'ready' without one; there are ${Object.keys(CHECKS).join(', ')}`)
    .option('--quiet', 'print nothing')
    .addHelpText(
      'after',
      `\nChecks:\n${Object.entries(CHECKS)
        .map(([name, meaning]) => `  ${name.padEnd(18)} ${meaning}`)
        .join(
          '\n',
        )}\n\nExit codes: 0 all are, 1 one is not, 2 no such check, 4 denied, 5 no broker.\n${examples(
        'check',
        'check ready listener:mqtts certificates:30',
        'check alarms --quiet || robustmq alarm list',
      )}`,
    )
    .action(async (names, options) => ends((await import('./check.ts')).check(names, options, io)));
}
