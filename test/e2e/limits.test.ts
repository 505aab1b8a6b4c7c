/** Bad input, slow readers and churn: each bounded, none felt by others, and everything counted comes back to zero. */
import { describe, expect, test } from 'vitest';
import { RawClient } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { startTestNode, type TestNode, until } from './support.ts';

async function withNode(
  settings: Readonly<Record<string, string | number | boolean>>,
  body: (node: TestNode) => Promise<void>,
): Promise<void> {
  const node = await startTestNode(settings);
  try {
    await body(node);
  } finally {
    await node.stop();
  }
}

describe('input in pieces', () => {
  test('packets may be cut anywhere (item 4)', () =>
    withNode({}, async (node) => {
      const watcher = await node.connect({ clientId: 'watcher' });
      await watcher.subscribe(['cut']);
      const publish = wire.publish({
        version: 5,
        topic: 'cut',
        payload: 'x'.repeat(40),
        qos: 1,
        packetId: 9,
      });
      const client = await node.connect({ clientId: 'cutter' });
      for (let at = 1; at < publish.length; at++) {
        client.send(publish.subarray(0, at));
        await new Promise((resolve) => setImmediate(resolve));
        client.send(publish.subarray(at));
        await client.expect('puback');
        expect((await watcher.message()).payload.length).toBe(40);
      }
      for (const byte of publish) {
        client.send(Uint8Array.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await client.expect('puback');
    }));

  test('a packet that does not arrive in time ends its connection (item 4)', () =>
    withNode({ 'limits.writeTimeout': '10s' }, async (node) => {
      const client = await node.connect({ clientId: 'slow-sender' });
      client.sendHex('30 20 00');
      await client.socket.write('');
      await node.clock.advance(11_000);
      await client.closed();
      expect(node.node.mqtt.counters.partialPacketTimeouts).toBe(1);
    }));

  test('a length that is never filled costs no memory (item 2)', () =>
    withNode(
      { 'mqtt.maxPacketSize': '100MiB', 'mqtt.maxHeldSize': '100MiB', 'mqtt.queue.maxSize': '100MiB' },
      async (node) => {
        const before = process.memoryUsage().arrayBuffers;
        const clients = await Promise.all(
          Array.from({ length: 20 }, (_, i) => node.connect({ clientId: `claim${i}` })),
        );
        for (const client of clients) client.send(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x2f, 0, 1, 0x61]));
        for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
        expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024);
      },
    ));
});

describe('slow consumers', () => {
  test('QoS 0 to a client that does not read is dropped, others get all of it (item 21)', () =>
    withNode({ 'mqtt.maxHeldSize': '1MiB' }, async (node) => {
      const slow = await node.connect({ clientId: 'slow' });
      const quick = await node.connect({ clientId: 'quick' });
      await slow.subscribe([{ filter: 'flood', qos: 0 }]);
      await quick.subscribe([{ filter: 'flood', qos: 0 }]);
      slow.socket.pause();
      const publisher = await node.connect({ clientId: 'publisher' });
      const payload = 'x'.repeat(50_000);
      for (let i = 0; i < 400; i++) {
        publisher.send(wire.publish({ version: 5, topic: 'flood', payload }));
        expect((await quick.message()).payload.length).toBe(payload.length);
      }
      await publisher.barrier();
      const { droppedQueueFull } = node.node.dataPlane.counters();
      expect(droppedQueueFull + node.node.mqtt.counters.droppedSlowConsumer).toBeGreaterThan(50);
      slow.socket.resume();
      await slow.barrier();
    }));

  test('QoS 1 above the window waits in the queue and comes in order', () =>
    withNode({}, async (node) => {
      const limited = await node.connect({
        clientId: 'limited',
        properties: [[wire.P.receiveMaximum, 3]],
      });
      await limited.subscribe([{ filter: 'w/#', qos: 1 }]);
      const publisher = await node.connect({ clientId: 'publisher' });
      for (let i = 0; i < 500; i++) await publisher.publish({ topic: 'w/t', payload: String(i), qos: 1 });
      for (let i = 0; i < 500; i++) expect((await limited.message()).payload.toString()).toBe(String(i));
      // The window is open again and the fast path has taken over.
      await publisher.publish({ topic: 'w/t', payload: 'last', qos: 1 });
      expect((await limited.message()).payload.toString()).toBe('last');
    }));

  test('a write that makes no progress ends the connection (item 21)', () =>
    withNode({ 'limits.writeTimeout': '5s', 'mqtt.maxHeldSize': '4MiB' }, async (node) => {
      const slow = await node.connect({ clientId: 'stuck' });
      await slow.subscribe([{ filter: 'flood', qos: 0 }]);
      slow.socket.pause();
      const publisher = await node.connect({ clientId: 'publisher' });
      for (let i = 0; i < 300; i++) {
        publisher.send(wire.publish({ version: 5, topic: 'flood', payload: 'x'.repeat(50_000) }));
      }
      await publisher.barrier();
      await node.clock.advance(120_000);
      await until('the write timed out', () => node.node.mqtt.counters.writeTimeouts === 1);
    }));
});

