import { describe, expect, test } from 'vitest';
import { unique, useBroker } from '../support/broker.ts';
import * as wire from '../support/wire.ts';

const broker = useBroker({ 'mqtt.receiveMaximum': '3' });

describe('packets longer than the read window', () => {
  test('QoS 2 keeps its rules: one delivery however often it is sent, and no more of them than Receive Maximum', async () => {
    const topic = unique('long');
    const subscriber = await broker.connect({ version: 5 });
    await subscriber.subscribe([topic]);
    const publisher = await broker.connect({ version: 5 });
    const payload = Buffer.alloc(500_000, 'x');
    const publish = (packetId: number) =>
      publisher.send(wire.publish({ version: 5, topic, payload, qos: 2, packetId }));
    for (const packetId of [1, 1, 2, 3]) {
      publish(packetId);
      await publisher.expect('pubrec');
    }
    for (let i = 0; i < 3; i++) expect((await subscriber.message()).payload.length).toBe(payload.length);
    await subscriber.barrier();
    expect(subscriber.received.filter((packet) => packet.type === 'publish')).toHaveLength(3);
    publish(4);
    await publisher.expectRefusal(0x93);
  });
});
