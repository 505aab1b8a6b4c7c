import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodePacket, decodeServerPacket } from '../../../../src/protocols/mqtt/codec/decode.ts';
import {
  encodeForClient,
  encodeForServer,
  withoutDiagnostics,
} from '../../../../src/protocols/mqtt/codec/encode.ts';
import {
  encodePublish,
  encodePublishHead,
  type PublishHead,
  packetIdOffset,
  publishBytes,
} from '../../../../src/protocols/mqtt/codec/encode-publish.ts';
import {
  type ConnackPacket,
  PacketType,
  type PublishPacket,
  type ServerPacket,
} from '../../../../src/protocols/mqtt/codec/packets.ts';
import {
  connackReturnCode,
  ReasonCode,
  reasonName,
  subackReturnCode,
} from '../../../../src/protocols/mqtt/codec/reason-codes.ts';
import { LIMITS, publish, serverPacket, utf8 } from './arbitraries.ts';

const connack = (reasonCode: number, properties: ConnackPacket['properties'] = {}): ConnackPacket => ({
  ...{ type: PacketType.Connack, sessionPresent: false, reasonCode, properties },
});

describe('towards MQTT 3.x clients', () => {
  it.each([
    [ReasonCode.Success, 0],
    [ReasonCode.UnsupportedProtocolVersion, 1],
    [ReasonCode.ClientIdentifierNotValid, 2],
    [ReasonCode.ServerUnavailable, 3],
    [ReasonCode.ServerBusy, 3],
    [ReasonCode.BadUserNameOrPassword, 4],
    [ReasonCode.NotAuthorized, 5],
    [ReasonCode.Banned, 5],
  ])('maps CONNACK 0x%x to return code %i', (reason, code) => {
    expect(encodeForClient(connack(reason), 4)).toEqual(Uint8Array.of(0x20, 2, 0, code));
  });
  it('[3.1.1 MQTT-3.2.2-6] sends no CONNACK where no return code fits', () => {
    for (const reason of [
      ReasonCode.MalformedPacket,
      ReasonCode.PacketTooLarge,
      ReasonCode.TopicNameInvalid,
    ]) {
      expect(encodeForClient(connack(reason), 4)).toBeUndefined();
      expect(connackReturnCode(reason)).toBeUndefined();
    }
  });
  it('sends neither DISCONNECT nor AUTH', () => {
    expect(
      encodeForClient({ type: PacketType.Disconnect, reasonCode: 0x8b, properties: {} }, 4),
    ).toBeUndefined();
    expect(encodeForClient({ type: PacketType.Auth, reasonCode: 0x18, properties: {} }, 3)).toBeUndefined();
  });
  it('[3.1.1 MQTT-3.9.3-2] sends 0x80 for every refused filter', () => {
    const suback: ServerPacket = {
      type: PacketType.Suback,
      packetId: 1,
      reasonCodes: [2, 0x87, 0x8f],
      properties: {},
    };
    expect(encodeForClient(suback, 4)).toEqual(Uint8Array.of(0x90, 5, 0, 1, 2, 0x80, 0x80));
    expect(encodeForClient(suback, 5)).toEqual(Uint8Array.of(0x90, 6, 0, 1, 0, 2, 0x87, 0x8f));
    expect(subackReturnCode(5, 0x87)).toBe(0x87);
  });
  it('has no Session Present for 3.1', () => {
    const resumed = { ...connack(0), sessionPresent: true };
    expect(encodeForClient(resumed, 3)).toEqual(Uint8Array.of(0x20, 2, 0, 0));
    expect(encodeForClient(resumed, 4)).toEqual(Uint8Array.of(0x20, 2, 1, 0));
  });
});

