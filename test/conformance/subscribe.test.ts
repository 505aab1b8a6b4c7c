import { describe, expect, test } from 'vitest';
import { onMosquitto, startTestBroker, unique, useBroker } from '../support/broker.ts';
import { property, propertyList } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { P } from '../support/wire.ts';
import { deliver, pair, payloads, publishes, refuses } from './requests.ts';
import { statement } from './statement.ts';

const broker = useBroker();

describe('SUBSCRIBE format', () => {
  statement(
    '[MQTT-3.8.1-1] [3.1.1 MQTT-3.8.1-1] wrong header flags of SUBSCRIBE end the connection',
    async ({ version }) => {
      for (const flags of [0, 1, 3, 10]) {
        const bytes = wire.subscribe(version, 1, [{ filter: 'a' }]);
        bytes.writeUInt8(0x80 | flags, 0);
        await refuses(broker, version, bytes, 0x81);
      }
    },
  );

  statement(
    '[MQTT-3.8.3-1] [3.1.1 MQTT-3.8.3-1] a filter that is not UTF-8 ends the connection',
    async ({ version }) => {
      await refuses(broker, version, wire.subscribe(version, 1, [{ filter: Buffer.from([0xff]) }]), 0x81);
    },
  );

  statement(
    '[MQTT-3.8.3-2] [3.1.1 MQTT-3.8.3-3] SUBSCRIBE without a filter ends the connection',
    async ({ version }) => {
      await refuses(broker, version, wire.subscribe(version, 1, []), 0x81, 0x82);
    },
  );

  statement(
    '[MQTT-3.8.3-5] [3.1.1 MQTT-3.8.3-4] reserved bits and wrong values in options end the connection',
    async ({ version }) => {
      const wrong = version === 5 ? [0x03, 0x40, 0x80, 0x30] : [0x03, 0x04, 0x08, 0x10, 0x40, 0x80];
      for (const options of wrong)
        await refuses(broker, version, wire.subscribe(version, 1, [{ filter: 'a', options }]), 0x81, 0x82);
    },
  );

  test('a SUBSCRIBE that is cut or too long ends the connection', async () => {
    for (const version of [4, 5] as const) {
      const list = version === 5 ? [wire.properties([])] : [];
      await refuses(broker, version, wire.packet(0x82, wire.u16(1), ...list, wire.sized('a')), 0x81);
      await refuses(
        broker,
        version,
        wire.packet(0x82, wire.u16(1), ...list, wire.sized('a'), wire.byte(0), wire.byte(0)),
        0x81,
      );
    }
  });
});

describe('SUBACK', () => {
  statement(
    '[MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-2.2.1-6] [3.1.1 MQTT-3.8.4-1] [3.1.1 MQTT-3.8.4-2] [3.1.1 MQTT-2.3.1-7] SUBSCRIBE is answered by SUBACK with its identifier',
    async ({ version }) => {
      const client = await broker.connect({ version });
      for (const packetId of [1, 513, 65535]) {
        client.send(wire.subscribe(version, packetId, [{ filter: unique('t') }]));
        expect((await client.expect('suback')).packetId).toBe(packetId);
      }
    },
  );

  statement(
    '[MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.8.4-7] [MQTT-3.9.3-1] [MQTT-3.9.3-2] [3.1.1 MQTT-3.8.4-4] [3.1.1 MQTT-3.8.4-5] [3.1.1 MQTT-3.9.3-1] [3.1.1 MQTT-3.9.3-2] one SUBACK with a code per filter, in order',
    async ({ version }) => {
      const client = await broker.connect({ version });
      const root = unique('t');
      const suback = await client.subscribe([
        { filter: `${root}/a`, qos: 2 },
        { filter: `${root}/b`, qos: 0 },
        { filter: `${root}/c`, qos: 1 },
        { filter: `${root}/a`, qos: 1 },
      ]);
      expect(suback.reasons).toEqual([2, 0, 1, 1]);
      const publisher = await broker.connect({ version });
      for (const name of ['a', 'b', 'c'])
        await publisher.publish({ topic: `${root}/${name}`, payload: name, qos: 2 });
      expect((await client.message()).qos).toBe(1);
      expect((await client.message()).qos).toBe(0);
      expect((await client.message()).qos).toBe(1);
      await client.quiet();
    },
  );

  test.skipIf(onMosquitto)('trap 24: one filter that fails does not drop the others', async () => {
    const own = await startTestBroker({ 'mqtt.wildcardSubscriptionAvailable': false });
    try {
      for (const version of [4, 5] as const) {
        const client = await own.connect({ version });
        const suback = await client.subscribe([
          { filter: 'a', qos: 1 },
          { filter: 'a/+', qos: 1 },
          { filter: 'b', qos: 2 },
        ]);
        expect(suback.reasons).toEqual([1, version === 5 ? 0xa2 : 0x80, 2]);
        await client.publish({ topic: 'b', qos: 1 });
        await client.message();
      }
    } finally {
      await own.stop();
    }
  });

  test('trap 24: SUBACK comes before the first message of the subscription', async () => {
    const topic = unique('t');
    const publisher = await broker.connect();
    await publisher.publish({ topic, payload: 'kept', retain: true, qos: 1 });
    const client = await broker.connect();
    client.send(wire.subscribe(5, 5, [{ filter: topic }]), wire.publish({ topic, payload: 'live' }));
    await client.expect('suback');
    const got = [await client.expect('publish'), await client.expect('publish')];
    expect(payloads(got).toSorted()).toEqual(['kept', 'live']);
  });

  test('many filters in one SUBSCRIBE', async () => {
    const root = unique('t');
    const client = await broker.connect();
    const suback = await client.subscribe(
      Array.from({ length: 500 }, (_, n) => ({ filter: `${root}/${n}`, qos: n % 3 })),
    );
    expect(suback.reasons).toEqual(Array.from({ length: 500 }, (_, n) => n % 3));
  });

  statement.ours(
    '[3.1.1 MQTT-3.8.3-2] where wildcards are not available filters with them are refused',
    async () => {
      const own = await startTestBroker({ 'mqtt.wildcardSubscriptionAvailable': false });
      try {
        const old = await own.connect({ version: 4 });
        expect((await old.subscribe(['a/+', '#', 'a'])).reasons).toEqual([0x80, 0x80, 2]);
        const client = await own.connect();
        expect(client.connack && property(client.connack, P.wildcardAvailable)).toBe(0);
        expect((await client.subscribe(['a/+', '#', 'a'])).reasons).toEqual([0xa2, 0xa2, 2]);
      } finally {
        await own.stop();
      }
    },
  );
});

