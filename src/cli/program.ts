/**
 * The command tree: names, options and help texts. A verb's code is imported when the verb runs, so that each
 * start-up pays for what it uses.
 */
import { Command } from 'commander';
import { packageVersion } from '../package-version.ts';
import { addAdminVerbs, addOfflineVerbs } from './admin-program.ts';
import { addBackupVerbs } from './backup-program.ts';
import { addBenchVerbs } from './bench-program.ts';
import { addConfigVerbs } from './config-program.ts';
import { addContextVerbs } from './context-program.ts';
import { ExitCode } from './exit-codes.ts';
import type { Io } from './io.ts';
import { addLifecycleVerbs } from './lifecycle-program.ts';
import {
  append,
  duration,
  examples,
  helpConfiguration,
  usualDuration,
  wholeNumber,
  withConfig,
  withConnection,
  withOutput,
} from './options.ts';

export interface Outcome {
  exitCode: number;
}

/** Builds the tree; the verb that runs leaves its exit code in `outcome`. */
export function buildProgram(io: Io, outcome: Outcome): Command {
  const program = new Command('robustmq')
    .description('One message broker for every protocol.')
    .version(packageVersion(), '--version')
    .configureOutput({
      writeOut: (text) => void io.out.write(text),
      writeErr: (text) => void io.err.write(text),
    })
    .configureHelp(helpConfiguration)
    .exitOverride()
    .showHelpAfterError('(--help shows how)')
    .addHelpText(
      'after',
      `
Exit codes: 0 ok, 1 failed, 2 usage, 3 damaged data, 4 denied, 5 broker unreachable, 6 timed out, 70 defect.

Examples:
  robustmq start --set listeners.mqtt.port=1884
  robustmq sub 'sensors/#' -v
  robustmq pub sensors/kitchen 21.5 --retain
  robustmq session list --data-dir /var/lib/robustmq`,
    );
  const ends = async (run: Promise<number>): Promise<void> => {
    outcome.exitCode = await run;
  };

  withConfig(program.command('start').description('Run the broker.'))
    .option('--ready-file <file>', "write every listener's address to this file, as JSON, when all listen")
    .addHelpText(
      'after',
      examples(
        'start',
        'start --config broker.yaml',
        'start --set listeners.mqtt.port=1884 --data-dir /var/lib/robustmq',
      ),
    )
    .action(async (options) => {
      const [{ start }, { startNode }] = await Promise.all([import('./start.ts'), import('../node.ts')]);
      await ends(start(options, io, startNode));
    });

  withConnection(program.command('pub').description('Publish a message.'))
    .argument('<topic>')
    .argument('[payload]', "the message; '-' takes all of standard input as one message")
    .option('-l, --line', 'publish each line of standard input as a message')
    .option('-f, --file <file>', 'publish the content of a file')
    .option('-r, --retain', 'ask the broker to retain it')
    .option('-n, --count <number>', 'publish it this many times', wholeNumber(1), 1)
    .option(
      '--property <name=value>',
      'MQTT 5 property: content-type, response-topic, correlation-data, payload-format-indicator, message-expiry-interval, topic-alias',
      append,
      [],
    )
    .option('--user-property <name=value>', 'MQTT 5 user property', append, [])
    .addHelpText(
      'after',
      examples(
        'pub sensors/kitchen 21.5 --retain --qos 1',
        'pub firmware/blob --file image.bin',
        "pub sensors/kitchen '' --retain    # removes the retained message",
      ),
    )
    .action(async (topic: string, payload: string | undefined, options) => {
      const { pub } = await import('./pub.ts');
      await ends(pub(topic, payload, options, io));
    });

  withOutput(
    withConnection(program.command('sub').description('Subscribe and print what arrives.')),
    ['text', 'json', 'ndjson'],
    'text',
  )
    .argument('<filter...>')
    .option('-n, --count <number>', 'end after this many messages', wholeNumber(1))
    .option(
      '-t, --timeout <duration>',
      'end after this time; exit code 6 when --count was not reached',
      duration,
    )
    .option('-v, --verbose', "print the topic too; short for --format '%t %p'")
    .option(
      '--format <format>',
      'what to print: %t topic, %p payload, %q QoS, %r retained, %l length, %x hex, %b base64, %I time, %j JSON, %P user properties, …',
    )
    .option('--retained-only', 'print retained messages only and end with the first live one (or after 2s)')
    .option('--no-retained', 'leave retained messages out')
    .option('--no-local', 'leave out what this connection publishes (MQTT 5)')
    .option('--retain-as-published', 'keep the RETAIN flag of live messages (MQTT 5)')
    .option('--subscription-id <number>', 'subscription identifier (MQTT 5)', wholeNumber(1, 268_435_455))
    .addHelpText(
      'after',
      examples(
        "sub 'sensors/#' -v",
        'sub orders --count 10 --timeout 1m',
        "sub 'sensors/#' -o ndjson | jq .payload",
      ),
    )
    .action(async (filters: string[], options) => {
      const { sub } = await import('./sub.ts');
      await ends(sub(filters, options, io));
    });

  withOutput(
    withConnection(
      program.command('req').description('Publish a request and print what comes back for it (MQTT 5).'),
    ),
    ['text', 'json', 'ndjson'],
    'text',
  )
    .argument('<topic>')
    .argument('[payload]', "the request; '-' takes all of standard input", '')
    .option('-n, --count <number>', 'responses to wait for', wholeNumber(1, 100_000), 1)
    .addOption(
      usualDuration('-t, --timeout <duration>', 'how long to wait; exit code 6 when fewer came', '10s'),
    )
    .option('--response-topic <topic>', 'where they are to arrive (default: one of its own)')
    .option('--format <format>', 'what to print, as with sub (default: %p)')
    .option('--property <name=value>', 'MQTT 5 property of the request, as with pub', append, [])
    .option('--user-property <name=value>', 'MQTT 5 user property', append, [])
    .addHelpText(
      'after',
      examples('req services/time --timeout 2s', "req services/add '[1, 2]' -q 1 -o ndjson | jq .payload"),
    )
    .action(async (topic: string, payload: string, options) => {
      const { req } = await import('./req.ts');
      await ends(req(topic, payload, options, io));
    });

  addBenchVerbs(program, io, ends);
  addConfigVerbs(program, io, ends);
  addContextVerbs(program, io, ends);
  addAdminVerbs(program, io, ends);
  addLifecycleVerbs(program, io, ends);
  addOfflineVerbs(program, io, ends);
  addBackupVerbs(program, io, ends);

  withOutput(program.command('version').description('Print the version.'), ['text', 'json'], 'text')
    .addHelpText('after', examples('version', 'version --json | jq -r .version'))
    .action(({ output }: { readonly output: 'text' | 'json' }) => {
      const version = packageVersion();
      const both = { version, node: process.versions.node };
      io.out.write(output === 'json' ? `${JSON.stringify(both, undefined, 2)}\n` : `${version}\n`);
    });
  program
    .command('completion')
    .description('Print a completion script, e.g. for `source <(robustmq completion bash)`.')
    .addArgument(program.createArgument('<shell>').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      examples(
        'completion bash > /etc/bash_completion.d/robustmq',
        'completion fish > ~/.config/fish/completions/robustmq.fish',
      ),
    )
    .action(async (shell: 'bash' | 'zsh' | 'fish') => {
      const { completionScript } = await import('./completion.ts');
      io.out.write(completionScript(program, shell));
    });
  return program;
}

/** Runs one command line and gives its exit code; everything for the user has been written. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  const outcome: Outcome = { exitCode: ExitCode.Ok };
  try {
    await buildProgram(io, outcome).parseAsync([...argv], { from: 'user' });
    return outcome.exitCode;
  } catch (error) {
    return explain(error, io);
  }
}

/** One sentence instead of a stack trace, unless it is a defect. */
function explain(error: unknown, io: Io): number {
  if (!(error instanceof Error)) {
    io.err.write(`robustmq: ${String(error)}\n`);
    return ExitCode.Internal;
  }
  if ('code' in error && typeof error.code === 'string' && error.code.startsWith('commander.')) {
    // commander has written its message; only help and version that were asked for end well.
    const asked = error.code === 'commander.helpDisplayed' || error.code === 'commander.version';
    return asked ? ExitCode.Ok : ExitCode.Usage;
  }
  if ('exitCode' in error && typeof error.exitCode === 'number') {
    io.err.write(`robustmq: ${error.message}\n`);
    return error.exitCode;
  }
  io.err.write(`robustmq: a defect: ${error.stack ?? error.message}\n`);
  return ExitCode.Internal;
}
