/** `robustmq sub`: prints what arrives for some filters, until a count, a time or a signal ends it. */
import type { IPublishPacket } from 'mqtt-packet';
import { systemClock } from '../kernel/clock.ts';
import { CliError, ExitCode, exitCodeOfRefusal } from './exit-codes.ts';
import { type Io, write } from './io.ts';
import { compileFormat, messageJson } from './message-format.ts';
import { connectMqtt, describeReason, type MqttClient } from './mqtt-client.ts';
import { type ConnectionOptions, clientOptions } from './mqtt-options.ts';

export interface SubOptions extends ConnectionOptions {
  readonly qos: 0 | 1 | 2;
  readonly count?: number;
  readonly timeout?: number;
  readonly format?: string;
  readonly output: 'text' | 'json' | 'ndjson';
  readonly verbose?: boolean;
  /** Only retained messages; the first live one ends it. */
  readonly retainedOnly?: boolean;
  /** False (--no-retained) leaves retained messages out. */
  readonly retained: boolean;
  /** False (--no-local) leaves out what this connection publishes itself. */
  readonly local: boolean;
  readonly retainAsPublished?: boolean;
  readonly subscriptionId?: number;
}

/** Why it ends: `lost` comes with the client's own error. */
type End = 'count' | 'timeout' | 'signal' | 'output closed' | 'live message' | 'lost';

/** Without --timeout, how long --retained-only waits for more. */
const retainedWaitMs = 2000;

export async function sub(filters: readonly string[], options: SubOptions, io: Io): Promise<number> {
  const show = printer(options, io);
  checkOptions(options);
  let finish = (_why: End): void => {};
  const ended = new Promise<End>((resolve) => {
    finish = resolve;
  });
  let client: MqttClient | undefined;
  let count = 0;
  let finished = false;
  void ended.then(() => {
    finished = true;
  });
  const onMessage = (packet: IPublishPacket): void => {
    if (finished || count === options.count) return;
    if (options.retainedOnly === true && !packet.retain) {
      finish('live message');
      return;
    }
    if (!options.retained && packet.retain) return;
    count++;
    if (!show.message(packet)) {
      // A reader that is slower than the broker makes the broker wait, not this process grow.
      client?.pause();
      io.out.once('drain', () => client?.resume());
    }
    if (count === options.count) finish('count');
  };
  // `| head` closes our output: there is nobody left to print for.
  io.out.once('close', () => finish('output closed'));
  client = await connectMqtt(await clientOptions(options, io), onMessage);
  void client.closed.then(() => finish('lost'));
  const cleanups = (['SIGINT', 'SIGTERM'] as const).map((signal) =>
    io.onSignal(signal, () => finish('signal')),
  );
  const timeoutMs = options.timeout ?? (options.retainedOnly === true ? retainedWaitMs : undefined);
  try {
    await subscribe(client, filters, options, io);
    if (timeoutMs !== undefined) cleanups.push(systemClock.every(timeoutMs, () => finish('timeout')));
    const why = await ended;
    const error = why === 'lost' ? await client.closed : undefined;
    await client.end();
    await show.end();
    if (error !== undefined) throw error;
    if (why === 'timeout' && options.count !== undefined) {
      throw new CliError(ExitCode.TimedOut, `only ${count} of ${options.count} messages arrived in time`);
    }
    return ExitCode.Ok;
  } finally {
    for (const cleanup of cleanups) cleanup();
  }
}

function checkOptions(options: SubOptions): void {
  if (options.retainedOnly === true && !options.retained) {
    throw new CliError(ExitCode.Usage, 'give either --retained-only or --no-retained');
  }
  const needsVersion5 =
    !options.local || options.retainAsPublished === true || options.subscriptionId !== undefined;
  if (needsVersion5 && options.mqttVersion !== 5) {
    throw new CliError(
      ExitCode.Usage,
      '--no-local, --retain-as-published and --subscription-id need MQTT 5 (-V 5)',
    );
  }
}

async function subscribe(
  client: MqttClient,
  filters: readonly string[],
  options: SubOptions,
  io: Io,
): Promise<void> {
  const isVersion5 = options.mqttVersion === 5;
  const subscriptions = filters.map((topic) => ({
    topic,
    qos: options.qos,
    ...(isVersion5
      ? { nl: !options.local, rap: options.retainAsPublished === true, rh: options.retained ? 0 : 2 }
      : {}),
  }));
  const codes = await client.subscribe(subscriptions, options.subscriptionId);
  const refused = filters.flatMap((filter, index) => {
    const code = codes[index] ?? 0x80;
    return code >= 0x80 ? [`${filter}: ${describeReason(code)}`] : [];
  });
  for (const line of refused) await write(io.err, `not subscribed to ${line}\n`);
  if (refused.length === filters.length) {
    await client.end();
    throw new CliError(exitCodeOfRefusal(codes[0] ?? 0x80), 'the broker refused every subscription');
  }
  if (io.err.isTTY === true) await write(io.err, `subscribed to ${filters.join(', ')}; Ctrl-C ends\n`);
}

interface Printer {
  /** False when the output wants a pause. */
  message(packet: IPublishPacket): boolean;
  end(): Promise<void>;
}

function printer(options: SubOptions, io: Io): Printer {
  const { output, format } = options;
  if (output !== 'text' && format !== undefined) {
    throw new CliError(ExitCode.Usage, `--format is for text; it has no meaning with -o ${output}`);
  }
  if (output === 'text') {
    const line = compileFormat(`${format ?? (options.verbose === true ? '%t %p' : '%p')}\\n`);
    return { message: (packet) => io.out.write(line(packet, now())), end: async () => {} };
  }
  if (output === 'ndjson') {
    return {
      message: (packet) => io.out.write(`${JSON.stringify(messageJson(packet, now()))}\n`),
      end: async () => {},
    };
  }
  let separator = '[\n';
  return {
    message(packet) {
      const more = io.out.write(`${separator}${JSON.stringify(messageJson(packet, now()))}`);
      separator = ',\n';
      return more;
    },
    end: () => write(io.out, separator === '[\n' ? '[]\n' : '\n]\n'),
  };
}

const now = (): Date => new Date(systemClock.wallMs());
