import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mqttAddress } from '../../../src/kernel/crossing/addresses.ts';
import { recordAsMessage } from '../../../src/kernel/crossing/record-as-message.ts';
import type { Message } from '../../../src/kernel/message.ts';
import { nextUserProperty } from '../../../src/kernel/user-properties.ts';
import { messageToRecord } from '../../../src/storage/records/message-record.ts';
import { encodeHeaders } from '../../../src/storage/records/record.ts';

const topic = mqttAddress('a.b');

function propertiesOf({ properties }: Message): [string, string][] {
  const found: [string, string][] = [];
  for (
    let next = nextUserProperty(properties, 0);
    next !== undefined;
    next = nextUserProperty(properties, next.end)
  ) {
    found.push([Buffer.from(next.name).toString(), Buffer.from(next.value).toString()]);
  }
  return found;
}

const text = fc.string({ maxLength: 20, unit: 'binary' }).filter((each) => !each.includes('\0'));
const bytes = fc.uint8Array({ maxLength: 20 });

describe('the address of a topic', () => {
  it('has a level for each part of the name', () => {
    expect(Buffer.from(mqttAddress('sensors.a-1._x')).toString()).toBe('sensors/a-1/_x');
    expect(Buffer.from(mqttAddress('plain')).toString()).toBe('plain');
  });
});

describe('a record as a message', () => {
  it('keeps key, value and headers of any bytes', () => {
    const fields = fc.record({
      key: fc.option(bytes),
      value: fc.option(bytes),
      headers: fc.array(fc.record({ name: text, value: fc.option(bytes) }), { maxLength: 5 }),
    });
    fc.assert(
      fc.property(fields, ({ key, value, headers }) => {
        const encoded = encodeHeaders(
          headers.map((each) => ({ name: Buffer.from(each.name), value: each.value })),
        );
        const message = recordAsMessage({ timestampMs: 0, key, value, headers: encoded }, topic);
        fc.pre(!headers.some(({ name }) => name.startsWith('mqtt.')));
        expect(message).toMatchObject({ topic, qos: 1, retain: false, expiresAtMs: 0 });
        expect(Buffer.from(message.payload)).toEqual(Buffer.from(value ?? []));
        const named: [string, Uint8Array][] = key === null ? [] : [['kafka.key', key]];
        for (const header of headers) named.push([header.name, header.value ?? new Uint8Array(0)]);
        const found = propertiesOf(message);
        expect(found).toHaveLength(named.length);
        found.forEach(([name, shown], i) => {
          const [ownName, ownValue] = named[i] as [string, Uint8Array];
          const isEncoded = name === `${ownName}.base64`;
          expect(isEncoded ? Buffer.from(shown, 'base64') : Buffer.from(shown)).toEqual(
            Buffer.from(ownValue),
          );
          if (!isEncoded) expect(name).toBe(ownName);
        });
      }),
    );
  });

  it('is the message again that it was, if it was one of this topic', () => {
    const message: Message = {
      topic,
      payload: Buffer.from('on'),
      properties: new Uint8Array(0),
      qos: 2,
      retain: true,
      expiresAtMs: 5,
      publisher: -1,
    };
    const record = messageToRecord(message, 1);
    const back = recordAsMessage(record, topic);
    expect(back).toMatchObject({ qos: 2, retain: true, expiresAtMs: 5 });
    const elsewhere = recordAsMessage(record, mqttAddress('c'));
    expect(elsewhere).toMatchObject({ qos: 1, retain: false });
    expect(Buffer.from(elsewhere.topic).toString()).toBe('c');
  });
});
