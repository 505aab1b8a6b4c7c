import { describe, expect, test } from 'vitest';
import { unique, useBroker } from '../support/broker.ts';
import { property } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { P } from '../support/wire.ts';
import { expectConnectRefused, persistent, refuses, refusesConnect } from './requests.ts';
import { statement } from './statement.ts';

const broker = useBroker();

describe('CONNECT', () => {
  statement(
    '[MQTT-3.1.0-1] [3.1.1 MQTT-3.1.0-1] a first packet other than CONNECT ends the connection',
    async ({ version }) => {
      for (const bytes of [
        wire.pingreq(),
        wire.publish({ version, topic: 'a' }),
        wire.subscribe(version, 1, [{ filter: 'a' }]),
        wire.disconnect(),
      ]) {
        const client = await broker.open(version);
        client.send(bytes);
        expect(await client.closed()).toEqual([]);
      }
    },
  );

  statement(
    '[MQTT-3.1.0-2] [3.1.1 MQTT-3.1.0-2] a second CONNECT ends the connection',
    async ({ version }) => {
      const client = await broker.connect({ version });
      client.send(wire.connect({ version, clientId: client.clientId }));
      await client.expectRefusal(0x82);
    },
  );

  statement(
    '[MQTT-3.1.2-1] [3.1.1 MQTT-3.1.2-1] an unknown protocol name is not accepted',
    async ({ version }) => {
      for (const protocolName of ['mqtt', 'MQTT5', 'HTTP', '']) {
        const client = await broker.open(version);
        client.send(wire.connect({ version, clientId: unique(), protocolName }));
        const unread = await client.closed();
        expect(unread.every((p) => p.type === 'connack' && p.reason !== 0)).toBe(true);
      }
    },
  );

  statement('[MQTT-3.1.2-2] a protocol version above 5 is refused as unsupported', async () => {
    const client = await broker.open(5);
    client.send(wire.connect({ version: 5, clientId: unique(), protocolLevel: 6 }));
    const connack = await client.expect('connack');
    expect([0x84, 0x01]).toContain(connack.reason);
    await client.closed();
  });

  statement('[3.1.1 MQTT-3.1.2-2] an unsupported protocol level is answered with return code 1', async () => {
    for (const protocolLevel of [0, 2]) {
      const client = await broker.open(4);
      client.send(wire.connect({ version: 4, clientId: unique(), protocolLevel }));
      expect((await client.expect('connack')).reason).toBe(1);
      await client.closed();
    }
  });

  statement(
    '[MQTT-3.1.2-3] [3.1.1 MQTT-3.1.2-3] the reserved connect flag must be 0',
    async ({ version }) => {
      await refusesConnect(broker, version, wire.connect({ version, clientId: unique(), flags: 3 }), [0x81]);
    },
  );

  statement(
    '[MQTT-3.1.2-16] [3.1.1 MQTT-3.1.2-18] a user name without its flag is refused',
    async ({ version }) => {
      const bytes = wire.connect({ version, clientId: unique(), username: 'u', flags: 0x02 });
      await refusesConnect(broker, version, bytes, [0x81, 0x82]);
    },
  );

  statement(
    '[MQTT-3.1.2-17] [3.1.1 MQTT-3.1.2-19] a user name flag without a user name is refused',
    async ({ version }) => {
      await refusesConnect(
        broker,
        version,
        wire.connect({ version, clientId: unique(), flags: 0x82 }),
        [0x81, 0x82],
      );
    },
  );

  statement(
    '[MQTT-3.1.2-18] [3.1.1 MQTT-3.1.2-20] a password without its flag is refused',
    async ({ version }) => {
      const bytes = wire.connect({ version, clientId: unique(), username: 'u', password: 'p', flags: 0x82 });
      await refusesConnect(broker, version, bytes, [0x81, 0x82]);
    },
  );

  statement(
    '[MQTT-3.1.2-19] [3.1.1 MQTT-3.1.2-21] a password flag without a password is refused',
    async ({ version }) => {
      const bytes = wire.connect({ version, clientId: unique(), username: 'u', flags: 0xc2 });
      await refusesConnect(broker, version, bytes, [0x81, 0x82]);
    },
  );

  statement('[3.1.1 MQTT-3.1.2-22] a password without a user name is refused', async () => {
    const bytes = wire.connect({ version: 4, clientId: unique(), password: 'p', flags: 0x42 });
    await refusesConnect(broker, 4, bytes, []);
  });

  test('MQTT 5 accepts a password without a user name', async () => {
    const client = await broker.connect({ password: 'p', clean: true });
    await client.disconnect();
  });

  statement(
    '[MQTT-3.1.3-1] [3.1.1 MQTT-3.1.3-1] the payload is read in the order identifier, will, user name, password',
    async ({ version }) => {
      const topic = unique('order');
      const watcher = await broker.connect({ version });
      await watcher.subscribe([topic]);
      const client = await broker.connect({
        version,
        will: { topic, payload: 'w', properties: [[P.contentType, 'x']] },
        username: 'name',
        password: 'secret',
      });
      await client.drop();
      expect((await watcher.message()).payload.toString()).toBe('w');
    },
  );

  statement(
    '[MQTT-3.1.3-2] [3.1.1 MQTT-3.1.3-2] sessions are kept apart by client identifier',
    async ({ version }) => {
      const [one, two] = [unique('one'), unique('two')];
      await (await broker.connect(persistent(version, one))).disconnect();
      expect((await broker.connect(persistent(version, two))).connack?.sessionPresent).toBe(false);
      expect((await broker.connect(persistent(version, one))).connack?.sessionPresent).toBe(true);
    },
  );

  statement(
    '[MQTT-3.1.3-3] [3.1.1 MQTT-3.1.3-3] a CONNECT without a client identifier field is refused',
    async ({ version }) => {
      const head = [wire.sized('MQTT'), wire.byte(version), wire.byte(2), wire.u16(0)];
      const list = version === 5 ? [wire.properties([])] : [];
      await refusesConnect(broker, version, wire.packet(0x10, ...head, ...list), [0x81]);
    },
  );

  statement(
    '[MQTT-3.1.3-4] [3.1.1 MQTT-3.1.3-4] a client identifier that is not UTF-8 is refused',
    async ({ version }) => {
      const bytes = wire.connect({ version, clientId: Buffer.from([0x61, 0xff]) });
      await refusesConnect(broker, version, bytes, [0x81, 0x85]);
    },
  );

  statement(
    '[MQTT-3.1.3-5] [3.1.1 MQTT-3.1.3-5] client identifiers of 1 to 23 letters and digits are accepted',
    async ({ version }) => {
      for (const clientId of [
        '0',
        'abcdefghijklmnopqrstuvw',
        'ABCDEFGHIJKLMNOPQRSTUVW',
        '0123456789xyzXYZ0123456',
      ])
        await (await broker.connect({ version, clientId })).disconnect();
    },
  );

  test('client identifiers may be longer than 23 bytes and contain other characters in 3.1.1 and 5.0', async () => {
    for (const version of [4, 5] as const)
      await (await broker.connect({ version, clientId: `${'x'.repeat(200)}/+#ä漢` })).disconnect();
  });

  statement(
    '[MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16] an empty client identifier gets a unique one, told in CONNACK',
    async () => {
      const one = await broker.connect({ clientId: '' });
      const two = await broker.connect({ clientId: '' });
      const ids = [one, two].map((c) => (c.connack ? property(c.connack, P.assignedClientId) : undefined));
      expect(ids[0]).toBeTypeOf('string');
      expect(ids[0]).not.toBe('');
      expect(ids[0]).not.toBe(ids[1]);
      await one.quiet();
    },
  );

  statement('[MQTT-3.1.3-7] the assigned client identifier is the one of the session', async () => {
    const first = await broker.connect({ clientId: '', clean: true, properties: [[P.sessionExpiry, 100]] });
    const assigned = first.connack ? property(first.connack, P.assignedClientId) : undefined;
    await first.disconnect();
    const again = await broker.connect({ clientId: String(assigned), clean: false });
    expect(again.connack?.sessionPresent).toBe(true);
    expect(again.connack ? property(again.connack, P.assignedClientId) : '').toBeUndefined();
  });

  statement('[3.1.1 MQTT-3.1.3-6] an empty client identifier with CleanSession 1 is accepted', async () => {
    const one = await broker.connect({ version: 4, clientId: '' });
    const two = await broker.connect({ version: 4, clientId: '' });
    await one.quiet();
    await two.quiet();
  });

  statement(
    '[3.1.1 MQTT-3.1.3-8] [3.1.1 MQTT-3.1.3-9] an empty client identifier with CleanSession 0 is refused with 2',
    async () => {
      await refusesConnect(broker, 4, wire.connect({ version: 4, clientId: '', clean: false }), [], 2);
    },
  );

  statement.ours('[MQTT-3.1.3-8] a client identifier that is too long is refused with 0x85', async () => {
    // Longer than the field can say is impossible; the configured limit is what makes an identifier unacceptable.
    const { startTestBroker } = await import('../support/broker.ts');
    const strict = await startTestBroker({ 'mqtt.maxClientIdSize': 23 });
    try {
      await refusesConnect(strict, 5, wire.connect({ clientId: 'x'.repeat(24) }), [0x85]);
      await refusesConnect(strict, 4, wire.connect({ version: 4, clientId: 'x'.repeat(24) }), [], 2);
    } finally {
      await strict.stop();
    }
  });

  statement(
    '[MQTT-3.1.3-12] [3.1.1 MQTT-3.1.3-11] a user name that is not UTF-8 is refused',
    async ({ version }) => {
      const bytes = wire.connect({ version, clientId: unique(), username: Buffer.from([0xc3]) });
      await refusesConnect(broker, version, bytes, [0x81, 0x86]);
    },
  );

  statement(
    '[MQTT-3.1.4-1] [3.1.1 MQTT-3.1.4-1] a CONNECT of wrong format ends the connection',
    async ({ version }) => {
      const good = wire.connect({ version, clientId: 'x', username: 'u', password: 'p' });
      const cut = Buffer.from(good.subarray(0, good.length - 1));
      cut.writeUInt8(cut.readUInt8(1) - 1, 1);
      await refusesConnect(broker, version, cut, [0x81]);
      const long = Buffer.concat([good, Buffer.from([0])]);
      long.writeUInt8(long.readUInt8(1) + 1, 1);
      await refusesConnect(broker, version, long, [0x81, 0x82]);
      // Where the version is not even read nobody knows how to answer.
      for (const bytes of [Buffer.from([0x10, 0]), Buffer.concat([Buffer.from([0x11]), good.subarray(1)])]) {
        const client = await broker.open(version);
        client.send(bytes);
        expect((await client.closed()).every((p) => p.type === 'connack' && p.reason >= 0x80)).toBe(true);
      }
    },
  );

  statement(
    '[MQTT-3.1.4-3] [3.1.1 MQTT-3.1.4-2] a client identifier already connected ends the older connection (defect 10)',
    async ({ version }) => {
      const older = await broker.connect({ version });
      const newer = await broker.connect({ version, clientId: older.clientId });
      await older.expectRefusal(0x8e);
      await newer.quiet();
    },
  );

  statement(
    '[MQTT-3.1.4-5] [3.1.1 MQTT-3.1.4-4] a valid CONNECT is answered by CONNACK with 0',
    async ({ version }) => {
      const client = await broker.open(version);
      client.send(wire.connect({ version, clientId: unique() }));
      expect((await client.expect('connack')).reason).toBe(0);
    },
  );

  statement(
    '[MQTT-3.1.4-6] [3.1.1 MQTT-3.1.4-5] what follows a refused CONNECT is not processed',
    async ({ version }) => {
      const topic = unique('after');
      const watcher = await broker.connect({ version });
      await watcher.subscribe([topic]);
      const client = await broker.open(version);
      client.send(
        wire.connect({ version, clientId: unique(), flags: 3 }),
        wire.publish({ version, topic, payload: 'no' }),
        wire.publish({ version, topic, payload: 'no', retain: true }),
      );
      await expectConnectRefused(client, [0x81]);
      await watcher.quiet();
    },
  );

  test('packets that follow a valid CONNECT in the same write are processed', async () => {
    for (const version of [4, 5] as const) {
      const client = await broker.open(version);
      client.send(
        wire.connect({ version, clientId: unique() }),
        wire.subscribe(version, 7, [{ filter: unique() }]),
        wire.pingreq(),
      );
      expect((await client.expect('connack')).reason).toBe(0);
      expect((await client.expect('suback')).packetId).toBe(7);
      await client.expect('pingresp');
    }
  });
});

