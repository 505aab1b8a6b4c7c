import { describe, expect, test } from 'vitest';
import { unique, useBroker } from '../support/broker.ts';
import { property, propertyList, type RawClient } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { P, type Version } from '../support/wire.ts';
import { persistent, refusesConnect } from './requests.ts';
import { statement } from './statement.ts';

const broker = useBroker();

async function watch(version: Version, topic: string, more: Partial<wire.Filter> = {}): Promise<RawClient> {
  const watcher = await broker.connect({ version });
  await watcher.subscribe([{ filter: topic, qos: 2, ...more }]);
  return watcher;
}

describe('Will flags', () => {
  statement(
    '[MQTT-3.1.2-9] [3.1.1 MQTT-3.1.2-9] a Will Flag without will fields is refused',
    async ({ version }) => {
      await refusesConnect(
        broker,
        version,
        wire.connect({ version, clientId: unique(), flags: 0x06 }),
        [0x81],
      );
    },
  );

  statement(
    '[MQTT-3.1.2-11] [3.1.1 MQTT-3.1.2-11] [3.1.1 MQTT-3.1.2-13] Will QoS without Will Flag is refused',
    async ({ version }) => {
      for (const flags of [0x0a, 0x12, 0x1a])
        await refusesConnect(broker, version, wire.connect({ version, clientId: unique(), flags }), [0x81]);
    },
  );

  statement('[MQTT-3.1.2-12] [3.1.1 MQTT-3.1.2-14] Will QoS 3 is refused', async ({ version }) => {
    const bytes = wire.connect({ version, clientId: unique(), will: { topic: 'w', qos: 3 } });
    await refusesConnect(broker, version, bytes, [0x81]);
  });

  statement(
    '[MQTT-3.1.2-13] [3.1.1 MQTT-3.1.2-15] Will Retain without Will Flag is refused',
    async ({ version }) => {
      await refusesConnect(
        broker,
        version,
        wire.connect({ version, clientId: unique(), flags: 0x22 }),
        [0x81],
      );
    },
  );

  statement(
    '[MQTT-3.1.3-11] [3.1.1 MQTT-3.1.3-10] a will topic that is not UTF-8 is refused',
    async ({ version }) => {
      const will = { topic: Buffer.from([0xed, 0xa0, 0x80]) };
      await refusesConnect(
        broker,
        version,
        wire.connect({ version, clientId: unique(), will }),
        [0x81, 0x90],
      );
    },
  );

  test('a will topic with a wildcard or without a character is refused', async () => {
    for (const topic of ['a/#', '+', ''])
      for (const version of [4, 5] as const) {
        const client = await broker.open(version);
        client.send(wire.connect({ version, clientId: unique(), will: { topic } }));
        expect((await client.closed()).every((p) => p.type === 'connack' && p.reason !== 0)).toBe(true);
      }
  });
});

