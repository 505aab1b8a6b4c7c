import { describe, expect, test } from 'vitest';
import { unique, useBroker } from '../support/broker.ts';
import { property } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { P } from '../support/wire.ts';
import { payloads, persistent } from './requests.ts';
import { statement } from './statement.ts';

const broker = useBroker();

describe('clean start', () => {
  statement(
    '[MQTT-3.1.2-4] [MQTT-3.1.4-4] [3.1.1 MQTT-3.1.2-6] [3.1.1 MQTT-3.1.4-3] a clean start discards the old session',
    async ({ version }) => {
      const clientId = unique();
      const topic = unique('t');
      const old = await broker.connect(persistent(version, clientId));
      await old.subscribe([topic]);
      await old.disconnect();
      const publisher = await broker.connect({ version });
      await publisher.publish({ topic, payload: 'old', qos: 1 });
      const fresh = await broker.connect({ version, clientId, clean: true });
      expect(fresh.connack?.sessionPresent).toBe(false);
      await publisher.publish({ topic, payload: 'new', qos: 1 });
      await fresh.quiet();
      await fresh.disconnect();
      const after = await broker.connect(persistent(version, clientId));
      expect(after.connack?.sessionPresent).toBe(false);
    },
  );

  statement(
    '[MQTT-3.1.2-5] [3.1.1 MQTT-3.1.2-4] [3.1.1 MQTT-3.1.2-5] a session continues with its subscriptions and messages',
    async ({ version }) => {
      const clientId = unique();
      const topic = unique('t');
      const first = await broker.connect(persistent(version, clientId));
      await first.subscribe([topic]);
      await first.disconnect();
      const publisher = await broker.connect({ version });
      await publisher.publish({ topic, payload: 'one', qos: 1 });
      await publisher.publish({ topic, payload: 'two', qos: 2 });
      const second = await broker.connect(persistent(version, clientId));
      expect(second.connack?.sessionPresent).toBe(true);
      expect(await second.message()).toMatchObject({ qos: 1, dup: false, retain: false });
      expect(await second.message()).toMatchObject({ qos: 2, dup: false });
      await publisher.publish({ topic, payload: 'three', qos: 1 });
      expect((await second.message()).payload.toString()).toBe('three');
      await second.quiet();
    },
  );

  statement(
    '[MQTT-3.1.2-6] [3.1.1 MQTT-3.1.2-4] without a session a new one is made',
    async ({ version }) => {
      const client = await broker.connect(persistent(version, unique()));
      expect(client.connack?.sessionPresent).toBe(false);
      await client.quiet();
    },
  );
});

