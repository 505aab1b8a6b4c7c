/**
 * Bad input and abuse over real sockets. Each time the broker ends or bounds the one who does it, counts it, and an
 * honest pair of clients beside gets every message.
 */
import { connect as connectSocket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRandom } from '../support/random.ts';
import { RawClient } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { startTestNode, type TestNode, until } from './support.ts';

const MAX_SUBSCRIPTIONS = 200;
const MAX_RETAINED = 100;

let node: TestNode;
let publisher: RawClient;
let subscriber: RawClient;
let said = 0;

beforeAll(async () => {
  node = await startTestNode({
    'limits.connectTimeout': '5s',
    'limits.maxSubscriptionsPerSession': MAX_SUBSCRIPTIONS,
    'mqtt.retained.maxMessages': MAX_RETAINED,
    'mqtt.receiveMaximum': 10,
    'mqtt.maxHeldSize': '1MiB',
    'mqtt.queue.maxMessages': 100,
  });
  publisher = await node.connect({ clientId: 'honest-publisher' });
  subscriber = await node.connect({ clientId: 'honest-subscriber', version: 4 });
  await subscriber.subscribe([{ filter: 'honest/#', qos: 2 }]);
});
afterAll(async () => {
  await node.stop();
});

/** The honest pair exchanges a message of each QoS; nothing else came to it meanwhile. */
async function undisturbed(): Promise<void> {
  for (const qos of [0, 1, 2]) {
    const payload = `message ${said++}`;
    expect(await publisher.publish({ topic: `honest/${qos}`, payload, qos })).toBe(0);
    const message = await subscriber.message();
    expect([message.topic, message.qos, message.payload.toString()]).toEqual([`honest/${qos}`, qos, payload]);
  }
}

/** Runs it with the honest pair talking before and after; the counter must have moved by at least `by`. */
async function abuse(counter: () => number, by: number, action: () => Promise<void>): Promise<void> {
  await undisturbed();
  const before = counter();
  await action();
  await undisturbed();
  expect(counter() - before).toBeGreaterThanOrEqual(by);
}

const counters = (): TestNode['node']['mqtt']['counters'] => node.node.mqtt.counters;
const open = (): Promise<RawClient> => RawClient.open(node.mqtt, 5);
let names = 0;
const attacker = (options: Omit<wire.ConnectOptions, 'clientId'> = {}): Promise<RawClient> =>
  node.connect({ clientId: `attacker-${names++}`, ...options });

describe('before CONNECT', () => {
  test('connect-and-wait ends with the time to CONNECT (item 18)', () =>
    abuse(
      () => counters().connectTimeouts,
      50,
      async () => {
        const idle = await Promise.all(Array.from({ length: 50 }, open));
        await until('all are accepted', () => node.node.mqtt.state.connections === 52);
        await undisturbed();
        await node.clock.advance(5100);
        for (const client of idle) expect(await client.closed()).toEqual([]);
      },
    ));

  test('a CONNECT that comes byte by byte does not get more time (item 18)', () =>
    abuse(
      () => counters().connectTimeouts,
      2,
      async () => {
        const bytes = wire.connect({ clientId: 'trickle', username: 'x'.repeat(50) });
        const half = await open();
        half.send(bytes.subarray(0, bytes.length / 2));
        const trickle = await open();
        for (const byte of bytes.subarray(0, 10)) {
          trickle.send(Uint8Array.of(byte));
          await node.clock.advance(600);
        }
        await half.closed();
        await trickle.closed();
      },
    ));

  test.each([
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['a TLS hello', Buffer.from('16030100f8010000f40303', 'hex')],
    ['another packet', wire.pingreq()],
    ['a PUBLISH', wire.publish({ topic: 'honest/x', payload: 'forged' })],
    ['a packet of type 0', Buffer.from([0, 0])],
    ['a length of five bytes', Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0x01])],
    ['a length longer than it must be', Buffer.from([0x10, 0x80, 0x00])],
    ['a claim of 256 MB', Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f])],
  ])('%s ends the connection', (_name, bytes) =>
    abuse(
      () => counters().protocolViolations,
      1,
      async () => {
        const client = await open();
        client.send(bytes);
        expect(await client.closed()).toEqual([]);
      },
    ),
  );

  test('noise ends the connection or is waited out', () =>
    abuse(
      () => counters().connectionsClosed,
      100,
      async () => {
        const random = createRandom(7);
        for (let i = 0; i < 100; i++) {
          const socket = connectSocket(node.mqtt);
          socket.on('error', () => {});
          const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
          socket.write(random.bytes(1 + random.below(300)));
          socket.resume();
          socket.end();
          await closed;
        }
        await until('all are gone', () => node.node.mqtt.state.connections === 2);
      },
    ));
});

