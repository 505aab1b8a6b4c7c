import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodePacket, SPECIFICATION_LIMITS } from '../../../src/protocols/mqtt/codec/decode.ts';
import { encodeMessageProperties, encodePublish } from '../../../src/protocols/mqtt/codec/encode-publish.ts';
import { isViolation, PacketType, type PublishPacket } from '../../../src/protocols/mqtt/codec/packets.ts';
import { inboundFromPacket, splitProperties, toMessage } from '../../../src/protocols/mqtt/inbound.ts';
import { createManualClock } from '../../support/manual-clock.ts';

const text = fc.string({ maxLength: 20 }).filter((s) => !s.includes('\0'));
const properties = fc.record({
  payloadFormatIndicator: fc.option(fc.constantFrom(0 as const, 1 as const), { nil: undefined }),
  messageExpiryIntervalSeconds: fc.option(fc.nat(), { nil: undefined }),
  contentType: fc.option(text, { nil: undefined }),
  correlationData: fc.option(fc.uint8Array({ maxLength: 10 }), { nil: undefined }),
  topicAlias: fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined }),
  userProperties: fc.option(fc.array(fc.tuple(text, text), { maxLength: 4 }), { nil: undefined }),
});

/** The property list of an encoded PUBLISH with a one-byte topic, QoS 0. */
function propertyList(frame: Uint8Array): Uint8Array {
  let at = 1;
  while ((frame[at] ?? 0) >= 0x80) at++;
  at += 1 + 3;
  let length = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = frame[at++] ?? 0;
    length += (byte & 127) << shift;
    if (byte < 128) break;
  }
  return frame.subarray(at, at + length);
}

test('properties of one hop and the expiry are taken out, all others pass in their order', () => {
  fc.assert(
    fc.property(properties, (given) => {
      const packet: PublishPacket = {
        type: PacketType.Publish,
        dup: false,
        qos: 0,
        retain: false,
        packetId: 0,
        topic: Buffer.from('t'),
        payload: Buffer.from('p'),
        properties: given,
        messageProperties: encodeMessageProperties(given),
        payloadNotUtf8: false,
      };
      const frame = encodePublish(packet, 5);
      const split = splitProperties(propertyList(frame));
      const decoded = decodePacket(frame, 5, { ...SPECIFICATION_LIMITS, topicAliasMaximum: 65535 });
      if (isViolation(decoded) || decoded.type !== PacketType.Publish) throw new Error('not a PUBLISH');
      const whole = inboundFromPacket(decoded);
      expect(Buffer.from(split.properties)).toEqual(Buffer.from(whole.properties));
      expect(split.topicAlias).toBe(whole.topicAlias);
      expect(split.expirySeconds).toBe(whole.expirySeconds);
    }),
  );
});

test('the expiry is the lower one of what the publisher asks and the broker allows', () => {
  const clock = createManualClock(1000);
  const inbound = inboundFromPacket({
    type: PacketType.Publish,
    dup: false,
    qos: 0,
    retain: false,
    packetId: 0,
    topic: Buffer.from('t'),
    payload: Buffer.alloc(0),
    properties: { messageExpiryIntervalSeconds: 100 },
    messageProperties: Buffer.alloc(0),
    payloadNotUtf8: false,
  });
  expect(toMessage(inbound, inbound.topic, 1, clock, 0, 0).expiresAtMs).toBe(101_000);
  expect(toMessage(inbound, inbound.topic, 1, clock, 0, 10).expiresAtMs).toBe(11_000);
  // A delay takes from the time that the publisher gave it, not from what the broker allows it to wait.
  expect(toMessage(inbound, inbound.topic, 1, clock, 5000, 0).expiresAtMs).toBe(101_000);
  expect(toMessage(inbound, inbound.topic, 1, clock, 5000, 10).expiresAtMs).toBe(16_000);
  const endless = { ...inbound, expirySeconds: undefined };
  expect(toMessage(endless, inbound.topic, 1, clock, 0, 0).expiresAtMs).toBe(0);
  expect(toMessage(endless, inbound.topic, 1, clock, 0, 10).expiresAtMs).toBe(11_000);
});