describe('subscriptions', () => {
  statement('[MQTT-3.8.3-3] No Local keeps messages from their own client', async () => {
    const topic = unique('t');
    const client = await broker.connect();
    await client.subscribe([{ filter: topic, qos: 1, noLocal: true }]);
    const other = await broker.connect();
    await other.subscribe([{ filter: topic, qos: 1 }]);
    for (let n = 0; n < 4; n++) {
      await client.publish({ topic, qos: 1 });
      await other.message();
      await client.quiet();
      await other.publish({ topic, payload: 'theirs', qos: 1 });
      await other.message();
      expect((await client.message()).payload.toString()).toBe('theirs');
    }
  });

  statement(
    '[MQTT-3.8.4-3] [3.1.1 MQTT-3.8.4-3] the same filter replaces the subscription',
    async ({ version }) => {
      const both = await pair(broker, version, { qos: 2 });
      expect((await deliver(both, { topic: both.topic, qos: 2 }))[0]?.qos).toBe(2);
      await both.subscriber.subscribe([{ filter: both.topic, qos: 0 }]);
      for (const got of await deliver(both, { topic: both.topic, qos: 2 })) expect(got.qos).toBe(0);
      await both.subscriber.quiet();
    },
  );

  statement(
    '[MQTT-3.8.4-4] [3.1.1 MQTT-3.8.4-3] replacing sends retained messages again and loses no message',
    async ({ version }) => {
      const topic = unique('t');
      const publisher = await broker.connect({ version });
      await publisher.publish({ topic, payload: 'kept', retain: true, qos: 1 });
      const subscriber = await broker.connect({ version });
      for (let n = 0; n < 3; n++) {
        await subscriber.subscribe([{ filter: topic, qos: 1, retainHandling: 0 }]);
        expect(await subscriber.message()).toMatchObject({ retain: true });
      }
      const count = 50;
      const sending = (async () => {
        for (let n = 0; n < count; n++) await publisher.publish({ topic, payload: `live ${n}`, qos: 1 });
      })();
      for (let n = 0; n < 5; n++)
        await subscriber.subscribe([{ filter: topic, qos: 1, retainHandling: version === 5 ? 2 : 0 }]);
      await sending;
      const live: string[] = [];
      while (live.length < count) {
        const got = await subscriber.waitFor('publish');
        await subscriber.complete(got);
        if (!got.retain) live.push(got.payload.toString());
      }
      expect(live).toEqual(Array.from({ length: count }, (_, n) => `live ${n}`));
    },
  );

  statement(
    '[MQTT-3.8.4-8] [3.1.1 MQTT-3.8.4-6] messages are delivered with the lesser of published and granted QoS',
    async ({ version }) => {
      for (const granted of [0, 1, 2])
        for (const published of [0, 1, 2]) {
          const both = await pair(broker, version, { qos: granted });
          for (const got of await deliver(both, { topic: both.topic, qos: published }, 3))
            expect(got.qos).toBe(Math.min(granted, published));
        }
    },
  );
});

