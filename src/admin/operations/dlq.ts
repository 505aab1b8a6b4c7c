/**
 * Dead letters, where a stream captures them: what each says of itself, and back to where they came from. Records of a stream
 * stay when they were redriven; the answer says at which offset to go on.
 */
import type { NodeView } from '../node-view.ts';
import { found, named, OperationError, operation } from '../operation.ts';
import { boolean, integer, list, nullable, object, string } from '../schema.ts';
import { DEFAULT_PAYLOAD_BYTES, payloadBytes, showRecord } from '../show.ts';
import { recordFields, recordForms, type StreamRecord } from '../views.ts';
import type { NewMessage } from './messages.ts';

export interface DeadLettersView {
  /** Streams that capture dead letters. */
  streams(): readonly string[];
}

const PREFIX = 'dead-letter-';
const OWN_PREFIX = 'mqtt.';
const USER_PREFIX = 'mqtt.user.';
const MAX_BYTES = 1024 * 1024;
const DEFAULT_MAX = 100;
const MAX_AT_ONCE = 1000;

const stream = string('Name of a stream.');
const partition = integer('Partition; 0 where it is missing.', { max: 65_535 });
const offset = integer('Where to begin; the first record where it is missing.');

type Headers = ReadonlyMap<string, Uint8Array>;

/** The first of each name. */
function headersOf({ headers }: StreamRecord): Headers {
  const found = new Map<string, Uint8Array>();
  for (const { name, value } of headers) {
    if (value !== null && !found.has(name)) {
      found.set(name, typeof value === 'string' ? Buffer.from(value) : value);
    }
  }
  return found;
}

const textOf = (headers: Headers, name: string): string | undefined => {
  const value = headers.get(name);
  return value === undefined ? undefined : Buffer.from(value).toString();
};

/** Undefined where it does not say where it came from: it is no dead letter. */
function originOf(record: StreamRecord): NewMessage | undefined {
  const headers = headersOf(record);
  const topic = textOf(headers, `${PREFIX}topic`);
  if (topic === undefined) return undefined;
  const qos = Number(textOf(headers, 'mqtt.qos') ?? 0);
  const correlationData = headers.get('correlation-data');
  const known = new Set(['content-type', 'response-topic', 'correlation-data']);
  return {
    topic,
    payload: record.payload ?? new Uint8Array(0),
    qos: qos === 1 || qos === 2 ? qos : 0,
    retain: false,
    expirySeconds: undefined,
    isText: textOf(headers, 'mqtt.payload-format') === '1',
    contentType: textOf(headers, 'content-type'),
    responseTopic: textOf(headers, 'response-topic'),
    correlationData,
    userProperties: record.headers.flatMap(({ name, value }) => {
      const isUser = name.startsWith(USER_PREFIX);
      if (!isUser && (name.startsWith(OWN_PREFIX) || name.startsWith(PREFIX) || known.has(name))) return [];
      const text = value === null ? '' : Buffer.from(value).toString();
      return [{ name: isUser ? name.slice(USER_PREFIX.length) : name, value: text }];
    }),
  };
}

function shown(number: number, record: StreamRecord, maxBytes: number) {
  const headers = headersOf(record);
  const numberOf = (name: string): number | null => {
    const value = Number(textOf(headers, `${PREFIX}${name}`));
    return Number.isSafeInteger(value) && value >= 0 && headers.has(`${PREFIX}${name}`) ? value : null;
  };
  return {
    ...showRecord(number, record, maxBytes),
    reason: textOf(headers, `${PREFIX}reason`) ?? null,
    originTopic: textOf(headers, `${PREFIX}topic`) ?? null,
    client: textOf(headers, `${PREFIX}client`) ?? null,
    group: textOf(headers, `${PREFIX}group`) ?? null,
    deliveries: numberOf('deliveries'),
    moves: numberOf('count'),
  };
}

interface Place {
  readonly stream: string;
  readonly partition?: number | undefined;
  readonly offset?: number | undefined;
  readonly limit: number;
}

