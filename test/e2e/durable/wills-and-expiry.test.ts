/** What happens by itself, at its time, also when that passed while no broker ran: wills, expiry of sessions and messages. */
import { describe, expect, test } from 'vitest';
import { property, type RawClient } from '../../support/raw-client.ts';
import type * as wire from '../../support/wire.ts';
import { P } from '../../support/wire.ts';
import { type DurableBroker, ENDS, publisherOf, startDurable, take } from './broker.ts';

const SECOND = 1000;
const NEVER = 0xffffffff;

/** A durable subscriber that is away: it finds the wills when it comes back. */
async function watch(broker: DurableBroker): Promise<void> {
  const watcher = await broker.connect({ clientId: 'watcher', expiry: NEVER });
  await watcher.subscribe([{ filter: 'will/#', qos: 2 }]);
  await watcher.disconnect();
}

const watcherOf = (broker: DurableBroker): Promise<RawClient> =>
  broker.connect({ clientId: 'watcher', expiry: NEVER });

function mortal(
  broker: DurableBroker,
  clientId: string,
  expiry: number,
  properties: wire.Properties = [],
): Promise<RawClient> {
  const will = { topic: `will/${clientId}`, payload: clientId, qos: 1, properties };
  return broker.connect({ clientId, expiry, will });
}

describe.each(ENDS)('wills, after a %s', (end) => {
  test('the will of a client that was connected is published at the start, once', async () => {
    const broker = await startDurable();
    await watch(broker);
    await mortal(broker, 'plain', 100, [[P.userProperty, ['a', 'b']]]);
    await broker.restart(end);
    const watcher = await watcherOf(broker);
    const will = await watcher.message();
    expect(will).toMatchObject({ topic: Buffer.from('will/plain').toString(), qos: 1 });
    expect(will.properties).toEqual([[P.userProperty, ['a', 'b']]]);
    await broker.restart(end);
    await broker.advance(200 * SECOND);
    await (await watcherOf(broker)).quiet();
  });

  test('a delayed will waits for what is left of its delay', async () => {
    const broker = await startDurable();
    await watch(broker);
    await (await mortal(broker, 'slow', 100, [[P.willDelay, 20]])).drop();
    await broker.advance(5 * SECOND);
    await broker.restart(end, 5 * SECOND);
    await broker.advance(9 * SECOND);
    const watcher = await watcherOf(broker);
    await watcher.quiet();
    await broker.advance(2 * SECOND);
    expect(await take(watcher, 1)).toEqual(['slow']);
  });

  test('a delay that passed meanwhile has passed', async () => {
    const broker = await startDurable();
    await watch(broker);
    await (await mortal(broker, 'late', 100, [[P.willDelay, 20]])).drop();
    await broker.advance(SECOND);
    await broker.restart(end, 30 * SECOND);
    await broker.advance(SECOND);
    expect(await take(await watcherOf(broker), 1)).toEqual(['late']);
  });

  test('a client that comes back in time has no will', async () => {
    const broker = await startDurable();
    await watch(broker);
    await (await mortal(broker, 'back', 100, [[P.willDelay, 20]])).drop();
    await broker.advance(SECOND);
    await broker.restart(end, 5 * SECOND);
    const back = await broker.connect({ clientId: 'back', expiry: 100 });
    expect(back.connack?.sessionPresent).toBe(true);
    await broker.advance(30 * SECOND);
    await (await watcherOf(broker)).quiet();
    await broker.restart(end, 30 * SECOND);
    await broker.advance(30 * SECOND);
    await (await watcherOf(broker)).quiet();
  });

  test('a client that said goodbye has no will', async () => {
    const broker = await startDurable();
    await watch(broker);
    await (await mortal(broker, 'polite', 100)).disconnect();
    await (await mortal(broker, 'delayed', 100, [[P.willDelay, 10]])).disconnect();
    await broker.restart(end, 20 * SECOND);
    await broker.advance(100 * SECOND);
    await (await watcherOf(broker)).quiet();
  });

  test('the end of the session publishes a will that is delayed beyond it', async () => {
    const broker = await startDurable();
    await watch(broker);
    await (await mortal(broker, 'ends', 10, [[P.willDelay, 1000]])).drop();
    await broker.advance(SECOND);
    await broker.restart(end, 20 * SECOND);
    await broker.advance(SECOND);
    const watcher = await watcherOf(broker);
    expect(await take(watcher, 1)).toEqual(['ends']);
    expect((await broker.connect({ clientId: 'ends' })).connack?.sessionPresent).toBe(false);
    await broker.advance(1000 * SECOND);
    await watcher.quiet();
  });

  test('a retained will is retained, and its message expiry begins when it is published', async () => {
    const broker = await startDurable();
    const properties = [
      [P.willDelay, 20],
      [P.messageExpiry, 60],
    ] as const;
    const will = { topic: 'will/kept', payload: 'kept', qos: 2, retain: true, properties };
    await (await broker.connect({ clientId: 'c', expiry: 100, will })).drop();
    await broker.restart(end, 30 * SECOND);
    await broker.advance(SECOND);
    const reader = await broker.connect({ clientId: 'reader' });
    await reader.subscribe(['will/#']);
    const message = await reader.message();
    expect(message.retain).toBe(true);
    expect(property(message, P.messageExpiry)).toBeGreaterThan(57);
  });
});

