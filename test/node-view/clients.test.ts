import { once } from 'node:events';
import net from 'node:net';
import { performance } from 'node:perf_hooks';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../e2e/support.ts';
import { name, startViewed, type ViewedNode } from './support.ts';

let node: ViewedNode;
const sockets: net.Socket[] = [];

beforeEach(async () => {
  node = await startViewed({
    'storage.engine': 'memory',
    'listeners.kafka.enabled': true,
    'listeners.kafka.port': 0,
  });
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await node.stop();
});

/** A connection that has said its name by asking for ApiVersions. */
async function kafkaClient(clientId: string): Promise<net.Socket> {
  const address = node.node.listeners.find((each) => each.name === 'kafka')?.address;
  if (address === undefined || !('port' in address)) throw new Error('no kafka listener');
  const socket = net.connect(address.port, '127.0.0.1');
  sockets.push(socket);
  const id = Buffer.from(clientId);
  const request = Buffer.alloc(14 + id.length);
  request.writeInt32BE(10 + id.length, 0);
  request.writeInt16BE(18, 4);
  request.writeInt32BE(7, 8);
  request.writeInt16BE(id.length, 12);
  id.copy(request, 14);
  socket.write(request);
  await once(socket, 'data');
  return socket;
}

describe('clients', () => {
  it('are those of all protocols, each with who and where from', async () => {
    await node.connect({ clientId: 'kitchen/ä b' });
    await kafkaClient('reader');
    expect((await node.get('/clients')).body.items).toEqual([
      {
        id: 'mqtt:kitchen/ä b',
        clientId: 'kitchen/ä b',
        tenant: null,
        protocol: 'MQTT 5.0',
        listener: 'mqtt',
        address: '127.0.0.1',
        port: expect.any(Number),
        userName: null,
        connectedAtMs: Date.UTC(2026, 0, 1),
        pendingBytes: 0,
      },
      expect.objectContaining({
        id: 'kafka:1',
        clientId: 'reader',
        protocol: 'Kafka',
        listener: 'kafka',
        address: '127.0.0.1',
        userName: null,
      }),
    ]);
    expect((await node.get(`/clients/${name('kitchen/ä b')}`)).body.id).toBe('mqtt:kitchen/ä b');
    expect((await node.get(`/clients/${name('mqtt:kitchen/ä b')}`)).status).toBe(200);
    expect((await node.get('/clients/kafka:1')).body.clientId).toBe('reader');
    expect((await node.get('/clients/kafka:2')).status).toBe(404);
  });

  it('turns pages over the border between protocols, by what is asked for', async () => {
    for (let i = 0; i < 5; i++) await node.connect({ clientId: `${i % 2 === 0 ? 'x' : 'y'}${i}` });
    for (const id of ['x-reader', 'y-reader', 'x-writer']) await kafkaClient(id);
    const ids = async (query: string): Promise<unknown[]> =>
      (await node.all(query === '' ? '/clients' : `/clients?${query}`, 2)).map(({ clientId }) => clientId);
    expect(await ids('')).toEqual(['x0', 'y1', 'x2', 'y3', 'x4', 'x-reader', 'y-reader', 'x-writer']);
    expect(await ids('prefix=x')).toEqual(['x0', 'x2', 'x4', 'x-reader', 'x-writer']);
    expect(await ids('protocol=kafka')).toEqual(['x-reader', 'y-reader', 'x-writer']);
    expect(await ids('protocol=mqtt&prefix=y')).toEqual(['y1', 'y3']);
    expect(await ids('listener=mqtts')).toEqual([]);
    expect(await ids('address=127.0.0.1')).toHaveLength(8);
    expect((await node.get('/clients?cursor=AAAA')).status).toBe(400);
  });

  it('are kicked by name, told why, and keep their sessions', async () => {
    const client = await node.durable('kafka:1');
    const socket = await kafkaClient('reader');
    expect((await node.remove(`/clients/${name('mqtt:kafka:1')}`)).body).toEqual({ removed: 1 });
    await client.expectRefusal(0x98);
    expect((await node.get(`/sessions/${name('kafka:1')}`)).body).toMatchObject({ isConnected: false });
    const closed = once(socket, 'close');
    expect((await node.remove('/clients/kafka:1')).body).toEqual({ removed: 1 });
    await closed;
    expect((await node.remove('/clients/kafka:1')).status).toBe(404);
  });

  it('are kicked by what they have in common, and only counted before that', async () => {
    for (let i = 0; i < 3; i++) await node.connect({ clientId: `a${i}` });
    await node.connect({ clientId: 'b' });
    const kick = (body: unknown) => node.post('/clients:kick', body);
    expect((await kick({ prefix: 'a', dryRun: true })).body).toEqual({ matched: 3, kicked: 0 });
    expect((await kick({})).status).toBe(400);
    expect((await kick({ user: 'ann' })).body).toEqual({ matched: 0, kicked: 0 });
    expect((await kick({ dryRun: false })).status).toBe(400);
    expect((await kick({ prefix: 'a', address: '127.0.0.1' })).body).toEqual({ matched: 3, kicked: 3 });
    await until('they are away', () => node.node.mqtt.context.counters.clientsConnected === 1);
    expect((await node.all('/clients', 10)).map(({ clientId }) => clientId)).toEqual(['b']);
  });
});

