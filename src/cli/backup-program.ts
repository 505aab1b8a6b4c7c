/** The verbs that take data out of a node and bring it back, in the command tree. */
import { type Command, Option } from 'commander';
import { withAdminOptions } from './admin-target.ts';
import type { Io } from './io.ts';
import { examples, withConfig } from './options.ts';

type Ends = (run: Promise<number>) => Promise<void>;

const ONLY = 'users, roles, apiKeys, bans, kafkaAcls, kafkaQuotas, kafkaTopics; with commas';

export function addBackupVerbs(program: Command, io: Io, ends: Ends): void {
  withAdminOptions(
    program
      .command('backup')
      .description('Copy the state of a running broker, at one moment, into a new folder on its own machine.')
      .argument('<directory>', 'made by this; nothing may be in it'),
  )
    .option('--no-link', 'copy everything, also what could get a second name on the same disk')
    .addHelpText(
      'after',
      examples(
        'backup /backups/$(date +%F) --data-dir /var/lib/robustmq',
        'backup /mnt/elsewhere/robustmq-1 --data-dir /var/lib/robustmq -o json',
      ),
    )
    .action(async (folder: string, options) =>
      ends((await import('./backup.ts')).backup(folder, options, io)),
    );

  withConfig(
    program
      .command('restore')
      .description('Make a data directory out of a backup, and verify it. No broker runs on it yet.')
      .argument('<backup>', 'folder that `robustmq backup` made'),
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

  withAdminOptions(
    program
      .command('export')
      .description(
        'Write users, roles, API keys, bans, and of Kafka access control lists, quotas and topics as one JSON document.',
      )
      .argument('[file]', 'standard output where it is missing'),
  )
    .option('--only <sections>', ONLY)
    .addHelpText('after', examples('export definitions.json', 'export --only users,roles > access.json'))
    .action(async (file: string | undefined, options) =>
      ends((await import('./definitions.ts')).exportDefinitions(file, options, io)),
    );
  withAdminOptions(
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
}
