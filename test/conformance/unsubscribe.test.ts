import { describe, expect, test } from 'vitest';
import { unique, useBroker } from '../support/broker.ts';
import * as wire from '../support/wire.ts';
import { P } from '../support/wire.ts';
import { deliver, pair, persistent, refuses } from './requests.ts';
import { statement } from './statement.ts';

const broker = useBroker();

describe('UNSUBSCRIBE', () => {
  statement(
    '[MQTT-3.10.1-1] [3.1.1 MQTT-3.10.1-1] wrong header flags of UNSUBSCRIBE end the connection',
    async ({ version }) => {
      for (const flags of [0, 1, 3, 15]) {
        const bytes = wire.unsubscribe(version, 1, ['a']);
        bytes.writeUInt8(0xa0 | flags, 0);
        await refuses(broker, version, bytes, 0x81);
      }
    },
  );

  statement(
    '[MQTT-3.10.3-1] [3.1.1 MQTT-3.10.3-1] a filter that is not UTF-8 ends the connection',
    async ({ version }) => {
      await refuses(broker, version, wire.unsubscribe(version, 1, [Buffer.from([0x61, 0x80])]), 0x81);
    },
  );

  statement(
    '[MQTT-3.10.3-2] [3.1.1 MQTT-3.10.3-2] UNSUBSCRIBE without a filter ends the connection',
    async ({ version }) => {
      await refuses(broker, version, wire.unsubscribe(version, 1, []), 0x81, 0x82);
    },
  );

  statement(
    '[MQTT-3.10.4-1] [3.1.1 MQTT-3.10.4-1] only the filter that is equal character by character ends',
    async ({ version }) => {
      const root = unique('t');
      const client = await broker.connect({ version });
      await client.subscribe([{ filter: `${root}/+`, qos: 0 }]);
      const publisher = await broker.connect({ version });
      const both = { publisher, subscriber: client };
      await client.unsubscribe([`${root}/a`, `${root}/#`, `${root}/+/`, root.toUpperCase()]);
      await deliver(both, { topic: `${root}/a` });
      await client.unsubscribe([`${root}/+`]);
      for (let n = 0; n < 3; n++) await publisher.publish({ topic: `${root}/a` });
      await client.quiet();
    },
  );

  statement(
    '[MQTT-3.10.4-2] [3.1.1 MQTT-3.10.4-2] no message that comes later is delivered',
    async ({ version }) => {
      const both = await pair(broker, version);
      await deliver(both, { topic: both.topic, qos: 1 });
      await both.subscriber.unsubscribe([both.topic]);
      for (const qos of [0, 1, 2]) await both.publisher.publish({ topic: both.topic, qos });
      await both.subscriber.quiet();
      await both.subscriber.subscribe([both.topic]);
      await deliver(both, { topic: both.topic, qos: 1 });
    },
  );

  statement(
    '[MQTT-3.10.4-3] [3.1.1 MQTT-3.10.4-3] deliveries already begun are completed',
    async ({ version }) => {
      const topic = unique('t');
      const subscriber = await broker.connect(persistent(version, unique()));
      await subscriber.subscribe([topic]);
      const publisher = await broker.connect({ version });
      await publisher.publish({ topic, qos: 2 });
      await publisher.publish({ topic, qos: 1 });
      const two = await subscriber.expect('publish');
      const one = await subscriber.expect('publish');
      await subscriber.unsubscribe([topic]);
      subscriber.send(wire.ack('pubrec', two.packetId));
      expect((await subscriber.expect('pubrel')).packetId).toBe(two.packetId);
      await subscriber.drop();
      const again = await broker.connect(persistent(version, subscriber.clientId));
      const rest = [await again.next(), await again.next()].map((p) => [
        p.type,
        'packetId' in p ? p.packetId : 0,
      ]);
      expect(rest.toSorted()).toEqual([
        ['publish', one.packetId],
        ['pubrel', two.packetId],
      ]);
      again.send(wire.ack('puback', one.packetId), wire.ack('pubcomp', two.packetId));
      await again.quiet();
    },
  );
});

describe('UNSUBACK', () => {
  statement(
    '[MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-2.2.1-6] [3.1.1 MQTT-3.10.4-4] [3.1.1 MQTT-3.10.4-5] [3.1.1 MQTT-2.3.1-7] UNSUBACK comes with the identifier, also when nothing was deleted',
    async ({ version }) => {
      const client = await broker.connect({ version });
      const topic = unique('t');
      await client.subscribe([topic]);
      for (const packetId of [700, 701]) {
        client.send(wire.unsubscribe(version, packetId, [topic]));
        const unsuback = await client.expect('unsuback');
        expect(unsuback.packetId).toBe(packetId);
        expect(unsuback.reasons).toEqual(version === 5 ? [packetId === 700 ? 0x00 : 0x11] : []);
      }
    },
  );

  statement(
    '[MQTT-3.10.4-6] [MQTT-3.11.3-1] [MQTT-3.11.3-2] [3.1.1 MQTT-3.10.4-6] several filters are handled in order, with one UNSUBACK (defect 15)',
    async ({ version }) => {
      const root = unique('t');
      const client = await broker.connect({ version });
      await client.subscribe([`${root}/a`, `${root}/b`, `${root}/c`]);
      const unsuback = await client.unsubscribe([`${root}/a`, `${root}/x`, `${root}/b`, `${root}/a`]);
      if (version === 5) expect(unsuback.reasons).toEqual([0, 0x11, 0, 0x11]);
      const publisher = await broker.connect({ version });
      for (const name of ['a', 'b', 'c']) await publisher.publish({ topic: `${root}/${name}`, qos: 1 });
      expect((await client.message()).topic).toBe(`${root}/c`);
      await client.quiet();
    },
  );

  statement('[MQTT-3.11.2-1] [MQTT-3.11.2-2] UNSUBACK fits the smallest Maximum Packet Size', async () => {
    const client = await broker.connect({ properties: [[P.maximumPacketSize, 20]] });
    const unsuback = await client.unsubscribe(['a', 'b', 'c']);
    expect(unsuback.frame.length).toBeLessThanOrEqual(20);
  });

  test('a shared subscription ends by its whole filter only', async () => {
    const topic = unique('t');
    const client = await broker.connect();
    await client.subscribe([`$share/g/${topic}`]);
    expect((await client.unsubscribe([topic, `$share/h/${topic}`])).reasons).toEqual([0x11, 0x11]);
    await client.publish({ topic, qos: 1 });
    await client.message();
    expect((await client.unsubscribe([`$share/g/${topic}`])).reasons).toEqual([0]);
    await client.publish({ topic, qos: 1 });
    await client.quiet();
  });
});
