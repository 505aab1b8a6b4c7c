/** `robustmq import data`: lines of `export data` back into a broker, in their order. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { OPERATIONS } from '../admin/operations.ts';
import type { AdminClient } from './admin-client.ts';
import { isTable, printOne } from './admin-output.ts';
import { type AdminOptions, formOf, withAdmin } from './admin-target.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import type { Io } from './io.ts';
import { createProgress } from './progress.ts';
import { systemReason } from './read-config.ts';

export interface ImportDataOptions extends AdminOptions {
  /** In place of the one that a record came from. */
  readonly topic?: string;
  /** Lines that are in already. */
  readonly skip: number;
}

/** Of one request, and of what is in memory. */
const MAX_RECORDS = 500;
const MAX_BATCH_CHARS = 768 * 1024;
const WAIT_MS = 60_000;

type RecordInput = Parameters<(typeof OPERATIONS)['recordsAppend']['run']>[1]['body']['records'][number];
type Fields = Readonly<Record<string, unknown>>;

interface Batch {
  readonly topic: string;
  readonly partition: number;
  readonly records: RecordInput[];
  chars: number;
}

export async function importData(file: string, options: ImportDataOptions, io: Io): Promise<number> {
  return withAdmin(options, io, async (client) => {
    const progress = createProgress(io, { what: 'imported', total: undefined, unit: 'lines' });
    let line = 0;
    /** Lines whose items are durable at the broker. */
    let done = options.skip;
    let batch: Batch | undefined;
    const flush = async (upTo: number): Promise<void> => {
      if (batch !== undefined) await append(client, batch);
      batch = undefined;
      progress.add(upTo - done);
      done = upTo;
    };
    try {
      for await (const text of linesOf(file, io)) {
        line++;
        if (line <= options.skip || text === '') continue;
        const item = parse(text, line);
        if (item.kind === 'retained') {
          await flush(line - 1);
          await retain(client, item, line);
          await flush(line);
          continue;
        }
        const { topic, partition } = placeOf(item, options, line);
        const isOther = batch !== undefined && (batch.topic !== topic || batch.partition !== partition);
        if (isOther || (batch !== undefined && batch.chars + text.length > MAX_BATCH_CHARS))
          await flush(line - 1);
        batch ??= { topic, partition, records: [], chars: 0 };
        batch.records.push(recordOf(item));
        batch.chars += text.length;
        if (batch.records.length >= MAX_RECORDS) await flush(line);
      }
      await flush(line);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      throw new CliError(error.exitCode, `${error.message}; ${done} lines are in, go on with --skip ${done}`);
    }
    const lines = Math.max(0, done - options.skip);
    progress.end(`${lines} lines were imported`);
    const form = formOf(options);
    if (!isTable(form)) await printOne({ lines, skippedLines: options.skip }, form, io);
    return ExitCode.Ok;
  });
}

async function* linesOf(file: string, io: Io): AsyncIterable<string> {
  const input: Readable = file === '-' ? io.in : createReadStream(file);
  try {
    yield* createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  } catch (error) {
    throw new CliError(ExitCode.Usage, `${file} cannot be read: ${systemReason(error)}`);
  }
}

function parse(text: string, line: number): Fields {
  try {
    const item: unknown = JSON.parse(text);
    const kind = typeof item === 'object' && item !== null ? (item as Fields).kind : undefined;
    if (kind === 'record' || kind === 'retained') return item as Fields;
  } catch {
    // Told below.
  }
  throw new CliError(ExitCode.Usage, `line ${line} is not one of export data`);
}

function placeOf(item: Fields, { topic: given }: ImportDataOptions, line: number) {
  const topic = given ?? item.topic;
  const { partition } = item;
  if (typeof topic === 'string' && typeof partition === 'number') return { topic, partition };
  throw new CliError(ExitCode.Usage, `line ${line} names no topic or partition`);
}

/** What the broker takes of a line; it looks at the values. */
const recordOf = ({ timeMs, key, keyBase64, payload, payloadBase64, headers }: Fields): RecordInput =>
  ({
    // A record without a time of its own has a negative one.
    ...(typeof timeMs === 'number' && timeMs >= 0 ? { timeMs } : {}),
    ...(key === undefined ? {} : { key }),
    ...(keyBase64 === undefined ? {} : { keyBase64 }),
    ...(payload === undefined ? {} : { payload }),
    ...(payloadBase64 === undefined ? {} : { payloadBase64 }),
    ...(headers === undefined ? {} : { headers }),
  }) as RecordInput;

async function append(client: AdminClient, { topic, partition, records }: Batch): Promise<void> {
  await client.call(
    OPERATIONS.recordsAppend,
    { name: topic, partition, body: { records } },
    { waitMs: WAIT_MS },
  );
}

/** Properties of MQTT by the names that they have as headers. */
const PROPERTIES = {
  'content-type': 'contentType',
  'response-topic': 'responseTopic',
  'correlation-data': 'correlationDataBase64',
} as const;
/** Before names of users that would mean something else (docs/records.md). */
const USER_PREFIX = 'mqtt.user.';

async function retain(client: AdminClient, item: Fields, line: number): Promise<void> {
  const { topic, qos, payload, payloadBase64, expiresAtMs } = item;
  const properties = Array.isArray(item.properties) ? (item.properties as Fields[]) : [];
  const expirySeconds =
    typeof expiresAtMs === 'number' ? Math.ceil((expiresAtMs - Date.now()) / 1000) : undefined;
  // It would go at once.
  if (expirySeconds !== undefined && expirySeconds <= 0) return;
  const userProperties: { name: string; value: string }[] = [];
  const own: Record<string, string> = {};
  for (const { name, value, valueBase64 } of properties) {
    const field = Object.hasOwn(PROPERTIES, String(name))
      ? PROPERTIES[name as keyof typeof PROPERTIES]
      : undefined;
    if (field === 'correlationDataBase64') {
      own[field] =
        typeof valueBase64 === 'string' ? valueBase64 : Buffer.from(String(value)).toString('base64');
    } else if (field !== undefined) own[field] = String(value);
    else if (typeof name === 'string' && name.startsWith(USER_PREFIX)) {
      userProperties.push({ name: name.slice(USER_PREFIX.length), value: String(value ?? '') });
    } else if (typeof name === 'string' && !name.startsWith('mqtt.')) {
      userProperties.push({ name, value: String(value ?? '') });
    }
  }
  if (typeof topic !== 'string') throw new CliError(ExitCode.Usage, `line ${line} names no topic`);
  const body = {
    topic,
    retain: true,
    ...(typeof qos === 'number' ? { qos } : {}),
    ...(typeof payloadBase64 === 'string' ? { payloadBase64 } : { payload: String(payload ?? '') }),
    ...(expirySeconds === undefined ? {} : { expirySeconds }),
    ...own,
    userProperties,
  };
  await client.call(OPERATIONS.messagesPublish, { body }, { waitMs: WAIT_MS });
}
