import { describe, expect, test } from 'vitest';
import {
  type Authenticator,
  type AuthMethod,
  type Authorizer,
  defaultAuthorizer,
} from '../../src/protocols/mqtt/auth.ts';
import { onMosquitto, unique, useBroker } from '../support/broker.ts';
import { property, type RawClient } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { P } from '../support/wire.ts';
import { refuses, refusesConnect } from './requests.ts';
import { statement } from './statement.ts';

/**
 * A method that asks "ping" and wants "pong": at CONNECT with data it asks, `yes` succeeds and `no` fails at once,
 * the answer to the question succeeds, fails or is awaited a moment.
 */
const pingPong: AuthMethod = {
  name: 'PING-PONG',
  begin: () => ({
    start(data) {
      const text = data === undefined ? '' : Buffer.from(data).toString();
      if (text === 'yes') return { type: 'success', data: Buffer.from('welcome') };
      if (text === 'no')
        return { type: 'failure', reasonCode: 0x87, message: 'a reason that is rather long '.repeat(20) };
      return { type: 'continue', data: Buffer.from('ping') };
    },
    continue(data) {
      const text = data === undefined ? '' : Buffer.from(data).toString();
      if (text === 'again') return { type: 'continue', data: Buffer.from('ping') };
      if (text === 'pong') return { type: 'success', data: Buffer.from('welcome') };
      if (text === 'slow')
        return new Promise((resolve) => setImmediate(() => resolve({ type: 'success', data: undefined })));
      return { type: 'failure', reasonCode: 0x87 };
    },
  }),
};

const byPassword: Authenticator = {
  authenticate: ({ userName, password }) => {
    if (userName === undefined) return { allow: true };
    const text = password === undefined ? '' : Buffer.from(password).toString();
    if (userName === 'banned') return { allow: false, reasonCode: 0x8a };
    if (text === 'right') return { allow: true };
    if (text === 'later') return new Promise((resolve) => setImmediate(() => resolve({ allow: true })));
    return { allow: false, reasonCode: 0x86, message: 'a reason that is rather long '.repeat(20) };
  },
};

const noSecrets: Authorizer = {
  ...defaultAuthorizer,
  mayPublish: (_client, { topic }) =>
    !Buffer.from(topic).toString().startsWith('secret') && topic[0] !== 0x24,
  maySubscribe: (_client, filter) => !Buffer.from(filter).toString().startsWith('secret'),
};

const broker = useBroker({}, { authMethods: [pingPong], authenticator: byPassword, authorizer: noSecrets });

const METHOD = [P.authMethod, 'PING-PONG'] as const;
const data = (text: string) => [P.authData, Buffer.from(text)] as const;
const textOf = (value: wire.PropertyValue | undefined): string =>
  value instanceof Uint8Array ? Buffer.from(value).toString() : String(value);

/** CONNECT with the method, up to the question of the server. */
async function asked(clientId = unique()): Promise<RawClient> {
  const client = await broker.open(5, clientId);
  client.send(wire.connect({ clientId, properties: [METHOD, data('hello')] }));
  return client;
}

