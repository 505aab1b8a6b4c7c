/** Shared subscriptions whose members outlive the broker. */
import { describe, expect, test } from 'vitest';
import type { RawClient } from '../../support/raw-client.ts';
import * as wire from '../../support/wire.ts';
import { P } from '../../support/wire.ts';
import { type DurableBroker, ENDS, publisherOf, startDurable, take } from './broker.ts';

const FILTER = '$share/g/s/#';
const names = (count: number, prefix = 'm'): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);

async function member(broker: DurableBroker, clientId: string, properties: wire.Properties = []) {
  const client = await broker.connect({ clientId, properties });
  if (client.connack?.sessionPresent !== true) await client.subscribe([{ filter: FILTER, qos: 2 }]);
  return client;
}

async function publish(broker: DurableBroker, payloads: readonly string[]): Promise<void> {
  const publisher = await publisherOf(broker);
  for (const [i, payload] of payloads.entries()) {
    await publisher.publish({ topic: `s/${i}`, payload, qos: i % 2 === 0 ? 1 : 2 });
  }
}

/** All that comes, acknowledged. */
async function all(client: RawClient): Promise<string[]> {
  const got: string[] = [];
  for (;;) {
    const packets = await client.barrier();
    const messages = packets.filter((packet) => packet.type === 'publish');
    if (messages.length === 0) return got;
    for (const message of messages) {
      got.push(message.payload.toString());
      await client.complete(message);
    }
  }
}

describe.each(ENDS)('after a %s', (end) => {
  test('what came while all members were away is there for the first that is back', async () => {
    const broker = await startDurable();
    await (await member(broker, 'one')).disconnect();
    await (await member(broker, 'two')).disconnect();
    await publish(broker, names(6));
    await broker.restart(end);
    await publish(broker, names(2, 'later'));
    const two = await member(broker, 'two');
    expect(await take(two, 8)).toEqual([...names(6), ...names(2, 'later')]);
    await (await member(broker, 'one')).quiet();
    await broker.restart(end);
    for (const clientId of ['one', 'two']) await (await member(broker, clientId)).quiet();
  });

  test('each message goes to one member, before and after', async () => {
    const broker = await startDurable();
    for (const clientId of ['one', 'two', 'three']) await member(broker, clientId);
    await broker.restart(end);
    const members = [];
    for (const clientId of ['one', 'two', 'three']) members.push(await member(broker, clientId));
    await publish(broker, names(30));
    const got = [];
    for (const client of members) got.push(await all(client));
    expect(got.flat().sort()).toEqual(names(30).sort());
    for (const own of got) expect(own.length).toBeGreaterThan(0);
  });

  test('what a member has in flight is that member’s, and comes again there', async () => {
    const broker = await startDurable();
    const one = await member(broker, 'one');
    await publish(broker, names(4));
    const first = [];
    for (let n = 0; n < 4; n++) first.push(await one.expect('publish'));
    await one.barrier();
    await broker.restart(end);
    await (await member(broker, 'two')).quiet();
    const back = await member(broker, 'one');
    for (const { packetId, payload } of first) {
      expect(await back.message()).toMatchObject({ packetId, payload, dup: true });
    }
    await back.quiet();
  });

  test('a member whose session ends leaves what it owes to the others', async () => {
    const broker = await startDurable();
    const one = await member(broker, 'one', [[P.receiveMaximum, 2]]);
    await publish(broker, names(6));
    const seen = await one.barrier();
    expect(seen.filter(({ type }) => type === 'publish')).toHaveLength(2);
    await broker.restart(end);
    await (await broker.connect({ clientId: 'one', clean: true })).disconnect();
    const two = await member(broker, 'two');
    // Nobody was a member when the first one ended: then nobody is owed anything.
    await two.quiet();
    const three = await member(broker, 'three', [[P.receiveMaximum, 3]]);
    await two.disconnect();
    await publish(broker, names(5, 'n'));
    await three.barrier();
    await broker.restart(end);
    const ended = await broker.connect({ clientId: 'three', expiry: 0 });
    await ended.disconnect();
    expect((await all(await member(broker, 'two'))).sort()).toEqual(names(5, 'n'));
  });

  test('a member that ends with its connection gives back what it did not acknowledge', async () => {
    const broker = await startDurable();
    await (await member(broker, 'durable')).disconnect();
    const fleeting = await broker.connect({ clientId: 'fleeting', clean: true, expiry: 0 });
    await fleeting.subscribe([{ filter: FILTER, qos: 1 }]);
    await publish(broker, names(4));
    const given = [];
    for (let n = 0; n < 4; n++) given.push(await fleeting.expect('publish'));
    for (const { packetId } of given.slice(0, 2)) fleeting.send(wire.ack('puback', packetId));
    await broker.restart(end);
    expect(await all(await member(broker, 'durable'))).toEqual(names(4).slice(2));
  });

  test('a group without members keeps nothing', async () => {
    const broker = await startDurable();
    const one = await member(broker, 'one');
    await one.disconnect();
    await publish(broker, names(3));
    await (await member(broker, 'one')).unsubscribe([FILTER]);
    await publish(broker, names(3, 'nobody'));
    await broker.restart(end);
    const back = await broker.connect({ clientId: 'one' });
    const before = await all(back);
    // What it was given before it left stays its own.
    expect(before.every((name) => names(3).includes(name))).toBe(true);
    await back.subscribe([{ filter: FILTER, qos: 1 }]);
    await back.quiet();
  });

  test('messages of a group expire while it waits', async () => {
    const broker = await startDurable();
    await (await member(broker, 'one')).disconnect();
    const publisher = await publisherOf(broker);
    await publisher.publish({ topic: 's/1', payload: 'short', qos: 1, properties: [[P.messageExpiry, 10]] });
    await publisher.publish({ topic: 's/2', payload: 'long', qos: 1, properties: [[P.messageExpiry, 100]] });
    await broker.restart(end, 20_000);
    const back = await member(broker, 'one');
    const message = await back.message();
    expect(message.payload.toString()).toBe('long');
    expect(message.properties).toEqual([[P.messageExpiry, 80]]);
    await back.quiet();
  });

  test('the end of a session that expired meanwhile hands its messages on', async () => {
    const broker = await startDurable();
    const short = await broker.connect({ clientId: 'short', expiry: 5 });
    await short.subscribe([{ filter: FILTER, qos: 1 }]);
    await publish(broker, names(3));
    for (let n = 0; n < 3; n++) await short.expect('publish');
    await (await member(broker, 'long')).disconnect();
    await short.drop();
    await broker.advance(1000);
    await broker.restart(end, 10_000);
    await broker.advance(1000);
    expect((await all(await member(broker, 'long'))).sort()).toEqual(names(3));
  });
});
