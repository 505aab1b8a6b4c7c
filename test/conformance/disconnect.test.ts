import { describe, expect, test } from 'vitest';
import { startTestBroker, unique, useBroker } from '../support/broker.ts';
import * as wire from '../support/wire.ts';
import { P } from '../support/wire.ts';
import { refuses } from './requests.ts';
import { statement } from './statement.ts';

const broker = useBroker();

describe('DISCONNECT', () => {
  statement('[MQTT-3.14.0-1] no DISCONNECT is sent before a successful CONNACK', async () => {
    const wrong = [
      wire.pingreq(),
      wire.publish({ topic: 'a' }),
      wire.connect({ clientId: unique(), flags: 3 }),
      wire.connect({ clientId: unique(), properties: [[P.authMethod, 'unknown']] }),
      wire.connect({ clientId: unique(), properties: [[P.receiveMaximum, 0]] }),
      Buffer.from([0x00, 0x00]),
      Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff]),
    ];
    for (const bytes of wrong) {
      const client = await broker.open();
      client.send(bytes);
      expect((await client.closed()).some((p) => p.type === 'disconnect')).toBe(false);
    }
  });

  statement(
    '[MQTT-3.14.1-1] [3.1.1 MQTT-3.14.1-1] reserved bits of DISCONNECT are checked',
    async ({ version }) => {
      for (const flags of [1, 2, 4, 8]) await refuses(broker, version, Buffer.from([0xe0 | flags, 0]), 0x81);
    },
  );

  statement('[MQTT-3.14.2-1] reason codes of DISCONNECT are checked', async () => {
    for (const reason of [0x01, 0x03, 0x7f, 0xff])
      await refuses(broker, 5, wire.disconnect(reason), 0x81, 0x82);
    const allowed = [0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99];
    for (const reason of allowed) {
      const client = await broker.connect();
      client.send(wire.disconnect(reason));
      expect(await client.closed()).toEqual([]);
    }
  });

  statement('[MQTT-3.14.2-2] no Session Expiry Interval comes from the server', async () => {
    const client = await broker.connect({ properties: [[P.sessionExpiry, 100]] });
    await broker.connect({ clientId: client.clientId });
    const told = await client.expect('disconnect');
    expect(told.properties.some(([id]) => id === P.sessionExpiry)).toBe(false);
  });

  statement('[MQTT-3.14.2-3] [MQTT-3.14.2-4] DISCONNECT fits the smallest Maximum Packet Size', async () => {
    const client = await broker.connect({ properties: [[P.maximumPacketSize, 20]] });
    client.send(wire.publish({ topic: 'a/#' }));
    const told = await client.expect('disconnect');
    expect(told.frame.length).toBeLessThanOrEqual(20);
  });

  statement('[MQTT-3.14.4-1] nothing follows the DISCONNECT of the server', async () => {
    const topic = unique('t');
    const client = await broker.connect();
    await client.subscribe([{ filter: topic, qos: 0 }]);
    client.send(
      wire.publish({ topic, payload: 'before' }),
      wire.publish({ topic: '#' }),
      wire.publish({ topic, payload: 'after' }),
    );
    expect((await client.expect('publish')).payload.toString()).toBe('before');
    expect((await client.expect('disconnect')).reason).toBeGreaterThanOrEqual(0x80);
    expect(await client.closed()).toEqual([]);
  });

  statement(
    '[MQTT-3.14.4-1] [3.1.1 MQTT-3.14.4-2] what a client sends after DISCONNECT is not processed',
    async ({ version }) => {
      const topic = unique('t');
      const watcher = await broker.connect({ version });
      await watcher.subscribe([topic]);
      const client = await broker.connect({ version });
      client.send(wire.disconnect(), wire.publish({ version, topic, payload: 'ghost' }), wire.pingreq());
      expect(await client.closed()).toEqual([]);
      await watcher.quiet();
    },
  );

  statement(
    '[MQTT-3.14.4-2] [3.1.1 MQTT-3.14.4-1] the connection is closed after DISCONNECT',
    async ({ version }) => {
      const client = await broker.connect({ version });
      client.send(wire.disconnect());
      expect(await client.closed()).toEqual([]);
    },
  );

  test('an MQTT 3 DISCONNECT with a body ends the connection as an error, with the will', async () => {
    const topic = unique('w');
    const watcher = await broker.connect({ version: 4 });
    await watcher.subscribe([topic]);
    const client = await broker.connect({ version: 4, will: { topic, payload: 'w' } });
    client.send(wire.disconnect(0));
    await client.closed();
    await watcher.message();
  });

  test('a Session Expiry Interval or other property is read from DISCONNECT', async () => {
    const client = await broker.connect({ properties: [[P.sessionExpiry, 10]] });
    await client.disconnect(0, [
      [P.sessionExpiry, 100],
      [P.userProperty, ['a', 'b']],
    ]);
    const again = await broker.connect({ clientId: client.clientId, clean: false });
    expect(again.connack?.sessionPresent).toBe(true);
  });

  test.skipIf(process.env.ROBUSTMQ_TEST_BROKER === 'mosquitto')(
    'a server that stops says so to MQTT 5 clients with 0x8B and closes the others',
    async () => {
      const own = await startTestBroker();
      const five = await own.connect();
      const four = await own.connect({ version: 4 });
      const ends = Promise.all([five.expectRefusal(0x8b), four.expectRefusal()]);
      const idle = await own.open();
      await own.shutDown();
      await ends;
      await idle.closed();
    },
  );
});
