import { once } from 'node:events';
import net from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EventReader, followEvents } from '../support/event-reader.ts';
import { name, startViewed, type ViewedNode } from './support.ts';

let node: ViewedNode;
let readers: EventReader[];

beforeEach(async () => {
  readers = [];
  node = await startViewed({
    'storage.engine': 'memory',
    'listeners.kafka.enabled': true,
    'listeners.kafka.port': 0,
    'listeners.http.enabled': true,
    'listeners.http.port': 0,
  });
});
afterEach(async () => {
  for (const reader of readers) reader.close();
  await node.stop();
});

async function follow(query = '', headers: Record<string, string> = {}): Promise<EventReader> {
  const reader = await followEvents({
    socketPath: join(node.folder, 'control.sock'),
    path: `/api/v1/events/stream${query}`,
    headers,
  });
  readers.push(reader);
  return reader;
}

const kinds = (items: readonly Record<string, unknown>[]): unknown[] => items.map(({ kind }) => kind);

describe('events', () => {
  it('tell who came, subscribed, was taken over and went, and why', async () => {
    const client = await node.connect({ clientId: 'kitchen' });
    await client.subscribe(['sensors/#']);
    const other = await node.connect({ clientId: 'kitchen' });
    other.socket.destroy();
    await follow('?client=kitchen&kinds=client.disconnected&last=1').then(async (reader) => {
      while ((await reader.data()).reason !== 'connection lost');
    });
    const items = await node.all('/events?client=kitchen', 2);
    expect(items.toReversed()).toEqual([
      {
        sequence: 1,
        atMs: Date.UTC(2026, 0, 1),
        kind: 'client.connected',
        protocol: 'mqtt',
        listener: 'mqtt',
        address: '127.0.0.1',
        clientId: 'kitchen',
        user: null,
        tenant: null,
        subject: null,
        reason: null,
      },
      expect.objectContaining({ kind: 'client.subscribed', subject: 'sensors/#' }),
      expect.objectContaining({ kind: 'session.taken-over' }),
      expect.objectContaining({ kind: 'client.disconnected', reason: 'Session taken over' }),
      expect.objectContaining({ kind: 'client.connected' }),
      expect.objectContaining({ kind: 'client.disconnected', reason: 'connection lost' }),
    ]);
  });

  it('tell of clients of Kafka once they are served, and of strangers that are turned away', async () => {
    const reader = await follow();
    const address = node.node.listeners.find((each) => each.name === 'kafka')?.address;
    if (address === undefined || !('port' in address)) throw new Error('no kafka listener');
    const socket = net.connect(address.port, '127.0.0.1');
    socket.write(Buffer.from('0000000c001200000000000700026162', 'hex'));
    await once(socket, 'data');
    expect(await reader.data()).toMatchObject({
      kind: 'client.connected',
      protocol: 'kafka',
      clientId: 'ab',
    });
    socket.destroy();
    expect(await reader.data()).toMatchObject({ kind: 'client.disconnected', protocol: 'kafka' });
    const stranger = net.connect(address.port, '127.0.0.1');
    stranger.end('GET / HTTP/1.1\r\n\r\n');
    expect(await reader.data()).toMatchObject({ kind: 'client.refused', clientId: null });
  });

  it('tell of connections that are turned away before they have said anything', async () => {
    node.node.admission.suspend(true);
    const { host, port } = node.mqtt as { readonly host: string; readonly port: number };
    await once(net.connect(port, host), 'close');
    expect(await node.all('/events?kinds=client', 10)).toEqual([
      expect.objectContaining({
        kind: 'client.refused',
        listener: 'mqtt',
        address: null,
        reason: 'memory is above its watermark',
      }),
    ]);
  });

  it('tell what administrators do, without what they send', async () => {
    const reader = await follow('?kinds=administration,ban');
    await node.post('/users', { name: 'ada', password: 'correct horse battery' });
    await node.post('/bans', { kind: 'client', value: 'noisy', reason: 'too loud' });
    const seen = [await reader.data(), await reader.data(), await reader.data()];
    expect(seen).toEqual([
      expect.objectContaining({ kind: 'administration', subject: 'users.create', reason: 'ok' }),
      expect.objectContaining({ kind: 'ban.set', subject: 'client noisy', reason: 'too loud' }),
      expect.objectContaining({ kind: 'administration', subject: 'bans.create', protocol: 'socket' }),
    ]);
    expect(JSON.stringify(seen)).not.toContain('correct horse');
  });

  it('go on behind the one that was read last', async () => {
    const reader = await follow();
    for (const each of ['a', 'b', 'c']) await node.connect({ clientId: each });
    const first = await reader.next();
    reader.close();
    const again = await follow('?kinds=client', { 'last-event-id': first?.id ?? '' });
    expect([(await again.data()).clientId, (await again.data()).clientId]).toEqual(['b', 'c']);
    const ofFormerRun = await follow('?kinds=client', { 'last-event-id': 'former.3' });
    expect((await ofFormerRun.data()).clientId).toBe('a');
  });

  it('are found by kind, client and user, and say what there is where nothing fits', async () => {
    await node.connect({ clientId: 'ä b' });
    expect(kinds(await node.all(`/events?client=${name('ä b')}&kinds=client`, 10))).toEqual([
      'client.connected',
    ]);
    expect(await node.all('/events?user=nobody', 10)).toEqual([]);
    expect(await node.get('/events?kinds=clients')).toMatchObject({
      status: 400,
      body: {
        detail: expect.stringContaining(
          'there are no events of the kind "clients"; there are client.connected',
        ),
      },
    });
    expect(
      await node.get(`/events?cursor=${Buffer.from('events.list\nx.1').toString('base64url')}`),
    ).toMatchObject({ status: 400, body: { type: 'urn:robustmq:problem:invalid-cursor' } });
  });

  it('are followed over HTTP for as long as the key, its user and the scopes are there', async () => {
    const http = node.node.listeners.find((each) => each.name === 'http')?.address;
    if (http === undefined || !('port' in http)) throw new Error('no http listener');
    const followWith = async (key: unknown, target: string): Promise<EventReader> => {
      const reader = await followEvents({
        host: '127.0.0.1',
        port: http.port,
        path: `/api/v1${target}`,
        headers: { authorization: `Bearer ${String(key)}` },
      });
      readers.push(reader);
      return reader;
    };
    const roles = ['operator'];
    await node.post('/users', { name: 'ada', password: 'correct horse battery', roles });
    const keys = [];
    for (let n = 0; n < 3; n++) keys.push((await node.post('/keys', { owner: 'ada' })).body);
    const [first, second, narrow] = keys;
    expect((await followWith(first?.key, '/events/stream?kinds=administration')).response.statusCode).toBe(
      403,
    );
    expect((await followWith('rmq_x', '/events/stream')).response.statusCode).toBe(401);

    const revoked = await followWith(first?.key, '/events/stream?kinds=client');
    await node.connect({ clientId: 'seen' });
    expect(await revoked.data()).toMatchObject({ clientId: 'seen' });
    await node.remove(`/keys/${String(first?.id)}`);
    await node.clock.advance(1000);
    expect(await revoked.next()).toMatchObject({ event: 'end', data: '{"reason":"not allowed any more"}' });
    expect(await revoked.next()).toBeUndefined();

    const demoted = await followWith(second?.key, '/events/stream?kinds=ban');
    await node.patch('/users/ada', { roles: ['viewer'] });
    await node.clock.advance(1000);
    expect(await demoted.next()).toMatchObject({ event: 'end' });

    const disabled = await followWith(narrow?.key, '/events/stream?kinds=client');
    await node.patch('/users/ada', { isDisabled: true });
    await node.clock.advance(1000);
    expect(await disabled.next()).toMatchObject({ event: 'end' });
  });

  it('end with the node', async () => {
    const reader = await follow('?kinds=alarm');
    const stopping = node.halt();
    expect(await reader.next()).toMatchObject({ event: 'end', data: '{"reason":"the broker is stopping"}' });
    await stopping;
  });
});