async function read(
  node: NodeView,
  { stream: name, partition: number = 0, offset: from = 0, limit }: Place,
  signal: AbortSignal,
) {
  const page = await node.readStream({
    stream: name,
    partition: number,
    fromOffset: from,
    limit,
    maxBytes: MAX_BYTES,
    waitMs: 0,
    signal,
  });
  return found(page, `${named('stream', name)} with a partition ${number}`);
}

export const deadLetterOperations = {
  deadLettersList: operation({
    id: 'dead-letters.list',
    verb: { words: 'dlq list', examples: ['dlq list -o json'] },
    method: 'GET',
    path: '/dead-letters',
    summary: 'Streams that capture dead letters.',
    scope: 'streams:read',
    audit: 'none',
    output: object({ streams: list(string('Name.'), 'Streams; none where dead letters are not kept.') }),
    run: async ({ deadLetters }) => ({ streams: deadLetters.streams() }),
  }),
  deadLettersShow: operation({
    id: 'dead-letters.show',
    verb: { words: 'dlq show', examples: ['dlq show dead --offset 100 -o json'] },
    method: 'GET',
    path: '/dead-letters/{stream}',
    summary: 'Dead letters of a partition of a stream, with why and from where.',
    scope: 'messages:read',
    audit: 'data',
    pathParameters: { stream },
    queryParameters: {
      partition,
      offset,
      max: integer('Most of them; a hundred where it is missing.', { min: 1, max: MAX_AT_ONCE }),
      payloadBytes,
    },
    output: object({
      letters: list(
        object(
          {
            ...recordFields,
            reason: nullable(string('Why it died.')),
            originTopic: nullable(string('Where it was published first; null where it is no dead letter.')),
            client: nullable(string('For whom it was.')),
            group: nullable(string('For which shared subscription.')),
            deliveries: nullable(integer('How often it was delivered before.')),
            moves: nullable(integer('How often it has died.')),
          },
          recordForms,
        ),
        'Dead letters.',
      ),
      nextOffset: integer('Where to go on.'),
    }),
    async run(
      node,
      { stream: name, partition: number = 0, offset: from, max = DEFAULT_MAX, payloadBytes: most },
      { signal },
    ) {
      const page = await read(node, { stream: name, partition: number, offset: from, limit: max }, signal);
      const letters = page.records.map((each) => shown(number, each, most ?? DEFAULT_PAYLOAD_BYTES));
      return { letters, nextOffset: page.nextOffset };
    },
  }),
  deadLettersRedrive: operation({
    id: 'dead-letters.redrive',
    verb: {
      words: 'dlq redrive',
      isFinal: true,
      examples: ['dlq redrive dead --max 10 --dry-run', 'dlq redrive dead --offset 10 --yes'],
    },
    method: 'POST',
    path: '/dead-letters/{stream}:redrive',
    summary: 'Publishes dead letters again where they came from, in order, up to the first that cannot be.',
    scope: 'messages:write',
    audit: 'change',
    pathParameters: { stream },
    body: object(
      {},
      {
        partition,
        offset,
        max: integer('Most of them; a hundred where it is missing.', { min: 1, max: MAX_AT_ONCE }),
        dryRun: boolean('Only count.'),
      },
    ),
    output: object({
      matched: integer('Dead letters that were looked at.'),
      redriven: integer('How many were published.'),
      skipped: integer('Records that are no dead letters.'),
      nextOffset: integer('Where to go on; the one that could not be published, if any.'),
      problem: nullable(string('Why that could not be published.')),
    }),
    async run(node, { stream: name, body }, { caller, signal }) {
      const { dryRun = false, max = DEFAULT_MAX, ...place } = body;
      const page = await read(node, { ...place, stream: name, limit: max }, signal);
      let matched = 0;
      let redriven = 0;
      let skipped = 0;
      for (const record of page.records) {
        const message = originOf(record);
        if (message === undefined) {
          skipped++;
          continue;
        }
        matched++;
        if (dryRun) continue;
        try {
          await node.messages.publish(message, caller);
          redriven++;
        } catch (error) {
          if (!(error instanceof OperationError)) throw error;
          return { matched, redriven, skipped, nextOffset: record.offset, problem: error.message };
        }
      }
      return { matched, redriven, skipped, nextOffset: page.nextOffset, problem: null };
    },
  }),
};
