import { describe, expect, test } from 'vitest';
import { startTestBroker, unique, useBroker } from '../support/broker.ts';
import { property } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { P } from '../support/wire.ts';
import { deliver, pair, payloads, persistent, publishes } from './requests.ts';
import { statement } from './statement.ts';

const broker = useBroker();

describe('Receive Maximum of the client', () => {
  statement(
    '[MQTT-3.3.4-9] [MQTT-4.9.0-1] [MQTT-4.9.0-2] no more QoS 1 and 2 messages are under way than it allows',
    async () => {
      for (const clean of [true, false]) {
        const topic = unique('t');
        const list: wire.Properties = [
          [P.receiveMaximum, 3],
          [P.sessionExpiry, clean ? 0 : 100],
        ];
        const subscriber = await broker.connect({ clean, properties: list });
        await subscriber.subscribe([topic]);
        const publisher = await broker.connect();
        for (let n = 0; n < 12; n++) await publisher.publish({ topic, payload: String(n), qos: 1 + (n % 2) });
        const got = publishes(await subscriber.barrier());
        expect(payloads(got)).toEqual(['0', '1', '2']);
        for (let n = 3; n < 12; n++) {
          const oldest = got.shift();
          if (oldest === undefined) throw new Error('nothing under way');
          if (oldest.qos === 2) {
            // PUBREC alone gives no room.
            subscriber.send(wire.ack('pubrec', oldest.packetId));
            expect((await subscriber.expect('pubrel')).packetId).toBe(oldest.packetId);
            await subscriber.quiet();
            subscriber.send(wire.ack('pubcomp', oldest.packetId));
          } else subscriber.send(wire.ack('puback', oldest.packetId));
          const next = publishes(await subscriber.barrier());
          expect(payloads(next)).toEqual([String(n)]);
          got.push(...next);
        }
      }
    },
  );

  statement('[MQTT-4.9.0-2] a PUBREC with a failure gives room', async () => {
    const topic = unique('t');
    const subscriber = await broker.connect({ properties: [[P.receiveMaximum, 1]] });
    await subscriber.subscribe([topic]);
    const publisher = await broker.connect();
    for (const payload of ['a', 'b']) await publisher.publish({ topic, payload, qos: 2 });
    const first = await subscriber.expect('publish');
    await subscriber.quiet();
    subscriber.send(wire.ack('pubrec', first.packetId, 0x80));
    expect((await subscriber.expect('publish')).payload.toString()).toBe('b');
  });

  statement('[MQTT-3.3.4-10] [MQTT-4.9.0-3] other packets are not delayed by it', async () => {
    const topic = unique('t');
    const subscriber = await broker.connect({ properties: [[P.receiveMaximum, 1]] });
    await subscriber.subscribe([{ filter: topic, qos: 2 }]);
    const publisher = await broker.connect();
    for (let n = 0; n < 4; n++) await publisher.publish({ topic, payload: `q1 ${n}`, qos: 1 });
    expect((await subscriber.expect('publish')).payload.toString()).toBe('q1 0');
    await subscriber.quiet();
    expect((await subscriber.subscribe([unique('t')])).reasons).toEqual([2]);
    await subscriber.publish({ topic: unique('t'), qos: 1 });
    await subscriber.publish({ topic: unique('t'), qos: 2 });
    await publisher.publish({ topic, payload: 'q0', qos: 0 });
    expect((await subscriber.expect('publish')).payload.toString()).toBe('q0');
    await subscriber.quiet();
  });

  test('trap 8: it holds after a session was resumed as well', async () => {
    const topic = unique('t');
    const clientId = unique();
    const first = await broker.connect(persistent(5, clientId));
    await first.subscribe([{ filter: topic, qos: 1 }]);
    const publisher = await broker.connect();
    for (let n = 0; n < 5; n++) await publisher.publish({ topic, payload: String(n), qos: 1 });
    for (let n = 0; n < 5; n++) await first.expect('publish');
    await first.drop();
    const again = await broker.connect(persistent(5, clientId, { properties: [[P.receiveMaximum, 2]] }));
    const got = publishes(await again.barrier());
    expect(payloads(got)).toEqual(['0', '1']);
    for (let n = 2; n < 5; n++) {
      again.send(wire.ack('puback', got.shift()?.packetId ?? 0));
      const next = publishes(await again.barrier());
      expect(payloads(next)).toEqual([String(n)]);
      expect(next[0]?.dup).toBe(true);
      got.push(...next);
    }
  });

  test('Receive Maximum 0 is a protocol error (item 7)', async () => {
    const client = await broker.open();
    client.send(wire.connect({ clientId: unique(), properties: [[P.receiveMaximum, 0]] }));
    await client.expectRefusal(0x82, 0x81);
  });
});

