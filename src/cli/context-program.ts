/** The verbs about contexts, in the command tree. */
import type { Command } from 'commander';
import type { Io } from './io.ts';
import { examples, withOutput } from './options.ts';

type Ends = (run: Promise<number>) => Promise<void>;

const verbs = () => import('./context-verbs.ts');

export function addContextVerbs(program: Command, io: Io, ends: Ends): void {
  const context = program
    .command('context')
    .description('Brokers under names: where they are, and how to be let in.');
  context
    .command('add')
    .description('Add one, or change it. The first one is in use at once.')
    .argument('<name>')
    .option('--data-dir <dir>', 'data directory of a broker on this machine')
    .option('--url <url>', 'its administration: http:// or https://')
    .option('--api-key-file <file>', 'file with the API key for --url')
    .option('--ca <file>', 'authorities that --url may be certified by, PEM')
    .option('--mqtt-url <url>', 'where pub and sub connect: mqtt://, mqtts://, ws://, wss://, mqtt+unix://')
    .option('--mqtt-ca <file>', 'authorities that --mqtt-url may be certified by, PEM')
    .option('--user <name>', 'user name of pub and sub')
    .option('--password-file <file>', 'file with the password of pub and sub')
    .option('--use', 'use it from now on')
    .addHelpText(
      'after',
      examples(
        'context add here --data-dir /var/lib/robustmq',
        'context add prod --url https://mq.example.org:18084 --api-key-file ~/.config/robustmq/prod.key --use',
      ),
    )
    .action(async (name, options) => ends((await verbs()).contextAdd(name, options, io)));
  context
    .command('use')
    .description('Use one from now on, wherever no other is named.')
    .argument('<name>')
    .addHelpText('after', examples('context use prod'))
    .action(async (name) => ends((await verbs()).contextUse(name, io)));
  withForms(context.command('list').alias('ls').description('All of them.'))
    .addHelpText('after', examples('context list', 'context list --json'))
    .action(async ({ output }) => ends((await verbs()).contextList(output, io)));
  withForms(context.command('show').description('One of them, or the one in use.'))
    .argument('[name]')
    .addHelpText('after', examples('context show', 'context show prod -o yaml'))
    .action(async (name, { output }) => ends((await verbs()).contextShow(name, output, io)));
  context
    .command('delete')
    .alias('rm')
    .description('Delete one.')
    .argument('<name>')
    .addHelpText('after', examples('context delete prod'))
    .action(async (name) => ends((await verbs()).contextDelete(name, io)));
}

const withForms = (command: Command): Command =>
  withOutput(command, ['table', 'wide', 'json', 'ndjson', 'yaml'], 'table');
