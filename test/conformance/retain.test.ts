import { describe, expect, test } from 'vitest';
import { unique, useBroker } from '../support/broker.ts';
import { property, propertyList, type RawClient } from '../support/raw-client.ts';
import { P, type Version } from '../support/wire.ts';
import { deliver, pair, publishes } from './requests.ts';
import { statement } from './statement.ts';

const broker = useBroker();

async function retained(version: Version, topic: string, payload: string, qos = 1): Promise<RawClient> {
  const publisher = await broker.connect({ version });
  await publisher.publish({ topic, payload, qos, retain: true });
  return publisher;
}

describe('storing', () => {
  statement(
    '[MQTT-3.3.1-5] [3.1.1 MQTT-3.3.1-5] [3.1.1 MQTT-3.3.1-6] [3.1.1 MQTT-3.3.1-7] the last message with RETAIN is kept with its QoS',
    async ({ version }) => {
      const topic = unique('t');
      const publisher = await retained(version, topic, 'first', 2);
      for (const qos of [1, 0, 2]) {
        await publisher.publish({ topic, payload: `last ${qos}`, qos, retain: true });
        await publisher.barrier();
        const subscriber = await broker.connect({ version });
        await subscriber.subscribe([topic]);
        const got = await subscriber.message();
        expect(got).toMatchObject({ qos, retain: true, dup: false });
        expect(got.payload.toString()).toBe(`last ${qos}`);
        await subscriber.quiet();
      }
    },
  );

  statement(
    '[MQTT-3.3.1-6] [3.1.1 MQTT-3.3.1-10] an empty payload is forwarded and removes the retained message',
    async ({ version }) => {
      const both = await pair(broker, version);
      await both.publisher.publish({ topic: both.topic, payload: 'kept', qos: 1, retain: true });
      expect(await both.subscriber.message()).toMatchObject({ retain: false });
      await both.publisher.publish({ topic: both.topic, payload: '', qos: 1, retain: true });
      const got = await both.subscriber.message();
      expect(got).toMatchObject({ retain: false });
      expect(got.payload).toHaveLength(0);
      const late = await broker.connect({ version });
      await late.subscribe([both.topic]);
      await late.quiet();
    },
  );

  statement(
    '[MQTT-3.3.1-7] [3.1.1 MQTT-3.3.1-11] an empty retained message is not stored',
    async ({ version }) => {
      const topic = unique('t');
      await retained(version, topic, '');
      const late = await broker.connect({ version });
      await late.subscribe([topic]);
      await late.quiet();
    },
  );

  statement(
    '[MQTT-3.3.1-8] [3.1.1 MQTT-3.3.1-12] a message without RETAIN leaves the retained message alone',
    async ({ version }) => {
      const topic = unique('t');
      const publisher = await retained(version, topic, 'kept');
      for (let n = 0; n < 4; n++) await publisher.publish({ topic, payload: 'passing', qos: 1 });
      await publisher.publish({ topic, payload: '', qos: 1 });
      const late = await broker.connect({ version });
      await late.subscribe([topic]);
      expect((await late.message()).payload.toString()).toBe('kept');
      await late.quiet();
      const other = unique('t');
      await publisher.publish({ topic: other, payload: 'passing', qos: 1 });
      await late.subscribe([other]);
      await late.quiet();
    },
  );

  test('the retained message keeps its properties', async () => {
    const topic = unique('t');
    const publisher = await broker.connect();
    const list = [
      [P.contentType, 'a'],
      [P.userProperty, ['k', 'v']],
      [P.userProperty, ['k', 'w']],
    ] as const;
    await publisher.publish({ topic, payload: 'x', qos: 1, retain: true, properties: list });
    const late = await broker.connect();
    await late.subscribe([topic], [[P.subscriptionId, 4]]);
    const got = await late.message();
    expect(property(got, P.contentType)).toBe('a');
    expect(propertyList(got, P.userProperty)).toEqual([
      ['k', 'v'],
      ['k', 'w'],
    ]);
    expect(property(got, P.subscriptionId)).toBe(4);
  });
});