describe('from a connected client', () => {
  const closed = (reason: number) => (): number => counters().closedByReason.get(reason) ?? 0;

  test.each([
    ['a second CONNECT', 0x82, wire.connect({ clientId: 'again' })],
    ['a claim of 256 MB', 0x95, Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f])],
    ['a packet only a server sends', 0x82, Buffer.from([0xd0, 0])],
    ['wrong flags', 0x81, Buffer.from([0x83, 0])],
    ['QoS 3', 0x81, Buffer.from('360400016131', 'hex')],
    ['a wildcard in a topic name', 0x90, wire.publish({ topic: 'a/#' })],
    ['a topic that is not UTF-8', 0x81, wire.publish({ topic: Buffer.from([0xc0, 0x80]) })],
    ['a topic with U+0000', 0x81, wire.publish({ topic: 'a\0b' })],
    ['an alias that was never set', 0x82, wire.publish({ topic: '', properties: [[wire.P.topicAlias, 9]] })],
    ['an alias of 0', 0x94, wire.publish({ topic: 'a', properties: [[wire.P.topicAlias, 0]] })],
    ['SUBSCRIBE without a filter', 0x82, wire.subscribe(5, 1, [])],
    ['packet identifier 0', 0x82, wire.publish({ topic: 'a', qos: 1, packetId: 0 })],
  ])('%s is answered with its reason', (_name, reason, bytes) =>
    abuse(closed(reason), 1, async () => {
      const client = await attacker();
      client.send(bytes);
      await client.expectRefusal(reason);
    }),
  );

  test('more QoS 2 at once than the broker allows (item 8)', () =>
    abuse(closed(0x93), 1, async () => {
      const client = await attacker();
      for (let id = 1; id <= 11; id++) client.send(wire.publish({ topic: 'flood', qos: 2, packetId: id }));
      await client.expectRefusal(0x93);
    }));

  test('topics of 65,535 bytes are carried, 65,535 levels are refused', () =>
    abuse(closed(0x90), 1, async () => {
      const longest = 'x'.repeat(65_535);
      const client = await attacker();
      await client.subscribe([{ filter: longest, qos: 1 }]);
      for (let i = 0; i < 3; i++) {
        client.send(wire.publish({ topic: longest, payload: 'ok', qos: 1, packetId: 100 + i }));
        const message = await client.waitFor('publish');
        expect(message.topic).toBe(longest);
        client.send(wire.ack('puback', message.packetId));
        await client.waitFor('puback');
      }
      await client.disconnect();
      const deep = await attacker();
      deep.send(wire.publish({ topic: '/'.repeat(65_535) }));
      await deep.expectRefusal(0x90);
    }));

  test('a flood of deep subscriptions stops at the limit and leaves nothing behind (item 23)', () =>
    abuse(
      () => counters().connectionsClosed,
      1,
      async () => {
        const before = node.node.router.totals();
        const client = await attacker();
        const reasons: number[] = [];
        for (let batch = 0; batch < 20; batch++) {
          const filters = Array.from({ length: 50 }, (_, i) => `${'l/'.repeat(100)}${batch}/${i}/#`);
          reasons.push(...(await client.subscribe(filters)).reasons);
        }
        expect(reasons.filter((reason) => reason < 0x80).length).toBe(MAX_SUBSCRIPTIONS);
        expect(reasons.filter((reason) => reason === 0x97).length).toBe(1000 - MAX_SUBSCRIPTIONS);
        expect(node.node.router.totals().subscriptions).toBe(before.subscriptions + MAX_SUBSCRIPTIONS);
        await client.drop();
        await until('they are gone', () => node.node.router.totals().subscriptions === before.subscriptions);
      },
    ));

  test('a flood of retained messages stops at the limit (item 24)', () =>
    abuse(
      () => counters().retainedRefused,
      50,
      async () => {
        const client = await attacker();
        const reasons: number[] = [];
        for (let i = 0; i < MAX_RETAINED + 50; i++) {
          reasons.push(await client.publish({ topic: `kept/${i}`, payload: 'x', qos: 1, retain: true }));
        }
        expect(reasons.filter((reason) => reason === 0x97).length).toBe(50);
        expect(node.node.retained.count).toBe(MAX_RETAINED);
        for (let i = 0; i < MAX_RETAINED; i++)
          await client.publish({ topic: `kept/${i}`, qos: 1, retain: true });
        expect(node.node.retained.count).toBe(0);
        await client.disconnect();
      },
    ));

  test.each([0, 1])('who does not read holds a bounded amount of QoS %i (item 21)', (qos) =>
    abuse(
      () =>
        node.node.dataPlane.counters().droppedQueueFull +
        counters().droppedSlowConsumer +
        counters().droppedQueueFull,
      1,
      async () => {
        const slow = await attacker();
        await slow.subscribe([{ filter: 'flood/#', qos }]);
        slow.socket.pause();
        const flooder = await attacker();
        const payload = Buffer.alloc(40_000, 'x');
        for (let i = 0; i < 300; i++) {
          flooder.send(wire.publish({ topic: 'flood/x', payload, qos, packetId: 1 + i }));
          if (qos === 1) expect((await flooder.waitFor('puback')).reason).toBe(0);
          if (i % 50 === 0) {
            await flooder.barrier();
            await undisturbed();
          }
        }
        await flooder.barrier();
        const { blocksTotal, blocksFree } = node.node.dataPlane.counters();
        // What is held, what is being written, and the blocks at both ends.
        expect((blocksTotal - blocksFree) * 16_384).toBeLessThan(6 * 1024 * 1024);
        await slow.drop();
        await flooder.disconnect();
        await until('its memory is free', () => {
          const now = node.node.dataPlane.counters();
          return now.blocksTotal - now.blocksFree <= 8;
        });
      },
    ),
  );

  test('a half-open connection ends after one and a half keep alives, and its will is published', () =>
    abuse(
      () => counters().keepAliveTimeouts,
      1,
      async () => {
        const watcher = await attacker();
        await watcher.subscribe(['half-open']);
        const client = await attacker({ keepAlive: 10, will: { topic: 'half-open', payload: 'gone' } });
        await node.clock.advance(14_000);
        await watcher.quiet();
        await node.clock.advance(2000);
        expect((await watcher.message()).payload.toString()).toBe('gone');
        await client.expectRefusal(0x8d);
        await watcher.disconnect();
      },
    ));
});

