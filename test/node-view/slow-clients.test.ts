import { afterEach, describe, expect, it } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { testIo } from '../cli/support.ts';
import { until } from '../e2e/support.ts';
import type { RawClient } from '../support/raw-client.ts';
import { startViewed, type ViewedNode } from './support.ts';

const MIB = 1024 * 1024;
const HTTP = { 'listeners.http.enabled': true, 'listeners.http.port': 0 };
/** Of the event loop, in which nothing comes or goes. */
const STANDSTILL = 1_000_000;
let node: ViewedNode;

afterEach(() => node.stop());

const start = async (settings: Readonly<Record<string, string | number | boolean>> = {}): Promise<void> => {
  node = await startViewed({ 'storage.engine': 'memory', 'limits.writeTimeout': '1h', ...settings });
};

async function slow(query = ''): Promise<Record<string, unknown>[]> {
  const { status, body } = await node.get(`/slow-clients${query}`);
  expect(status).toBe(200);
  return body.items as Record<string, unknown>[];
}

async function metric(name: string): Promise<number> {
  const address = node.node.listeners.find((each) => each.name === 'http')?.address;
  if (address === undefined || !('port' in address)) throw new Error('no http listener');
  const text = await (await fetch(`http://127.0.0.1:${address.port}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1));
}

/** A client that does not read, after so much that the network does not take the rest. */
async function stopReading(clientId: string): Promise<RawClient> {
  const client = await node.connect({ clientId });
  await client.subscribe([{ filter: 'big', qos: 0 }]);
  client.socket.pause();
  const publisher = await node.connect({ clientId: 'publisher' });
  const { sessions, dataPlane, connections } = node.node.mqtt.context;
  const slot = sessions.get(clientId)?.connection?.slot ?? -1;
  for (let sent = 0; dataPlane.heldBytes(slot) < 2 * MIB && sent < 200; sent++) {
    await publisher.publish({ topic: 'big', payload: 'x'.repeat(MIB / 2), qos: 1 });
  }
  expect(connections[slot]?.isWriting).toBe(true);
  return client;
}

describe('slow clients', () => {
  it('are those that do not read, from when on the network takes nothing, until they read again', async () => {
    await start({ 'alarms.slowClient': '60s', 'mqtt.maxHeldSize': '8MiB', ...HTTP });
    await node.clock.advance(5000);
    expect(await slow()).toEqual([]);
    const reader = await stopReading('reader');
    let found: Record<string, unknown>[] = [];
    // The network may take a little more, now and then, until it is full.
    for (let tries = 0; tries < 30 && found.length === 0; tries++) {
      await node.clock.advance(90_000);
      found = await slow('?minSeconds=90');
    }
    const [first, ...rest] = found;
    expect(rest).toEqual([]);
    expect(first).toEqual({
      clientId: 'reader',
      tenant: null,
      isConnected: true,
      address: '127.0.0.1',
      waitsFor: 'network',
      behindSeconds: expect.any(Number),
      messages: 0,
      queuedBytes: 0,
      networkBytes: expect.any(Number),
    });
    expect(first?.networkBytes).toBeGreaterThan(MIB);
    expect(await metric('robustmq_mqtt_slowest_client_seconds')).toBeGreaterThan(84);
    expect(await metric('robustmq_mqtt_clients_behind{over="1m"}')).toBe(1);
    expect(await metric('robustmq_mqtt_clients_behind{over="10m"}')).toBe(0);
    const { items } = (await node.get('/alarms')).body as { items: { alarm: string; message: string }[] };
    expect(items).toMatchObject([{ alarm: 'slow-client', message: expect.stringContaining('"reader"') }]);

    const { sessions, dataPlane } = node.node.mqtt.context;
    const slot = sessions.get('reader')?.connection?.slot ?? -1;
    reader.socket.resume();
    await until('all has left', () => dataPlane.heldBytes(slot) === 0, STANDSTILL);
    expect(await slow()).toEqual([]);
    await node.clock.advance(30_000);
    expect((await node.get('/alarms')).body.items).toEqual([]);
    expect(await metric('robustmq_mqtt_slowest_client_seconds')).toBe(0);
  });

  it('are those that do not acknowledge, or have gone, by the age of the oldest message', async () => {
    await start();
    const silent = await node.durable('silent');
    await silent.subscribe([{ filter: 'jobs', qos: 1 }]);
    const gone = await node.durable('gone');
    await gone.subscribe([{ filter: 'jobs', qos: 1 }]);
    await gone.drop();
    const publisher = await node.connect({ clientId: 'publisher' });
    await node.clock.advance(1000);
    await publisher.publish({ topic: 'jobs', payload: 'first', qos: 1 });
    await node.clock.advance(20_000);
    await publisher.publish({ topic: 'jobs', payload: 'second', qos: 1 });
    await node.clock.advance(40_000);
    const behind = async (query: string) =>
      (await slow(query)).map(({ clientId, behindSeconds, waitsFor, messages }) => [
        clientId,
        behindSeconds,
        waitsFor,
        messages,
      ]);
    expect(await behind('')).toEqual([['silent', 59, 'acknowledgement', 2]]);
    expect(await behind('?connected=false')).toEqual([['gone', 59, 'connection', 2]]);
    expect(await behind('?minSeconds=60')).toEqual([]);
    expect(await behind('?prefix=other')).toEqual([]);
    expect(await behind('?tenant=acme')).toEqual([]);
    // The second one is the oldest from now on.
    await silent.complete(await silent.waitFor('publish'));
    await silent.barrier();
    expect(await behind('')).toEqual([['silent', 39, 'acknowledgement', 1]]);
    await node.remove('/sessions/gone');
    expect(await behind('?connected=false')).toEqual([]);
  });

  it('are those whose queue does not move, when their window is full', async () => {
    await start();
    const narrow = await node.connect({ clientId: 'narrow', properties: [[0x21, 1]] });
    await narrow.subscribe([{ filter: 'jobs', qos: 1 }]);
    const publisher = await node.connect({ clientId: 'publisher' });
    for (let i = 0; i < 3; i++) await publisher.publish({ topic: 'jobs', payload: String(i), qos: 1 });
    await node.clock.advance(30_000);
    expect(await slow()).toMatchObject([
      { clientId: 'narrow', waitsFor: 'queue', behindSeconds: 25, messages: 3 },
    ]);
  });

  it('are ranked by time, by messages or by bytes, and shown to who sits at a terminal', async () => {
    await start();
    const publisher = await node.connect({ clientId: 'publisher' });
    for (const [clientId, messages, bytes] of [
      ['old', 1, 10],
      ['many', 5, 10],
      ['large', 2, 10_000],
    ] as const) {
      const client = await node.durable(clientId);
      await client.subscribe([{ filter: clientId, qos: 1 }]);
      for (let i = 0; i < messages; i++) {
        await publisher.publish({ topic: clientId, payload: 'x'.repeat(bytes), qos: 1 });
      }
      await node.clock.advance(10_000);
    }
    const names = async (order: string) => (await slow(`?order=${order}`)).map(({ clientId }) => clientId);
    expect(await names('time')).toEqual(['old', 'many', 'large']);
    expect(await names('messages')).toEqual(['many', 'large', 'old']);
    expect((await names('bytes'))[0]).toBe('large');
    expect((await slow('?limit=1')).map(({ clientId }) => clientId)).toEqual(['old']);
    expect(await node.all('/slow-clients', 2)).toHaveLength(3);
    const io = testIo();
    expect(await run(['client', 'slow', '--data-dir', node.folder, '--order', 'messages'], io)).toBe(0);
    expect(io.outText()).toMatch(/CLIENT ID +.*BEHIND +WAITS FOR +MESSAGES/);
    expect(io.outText()).toMatch(/many .* acknowledgement +5 /);
  });
});
