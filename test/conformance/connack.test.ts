import { describe, expect, test } from 'vitest';
import { unique, useBroker } from '../support/broker.ts';
import { property } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { P } from '../support/wire.ts';
import { persistent, refusesConnect } from './requests.ts';
import { statement } from './statement.ts';

const broker = useBroker();

describe('CONNACK', () => {
  statement(
    '[MQTT-3.2.0-1] [3.1.1 MQTT-3.2.0-1] CONNACK comes before anything else, also with messages waiting',
    async ({ version }) => {
      const clientId = unique('c');
      const topic = unique('first');
      const client = await broker.connect(persistent(version, clientId));
      await client.subscribe([topic]);
      await client.disconnect();
      const publisher = await broker.connect({ version });
      await publisher.publish({ topic, payload: 'waiting', qos: 1 });
      const again = await broker.open(version, clientId);
      again.send(wire.connect(persistent(version, clientId)));
      await again.expect('connack');
      expect((await again.message()).payload.toString()).toBe('waiting');
    },
  );

  test('a client whose Maximum Packet Size is smaller than CONNACK is not left waiting', async () => {
    const client = await broker.open(5, '');
    client.send(wire.connect({ version: 5, clientId: '', properties: [[P.maximumPacketSize, 20]] }));
    await client.closed();
    expect(client.received).toHaveLength(0);
  });

  statement('[MQTT-3.2.0-2] a connection sees one CONNACK only', async ({ version }) => {
    const client = await broker.connect({ version });
    await client.barrier();
    client.send(wire.connect({ version, clientId: client.clientId }));
    await client.closed();
    expect(client.received.filter((p) => p.type === 'connack')).toHaveLength(1);
  });

  statement('[MQTT-3.2.2-1] the reserved bits of the connect acknowledge flags are 0', async () => {
    const clientId = unique();
    await (await broker.connect(persistent(5, clientId))).disconnect();
    const resumed = await broker.connect(persistent(5, clientId));
    expect(resumed.connack?.frame.readUInt8(2)).toBe(1);
    const fresh = await broker.connect();
    expect(fresh.connack?.frame.readUInt8(2)).toBe(0);
  });

  statement(
    '[MQTT-3.2.2-2] [3.1.1 MQTT-3.2.2-1] a clean start is accepted with Session Present 0',
    async ({ version }) => {
      const clientId = unique();
      await (await broker.connect(persistent(version, clientId))).disconnect();
      const client = await broker.connect({ version, clientId, clean: true });
      expect(client.connack).toMatchObject({ sessionPresent: false, reason: 0 });
    },
  );

  statement(
    '[MQTT-3.2.2-3] [3.1.1 MQTT-3.2.2-2] [3.1.1 MQTT-3.2.2-3] Session Present tells whether there is a session',
    async ({ version }) => {
      const clientId = unique();
      const first = await broker.connect(persistent(version, clientId));
      expect(first.connack).toMatchObject({ sessionPresent: false, reason: 0 });
      await first.disconnect();
      const second = await broker.connect(persistent(version, clientId));
      expect(second.connack).toMatchObject({ sessionPresent: true, reason: 0 });
    },
  );

  statement(
    '[MQTT-3.2.2-6] [MQTT-3.2.2-7] a refusal has Session Present 0 and ends the connection',
    async () => {
      const clientId = unique();
      await (await broker.connect(persistent(5, clientId))).disconnect();
      const client = await broker.open(5, clientId);
      client.send(wire.connect({ clientId, clean: false, properties: [[P.authMethod, 'no such method']] }));
      const connack = await client.expect('connack');
      expect(connack.sessionPresent).toBe(false);
      expect(connack.reason).toBeGreaterThanOrEqual(0x80);
      await client.closed();
    },
  );

  statement(
    '[3.1.1 MQTT-3.2.2-4] [3.1.1 MQTT-3.2.2-5] a refusal has Session Present 0 and ends the connection',
    async () => {
      const client = await broker.open(4);
      client.send(wire.connect({ version: 4, clientId: '', clean: false }));
      const connack = await client.expect('connack');
      expect(connack).toMatchObject({ sessionPresent: false, reason: 2 });
      expect(await client.closed()).toEqual([]);
    },
  );

  statement(
    '[3.1.1 MQTT-3.2.2-6] where no return code fits the connection ends without CONNACK',
    async () => {
      await refusesConnect(broker, 4, wire.connect({ version: 4, clientId: unique(), flags: 0x1a }), []);
    },
  );

  statement('[MQTT-3.2.2-8] CONNACK reasons are those of the specification', async () => {
    const cases: readonly (readonly [Uint8Array, number])[] = [
      [wire.connect({ clientId: unique() }), 0],
      [wire.connect({ clientId: unique(), flags: 3 }), 0x81],
      [wire.connect({ clientId: unique(), properties: [[P.authMethod, 'nobody knows']] }), 0x8c],
      [wire.connect({ clientId: unique(), properties: [[P.receiveMaximum, 0]] }), 0x82],
    ];
    for (const [bytes, reason] of cases) {
      const client = await broker.open(5);
      client.send(bytes);
      expect((await client.expect('connack')).reason).toBe(reason);
    }
  });

  statement(
    '[MQTT-3.2.2-19] [MQTT-3.2.2-20] CONNACK stays within the Maximum Packet Size of the client',
    async () => {
      const client = await broker.open(5);
      const list: wire.Properties = [
        [P.maximumPacketSize, 20],
        [P.authMethod, 'no such method'],
      ];
      client.send(wire.connect({ clientId: unique(), properties: list }));
      for (const packet of await client.closed()) expect(packet.frame.length).toBeLessThanOrEqual(20);
    },
  );

  test('CONNACK limits that differ from the defaults of the protocol are told', async () => {
    const client = await broker.connect();
    const connack = client.connack;
    if (connack === undefined) throw new Error('no CONNACK');
    expect(property(connack, P.topicAliasMaximum)).toBeGreaterThan(0);
  });
});
