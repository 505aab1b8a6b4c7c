/** Options that several verbs have, and how their values are read. */
import { type Command, Help, type HelpConfiguration, InvalidArgumentError, Option } from 'commander';
import { parseDurationMs, parseSizeBytes } from '../config/units.ts';

export function withConfig(command: Command): Command {
  return command
    .option('-c, --config <file>', 'configuration file (YAML)')
    .option('--data-dir <dir>', 'directory for what the broker keeps; same as --set dataDir=DIR')
    .option('-s, --set <key=value>', 'set one key, as in mqtt.maxQos=1; repeatable', append, []);
}

/** What every verb has that is an MQTT client. */
export function withConnection(command: Command): Command {
  return command
    .option('-u, --url <url>', 'broker: mqtt://, mqtts://, ws://, wss://, mqtt+unix://')
    .option('--context <name>', 'a broker of `robustmq context` (or ROBUSTMQ_CONTEXT)')
    .option('-H, --host <host>', 'broker, when there is no --url (default: localhost)')
    .option('-p, --port <number>', 'port (default: 1883, with TLS 8883)', wholeNumber(1, 65_535))
    .option('-i, --client-id <id>', 'client identifier (default: a random one)')
    .addOption(
      new Option('-V, --mqtt-version <version>', '3 (3.1), 4 (3.1.1) or 5')
        .argParser(oneOf([3, 4, 5]))
        .default(5),
    )
    .addOption(new Option('-q, --qos <qos>', '0, 1 or 2').argParser(oneOf([0, 1, 2])).default(0))
    .option('--user <name>', 'user name')
    .option('--password-file <file>', 'file with the password')
    .option('--password-stdin', 'read the password from standard input')
    .option('--no-clean', 'resume the session of --client-id')
    .option('--session-expiry <duration>', 'how long the session outlives the connection (MQTT 5)', duration)
    .addOption(usualDuration('--keep-alive <duration>', 'keep alive', '60s'))
    .addOption(usualDuration('--connect-timeout <duration>', 'give up connecting after this time', '10s'))
    .option('--will-topic <topic>', 'topic of the will')
    .option('--will-payload <text>', 'payload of the will')
    .addOption(new Option('--will-qos <qos>', 'QoS of the will').argParser(oneOf([0, 1, 2])))
    .option('--will-retain', 'retain the will')
    .option('--will-delay <duration>', 'delay of the will (MQTT 5)', duration)
    .option('--ca <file>', 'authorities that the broker may be certified by, PEM; turns TLS on')
    .option('--cert <file>', 'client certificate, PEM')
    .option('--key <file>', "client certificate's private key, PEM")
    .option('--insecure', "do not check the broker's certificate");
}

/** What a verb prints: one of these forms, and `--json` for short. */
export function withOutput(command: Command, forms: readonly string[], usual: string): Command {
  return command
    .addOption(new Option('-o, --output <form>', 'form of the output').choices(forms).default(usual))
    .addOption(new Option('--json', 'same as -o json').implies({ output: 'json' }));
}

export const append = (value: string, before: readonly string[]): string[] => [...before, value];

export function duration(text: string): number {
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : parseDurationMs(text);
  if (ms === undefined || ms > 2 ** 31 - 1)
    throw new InvalidArgumentError('Expected a duration such as 30s or 500ms.');
  return ms;
}

/** The help shows what is usual as it would be given: a number alone is seconds. */
export const usualDuration = (flags: string, text: string, usual: string): Option =>
  new Option(flags, text).argParser(duration).default(duration(usual), usual);

/** That nothing was given is no value to show. */
const withoutNothing = (text: string): string => text.replace(/ \(default: (?:\[\]|"")\)$/, '');

export const helpConfiguration: HelpConfiguration = {
  // A terminal of 60 columns leaves some 25 for what an option does: wrapped there, words stay whole.
  minWidthToWrap: 20,
  optionDescription: (option) => withoutNothing(new Help().optionDescription(option)),
  argumentDescription: (argument) => withoutNothing(new Help().argumentDescription(argument)),
};

/** `1024`, `4KiB` */
export function size(min: number, max: number): (text: string) => number {
  return (text) => {
    const bytes = /^\d+$/.test(text) ? Number(text) : parseSizeBytes(text);
    if (bytes === undefined || bytes < min || bytes > max)
      throw new InvalidArgumentError(`Expected a size such as 64 or 4KiB, from ${min} to ${max} bytes.`);
    return bytes;
  };
}

export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) {
      const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
      throw new InvalidArgumentError(`Expected a number ${range}.`);
    }
    return value;
  };
}

export function oneOf(allowed: readonly number[]): (text: string) => number {
  return (text) => {
    const value = allowed.find((one) => String(one) === text);
    if (value === undefined) throw new InvalidArgumentError(`Expected one of ${allowed.join(', ')}.`);
    return value;
  };
}

/** For the end of a verb's help. */
export const examples = (...lines: readonly string[]): string =>
  `\nExamples:\n${lines.map((each) => `  robustmq ${each}`).join('\n')}`;