describe('overlapping subscriptions', () => {
  statement(
    '[MQTT-3.3.4-2] [3.1.1 MQTT-3.3.5-1] the highest matching QoS is respected',
    async ({ version }) => {
      const root = unique('t');
      const client = await broker.connect({ version });
      await client.subscribe([
        { filter: `${root}/a`, qos: 0 },
        { filter: `${root}/+`, qos: 2 },
        { filter: `${root}/#`, qos: 1 },
      ]);
      const publisher = await broker.connect({ version });
      for (let round = 0; round < 4; round++) {
        await publisher.publish({ topic: `${root}/a`, qos: 2 });
        const got = [await client.message()];
        for (const more of publishes(await client.barrier())) {
          got.push(more);
          if (more.qos === 1) client.send(wire.ack('puback', more.packetId));
          if (more.qos === 2) {
            client.send(wire.ack('pubrec', more.packetId));
            await client.waitFor('pubrel');
            client.send(wire.ack('pubcomp', more.packetId));
          }
        }
        expect(Math.max(...got.map((p) => p.qos))).toBe(2);
      }
    },
  );

  statement(
    '[MQTT-3.3.4-3] [MQTT-3.3.4-4] [MQTT-3.3.4-5] the identifiers of the matching subscriptions are sent',
    async () => {
      const root = unique('t');
      const client = await broker.connect();
      await client.subscribe([`${root}/a`], [[P.subscriptionId, 1]]);
      await client.subscribe([`${root}/+`], [[P.subscriptionId, 268_435_455]]);
      await client.subscribe([`${root}/#`]);
      const publisher = await broker.connect();
      for (let round = 0; round < 4; round++)
        for (const qos of [0, 1]) {
          await publisher.publish({ topic: `${root}/a`, qos });
          await publisher.publish({ topic: `${root}/end`, payload: 'end' });
          const ids: unknown[] = [];
          let copies = 0;
          for (;;) {
            const got = await client.message();
            if (got.payload.toString() === 'end') break;
            copies += 1;
            ids.push(...propertyList(got, P.subscriptionId));
          }
          // The marker matches two filters as well.
          await client.barrier();
          expect(ids.toSorted()).toEqual([1, 268_435_455]);
          expect([1, 3]).toContain(copies);
        }
    },
  );

  test.skipIf(process.env.ROBUSTMQ_TEST_BROKER === 'mosquitto')(
    'trap 2: by default one delivery per matching subscription, with mqtt.overlapping=merge one in all',
    async () => {
      for (const overlapping of ['separate', 'merge']) {
        const own = await startTestBroker({ 'mqtt.overlapping': overlapping });
        try {
          const root = unique('t');
          const client = await own.connect();
          await client.subscribe([{ filter: `${root}/a`, qos: 0 }], [[P.subscriptionId, 1]]);
          await client.subscribe([{ filter: `${root}/+`, qos: 2 }], [[P.subscriptionId, 2]]);
          const publisher = await own.connect();
          for (let round = 0; round < 4; round++) {
            await publisher.publish({ topic: `${root}/a`, qos: 1 });
            const got = publishes(await client.barrier());
            for (const packet of got)
              client.send(...(packet.qos === 1 ? [wire.ack('puback', packet.packetId)] : []));
            const seen = got.map((p) => [p.qos, ...propertyList(p, P.subscriptionId)].map(Number).toSorted());
            expect(seen.toSorted()).toEqual(
              overlapping === 'merge'
                ? [[1, 1, 2]]
                : [
                    [0, 1],
                    [1, 2],
                  ],
            );
          }
        } finally {
          await own.stop();
        }
      }
    },
  );

  test('one subscription identifier for several filters comes with each of them', async () => {
    const root = unique('t');
    const client = await broker.connect();
    await client.subscribe([`${root}/a`, `${root}/b`], [[P.subscriptionId, 7]]);
    const publisher = await broker.connect();
    for (let round = 0; round < 3; round++)
      for (const name of ['a', 'b']) {
        await publisher.publish({ topic: `${root}/${name}` });
        expect(propertyList(await client.message(), P.subscriptionId)).toEqual([7]);
      }
  });

  test('subscribing again replaces the subscription identifier', async () => {
    const both = await pair(broker, 5);
    await deliver(both, { topic: both.topic });
    await both.subscriber.subscribe([both.topic], [[P.subscriptionId, 9]]);
    for (const got of await deliver(both, { topic: both.topic }))
      expect(property(got, P.subscriptionId)).toBe(9);
    await both.subscriber.subscribe([both.topic]);
    for (const got of await deliver(both, { topic: both.topic }))
      expect(property(got, P.subscriptionId)).toBeUndefined();
  });

  test('subscription identifier 0 ends the connection', async () => {
    await refuses(broker, 5, wire.subscribe(5, 1, [{ filter: 'a' }], [[P.subscriptionId, 0]]), 0x82);
  });
});