describe('session state', () => {
  statement(
    '[MQTT-3.1.2-23] [3.1.1 MQTT-4.1.0-1] state is kept after the connection was lost',
    async ({ version }) => {
      const clientId = unique();
      const topic = unique('t');
      const client = await broker.connect(persistent(version, clientId));
      await client.subscribe([topic]);
      await client.drop();
      const publisher = await broker.connect({ version });
      await publisher.publish({ topic, payload: 'kept', qos: 1 });
      const again = await broker.connect(persistent(version, clientId));
      expect((await again.message()).payload.toString()).toBe('kept');
    },
  );

  statement(
    '[MQTT-4.1.0-1] [3.1.1 MQTT-4.1.0-2] a session lasts as long as its connection',
    async ({ version }) => {
      const topic = unique('t');
      const client = await broker.connect({ version, clean: true });
      await client.subscribe([topic]);
      await broker.advance(1500);
      const publisher = await broker.connect({ version });
      await publisher.publish({ topic, payload: 'x', qos: 1 });
      expect((await client.message()).payload.toString()).toBe('x');
    },
  );

  statement('[MQTT-4.1.0-2] a session ends when its expiry interval has passed', async () => {
    const clientId = unique();
    const client = await broker.connect({ clientId, clean: false, properties: [[P.sessionExpiry, 2]] });
    await client.disconnect();
    await broker.advance(1000);
    const within = await broker.connect({ clientId, clean: false, properties: [[P.sessionExpiry, 2]] });
    expect(within.connack?.sessionPresent).toBe(true);
    await within.disconnect();
    await broker.advance(3000);
    const after = await broker.connect({ clientId, clean: false });
    expect(after.connack?.sessionPresent).toBe(false);
  });

  statement('[MQTT-4.1.0-2] without an expiry interval the session ends with its connection', async () => {
    const clientId = unique();
    await (await broker.connect({ clientId, clean: false })).disconnect();
    expect((await broker.connect({ clientId, clean: false })).connack?.sessionPresent).toBe(false);
  });

  test('an expiry interval of 0xffffffff never ends', async () => {
    const clientId = unique();
    const request = { clientId, clean: false, properties: [[P.sessionExpiry, 0xffffffff]] as const };
    await (await broker.connect(request)).disconnect();
    await broker.advance(2000);
    expect((await broker.connect(request)).connack?.sessionPresent).toBe(true);
  });

  test('DISCONNECT may change the expiry interval, but not from 0', async () => {
    const clientId = unique();
    const client = await broker.connect({ clientId, clean: false, properties: [[P.sessionExpiry, 100]] });
    await client.disconnect(0, [[P.sessionExpiry, 0]]);
    expect((await broker.connect({ clientId, clean: false })).connack?.sessionPresent).toBe(false);
    const none = await broker.connect();
    none.send(wire.disconnect(0, [[P.sessionExpiry, 5]]));
    await none.expectRefusal(0x82);
  });

  statement(
    '[3.1.1 MQTT-3.1.2-7] retained messages stay when the session of their publisher ends',
    async () => {
      const topic = unique('t');
      const client = await broker.connect({ version: 4, clean: true });
      await client.publish({ topic, payload: 'stays', retain: true, qos: 1 });
      await client.disconnect();
      const late = await broker.connect({ version: 4 });
      await late.subscribe([topic]);
      expect((await late.message()).retain).toBe(true);
    },
  );

  statement(
    '[MQTT-4.5.0-1] [3.1.1 MQTT-4.5.0-1] a message goes to every matching session, connected or not',
    async ({ version }) => {
      const topic = unique('t');
      const here = await broker.connect({ version });
      const away = await broker.connect(persistent(version, unique()));
      const also = await broker.connect(persistent(version, unique()));
      for (const client of [here, away, also]) await client.subscribe([topic]);
      await away.disconnect();
      const publisher = await broker.connect({ version });
      for (const payload of ['1', '2', '3']) await publisher.publish({ topic, payload, qos: 1 });
      const back = await broker.connect(persistent(version, away.clientId));
      for (const client of [here, also, back])
        for (const payload of ['1', '2', '3'])
          expect((await client.message()).payload.toString()).toBe(payload);
    },
  );

  test('QoS 0 messages are not kept for a session that is away', async () => {
    const clientId = unique();
    const topic = unique('t');
    const client = await broker.connect(persistent(5, clientId));
    await client.subscribe([topic]);
    await client.disconnect();
    const publisher = await broker.connect();
    await publisher.publish({ topic, payload: 'lost' });
    await publisher.publish({ topic, payload: 'kept', qos: 1 });
    const again = await broker.connect(persistent(5, clientId));
    expect(payloads([await again.message(), ...(await again.barrier())])).toEqual(['kept']);
  });

  test('a new subscriber sees nothing that was published before', async () => {
    const topic = unique('t');
    const publisher = await broker.connect();
    for (const qos of [0, 1, 2]) await publisher.publish({ topic, payload: 'old', qos });
    const late = await broker.connect();
    await late.subscribe([topic]);
    await late.quiet();
  });
});

