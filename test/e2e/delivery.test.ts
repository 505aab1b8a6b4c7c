/** Deliveries that take more than one turn or more than one member. */
import { afterEach, describe, expect, test } from 'vitest';
import * as wire from '../support/wire.ts';
import { startTestNode, type TestNode, until } from './support.ts';

let node: TestNode;
afterEach(() => node.stop());

const durable: wire.Properties = [[wire.P.sessionExpiry, 1000]];

describe('retained messages', () => {
  test('thousands of them come completely through a small window, and live ones in between', async () => {
    node = await startTestNode();
    const publisher = await node.connect({ clientId: 'publisher' });
    const packets: Buffer[] = [];
    for (let i = 0; i < 3000; i++) {
      packets.push(wire.publish({ version: 5, topic: `r/${i}`, payload: String(i), retain: true, qos: 0 }));
    }
    publisher.send(...packets);
    await publisher.barrier();
    const subscriber = await node.connect({ clientId: 's', properties: [[wire.P.receiveMaximum, 5]] });
    for (const qos of [0, 1]) {
      for (let i = 0; i < 3000; i++) {
        if (qos === 1)
          packets[i] = wire.publish({
            version: 5,
            topic: `r/${i}`,
            payload: String(i),
            retain: true,
            qos: 1,
            packetId: i + 1,
          });
      }
      if (qos === 1) {
        for (let i = 0; i < 3000; i += 500) {
          publisher.send(...packets.slice(i, i + 500));
          for (let n = 0; n < 500; n++) await publisher.expect('puback');
        }
      }
      const suback = await subscriber.subscribe([{ filter: 'r/#', qos: 1 }]);
      expect(suback.reasons).toEqual([1]);
      const seen = new Set<string>();
      while (seen.size < 3000) {
        const message = await subscriber.message();
        expect(message.retain).toBe(true);
        seen.add(String(message.topic));
      }
      await subscriber.unsubscribe(['r/#']);
    }
  });

  test('delivery goes on in the next connection of a durable session', async () => {
    node = await startTestNode({ 'mqtt.queue.maxMessages': 50 });
    const publisher = await node.connect({ clientId: 'publisher' });
    for (let i = 0; i < 300; i++) {
      await publisher.publish({ topic: `r/${i}`, payload: 'x', retain: true, qos: 1 });
    }
    const options = {
      clientId: 'd',
      clean: false,
      properties: [...durable, [wire.P.receiveMaximum, 5]] as wire.Properties,
    };
    const first = await node.connect(options);
    first.send(wire.subscribe(5, 1, [{ filter: 'r/#', qos: 1 }]));
    const seen = new Set<string>();
    for (let i = 0; i < 5; i++) await first.waitFor('publish');
    await first.drop().catch(() => {});
    const second = await node.connect(options);
    while (seen.size < 300) seen.add(String((await second.message()).topic));
    expect(node.node.mqtt.counters.droppedQueueFull).toBe(0);
  });
});

describe('shared subscriptions', () => {
  test('a group whose members are all away keeps messages for who comes back first', async () => {
    node = await startTestNode();
    for (const clientId of ['m1', 'm2']) {
      const member = await node.connect({ clientId, clean: false, properties: durable });
      await member.subscribe([{ filter: '$share/g/t', qos: 1 }]);
      await member.disconnect(undefined);
    }
    await until('both are away', () => node.node.mqtt.counters.clientsConnected === 0);
    const publisher = await node.connect({ clientId: 'publisher' });
    for (let i = 0; i < 20; i++) {
      expect(await publisher.publish({ topic: 't', payload: String(i), qos: 1 })).toBe(0);
    }
    const back = await node.connect({ clientId: 'm2', clean: false, properties: durable });
    for (let i = 0; i < 20; i++) expect((await back.message()).payload.toString()).toBe(String(i));
  });

  test('what a member left unacknowledged goes to another when its session ends', async () => {
    node = await startTestNode();
    const first = await node.connect({ clientId: 'first' });
    await first.subscribe([{ filter: '$share/g/t', qos: 2 }]);
    const publisher = await node.connect({ clientId: 'publisher' });
    for (let i = 0; i < 10; i++) await publisher.publish({ topic: 't', payload: String(i), qos: 1 });
    for (let i = 0; i < 10; i++) await first.expect('publish');
    const second = await node.connect({ clientId: 'second' });
    await second.subscribe([{ filter: '$share/g/t', qos: 2 }]);
    await first.disconnect();
    for (let i = 0; i < 10; i++) expect((await second.message()).payload.toString()).toBe(String(i));
  });

  test('messages are spread over the members, each goes to one', async () => {
    node = await startTestNode();
    const members = await Promise.all([1, 2, 3, 4].map((i) => node.connect({ clientId: `m${i}` })));
    for (const member of members) await member.subscribe([{ filter: '$share/g/t/#', qos: 1 }]);
    const publisher = await node.connect({ clientId: 'publisher' });
    for (let i = 0; i < 40; i++) await publisher.publish({ topic: `t/${i % 3}`, payload: '', qos: 1 });
    for (const member of members) {
      const got = (await member.barrier()).filter((packet) => packet.type === 'publish');
      expect(got.length).toBe(10);
    }
  });
});

