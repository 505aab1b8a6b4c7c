/** The verbs about the process of a broker and the machine it is to run on, in the command tree. */
import { type Command, Option } from 'commander';
import { type AdminOptions, withAdminOptions } from './admin-target.ts';
import type { Io } from './io.ts';
import { duration, examples, usualDuration, withConfig } from './options.ts';

type Ends = (run: Promise<number>) => Promise<void>;

const USUAL_WAIT = '30s';

/** After the verbs of the table: `status` is one of them. */
export function addLifecycleVerbs(program: Command, io: Io, ends: Ends): void {
  withAdminOptions(
    program
      .command('reload')
      .description(
        'Have a running broker read its configuration, certificates and files of passwords again.',
      ),
  )
    .addHelpText('after', examples('reload', 'config diff --config broker.yaml'))
    .action(async (options) => ends((await import('./lifecycle.ts')).reload(options, io)));

  withAdminOptions(program.command('stop').description('End a running broker, and wait until it has ended.'))
    .option('--now', 'at once: clients are not told; what was acknowledged is kept all the same')
    .addOption(
      usualDuration('--timeout <duration>', 'how long to wait; exit code 6 when it still runs', USUAL_WAIT),
    )
    .addHelpText('after', examples('stop --data-dir /var/lib/robustmq', 'stop --now'))
    .action(async (options) => ends((await import('./lifecycle.ts')).stop(options, io)));

  program.commands
    .find((command) => command.name() === 'status')
    ?.option(
      '--wait [duration]',
      'wait until it serves, 30s where nothing is said; exit code 6 when it does not',
      duration,
    )
    .hook('preAction', async (_this, command) => {
      const { wait, ...options } = command.opts<AdminOptions & { wait?: number | true }>();
      if (wait === undefined) return;
      const timeoutMs = wait === true ? duration(USUAL_WAIT) : wait;
      await (await import('./lifecycle.ts')).waitUntilServing(options, timeoutMs, io);
    });

  withConfig(
    program
      .command('doctor')
      .description('Look at this machine and the configuration, and say what stands in the way of a broker.'),
  )
    .addOption(
      new Option('-o, --output <form>', 'form of the output')
        .choices(['table', 'wide', 'json', 'ndjson', 'yaml'])
        .default('table'),
    )
    .option('--json', 'same as -o json')
    .option(
      '--bundle <file>',
      'write all that helps others to see what is wrong to a new archive (.tar.gz), without secrets',
    )
    .option('--log <file>', 'of the broker: its last 4 MiB go into the archive')
    .addHelpText(
      'after',
      examples(
        'doctor',
        'doctor --config broker.yaml --json',
        'doctor --config broker.yaml --bundle support.tar.gz',
        'doctor --config broker.yaml --bundle support.tar.gz --log broker.log',
      ),
    )
    .action(async (options) => ends((await import('./doctor.ts')).doctor(options, io)));
}
