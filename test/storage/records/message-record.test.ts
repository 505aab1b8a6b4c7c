import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Message } from '../../../src/kernel/message.ts';
import { RecordBatchBuilder } from '../../../src/storage/records/batch-builder.ts';
import { messageToRecord, recordToMessage } from '../../../src/storage/records/message-record.ts';
import { decodeHeaders, encodeHeaders, type LogRecord } from '../../../src/storage/records/record.ts';
import { readRecordBatch } from '../../../src/storage/records/record-batch.ts';
import { createLogKernel } from '../../../src/wasm/create-log.ts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (bytes: Uint8Array | null): string | null => bytes && Buffer.from(bytes).toString('utf8');
const field = (value: Uint8Array): number[] => [value.length >> 8, value.length & 255, ...value];

/** Properties as MQTT 5 writes them, in any order; only user properties repeat. */
const string = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }).map((each) => each.replaceAll('\0', '')),
  fc.constantFrom(
    'mqtt.qos',
    'mqtt.user.',
    'mqtt.user.mqtt.qos',
    'mqtt.',
    'content-type',
    'correlation-data',
    'mqtt',
  ),
);
const topicName = string.map((each) => each.replaceAll(/[+#]/g, '_') || 'a/b');
const user = fc
  .tuple(string, string)
  .map(([name, value]) => [0x26, ...field(utf8(name)), ...field(utf8(value))]);
const once = [
  fc.integer({ min: 0, max: 1 }).map((flag) => [0x01, flag]),
  string.map((type) => [0x03, ...field(utf8(type))]),
  topicName.map((topic) => [0x08, ...field(utf8(topic))]),
  fc.uint8Array({ maxLength: 20 }).map((data) => [0x09, ...field(data)]),
];
const properties = fc
  .tuple(
    fc.array(user, { maxLength: 4 }),
    ...once.map((each) => fc.option(each)),
    fc.array(fc.nat(1000), { minLength: 8, maxLength: 8 }),
  )
  .map((parts) => {
    const [users, order] = [parts[0] as number[][], parts.at(-1) as number[]];
    const all = [...(parts.slice(1, -1) as (number[] | null)[]).filter((each) => each !== null), ...users];
    const ranked = all
      .map((bytes, i) => ({ bytes, rank: order[i] ?? 0 }))
      .toSorted((a, b) => a.rank - b.rank);
    return Uint8Array.from(ranked.flatMap(({ bytes }) => bytes));
  });
const message: fc.Arbitrary<Message> = fc.record({
  topic: topicName.map(utf8),
  payload: fc.uint8Array({ maxLength: 50 }),
  properties,
  qos: fc.constantFrom(0, 1, 2),
  retain: fc.boolean(),
  expiresAtMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
  publisher: fc.constant(-1),
});

const plain: Message = {
  topic: utf8('sensors/1'),
  payload: utf8('21'),
  properties: new Uint8Array(0),
  qos: 1,
  retain: false,
  expiresAtMs: 0,
  publisher: 7,
};
const listed = (record: LogRecord): [string | null, string | null][] =>
  decodeHeaders(record.headers).map(({ name, value }) => [text(name), text(value)]);
const withHeaders = (...headers: [string, string | null][]): LogRecord => ({
  timestampMs: 0,
  key: utf8('a/b'),
  value: utf8('x'),
  headers: encodeHeaders(
    headers.map(([name, value]) => ({ name: utf8(name), value: value === null ? null : utf8(value) })),
  ),
});

describe('a message as a record', () => {
  it('comes back as it was, through a batch', () => {
    const kernel = createLogKernel({ maxBatchBytes: 1 << 16, memoryLimitBytes: 1 << 20 });
    const builder = new RecordBatchBuilder(kernel);
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 5 }), (messages) => {
        for (const each of messages) expect(builder.append(messageToRecord(each, 1000))).toBe('appended');
        const { batch } = readRecordBatch(kernel, builder.finish(0, 0) ?? new Uint8Array(0));
        const back = messages.map((_, i) => batch && recordToMessage(batch.record(i)).message);
        expect(back).toEqual(messages);
      }),
      { numRuns: 300 },
    );
  });

  it('has the documented parts and headers', () => {
    const record = messageToRecord(
      {
        ...plain,
        qos: 2,
        retain: true,
        expiresAtMs: 1_700_000_000_000,
        properties: Uint8Array.from([
          ...[0x26, ...field(utf8('unit')), ...field(utf8('°C'))],
          ...[0x01, 1],
          ...[0x03, ...field(utf8('text/plain'))],
          ...[0x08, ...field(utf8('reply/1'))],
          ...[0x09, ...field(utf8('c-1'))],
          ...[0x26, ...field(utf8('unit')), ...field(utf8('K'))],
          ...[0x26, ...field(utf8('mqtt.qos')), ...field(utf8('mine'))],
          ...[0x26, ...field(utf8('content-type')), ...field(utf8('mine'))],
        ]),
      },
      1234,
    );
    expect([record.timestampMs, text(record.key), text(record.value)]).toEqual([1234, 'sensors/1', '21']);
    expect(listed(record)).toEqual([
      ['mqtt.qos', '2'],
      ['mqtt.retain', '1'],
      ['mqtt.expires-at', '1700000000000'],
      ['unit', '°C'],
      ['mqtt.payload-format', '1'],
      ['content-type', 'text/plain'],
      ['response-topic', 'reply/1'],
      ['correlation-data', 'c-1'],
      ['unit', 'K'],
      ['mqtt.user.mqtt.qos', 'mine'],
      ['mqtt.user.content-type', 'mine'],
    ]);
    expect(listed(messageToRecord(plain, 0))).toEqual([['mqtt.qos', '1']]);
  });

  it('does not carry the number of the publishing session', () => {
    expect(recordToMessage(messageToRecord(plain, 0)).message).toEqual({ ...plain, publisher: -1 });
  });

  it('shares topic and payload with the record, so that reading copies no message', () => {
    const record = messageToRecord(plain, 0);
    expect([record.key, record.value]).toEqual([plain.topic, plain.payload]);
    const { message: read } = recordToMessage(record);
    expect(read?.topic).toBe(plain.topic);
    expect(read?.payload).toBe(plain.payload);
  });

  it('reads headers that others added as user properties, and a tombstone as an empty payload', () => {
    const record = { ...withHeaders(['mqtt.qos', '0'], ['trace', 'id'], ['mqtt.new', 'v']), value: null };
    const { message: read } = recordToMessage(record);
    expect(read?.payload.length).toBe(0);
    const user = (name: string, value: string): number[] => [
      0x26,
      ...field(utf8(name)),
      ...field(utf8(value)),
    ];
    expect(read?.properties).toEqual(Uint8Array.from([...user('trace', 'id'), ...user('mqtt.new', 'v')]));
  });

  it('is refused with a reason when a record is no MQTT message or breaks its rules', () => {
    const refused = (...headers: [string, string | null][]): string | undefined =>
      recordToMessage(withHeaders(['mqtt.qos', '1'], ...headers)).fault;
    expect(refused()).toBeUndefined();
    expect(recordToMessage(withHeaders(['trace', 'id'])).fault).toBe('not-mqtt');
    for (const qos of ['', '3', '01', null]) {
      expect(recordToMessage(withHeaders(['mqtt.qos', qos])).fault).toBe('qos');
    }
    expect(refused(['mqtt.qos', '1'])).toBe('repeated');
    expect(refused(['content-type', 'a'], ['content-type', 'a'])).toBe('repeated');
    expect(refused(['mqtt.retain', '0'])).toBe('retain');
    for (const time of ['', '0', '-1', '1e3', ' 1', '01', '9007199254740992', '99999999999999999', null]) {
      expect(refused(['mqtt.expires-at', time])).toBe('expires-at');
    }
    expect(refused(['mqtt.expires-at', '9007199254740991'])).toBeUndefined();
    expect(refused(['mqtt.payload-format', '2'])).toBe('property');
    expect(refused(['response-topic', 'a/+'])).toBe('property');
    expect(refused(['response-topic', ''])).toBe('property');
    expect(refused(['content-type', 'a\0'])).toBe('property');
    expect(refused(['x', null])).toBe('property');
    expect(refused(['x\0', ''])).toBe('property');
    expect(refused(['x', 'y'.repeat(65_536)])).toBe('property');
    expect(refused(['x', 'y'.repeat(65_535)])).toBeUndefined();
    const latin = encodeHeaders([
      { name: utf8('mqtt.qos'), value: utf8('1') },
      { name: utf8('x'), value: Uint8Array.of(0xff) },
    ]);
    expect(recordToMessage({ ...withHeaders(), headers: latin }).fault).toBe('property');
    for (const topic of ['', 'a/#', '+', 'a\0', 'x'.repeat(65_536)]) {
      expect(recordToMessage({ ...withHeaders(['mqtt.qos', '1']), key: utf8(topic) }).fault).toBe('topic');
    }
    expect(recordToMessage({ ...withHeaders(['mqtt.qos', '1']), key: null }).fault).toBe('topic');
    expect(recordToMessage({ ...withHeaders(['mqtt.qos', '1']), key: Uint8Array.of(0xc0, 0x80) }).fault).toBe(
      'topic',
    );
  });

  it('is not made from properties that no decoder lets in', () => {
    const of = (...bytes: number[]): Message => ({ ...plain, properties: Uint8Array.from(bytes) });
    expect(() => messageToRecord(of(0x02, 0, 0, 0, 1), 0)).toThrow(RangeError);
    expect(() => messageToRecord(of(0x03, 0, 2, 65), 0)).toThrow(RangeError);
    expect(() => messageToRecord(of(0x26, 0, 0), 0)).toThrow(RangeError);
    expect(() => messageToRecord(of(0x01), 0)).toThrow(RangeError);
  });
});
