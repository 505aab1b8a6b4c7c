import { describe, expect, it } from 'vitest';
import { type Change, createCrossing } from '../../../src/kernel/crossing/crossing.ts';
import { createRouter } from '../../../src/kernel/router.ts';
import { messageToRecord } from '../../../src/storage/records/message-record.ts';
import { type LogRecord, NO_HEADERS } from '../../../src/storage/records/record.ts';

const LIMITS = { maxTopicBytes: 20, maxTopicLevels: 4, maxMessageBytes: 60 };
const record = (value: string): LogRecord => ({
  timestampMs: 1,
  key: null,
  value: Buffer.from(value),
  headers: NO_HEADERS,
});

function world() {
  const published: string[] = [];
  const changes: (Change | undefined)[] = [];
  const crossing = createCrossing({
    router: createRouter(),
    streams: { capturing: () => [], captureAddress: () => () => {} },
    limits: LIMITS,
    onCaptureChange() {},
    hasRoomFor: (address, exceptStream) =>
      Buffer.from(address).toString() !== 'a/full' && exceptStream !== '',
    publish({ topic, payload }, exceptStream, change) {
      published.push(`${Buffer.from(topic)} ${Buffer.from(payload)} except ${exceptStream}`);
      changes.push(change);
    },
  });
  return { crossing, published, changes };
}

describe('records that cross', () => {
  it('are messages of the address of their topic, but for those that cannot be (item 26)', () => {
    const { crossing, published } = world();
    const records = ['one', 'x'.repeat(60), 'two'].map(record);
    expect(crossing.publish('a.b', records)).toEqual([{ record: records[1], index: 1, reason: 'too-large' }]);
    expect(published).toEqual(['a/b one except a.b', 'a/b two except a.b']);
    expect(crossing.counters).toEqual({ crossed: 2, refusedTopic: 0, refusedTooLarge: 1 });
  });

  it.each(['a.b.c.d.e', 'x'.repeat(21)])('have a topic that is none: %s', (topic) => {
    const { crossing, published } = world();
    expect(crossing.publish(topic, [record('one')])).toMatchObject([{ index: 0, reason: 'topic' }]);
    const change: Change = {
      also: () => expect.unreachable(),
      done: () => expect.unreachable(),
    };
    expect(crossing.publishWith(topic, record('two'), change)).toBe('topic');
    expect(published).toEqual([]);
    expect(crossing.counters).toEqual({ crossed: 0, refusedTopic: 2, refusedTooLarge: 0 });
  });

  it('cross with what the caller adds to their change', () => {
    const { crossing, published, changes } = world();
    const change: Change = { also() {}, done() {} };
    expect(crossing.publishWith('a', record('one'), change)).toBeUndefined();
    expect([published, changes]).toEqual([['a one except a'], [change]]);
  });

  it('wait where those who keep them have no room, if their writer can', () => {
    const { crossing } = world();
    expect([crossing.hasRoom('a.b'), crossing.hasRoom('a.full')]).toEqual([true, false]);
  });

  it('are known as messages of the address, where they were such', () => {
    const { crossing } = world();
    const topic = Buffer.from('a/b');
    const rest = {
      properties: new Uint8Array(0),
      qos: 1,
      retain: false,
      expiresAtMs: 0,
      publisher: 1,
    } as const;
    const own = messageToRecord({ topic, payload: Buffer.from('x'), ...rest }, 5);
    expect([crossing.isOwnMessage('a.b', own), crossing.isOwnMessage('a', own)]).toEqual([true, false]);
    expect(crossing.isOwnMessage('a.b', record('x'))).toBe(false);
  });
});
