import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Message } from '../../../src/kernel/message.ts';
import { decodeServerPacket, SPECIFICATION_LIMITS } from '../../../src/protocols/mqtt/codec/decode.ts';
import { isViolation, PacketType } from '../../../src/protocols/mqtt/codec/packets.ts';
import {
  createPublishEncoder,
  type PublishEncoder,
  type PublishKind,
  remainingSeconds,
} from '../../../src/protocols/mqtt/publish-encoder.ts';
import { identifierBytes } from '../../../src/protocols/mqtt/subscription-options.ts';

const limits = { ...SPECIFICATION_LIMITS, topicAliasMaximum: 65535 };

function message(payload: Uint8Array, expiresAtMs = 0): Message {
  return {
    topic: Buffer.from('a/b'),
    payload,
    properties: Buffer.from([0x01, 1]),
    qos: 2,
    retain: true,
    expiresAtMs,
    publisher: 1,
  };
}

const kinds = fc.record({
  version5: fc.boolean(),
  topic: fc.constantFrom('a/b', 'b').map((topic) => Buffer.from(topic)),
  qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
  retain: fc.boolean(),
  dup: fc.constant(false),
  packetId: fc.integer({ min: 1, max: 65535 }),
  topicAlias: fc.constant(0),
  withTopic: fc.constant(true),
  subscriptionIds: fc.constantFrom(0, 1, 200, 70_000).map(identifierBytes),
});

const target = new Uint8Array(500_000);

function packetOf(encoder: PublishEncoder, source: Message, kind: PublishKind): Uint8Array {
  const headBytes = encoder.encodeHead(target, source, kind);
  target.set(source.payload, headBytes);
  return target.subarray(0, headBytes + source.payload.length);
}

describe('publish encoder', () => {
  test('every receiver gets its own kind, with its identifier, whatever was encoded before', () => {
    let nowMs = 0;
    const encoder = createPublishEncoder(() => nowMs);
    const messages = [0, 10, 3000, 400_000].map((size) => message(Buffer.alloc(size, 'x'), 100_000));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(3), kinds, fc.nat(50_000)), {
          maxLength: 30,
        }),
        (deliveries) => {
          for (const [which, kind, at] of deliveries) {
            nowMs = at;
            const source = messages[which] as Message;
            const bytes = packetOf(encoder, source, kind);
            const packet = decodeServerPacket(bytes, kind.version5 ? 5 : 4, limits);
            if (isViolation(packet) || packet.type !== PacketType.Publish) throw new Error('not a PUBLISH');
            expect(Buffer.from(packet.topic)).toEqual(kind.topic);
            expect(packet.qos).toBe(kind.qos);
            expect(packet.retain).toBe(kind.retain);
            expect(packet.packetId).toBe(kind.qos > 0 ? kind.packetId : 0);
            expect(packet.payload.length).toBe(source.payload.length);
            expect(bytes.length).toBe(encoder.sizeOf(source, kind));
            if (!kind.version5) continue;
            expect(packet.properties.messageExpiryIntervalSeconds).toBe(Math.ceil((100_000 - at) / 1000));
            expect(packet.properties.payloadFormatIndicator).toBe(1);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  test('an alias goes out with the topic first and alone later', () => {
    const encoder = createPublishEncoder(() => 0);
    const source = message(Buffer.from('p'));
    const kind = {
      topic: source.topic,
      version5: true,
      qos: 0 as const,
      retain: false,
      dup: false,
      packetId: 0,
      subscriptionIds: Buffer.alloc(0),
      topicAlias: 7,
    };
    const topics = [true, false].map((withTopic) => {
      const bytes = packetOf(encoder, source, { ...kind, withTopic });
      const packet = decodeServerPacket(bytes, 5, limits);
      if (isViolation(packet) || packet.type !== PacketType.Publish) throw new Error('not a PUBLISH');
      expect(packet.properties.topicAlias).toBe(7);
      return Buffer.from(packet.topic).toString();
    });
    expect(topics).toEqual(['a/b', '']);
  });

  test('a head without room is not begun', () => {
    const encoder = createPublishEncoder(() => 0);
    const source = message(Buffer.from('p'));
    const kind: PublishKind = {
      topic: source.topic,
      version5: true,
      qos: 1,
      retain: false,
      dup: false,
      packetId: 1,
      subscriptionIds: Buffer.alloc(0),
      topicAlias: 0,
      withTopic: true,
    };
    const headBytes = encoder.sizeOf(source, kind) - source.payload.length;
    expect(encoder.encodeHead(new Uint8Array(headBytes), source, kind)).toBe(headBytes);
    const small = new Uint8Array(headBytes - 1);
    expect(encoder.encodeHead(small, source, kind)).toBe(0);
    expect(small.every((byte) => byte === 0)).toBe(true);
  });

  test('the time left is rounded up and never negative', () => {
    const empty = Buffer.alloc(0);
    expect(remainingSeconds(message(empty, 0), 5)).toBeUndefined();
    expect(remainingSeconds(message(empty, 10_000), 0)).toBe(10);
    expect(remainingSeconds(message(empty, 10_000), 1)).toBe(10);
    expect(remainingSeconds(message(empty, 10_000), 1001)).toBe(9);
    expect(remainingSeconds(message(empty, 10_000), 20_000)).toBe(0);
  });
});
