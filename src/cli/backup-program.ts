/** The verbs that take data out of a node and bring it back, in the command tree. */
import { type Command, Option } from 'commander';
import { withAdminOptions } from './admin-target.ts';
import type { Io } from './io.ts';
import { examples, wholeNumber, withConfig, withOutput } from './options.ts';

type Ends = (run: Promise<number>) => Promise<void>;

const ONLY =
  'users, roles, apiKeys, bans, kafkaAcls, kafkaQuotas, kafkaTopics, schemas, schemaSettings, schemaContexts; with commas';

export function addBackupVerbs(program: Command, io: Io, ends: Ends): void {
  withAdminOptions(
    program
      .command('backup')
      .description('Copy the state of a running broker, at one moment, into a new folder on its own machine.')
      .argument('<directory>', 'made by this; nothing may be in it'),
  )
    .option('--no-link', 'copy everything, also what could get a second name on the same disk')
    .option(
      '--with-cold',
      'copy what only the object store has as well; needs the configuration of the broker',
    )
    .addHelpText(
      'after',
      examples(
        'backup /backups/$(date +%F) --data-dir /var/lib/robustmq',
        'backup /mnt/elsewhere/robustmq-1 --data-dir /var/lib/robustmq -o json',
        'backup /backups/whole --config /etc/robustmq.yaml --with-cold',
      ),
    )
    .action(async (folder: string, options) =>
      ends((await import('./backup.ts')).backup(folder, options, io)),
    );

  withOutput(
    withConfig(
      program
        .command('restore')
        .description('Make a data directory out of a backup, and verify it. No broker runs on it yet.')
        .argument('<backup>', 'folder that `robustmq backup` made'),
    ),
    ['text', 'json', 'ndjson', 'yaml'],
    'text',
  )
    .option('--check', 'only compare the backup with what its manifest says')
    .option('--new-identity', 'for a node that is to run beside the old one')
    .option('--no-verify', 'do not read the journal and rebuild every table from it afterwards')
    .addHelpText(
      'after',
      examples(
        'restore /backups/2026-11-21 --data-dir /var/lib/robustmq',
        'restore /backups/2026-11-21 --check',
        'restore /backups/2026-11-21 --data-dir /srv/copy --new-identity',
      ),
    )
    .action(async (folder: string, options) =>
      ends((await import('./restore.ts')).restore(folder, options, io)),
    );

  const exporting = withAdminOptions(
    program
      .command('export')
      .description(
        'Write users, roles, API keys, bans, and of Kafka access control lists, quotas, topics and schemas as one JSON document.',
      )
      .argument('[file]', 'standard output where it is missing'),
  )
    .option('--only <sections>', ONLY)
    .addHelpText('after', examples('export definitions.json', 'export --only users,roles > access.json'))
    .action(async (file: string | undefined, options) =>
      ends((await import('./definitions.ts')).exportDefinitions(file, options, io)),
    );
  const importing = withAdminOptions(
    program
      .command('import')
      .description('Take in such a document: as a whole, or not at all.')
      .argument('<file>', "'-' is standard input"),
  )
    .option('--only <sections>', ONLY)
    .option('--dry-run', 'only show what would be done')
    .addOption(
      new Option('--on-conflict <how>', 'with what is there and different')
        .choices(['fail', 'skip', 'replace'])
        .default('fail'),
    )
    .addHelpText(
      'after',
      examples('import definitions.json --dry-run', 'import definitions.json --on-conflict replace'),
    )
    .action(async (file: string, options) =>
      ends((await import('./definitions.ts')).importDefinitions(file, options, io)),
    );
  addDataVerbs(exporting, importing, io, ends);
}

/** The verb above has options of the same names, and takes them wherever they stand. */
function given<T extends object>(command: Command): T {
  const { parent } = command;
  const above = Object.entries(parent?.opts() ?? {});
  const own = above.filter(([name]) => parent?.getOptionValueSource(name) === 'cli');
  return { ...command.opts<T>(), ...Object.fromEntries(own) };
}

function addDataVerbs(exporting: Command, importing: Command, io: Io, ends: Ends): void {
  withAdminOptions(
    exporting
      .command('data')
      .description('Write records or retained messages to standard output, one JSON object a line.'),
  )
    .option('--topic <name>', 'records of a topic of Kafka; of transactions those that were committed')
    .option('--stream <name>', 'records of a stream, also where Kafka is not served')
    .option('--retained <filter>', 'retained messages whose topics the filter matches')
    .option('--partition <number>', 'only this partition', wholeNumber(0, 65_535))
    .option('--offset <number>', 'from this offset of the partition on', wholeNumber(0))
    .addHelpText(
      'after',
      examples(
        'export data --topic orders > orders.ndjson',
        'export data --topic orders --partition 0 --offset 1200 >> orders.ndjson',
        "export data --retained 'sensors/#' > retained.ndjson",
      ),
    )
    .action(async (_options, command: Command) =>
      ends((await import('./export-data.ts')).exportData(given(command), io)),
    );
  withAdminOptions(
    importing
      .command('data')
      .description(
        'Append records to their partitions and publish retained messages, in the order of the lines.',
      )
      .argument('<file>', "of `export data`; '-' is standard input"),
  )
    .option('--topic <name>', 'in place of the topic that records came from')
    .option('--skip <lines>', 'go on behind so many lines', wholeNumber(0), 0)
    .addHelpText(
      'after',
      examples('import data orders.ndjson', 'import data orders.ndjson --topic copy --skip 5000'),
    )
    .action(async (file: string, _options, command: Command) =>
      ends((await import('./import-data.ts')).importData(file, given(command), io)),
    );
}
