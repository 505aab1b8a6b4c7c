/** Records of Kafka's topics, as those read and write them who are no consumers and producers. */
import type { Caller } from '../caller.ts';
import { found, named, OperationError, operation } from '../operation.ts';
import { integer, list, object, string } from '../schema.ts';
import { MAX_PAYLOAD_BYTES, showRecord } from '../show.ts';
import { pageOfRecords, type StreamRecord } from '../views.ts';

export interface NewRecord {
  /** Undefined: when it is appended. */
  readonly timeMs: number | undefined;
  readonly key: Uint8Array | null;
  readonly headers: readonly { readonly name: string; readonly value: Uint8Array | null }[];
  readonly payload: Uint8Array | null;
}

type By = Pick<Caller, 'user' | 'tenant'>;

/** Rules are asked about who reads and appends, as they are about clients; what they forbid rejects with an OperationError. */
export interface RecordsView {
  /** Of transactions only those that were committed. Undefined when there is no such topic or partition. */
  read(request: {
    readonly topic: string;
    readonly partition: number;
    /** Below the first offset that is there, reading begins with that one. */
    readonly fromOffset: number;
    readonly limit: number;
    readonly maxBytes: number;
    readonly by: By;
  }): Promise<{ readonly records: readonly StreamRecord[]; readonly nextOffset: number } | undefined>;
  /** As one batch, durably; gives the offset of the first. */
  append(topic: string, partition: number, records: readonly NewRecord[], by: By): Promise<number>;
}

const MAX_RECORDS = 1000;
/** JSON of more would keep the broker from its clients for too long; one record is always there. */
const MAX_READ_BYTES = 1024 * 1024;
const MAX_BODY_BYTES = 16 * 1024 * 1024;
const name = string('Name of a topic.', { maxLength: 1024 });
const partition = integer('Partition.', { max: 65_535 });
const text = (what: string) => string(`${what} as text.`, { maxLength: MAX_PAYLOAD_BYTES });
const base64 = (what: string) => string(`${what} in base64.`, { maxLength: 2 * MAX_PAYLOAD_BYTES });

const record = object(
  {},
  {
    timeMs: integer('Its time; now where it is missing.'),
    key: text('Key'),
    keyBase64: base64('Key'),
    payload: text('Payload; without one it is a tombstone,'),
    payloadBase64: base64('Payload'),
    headers: list(
      object(
        { name: string('Name.', { maxLength: 65_535 }) },
        { value: text('Value'), valueBase64: base64('Value') },
      ),
      'Headers.',
      { maxItems: 1000 },
    ),
  },
);

const given = list(record, 'Records, at least one.', { maxItems: MAX_RECORDS });
/** What clients are told is not for the audit log. */
const newRecords = { ...given, json: { ...given.json, writeOnly: true } };

function bytesOf(plain: string | undefined, encoded: string | undefined, what: string): Uint8Array | null {
  if (plain !== undefined && encoded !== undefined) {
    throw new OperationError(400, 'invalid-input', `${what} is there as text and in base64`);
  }
  if (encoded === undefined) return plain === undefined ? null : Buffer.from(plain);
  if (encoded.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(encoded)) {
    throw new OperationError(400, 'invalid-input', `${what} is not base64`);
  }
  return Buffer.from(encoded, 'base64');
}

export const recordOperations = {
  recordsRead: operation({
    id: 'records.read',
    method: 'GET',
    path: '/topics/{name}/partitions/{partition}/records',
    summary:
      'Records of a partition of a topic from an offset on; of transactions those that were committed.',
    scope: 'messages:read',
    audit: 'data',
    pathParameters: { name, partition },
    queryParameters: {
      offset: integer('Where to begin; the first record where it is missing.'),
      limit: integer('Most records of an answer.', { min: 1, max: MAX_RECORDS }),
    },
    output: pageOfRecords,
    async run(node, { name: topic, partition: number, offset, limit }, { caller }) {
      const page = await node.topicRecords.read({
        topic,
        partition: number,
        fromOffset: offset ?? 0,
        limit: limit ?? MAX_RECORDS,
        maxBytes: MAX_READ_BYTES,
        by: caller,
      });
      const { records, nextOffset } = found(page, `${named('topic', topic)} with a partition ${number}`);
      return { items: records.map((each) => showRecord(number, each, MAX_PAYLOAD_BYTES)), nextOffset };
    },
  }),
  recordsAppend: operation({
    id: 'records.append',
    method: 'POST',
    path: '/topics/{name}/partitions/{partition}/records',
    summary: 'Appends records to a partition of a topic: all of them or none.',
    scope: 'messages:write',
    audit: 'change',
    maxBodyBytes: MAX_BODY_BYTES,
    pathParameters: { name, partition },
    body: object({ records: newRecords }),
    output: object({ baseOffset: integer('Offset of the first.'), records: integer('How many.') }),
    async run(node, { name: topic, partition: number, body: { records } }, { caller }) {
      if (records.length === 0) throw new OperationError(400, 'invalid-input', 'records: there are none');
      const read = records.map((each, i) => ({
        timeMs: each.timeMs,
        key: bytesOf(each.key, each.keyBase64, `records[${i}].key`),
        payload: bytesOf(each.payload, each.payloadBase64, `records[${i}].payload`),
        headers: (each.headers ?? []).map((header) => ({
          name: header.name,
          value: bytesOf(header.value, header.valueBase64, `records[${i}].headers`),
        })),
      }));
      return {
        baseOffset: await node.topicRecords.append(topic, number, read, caller),
        records: records.length,
      };
    },
  }),
};