describe('sending on subscribe', () => {
  statement('[MQTT-3.3.1-9] Retain Handling 0 sends retained messages each time', async () => {
    const topic = unique('t');
    await retained(5, topic, 'kept');
    const client = await broker.connect();
    for (let n = 0; n < 3; n++) {
      await client.subscribe([{ filter: topic, qos: 1, retainHandling: 0 }]);
      expect((await client.message()).retain).toBe(true);
      await client.quiet();
    }
  });

  statement('[MQTT-3.3.1-10] Retain Handling 1 sends them for a new subscription only', async () => {
    const topic = unique('t');
    await retained(5, topic, 'kept');
    const client = await broker.connect();
    await client.subscribe([{ filter: topic, qos: 1, retainHandling: 1 }]);
    expect((await client.message()).retain).toBe(true);
    await client.subscribe([{ filter: topic, qos: 0, retainHandling: 1 }]);
    await client.quiet();
    await client.unsubscribe([topic]);
    await client.subscribe([{ filter: topic, qos: 1, retainHandling: 1 }]);
    expect((await client.message()).retain).toBe(true);
  });

  statement('[MQTT-3.3.1-11] Retain Handling 2 sends none', async () => {
    const topic = unique('t');
    await retained(5, topic, 'kept');
    const client = await broker.connect();
    await client.subscribe([{ filter: topic, qos: 1, retainHandling: 2 }]);
    await client.quiet();
  });

  statement(
    '[3.1.1 MQTT-3.3.1-6] a new subscription gets the retained message of each matching topic',
    async () => {
      const root = unique('t');
      for (const name of ['a', 'b', 'c/d', '']) await retained(4, `${root}/${name}`, 'kept');
      await retained(4, root, 'root');
      const client = await broker.connect({ version: 4 });
      await client.subscribe([`${root}/+`]);
      const plus = new Set(
        [await client.message(), await client.message(), await client.message()].map((p) => p.topic),
      );
      expect(plus).toEqual(new Set(['a', 'b', ''].map((name) => `${root}/${name}`)));
      await client.quiet();
      await client.subscribe([`${root}/#`]);
      for (let n = 0; n < 5; n++) expect((await client.message()).retain).toBe(true);
      await client.quiet();
    },
  );

  statement('[3.1.1 MQTT-3.3.1-8] a message sent because of a new subscription has RETAIN 1', async () => {
    const topic = unique('t');
    await retained(4, topic, 'kept');
    const client = await broker.connect({ version: 4 });
    await client.subscribe([topic]);
    expect((await client.message()).retain).toBe(true);
  });

  statement('[3.1.1 MQTT-3.3.1-9] a message sent to an established subscription has RETAIN 0', async () => {
    const both = await pair(broker, 4);
    for (const got of await deliver(both, { topic: both.topic, payload: 'x', qos: 1, retain: true }))
      expect(got.retain).toBe(false);
  });

  test('trap 23: every matching retained message comes, however many there are', async () => {
    const root = unique('t');
    const publisher = await broker.connect();
    const count = 3000;
    for (let n = 0; n < count; n++)
      await publisher.publish({ topic: `${root}/${n}`, payload: 'x', retain: true });
    await publisher.barrier();
    const client = await broker.connect();
    await client.subscribe([{ filter: `${root}/#`, qos: 0 }]);
    const seen = new Set<string>();
    while (seen.size < count) seen.add((await client.expect('publish')).topic);
    await client.quiet();
    for (let n = 0; n < count; n++) await publisher.publish({ topic: `${root}/${n}`, retain: true });
  });

  test('retained messages sent on subscribe obey the granted QoS', async () => {
    const topic = unique('t');
    await retained(5, topic, 'kept', 2);
    for (const qos of [0, 1, 2]) {
      const client = await broker.connect();
      await client.subscribe([{ filter: topic, qos }]);
      expect((await client.message()).qos).toBe(qos);
    }
  });
});

describe('Retain As Published', () => {
  statement('[MQTT-3.3.1-12] 0 clears RETAIN when forwarding', async () => {
    const both = await pair(broker, 5, { qos: 1, retainAsPublished: false });
    for (const retain of [true, false])
      for (const got of await deliver(both, { topic: both.topic, payload: 'x', qos: 1, retain }))
        expect(got.retain).toBe(false);
  });

  statement('[MQTT-3.3.1-13] 1 forwards RETAIN as it came', async () => {
    const both = await pair(broker, 5, { qos: 1, retainAsPublished: true });
    for (const retain of [true, false, true, false])
      for (const got of await deliver(both, { topic: both.topic, payload: 'x', qos: 1, retain }))
        expect(got.retain).toBe(retain);
  });

  test('subscribers with and without it get each their own', async () => {
    const topic = unique('t');
    const as = await broker.connect();
    await as.subscribe([{ filter: topic, qos: 0, retainAsPublished: true }]);
    const not = await broker.connect();
    await not.subscribe([{ filter: topic, qos: 0 }]);
    const publisher = await broker.connect();
    for (const retain of [true, false, true]) {
      await publisher.publish({ topic, payload: 'x', retain });
      expect((await as.message()).retain).toBe(retain);
      expect((await not.message()).retain).toBe(false);
    }
  });
});

test('defect 4: retained messages are not delivered with QoS 1 to a QoS 0 subscription, nor without RETAIN', async () => {
  const topic = unique('t');
  await retained(5, topic, 'kept', 0);
  const client = await broker.connect();
  await client.subscribe([{ filter: topic, qos: 2 }]);
  const got = publishes([await client.message(), ...(await client.barrier())]);
  expect(got.map((p) => [p.qos, p.retain])).toEqual([[0, true]]);
});