describe('MQTT 3.1', () => {
  test('MQIsdp with level 3 is accepted', async () => {
    const client = await broker.connect({ version: 3, clientId: unique('m') });
    await client.quiet();
  });

  test('MQIsdp with another level and MQTT with level 3 are not accepted as such', async () => {
    for (const [protocolName, protocolLevel] of [
      ['MQIsdp', 4],
      ['MQTT', 3],
    ] as const) {
      const client = await broker.open(4);
      client.send(wire.connect({ version: 4, clientId: unique(), protocolName, protocolLevel }));
      const unread = await client.closed();
      expect(unread.every((p) => p.type === 'connack' && p.reason === 1)).toBe(true);
    }
  });

  test('client identifiers of 0 and of more than 23 bytes are refused with 2', async () => {
    for (const clientId of ['', 'x'.repeat(24)])
      await refusesConnect(broker, 3, wire.connect({ version: 3, clientId }), [], 2);
  });

  test('the whole QoS 0, 1 and 2 exchange works', async () => {
    const client = await broker.connect({ version: 3, clientId: unique('m') });
    const topic = unique('v31');
    await client.subscribe([topic]);
    for (const qos of [0, 1, 2]) {
      await client.publish({ topic, payload: `q${qos}`, qos });
      expect(await client.message()).toMatchObject({ topic, qos });
    }
  });
});

