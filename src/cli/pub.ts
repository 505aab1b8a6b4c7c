/** `robustmq pub`: publishes one message, the same one several times, a file, or one message per line of input. */
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { CliError, ExitCode, exitCodeOfRefusal } from './exit-codes.ts';
import { type Io, write } from './io.ts';
import { connectMqtt, describeReason, type MqttClient, type Publication } from './mqtt-client.ts';
import { type ConnectionOptions, clientOptions, publishProperties, readAll } from './mqtt-options.ts';
import { systemReason } from './read-config.ts';

export interface PubOptions extends ConnectionOptions {
  readonly qos: 0 | 1 | 2;
  readonly retain?: boolean;
  readonly count: number;
  readonly line?: boolean;
  readonly file?: string;
  readonly property: readonly string[];
  readonly userProperty: readonly string[];
}

const noMatchingSubscribers = 0x10;

export async function pub(
  topic: string,
  payload: string | undefined,
  options: PubOptions,
  io: Io,
): Promise<number> {
  if (topic === '' || /[+#\0]/.test(topic)) {
    throw new CliError(
      ExitCode.Usage,
      `cannot publish to ${JSON.stringify(topic)}: a topic is not empty and has no + or #`,
    );
  }
  const inputs = [payload !== undefined, options.line === true, options.file !== undefined].filter(
    Boolean,
  ).length;
  if (inputs === 0)
    throw new CliError(ExitCode.Usage, "what to publish? Give a payload ('' for none), - , --line or --file");
  if (inputs > 1) throw new CliError(ExitCode.Usage, 'give one of a payload, --line and --file');
  if (options.passwordStdin === true && (payload === '-' || options.line === true)) {
    throw new CliError(ExitCode.Usage, 'the password and the payload cannot both come from standard input');
  }
  const properties = publishProperties(options.mqttVersion, options.property, options.userProperty);
  const publication: Omit<Publication, 'payload'> = {
    topic,
    qos: options.qos,
    retain: options.retain === true,
    ...(properties === undefined ? {} : { properties }),
  };
  const body = options.line === true ? undefined : await readPayload(payload, options.file, io);
  const client = await connectMqtt(await clientOptions(options, io));
  const outcome = createOutcome(client);
  const stopSignals = (['SIGINT', 'SIGTERM'] as const).map((signal) =>
    io.onSignal(signal, () => outcome.stop()),
  );
  try {
    if (body === undefined) {
      const lines = createInterface({ input: io.in, crlfDelay: Number.POSITIVE_INFINITY });
      const stopLines = (): void => lines.close();
      void client.closed.then(stopLines);
      outcome.onStop = stopLines;
      for await (const line of lines) {
        if (outcome.stopped) break;
        for (let sent = 0; sent < options.count; sent++)
          await outcome.publish({ ...publication, payload: line });
      }
    } else {
      for (let sent = 0; sent < options.count && !outcome.stopped; sent++) {
        await outcome.publish({ ...publication, payload: body });
      }
    }
    await outcome.allAnswered();
    await client.end();
  } finally {
    for (const stop of stopSignals) stop();
  }
  const { refused, firstRefusal } = outcome;
  if (firstRefusal === undefined) return ExitCode.Ok;
  await write(
    io.err,
    `${refused === 1 ? 'the message was' : `${refused} messages were`} refused: ${describeReason(firstRefusal)}\n`,
  );
  return exitCodeOfRefusal(firstRefusal);
}

async function readPayload(
  payload: string | undefined,
  file: string | undefined,
  io: Io,
): Promise<string | Buffer> {
  if (file === undefined) return payload === '-' ? readAll(io) : (payload ?? '');
  try {
    return await readFile(file);
  } catch (error) {
    throw new CliError(ExitCode.Usage, `cannot read ${file}: ${systemReason(error)}`);
  }
}

interface Outcome {
  stopped: boolean;
  refused: number;
  firstRefusal: number | undefined;
  onStop: () => void;
  stop(): void;
  /** Resolves when the next message may be given; acknowledgements are awaited at the end. */
  publish(publication: Publication): Promise<void>;
  allAnswered(): Promise<void>;
}

/** Keeps `unanswered` no longer than the window of the broker. */
const maxUnanswered = 1000;

function createOutcome(client: MqttClient): Outcome {
  const unanswered = new Set<Promise<void>>();
  let failure: unknown;
  const outcome: Outcome = {
    stopped: false,
    refused: 0,
    firstRefusal: undefined,
    onStop: () => {},
    stop() {
      outcome.stopped = true;
      outcome.onStop();
    },
    async publish(publication) {
      if (publication.qos === 0) {
        await client.publish(publication);
        return;
      }
      const answered: Promise<void> = client
        .publish(publication)
        .then((code) => {
          if (code === 0 || code === noMatchingSubscribers) return;
          outcome.refused++;
          outcome.firstRefusal ??= code;
        })
        .catch((error: unknown) => {
          failure ??= error;
        })
        .finally(() => unanswered.delete(answered));
      unanswered.add(answered);
      while (unanswered.size >= maxUnanswered && failure === undefined) await Promise.race(unanswered);
      if (failure !== undefined) throw failure;
    },
    async allAnswered() {
      await Promise.all(unanswered);
      if (failure !== undefined) throw failure;
    },
  };
  return outcome;
}
