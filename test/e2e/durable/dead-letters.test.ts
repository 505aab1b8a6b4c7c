/** Dead letters of messages that waited on disk: why, from where and for whom, whatever ends in between. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { type PacketOf, propertyList, type RawClient } from '../../support/raw-client.ts';
import * as wire from '../../support/wire.ts';
import { P } from '../../support/wire.ts';
import { type DurableBroker, ENDS, publisherOf, startDurable, take } from './broker.ts';

const settings = { 'deadLetter.topic': 'dead/{client}/{topic}' };

/** A durable subscriber of dead letters, away. */
async function undertaker(broker: DurableBroker): Promise<void> {
  const client = await broker.connect({ clientId: 'undertaker' });
  await client.subscribe([{ filter: 'dead/#', qos: 2 }]);
  await client.disconnect();
}

async function letters(broker: DurableBroker, count: number): Promise<PacketOf<'publish'>[]> {
  const client = await broker.connect({ clientId: 'undertaker' });
  const got = [];
  for (let n = 0; n < count; n++) got.push(await client.message());
  await client.quiet();
  await client.disconnect();
  return got;
}

/** User properties by name; those of the original are lists of their own. */
function story(letter: PacketOf<'publish'>): Record<string, string> {
  const pairs = propertyList(letter, P.userProperty) as (readonly [string, string])[];
  return Object.fromEntries(pairs.map(([name, value]) => [name.replace('dead-letter-', ''), value]));
}

async function subscriber(broker: DurableBroker, clientId: string, filter = 't/#'): Promise<RawClient> {
  const client = await broker.connect({ clientId });
  await client.subscribe([{ filter, qos: 2 }]);
  return client;
}