describe('connections', () => {
  test('above the limit are refused, and accepted again when there is room (item 22)', async () => {
    const own = await startTestNode({ 'limits.maxConnections': 3 });
    const inside = await Promise.all([1, 2, 3].map((i) => own.connect({ clientId: `inside${i}` })));
    for (let i = 0; i < 5; i++) {
      const refused = await RawClient.open(own.mqtt).catch(() => undefined);
      refused?.send(wire.connect({ clientId: 'outside' }));
      expect(await refused?.closed()).toEqual([]);
    }
    expect(own.node.admission.counters().refusedTooMany).toBe(5);
    for (const client of inside) await client.quiet();
    await inside[0]?.disconnect();
    await until('there is room', () => own.node.admission.counters().open === 2);
    await own.connect({ clientId: 'outside' });
    await own.stop();
  });

  test('above the rate are refused until time has passed (item 22)', async () => {
    const own = await startTestNode({ 'limits.maxConnectionsPerSecond': 5 });
    const results: boolean[] = [];
    for (let i = 0; i < 12; i++) {
      const client = await RawClient.open(own.mqtt).catch(() => undefined);
      client?.send(wire.connect({ clientId: `c${i}` }));
      results.push((await client?.expect('connack').catch(() => undefined)) !== undefined);
    }
    expect(results.filter(Boolean).length).toBe(5);
    expect(own.node.admission.counters().refusedTooFast).toBe(7);
    await own.clock.advance(1000);
    await own.connect({ clientId: 'later' });
    await own.stop();
  });
});
