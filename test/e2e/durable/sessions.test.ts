/** Sessions over the end of a broker: what a client finds when it comes back. */
import { describe, expect, test } from 'vitest';
import { property, propertyList } from '../../support/raw-client.ts';
import { P } from '../../support/wire.ts';
import { ENDS, publisherOf, startDurable, take } from './broker.ts';

describe.each(ENDS)('after a %s', (end) => {
  test.each([3, 4, 5] as const)('a session of version %i has its messages, in order', async (version) => {
    const broker = await startDurable();
    const away = await broker.connect({ version, clientId: 'away' });
    expect(away.connack?.sessionPresent).toBe(false);
    await away.subscribe([{ filter: 'a/#', qos: 2 }]);
    await away.drop();
    const publisher = await publisherOf(broker);
    for (const [i, qos] of [1, 2, 1, 0, 2].entries()) {
      await publisher.publish({ topic: `a/${i}`, payload: `before ${i}`, qos });
    }
    await broker.restart(end);
    const again = await publisherOf(broker);
    await again.publish({ topic: 'a/after', payload: 'after', qos: 1 });
    const back = await broker.connect({ version, clientId: 'away' });
    // Version 3.1 has no such flag.
    expect(back.connack?.sessionPresent).toBe(version !== 3);
    // QoS 0 is kept for sessions that are away only where the configuration says so.
    expect(await take(back, 5)).toEqual(['before 0', 'before 1', 'before 2', 'before 4', 'after']);
    await back.quiet();
    await broker.restart(end);
    await (await broker.connect({ version, clientId: 'away' })).quiet();
  });

  test('messages keep QoS, properties and subscription identifiers', async () => {
    const broker = await startDurable();
    const away = await broker.connect({ clientId: 'away' });
    await away.subscribe([{ filter: 'p/+', qos: 2 }], [[P.subscriptionId, 7]]);
    await away.subscribe([{ filter: 'p/one', qos: 1 }], [[P.subscriptionId, 300_000]]);
    await away.disconnect();
    const properties = [
      [P.payloadFormat, 1],
      [P.contentType, 'text/plain'],
      [P.responseTopic, 'answers'],
      [P.correlationData, Buffer.from([1, 2, 3])],
      [P.userProperty, ['k', 'v']],
      [P.userProperty, ['k', 'w']],
    ] as const;
    const publisher = await publisherOf(broker);
    await publisher.publish({ topic: 'p/one', payload: 'x', qos: 2, properties });
    await broker.restart(end);
    const back = await broker.connect({ clientId: 'away' });
    const got = [await back.message(), await back.message()];
    expect(got.map(({ qos }) => qos).sort()).toEqual([1, 2]);
    for (const message of got) {
      expect(message).toMatchObject({ dup: false, retain: false });
      expect(message.properties.filter(([id]) => id !== P.subscriptionId)).toEqual(properties);
      expect(property(message, P.subscriptionId)).toBe(message.qos === 2 ? 7 : 300_000);
    }
    await back.quiet();
  });

  test('a merged delivery keeps all its identifiers', async () => {
    const broker = await startDurable({ settings: { 'mqtt.overlapping': 'merge' } });
    const away = await broker.connect({ clientId: 'away' });
    await away.subscribe([{ filter: 'm/#', qos: 1 }], [[P.subscriptionId, 1]]);
    await away.subscribe([{ filter: 'm/+', qos: 2 }], [[P.subscriptionId, 2]]);
    await away.disconnect();
    await (await publisherOf(broker)).publish({ topic: 'm/x', payload: 'once', qos: 2 });
    await broker.restart(end);
    const back = await broker.connect({ clientId: 'away' });
    const message = await back.message();
    expect(message.qos).toBe(2);
    expect(propertyList(message, P.subscriptionId).sort()).toEqual([1, 2]);
    await back.quiet();
  });

  test('subscriptions keep their options', async () => {
    const broker = await startDurable();
    const before = await broker.connect({ clientId: 'self' });
    await before.subscribe([
      { filter: 'own/spared', qos: 2, noLocal: true },
      { filter: 'own/heard', qos: 1 },
      { filter: 'kept/flag', qos: 1, retainAsPublished: true },
      { filter: 'lost/flag', qos: 1 },
      { filter: 'gone', qos: 1 },
      { filter: 'lowered', qos: 2 },
    ]);
    await before.unsubscribe(['gone']);
    await before.subscribe([{ filter: 'lowered', qos: 0 }], [[P.subscriptionId, 5]]);
    await broker.restart(end);
    const self = await broker.connect({ clientId: 'self' });
    for (const topic of ['own/spared', 'own/heard', 'kept/flag', 'lost/flag', 'gone', 'lowered']) {
      await self.publish({ topic, payload: 'x', qos: 1, retain: topic.endsWith('/flag') });
    }
    const got = (await self.barrier()).filter((packet) => packet.type === 'publish');
    expect(got.map(({ topic, qos, retain }) => `${topic} ${qos} ${retain}`).sort()).toEqual([
      'kept/flag 1 true',
      'lost/flag 1 false',
      'lowered 0 false',
      'own/heard 1 false',
    ]);
    const lowered = got.find(({ topic }) => topic === 'lowered');
    expect(lowered && property(lowered, P.subscriptionId)).toBe(5);
    // Known filters: Retain Handling 1 sends nothing again.
    await self.subscribe([{ filter: 'kept/flag', qos: 1, retainHandling: 1 }]);
    expect((await self.barrier()).map(({ type }) => type)).toEqual([]);
    // Subscribed once, however often it was written down.
    await self.unsubscribe(['own/heard']);
    await self.publish({ topic: 'own/heard', payload: 'x', qos: 1 });
    await self.quiet();
  });

  test('a clean start leaves nothing behind', async () => {
    const broker = await startDurable();
    const old = await broker.connect({ clientId: 'c' });
    await old.subscribe(['t']);
    await old.disconnect();
    await (await publisherOf(broker)).publish({ topic: 't', payload: 'old', qos: 1 });
    await (await broker.connect({ clientId: 'c', clean: true, expiry: 100 })).disconnect();
    await broker.restart(end);
    const back = await broker.connect({ clientId: 'c' });
    expect(back.connack?.sessionPresent).toBe(true);
    await (await publisherOf(broker)).publish({ topic: 't', payload: 'new', qos: 1 });
    await back.quiet();
  });

  test('a session that was to end with its connection is gone', async () => {
    const broker = await startDurable();
    for (const version of [4, 5] as const) {
      const clientId = `ends${version}`;
      const client = await broker.connect({ version, clientId, clean: true, expiry: 0 });
      await client.subscribe(['t']);
    }
    await broker.restart(end);
    for (const version of [4, 5] as const) {
      const back = await broker.connect({ version, clientId: `ends${version}` });
      expect(back.connack?.sessionPresent).toBe(false);
    }
  });

  test('who took a session over has it', async () => {
    const broker = await startDurable();
    const first = await broker.connect({ clientId: 'c' });
    await first.subscribe(['t/1']);
    const second = await broker.connect({ clientId: 'c' });
    await first.expectRefusal(0x8e);
    expect(second.connack?.sessionPresent).toBe(true);
    await second.subscribe(['t/2']);
    await broker.restart(end);
    const publisher = await publisherOf(broker);
    await publisher.publish({ topic: 't/1', payload: '1', qos: 1 });
    await publisher.publish({ topic: 't/2', payload: '2', qos: 1 });
    expect(await take(await broker.connect({ clientId: 'c' }), 2)).toEqual(['1', '2']);
  });

  test('sessions that became durable in one life and ended in the next stay ended', async () => {
    const broker = await startDurable();
    await (await broker.connect({ clientId: 'c' })).disconnect();
    await broker.restart(end);
    const back = await broker.connect({ clientId: 'c', clean: false });
    expect(back.connack?.sessionPresent).toBe(true);
    await back.disconnect(0, [[P.sessionExpiry, 0]]);
    await broker.restart(end);
    expect((await broker.connect({ clientId: 'c' })).connack?.sessionPresent).toBe(false);
  });

  test('QoS 0 waits for a session that is away where the configuration wants it', async () => {
    const broker = await startDurable({ settings: { 'mqtt.queue.qos0Offline': true } });
    const away = await broker.connect({ clientId: 'away' });
    await away.subscribe([{ filter: 't', qos: 2 }]);
    await away.disconnect();
    const publisher = await publisherOf(broker);
    await publisher.publish({ topic: 't', payload: 'zero', qos: 0 });
    await publisher.publish({ topic: 't', payload: 'one', qos: 1 });
    await broker.restart(end);
    const back = await broker.connect({ clientId: 'away' });
    expect(await back.message()).toMatchObject({ qos: 0, payload: Buffer.from('zero') });
    expect(await take(back, 1)).toEqual(['one']);
    await broker.restart(end);
    await (await broker.connect({ clientId: 'away' })).quiet();
  });
});

