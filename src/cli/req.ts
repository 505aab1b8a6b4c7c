/** `robustmq req`: publishes a request with a response topic (MQTT 5) and prints what comes back for it. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { IPublishPacket } from 'mqtt-packet';
import { systemClock } from '../kernel/clock.ts';
import { printList } from './admin-output.ts';
import { CliError, ExitCode, exitCodeOfRefusal } from './exit-codes.ts';
import { type Io, write } from './io.ts';
import { compileFormat, messageJson } from './message-format.ts';
import { connectMqtt, describeReason, type MqttClient } from './mqtt-client.ts';
import { type ConnectionOptions, clientOptions, publishProperties, readAll } from './mqtt-options.ts';

export interface ReqOptions extends ConnectionOptions {
  readonly qos: 0 | 1 | 2;
  readonly count: number;
  readonly timeout: number;
  readonly responseTopic?: string;
  readonly format?: string;
  readonly output: 'text' | 'json' | 'ndjson';
  readonly property: readonly string[];
  readonly userProperty: readonly string[];
}

const NOBODY_SUBSCRIBES = 0x10;
const CORRELATION_BYTES = 16;

/** Ends with 6 when fewer responses come than were asked for. */
export async function req(topic: string, payload: string, options: ReqOptions, io: Io): Promise<number> {
  if (options.mqttVersion !== 5) throw new CliError(ExitCode.Usage, 'a request needs MQTT 5 (-V 5)');
  if (options.passwordStdin === true && payload === '-') {
    throw new CliError(ExitCode.Usage, 'the password and the payload cannot both come from standard input');
  }
  const line = compileFormat(`${options.format ?? '%p'}\\n`);
  const own = publishProperties(5, options.property, options.userProperty);
  const body = payload === '-' ? await readAll(io) : payload;
  const correlationData = randomBytes(CORRELATION_BYTES);
  const responses: IPublishPacket[] = [];
  let finish = (_why: 'all' | 'timeout' | 'signal' | 'lost'): void => {};
  const ended = new Promise<'all' | 'timeout' | 'signal' | 'lost'>((resolve) => {
    finish = resolve;
  });
  const given = await clientOptions(options, io);
  const client = await connectMqtt(
    { ...given, properties: { ...given.properties, requestResponseInformation: true } },
    (packet) => {
      // Others may answer on the same topic to somebody else.
      if (packet.properties?.correlationData?.equals(correlationData) !== true) return;
      if (responses.length < options.count) responses.push(packet);
      if (responses.length === options.count) finish('all');
    },
  );
  void client.closed.then(() => finish('lost'));
  const cleanups = (['SIGINT', 'SIGTERM'] as const).map((signal) =>
    io.onSignal(signal, () => finish('signal')),
  );
  cleanups.push(systemClock.every(options.timeout, () => finish('timeout')));
  try {
    const responseTopic = await listen(client, options);
    const code = await client.publish({
      topic,
      payload: body,
      qos: options.qos,
      retain: false,
      properties: { ...own, responseTopic, correlationData },
    });
    if (code === NOBODY_SUBSCRIBES) throw new CliError(ExitCode.Failed, `nobody subscribes to ${topic}`);
    if (code !== 0) {
      throw new CliError(exitCodeOfRefusal(code), `the request was refused: ${describeReason(code)}`);
    }
    const why = await ended;
    const lost = why === 'lost' ? await client.closed : undefined;
    const at = new Date(systemClock.wallMs());
    if (options.output === 'text') for (const packet of responses) await write(io.out, line(packet, at));
    else {
      const messages = responses.map((packet) => messageJson(packet, at));
      await printList(messages, [], options.output, io);
    }
    if (lost !== undefined) throw lost;
    if (why === 'timeout') {
      throw new CliError(
        ExitCode.TimedOut,
        `${responses.length} of ${options.count} responses came within ${options.timeout / 1000} s`,
      );
    }
    return ExitCode.Ok;
  } finally {
    for (const cleanup of cleanups) cleanup();
    await client.end();
  }
}

/** On the topic that was asked for, below the one that the broker suggests, or on one that nobody else can guess. */
async function listen(client: MqttClient, { responseTopic, qos }: ReqOptions): Promise<string> {
  const suggested = client.connack.properties?.responseInformation;
  const topic = responseTopic ?? `${suggested ?? 'responses/'}${randomUUID()}`;
  const [code = 0x80] = await client.subscribe([{ topic, qos }]);
  if (code < 0x80) return topic;
  throw new CliError(exitCodeOfRefusal(code), `responses cannot arrive on ${topic}: ${describeReason(code)}`);
}