describe.each(ENDS)('around a %s', (end) => {
  test('expired in the queue of a session', async () => {
    const broker = await startDurable({ settings });
    await undertaker(broker);
    await (await subscriber(broker, 'c')).disconnect();
    const publisher = await publisherOf(broker);
    const properties = [
      [P.messageExpiry, 10],
      [P.contentType, 'text/plain'],
      [P.userProperty, ['own', 'kept']],
    ] as const;
    await publisher.publish({ topic: 't/1', payload: 'late', qos: 2, properties });
    await publisher.publish({ topic: 't/2', payload: 'in time', qos: 1 });
    await broker.restart(end, 20_000);
    const back = await broker.connect({ clientId: 'c' });
    expect(await take(back, 1)).toEqual(['in time']);
    await back.quiet();
    await broker.restart(end);
    const [letter] = await letters(broker, 1);
    expect(letter).toMatchObject({
      topic: 'dead/c/t/1',
      qos: 2,
      retain: false,
      payload: Buffer.from('late'),
    });
    expect(letter?.properties).toContainEqual([P.contentType, 'text/plain']);
    expect(letter?.properties.some(([id]) => id === P.messageExpiry)).toBe(false);
    const { time, ...rest } = story(letter as PacketOf<'publish'>);
    expect(rest).toEqual({ own: 'kept', reason: 'expired', topic: 't/1', client: 'c', count: '1' });
    expect(new Date(time ?? '').toISOString()).toBe(time);
    await (await broker.connect({ clientId: 'c' })).quiet();
  });

  test('rejected by the subscriber', async () => {
    const broker = await startDurable({ settings });
    await undertaker(broker);
    await (await subscriber(broker, 'c')).disconnect();
    const publisher = await publisherOf(broker);
    for (const qos of [1, 2]) await publisher.publish({ topic: `t/${qos}`, payload: 'bad', qos });
    await broker.restart(end);
    const back = await broker.connect({ clientId: 'c' });
    const one = await back.expect('publish');
    const two = await back.expect('publish');
    back.send(wire.ack('puback', one.packetId, 0x83), wire.ack('pubrec', two.packetId, 0x97));
    await back.quiet();
    await broker.restart(end);
    await (await broker.connect({ clientId: 'c' })).quiet();
    const got = await letters(broker, 2);
    expect(got.map(({ topic }) => topic)).toEqual(['dead/c/t/1', 'dead/c/t/2']);
    for (const letter of got) expect(story(letter)).toMatchObject({ reason: 'rejected', deliveries: '1' });
  });

  test('delivered as often as may be', async () => {
    const broker = await startDurable({ settings: { ...settings, 'deadLetter.deliveryLimit': 2 } });
    await undertaker(broker);
    const first = await subscriber(broker, 'c');
    await (await publisherOf(broker)).publish({ topic: 't/1', payload: 'stubborn', qos: 1 });
    await first.expect('publish');
    await first.barrier();
    await broker.restart(end);
    const second = await broker.connect({ clientId: 'c' });
    expect(await second.expect('publish')).toMatchObject({ dup: true });
    await second.barrier();
    await broker.restart(end);
    const third = await broker.connect({ clientId: 'c' });
    await third.quiet();
    const [letter] = await letters(broker, 1);
    expect(story(letter as PacketOf<'publish'>)).toMatchObject({ reason: 'delivery-limit', deliveries: '2' });
    await broker.restart(end);
    await (await broker.connect({ clientId: 'c' })).quiet();
    expect(await letters(broker, 0)).toEqual([]);
  });

  test.each(['drop-oldest', 'drop-newest'] as const)('overflow with %s', async (overflow) => {
    const queue = { 'mqtt.queue.maxMessages': 4, 'mqtt.queue.overflow': overflow };
    const broker = await startDurable({ settings: { ...settings, ...queue } });
    const watcher = await broker.connect({ clientId: 'watcher', clean: true, expiry: 0 });
    await watcher.subscribe([{ filter: 'dead/#', qos: 1 }]);
    await (await subscriber(broker, 'c')).disconnect();
    const send = async (from: number, to: number): Promise<void> => {
      const publisher = await publisherOf(broker);
      for (let n = from; n < to; n++) await publisher.publish({ topic: `t/${n}`, payload: `${n}`, qos: 1 });
    };
    await send(0, 4);
    await broker.restart(end);
    const again = await broker.connect({ clientId: 'watcher', clean: true, expiry: 0 });
    await again.subscribe([{ filter: 'dead/#', qos: 1 }]);
    await send(4, 7);
    const dead = [await again.message(), await again.message(), await again.message()];
    expect(story(dead[0] as PacketOf<'publish'>)).toMatchObject({ reason: 'overflow', client: 'c' });
    const oldest = overflow === 'drop-oldest';
    expect(dead.map(({ topic }) => topic).sort()).toEqual(
      (oldest ? ['0', '1', '2'] : ['4', '5', '6']).map((name) => `dead/c/t/${name}`),
    );
    await broker.restart(end);
    const back = await broker.connect({ clientId: 'c' });
    expect(await take(back, 4)).toEqual(oldest ? ['3', '4', '5', '6'] : ['0', '1', '2', '3']);
    await back.quiet();
  });

  test('expired, and given up, in the queue of a shared group', async () => {
    const queue = { 'mqtt.queue.maxMessages': 3 };
    const broker = await startDurable({ settings: { 'deadLetter.topic': 'dead/{topic}', ...queue } });
    await undertaker(broker);
    await (await subscriber(broker, 'member', '$share/g/t/#')).disconnect();
    const publisher = await publisherOf(broker);
    await publisher.publish({ topic: 't/0', payload: '0', qos: 1 });
    await publisher.publish({ topic: 't/1', payload: '1', qos: 1, properties: [[P.messageExpiry, 10]] });
    await publisher.publish({ topic: 't/2', payload: '2', qos: 1 });
    await broker.restart(end, 20_000);
    await (await publisherOf(broker)).publish({ topic: 't/3', payload: '3', qos: 1 });
    await broker.restart(end);
    const back = await broker.connect({ clientId: 'member' });
    expect(await take(back, 2)).toEqual(['2', '3']);
    await back.quiet();
    await broker.restart(end);
    const got = await letters(broker, 2);
    const told = got.map((letter) => story(letter));
    expect(told).toMatchObject([
      { reason: 'overflow', topic: 't/0', group: 'g', client: '' },
      { reason: 'expired', topic: 't/1', group: 'g', client: '' },
    ]);
  });

  test('a delivery that came through a shared group names the group', async () => {
    const broker = await startDurable({ settings });
    await undertaker(broker);
    const member = await subscriber(broker, 'member', '$share/g/t/#');
    await (await publisherOf(broker)).publish({ topic: 't/0', payload: 'x', qos: 1 });
    const { packetId } = await member.expect('publish');
    member.send(wire.ack('puback', packetId, 0x80));
    await member.quiet();
    await broker.restart(end);
    const [letter] = await letters(broker, 1);
    const told = { reason: 'rejected', group: 'g', client: 'member' };
    expect(story(letter as PacketOf<'publish'>)).toMatchObject(told);
  });

  test('nothing is read back, and nothing waits, where no dead letters are wanted', async () => {
    const broker = await startDurable({ settings: { 'mqtt.queue.maxMessages': 2 } });
    await (await subscriber(broker, 'c')).disconnect();
    const publisher = await publisherOf(broker);
    await publisher.publish({ topic: 't/0', payload: '0', qos: 1 });
    await publisher.publish({ topic: 't/1', payload: '1', qos: 1, properties: [[P.messageExpiry, 5]] });
    await broker.restart(end, 10_000);
    await (await publisherOf(broker)).publish({ topic: 't/2', payload: '2', qos: 1 });
    await broker.restart(end);
    const back = await broker.connect({ clientId: 'c' });
    expect(await take(back, 1)).toEqual(['2']);
    await back.quiet();
  });
});

interface Moment {
  /** For the subscriber, of all that it was ever given. */
  readonly waiting: number;
  readonly given: number;
  readonly dead: number;
}