describe.each(ENDS)('expiry, after a %s', (end) => {
  test('a message has the rest of its time left, and none is delivered after it', async () => {
    const broker = await startDurable();
    const away = await broker.connect({ clientId: 'away' });
    await away.subscribe(['t']);
    await away.disconnect();
    const publisher = await publisherOf(broker);
    for (const [payload, seconds] of [
      ['short', 20],
      ['long', 100],
    ] as const) {
      await publisher.publish({ topic: 't', payload, qos: 2, properties: [[P.messageExpiry, seconds]] });
    }
    await publisher.publish({ topic: 't', payload: 'endless', qos: 1 });
    await broker.advance(5 * SECOND);
    await broker.restart(end, 15 * SECOND);
    const back = await broker.connect({ clientId: 'away' });
    const message = await back.message();
    expect(message.payload.toString()).toBe('long');
    expect(property(message, P.messageExpiry)).toBe(80);
    const endless = await back.message();
    expect(endless.payload.toString()).toBe('endless');
    expect(endless.properties).toEqual([]);
    await back.quiet();
  });

  test('a message that was sent before it expired is repeated all the same', async () => {
    const broker = await startDurable();
    const client = await broker.connect({ clientId: 'c' });
    await client.subscribe(['t']);
    const publisher = await publisherOf(broker);
    await publisher.publish({ topic: 't', payload: 'x', qos: 1, properties: [[P.messageExpiry, 10]] });
    const { packetId } = await client.expect('publish');
    await client.barrier();
    await broker.restart(end, 20 * SECOND);
    const back = await broker.connect({ clientId: 'c' });
    expect(await back.message()).toMatchObject({ packetId, dup: true });
    await back.quiet();
  });

  test('a session that expired while no broker ran is gone at once', async () => {
    const broker = await startDurable();
    const client = await broker.connect({ clientId: 'c', expiry: 10 });
    await client.subscribe(['t']);
    await client.disconnect();
    await broker.advance(SECOND);
    await broker.restart(end, 10 * SECOND);
    const back = await broker.connect({ clientId: 'c', expiry: 10 });
    expect(back.connack?.sessionPresent).toBe(false);
    await (await publisherOf(broker)).publish({ topic: 't', payload: 'x', qos: 1 });
    await back.quiet();
  });

  test('a session that has not expired has the rest of its time', async () => {
    const broker = await startDurable();
    for (const clientId of ['returns', 'stays']) {
      await (await broker.connect({ clientId, expiry: 20 })).disconnect();
    }
    await broker.restart(end, 15 * SECOND);
    expect((await broker.connect({ clientId: 'returns', expiry: 20 })).connack?.sessionPresent).toBe(true);
    await broker.advance(6 * SECOND);
    expect((await broker.connect({ clientId: 'stays', expiry: 20 })).connack?.sessionPresent).toBe(false);
  });

  test('for who was connected when the broker ended, the time begins at that end or at the next start', async () => {
    const broker = await startDurable();
    await broker.connect({ clientId: 'c', expiry: 10 });
    await broker.advance(100 * SECOND);
    await broker.restart(end);
    await broker.advance(5 * SECOND);
    expect((await broker.connect({ clientId: 'c', expiry: 10 })).connack?.sessionPresent).toBe(true);
  });

  test('DISCONNECT changes the expiry interval', async () => {
    const broker = await startDurable();
    const changes = { longer: 100, shorter: 2, never: NEVER, now: 0 };
    for (const [clientId, seconds] of Object.entries(changes)) {
      const client = await broker.connect({ clientId, expiry: 10 });
      await client.disconnect(0, [[P.sessionExpiry, seconds]]);
    }
    await broker.advance(SECOND);
    await broker.restart(end, 20 * SECOND);
    const present = async (clientId: string): Promise<boolean | undefined> =>
      (await broker.connect({ clientId })).connack?.sessionPresent;
    expect(await present('longer')).toBe(true);
    expect(await present('shorter')).toBe(false);
    expect(await present('never')).toBe(true);
    expect(await present('now')).toBe(false);
  });

  test('a resumed session has the expiry interval of its last CONNECT', async () => {
    const broker = await startDurable();
    await (await broker.connect({ clientId: 'c', expiry: 1000 })).disconnect();
    await (await broker.connect({ clientId: 'c', expiry: 5 })).disconnect();
    await broker.advance(SECOND);
    await broker.restart(end, 10 * SECOND);
    expect((await broker.connect({ clientId: 'c' })).connack?.sessionPresent).toBe(false);
  });
});