describe('Receive Maximum of the server', () => {
  statement.ours('[MQTT-3.3.4-7] [MQTT-3.3.4-8] a client above it is thrown out with 0x93', async () => {
    const own = await startTestBroker({ 'mqtt.receiveMaximum': 4 });
    try {
      const client = await own.connect();
      expect(client.connack && property(client.connack, P.receiveMaximum)).toBe(4);
      for (let id = 1; id <= 4; id++) client.send(wire.publish({ topic: 'a', qos: 2, packetId: id }));
      for (let id = 1; id <= 4; id++) await client.expect('pubrec');
      // QoS 1 is answered at once and counts no longer; QoS 0 and others never count.
      client.send(wire.publish({ topic: 'a' }), wire.pingreq());
      await client.expect('pingresp');
      client.send(wire.ack('pubrel', 1));
      await client.expect('pubcomp');
      client.send(wire.publish({ topic: 'a', qos: 2, packetId: 5 }));
      await client.expect('pubrec');
      client.send(wire.publish({ topic: 'a', qos: 2, packetId: 6 }));
      await client.expectRefusal(0x93);
    } finally {
      await own.stop();
    }
  });
});

describe('Maximum Packet Size of the client', () => {
  statement(
    '[MQTT-3.1.2-24] [MQTT-3.1.2-25] a message that is too large is dropped as if it had been delivered',
    async () => {
      for (const clean of [true, false])
        for (const qos of [0, 1, 2]) {
          const topic = unique('t');
          const list: wire.Properties = [
            [P.maximumPacketSize, 100],
            [P.sessionExpiry, clean ? 0 : 100],
            [P.receiveMaximum, 2],
          ];
          const subscriber = await broker.connect({ clean, properties: list });
          await subscriber.subscribe([{ filter: topic, qos }]);
          const publisher = await broker.connect();
          for (let n = 0; n < 5; n++) {
            await publisher.publish({ topic, payload: 'x'.repeat(100), qos });
            await publisher.publish({ topic, payload: 'small', qos });
            const got = await subscriber.message();
            expect(got.payload.toString()).toBe('small');
            expect(got.frame.length).toBeLessThanOrEqual(100);
          }
          await subscriber.quiet();
        }
    },
  );

  statement('[MQTT-3.1.2-24] the limit is exact, properties included', async () => {
    const topic = unique('t');
    const list = [[P.userProperty, ['k', 'v']]] as const;
    const frame = (length: number) => wire.publish({ topic, payload: 'x'.repeat(length), properties: list });
    const subscriber = await broker.connect({ properties: [[P.maximumPacketSize, frame(50).length]] });
    await subscriber.subscribe([topic]);
    const publisher = await broker.connect();
    for (let n = 0; n < 4; n++) {
      await publisher.publish({ topic, payload: 'x'.repeat(51), properties: list });
      await publisher.publish({ topic, payload: 'x'.repeat(50), properties: list });
      expect((await subscriber.message()).payload).toHaveLength(50);
    }
    await subscriber.quiet();
  });

  test('Maximum Packet Size 0 is a protocol error (item 7)', async () => {
    const client = await broker.open();
    client.send(wire.connect({ clientId: unique(), properties: [[P.maximumPacketSize, 0]] }));
    await client.expectRefusal(0x82, 0x81);
  });

  test('trap 9: a retained message or will that is too large does not hurt', async () => {
    const topic = unique('t');
    const publisher = await broker.connect();
    await publisher.publish({ topic, payload: 'x'.repeat(500), qos: 1, retain: true });
    const both = await pair(broker, 5, { qos: 1 }, { properties: [[P.maximumPacketSize, 200]] });
    await both.subscriber.subscribe([topic]);
    await deliver(both, { topic: both.topic, qos: 1 });
    await both.subscriber.quiet();
  });
});
