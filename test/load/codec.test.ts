import fc from 'fast-check';
import mqttPacket, { type Packet } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import {
  encodeConnect,
  encodePublishBlock,
  encodeSubscribe,
  encodeUnsubscribe,
  nextPacketId,
  type ProtocolVersion,
  patchPacketIds,
  type Qos,
} from '../../src/load/codec.ts';

function decode(bytes: Uint8Array, version: ProtocolVersion): Packet[] {
  const packets: Packet[] = [];
  const parser = mqttPacket.parser({ protocolVersion: version });
  parser.on('packet', (packet) => packets.push(packet));
  parser.on('error', (error) => {
    throw error;
  });
  parser.parse(Buffer.from(bytes));
  return packets;
}

const version = fc.constantFrom<4 | 5>(4, 5);
const qos = fc.constantFrom<Qos>(0, 1, 2);

describe('the packets of the load generator', () => {
  it('are read by another implementation as the messages that were meant', () => {
    fc.assert(
      fc.property(
        version,
        qos,
        fc.boolean(),
        fc.integer({ min: 0, max: 20_000 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 0, max: 65_535 }),
        (protocolVersion, level, retain, payloadBytes, count, packetId) => {
          const template = { topic: 'bench/x/1', version: protocolVersion, qos: level, retain, payloadBytes };
          const block = encodePublishBlock(template, count);
          const last = level > 0 ? patchPacketIds(block, count, packetId) : packetId;
          const packets = decode(block.bytes, protocolVersion);
          expect(packets).toHaveLength(count);
          let expectedId = packetId;
          for (const packet of packets) {
            expectedId = nextPacketId(expectedId);
            if (packet.cmd !== 'publish') throw new Error(packet.cmd);
            expect(packet).toMatchObject({ topic: 'bench/x/1', qos: level, retain });
            expect(packet.payload).toHaveLength(payloadBytes);
            if (level > 0) expect(packet.messageId).toBe(expectedId);
          }
          if (level > 0) expect(last).toBe(expectedId);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('carry a stamp at the payload without changing anything else', () => {
    const block = encodePublishBlock(
      { topic: 't', version: 5, qos: 1, retain: false, payloadBytes: 20, stamps: 'all' },
      2,
    );
    patchPacketIds(block, 2, 0);
    block.view.setFloat64(block.stride + block.timeOffset, 1234.5);
    const [, second] = decode(block.bytes, 5);
    if (second?.cmd !== 'publish') throw new Error('no publish');
    expect(Buffer.from(second.payload).subarray(0, 12).toString()).toBe('abcdRMQBench');
    expect(Buffer.from(second.payload).readDoubleBE(12)).toBe(1234.5);
    expect(second).toMatchObject({ topic: 't', messageId: 2 });
  });

  it('connect and subscribe as asked in both versions', () => {
    fc.assert(
      fc.property(version, qos, fc.boolean(), (protocolVersion, level, durable) => {
        const bytes = Buffer.concat([
          encodeConnect(protocolVersion, 'client-1', 300, durable),
          encodeSubscribe(protocolVersion, 7, 'a/+/#', level),
          encodeUnsubscribe(protocolVersion, 8, 'a/+/#'),
        ]);
        const [connect, subscribe, unsubscribe] = decode(bytes, protocolVersion);
        expect(connect).toMatchObject({
          cmd: 'connect',
          protocolVersion,
          clientId: 'client-1',
          keepalive: 300,
          clean: !durable,
        });
        if (protocolVersion === 5 && durable)
          expect(connect).toMatchObject({ properties: { sessionExpiryInterval: 0xffffffff } });
        expect(subscribe).toMatchObject({ messageId: 7, subscriptions: [{ topic: 'a/+/#', qos: level }] });
        expect(unsubscribe).toMatchObject({ messageId: 8, unsubscriptions: ['a/+/#'] });
      }),
    );
  });
});