describe('taking over', () => {
  test('trap 6: a taken over session keeps its subscriptions and loses no message', async () => {
    for (const version of [4, 5] as const) {
      const clientId = unique();
      const topic = unique('t');
      const old = await broker.connect(persistent(version, clientId));
      await old.subscribe([{ filter: topic, qos: 1 }]);
      const publisher = await broker.connect({ version });
      await publisher.publish({ topic, payload: 'one', qos: 1 });
      const unacknowledged = await old.expect('publish');
      const taker = await broker.connect(persistent(version, clientId));
      expect(taker.connack?.sessionPresent).toBe(true);
      expect(await taker.message()).toMatchObject({ dup: true, packetId: unacknowledged.packetId });
      await old.expectRefusal(0x8e);
      await publisher.publish({ topic, payload: 'two', qos: 1 });
      expect((await taker.message()).payload.toString()).toBe('two');
      await taker.quiet();
    }
  });

  test('trap 6: a session without expiry ends at takeover, its will is published', async () => {
    const topic = unique('will');
    const watcher = await broker.connect();
    await watcher.subscribe([topic]);
    const old = await broker.connect({ clean: false, will: { topic, payload: 'ended' } });
    const taker = await broker.connect({ clientId: old.clientId, clean: false });
    expect(taker.connack?.sessionPresent).toBe(false);
    expect((await watcher.message()).payload.toString()).toBe('ended');
    await old.expectRefusal(0x8e);
  });

  test('trap 7: the will of a taken over connection is published in 3.1.1 and without delay in 5.0', async () => {
    for (const version of [4, 5] as const) {
      const topic = unique('will');
      const watcher = await broker.connect({ version });
      await watcher.subscribe([topic]);
      const old = await broker.connect(persistent(version, unique(), { will: { topic, payload: 'taken' } }));
      await broker.connect(persistent(version, old.clientId));
      expect((await watcher.message()).payload.toString()).toBe('taken');
    }
  });

  test('trap 7: a delayed will of a taken over session that continues is cancelled', async () => {
    const topic = unique('will');
    const watcher = await broker.connect();
    await watcher.subscribe([topic]);
    const will = { topic, payload: 'no', properties: [[P.willDelay, 1]] as const };
    const old = await broker.connect(persistent(5, unique(), { will }));
    await broker.connect(persistent(5, old.clientId));
    await broker.advance(2500);
    await watcher.quiet();
  });

  test('trap 6: the late end of the old connection does not touch the new one', async () => {
    const clientId = unique();
    const topic = unique('t');
    const clients = await Promise.all(
      Array.from({ length: 5 }, () => broker.connect(persistent(5, clientId)).catch(() => undefined)),
    );
    for (const client of clients) client?.socket.destroy();
    const last = await broker.connect(persistent(5, clientId));
    await last.subscribe([topic]);
    await broker.advance(1000);
    await last.publish({ topic, payload: 'mine', qos: 1 });
    expect((await last.message()).payload.toString()).toBe('mine');
  });
});

describe('message expiry', () => {
  statement('[MQTT-3.3.2-5] a message that expired while waiting is not delivered', async () => {
    const clientId = unique();
    const topic = unique('t');
    const away = await broker.connect(persistent(5, clientId));
    await away.subscribe([topic]);
    await away.disconnect();
    const publisher = await broker.connect();
    await publisher.publish({ topic, payload: 'short', qos: 1, properties: [[P.messageExpiry, 1]] });
    await publisher.publish({ topic, payload: 'long', qos: 1, properties: [[P.messageExpiry, 100]] });
    await publisher.publish({ topic, payload: 'short', qos: 2, properties: [[P.messageExpiry, 1]] });
    await broker.advance(2500);
    const back = await broker.connect(persistent(5, clientId));
    expect(payloads([await back.message(), ...(await back.barrier())])).toEqual(['long']);
  });

  statement('[MQTT-3.3.2-6] the expiry interval sent is what remains', async () => {
    const clientId = unique();
    const topic = unique('t');
    const away = await broker.connect(persistent(5, clientId));
    await away.subscribe([topic]);
    const publisher = await broker.connect();
    const message = { topic, payload: 'x', qos: 1, properties: [[P.messageExpiry, 100]] as const };
    await publisher.publish(message);
    expect(property(await away.message(), P.messageExpiry)).toBe(100);
    await away.disconnect();
    await publisher.publish(message);
    await broker.advance(3000);
    const back = await broker.connect(persistent(5, clientId));
    const left = property(await back.message(), P.messageExpiry);
    expect(left).toBeGreaterThanOrEqual(96);
    expect(left).toBeLessThanOrEqual(97);
  });

  test('trap 11: message expiry counts for retained messages as well', async () => {
    const topic = unique('t');
    const publisher = await broker.connect();
    await publisher.publish({
      topic,
      payload: 'x',
      retain: true,
      qos: 1,
      properties: [[P.messageExpiry, 3]],
    });
    await broker.advance(1000);
    const early = await broker.connect();
    await early.subscribe([topic]);
    expect(property(await early.message(), P.messageExpiry)).toBeLessThanOrEqual(2);
    await broker.advance(3000);
    const late = await broker.connect();
    await late.subscribe([topic]);
    await late.quiet();
  });
});