describe('Maximum Packet Size', () => {
  const full = connack(0x87, {
    reasonString: 'because',
    userProperties: [['name', 'a longer value than the reason']],
  });
  const decoded = (bytes: Uint8Array | undefined) =>
    bytes === undefined ? undefined : decodeServerPacket(bytes, 5, LIMITS);
  const size = encodeForClient(full, 5)?.length ?? 0;

  it('[MQTT-3.2.2-20] leaves user properties out first', () => {
    expect(decoded(encodeForClient(full, 5, size))).toEqual(full);
    expect(decoded(encodeForClient(full, 5, size - 1))).toEqual(connack(0x87, { reasonString: 'because' }));
  });
  it('[MQTT-3.2.2-19] leaves the reason string out next', () => {
    expect(decoded(encodeForClient(full, 5, 14))).toEqual(connack(0x87));
    expect(encodeForClient(full, 5, 5)).toEqual(Uint8Array.of(0x20, 3, 0, 0x87, 0));
  });
  it('[MQTT-3.1.2-24] sends nothing when that is not enough', () => {
    expect(encodeForClient(full, 5, 4)).toBeUndefined();
  });
  it.each<[string, string, ServerPacket]>([
    ['MQTT-3.4.2-2', 'MQTT-3.4.2-3', { type: PacketType.Puback, packetId: 9, reasonCode: 0, properties: {} }],
    ['MQTT-3.5.2-2', 'MQTT-3.5.2-3', { type: PacketType.Pubrec, packetId: 9, reasonCode: 0, properties: {} }],
    ['MQTT-3.6.2-2', 'MQTT-3.6.2-3', { type: PacketType.Pubrel, packetId: 9, reasonCode: 0, properties: {} }],
    [
      'MQTT-3.7.2-2',
      'MQTT-3.7.2-3',
      { type: PacketType.Pubcomp, packetId: 9, reasonCode: 0, properties: {} },
    ],
    [
      'MQTT-3.9.2-1',
      'MQTT-3.9.2-2',
      { type: PacketType.Suback, packetId: 9, reasonCodes: [1], properties: {} },
    ],
    [
      'MQTT-3.11.2-1',
      'MQTT-3.11.2-2',
      { type: PacketType.Unsuback, packetId: 9, reasonCodes: [0], properties: {} },
    ],
    ['MQTT-3.14.2-3', 'MQTT-3.14.2-4', { type: PacketType.Disconnect, reasonCode: 0x8b, properties: {} }],
    [
      'MQTT-3.15.2-2',
      'MQTT-3.15.2-3',
      { type: PacketType.Auth, reasonCode: 0x18, properties: { authenticationMethod: 'm' } },
    ],
  ])(
    '[%s] [%s] leaves reason string and user properties out of the other packets',
    (_reason, _user, bare) => {
      if (!('properties' in bare)) throw new Error('no properties');
      const properties = { ...bare.properties, ...full.properties };
      const packet = { ...bare, properties } as ServerPacket;
      const smallest = encodeForClient(bare, 5)?.length ?? 0;
      const named = encodeForClient(packet, 5, smallest + 13);
      expect(decoded(named)).toMatchObject({ properties: { reasonString: 'because' } });
      expect(decoded(named)).not.toHaveProperty('properties.userProperties');
      expect(decoded(encodeForClient(packet, 5, smallest))).toEqual(bare);
      expect(encodeForClient(packet, 5, smallest - 1)).toBeUndefined();
    },
  );
  it('never exceeds the limit and never drops anything but diagnostics', () => {
    fc.assert(
      fc.property(serverPacket(5), fc.integer({ min: 2, max: 80 }), (packet, limit) => {
        const bytes = encodeForClient(packet, 5, limit);
        if (bytes === undefined) return;
        expect(bytes.length).toBeLessThanOrEqual(limit);
        const result = decodeServerPacket(bytes, 5, LIMITS);
        if (result.type === 'violation') throw new Error(result.message);
        expect(withoutDiagnostics(result)).toEqual(withoutDiagnostics(packet));
      }),
      { numRuns: 500 },
    );
  });
  it('never strips a PUBLISH', () => {
    fc.assert(
      fc.property(publish(5, 'server'), (packet) => {
        const bytes = encodePublish(packet, 5);
        expect(encodeForClient(packet, 5, bytes.length)).toEqual(bytes);
        expect(encodeForClient(packet, 5, bytes.length - 1)).toBeUndefined();
        expect(withoutDiagnostics(packet)).toBe(packet);
      }),
      { numRuns: 100 },
    );
  });
});