describe('error handling', () => {
  statement(
    '[MQTT-4.13.1-1] [3.1.1 MQTT-4.8.0-1] malformed packets and protocol errors end their own connection only',
    async ({ version }) => {
      const bystander = await broker.connect({ version });
      const wrong: readonly (readonly [Uint8Array, ...number[]])[] = [
        [Buffer.from([0x00, 0x00]), 0x81, 0x82],
        [Buffer.from([0x20, 0x02, 0x00, 0x00]), 0x81, 0x82],
        [Buffer.from([0xd0, 0x00]), 0x81, 0x82],
        [Buffer.from([0x90, 0x03, 0x00, 0x01, 0x00]), 0x81, 0x82],
        [Buffer.from([0xb0, 0x02, 0x00, 0x01]), 0x81, 0x82],
        [Buffer.from([0x40, 0x00]), 0x81],
        [Buffer.from([0xc0, 0x01, 0x00]), 0x81],
        [Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff]), 0x81],
      ];
      for (const [bytes, ...reasons] of wrong) await refuses(broker, version, bytes, ...reasons);
      await bystander.quiet();
    },
  );

  statement(
    '[MQTT-4.13.2-1] a DISCONNECT with a failure is followed by the end of the connection',
    async () => {
      const client = await broker.connect();
      client.send(wire.publish({ topic: 'a/#' }));
      const told = await client.expect('disconnect');
      expect(told.reason).toBeGreaterThanOrEqual(0x80);
      expect(await client.closed()).toEqual([]);
    },
  );

  statement('[3.1.1 MQTT-4.8.0-2] a packet that cannot be processed ends its connection', async () => {
    await refuses(broker, 4, Buffer.concat([Buffer.from([0x32, 0x03]), wire.sized('a')]));
  });
});
