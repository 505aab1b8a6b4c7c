/** The verbs of `robustmq bench`, in the command tree. */
import type { Command } from 'commander';
import type { Io } from './io.ts';
import {
  duration,
  examples,
  size,
  usualDuration,
  wholeNumber,
  withConnection,
  withOutput,
} from './options.ts';

type Ends = (run: Promise<number>) => Promise<void>;

const verbs = () => import('./bench.ts');
const MAX_CLIENTS = 1_000_000;
const MAX_RATE = 100_000_000;
/** A message has room for the time at which it was due. */
const MIN_MESSAGE_BYTES = 16;
const MAX_MESSAGE_BYTES = 268_000_000;

const withShown = (command: Command): Command =>
  withOutput(command, ['text', 'json'], 'text').option('--quiet', 'show nothing while it runs');

function withMessages(command: Command, topic: string, topicHelp: string): Command {
  return withShown(withConnection(command))
    .option('-c, --clients <number>', 'clients', wholeNumber(1, MAX_CLIENTS), 1)
    .option('-t, --topic <topic>', topicHelp, topic)
    .option('-d, --duration <duration>', 'how long (default: 10s, or until --count)', duration);
}

function withPublishing(command: Command): Command {
  return command
    .option('-n, --count <number>', 'end after this many messages altogether', wholeNumber(1))
    .option(
      '-r, --rate <number>',
      'messages per second altogether; 0 is as many as possible',
      wholeNumber(0, MAX_RATE),
      0,
    )
    .option('-b, --size <bytes>', 'payload of a message', size(MIN_MESSAGE_BYTES, MAX_MESSAGE_BYTES), 64)
    .option(
      '--in-flight <number>',
      'unacknowledged messages per client, QoS 1 and 2',
      wholeNumber(1, 65_535),
      100,
    )
    .option('--retain', 'ask the broker to retain them');
}

export function addBenchVerbs(program: Command, io: Io, ends: Ends): void {
  const bench = program
    .command('bench')
    .description('Put load on a broker, and measure what becomes of it.')
    .addHelpText(
      'after',
      examples(
        'bench pubsub --clients 10 --duration 30s',
        'bench pubsub --clients 100 --rate 50000 --qos 1',
        'bench conn --clients 5000 --rate 500 --hold 1m',
      ),
    );

  withPublishing(
    withMessages(
      bench.command('pub').description('Publish; with QoS 1 and 2 acknowledgements are timed.'),
      'bench/{i}',
      'topic; {i} is the number of the client',
    ),
  )
    .addHelpText(
      'after',
      examples('bench pub --clients 20 --size 1KiB', 'bench pub --qos 1 --rate 1000 --duration 1m -o json'),
    )
    .action(async (options) =>
      ends((await verbs()).benchMessages('pub', { ...options, window: Number.POSITIVE_INFINITY }, io)),
    );

  withMessages(
    bench
      .command('sub')
      .description(
        'Subscribe and count; what comes from `bench pub` or `bench pubsub` is timed, if clocks agree.',
      ),
    'bench/#',
    'filter; {i} is the number of the client',
  )
    .option('-n, --count <number>', 'end after this many messages altogether', wholeNumber(1))
    .addHelpText('after', examples("bench sub --clients 10 --topic 'bench/{i}' --duration 1m"))
    .action(async (options) =>
      ends(
        (await verbs()).benchMessages(
          'sub',
          { ...options, rate: 0, size: MIN_MESSAGE_BYTES, window: 1, inFlight: 1 },
          io,
        ),
      ),
    );

  withPublishing(
    withMessages(
      bench
        .command('pubsub')
        .description('Publish and subscribe; each message is timed from when it was due.'),
      'bench/{i}',
      'topic; with {i} each publisher has one of its own, and subscribers are shared out to them',
    ),
  )
    .option(
      '--subscribers <number>',
      'subscribers (default: as many as publishers)',
      wholeNumber(1, MAX_CLIENTS),
    )
    .option('--window <number>', 'without --rate: messages on their way at most', wholeNumber(1), 10_000)
    .addHelpText(
      'after',
      examples(
        'bench pubsub                                    # as much as one pair can',
        'bench pubsub --clients 100 --rate 20000 --qos 1 # latency at a rate',
        'bench pubsub --topic news --subscribers 1000    # fan-out',
      ),
    )
    .action(async (options) => ends((await verbs()).benchMessages('pubsub', options, io)));

  withShown(
    withConnection(
      bench.command('conn').description('Open connections, hold them, and time how they are accepted.'),
    ),
  )
    .option('-c, --clients <number>', 'connections', wholeNumber(1, MAX_CLIENTS), 100)
    .option(
      '-r, --rate <number>',
      'connections per second; 0 is as many as possible',
      wholeNumber(0, MAX_RATE),
      0,
    )
    .option('--at-once <number>', 'under way at most', wholeNumber(1, 65_535), 100)
    .addOption(usualDuration('--hold <duration>', 'how long to keep them when all are there', '0s'))
    .addHelpText(
      'after',
      examples(
        'bench conn --clients 1000',
        "bench conn --clients 200 --rate 50 --user 'device-{i}' --password-file pw",
      ),
    )
    .action(async (options) => ends((await verbs()).benchConnections(options, io)));
}