describe.each([3, 4, 5] as const)('MQTT.js with protocol level %i', (version) => {
  test('goes on where it was over several lives of the broker', async () => {
    const broker = await startDurable();
    const options = { clientId: 'js', clean: false };
    const first = await broker.js(version, options);
    await first.subscribeAsync('js/#', { qos: 2 });
    await first.endAsync();
    const expected: Record<1 | 2, string[]> = { 1: [], 2: [] };
    for (const [life, end] of (['crash', 'stop', 'crash'] as const).entries()) {
      const publisher = await broker.js(version, { clientId: 'pub' });
      for (let i = 0; i < 5; i++) {
        const qos = i % 2 === 0 ? 1 : 2;
        await publisher.publishAsync(`js/${life}`, `${life}:${i}`, { qos });
        expected[qos].push(`${life}:${i}`);
      }
      await broker.restart(end);
    }
    // MQTT.js hands out QoS 2 when PUBREL has come: each QoS has its own order.
    const got: Record<0 | 1 | 2, string[]> = { 0: [], 1: [], 2: [] };
    const back = await broker.js(version, options);
    await new Promise<void>((resolve) => {
      back.on('message', (_topic, payload, { qos }) => {
        got[qos].push(payload.toString());
        if (got[1].length + got[2].length === 15) resolve();
      });
    });
    expect(got).toEqual({ 0: [], ...expected });
    await back.endAsync();
  });
});

test('a session resumed with a smaller packet limit passes over what does not fit', async () => {
  const broker = await startDurable();
  const away = await broker.connect({ clientId: 'away' });
  await away.subscribe(['t']);
  await away.disconnect();
  const publisher = await publisherOf(broker);
  await publisher.publish({ topic: 't', payload: 'x'.repeat(500), qos: 1 });
  await publisher.publish({ topic: 't', payload: 'fits', qos: 1 });
  await broker.restart('crash');
  const back = await broker.connect({ clientId: 'away', properties: [[P.maximumPacketSize, 100]] });
  expect(await take(back, 1)).toEqual(['fits']);
  await back.disconnect();
  await broker.restart('crash');
  await (await broker.connect({ clientId: 'away' })).quiet();
});