describe('enhanced authentication', () => {
  statement('[MQTT-4.12.0-1] an unknown method ends the connection with 0x8C', async () => {
    const bytes = wire.connect({ clientId: unique(), properties: [[P.authMethod, 'UNKNOWN']] });
    await refusesConnect(broker, 5, bytes, [0x8c, 0x87]);
  });

  statement.ours(
    '[MQTT-4.12.0-2] [MQTT-4.12.0-3] [MQTT-4.12.0-5] AUTH asks with 0x18 and the method, CONNACK names the method',
    async () => {
      const client = await asked();
      for (const answer of ['again', 'pong']) {
        const question = await client.expect('auth');
        expect(question.reason).toBe(0x18);
        expect(property(question, P.authMethod)).toBe('PING-PONG');
        expect(textOf(property(question, P.authData))).toBe('ping');
        client.send(wire.auth(0x18, [METHOD, data(answer)]));
      }
      const connack = await client.expect('connack');
      expect(connack.reason).toBe(0);
      expect(property(connack, P.authMethod)).toBe('PING-PONG');
      expect(textOf(property(connack, P.authData))).toBe('welcome');
      await client.quiet();
    },
  );

  statement.ours('[MQTT-4.12.0-5] a method that succeeds at once is named in CONNACK', async () => {
    const client = await broker.connect({ properties: [METHOD, data('yes')] });
    expect(client.connack && property(client.connack, P.authMethod)).toBe('PING-PONG');
  });

  statement.ours(
    '[MQTT-4.12.0-4] [MQTT-3.1.4-2] failed authentication ends the connection with a CONNACK',
    async () => {
      await refusesConnect(
        broker,
        5,
        wire.connect({ clientId: unique(), properties: [METHOD, data('no')] }),
        [0x87],
      );
      const client = await asked();
      await client.expect('auth');
      client.send(wire.auth(0x18, [METHOD, data('wrong')]));
      await client.expectRefusal(0x87);
      expect(client.received.at(-1)?.type).toBe('connack');
    },
  );

  statement.ours('[MQTT-4.12.0-5] an AUTH with another method, or none, ends the connection', async () => {
    for (const list of [[[P.authMethod, 'OTHER'] as const], []]) {
      const client = await asked();
      await client.expect('auth');
      client.send(wire.auth(0x18, list));
      await client.expectRefusal(0x82, 0x8c, 0x81);
    }
  });

  statement.ours(
    '[MQTT-3.1.2-30] anything but AUTH and DISCONNECT before CONNACK ends the connection',
    async () => {
      for (const bytes of [
        wire.pingreq(),
        wire.publish({ topic: 'a' }),
        wire.subscribe(5, 1, [{ filter: 'a' }]),
      ]) {
        const client = await asked();
        await client.expect('auth');
        client.send(bytes);
        expect((await client.closed()).every((p) => p.type === 'connack' && p.reason >= 0x80)).toBe(true);
      }
      const leaving = await asked();
      await leaving.expect('auth');
      leaving.send(wire.disconnect());
      expect(await leaving.closed()).toEqual([]);
    },
  );

  statement('[MQTT-4.12.0-6] without a method the server sends neither AUTH nor a method', async () => {
    const client = await broker.connect();
    expect(client.connack && property(client.connack, P.authMethod)).toBeUndefined();
    await client.barrier();
    expect(client.received.some((p) => p.type === 'auth')).toBe(false);
  });

  statement('[MQTT-4.12.0-7] AUTH from a client that named no method ends the connection', async () => {
    await refuses(broker, 5, wire.auth(0x19, [METHOD]), 0x82);
    await refuses(broker, 5, wire.packet(0xf0), 0x82, 0x81);
    const client = await broker.open();
    client.send(wire.auth(0x18, [METHOD]));
    expect(await client.closed()).toEqual([]);
  });

  test('AUTH from an MQTT 3 client ends the connection', async () => {
    await refuses(broker, 4, wire.auth(0x19, [METHOD]));
  });

  test.skipIf(onMosquitto)(
    'a client with an open exchange that goes away leaves nothing behind',
    async () => {
      const client = await asked();
      await client.expect('auth');
      await client.drop();
      const again = await broker.connect({ clientId: client.clientId });
      await again.quiet();
    },
  );
});

describe('re-authentication', () => {
  const connected = () => broker.connect({ properties: [METHOD, data('yes')] });

  statement.ours(
    '[MQTT-4.12.1-1] the same method may be used again; another one ends the connection',
    async () => {
      const client = await connected();
      client.send(wire.auth(0x19, [METHOD, data('hello')]));
      expect((await client.expect('auth')).reason).toBe(0x18);
      client.send(wire.auth(0x18, [METHOD, data('pong')]));
      const done = await client.expect('auth');
      expect(done.reason).toBe(0x00);
      expect(property(done, P.authMethod)).toBe('PING-PONG');
      await client.quiet();
      client.send(wire.auth(0x19, [[P.authMethod, 'OTHER']]));
      await client.expectRefusal(0x82, 0x8c);
    },
  );

  statement.ours('[MQTT-4.12.1-2] a failure ends the connection', async () => {
    const client = await connected();
    client.send(wire.auth(0x19, [METHOD, data('no')]));
    await client.expectRefusal(0x87);
    expect(client.received.at(-1)?.type).toBe('disconnect');
  });

  test.skipIf(onMosquitto)('messages flow while it goes on', async () => {
    const topic = unique('t');
    const client = await connected();
    await client.subscribe([{ filter: topic, qos: 1 }]);
    client.send(wire.auth(0x19, [METHOD, data('hello')]));
    await client.expect('auth');
    await client.publish({ topic, payload: 'meanwhile', qos: 1 });
    await client.message();
    client.send(
      wire.auth(0x18, [METHOD, data('slow')]),
      wire.publish({ topic, payload: 'behind', qos: 1, packetId: 9 }),
    );
    const types = [await client.next(), await client.next(), await client.next()].map((p) => p.type);
    expect(types.toSorted()).toEqual(['auth', 'puback', 'publish']);
  });
});

