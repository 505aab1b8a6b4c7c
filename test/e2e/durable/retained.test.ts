/** Retained messages over the end of a broker. */
import { describe, expect, test } from 'vitest';
import { property, type RawClient } from '../../support/raw-client.ts';
import { P } from '../../support/wire.ts';
import { type DurableBroker, ENDS, publisherOf, startDurable, take } from './broker.ts';

const SECOND = 1000;

async function reader(broker: DurableBroker): Promise<RawClient> {
  return broker.connect({ clientId: 'reader', clean: true, expiry: 0 });
}

/** `topic=payload` of all retained messages that match, sorted. */
async function retained(broker: DurableBroker, filter: string): Promise<string[]> {
  const client = await reader(broker);
  await client.subscribe([{ filter, qos: 2 }]);
  const found: string[] = [];
  for (const packet of await client.barrier()) {
    if (packet.type !== 'publish') continue;
    expect(packet.retain).toBe(true);
    found.push(`${packet.topic}=${packet.payload.toString()}`);
  }
  await client.disconnect();
  return found.sort();
}

describe.each(ENDS)('after a %s', (end) => {
  test('the last message of each topic is there, and what was removed is not', async () => {
    const broker = await startDurable();
    const publisher = await publisherOf(broker);
    const set = (topic: string, payload: string, qos: number): Promise<number> =>
      publisher.publish({ topic, payload, qos, retain: true });
    for (const [i, qos] of [0, 1, 2].entries()) {
      await set(`r/${i}`, 'old', qos);
      await set(`r/${i}`, `new${i}`, qos);
      await set(`gone/${i}`, 'x', qos);
      await set(`gone/${i}`, '', qos);
    }
    await publisher.publish({ topic: 'r/1', payload: 'not retained', qos: 1 });
    await broker.restart(end);
    const expected = ['r/0=new0', 'r/1=new1', 'r/2=new2'];
    expect(await retained(broker, '#')).toEqual(expected);
    await (await publisherOf(broker)).publish({ topic: 'r/0', payload: '', qos: 1, retain: true });
    await broker.restart(end);
    expect(await retained(broker, '#')).toEqual(expected.slice(1));
  });

  test('properties stay, and the message expiry interval goes on', async () => {
    const broker = await startDurable();
    const publisher = await publisherOf(broker);
    const properties = [
      [P.contentType, 'text/plain'],
      [P.userProperty, ['k', 'v']],
    ] as const;
    for (const [topic, seconds] of [
      ['r/short', 20],
      ['r/long', 100],
    ] as const) {
      const list = [...properties, [P.messageExpiry, seconds]] as const;
      await publisher.publish({ topic, payload: 'x', qos: 1, retain: true, properties: list });
    }
    await broker.advance(5 * SECOND);
    await broker.restart(end, 15 * SECOND);
    const client = await reader(broker);
    await client.subscribe([{ filter: 'r/#', qos: 1 }]);
    const message = await client.message();
    expect(message).toMatchObject({ topic: 'r/long', qos: 1, retain: true });
    expect(message.properties.filter(([id]) => id !== P.messageExpiry)).toEqual(properties);
    expect(property(message, P.messageExpiry)).toBe(80);
    await client.quiet();
  });

  test('No Local spares the client that published, and nobody else', async () => {
    const broker = await startDurable();
    for (const clientId of ['durable', 'fleeting', 'other']) {
      const lasts = clientId === 'durable' ? {} : { clean: true, expiry: 0 };
      const client = await broker.connect({ clientId, ...lasts });
      await client.publish({ topic: `r/${clientId}`, payload: 'x', qos: 1, retain: true });
      await client.disconnect();
    }
    await broker.restart(end);
    // Whoever is numbered as the publishers were.
    for (let n = 0; n < 5; n++) await broker.connect({ clientId: `new${n}`, clean: true, expiry: 0 });
    const heard = async (clientId: string): Promise<string[]> => {
      const client = await broker.connect({ clientId });
      await client.subscribe([{ filter: 'r/#', qos: 0, noLocal: true }]);
      const packets = await client.barrier();
      await client.disconnect();
      return packets.map((packet) => (packet.type === 'publish' ? packet.topic : packet.type)).sort();
    };
    const all = ['r/durable', 'r/fleeting', 'r/other'];
    for (const own of ['durable', 'fleeting', 'other']) {
      expect(await heard(own)).toEqual(all.filter((topic) => topic !== `r/${own}`));
    }
    for (let n = 5; n < 10; n++) expect(await heard(`new${n}`)).toEqual(all);
  });

  test('a durable session has the retained messages of its subscription, though it was away', async () => {
    const broker = await startDurable();
    const publisher = await publisherOf(broker);
    for (let n = 0; n < 5; n++) {
      await publisher.publish({ topic: `r/${n}`, payload: `${n}`, qos: 1, retain: true });
    }
    const client = await broker.connect({ clientId: 'c' });
    await client.subscribe([{ filter: 'r/#', qos: 1 }]);
    for (let n = 0; n < 5; n++) await client.expect('publish');
    await client.barrier();
    await broker.restart(end);
    const back = await broker.connect({ clientId: 'c' });
    const again: string[] = [];
    for (let n = 0; n < 5; n++) {
      const message = await back.message();
      expect(message).toMatchObject({ retain: true, dup: true });
      again.push(message.payload.toString());
    }
    expect(again.sort()).toEqual(['0', '1', '2', '3', '4']);
    await back.quiet();
  });

  test('what was retained in one life is replaced, and removed, in the next', async () => {
    const broker = await startDurable();
    const publisher = await publisherOf(broker);
    for (let n = 0; n < 300; n++) {
      await publisher.publish({ topic: `many/${n}`, payload: 'first', qos: 0, retain: true });
    }
    await publisher.publish({ topic: 'many/last', payload: 'first', qos: 1, retain: true });
    await broker.restart(end);
    const next = await publisherOf(broker);
    for (let n = 0; n < 300; n += 3) await next.publish({ topic: `many/${n}`, payload: '', retain: true });
    for (let n = 1; n < 300; n += 3)
      await next.publish({ topic: `many/${n}`, payload: 'second', retain: true });
    await next.publish({ topic: 'many/last', payload: 'second', qos: 1, retain: true });
    await broker.restart(end);
    const found = await retained(broker, 'many/#');
    expect(found.filter((each) => each.endsWith('=second')).length).toBe(101);
    expect(found.filter((each) => each.endsWith('=first')).length).toBe(100);
  });

  test('topics that the configuration keeps in memory lose theirs, and only they', async () => {
    const broker = await startDurable({ yaml: 'topics: [{ match: "v/#", storage: memory }]' });
    const publisher = await publisherOf(broker);
    await publisher.publish({ topic: 'v/1', payload: 'x', qos: 1, retain: true });
    await publisher.publish({ topic: 'k/1', payload: 'x', qos: 1, retain: true });
    const client = await broker.connect({ clientId: 'c' });
    await client.subscribe([{ filter: '+/+', qos: 1, retainHandling: 2 }]);
    await client.disconnect();
    await publisher.publish({ topic: 'v/2', payload: 'lost', qos: 1 });
    await publisher.publish({ topic: 'k/2', payload: 'kept', qos: 1 });
    await broker.restart(end);
    expect(await retained(broker, '#')).toEqual(['k/1=x']);
    const back = await broker.connect({ clientId: 'c' });
    expect(back.connack?.sessionPresent).toBe(true);
    expect(await take(back, 1)).toEqual(['kept']);
    await back.quiet();
  });
});