test('connects, disconnects and takeovers leave nothing behind (item 28)', { timeout: 60_000 }, () =>
  withNode({}, async (node) => {
    const { counters } = node.node.mqtt;
    const watcher = await node.connect({ clientId: 'watcher' });
    await watcher.subscribe(['churn/#']);
    for (let round = 0; round < 30; round++) {
      const clients = await Promise.all(
        Array.from({ length: 10 }, (_, i) =>
          node
            .connect({
              clientId: `churn${i % 5}`,
              clean: round % 3 === 0,
              version: i % 2 === 0 ? 5 : 4,
              ...(i % 2 === 0 ? { properties: [[wire.P.sessionExpiry, 50]] as wire.Properties } : {}),
              will: { topic: 'churn/will', payload: 'gone' },
            })
            .catch(() => undefined),
        ),
      );
      for (const client of clients) {
        if (client === undefined || client.ended) continue;
        client.send(
          wire.subscribe(client.version, 1, [{ filter: `churn/${round % 7}/+`, qos: 2 }]),
          wire.publish({
            version: client.version,
            topic: `churn/${round % 7}/x`,
            payload: 'p',
            qos: 1,
            packetId: 2,
          }),
        );
        if (round % 2 === 0) client.socket.end(wire.disconnect(undefined));
        else client.socket.resetAndDestroy();
      }
    }
    for (let i = 0; i < 5; i++) {
      const last = await node.connect({ clientId: `churn${i}`, clean: true });
      await last.disconnect();
    }
    await watcher.disconnect();
    await until('all connections are gone', () => node.node.mqtt.state.connections === 0);
    await node.clock.advance(100_000);
    expect(counters.takeovers).toBeGreaterThan(0);
    expect(counters.clientsConnected).toBe(0);
    expect(node.node.mqtt.state).toEqual({ connections: 0, sessions: 0, timers: 0 });
    const plane = node.node.dataPlane.counters();
    expect(plane.blocksTotal - plane.blocksFree).toBeLessThanOrEqual(1);
  }),
);

test('a broker that stood still reads what has come meanwhile before it judges who is late', () =>
  withNode({ 'limits.connectTimeout': '3s', 'limits.writeTimeout': '10s' }, async (node) => {
    const late = await RawClient.open(node.mqtt);
    const idle = await RawClient.open(node.mqtt);
    await until('both are accepted', () => node.node.mqtt.state.connections === 2);
    const sender = await node.connect({ clientId: 'sender', keepAlive: 20 });
    const packet = wire.publish({ version: 5, topic: 't', payload: 'x'.repeat(90), qos: 1, packetId: 7 });
    sender.send(packet.subarray(0, 50));
    await node.clock.advance(1000);
    await node.clock.jump(60_000);
    late.send(wire.connect({ version: 5, clientId: 'late' }));
    sender.send(packet.subarray(50));
    expect((await late.expect('connack')).reason).toBe(0);
    await sender.expect('puback');
    await idle.closed();
    const { connectTimeouts, partialPacketTimeouts, keepAliveTimeouts } = node.node.mqtt.counters;
    expect({ connectTimeouts, partialPacketTimeouts, keepAliveTimeouts }).toEqual({
      connectTimeouts: 1,
      partialPacketTimeouts: 0,
      keepAliveTimeouts: 0,
    });
  }));

test('connect-and-wait is ended, and frees its place', () =>
  withNode({ 'limits.maxConnections': 2, 'limits.connectTimeout': '3s' }, async (node) => {
    const idle = [await RawClient.open(node.mqtt), await RawClient.open(node.mqtt)];
    await until('both are accepted', () => node.node.mqtt.state.connections === 2);
    await node.clock.advance(3100);
    for (const client of idle) await client.closed();
    await until('their places are free', () => node.node.mqtt.state.connections === 0);
    expect(node.node.mqtt.counters.connectTimeouts).toBe(2);
    expect((await node.connect({ clientId: 'next' })).connack?.reason).toBe(0);
  }));
