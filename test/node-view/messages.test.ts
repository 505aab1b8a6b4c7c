import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { messagesView } from '../../src/node-view/messages.ts';
import { startViewed, type ViewedNode } from './support.ts';

const T0 = Date.UTC(2026, 0, 1);
let node: ViewedNode;
const publish = (body: unknown) => node.post('/messages', body);

describe.each(['files', 'memory'])('messages of administrators, on %s', (engine) => {
  beforeEach(async () => {
    node = await startViewed({ 'storage.engine': engine });
  });
  afterEach(() => node.stop());

  it('reach subscribers with all that they have', async () => {
    const client = await node.connect({ clientId: 'reader' });
    await client.subscribe([{ filter: 'a/#', qos: 2 }]);
    expect((await publish({ topic: 'elsewhere', payload: 'x' })).body).toEqual({ outcome: 'no-subscribers' });
    const answer = await publish({
      topic: 'a/b',
      payloadJson: { ä: [1, null] },
      qos: 2,
      responseTopic: 'answers',
      correlationDataBase64: '/wA=',
      userProperties: [{ name: 'k', value: 'v\u001b' }],
    });
    expect(answer).toMatchObject({ status: 200, body: { outcome: 'delivered' } });
    const got = await client.expect('publish');
    expect(got).toMatchObject({ topic: 'a/b', qos: 2 });
    expect(Buffer.from(got.payload).toString()).toBe('{"ä":[1,null]}');
    await publish({ topic: 'a/raw', payloadBase64: '/wAB', qos: 0 });
    expect(Buffer.from((await client.expect('publish')).payload)).toEqual(Buffer.from([0xff, 0, 1]));
  });

  it('are retained, and removed by a filter, counted first', async () => {
    for (let i = 0; i < 80; i++) {
      await publish({ topic: `house/${i % 2}/${i}`, payload: `${i}`, retain: true });
    }
    await publish({ topic: 'other', payload: 'stays', retain: true, contentType: 'text/plain' });
    expect((await node.get('/retained/other')).body).toMatchObject({
      payload: 'stays',
      properties: [{ name: 'content-type', value: 'text/plain' }],
    });
    const remove = (body: unknown) => node.post('/retained:delete', body);
    expect((await remove({ filter: 'house/#', dryRun: true })).body).toEqual({
      matched: 80,
      removed: 0,
      hasMore: false,
    });
    expect((await remove({ filter: 'house/1/+' })).body).toEqual({
      matched: 40,
      removed: 40,
      hasMore: false,
    });
    expect(await node.all('/retained', 100)).toHaveLength(41);
    expect((await remove({ filter: 'a/#/b' })).status).toBe(400);
  });

  it('wait for their time, are shown meanwhile, and can be called back', async () => {
    for (const [topic, payload] of [
      ['$delayed/60/a', 'one'],
      ['$delayed/5/a', 'two'],
      ['$delayed/90/b', 'three'],
    ]) {
      expect((await publish({ topic, payload })).body).toEqual({ outcome: 'delayed' });
    }
    const waiting = await node.all('/delayed', 2);
    expect(waiting.map(({ topic, dueAtMs }) => [topic, dueAtMs])).toEqual([
      ['a', T0 + 60_000],
      ['a', T0 + 5_000],
      ['b', T0 + 90_000],
    ]);
    const [first, second] = waiting;
    expect((await node.get(`/delayed/${String(first?.id)}`)).body).toMatchObject({ payload: 'one', qos: 1 });
    expect((await node.remove(`/delayed/${String(first?.id)}`)).body).toEqual({ removed: 1 });
    expect((await node.remove(`/delayed/${String(first?.id)}`)).status).toBe(404);
    const client = await node.connect({ clientId: 'reader' });
    await client.subscribe([{ filter: 'a', qos: 0 }]);
    await node.clock.advance(61_000);
    expect(Buffer.from((await client.expect('publish')).payload).toString()).toBe('two');
    expect((await node.get(`/delayed/${String(second?.id)}`)).status).toBe(404);
    expect(await node.all('/delayed', 2)).toHaveLength(1);
    expect((await node.get('/delayed?cursor=AAAA')).status).toBe(400);
  });

  it('that MQTT would not take are refused', async () => {
    for (const body of [
      { topic: '' },
      { topic: 'a/+' },
      { topic: 'a\0' },
      { topic: '\ud800' },
      { topic: 'x'.repeat(65_536) },
      { topic: '$delayed/x/a' },
      { topic: 'a', qos: 3 },
      { topic: 'a', payload: 'x', payloadBase64: 'AA==' },
      { topic: 'a', payloadBase64: 'A' },
      { topic: 'a', responseTopic: 'b/#' },
      { topic: 'a', userProperties: [{ name: '\0', value: '' }] },
      { topic: 'a', retained: true },
      {},
    ]) {
      expect([body, (await publish(body)).status]).toEqual([body, 400]);
    }
    expect((await publish({ topic: '$SYS/broker/version', payload: 'x' })).status).toBe(403);
  });
});

describe('cancelled messages', () => {
  it('stay cancelled over a start', async () => {
    node = await startViewed({ 'storage.engine': 'files' });
    await publish({ topic: '$delayed/60/a', payload: 'one' });
    await publish({ topic: '$delayed/60/b', payload: 'two' });
    const [first] = await node.all('/delayed', 10);
    await node.remove(`/delayed/${String(first?.id)}`);
    await node.halt();
    node = await startViewed({ 'storage.engine': 'files' }, node.folder);
    expect((await node.all('/delayed', 10)).map(({ topic }) => topic)).toEqual(['b']);
    await node.stop();
  });
});

describe('messages of users', () => {
  it('are published where rules allow that, as now and not at the log-in', async () => {
    node = await startViewed({ 'storage.engine': 'memory' });
    const { security, mqtt } = node.node;
    const { publish: by } = messagesView(mqtt.context, security);
    const message = {
      topic: 'plant/1',
      payload: new Uint8Array(0),
      qos: 1,
      retain: false,
      expirySeconds: undefined,
      isText: false,
      contentType: undefined,
      responseTopic: undefined,
      correlationData: undefined,
      userProperties: [],
    } as const;
    const ann = { user: 'ann', tenant: '' };
    await security.authorization.roles.create({
      name: 'gardener',
      description: '',
      scopes: ['messages:write'],
      rules: [{ effect: 'allow', actions: ['publish'], filters: ['plant/#'] }],
    });
    await expect(by(message, ann)).rejects.toMatchObject({ status: 403 });
    await security.users.create({ name: 'ann', roles: ['gardener'] });
    expect(await by(message, ann)).toBe('no-subscribers');
    await expect(by({ ...message, topic: 'house' }, ann)).rejects.toMatchObject({ status: 403 });
    await expect(by({ ...message, topic: '$delayed/9/house' }, ann)).rejects.toMatchObject({ status: 403 });
    await security.users.disable('ann');
    await expect(by(message, ann)).rejects.toMatchObject({ status: 403 });
    await expect(by(message, { user: undefined, tenant: 'acme' })).rejects.toMatchObject({ status: 403 });
    await node.stop();
  });
});