describe('Will Message', () => {
  statement(
    '[MQTT-3.1.2-7] [MQTT-3.1.2-8] [3.1.1 MQTT-3.1.2-8] the will is published when the connection is lost',
    async ({ version }) => {
      const topic = unique('will');
      const watcher = await watch(version, topic);
      for (const qos of [0, 1, 2]) {
        const client = await broker.connect({ version, will: { topic, payload: `gone ${qos}`, qos } });
        await watcher.quiet();
        await client.drop();
        const will = await watcher.message();
        expect(will).toMatchObject({ topic, qos, retain: false });
        expect(will.payload.toString()).toBe(`gone ${qos}`);
      }
    },
  );

  statement(
    '[MQTT-3.1.2-8] the will is published when the connection ends by a protocol error',
    async ({ version }) => {
      const topic = unique('will');
      const watcher = await watch(version, topic);
      const client = await broker.connect({ version, will: { topic, payload: 'wrong' } });
      client.send(Buffer.from([0x00, 0x00]));
      await client.closed();
      expect((await watcher.message()).payload.toString()).toBe('wrong');
    },
  );

  test('defect 9: a will without payload is published', async () => {
    const topic = unique('will');
    const watcher = await watch(5, topic);
    const client = await broker.connect({ will: { topic } });
    await client.drop();
    expect((await watcher.message()).payload).toHaveLength(0);
  });

  statement(
    '[MQTT-3.1.2-10] [3.1.1 MQTT-3.1.2-10] the will is gone after it was published or after DISCONNECT',
    async ({ version }) => {
      const topic = unique('will');
      const watcher = await watch(version, topic);
      const clientId = unique();
      const with_ = await broker.connect(persistent(version, clientId, { will: { topic, payload: 'once' } }));
      await with_.drop();
      expect((await watcher.message()).payload.toString()).toBe('once');
      const without = await broker.connect(persistent(version, clientId));
      await without.drop();
      const again = await broker.connect(
        persistent(version, clientId, { will: { topic, payload: 'never' } }),
      );
      await again.disconnect();
      const last = await broker.connect(persistent(version, clientId));
      await last.drop();
      await watcher.quiet();
    },
  );

  statement('[3.1.1 MQTT-3.1.2-12] without a Will Flag nothing is published', async () => {
    const watcher = await watch(4, '#');
    const client = await broker.connect({ version: 4 });
    await client.drop();
    await watcher.quiet();
  });

  statement(
    '[MQTT-3.1.2-14] [3.1.1 MQTT-3.1.2-16] a will with Will Retain 0 is not retained',
    async ({ version }) => {
      const topic = unique('will');
      const watcher = await watch(version, topic);
      const client = await broker.connect({ version, will: { topic, payload: 'w', retain: false } });
      await client.drop();
      expect((await watcher.message()).retain).toBe(false);
      const late = await watch(version, topic);
      await late.quiet();
    },
  );

  statement(
    '[MQTT-3.1.2-15] [3.1.1 MQTT-3.1.2-17] a will with Will Retain 1 is retained',
    async ({ version }) => {
      const topic = unique('will');
      const watcher = await watch(version, topic);
      const client = await broker.connect({ version, will: { topic, payload: 'w', qos: 1, retain: true } });
      await client.drop();
      expect((await watcher.message()).retain).toBe(false);
      const late = await watch(version, topic);
      expect(await late.message()).toMatchObject({ retain: true, qos: 1 });
    },
  );

  statement(
    '[MQTT-3.14.4-3] [3.1.1 MQTT-3.14.4-3] DISCONNECT discards the will (defect 9)',
    async ({ version }) => {
      const topic = unique('will');
      const watcher = await watch(version, topic);
      const client = await broker.connect({ version, will: { topic, payload: 'no' } });
      await client.disconnect();
      if (version === 5) {
        const explicit = await broker.connect({ version, will: { topic, payload: 'no' } });
        await explicit.disconnect(0x00);
      }
      await watcher.quiet();
    },
  );

  test('DISCONNECT with reason 0x04 publishes the will', async () => {
    const topic = unique('will');
    const watcher = await watch(5, topic);
    const client = await broker.connect({ will: { topic, payload: 'yes' } });
    await client.disconnect(0x04);
    expect((await watcher.message()).payload.toString()).toBe('yes');
  });

  statement('[MQTT-3.1.3-10] user properties of the will keep their order and values', async () => {
    const topic = unique('will');
    const watcher = await watch(5, topic);
    const pairs = [
      ['b', '1'],
      ['a', '2'],
      ['b', '1'],
      ['', ''],
    ] as const;
    const will = { topic, properties: pairs.map((p) => [P.userProperty, p] as const) };
    const client = await broker.connect({ will });
    await client.drop();
    expect(propertyList(await watcher.message(), P.userProperty)).toEqual(pairs);
  });

  test('the will carries its properties, but not its delay', async () => {
    const topic = unique('will');
    const watcher = await watch(5, topic);
    const list: wire.Properties = [
      [P.payloadFormat, 1],
      [P.messageExpiry, 60],
      [P.contentType, 'text/plain'],
      [P.responseTopic, 'answer'],
      [P.correlationData, Buffer.from([1, 2])],
    ];
    const client = await broker.connect({ will: { topic, properties: [[P.willDelay, 0], ...list] } });
    await client.drop();
    const will = await watcher.message();
    for (const [id, value] of list) expect(property(will, id)).toEqual(value);
    expect(property(will, P.willDelay)).toBeUndefined();
  });
});

describe('Will Delay Interval', () => {
  const delayed = (topic: string, delaySeconds: number) => ({
    topic,
    payload: 'late',
    properties: [[P.willDelay, delaySeconds]] as const,
  });

  statement('[MQTT-3.1.2-8] the will waits for its delay, and not longer', async () => {
    const topic = unique('will');
    const watcher = await watch(5, topic);
    const client = await broker.connect({ will: delayed(topic, 3), properties: [[P.sessionExpiry, 100]] });
    await client.drop();
    await broker.advance(2500);
    await watcher.quiet();
    await broker.advance(1500);
    expect((await watcher.message()).payload.toString()).toBe('late');
  });

  statement('[MQTT-3.1.2-8] the will does not wait longer than the session lasts', async () => {
    const topic = unique('will');
    const watcher = await watch(5, topic);
    const atOnce = await broker.connect({ will: delayed(topic, 100), properties: [[P.sessionExpiry, 0]] });
    await atOnce.drop();
    await watcher.message();
    const soon = await broker.connect({ will: delayed(topic, 100), properties: [[P.sessionExpiry, 1]] });
    await soon.drop();
    await broker.advance(2500);
    await watcher.message();
  });

  statement('[MQTT-3.1.3-9] a reconnect to the session within the delay cancels the will', async () => {
    const topic = unique('will');
    const watcher = await watch(5, topic);
    const clientId = unique();
    const client = await broker.connect(persistent(5, clientId, { will: delayed(topic, 2) }));
    await client.drop();
    await broker.advance(500);
    const again = await broker.connect(persistent(5, clientId));
    expect(again.connack?.sessionPresent).toBe(true);
    await broker.advance(3000);
    await watcher.quiet();
  });

  test('a clean start within the delay ends the session and publishes the will at once', async () => {
    const topic = unique('will');
    const watcher = await watch(5, topic);
    const clientId = unique();
    const client = await broker.connect(persistent(5, clientId, { will: delayed(topic, 100) }));
    await client.drop();
    await watcher.quiet();
    await broker.connect({ clientId, clean: true });
    expect((await watcher.message()).payload.toString()).toBe('late');
  });
});
