/** Delay and deduplication over the end of a broker. */
import { describe, expect, test } from 'vitest';
import { property } from '../../support/raw-client.ts';
import type * as wire from '../../support/wire.ts';
import { P } from '../../support/wire.ts';
import { type DurableBroker, ENDS, publisherOf, startDurable, take } from './broker.ts';

const SECOND = 1000;

/** A durable subscriber, away. */
async function subscriber(broker: DurableBroker, filter: wire.Filter): Promise<void> {
  const client = await broker.connect({ clientId: 'c' });
  await client.subscribe([filter]);
  await client.disconnect();
}

describe.each(ENDS)('delay, around a %s', (end) => {
  test('a message comes when its time has come, with what is left of its expiry', async () => {
    const broker = await startDurable();
    await subscriber(broker, { filter: 't/#', qos: 2 });
    const publisher = await publisherOf(broker);
    await publisher.publish({ topic: '$delayed/20/t/topic', payload: 'by topic', qos: 2 });
    const properties = [
      [P.userProperty, ['robustmq-delay', '10']],
      [P.userProperty, ['own', 'kept']],
      [P.messageExpiry, 60],
    ] as const;
    await publisher.publish({ topic: 't/property', payload: 'by property', qos: 1, properties });
    await broker.advance(SECOND);
    await broker.restart(end, 5 * SECOND);
    const early = await broker.connect({ clientId: 'c' });
    await early.quiet();
    await broker.advance(5 * SECOND);
    const first = await early.message();
    expect(first).toMatchObject({ topic: 't/property', qos: 1, retain: false });
    expect(first.properties.filter(([id]) => id !== P.messageExpiry)).toEqual([
      [P.userProperty, ['own', 'kept']],
    ]);
    // It comes due within the second that passes, and goes out when it is written down.
    expect([49, 50]).toContain(property(first, P.messageExpiry));
    await early.quiet();
    await early.disconnect();
    await broker.restart(end, 20 * SECOND);
    await broker.advance(SECOND);
    const late = await broker.connect({ clientId: 'c' });
    expect(await late.message()).toMatchObject({ topic: 't/topic', qos: 2 });
    await broker.restart(end, 20 * SECOND);
    await broker.advance(SECOND);
    await (await broker.connect({ clientId: 'c' })).quiet();
  });

  test('what comes due in one moment comes in the order in which it came', async () => {
    const broker = await startDurable();
    await subscriber(broker, { filter: 't', qos: 1 });
    const publisher = await publisherOf(broker);
    const names = Array.from({ length: 20 }, (_, i) => `${i}`);
    for (const payload of names) await publisher.publish({ topic: '$delayed/10/t', payload, qos: 1 });
    await publisher.publish({ topic: '$delayed/5/t', payload: 'sooner', qos: 1 });
    await broker.restart(end, 60 * SECOND);
    await broker.advance(SECOND);
    const back = await broker.connect({ clientId: 'c' });
    expect(await take(back, 21)).toEqual(['sooner', ...names]);
  });

  test('No Local and RETAIN count when it comes', async () => {
    const broker = await startDurable();
    const self = await broker.connect({ clientId: 'self' });
    await self.subscribe([{ filter: 't', qos: 1, noLocal: true }]);
    await self.publish({ topic: '$delayed/10/t', payload: 'x', qos: 1, retain: true });
    await broker.restart(end, 20 * SECOND);
    await broker.advance(SECOND);
    await (await broker.connect({ clientId: 'self' })).quiet();
    const other = await broker.connect({ clientId: 'other' });
    await other.subscribe(['t']);
    expect(await other.message()).toMatchObject({ retain: true, topic: 't' });
  });

  test('a message that expires before its time never comes', async () => {
    const broker = await startDurable();
    await subscriber(broker, { filter: 't', qos: 1 });
    const publisher = await publisherOf(broker);
    for (const [payload, seconds] of [
      ['expires', 8],
      ['lives', 100],
    ] as const) {
      const properties = [[P.messageExpiry, seconds]] as const;
      await publisher.publish({ topic: '$delayed/10/t', payload, qos: 1, properties });
    }
    expect(await publisher.publish({ topic: '$delayed/x/t', payload: 'bad', qos: 1 })).toBe(0x90);
    await broker.restart(end, 5 * SECOND);
    await broker.advance(6 * SECOND);
    const back = await broker.connect({ clientId: 'c' });
    expect(await take(back, 1)).toEqual(['lives']);
    await back.quiet();
  });
});

describe.each(ENDS)('deduplication, around a %s', (end) => {
  const settings = { 'deduplication.userProperty': 'id' };
  const identified = (id: string): wire.Properties => [[P.userProperty, ['id', id]]];

  test('an identifier that was seen is known, as long as its window lasts', async () => {
    const broker = await startDurable({ settings: { ...settings, 'deduplication.window': '60s' } });
    await subscriber(broker, { filter: '#', qos: 2 });
    const send = async (topic: string, payload: string, id: string, qos: number): Promise<number> =>
      (await publisherOf(broker)).publish({ topic, payload, qos, properties: identified(id) });
    for (const qos of [0, 1, 2]) {
      expect(await send('t', `first ${qos}`, `id${qos}`, qos)).toBe(0);
      expect(await send('t', 'again', `id${qos}`, 1)).toBe(0);
    }
    await broker.restart(end, 10 * SECOND);
    for (const id of ['id1', 'id2']) {
      expect(await send('t', 'again', id, 1)).toBe(0);
      expect(await send('t', 'again', id, 2)).toBe(0);
    }
    expect(await send('u', 'other topic', 'id1', 1)).toBe(0);
    await broker.restart(end, 60 * SECOND);
    expect(await send('t', 'after the window', 'id1', 1)).toBe(0);
    const back = await broker.connect({ clientId: 'c' });
    expect(await take(back, 4)).toEqual(['first 1', 'first 2', 'other topic', 'after the window']);
    await back.quiet();
  });

  test('a delayed message is known from when it was taken, not from when it comes', async () => {
    const broker = await startDurable({ settings });
    await subscriber(broker, { filter: 't', qos: 2 });
    const send = async (topic: string, payload: string): Promise<number> =>
      (await publisherOf(broker)).publish({ topic, payload, qos: 2, properties: identified('1') });
    expect(await send('$delayed/30/t', 'first')).toBe(0);
    expect(await send('$delayed/30/t', 'again')).toBe(0);
    await broker.restart(end, 10 * SECOND);
    expect(await send('$delayed/5/t', 'again, after the end')).toBe(0);
    expect(await send('t', 'again, at once')).toBe(0);
    await broker.advance(30 * SECOND);
    const back = await broker.connect({ clientId: 'c' });
    expect(await take(back, 1)).toEqual(['first']);
    await back.quiet();
  });

  test('identifiers of clients are their own where the configuration says so', async () => {
    const broker = await startDurable({ settings: { ...settings, 'deduplication.scope': 'client' } });
    await subscriber(broker, { filter: '#', qos: 2 });
    for (let life = 0; life < 2; life++) {
      for (const clientId of ['a', 'b']) {
        const publisher = await publisherOf(broker, clientId);
        await publisher.publish({
          topic: `t/${life}`,
          payload: clientId,
          qos: 1,
          properties: identified('1'),
        });
      }
      await broker.restart(end);
    }
    const back = await broker.connect({ clientId: 'c' });
    expect(await take(back, 2)).toEqual(['a', 'b']);
    await back.quiet();
  });
});
