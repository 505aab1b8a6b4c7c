import * as fc from 'fast-check';
import mqttPacket from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import {
  createFramer,
  FRAME_ROW,
  MALFORMED_PACKET,
  PACKET_TOO_LARGE,
  scanFrames,
} from '../../src/browser/frames.ts';
import {
  decode,
  encodeConnect,
  encodePublish,
  encodeSubscribe,
  encodeUnsubscribe,
  type Received,
} from '../../src/browser/packets.ts';

function parse(bytes: Uint8Array): mqttPacket.Packet {
  const parser = mqttPacket.parser({ protocolVersion: 5 });
  let parsed: mqttPacket.Packet | undefined;
  parser.on('packet', (packet) => {
    parsed = packet;
  });
  parser.parse(Buffer.from(bytes));
  if (parsed === undefined) throw new Error('not a whole packet');
  return parsed;
}

function decodeOne(bytes: Uint8Array): Received {
  const received: Received[] = [];
  createFramer(1e6).frames(bytes, (all, packet, body, end) => received.push(decode(all, packet, body, end)));
  expect(received).toHaveLength(1);
  return received[0] as Received;
}

function generate(packet: mqttPacket.Packet): Uint8Array {
  return Uint8Array.from(mqttPacket.generate(packet, { protocolVersion: 5 }));
}

const text = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((s) => !s.includes('\0'));
const topic = text.filter((s) => s !== '' && !/[+#]/.test(s));
const binary = fc.uint8Array({ maxLength: 300 });

describe('frames', () => {
  const framed = fc
    .tuple(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 400 }))
    .map(([first, body]) => {
      const length = body.length < 128 ? [body.length] : [(body.length & 0x7f) | 0x80, body.length >> 7];
      return Uint8Array.from([first, ...length, ...body]);
    });

  it('finds every packet whole, wherever the stream is cut (item 4)', () => {
    fc.assert(
      fc.property(
        fc.array(framed, { maxLength: 20 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 50 })),
        (packets, cuts) => {
          const stream = Buffer.concat(packets);
          const framer = createFramer(10_000);
          const found: Uint8Array[] = [];
          for (let at = 0; at < stream.length; ) {
            const next = at + (cuts.next().value ?? 1);
            const reason = framer.frames(
              Uint8Array.from(stream.subarray(at, next)),
              (bytes, packet, body, end) => {
                expect(body - packet).toBeGreaterThanOrEqual(2);
                found.push(bytes.slice(packet, end));
              },
            );
            expect(reason).toBe(0);
            at = next;
          }
          expect(found).toEqual(packets);
        },
      ),
    );
  });

  it('takes more packets in one chunk than its table has rows', () => {
    let count = 0;
    const framer = createFramer(100);
    expect(
      framer.frames(
        new Uint8Array(2000).fill(0).map((_, i) => (i % 2 === 0 ? 0xd0 : 0)),
        () => count++,
      ),
    ).toBe(0);
    expect(count).toBe(1000);
  });

  it('names what is wrong: over-long and non-canonical lengths, too large a packet', () => {
    const table = new Int32Array(FRAME_ROW * 4);
    const scan = (...bytes: number[]) => scanFrames(Uint8Array.from(bytes), table, 1000);
    expect(scan(0x30, 0x80, 0x80, 0x80, 0x80)).toMatchObject({ frames: 0, reason: MALFORMED_PACKET });
    expect(scan(0xd0, 0, 0x30, 0x80, 0x00)).toMatchObject({
      frames: 1,
      consumed: 2,
      reason: MALFORMED_PACKET,
    });
    expect(scan(0x30, 0xff, 0xff, 0xff, 0x7f)).toMatchObject({ frames: 0, reason: PACKET_TOO_LARGE });
    expect(scan(0x30, 0x80)).toMatchObject({ frames: 0, needBytes: 0, reason: 0 });
    expect(scan(0x30, 0x05, 0)).toMatchObject({ frames: 0, needBytes: 7, reason: 0 });
  });
});