describe('encodePublishHead', () => {
  const head: PublishHead = {
    ...{
      version: 5,
      qos: 1,
      retain: false,
      dup: false,
      packetId: 0x1234,
      topic: utf8('a/b'),
      payloadBytes: 200,
    },
    ...{ messageProperties: new Uint8Array(), topicAlias: 0, expirySeconds: undefined },
    subscriptionIds: new Uint8Array(),
  };

  it('writes at the offset and nothing around it', () => {
    const target = new Uint8Array(64).fill(0xee);
    const length = encodePublishHead(target, 10, head);
    expect([...target.subarray(0, 10), ...target.subarray(10 + length)].every((byte) => byte === 0xee)).toBe(
      true,
    );
    expect(publishBytes(head)).toBe(length + head.payloadBytes);
  });
  it('writes nothing when there is not enough room', () => {
    const length = encodePublishHead(new Uint8Array(64), 0, head);
    const target = new Uint8Array(length + 4).fill(0xee);
    expect(encodePublishHead(target, 5, head)).toBe(0);
    expect(target.every((byte) => byte === 0xee)).toBe(true);
    expect(encodePublishHead(target, 4, head)).toBe(length);
  });
  it('says where the packet identifier is', () => {
    fc.assert(
      fc.property(
        publish(5, 'server'),
        publish(4, 'server'),
        fc.integer({ min: 1, max: 0xffff }),
        (five, four, id) => {
          for (const [packet, version] of [
            [five, 5],
            [four, 4],
          ] as const) {
            if (packet.qos === 0) continue;
            const bytes = encodePublish(packet, version);
            const at = packetIdOffset(bytes, 0);
            bytes[at] = id >> 8;
            bytes[at + 1] = id & 0xff;
            expect(decodeServerPacket(bytes, version, LIMITS)).toEqual({ ...packet, packetId: id });
          }
        },
      ),
      { numRuns: 300 },
    );
  });
  it('encodes lengths on both sides of every size of variable byte integer (item 3)', () => {
    for (const payloadBytes of [119, 120, 127, 128, 16_375, 16_383, 16_384, 2_097_143, 2_097_152]) {
      const packet: PublishPacket = {
        ...{ type: PacketType.Publish, dup: false, qos: 0, retain: true, packetId: 0, topic: utf8('topic') },
        ...{ payload: new Uint8Array(payloadBytes), properties: {}, messageProperties: new Uint8Array() },
        payloadNotUtf8: false,
      };
      const bytes = encodePublish(packet, 4);
      const result = decodePacket(bytes, 4, { ...LIMITS, maxPacketBytes: 3_000_000 });
      expect(result.type).toBe(PacketType.Publish);
      expect(bytes.length).toBe(publishBytes({ ...head, ...packet, version: 4, payloadBytes }));
    }
  });
});

it('refuses fields that MQTT cannot hold', () => {
  const packet = connack(0, { reasonString: 'x'.repeat(65_536) });
  expect(() => encodeForClient(packet, 5)).toThrow(RangeError);
});

it('has no AUTH below MQTT 5', () => {
  expect(encodeForServer({ type: PacketType.Auth, reasonCode: 0x18, properties: {} }, 4)).toBeUndefined();
});

it('names reason codes', () => {
  expect(reasonName(0x8e)).toBe('Session taken over');
  expect(reasonName(0x00)).toBe('Success');
  expect(reasonName(0x9b)).toBe('QoS not supported');
  expect(reasonName(0xfe)).toBe('Reason 0xfe');
});
