/** The verbs that take data out of a node and bring it back, in the command tree. */
import type { Command } from 'commander';
import { withAdminOptions } from './admin-target.ts';
import type { Io } from './io.ts';
import { examples, withConfig } from './options.ts';

type Ends = (run: Promise<number>) => Promise<void>;

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
}
