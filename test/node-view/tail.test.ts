import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FeedItem } from '../../src/admin/feed.ts';
import { tailView } from '../../src/node-view/tail.ts';
import { until } from '../e2e/support.ts';
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
  });
});
afterEach(async () => {
  for (const reader of readers) reader.close();
  await node.stop();
});

async function tail(filters: string, query = ''): Promise<EventReader> {
  const reader = await followEvents({
    socketPath: join(node.folder, 'control.sock'),
    path: `/api/v1/messages/stream?filters=${name(filters)}${query}`,
  });
  readers.push(reader);
  return reader;
}

const subscriptions = (): number => node.node.router.totals().subscriptions;

/** The view itself, for somebody who comes by another way than the socket. */
function viewFor(user: string) {
  const view = tailView({
    mqtt: node.node.mqtt.context,
    connectLocal: node.node.mqtt.connectLocal,
    security: node.node.security,
    hasKafkaTopic: () => false,
  });
  return (...filters: string[]) =>
    view.follow({ filters, perSecond: 1000, maxPayloadBytes: 100 }, { user, tenant: '', address: '' });
}

describe('a tail', () => {
  it('shows what is published, with what the message says of itself, and nothing of before', async () => {
    const client = await node.connect({ clientId: 'c' });
    await client.publish({ topic: 'a/old', payload: 'kept', qos: 1, retain: true });
    const reader = await tail('a/#\n$b/+', '&maxPayloadBytes=4');
    await node.post('/messages', {
      topic: 'a/b',
      payload: 'abcdef',
      retain: true,
      contentType: 'text/plain',
      userProperties: [{ name: 'k', value: 'v' }],
    });
    await client.publish({ topic: 'a', payload: Uint8Array.of(0xff, 0), qos: 0 });
    expect(await reader.data()).toEqual({
      atMs: Date.UTC(2026, 0, 1),
      topic: 'a/b',
      protocol: 'mqtt',
      isRetained: true,
      payload: 'abcd',
      payloadBytes: 6,
      payloadIsCut: true,
      properties: [
        { name: 'content-type', value: 'text/plain' },
        { name: 'k', value: 'v' },
      ],
    });
    expect(await reader.data()).toMatchObject({ topic: 'a', payloadBase64: '/wA=', isRetained: false });
  });

  it('shows records of Kafka at their address, and says where they come from', async () => {
    await node.post('/topics', { name: 'orders.new', partitions: 1 });
    const reader = await tail('orders/+');
    const address = node.node.listeners.find((each) => each.name === 'kafka')?.address;
    if (address === undefined || !('port' in address)) throw new Error('no kafka listener');
    const kafka = new Kafka({ brokers: [`127.0.0.1:${address.port}`], logLevel: logLevel.NOTHING });
    const producer = kafka.producer();
    await producer.connect();
    const timestamp = String(node.clock.wallMs());
    const messages = [
      { key: 'k1', value: 'by Kafka', headers: { h: 'x' }, timestamp },
      { value: 'by either', timestamp },
    ];
    await producer.send({ topic: 'orders.new', messages });
    await producer.disconnect();
    expect(await reader.data()).toMatchObject({
      topic: 'orders/new',
      protocol: 'kafka',
      payload: 'by Kafka',
      properties: [
        { name: 'kafka.key', value: 'k1' },
        { name: 'h', value: 'x' },
      ],
    });
    expect(await reader.data()).toMatchObject({ payload: 'by either', protocol: null });
  });

  it('leaves nothing behind, and takes nothing from those who consume', async () => {
    const worker = await node.connect({ clientId: 'worker' });
    await worker.subscribe([{ filter: '$share/w/jobs', qos: 1 }]);
    const before = subscriptions();
    const reader = await tail('jobs');
    expect(subscriptions()).toBe(before + 1);
    await node.post('/messages', { topic: 'jobs', payload: 'one' });
    expect(Buffer.from((await worker.message()).payload).toString()).toBe('one');
    expect(await reader.data()).toMatchObject({ payload: 'one' });
    reader.close();
    await until('the subscription is gone', () => subscriptions() === before);
    expect(await node.all('/clients', 10)).toEqual([expect.objectContaining({ clientId: 'worker' })]);
  });

  it('is refused for filters that are none, and for those that would consume', async () => {
    const problem = async (query: string) => (await node.get(`/messages/stream?${query}`)).body.detail;
    expect(await problem(`filters=${name('a/#/b')}`)).toMatch(/^a\/#\/b: /);
    expect(await problem(`filters=${name('$share/g/a')}`)).toMatch(/would consume/);
    expect(await problem('')).toBe('filters: from 1 to 32 of them');
  });

  it('is held to the rules of the user who asks, for each filter and each message', async () => {
    const rules = [
      { effect: 'allow', actions: ['subscribe'], filters: ['open/#'] },
      { effect: 'deny', actions: ['subscribe'], filters: ['open/secret/#'] },
    ];
    expect((await node.post('/roles', { name: 'reader', rules })).status).toBe(200);
    await node.post('/users', { name: 'ada', password: 'correct horse battery', roles: ['reader'] });
    await expect(viewFor('ada')('open/#', 'closed')).rejects.toThrow('rules do not allow to receive closed');
    await expect(viewFor('nobody')('open/#')).rejects.toThrow('rules do not allow to receive open/#');
    expect(subscriptions()).toBe(0);
    const feed = await viewFor('ada')('open/#');
    const ended: string[] = [];
    feed.start(
      () => {},
      (reason) => ended.push(reason),
    );
    for (const topic of ['open/secret/a', 'open/b']) await node.post('/messages', { topic, payload: 'x' });
    const items: FeedItem[] = [];
    await until('a message is there', () => {
      const item = feed.take();
      if (item !== undefined) items.push(item);
      return items.length > 0;
    });
    expect(items).toEqual([{ data: expect.objectContaining({ topic: 'open/b' }) }]);
    expect(feed.take()).toBeUndefined();

    const other = [{ effect: 'allow', actions: ['subscribe'], filters: ['open/c'] }];
    await node.patch('/roles/reader', { rules: other });
    for (const topic of ['open/b', 'open/c']) await node.post('/messages', { topic, payload: 'x' });
    await until('the allowed one is there', () => {
      const item = feed.take();
      if (item !== undefined) items.push(item);
      return items.length > 1;
    });
    expect(items[1]?.data).toMatchObject({ topic: 'open/c' });
    await node.patch('/users/ada', { isDisabled: true });
    await until('it is ended', () => ended.length > 0);
    expect(ended).toEqual(['the user is disabled']);
    feed.close();
  });

  it('shows as many in a second as were asked for, and counts the others', async () => {
    const reader = await tail('a/#', '&perSecond=3');
    const client = await node.connect({ clientId: 'c' });
    for (let n = 0; n < 10; n++) await client.publish({ topic: `a/${n}`, payload: 'x', qos: 1 });
    const seen = [];
    for (let n = 0; n < 3; n++) seen.push((await reader.data()).topic);
    expect(seen).toEqual(['a/0', 'a/1', 'a/2']);
    await node.clock.advance(1000);
    expect(await reader.next()).toMatchObject({ event: 'dropped', data: '{"dropped":7}' });
    await client.publish({ topic: 'a/next', payload: 'x', qos: 1 });
    expect(await reader.data()).toMatchObject({ topic: 'a/next' });
  });

  it('holds no publisher up when its reader does not read', async () => {
    const reader = await tail('big', '&perSecond=1000&maxPayloadBytes=65536');
    reader.response.pause();
    const client = await node.connect({ clientId: 'c' });
    const payload = new Uint8Array(50_000);
    for (let n = 0; n < 300; n++) {
      await client.publish({ topic: 'big', payload, qos: 1 });
    }
    const { body } = await node.get('/status');
    expect(body).toMatchObject({ publishesReceived: 300 });
  });

  it('ends with the node', async () => {
    const reader = await tail('#');
    const stopping = node.halt();
    expect(await reader.next()).toMatchObject({ event: 'end' });
    await stopping;
  });
});