describe('packets, with mqtt-packet on the other side', () => {
  it('encodes CONNECT', () => {
    fc.assert(
      fc.property(
        text,
        fc.option(text, { nil: undefined }),
        fc.option(binary, { nil: undefined }),
        topic,
        binary,
        fc.boolean(),
        (clientId, username, password, willTopic, payload, retain) => {
          const packet = parse(
            encodeConnect({
              clientId,
              cleanStart: true,
              keepAliveSeconds: 60,
              username,
              password,
              will: { topic: willTopic, payload, qos: 1, retain, properties: { willDelayInterval: 5 } },
              properties: { sessionExpiryInterval: 10, receiveMaximum: 100 },
            }),
          );
          expect(packet).toMatchObject({
            cmd: 'connect',
            protocolVersion: 5,
            clean: true,
            keepalive: 60,
            clientId,
            properties: { sessionExpiryInterval: 10, receiveMaximum: 100 },
            will: {
              topic: willTopic,
              payload: Buffer.from(payload),
              qos: 1,
              retain,
              properties: { willDelayInterval: 5 },
            },
            ...(username === undefined ? {} : { username }),
            ...(password === undefined ? {} : { password: Buffer.from(password) }),
          });
        },
      ),
      { numRuns: 50 },
    );
  });

  it('encodes and decodes PUBLISH', () => {
    fc.assert(
      fc.property(
        topic,
        binary,
        fc.constantFrom(0 as const, 1 as const),
        fc.boolean(),
        binary,
        text,
        (name, payload, qos, retain, correlationData, contentType) => {
          const fields = {
            topic: name,
            payload,
            qos,
            retain,
            duplicate: qos === 1,
            packetId: qos,
            properties: {
              contentType,
              correlationData,
              messageExpiryInterval: 0xfffffffe,
              userProperties: [
                ['a', 'é'],
                ['a', '2'],
              ] as [string, string][],
            },
          };
          const bytes = encodePublish(fields);
          const { userProperties, ...properties } = fields.properties;
          expect(parse(bytes)).toMatchObject({
            cmd: 'publish',
            topic: name,
            payload: Buffer.from(payload),
            qos,
            retain,
            dup: fields.duplicate,
            properties: {
              ...properties,
              correlationData: Buffer.from(correlationData),
              userProperties: { a: userProperties.map((pair) => pair[1]) },
            },
          });
          expect(decodeOne(bytes)).toEqual({ type: 'publish', ...fields });
        },
      ),
      { numRuns: 100 },
    );
  });

  it('encodes SUBSCRIBE and UNSUBSCRIBE', () => {
    const bytes = encodeSubscribe({
      packetId: 700,
      filter: 'a/+/#',
      qos: 1,
      noLocal: true,
      retainAsPublished: true,
      retainHandling: 2,
      identifier: 300,
    });
    expect(parse(bytes)).toMatchObject({
      cmd: 'subscribe',
      messageId: 700,
      properties: { subscriptionIdentifier: 300 },
      subscriptions: [{ topic: 'a/+/#', qos: 1, nl: true, rap: true, rh: 2 }],
    });
    expect(parse(encodeUnsubscribe(9, 'x'))).toMatchObject({
      cmd: 'unsubscribe',
      messageId: 9,
      unsubscriptions: ['x'],
    });
  });

  it('decodes what a server sends', () => {
    const connack = generate({
      cmd: 'connack',
      reasonCode: 0,
      sessionPresent: true,
      properties: { assignedClientIdentifier: 'x', serverKeepAlive: 7, maximumQoS: 1 },
    });
    expect(decodeOne(connack)).toEqual({
      type: 'connack',
      sessionPresent: true,
      reason: 0,
      properties: { assignedClientIdentifier: 'x', serverKeepAlive: 7, maximumQos: 1 },
    });
    expect(
      decodeOne(
        generate({ cmd: 'puback', messageId: 5, reasonCode: 0x10, properties: { reasonString: 'nobody' } }),
      ),
    ).toEqual({
      type: 'puback',
      packetId: 5,
      reason: 0x10,
      properties: { reasonString: 'nobody' },
    });
    expect(decodeOne(Uint8Array.of(0x40, 2, 0, 5))).toMatchObject({ type: 'puback', packetId: 5, reason: 0 });
    expect(decodeOne(generate({ cmd: 'suback', messageId: 5, granted: [1] }))).toMatchObject({
      type: 'suback',
      packetId: 5,
      reasons: Uint8Array.of(1),
    });
    expect(decodeOne(generate({ cmd: 'disconnect', reasonCode: 0x8b }))).toMatchObject({
      type: 'disconnect',
      reason: 0x8b,
    });
    expect(decodeOne(Uint8Array.of(0xd0, 0))).toEqual({ type: 'pingresp' });
  });

  it('answers any bytes with a packet or with malformed, never with an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), (body) => {
        const bytes = Uint8Array.from([body[0] as number, body.length - 1, ...body.subarray(1)]);
        expect(decodeOne(bytes).type).toBeTypeOf('string');
      }),
      { numRuns: 2000 },
    );
    for (const [what, ...bytes] of [
      ['text cut off', 0x30, 3, 0, 5, 97],
      ['wrong UTF-8', 0x30, 4, 0, 1, 0xff, 0],
      ['unknown property', 0x30, 6, 0, 1, 97, 2, 0x7f, 0],
      ['property twice', 0x30, 8, 0, 1, 97, 4, 1, 1, 1, 1],
      ['QoS 3', 0x36, 3, 0, 0, 0],
    ] as [string, ...number[]][]) {
      expect(decodeOne(Uint8Array.from(bytes)).type, what).toBe('malformed');
    }
  });
});
