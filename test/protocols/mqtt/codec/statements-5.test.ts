/** One test per structural rule of MQTT 5.0 that the decoder enforces, named by its conformance statement. */
import { describe, expect, it } from 'vitest';
import { PacketType } from '../../../../src/protocols/mqtt/codec/packets.ts';
import { connect5, frame, judge, judgeServer, properties } from './frames.ts';

const NONE = properties();
const ok = (type: number) => expect.objectContaining({ type });

describe('fixed header and data types', () => {
  it('[MQTT-2.1.3-1] refuses wrong reserved flags of every packet type', () => {
    for (const type of [4, 5, 7, 12]) {
      expect(judge(frame((type << 4) | 1, 0, 1), 5)).toBe('0x81 MQTT-2.1.3-1 disconnect');
    }
    expect(judge(frame(0x11, 'MQTT', 5, 2, 0, 0, NONE, 'c'), undefined)).toBe('0x81 MQTT-2.1.3-1 none');
  });
  it('refuses packet type 0', () => {
    expect(judge(frame(0x00), 5)).toBe('0x81 MQTT 5.0 section 2.1 disconnect');
  });
  it('refuses packets that only a server sends', () => {
    for (const type of [2, 9, 11, 13]) {
      expect(judge(frame(type << 4), 5)).toBe('0x82 MQTT 5.0 section 2.1.2 disconnect');
    }
  });
  it('refuses packets that only a client sends', () => {
    for (const first of [0x10, 0x82, 0xa2, 0xc0]) {
      expect(judgeServer(frame(first), 5)).toBe('0x82 MQTT 5.0 section 2.1.2 disconnect');
    }
  });
  it('[MQTT-1.5.5-1] refuses variable byte integers that are not in their shortest form', () => {
    expect(judge(Uint8Array.of(0xc0, 0x80, 0x00), 5)).toBe('0x81 MQTT-1.5.5-1 disconnect');
    expect(judge(frame(0x82, 0, 1, 0x80, 0x00, 'a', 0), 5)).toBe('0x81 MQTT-1.5.5-1 disconnect');
  });
  it('refuses variable byte integers of more than four bytes', () => {
    const long = Uint8Array.of(0xc0, 0x80, 0x80, 0x80, 0x80, 0x01);
    expect(judge(long, 5)).toBe('0x81 MQTT 5.0 section 1.5.5 disconnect');
  });
  it.each([
    ['a lone continuation byte', [0x80]],
    ['a cut sequence', [0xe2, 0x82]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['an over-long slash', [0xc0, 0xaf]],
    ['an over-long NUL', [0xc0, 0x80]],
    ['a code point above U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['a five-byte form', [0xf8, 0x88, 0x80, 0x80, 0x80]],
  ])('[MQTT-1.5.4-1] refuses %s in a string', (_, bytes) => {
    const clientId = [0, bytes.length, ...bytes];
    expect(judge(connect5(2, NONE, clientId), undefined)).toBe('0x81 MQTT-3.1.3-4 connack');
    expect(judge(connect5(2, properties(0x15, clientId), 'c'), undefined)).toBe('0x81 MQTT-1.5.4-1 connack');
  });
  it('[MQTT-1.5.4-2] [MQTT-4.7.3-2] refuses U+0000 in a string', () => {
    expect(judge(connect5(2, NONE, 'a\0'), undefined)).toBe('0x81 MQTT-1.5.4-2 connack');
    expect(judge(frame(0x30, 'a\0', NONE), 5)).toBe('0x81 MQTT-1.5.4-2 disconnect');
    expect(judge(frame(0x82, 0, 1, NONE, 'a\0', 0), 5)).toBe('0x81 MQTT-1.5.4-2 disconnect');
  });
  it('[MQTT-1.5.4-3] keeps a byte order mark', () => {
    expect(judge(connect5(2, NONE, '\ufeffc'), undefined)).toMatchObject({ clientId: '\ufeffc' });
  });
  it('refuses control characters and non-characters only if asked to', () => {
    for (const text of ['\u0001', '\u001f', '\u007f', '\u009f', '\ufdd0', '\uffff', '\u{1fffe}']) {
      expect(judge(connect5(2, NONE, text), undefined)).toEqual(ok(PacketType.Connect));
      const strict = judge(connect5(2, NONE, text), undefined, { strictUtf8: true });
      expect(strict).toBe('0x81 MQTT 5.0 section 1.5.4 connack');
    }
    expect(judge(connect5(2, NONE, 'é €😀\ufeff'), undefined, { strictUtf8: true })).toEqual(ok(1));
  });
  it('[MQTT-1.5.7-1] refuses ill-formed halves of a string pair', () => {
    expect(judge(frame(0x30, 'a', properties(0x26, [0, 1, 0xff], 'v')), 5)).toBe(
      '0x81 MQTT-1.5.7-1 disconnect',
    );
    expect(judge(frame(0x30, 'a', properties(0x26, 'n', [0, 1, 0xff])), 5)).toBe(
      '0x81 MQTT-1.5.7-1 disconnect',
    );
  });
  it('[MQTT-2.2.1-2] takes what follows the topic of a QoS 0 PUBLISH for properties, not for an identifier', () => {
    expect(judge(frame(0x30, 'a', NONE, 7), 5)).toMatchObject({ packetId: 0, payload: Uint8Array.of(7) });
  });
  it('[MQTT-2.2.1-3] refuses packet identifier 0', () => {
    for (const bytes of [
      frame(0x32, 'a', 0, 0, NONE),
      frame(0x82, 0, 0, NONE, 'a', 0),
      frame(0xa2, 0, 0, NONE, 'a'),
    ]) {
      expect(judge(bytes, 5)).toBe('0x82 MQTT-2.2.1-3 disconnect');
    }
  });
  it('[MQTT-2.2.1-5] refuses acknowledgements of packet identifier 0', () => {
    for (const first of [0x40, 0x50, 0x62, 0x70]) {
      expect(judge(frame(first, 0, 0), 5)).toBe('0x82 MQTT-2.2.1-5 disconnect');
    }
  });
  it('[MQTT-2.2.2-1] refuses a packet without its property length', () => {
    expect(judge(frame(0x30, 'a'), 5)).toBe('0x81 MQTT-4.13.1-1 disconnect');
    expect(judge(connect5(2), undefined)).toBe('0x81 MQTT-4.13.1-1 connack');
  });
  it('[MQTT-4.13.1-1] refuses a remaining length that differs from the packet', () => {
    expect(judge(Uint8Array.of(0xc0, 1), 5)).toBe('0x81 MQTT 5.0 section 2.1.4 disconnect');
  });
  it('answers a packet above the maximum size with 0x95', () => {
    const bytes = frame(0x30, 'a', NONE, 'payload');
    const verdict = judge(bytes, 5, { maxPacketBytes: bytes.length - 1 });
    expect(verdict).toBe('0x95 MQTT 5.0 section 3.2.2.3.6 disconnect');
    expect(judge(bytes, 5, { maxPacketBytes: bytes.length })).toEqual(ok(PacketType.Publish));
  });
});

describe('CONNECT', () => {
  it('[MQTT-3.1.0-1] refuses any other first packet without an answer', () => {
    expect(judge(frame(0xc0), undefined)).toBe('0x82 MQTT-3.1.0-1 none');
  });
  it('[MQTT-3.1.0-2] refuses a second CONNECT', () => {
    expect(judge(connect5(2, NONE, 'c'), 5)).toBe('0x82 MQTT-3.1.0-2 disconnect');
  });
  it('[MQTT-3.1.2-1] closes without an answer when the protocol name is another', () => {
    expect(judge(frame(0x10, 'HTTP', 5, 2, 0, 0, NONE, 'c'), undefined)).toBe('0x84 MQTT-3.1.2-1 none');
    expect(judge(frame(0x10, 'mqtt', 5, 2, 0, 0, NONE, 'c'), undefined)).toBe('0x84 MQTT-3.1.2-1 none');
  });
  it('[MQTT-3.1.2-2] answers an unknown protocol version with 0x84, whatever follows it', () => {
    expect(judge(frame(0x10, 'MQTT', 6, 0xff), undefined)).toBe('0x84 MQTT-3.1.2-2 connack');
  });
  it('[MQTT-3.1.2-3] refuses the reserved connect flag', () => {
    expect(judge(connect5(3, NONE, 'c'), undefined)).toBe('0x81 MQTT-3.1.2-3 connack');
  });
  it('[MQTT-3.1.2-9] refuses a Will Flag without the will fields', () => {
    expect(judge(connect5(6, NONE, 'c'), undefined)).toBe('0x81 MQTT-4.13.1-1 connack');
    expect(judge(connect5(6, NONE, 'c', NONE, 'w'), undefined)).toBe('0x81 MQTT-4.13.1-1 connack');
    expect(judge(connect5(6, NONE, 'c', NONE, 'w', ''), undefined)).toEqual(ok(PacketType.Connect));
  });
  it('[MQTT-3.1.2-11] refuses a Will QoS without a will', () => {
    expect(judge(connect5(0x0a, NONE, 'c'), undefined)).toBe('0x81 MQTT-3.1.2-11 connack');
  });
  it('[MQTT-3.1.2-12] refuses Will QoS 3', () => {
    expect(judge(connect5(0x1e, NONE, 'c', NONE, 'w', ''), undefined)).toBe('0x81 MQTT-3.1.2-12 connack');
  });
  it('[MQTT-3.1.2-13] refuses Will Retain without a will', () => {
    expect(judge(connect5(0x22, NONE, 'c'), undefined)).toBe('0x81 MQTT-3.1.2-13 connack');
  });
  it('[MQTT-3.1.2-16] refuses a user name that no flag announces', () => {
    expect(judge(connect5(2, NONE, 'c', 'user'), undefined)).toBe('0x81 MQTT-4.13.1-1 connack');
  });
  it('[MQTT-3.1.2-17] refuses a User Name Flag without a user name', () => {
    expect(judge(connect5(0x82, NONE, 'c'), undefined)).toBe('0x81 MQTT-4.13.1-1 connack');
  });
  it('[MQTT-3.1.2-18] refuses a password that no flag announces', () => {
    expect(judge(connect5(0x82, NONE, 'c', 'user', 'pw'), undefined)).toBe('0x81 MQTT-4.13.1-1 connack');
  });
  it('[MQTT-3.1.2-19] refuses a Password Flag without a password, and takes one without a user name', () => {
    expect(judge(connect5(0x42, NONE, 'c'), undefined)).toBe('0x81 MQTT-4.13.1-1 connack');
    expect(judge(connect5(0x42, NONE, 'c', 'pw'), undefined)).toMatchObject({ userName: undefined });
  });
  it('[MQTT-3.1.3-1] reads the payload in its fixed order', () => {
    const all = connect5(0xf6, NONE, 'id', NONE, 'will', 'gone', 'user', 'pw');
    expect(judge(all, undefined)).toMatchObject({
      ...{ clientId: 'id', userName: 'user', password: new TextEncoder().encode('pw') },
      will: { topic: new TextEncoder().encode('will'), qos: 2, retain: true },
    });
  });
  it('[MQTT-3.1.3-3] refuses a CONNECT without a client identifier', () => {
    expect(judge(connect5(2, NONE), undefined)).toBe('0x81 MQTT-4.13.1-1 connack');
  });
  it('[MQTT-3.1.3-4] refuses a client identifier that is not UTF-8', () => {
    expect(judge(connect5(2, NONE, [0, 1, 0xff]), undefined)).toBe('0x81 MQTT-3.1.3-4 connack');
  });
  it('[MQTT-3.1.3-11] refuses a Will Topic that is not UTF-8', () => {
    expect(judge(connect5(6, NONE, 'c', NONE, [0, 1, 0xff], ''), undefined)).toBe(
      '0x81 MQTT-3.1.3-11 connack',
    );
  });
  it('[MQTT-3.1.3-12] refuses a user name that is not UTF-8', () => {
    expect(judge(connect5(0x82, NONE, 'c', [0, 1, 0xff]), undefined)).toBe('0x81 MQTT-3.1.3-12 connack');
  });
  it('answers a Will Topic that is no topic name with 0x90', () => {
    expect(judge(connect5(6, NONE, 'c', NONE, 'a/#', ''), undefined)).toBe('0x90 MQTT-3.3.2-2 connack');
    expect(judge(connect5(6, NONE, 'c', NONE, '', ''), undefined)).toBe('0x90 MQTT-4.7.3-1 connack');
  });
  it('answers a will payload that contradicts its format indicator with 0x99', () => {
    const will = connect5(6, NONE, 'c', properties(0x01, 1), 'w', [0, 1, 0xff]);
    expect(judge(will, undefined)).toBe('0x99 MQTT 5.0 section 3.1.3.2.3 connack');
  });
  it('refuses Authentication Data without Authentication Method', () => {
    const bytes = connect5(2, properties(0x16, 'data'), 'c');
    expect(judge(bytes, undefined)).toBe('0x82 MQTT 5.0 section 3.1.2.11.10 connack');
  });
  it('tolerates the bit that bridges set in the protocol level', () => {
    expect(judge(frame(0x10, 'MQTT', 0x85, 2, 0, 0, NONE, 'c'), undefined)).toMatchObject({
      ...{ version: 5, bridge: true },
    });
  });
});

describe('PUBLISH', () => {
  it('[MQTT-3.3.1-2] refuses DUP with QoS 0', () => {
    expect(judge(frame(0x38, 'a', NONE), 5)).toBe('0x81 MQTT-3.3.1-2 disconnect');
  });
  it('[MQTT-3.3.1-4] refuses QoS 3', () => {
    expect(judge(frame(0x36, 'a', 0, 1, NONE), 5)).toBe('0x81 MQTT-3.3.1-4 disconnect');
  });
  it('[MQTT-3.3.2-1] refuses a topic name that is not UTF-8', () => {
    expect(judge(frame(0x30, [0, 1, 0xff], NONE), 5)).toBe('0x81 MQTT-3.3.2-1 disconnect');
  });
  it('[MQTT-3.3.2-2] [MQTT-4.7.0-1] refuses wildcards in a topic name', () => {
    for (const topic of ['#', 'a/+', 'a+b', 'a#']) {
      expect(judge(frame(0x30, topic, NONE), 5)).toBe('0x90 MQTT-3.3.2-2 disconnect');
    }
  });
  it('[MQTT-3.3.2-8] refuses topic alias 0', () => {
    expect(judge(frame(0x30, 'a', properties(0x23, 0, 0)), 5)).toBe('0x94 MQTT-3.3.2-8 disconnect');
  });
  it('[MQTT-3.3.2-9] refuses a topic alias above the announced maximum', () => {
    const bytes = frame(0x30, 'a', properties(0x23, 0, 4));
    expect(judge(bytes, 5, { topicAliasMaximum: 3 })).toBe('0x94 MQTT-3.3.2-9 disconnect');
    expect(judge(bytes, 5, { topicAliasMaximum: 4 })).toEqual(ok(PacketType.Publish));
  });
  it('[MQTT-3.3.2-13] refuses a response topic that is not UTF-8', () => {
    const bytes = frame(0x30, 'a', properties(0x08, [0, 1, 0xff]));
    expect(judge(bytes, 5)).toBe('0x81 MQTT-3.3.2-13 disconnect');
  });
  it('[MQTT-3.3.2-14] refuses wildcards in a response topic', () => {
    expect(judge(frame(0x30, 'a', properties(0x08, 'r/#')), 5)).toBe('0x82 MQTT-3.3.2-14 disconnect');
  });
  it('[MQTT-3.3.2-18] keeps the order and repetitions of user properties', () => {
    const pairs = [0x26, 'b', '1', 0x26, 'a', '2', 0x26, 'b', '1'] as const;
    expect(judge(frame(0x30, 'a', properties(...pairs)), 5)).toMatchObject({
      properties: {
        userProperties: [
          ['b', '1'],
          ['a', '2'],
          ['b', '1'],
        ],
      },
    });
  });
  it('[MQTT-3.3.2-19] refuses a content type that is not UTF-8', () => {
    const bytes = frame(0x30, 'a', properties(0x03, [0, 1, 0xff]));
    expect(judge(bytes, 5)).toBe('0x81 MQTT-3.3.2-19 disconnect');
  });
  it('[MQTT-3.3.4-6] refuses a subscription identifier from a client', () => {
    const bytes = frame(0x30, 'a', properties(0x0b, 1));
    expect(judge(bytes, 5)).toBe('0x82 MQTT-3.3.4-6 disconnect');
    expect(judgeServer(bytes, 5)).toMatchObject({ properties: { subscriptionIdentifiers: [1] } });
  });
  it('refuses an empty topic name without an alias', () => {
    expect(judge(frame(0x30, '', NONE), 5)).toBe('0x82 MQTT 5.0 section 3.3.2.1 disconnect');
    expect(judge(frame(0x30, '', properties(0x23, 0, 1)), 5)).toMatchObject({
      properties: { topicAlias: 1 },
    });
  });
  it('tells a payload that contradicts its format indicator', () => {
    const bytes = frame(0x30, 'a', properties(0x01, 1), 0xff);
    expect(judge(bytes, 5)).toMatchObject({ payloadNotUtf8: true });
    expect(judge(frame(0x30, 'a', properties(0x01, 1), 0xc3, 0xa9), 5)).toMatchObject({
      payloadNotUtf8: false,
    });
    expect(judge(frame(0x30, 'a', properties(0x01, 0), 0xff), 5)).toMatchObject({ payloadNotUtf8: false });
  });
  it('keeps what passes through to subscribers in wire form, without what belongs to one hop', () => {
    const through = [0x26, 0, 1, 0x6e, 0, 1, 0x76, 0x01, 0];
    const bytes = frame(0x30, 'a', properties(0x23, 0, 1, 0x26, 'n', 'v', 0x02, 0, 0, 0, 9, 0x01, 0));
    expect(judge(bytes, 5)).toMatchObject({
      ...{ messageProperties: Uint8Array.from(through) },
      properties: { messageExpiryIntervalSeconds: 9, topicAlias: 1 },
    });
  });
});

describe('acknowledgements', () => {
  it.each([
    ['MQTT-3.4.2-1', 0x40, 0x92],
    ['MQTT-3.5.2-1', 0x50, 0x01],
    ['MQTT-3.6.2-1', 0x62, 0x10],
    ['MQTT-3.7.2-1', 0x70, 0x80],
  ])('[%s] refuses a reason code of another packet', (statement, first, reason) => {
    expect(judge(frame(first, 0, 1, reason), 5)).toBe(`0x82 ${statement} disconnect`);
  });
  it('takes all three lengths', () => {
    for (const tail of [[], [0], [0, NONE]]) {
      expect(judge(frame(0x40, 0, 1, ...tail), 5)).toMatchObject({
        packetId: 1,
        reasonCode: 0,
        properties: {},
      });
    }
  });
  it('[MQTT-3.6.1-1] refuses a PUBREL with other flags than 0010', () => {
    for (const flags of [0, 1, 3, 10]) {
      expect(judge(frame(0x60 | flags, 0, 1), 5)).toBe('0x81 MQTT-3.6.1-1 disconnect');
    }
  });
});

describe('SUBSCRIBE and UNSUBSCRIBE', () => {
  const subscribe = (filter: string, options = 0) => judge(frame(0x82, 0, 1, NONE, filter, options), 5);

  it('[MQTT-3.8.1-1] refuses a SUBSCRIBE with other flags than 0010', () => {
    expect(judge(frame(0x80, 0, 1, NONE, 'a', 0), 5)).toBe('0x81 MQTT-3.8.1-1 disconnect');
  });
  it('[MQTT-3.8.3-1] refuses a topic filter that is not UTF-8', () => {
    expect(judge(frame(0x82, 0, 1, NONE, [0, 1, 0xff], 0), 5)).toBe('0x81 MQTT-3.8.3-1 disconnect');
  });
  it('[MQTT-3.8.3-2] refuses a SUBSCRIBE without a filter', () => {
    expect(judge(frame(0x82, 0, 1, NONE), 5)).toBe('0x82 MQTT-3.8.3-2 disconnect');
  });
  it('[MQTT-3.8.3-4] refuses No Local on a shared subscription', () => {
    expect(subscribe('$share/g/a', 4)).toBe('0x82 MQTT-3.8.3-4 disconnect');
  });
  it('[MQTT-3.8.3-5] refuses reserved bits in the subscription options', () => {
    for (const bit of [0x40, 0x80]) expect(subscribe('a', bit)).toBe('0x81 MQTT-3.8.3-5 disconnect');
  });
  it('refuses QoS 3 and Retain Handling 3', () => {
    for (const options of [3, 0x30]) {
      expect(subscribe('a', options)).toBe('0x82 MQTT 5.0 section 3.8.3.1 disconnect');
    }
  });
  it('reads all subscription options', () => {
    expect(subscribe('a', 0x2e)).toMatchObject({
      subscriptions: [{ qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 2 }],
    });
  });
  it('[MQTT-4.7.1-1] refuses # anywhere but alone in the last level', () => {
    for (const filter of ['a#', 'a/#/b', '#/a', '##', 'a/b#']) {
      expect(subscribe(filter)).toBe('0x8f MQTT-4.7.1-1 disconnect');
    }
  });
  it('[MQTT-4.7.1-2] refuses + that does not fill its level', () => {
    for (const filter of ['a+', '+a/b', 'a/b+/c', '++']) {
      expect(subscribe(filter)).toBe('0x8f MQTT-4.7.1-2 disconnect');
    }
  });
  it('[MQTT-4.7.3-1] refuses empty topic names and filters', () => {
    expect(subscribe('')).toBe('0x8f MQTT-4.7.3-1 disconnect');
    expect(judge(frame(0xa2, 0, 1, NONE, ''), 5)).toBe('0x8f MQTT-4.7.3-1 disconnect');
  });
  it('[MQTT-4.8.2-1] refuses an empty ShareName', () => {
    expect(subscribe('$share//a')).toBe('0x8f MQTT-4.8.2-1 disconnect');
  });
  it('[MQTT-4.8.2-2] refuses wildcards in a ShareName and a ShareName without a filter', () => {
    for (const filter of ['$share/+/a', '$share/g#/a', '$share/g', '$share/g/', '$share/']) {
      expect(subscribe(filter)).toBe('0x8f MQTT-4.8.2-2 disconnect');
    }
  });
  it('[MQTT-3.10.1-1] refuses an UNSUBSCRIBE with other flags than 0010', () => {
    expect(judge(frame(0xa0, 0, 1, NONE, 'a'), 5)).toBe('0x81 MQTT-3.10.1-1 disconnect');
  });
  it('[MQTT-3.10.3-1] refuses a topic filter that is not UTF-8 in UNSUBSCRIBE', () => {
    expect(judge(frame(0xa2, 0, 1, NONE, [0, 1, 0xff]), 5)).toBe('0x81 MQTT-3.10.3-1 disconnect');
  });
  it('[MQTT-3.10.3-2] refuses an UNSUBSCRIBE without a filter', () => {
    expect(judge(frame(0xa2, 0, 1, NONE), 5)).toBe('0x82 MQTT-3.10.3-2 disconnect');
  });
  it('bounds filters, levels and lengths', () => {
    const two = frame(0x82, 0, 1, NONE, 'a', 0, 'b', 0);
    expect(judge(two, 5, { maxFiltersPerPacket: 1 })).toMatch(/^0x97 /);
    const deep = frame(0x82, 0, 1, NONE, 'a/b/c', 0);
    expect(judge(deep, 5, { maxTopicLevels: 2 })).toMatch(/^0x8f /);
    expect(judge(deep, 5, { maxTopicBytes: 4 })).toMatch(/^0x8f /);
    expect(judge(frame(0x30, 'a/b/c', NONE), 5, { maxTopicLevels: 2 })).toMatch(/^0x90 /);
    expect(judge(frame(0x30, 'a/b/c', NONE), 5, { maxTopicBytes: 4 })).toMatch(/^0x90 /);
    const pairs = frame(0x30, 'a', properties(0x26, '', '', 0x26, '', ''));
    expect(judge(pairs, 5, { maxUserProperties: 1 })).toMatch(/^0x97 /);
  });
});

describe('PINGREQ, DISCONNECT, AUTH and what a server sends', () => {
  it('refuses a PINGREQ with content', () => {
    expect(judge(frame(0xc0, 0), 5)).toBe('0x81 MQTT-4.13.1-1 disconnect');
  });
  it('[MQTT-3.14.1-1] refuses a DISCONNECT with flags', () => {
    expect(judge(frame(0xe1), 5)).toBe('0x81 MQTT-3.14.1-1 disconnect');
  });
  it('[MQTT-3.14.2-1] refuses a reason code that is not for DISCONNECT, or not for a client', () => {
    for (const reason of [0x01, 0x8b, 0x8e]) {
      expect(judge(frame(0xe0, reason), 5)).toBe('0x82 MQTT-3.14.2-1 disconnect');
    }
    expect(judge(frame(0xe0, 4), 5)).toMatchObject({ reasonCode: 4 });
    expect(judgeServer(frame(0xe0, 4), 5)).toBe('0x82 MQTT-3.14.2-1 disconnect');
  });
  it('[MQTT-3.14.2-2] refuses a Session Expiry Interval in a DISCONNECT of the server', () => {
    const bytes = frame(0xe0, 0, properties(0x11, 0, 0, 0, 1));
    expect(judgeServer(bytes, 5)).toBe('0x82 MQTT-3.14.2-2 disconnect');
    expect(judge(bytes, 5)).toMatchObject({ properties: { sessionExpiryIntervalSeconds: 1 } });
  });
  it('takes DISCONNECT in all three lengths', () => {
    for (const tail of [[], [0], [0, NONE]]) {
      expect(judge(frame(0xe0, ...tail), 5)).toMatchObject({ reasonCode: 0, properties: {} });
    }
  });
  it('[MQTT-3.15.1-1] refuses an AUTH with flags', () => {
    expect(judge(frame(0xf1), 5)).toBe('0x81 MQTT-3.15.1-1 disconnect');
  });
  it('[MQTT-3.15.2-1] refuses a reason code that is not for AUTH, and Success from a client', () => {
    const method = properties(0x15, 'm');
    for (const reason of [0x00, 0x01, 0x80]) {
      expect(judge(frame(0xf0, reason, method), 5)).toBe('0x82 MQTT-3.15.2-1 disconnect');
    }
    expect(judge(frame(0xf0), 5)).toBe('0x82 MQTT-3.15.2-1 disconnect');
    expect(judgeServer(frame(0xf0), 5)).toMatchObject({ reasonCode: 0 });
    expect(judge(frame(0xf0, 0x19, method), 5)).toMatchObject({ reasonCode: 0x19 });
  });
  it('refuses an AUTH without Authentication Method', () => {
    expect(judge(frame(0xf0, 0x18, NONE), 5)).toBe('0x82 MQTT 5.0 section 3.15.2.2.2 disconnect');
  });
  it('[MQTT-3.2.2-1] refuses reserved CONNACK flags', () => {
    expect(judgeServer(frame(0x20, 2, 0, NONE), 5)).toBe('0x81 MQTT-3.2.2-1 disconnect');
  });
  it('[MQTT-3.2.2-6] refuses Session Present on a refusal', () => {
    expect(judgeServer(frame(0x20, 1, 0x87, NONE), 5)).toBe('0x82 MQTT-3.2.2-6 disconnect');
  });
  it('[MQTT-3.2.2-8] [MQTT-3.9.3-2] [MQTT-3.11.3-2] refuses reason codes of other packets', () => {
    expect(judgeServer(frame(0x20, 0, 1, NONE), 5)).toBe('0x82 MQTT-3.2.2-8 disconnect');
    expect(judgeServer(frame(0x90, 0, 1, NONE, 3), 5)).toBe('0x82 MQTT-3.9.3-2 disconnect');
    expect(judgeServer(frame(0xb0, 0, 1, NONE, 1), 5)).toBe('0x82 MQTT-3.11.3-2 disconnect');
  });
});
