import { describe, expect, test } from 'vitest';
import { unique, useBroker } from '../support/broker.ts';
import * as wire from '../support/wire.ts';
import { P } from '../support/wire.ts';
import { deliver, pair, refuses } from './requests.ts';
import { statement } from './statement.ts';

const broker = useBroker();

describe('PUBLISH header', () => {
  statement(
    '[MQTT-2.1.3-1] [3.1.1 MQTT-2.2.2-1] [3.1.1 MQTT-2.2.2-2] wrong header flags end the connection',
    async ({ version }) => {
      for (const [first, ...body] of [
        [0x41, 2, 0, 1],
        [0x5f, 2, 0, 1],
        [0x78, 2, 0, 1],
        [0xc1, 0],
        [0xe4, 0],
      ] as const)
        await refuses(broker, version, Buffer.from([first, ...body]), 0x81);
    },
  );

  statement('[MQTT-3.3.1-4] [3.1.1 MQTT-3.3.1-4] QoS 3 ends the connection', async ({ version }) => {
    await refuses(broker, version, wire.publish({ version, topic: 'a', qos: 3, packetId: 1 }), 0x81, 0x82);
  });

  statement('[MQTT-3.3.1-2] [3.1.1 MQTT-3.3.1-2] DUP with QoS 0 ends the connection', async ({ version }) => {
    await refuses(broker, version, wire.publish({ version, topic: 'a', qos: 0, dup: true }), 0x81, 0x82);
  });

  statement(
    '[MQTT-3.3.1-2] [MQTT-4.3.1-1] [3.1.1 MQTT-3.3.1-2] [3.1.1 MQTT-4.3.1-1] QoS 0 is delivered with QoS 0 and DUP 0',
    async ({ version }) => {
      for (const message of await deliver(await pair(broker, version), { topic: '', qos: 0 }, 0))
        expect(message).toBeUndefined();
      const both = await pair(broker, version);
      for (const got of await deliver(both, { topic: both.topic, payload: 'x', qos: 0 }))
        expect(got).toMatchObject({ qos: 0, dup: false, retain: false, packetId: 0 });
    },
  );

  statement(
    '[MQTT-3.3.1-3] [3.1.1 MQTT-3.3.1-3] DUP of an incoming message is not passed on',
    async ({ version }) => {
      const both = await pair(broker, version);
      for (const qos of [1, 2])
        for (const got of await deliver(both, { topic: both.topic, payload: 'x', qos, dup: true }))
          expect(got).toMatchObject({ qos, dup: false });
    },
  );

  statement(
    '[MQTT-2.2.1-2] [3.1.1 MQTT-2.3.1-5] a QoS 0 PUBLISH is read and sent without a packet identifier',
    async ({ version }) => {
      const both = await pair(broker, version);
      for (const got of await deliver(both, { topic: both.topic, payload: Buffer.from([0, 7, 9]), qos: 0 }))
        expect(got.payload).toEqual(Buffer.from([0, 7, 9]));
    },
  );

  statement(
    '[MQTT-2.2.1-3] [3.1.1 MQTT-2.3.1-1] packet identifier 0 ends the connection',
    async ({ version }) => {
      for (const bytes of [
        wire.publish({ version, topic: 'a', qos: 1, packetId: 0 }),
        wire.publish({ version, topic: 'a', qos: 2, packetId: 0 }),
        wire.subscribe(version, 0, [{ filter: 'a' }]),
        wire.unsubscribe(version, 0, ['a']),
      ])
        await refuses(broker, version, bytes, 0x81, 0x82);
    },
  );
});

