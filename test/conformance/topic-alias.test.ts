import { describe, expect, test } from 'vitest';
import { startTestBroker, unique, useBroker } from '../support/broker.ts';
import { property } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { P } from '../support/wire.ts';
import { deliver, pair, refuses } from './requests.ts';
import { statement } from './statement.ts';

const broker = useBroker();

describe('topic alias', () => {
  statement('[MQTT-3.3.2-7] an alias does not outlive its connection', async () => {
    const topic = unique('t');
    const first = await broker.connect({
      clientId: unique(),
      clean: false,
      properties: [[P.sessionExpiry, 100]],
    });
    await first.publish({ topic, qos: 1, properties: [[P.topicAlias, 1]] });
    await first.publish({ topic: '', qos: 1, properties: [[P.topicAlias, 1]] });
    await first.drop();
    const second = await broker.connect({ clientId: first.clientId, clean: false });
    second.send(wire.publish({ topic: '', qos: 1, properties: [[P.topicAlias, 1]] }));
    await second.expectRefusal(0x82, 0x94);
  });

  statement('[MQTT-3.3.2-8] alias 0 ends the connection', async () => {
    await refuses(broker, 5, wire.publish({ topic: 'a', properties: [[P.topicAlias, 0]] }), 0x94);
  });

  statement('[MQTT-3.3.2-9] [MQTT-3.2.2-17] an alias above the maximum ends the connection', async () => {
    const own = await startTestBroker({ 'mqtt.topicAliasMaximum': 5 });
    try {
      const client = await own.connect();
      const maximum = Number(client.connack && property(client.connack, P.topicAliasMaximum));
      client.send(wire.publish({ topic: 'a', properties: [[P.topicAlias, maximum + 1]] }));
      await client.expectRefusal(0x94);
    } finally {
      await own.stop();
    }
  });

  statement.ours('[MQTT-3.2.2-18] without a maximum any alias ends the connection', async () => {
    const own = await startTestBroker({ 'mqtt.topicAliasMaximum': 0 });
    try {
      const client = await own.connect();
      expect(client.connack && property(client.connack, P.topicAliasMaximum)).toBeUndefined();
      client.send(wire.publish({ topic: 'a', properties: [[P.topicAlias, 1]] }));
      await client.expectRefusal(0x94);
    } finally {
      await own.stop();
    }
  });

  statement(
    '[MQTT-3.3.2-12] every alias up to the maximum is accepted, and may change its topic',
    async () => {
      const root = unique('t');
      const subscriber = await broker.connect();
      await subscriber.subscribe([`${root}/#`]);
      const publisher = await broker.connect();
      const maximum = Number(publisher.connack && property(publisher.connack, P.topicAliasMaximum));
      for (const alias of [1, maximum, 1]) {
        const topic = `${root}/${unique()}`;
        await publisher.publish({ topic, properties: [[P.topicAlias, alias]] });
        for (let n = 0; n < 3; n++)
          await publisher.publish({ topic: '', qos: n, properties: [[P.topicAlias, alias]] });
        for (let n = 0; n < 4; n++) {
          const got = await subscriber.message();
          expect(got.topic).toBe(topic);
          expect(property(got, P.topicAlias)).toBeUndefined();
        }
      }
    },
  );

  test('trap 10: an empty topic without a known alias ends the connection with 0x82', async () => {
    await refuses(broker, 5, wire.publish({ topic: '' }), 0x82, 0x90);
    await refuses(broker, 5, wire.publish({ topic: '', properties: [[P.topicAlias, 3]] }), 0x82);
    await refuses(broker, 4, wire.publish({ version: 4, topic: '' }));
  });

  test('trap 10: a message published by alias is retained and queued under its topic', async () => {
    const topic = unique('t');
    const publisher = await broker.connect();
    await publisher.publish({ topic, payload: 'a', qos: 1, properties: [[P.topicAlias, 1]] });
    await publisher.publish({
      topic: '',
      payload: 'b',
      qos: 1,
      retain: true,
      properties: [[P.topicAlias, 1]],
    });
    const late = await broker.connect();
    await late.subscribe([topic]);
    expect(await late.message()).toMatchObject({ topic, retain: true });
  });

  statement(
    '[MQTT-3.1.2-26] [MQTT-3.3.2-11] aliases sent stay within the maximum of the client',
    async () => {
      const root = unique('t');
      const subscriber = await broker.connect({ properties: [[P.topicAliasMaximum, 3]] });
      await subscriber.subscribe([{ filter: `${root}/#`, qos: 1 }]);
      const publisher = await broker.connect();
      const known = new Map<number, string>();
      for (let round = 0; round < 4; round++)
        for (let n = 0; n < 8; n++) {
          await publisher.publish({ topic: `${root}/${n}`, qos: n % 2 });
          const got = await subscriber.message();
          const alias = property(got, P.topicAlias);
          if (typeof alias === 'number') {
            expect(alias).toBeLessThanOrEqual(3);
            if (got.topic !== '') known.set(alias, got.topic);
            expect(known.get(alias)).toBe(`${root}/${n}`);
          } else expect(got.topic).toBe(`${root}/${n}`);
        }
    },
  );

  test.skipIf(process.env.ROBUSTMQ_TEST_BROKER === 'mosquitto')(
    'a client that allows aliases gets them for topics that repeat, afresh on each connection',
    async () => {
      const topic = unique('long/topic/name');
      const publisher = await broker.connect();
      const clientId = unique();
      for (let connection = 0; connection < 2; connection++) {
        const subscriber = await broker.connect({
          clientId,
          clean: false,
          properties: [
            [P.topicAliasMaximum, 3],
            [P.sessionExpiry, 100],
          ],
        });
        await subscriber.subscribe([{ filter: topic, qos: 0 }]);
        const got = [];
        for (let n = 0; n < 5; n++) {
          await publisher.publish({ topic });
          got.push(await subscriber.message());
        }
        expect(got[0]?.topic).toBe(topic);
        expect(got.at(-1)?.topic).toBe('');
        await subscriber.drop();
      }
    },
  );

  statement('[MQTT-3.1.2-27] a client that allows no aliases gets none', async () => {
    for (const list of [[], [[P.topicAliasMaximum, 0]]] as const) {
      const both = await pair(broker, 5, { qos: 1 }, { properties: list });
      for (const got of await deliver(both, { topic: both.topic, qos: 1 }, 6)) {
        expect(got.topic).toBe(both.topic);
        expect(property(got, P.topicAlias)).toBeUndefined();
      }
    }
  });
});