/** What a broker finds that starts on what the disk had. */
async function findIn(copyOf: string): Promise<Moment> {
  const broker = await startDurable({ settings, copyOf });
  const { sessions } = broker.node.mqtt.context;
  const queueOf = (clientId: string) => sessions.get(clientId)?.durable?.queue;
  const [own, letters] = [queueOf('c'), queueOf('undertaker')];
  const found = { waiting: own?.length ?? -1, given: (own?.end ?? 0) - 1, dead: letters?.length ?? -1 };
  await broker.stop();
  return found;
}

/** What the disk had after each write, until the dead letter was there. */
async function momentsOf(broker: DurableBroker): Promise<Moment[]> {
  const { log } = broker.node.mqtt.context.durable;
  const journal = join(broker.dataDir, 'journal');
  const written = (): string => {
    const hash = createHash('sha256');
    for (const entry of readdirSync(journal, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) hash.update(readFileSync(join(entry.parentPath, entry.name)));
    }
    return hash.digest('hex');
  };
  const copies: string[] = [];
  let last = '';
  for (let after = 0; after < 20; ) {
    await nextTurn();
    if (broker.node.mqtt.counters.deadLetters > 0) after++;
    const now = written();
    if (now === last) continue;
    last = now;
    copies.push(broker.copy());
  }
  await log.drained();
  copies.push(broker.copy());
  const found: Moment[] = [];
  for (const copy of copies) found.push(await findIn(copy));
  return found;
}

describe('in every moment a message waits where it was, or is a dead letter', () => {
  test('when it is rejected', async () => {
    const broker = await startDurable({ settings });
    await undertaker(broker);
    await (await subscriber(broker, 'c')).disconnect();
    await (await publisherOf(broker)).publish({ topic: 't/1', payload: 'x', qos: 1 });
    await broker.restart('crash');
    const back = await broker.connect({ clientId: 'c' });
    const { packetId } = await back.expect('publish');
    back.send(wire.ack('puback', packetId, 0x83));
    const moments = await momentsOf(broker);
    for (const { waiting, dead, given } of moments) expect(waiting + dead).toBe(given);
    expect(moments.at(-1)).toEqual({ waiting: 0, given: 1, dead: 1 });
  }, 60_000);

  test('when it makes room', async () => {
    const few = { ...settings, 'mqtt.queue.maxMessages': 2 };
    const broker = await startDurable({ settings: few });
    await undertaker(broker);
    await (await subscriber(broker, 'c')).disconnect();
    const publisher = await publisherOf(broker);
    for (const payload of ['first', 'second']) await publisher.publish({ topic: 't/1', payload, qos: 1 });
    // Its body has to be read back when it is given up: nobody asked for it since the start.
    await broker.restart('crash');
    const again = await publisherOf(broker);
    again.send(wire.publish({ topic: 't/1', payload: 'third', qos: 1, packetId: 1 }));
    const moments = await momentsOf(broker);
    for (const { waiting, dead, given } of moments) expect(waiting + dead).toBe(given);
    expect(moments.at(-1)).toEqual({ waiting: 2, given: 3, dead: 1 });
  }, 60_000);
});

test('a flood into a full queue on disk: each message waits or is a dead letter, once', async () => {
  const count = 1500;
  const broker = await startDurable({ settings: { ...settings, 'mqtt.queue.maxMessages': count } });
  await undertaker(broker);
  await (await subscriber(broker, 'c')).disconnect();
  const flood = async (from: number, to: number): Promise<void> => {
    const publisher = await publisherOf(broker);
    const packets: Buffer[] = [];
    for (let n = from; n < to; n++) {
      packets.push(wire.publish({ topic: 't/x', payload: `${n}`, qos: 1, packetId: n - from + 1 }));
    }
    publisher.send(...packets);
    for (let n = from; n < to; n++) await publisher.expect('puback');
  };
  await flood(0, count);
  await broker.restart('crash');
  // More than may be leaving at a time: beyond that the new ones are given up, whose bodies need not be read.
  await flood(count, 2 * count - 100);
  const got = [...(await take(await broker.connect({ clientId: 'c' }), count))];
  for (const letter of await letters(broker, count - 100)) got.push(letter.payload.toString());
  const all = Array.from({ length: 2 * count - 100 }, (_, i) => `${i}`);
  expect(got.sort()).toEqual(all.sort());
}, 60_000);

test('a dead letter that dies where it was put is given up', async () => {
  const broker = await startDurable({ settings: { 'deadLetter.topic': 'dead' } });
  const client = await subscriber(broker, 'c', '#');
  await (await publisherOf(broker)).publish({ topic: 't', payload: 'x', qos: 1 });
  const original = await client.expect('publish');
  client.send(wire.ack('puback', original.packetId, 0x80));
  const letter = await client.expect('publish');
  expect(letter.topic).toBe('dead');
  client.send(wire.ack('puback', letter.packetId, 0x80));
  await client.quiet();
  await broker.restart('crash');
  await (await broker.connect({ clientId: 'c' })).quiet();
});