describe('topic name', () => {
  statement(
    '[MQTT-3.3.2-1] [3.1.1 MQTT-3.3.2-1] a topic that is not UTF-8 or not complete ends the connection',
    async ({ version }) => {
      await refuses(broker, version, wire.publish({ version, topic: Buffer.from([0x80]) }), 0x81);
      await refuses(broker, version, Buffer.from([0x30, 0x03, 0x00, 0x05, 0x61]), 0x81);
      await refuses(broker, version, Buffer.from([0x30, 0x01, 0x00]), 0x81);
      await refuses(broker, version, Buffer.from([0x30, 0x00]), 0x81);
    },
  );

  statement(
    '[MQTT-3.3.2-2] [MQTT-4.7.0-1] [3.1.1 MQTT-3.3.2-2] [3.1.1 MQTT-4.7.1-1] a topic with a wildcard ends the connection',
    async ({ version }) => {
      for (const topic of ['#', '+', 'a/#', 'a/+/b', 'a+', '#a'])
        for (const qos of [0, 1])
          await refuses(broker, version, wire.publish({ version, topic, qos }), 0x90, 0x82, 0x81);
    },
  );

  statement(
    '[MQTT-3.3.2-3] [3.1.1 MQTT-3.3.2-3] deliveries carry the topic of the publisher, which the filter matches',
    async ({ version }) => {
      const root = unique('t');
      const subscriber = await broker.connect({ version });
      await subscriber.subscribe([`${root}/+/x/#`]);
      const publisher = await broker.connect({ version });
      for (let round = 0; round < 3; round++) {
        for (const topic of [`${root}/a/x`, `${root}/a/y`, `${root}//x/1/2`, `${root}/x`, root])
          await publisher.publish({ topic, qos: 1 });
        expect((await subscriber.message()).topic).toBe(`${root}/a/x`);
        expect((await subscriber.message()).topic).toBe(`${root}//x/1/2`);
        await subscriber.quiet();
      }
    },
  );
});

