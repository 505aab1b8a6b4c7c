/** The verbs about the configuration, in the command tree. */
import { type Command, Option } from 'commander';
import { PROFILES } from '../config/profiles.ts';
import { withAdminOptions } from './admin-target.ts';
import type { Io } from './io.ts';
import { examples, withConfig, withOutput } from './options.ts';

type Ends = (run: Promise<number>) => Promise<void>;

const verbs = () => import('./config-verbs.ts');

export function addConfigVerbs(program: Command, io: Io, ends: Ends): void {
  const config = program.command('config').description('Look at the configuration.');
  withOutput(
    withConfig(config.command('print').description('Print the configuration in effect.')),
    ['yaml', 'json'],
    'yaml',
  )
    .option('--sources', 'say where each value comes from; as JSON a list of all keys')
    .addHelpText(
      'after',
      examples(
        'config print --sources',
        'config print --config broker.yaml',
        'config print --json | jq .listeners.mqtt.port',
      ),
    )
    .action(async (options) => ends((await verbs()).configPrint(options, io)));
  withOutput(
    withConfig(config.command('validate').description('Check it without starting.')),
    ['table', 'wide', 'json', 'ndjson', 'yaml'],
    'table',
  )
    .option('--environment', 'look at this machine too: ports, certificates, the data directory, open files')
    .addHelpText('after', examples('config validate --config broker.yaml --environment'))
    .action(async (options) => ends((await verbs()).configValidate(options, io)));
  withAdminOptions(
    config
      .command('diff')
      .description(
        'Say what is different from what a running broker has in use, or from another file. Secrets are compared with those of a file only.',
      ),
  )
    .argument('[file]', 'another configuration file')
    .addHelpText(
      'after',
      `${examples('config diff --config broker.yaml', 'config diff other.yaml --config broker.yaml')}\n\nExit codes: 0 nothing is different, 1 something is.`,
    )
    .action(async (other, options) => ends((await verbs()).configDiff(other, options, io)));
  withProfile(config.command('init').description('Print a file to begin with, with comments.'))
    .addHelpText('after', examples('config init --profile prod', 'config init --file broker.yaml'))
    .action(async (options) => ends((await verbs()).configInit(options, io)));
  config
    .command('docs')
    .description('Print the reference of every key, or of one section or key.')
    .argument('[key]')
    .addHelpText('after', examples('config docs mqtt.queue', 'config docs mqtt.maxPacketSize'))
    .action(async (key: string | undefined) => ends((await verbs()).configDocs(key, io)));
  config
    .command('schema')
    .description('Print a JSON Schema of the file, for editors.')
    .addHelpText('after', examples('config schema > broker.schema.json'))
    .action(async () => ends((await verbs()).configSchema(io)));

  withProfile(program.command('init').description('Write a configuration file to begin with.'))
    .addHelpText(
      'after',
      examples('init --profile prod --file /etc/robustmq/broker.yaml', 'init --profile edge'),
    )
    .action(async (options) =>
      ends((await verbs()).configInit({ ...options, file: options.file ?? 'robustmq.yaml' }, io)),
    );
}

function withProfile(command: Command): Command {
  return command
    .addOption(
      new Option('--profile <name>', 'for what: dev is loopback only, edge a small machine, prod with TLS')
        .choices(PROFILES)
        .default('dev'),
    )
    .option('--file <file>', 'write it there')
    .option('--force', 'overwrite a file that is there');
}
