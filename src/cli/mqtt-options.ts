/** From the options of `pub` and `sub` to what the client needs; every mistake is a usage error in one sentence. */
import { readFile } from 'node:fs/promises';
import type { IConnectPacket, IPublishPacket } from 'mqtt-packet';
import { nearest } from '../config/suggest.ts';
import { parseDurationMs } from '../config/units.ts';
import { contextFor } from './contexts.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import type { Io } from './io.ts';
import type { ClientOptions } from './mqtt-client.ts';
import { type TargetOptions, targetFrom } from './mqtt-target.ts';
import { systemReason } from './read-config.ts';

export interface ConnectionOptions extends TargetOptions {
  readonly context?: string;
  readonly clientId?: string;
  readonly user?: string;
  readonly passwordFile?: string;
  readonly passwordStdin?: boolean;
  readonly mqttVersion: 3 | 4 | 5;
  readonly keepAlive: number;
  readonly connectTimeout: number;
  /** False (--no-clean) resumes the session of --client-id. */
  readonly clean: boolean;
  readonly sessionExpiry?: number;
  readonly willTopic?: string;
  readonly willPayload?: string;
  readonly willQos?: 0 | 1 | 2;
  readonly willRetain?: boolean;
  readonly willDelay?: number;
}

/** Options with those of a context, where none says which broker it is. */
async function located(options: ConnectionOptions, io: Io): Promise<ConnectionOptions> {
  const isSaid = options.url !== undefined || options.host !== undefined || options.port !== undefined;
  if (isSaid && options.context !== undefined) {
    throw new CliError(
      ExitCode.Usage,
      '--context says where the broker is, --url, --host and --port do as well',
    );
  }
  if (isSaid) return options;
  const { mqttUrl, mqttCa, user, passwordFile } = await contextFor(options.context, io);
  if (mqttUrl === undefined) return options;
  return {
    ...options,
    url: mqttUrl,
    ...(options.ca === undefined && mqttCa !== undefined ? { ca: mqttCa } : {}),
    ...(options.user === undefined && user !== undefined ? { user } : {}),
    // A password belongs to its user: another one has another.
    ...(options.user === undefined &&
    options.passwordFile === undefined &&
    options.passwordStdin !== true &&
    passwordFile !== undefined
      ? { passwordFile }
      : {}),
  };
}

export async function clientOptions(given: ConnectionOptions, io: Io): Promise<ClientOptions> {
  const options = await located(given, io);
  const target = targetFrom(options);
  const version = options.mqttVersion;
  if (!options.clean && options.clientId === undefined) {
    throw new CliError(ExitCode.Usage, '--no-clean needs --client-id: whose session is it?');
  }
  if (version !== 5 && options.sessionExpiry !== undefined) {
    throw new CliError(ExitCode.Usage, '--session-expiry needs MQTT 5 (-V 5)');
  }
  const password = (await readPassword(options, io)) ?? target.password;
  return {
    target,
    version,
    clientId: options.clientId,
    clean: options.clean,
    keepAliveSeconds: options.keepAlive / 1000,
    username: options.user ?? target.username,
    password: password === undefined ? undefined : Buffer.from(password),
    will: willFrom(options),
    properties:
      options.sessionExpiry === undefined ? {} : { sessionExpiryInterval: options.sessionExpiry / 1000 },
    connectTimeoutMs: options.connectTimeout,
  };
}

async function readPassword(options: ConnectionOptions, io: Io): Promise<string | undefined> {
  const { passwordFile, passwordStdin } = options;
  if (passwordFile !== undefined && passwordStdin === true) {
    throw new CliError(ExitCode.Usage, 'give either --password-file or --password-stdin');
  }
  if (passwordFile !== undefined) {
    try {
      return withoutLineEnd(await readFile(passwordFile, 'utf8'));
    } catch (error) {
      throw new CliError(ExitCode.Usage, `cannot read ${passwordFile}: ${systemReason(error)}`);
    }
  }
  return passwordStdin === true ? withoutLineEnd((await readAll(io)).toString('utf8')) : undefined;
}

