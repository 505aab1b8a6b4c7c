import { describe, expect, test } from 'vitest';
import { startTestBroker, unique, useBroker } from '../support/broker.ts';
import { property, propertyList } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { P } from '../support/wire.ts';
import { deliver, pair, refuses, refusesConnect } from './requests.ts';
import { statement } from './statement.ts';

const broker = useBroker();

describe('properties are forwarded as they came', () => {
  const forwards = async (list: wire.Properties): Promise<void> => {
    const both = await pair(broker, 5);
    for (const qos of [0, 1, 2])
      for (const got of await deliver(both, { topic: both.topic, payload: 'ü', qos, properties: list })) {
        for (const [id] of list)
          expect(propertyList(got, id)).toEqual(list.filter(([i]) => i === id).map(([, v]) => v));
        expect(got.properties).toHaveLength(list.length);
      }
  };

  statement('[MQTT-3.3.2-4] Payload Format Indicator is forwarded', async () => {
    await forwards([[P.payloadFormat, 1]]);
    await forwards([[P.payloadFormat, 0]]);
  });
  statement('[MQTT-3.3.2-15] Response Topic is forwarded', () =>
    forwards([[P.responseTopic, 'answer/to/ü']]),
  );
  statement('[MQTT-3.3.2-16] Correlation Data are forwarded', async () => {
    await forwards([[P.correlationData, Buffer.from([0, 255, 1])]]);
    await forwards([[P.correlationData, Buffer.alloc(0)]]);
  });
  statement('[MQTT-3.3.2-17] [MQTT-3.3.2-18] User Properties are forwarded in order', async () => {
    await forwards([
      [P.userProperty, ['z', '1']],
      [P.userProperty, ['a', '2']],
      [P.userProperty, ['z', '1']],
      [P.userProperty, ['', '']],
    ]);
    await forwards(Array.from({ length: 200 }, (_, n) => [P.userProperty, [`k${n % 7}`, `v${n}`]] as const));
  });
  statement('[MQTT-3.3.2-20] Content Type is forwarded', () =>
    forwards([[P.contentType, 'application/json']]),
  );

  test('all of them together, mixed with user properties', () =>
    forwards([
      [P.userProperty, ['first', '1']],
      [P.contentType, 'text/plain'],
      [P.payloadFormat, 1],
      [P.userProperty, ['second', '2']],
      [P.correlationData, Buffer.from('id')],
      [P.responseTopic, 'r'],
      [P.userProperty, ['third', '3']],
    ]));

  test('they are dropped towards MQTT 3 clients, the message is not', async () => {
    const topic = unique('t');
    const subscriber = await broker.connect({ version: 4 });
    await subscriber.subscribe([topic]);
    const publisher = await broker.connect();
    const message = {
      topic,
      payload: 'p',
      properties: [
        [P.contentType, 'x'],
        [P.userProperty, ['a', 'b']],
      ] as const,
    };
    for (const got of await deliver({ publisher, subscriber }, message))
      expect(got.payload.toString()).toBe('p');
  });
});

describe('properties that are not allowed', () => {
  statement('[MQTT-3.3.2-13] a Response Topic that is not UTF-8 ends the connection', async () => {
    await refuses(
      broker,
      5,
      wire.publish({ topic: 'a', properties: [[P.responseTopic, Buffer.from([0xff])]] }),
      0x81,
    );
  });

  statement('[MQTT-3.3.2-14] a Response Topic with a wildcard ends the connection', async () => {
    for (const value of ['a/#', '+'])
      await refuses(
        broker,
        5,
        wire.publish({ topic: 'a', properties: [[P.responseTopic, value]] }),
        0x81,
        0x82,
        0x90,
      );
  });

  statement('[MQTT-3.3.2-19] a Content Type that is not UTF-8 ends the connection', async () => {
    await refuses(
      broker,
      5,
      wire.publish({ topic: 'a', properties: [[P.contentType, Buffer.from([0xc0, 0x80])]] }),
      0x81,
    );
  });

  statement('[MQTT-3.3.4-6] a Subscription Identifier from a client ends the connection', async () => {
    await refuses(broker, 5, wire.publish({ topic: 'a', properties: [[P.subscriptionId, 1]] }), 0x82, 0x81);
  });

  test('a payload that is not UTF-8 although its indicator says so is answered 0x99', async () => {
    const both = await pair(broker, 5);
    const bad = {
      topic: both.topic,
      payload: Buffer.from([0xff]),
      properties: [[P.payloadFormat, 1]] as const,
    };
    for (const qos of [1, 2]) expect(await both.publisher.publish({ ...bad, qos })).toBe(0x99);
    await both.subscriber.quiet();
  });
});

describe('limits of the server', () => {
  statement.ours(
    '[MQTT-3.2.2-9] [MQTT-3.2.2-10] [MQTT-3.2.2-11] [MQTT-3.2.2-12] Maximum QoS is told and holds',
    async () => {
      const own = await startTestBroker({ 'mqtt.maxQos': 1 });
      try {
        const client = await own.connect();
        expect(client.connack && property(client.connack, P.maximumQos)).toBe(1);
        const suback = await client.subscribe([
          { filter: 'a', qos: 2 },
          { filter: 'b', qos: 0 },
        ]);
        expect(suback.reasons).toEqual([1, 0]);
        await client.publish({ topic: 'a', qos: 1 });
        await client.message();
        client.send(wire.publish({ topic: 'a', qos: 2, packetId: 9 }));
        await client.expectRefusal(0x9b);
        await refusesConnect(
          own,
          5,
          wire.connect({ clientId: unique(), will: { topic: 'w', qos: 2 } }),
          [0x9b],
        );
      } finally {
        await own.stop();
      }
    },
  );

  statement.ours(
    '[MQTT-3.2.2-13] [MQTT-3.2.2-14] where retained messages are not available they are refused',
    async () => {
      const own = await startTestBroker({ 'mqtt.retainAvailable': false });
      try {
        const client = await own.connect();
        expect(client.connack && property(client.connack, P.retainAvailable)).toBe(0);
        client.send(wire.publish({ topic: 'a', retain: true }));
        await client.expectRefusal(0x9a);
        const bytes = wire.connect({ clientId: unique(), will: { topic: 'w', retain: true } });
        await refusesConnect(own, 5, bytes, [0x9a]);
      } finally {
        await own.stop();
      }
    },
  );

  statement.ours(
    '[MQTT-3.2.2-15] a packet above our Maximum Packet Size ends the connection with 0x95',
    async () => {
      const own = await startTestBroker({ 'mqtt.maxPacketSize': 2048 });
      try {
        const client = await own.connect();
        expect(client.connack && property(client.connack, P.maximumPacketSize)).toBe(2048);
        await client.publish({ topic: 'a', payload: 'x'.repeat(2000), qos: 1 });
        // The header alone is enough to know.
        client.send(Buffer.concat([Buffer.from([0x30]), wire.varint(2100)]));
        await client.expectRefusal(0x95);
      } finally {
        await own.stop();
      }
    },
  );

  test('messages of every size up to the limit pass', async () => {
    const both = await pair(broker, 5);
    for (const size of [0, 1, 127, 128, 16_000, 16_384, 70_000, 300_000, 1_000_000]) {
      const payload = Buffer.alloc(size, 'abc');
      for (const got of await deliver(both, { topic: both.topic, payload, qos: 1 }, 2))
        expect(got.payload.equals(payload)).toBe(true);
    }
  });
});