describe('subscriptions', () => {
  it('are listed by client, by filter, and by the topic that they get', async () => {
    const one = await node.connect({ clientId: 'one' });
    await one.subscribe([{ filter: 'a/+', qos: 1 }], [[11, 9]]);
    await one.subscribe([{ filter: '#', qos: 0 }]);
    const two = await node.connect({ clientId: 'two' });
    await two.subscribe([{ filter: '$share/g/a/#', qos: 2 }]);
    await two.subscribe([{ filter: 'other', qos: 2 }]);
    const pairs = async (query: string): Promise<unknown[]> =>
      (await node.all(query === '' ? '/subscriptions' : `/subscriptions?${query}`, 1)).map(
        ({ clientId, filter }) => `${clientId} ${filter}`,
      );
    expect((await pairs('')).sort()).toEqual(['one #', 'one a/+', 'two $share/g/a/#', 'two other']);
    expect(await pairs('clientId=two')).toHaveLength(2);
    expect(await pairs('clientId=nobody')).toEqual([]);
    expect(await pairs(`filter=${name('$share/g/a/#')}`)).toEqual(['two $share/g/a/#']);
    expect((await pairs('topic=a/b')).sort()).toEqual(['one #', 'one a/+', 'two $share/g/a/#']);
    expect(await pairs('topic=other')).toEqual(['one #', 'two other']);
    expect(await pairs('topic=$SYS/x')).toEqual([]);
    expect((await node.get('/subscriptions?filter=a/%2B')).body.items).toEqual([
      {
        clientId: 'one',
        tenant: null,
        filter: 'a/+',
        qos: 1,
        noLocal: false,
        retainAsPublished: false,
        retainHandling: 0,
        subscriptionId: 9,
      },
    ]);
    expect((await node.get('/subscriptions?topic=a/%23')).status).toBe(400);
    expect((await node.get('/subscriptions?topic=a&clientId=one')).status).toBe(400);
    const { nextCursor } = (await node.get('/subscriptions?limit=1')).body;
    expect((await node.get(`/subscriptions?clientId=one&cursor=${String(nextCursor)}`)).status).toBe(400);
  });

  it('of fifty thousand sessions are looked through in short steps, like the sessions', async () => {
    const { sessions, router } = node.node.mqtt.context;
    for (let i = 0; i < 50_000; i++) {
      const session = sessions.create(`many-${i}`, 0);
      if (session === undefined) throw new Error('no room');
      router.subscribe(session.number, Buffer.from(`many/${i}`), 1, 0);
    }
    let longestMs = 0;
    let beforeMs = performance.now();
    const watch = setInterval(() => {
      const nowMs = performance.now();
      longestMs = Math.max(longestMs, nowMs - beforeMs);
      beforeMs = nowMs;
    }, 1);
    const started = process.cpuUsage();
    expect((await node.get('/subscriptions?filter=many/49999')).body.items).toHaveLength(1);
    expect((await node.get('/sessions?prefix=many-49999')).body.items).toHaveLength(1);
    clearInterval(watch);
    const busyMs = process.cpuUsage(started).user / 1000;
    // On a busy machine others take their turns as well: what counts is that it is no single step.
    expect(longestMs).toBeLessThan(Math.max(50, busyMs));
  });
});