describe('answers', () => {
  statement(
    '[MQTT-3.3.4-1] [3.1.1 MQTT-3.3.4-1] QoS 0 gets no answer, QoS 1 PUBACK, QoS 2 PUBREC',
    async ({ version }) => {
      const client = await broker.connect({ version });
      const topic = unique('t');
      for (let round = 0; round < 3; round++) {
        client.send(wire.publish({ version, topic }));
        await client.quiet();
        client.send(wire.publish({ version, topic, qos: 1, packetId: 11 }));
        expect((await client.expect('puback')).packetId).toBe(11);
        client.send(wire.publish({ version, topic, qos: 2, packetId: 12 }));
        expect((await client.expect('pubrec')).packetId).toBe(12);
        client.send(wire.ack('pubrel', 12));
        expect((await client.expect('pubcomp')).packetId).toBe(12);
        await client.quiet();
      }
    },
  );

  statement(
    '[MQTT-2.2.1-5] [3.1.1 MQTT-2.3.1-6] acknowledgements repeat the packet identifier',
    async ({ version }) => {
      const client = await broker.connect({ version });
      const topic = unique('t');
      for (const packetId of [1, 255, 256, 32768, 65535]) {
        await client.publish({ topic, qos: 1, packetId });
        await client.publish({ topic, qos: 2, packetId });
      }
    },
  );

  statement(
    '[3.1.1 MQTT-4.6.0-2] [3.1.1 MQTT-4.6.0-3] [3.1.1 MQTT-4.6.0-4] acknowledgements come in the order of receipt',
    async ({ version }) => {
      const client = await broker.connect({ version });
      const topics = [unique('t'), unique('t'), unique('t')];
      for (const topic of topics) for (let n = 0; n < 3; n++) await client.publish({ topic, qos: 1 });
      const bytes: Buffer[] = [];
      for (let id = 1; id <= 60; id++)
        bytes.push(wire.publish({ version, topic: topics[id % 3] ?? '', qos: 1 + (id % 2), packetId: id }));
      client.send(...bytes);
      for (let id = 1; id <= 60; id++) {
        const answer = await client.next();
        expect(answer).toMatchObject({ type: id % 2 === 0 ? 'puback' : 'pubrec', packetId: id });
      }
      const releases = Array.from({ length: 30 }, (_, n) => 2 * n + 1);
      client.send(...releases.map((id) => wire.ack('pubrel', id)));
      for (const id of releases) expect((await client.expect('pubcomp')).packetId).toBe(id);
    },
  );

  statement('[MQTT-3.4.2-1] PUBACK tells whether anybody was there to receive', async () => {
    const publisher = await broker.connect();
    const topic = unique('t');
    for (let n = 0; n < 4; n++) expect(await publisher.publish({ topic, qos: 1 })).toBe(0x10);
    const subscriber = await broker.connect();
    await subscriber.subscribe([topic]);
    for (let n = 0; n < 4; n++) expect(await publisher.publish({ topic, qos: 1 })).toBe(0x00);
  });

  statement('[MQTT-3.5.2-1] PUBREC tells whether anybody was there to receive', async () => {
    const publisher = await broker.connect();
    const topic = unique('t');
    for (let n = 0; n < 4; n++) expect(await publisher.publish({ topic, qos: 2 })).toBe(0x10);
    const subscriber = await broker.connect();
    await subscriber.subscribe([topic]);
    for (let n = 0; n < 4; n++) expect(await publisher.publish({ topic, qos: 2 })).toBe(0x00);
  });

  statement(
    '[MQTT-3.6.2-1] [MQTT-3.7.2-1] PUBREL for an unknown identifier is answered by PUBCOMP 0x92',
    async () => {
      const client = await broker.connect();
      client.send(wire.ack('pubrel', 77));
      expect(await client.expect('pubcomp')).toMatchObject({ packetId: 77, reason: 0x92 });
      client.send(wire.ack('pubrec', 78));
      expect(await client.expect('pubrel')).toMatchObject({ packetId: 78, reason: 0x92 });
      await client.quiet();
    },
  );

  test('an MQTT 3 PUBREL for an unknown identifier is answered by PUBCOMP', async () => {
    const client = await broker.connect({ version: 4 });
    client.send(wire.ack('pubrel', 77));
    expect((await client.expect('pubcomp')).packetId).toBe(77);
  });

  statement(
    '[MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3] [MQTT-3.6.2-2] [MQTT-3.6.2-3] [MQTT-3.7.2-2] [MQTT-3.7.2-3] acknowledgements fit the smallest Maximum Packet Size',
    async () => {
      const client = await broker.connect({ properties: [[P.maximumPacketSize, 20]] });
      const topic = unique('t');
      await client.publish({ topic, qos: 1 });
      await client.publish({ topic, qos: 2 });
      client.send(wire.ack('pubrel', 900), wire.ack('pubrec', 901));
      await client.publish({ topic: '$SYS/no', qos: 1 });
      await client.publish({ topic: '$SYS/no', qos: 2 });
      await client.barrier();
      for (const packet of client.received.slice(1)) expect(packet.frame.length).toBeLessThanOrEqual(20);
    },
  );

  statement(
    '[3.1.1 MQTT-3.3.5-2] an unauthorized PUBLISH is acknowledged or ends the connection',
    async () => {
      const watcher = await broker.connect({ version: 4 });
      await watcher.subscribe(['$SYS/secret']);
      const client = await broker.connect({ version: 4 });
      client.send(wire.publish({ version: 4, topic: '$SYS/secret', qos: 1, packetId: 3 }), wire.pingreq());
      const answer = client.waitFor('puback').then((p) => expect(p.packetId).toBe(3));
      await answer.catch(() => expect(client.ended).toBe(true));
      await watcher.quiet();
    },
  );

  test('an unauthorized PUBLISH is answered 0x87 in MQTT 5, and not delivered', async () => {
    const watcher = await broker.connect();
    await watcher.subscribe(['$SYS/secret', '$unknown/x']);
    const client = await broker.connect();
    for (const topic of ['$SYS/secret', '$unknown/x'])
      for (const qos of [1, 2]) expect(await client.publish({ topic, qos })).toBe(0x87);
    client.send(wire.publish({ topic: '$SYS/secret' }));
    await client.quiet();
    await watcher.quiet();
  });
});