test('merged overlapping subscriptions: one delivery, highest QoS, all identifiers', async () => {
  node = await startTestNode({ 'mqtt.overlapping': 'merge' });
  const client = await node.connect({ clientId: 'c' });
  await client.subscribe([{ filter: 'a/#', qos: 1 }], [[wire.P.subscriptionId, 1]]);
  await client.subscribe([{ filter: 'a/+', qos: 2 }], [[wire.P.subscriptionId, 2]]);
  const publisher = await node.connect({ clientId: 'p' });
  for (let i = 0; i < 4; i++) {
    await publisher.publish({ topic: 'a/b', payload: String(i), qos: 2 });
    const message = await client.message();
    expect(message.qos).toBe(2);
    const identifiers = message.properties.filter(([id]) => id === wire.P.subscriptionId).map(([, v]) => v);
    expect([...identifiers].sort()).toEqual([1, 2]);
  }
  await client.quiet();
});

test('$SYS topics are there at once and follow what happens', async () => {
  node = await startTestNode({ 'sys.interval': '10s' });
  const client = await node.connect({ clientId: 'c' });
  await client.subscribe(['$SYS/#']);
  await client.waitFor('publish', (p) => String(p.topic) === '$SYS/broker/version');
  await node.clock.advance(10_100);
  const connected = await client.waitFor(
    'publish',
    (p) => String(p.topic) === '$SYS/broker/clients/connected' && p.payload.toString() === '1',
  );
  expect(connected.retain).toBe(false);
});

test('publishers are paused while output memory is short, and nothing of QoS 1 is lost', async () => {
  node = await startTestNode({
    'dataplane.memorySize': '24MiB',
    'dataplane.flowCacheEntries': 256,
    'limits.maxConnections': 100,
    'mqtt.maxHeldSize': '8MiB',
    'mqtt.queue.maxMessages': 100_000,
    'mqtt.queue.maxSize': '1GiB',
  });
  const slow = await Promise.all([1, 2, 3].map((i) => node.connect({ clientId: `slow${i}` })));
  for (const [i, client] of slow.entries()) {
    await client.subscribe([{ filter: `t/${i}`, qos: 1 }]);
    client.socket.pause();
  }
  const publisher = await node.connect({ clientId: 'publisher' });
  const count = 1500;
  let acknowledged = 0;
  for (let i = 0; i < count; i++) {
    publisher.send(
      wire.publish({
        version: 5,
        topic: `t/${i % 3}`,
        payload: `${i} `.padEnd(30_000, 'x'),
        qos: 1,
        packetId: i + 1,
      }),
    );
  }
  const counting = (async () => {
    for (; acknowledged < count; acknowledged++) await publisher.expect('puback');
  })();
  await until('memory is short', () => node.node.mqtt.counters.publishersPaused > 0, 20_000);
  for (const client of slow) client.socket.resume();
  const resumed = (async () => {
    for (let i = 0; i < 200 && acknowledged < count; i++) await node.clock.advance(1000);
  })();
  await Promise.all([counting, resumed]);
  for (const [which, client] of slow.entries()) {
    for (let i = which; i < count; i += 3) {
      expect((await client.message()).payload.toString('latin1').split(' ')[0]).toBe(String(i));
    }
  }
});