describe('AUTH format', () => {
  statement.ours('[MQTT-3.15.1-1] wrong header flags of AUTH end the connection', async () => {
    for (const flags of [1, 2, 8]) {
      const client = await broker.connect({ properties: [METHOD, data('yes')] });
      const bytes = wire.auth(0x19, [METHOD]);
      bytes.writeUInt8(0xf0 | flags, 0);
      client.send(bytes);
      await client.expectRefusal(0x81);
    }
  });

  statement.ours(
    '[MQTT-3.15.2-1] unknown reason codes, and ones that do not fit, end the connection',
    async () => {
      for (const reason of [0x00, 0x01, 0x18, 0x80, 0xff]) {
        const client = await broker.connect({ properties: [METHOD, data('yes')] });
        client.send(wire.auth(reason, [METHOD]));
        await client.expectRefusal(0x81, 0x82);
      }
    },
  );

  statement.ours(
    '[MQTT-3.15.2-2] [MQTT-3.15.2-3] AUTH and refusals fit the Maximum Packet Size of the client',
    async () => {
      const client = await broker.open();
      client.send(
        wire.connect({ clientId: unique(), properties: [METHOD, data('no'), [P.maximumPacketSize, 60]] }),
      );
      const [refusal] = await client.closed();
      expect(refusal?.frame.length).toBeLessThanOrEqual(60);
      const again = await broker.connect({ properties: [METHOD, data('yes'), [P.maximumPacketSize, 60]] });
      again.send(wire.auth(0x19, [METHOD, data('no')]));
      for (const packet of await again.closed()) expect(packet.frame.length).toBeLessThanOrEqual(60);
    },
  );
});

describe('user name and password', () => {
  statement.ours('[MQTT-3.1.4-2] a wrong password is refused with 0x86, in MQTT 3 with 4 or 5', async () => {
    const wrong = { username: 'u', password: 'wrong' };
    await refusesConnect(broker, 5, wire.connect({ clientId: unique(), ...wrong }), [0x86]);
    await refusesConnect(broker, 4, wire.connect({ version: 4, clientId: unique(), ...wrong }), [], 4);
    await (await broker.connect({ username: 'u', password: 'right' })).disconnect();
    await refusesConnect(broker, 5, wire.connect({ clientId: unique(), username: 'banned' }), [0x8a]);
  });

  statement.ours(
    '[MQTT-3.2.2-19] [MQTT-3.2.2-20] a long reason does not make CONNACK too large',
    async () => {
      const client = await broker.open();
      const list = [[P.maximumPacketSize, 40]] as const;
      client.send(wire.connect({ clientId: unique(), username: 'u', password: 'wrong', properties: list }));
      const [refusal] = await client.closed();
      expect(refusal).toMatchObject({ type: 'connack', reason: 0x86 });
      expect(refusal?.frame.length).toBeLessThanOrEqual(40);
    },
  );

  test.skipIf(onMosquitto)('while a decision is pending what follows waits, in order', async () => {
    const client = await broker.open();
    client.send(
      wire.connect({ clientId: unique(), username: 'u', password: 'later' }),
      wire.subscribe(5, 3, [{ filter: unique() }]),
      wire.pingreq(),
    );
    expect((await client.expect('connack')).reason).toBe(0);
    expect((await client.expect('suback')).packetId).toBe(3);
    await client.expect('pingresp');
  });
});

describe('authorization', () => {
  test.skipIf(onMosquitto)(
    'trap 25, defects 18 and 19: a subscription that is not allowed fails in SUBACK, shared or not',
    async () => {
      const five = await broker.connect();
      expect((await five.subscribe(['secret/#', 'open/#', '$share/g/secret/x'])).reasons).toEqual([
        0x87, 2, 0x87,
      ]);
      const four = await broker.connect({ version: 4 });
      expect((await four.subscribe(['secret/#', 'open/#'])).reasons).toEqual([0x80, 2]);
      await five.publish({ topic: 'open/x', qos: 1 });
      await five.message();
    },
  );

  statement.ours(
    '[MQTT-3.9.2-1] [MQTT-3.9.2-2] a refusing SUBACK fits the smallest Maximum Packet Size',
    async () => {
      const client = await broker.connect({ properties: [[P.maximumPacketSize, 20]] });
      const suback = await client.subscribe(['secret/x', 'a']);
      expect(suback.reasons).toEqual([0x87, 2]);
      expect(suback.frame.length).toBeLessThanOrEqual(20);
    },
  );

  statement.ours(
    '[3.1.1 MQTT-3.3.5-2] a message that is not authorized is acknowledged and not delivered',
    async () => {
      const watcher = await broker.connect({ version: 4 });
      await watcher.subscribe(['#']);
      const four = await broker.connect({ version: 4 });
      for (const qos of [1, 2]) await four.publish({ topic: 'secret/x', qos });
      await four.publish({ topic: 'secret/x', payload: 'r', qos: 1, retain: true });
      const five = await broker.connect();
      for (const qos of [1, 2]) expect(await five.publish({ topic: 'secret/x', qos })).toBe(0x87);
      await watcher.quiet();
      await four.quiet();
    },
  );

  test.skipIf(onMosquitto)('trap 7: a will on a topic that is not allowed is not published', async () => {
    const watcher = await broker.connect();
    await watcher.subscribe(['+/will']);
    const client = await broker.open();
    client.send(wire.connect({ clientId: unique(), will: { topic: 'secret/will', payload: 'w' } }));
    const connack = await client.expect('connack');
    if (connack.reason === 0) await client.drop();
    await watcher.quiet();
  });
});