const withoutLineEnd = (text: string): string => text.replace(/\r?\n$/, '');

const maxInputBytes = 268_435_455;

export async function readAll(io: Io): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of io.in) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > maxInputBytes)
      throw new CliError(ExitCode.Usage, 'the input is larger than an MQTT packet can be');
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

function willFrom(options: ConnectionOptions): IConnectPacket['will'] | undefined {
  const { willTopic, willPayload, willQos, willRetain, willDelay } = options;
  if (willTopic === undefined) {
    if (
      willPayload !== undefined ||
      willQos !== undefined ||
      willRetain !== undefined ||
      willDelay !== undefined
    ) {
      throw new CliError(ExitCode.Usage, 'a will needs --will-topic');
    }
    return undefined;
  }
  if (willDelay !== undefined && options.mqttVersion !== 5) {
    throw new CliError(ExitCode.Usage, '--will-delay needs MQTT 5 (-V 5)');
  }
  return {
    topic: willTopic,
    payload: Buffer.from(willPayload ?? ''),
    qos: willQos ?? 0,
    retain: willRetain === true,
    ...(willDelay === undefined ? {} : { properties: { willDelayInterval: willDelay / 1000 } }),
  };
}

type PublishProperties = NonNullable<IPublishPacket['properties']>;

const propertyReaders: Readonly<Record<string, (text: string) => PublishProperties>> = {
  'content-type': (text) => ({ contentType: text }),
  'response-topic': (text) => ({ responseTopic: text }),
  'correlation-data': (text) => ({ correlationData: Buffer.from(text) }),
  'payload-format-indicator': (text) => ({ payloadFormatIndicator: integer(text, 1) === 1 }),
  'message-expiry-interval': (text) => ({ messageExpiryInterval: secondsOf(text) }),
  'topic-alias': (text) => ({ topicAlias: integer(text, 65_535) }),
};

/** `content-type=text/plain` and the other properties of a PUBLISH, and user properties `key=value`. */
export function publishProperties(
  version: 3 | 4 | 5,
  properties: readonly string[],
  userProperties: readonly string[],
): PublishProperties | undefined {
  if (properties.length + userProperties.length === 0) return undefined;
  if (version !== 5) throw new CliError(ExitCode.Usage, 'properties need MQTT 5 (-V 5)');
  let all: PublishProperties = {};
  for (const argument of properties) {
    const [name, value] = keyAndValue('--property', argument);
    const read = Object.hasOwn(propertyReaders, name) ? propertyReaders[name] : undefined;
    if (read === undefined) {
      const near = nearest(name, Object.keys(propertyReaders));
      const hint = near === undefined ? 'an own one is given with --user-property' : `did you mean ${near}?`;
      throw new CliError(ExitCode.Usage, `--property ${name}: MQTT has no such property; ${hint}`);
    }
    all = { ...all, ...read(value) };
  }
  const own = new Map<string, string[]>();
  for (const argument of userProperties) {
    const [name, value] = keyAndValue('--user-property', argument);
    own.set(name, [...(own.get(name) ?? []), value]);
  }
  return own.size === 0 ? all : { ...all, userProperties: Object.fromEntries(own) };
}

function keyAndValue(option: string, argument: string): [string, string] {
  const equals = argument.indexOf('=');
  if (equals <= 0)
    throw new CliError(ExitCode.Usage, `${option} takes name=value, got ${JSON.stringify(argument)}`);
  return [argument.slice(0, equals), argument.slice(equals + 1)];
}

function integer(text: string, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= max))
    throw new CliError(ExitCode.Usage, `expected a number up to ${max}, got ${JSON.stringify(text)}`);
  return value;
}

function secondsOf(text: string): number {
  if (/^\d+$/.test(text)) return integer(text, 0xffffffff);
  const ms = parseDurationMs(text);
  if (ms === undefined || ms % 1000 !== 0) {
    throw new CliError(
      ExitCode.Usage,
      `expected whole seconds such as 90s or 2h, got ${JSON.stringify(text)}`,
    );
  }
  return ms / 1000;
}
