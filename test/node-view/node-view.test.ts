import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../e2e/support.ts';
import { name, startViewed, type ViewedNode } from './support.ts';

const T0 = Date.UTC(2026, 0, 1);
let node: ViewedNode;

describe.each(['files', 'memory'])('a node on %s', (engine) => {
  beforeEach(async () => {
    node = await startViewed({ 'storage.engine': engine });
  });
  afterEach(() => node.stop());

  it('says what it is and does', async () => {
    const client = await node.durable('kitchen');
    await client.subscribe([{ filter: 'a/#', qos: 1 }]);
    await client.publish({ topic: 'a/kept', payload: 'x', qos: 1, retain: true });
    const { status, body } = await node.get('/status');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      nodeId: expect.stringMatching(/^[\da-f-]{36}$/),
      processId: process.pid,
      dataDir: node.folder,
      startedAtMs: T0,
      health: { status: 'green', problems: [] },
      connections: 1,
      sessions: 1,
      subscriptions: 1,
      retainedMessages: 1,
      waitingMessages: 1,
      delayedMessages: 0,
      streams: 2,
      journal: { engine, durability: 'sync', isFull: false, failure: null },
      views: { engine: engine === 'files' ? 'memory' : null },
    });
    expect(await node.get('/health')).toMatchObject({ status: 200, body: { status: 'green' } });
  });

  it('shows sessions, connected or not, with their subscriptions', async () => {
    await node.clock.advance(5000);
    const client = await node.connect({
      clientId: 'cellar/ä b',
      clean: false,
      username: 'ann',
      keepAlive: 30,
      properties: [
        [17, 3600],
        [33, 7],
      ],
      will: { topic: 'gone', payload: 'x' },
    });
    await client.subscribe([{ filter: 'a/+', qos: 1, noLocal: true, retainHandling: 2 }], [[11, 9]]);
    await client.subscribe([{ filter: '$share/g/b/#', qos: 2 }]);
    const shown = await node.get(`/sessions/${name('cellar/ä b')}`);
    expect(shown.body).toEqual({
      clientId: 'cellar/ä b',
      tenant: null,
      isConnected: true,
      isDurable: true,
      protocol: 'MQTT 5.0',
      address: expect.stringContaining('127.0.0.1'),
      connectedAtMs: T0 + 5000,
      disconnectedAtMs: null,
      expirySeconds: 3600,
      expiresAtMs: null,
      subscriptions: 2,
      waiting: 0,
      inFlight: 0,
      waitingBytes: 0,
      userName: null,
      keepAliveSeconds: 30,
      receiveMaximum: 7,
      willTopic: 'gone',
      filters: [
        {
          filter: 'a/+',
          qos: 1,
          noLocal: true,
          retainAsPublished: false,
          retainHandling: 2,
          subscriptionId: 9,
        },
        {
          filter: '$share/g/b/#',
          qos: 2,
          noLocal: false,
          retainAsPublished: false,
          retainHandling: 0,
          subscriptionId: null,
        },
      ],
    });
    await node.clock.advance(1000);
    await client.disconnect();
    await until('the session is away', () => node.node.mqtt.context.counters.clientsConnected === 0);
    expect((await node.get(`/sessions/${name('cellar/ä b')}`)).body).toMatchObject({
      isConnected: false,
      protocol: 'MQTT',
      address: null,
      connectedAtMs: null,
      disconnectedAtMs: T0 + 6000,
      expiresAtMs: T0 + 6000 + 3_600_000,
      userName: null,
      keepAliveSeconds: null,
      willTopic: null,
    });
  });

  it('turns pages of sessions, each once, by name and by whether they are connected', async () => {
    for (let i = 0; i < 12; i++) {
      const client = await node.durable(`${i % 3 === 0 ? 'x' : 'y'}${i}`);
      if (i % 2 === 0) await client.disconnect();
    }
    const { counters } = node.node.mqtt.context;
    await until('half of them are away', () => counters.clientsConnected === 6);
    const ids = async (target: string): Promise<unknown[]> =>
      (await node.all(target, 5)).map(({ clientId }) => clientId).sort();
    expect(await ids('/sessions')).toHaveLength(12);
    expect(await ids('/sessions?prefix=x')).toEqual(['x0', 'x3', 'x6', 'x9']);
    expect(await ids('/sessions?prefix=x&connected=true')).toEqual(['x3', 'x9']);
    expect(await ids('/sessions?connected=false')).toHaveLength(6);
    expect((await node.get('/sessions?limit=12')).body.nextCursor).toBeUndefined();
  });

  it('shows what waits for a session that is away, in pages, and leaves it there', async () => {
    await (await node.durable('away')).subscribe([{ filter: 'jobs/#', qos: 1 }]);
    const publisher = await node.connect({ clientId: 'publisher' });
    const client = node.node.mqtt.context.sessions.get('away')?.connection;
    client?.transport.destroy();
    await until('it is away', () => node.node.mqtt.context.counters.clientsConnected === 1);
    for (let i = 0; i < 5; i++) {
      const properties: [number, string | number | [string, string]][] = [
        [2, 60],
        [3, 'text/plain'],
        [38, ['k', `${i}`]],
      ];
      await publisher.publish({ topic: `jobs/${i}`, payload: `job ${i}`, qos: 1, properties });
    }
    expect((await node.get('/queues/away')).body).toMatchObject({
      name: 'away',
      kind: 'session',
      waiting: 5,
      inFlight: 0,
      memberCount: 1,
      consumers: 0,
      overflow: 'drop-oldest',
      members: [{ clientId: 'away', tenant: null, isConnected: false, inFlight: 0 }],
    });
    const messages = await node.all('/queues/away/messages', 2);
    expect(messages.map(({ topic, payload }) => [topic, payload])).toEqual(
      [0, 1, 2, 3, 4].map((i) => [`jobs/${i}`, `job ${i}`]),
    );
    expect(messages[3]).toMatchObject({
      position: 4,
      state: 'waiting',
      qos: 1,
      isRetained: false,
      expiresAtMs: T0 + 60_000,
      properties: [
        { name: 'content-type', value: 'text/plain' },
        { name: 'k', value: '3' },
      ],
      payloadIsCut: false,
    });
    expect((await node.get('/sessions/away')).body).toMatchObject({ waiting: 5, inFlight: 0 });
    expect((await node.get('/status')).body).toMatchObject({ waitingMessages: 5 });
  });

  it('purges what waits; what is in flight stays', async () => {
    const slow = await node.connect({
      clientId: 'slow',
      clean: false,
      properties: [
        [17, 1000],
        [33, 2],
      ],
    });
    await slow.subscribe([{ filter: 'jobs/#', qos: 1 }]);
    const publisher = await node.connect({ clientId: 'publisher' });
    for (let i = 0; i < 6; i++) await publisher.publish({ topic: 'jobs/a', payload: `${i}`, qos: 1 });
    const first = await slow.expect('publish');
    await slow.expect('publish');
    expect((await node.get('/queues/slow')).body).toMatchObject({ waiting: 4, inFlight: 2, consumers: 1 });
    const states = (await node.all('/queues/slow/messages', 100)).map(({ state }) => state);
    expect(states).toEqual(['in-flight', 'in-flight', 'waiting', 'waiting', 'waiting', 'waiting']);
    expect((await node.remove('/queues/slow/messages')).body).toEqual({ removed: 4 });
    expect((await node.get('/queues/slow')).body).toMatchObject({ waiting: 0, inFlight: 2 });
    await slow.complete(first);
    await publisher.publish({ topic: 'jobs/a', payload: 'after', qos: 1 });
    expect(Buffer.from((await slow.expect('publish')).payload).toString()).toBe('after');
  });

  it('shows shared subscriptions, also those that keep nothing yet', async () => {
    const group = '$share/workers/jobs/#';
    const worker = await node.durable('worker');
    await worker.subscribe([{ filter: group, qos: 1 }]);
    const temporary = await node.connect({ clientId: 'temporary' });
    await temporary.subscribe([{ filter: group, qos: 1 }]);
    expect((await node.get(`/queues/${name(group)}`)).body).toMatchObject({
      kind: 'shared',
      waiting: 0,
      memberCount: 2,
      consumers: 2,
    });
    await temporary.disconnect();
    await worker.disconnect();
    await until('both are away', () => node.node.mqtt.context.counters.clientsConnected === 0);
    const publisher = await node.connect({ clientId: 'publisher' });
    for (let i = 0; i < 3; i++) await publisher.publish({ topic: 'jobs/a', payload: `${i}`, qos: 1 });
    expect((await node.get(`/queues/${name(group)}`)).body).toMatchObject({
      name: group,
      waiting: 3,
      inFlight: 0,
      consumers: 0,
      members: [{ clientId: 'worker', isConnected: false }],
    });
    const queues = await node.all('/queues', 1);
    expect(queues.map((each) => [each.kind, each.name])).toEqual([
      ['shared', group],
      ['session', 'worker'],
    ]);
    const messages = await node.all(`/queues/${name(group)}/messages`, 2);
    expect(messages.map(({ payload, qos }) => [payload, qos])).toEqual([
      ['0', 1],
      ['1', 1],
      ['2', 1],
    ]);
    expect((await node.remove(`/queues/${name(group)}/messages`)).body).toEqual({ removed: 3 });
    expect(await node.all(`/queues/${name(group)}/messages`, 2)).toEqual([]);
    expect((await node.get(`/queues/${name('x/workers/jobs/#')}`)).status).toBe(404);
  });

  it('ends a session with all it has, and the client is told', async () => {
    const client = await node.durable('doomed');
    await client.subscribe([{ filter: 'a', qos: 1 }]);
    expect((await node.remove('/sessions/doomed')).body).toEqual({ removed: 1 });
    await client.expectRefusal(0x98);
    expect((await node.remove('/sessions/doomed')).status).toBe(404);
    expect((await node.get('/status')).body).toMatchObject({ sessions: 0, subscriptions: 0 });
    expect((await node.durable('doomed')).connack).toMatchObject({ sessionPresent: false });
  });

  it('lists retained messages by filter in pages, shows one and deletes it', async () => {
    const publisher = await node.connect({ clientId: 'publisher' });
    for (let i = 0; i < 150; i++) {
      const topic = `house/${i % 5}/${i}`;
      await publisher.publish({ topic, payload: `${i}`, qos: i % 2, retain: true });
    }
    await publisher.publish({
      topic: 'raw',
      payload: Buffer.from([0xff, 0]),
      qos: 1,
      retain: true,
      properties: [[2, 9]],
    });
    const topics = async (filter: string, limit: number): Promise<unknown[]> =>
      (await node.all(`/retained?filter=${name(filter)}`, limit)).map(({ topic }) => topic);
    expect(new Set(await topics('#', 7)).size).toBe(151);
    expect(await topics('#', 100)).toHaveLength(151);
    expect((await topics('house/3/+', 4)).sort()).toHaveLength(30);
    expect((await node.get('/retained/raw')).body).toEqual({
      topic: 'raw',
      qos: 1,
      payloadBytes: 2,
      payloadIsCut: false,
      payloadBase64: '/wA=',
      expiresAtMs: T0 + 9000,
      properties: [],
    });
    expect((await node.remove('/retained/raw')).body).toEqual({ removed: 1 });
    expect((await node.get('/retained/raw')).status).toBe(404);
    expect((await node.remove('/retained/raw')).status).toBe(404);
  });

  it('answers what is wrong, or is not there, with a problem', async () => {
    const requests: [string, number, string][] = [
      ['/retained?filter=a/%23/b', 400, 'invalid-filter'],
      ['/retained?filter=', 400, 'invalid-filter'],
      [`/retained?filter=${name('$share/g/a')}`, 400, 'invalid-filter'],
      [
        `/retained?cursor=${Buffer.from('retained.list\nAAAAAAAAAAAAAAAAAAAAAAAAAAAA').toString('base64url')}`,
        400,
        'invalid-cursor',
      ],
      [`/sessions?cursor=${Buffer.from('sessions.list\n0.x').toString('base64url')}`, 400, 'invalid-cursor'],
      [`/queues?cursor=${Buffer.from('queues.list\n1').toString('base64url')}`, 400, 'invalid-cursor'],
      ['/retained/a%2F%23', 404, 'not-found'],
      [`/retained/${'x'.repeat(70_000)}`, 404, 'not-found'],
      ['/sessions/nobody', 404, 'not-found'],
      [`/queues/${name('$share/none/a')}`, 404, 'not-found'],
      ['/queues/nobody/messages', 404, 'not-found'],
      ['/streams/none', 404, 'not-found'],
      ['/streams/none/partitions', 404, 'not-found'],
      ['/streams/telemetry/partitions/3/records', 404, 'not-found'],
    ];
    for (const [target, status, kind] of requests) {
      expect([target.slice(0, 80), await node.get(target)]).toMatchObject([
        target.slice(0, 80),
        { status, body: { type: `urn:robustmq:problem:${kind}` } },
      ]);
    }
  });
});

it('shows after a restart what was kept, with bodies that are read back from the journal', async () => {
  node = await startViewed();
  const worker = await node.durable('worker');
  await worker.subscribe([
    { filter: 'own', qos: 2 },
    { filter: '$share/g/jobs', qos: 1 },
  ]);
  await worker.disconnect();
  const publisher = await node.connect({ clientId: 'publisher' });
  const large = Array.from({ length: 6 }, () => 'x'.repeat(900_000));
  for (const payload of ['small', ...large]) await publisher.publish({ topic: 'own', payload, qos: 2 });
  await publisher.publish({ topic: 'jobs', payload: 'job', qos: 1 });
  await publisher.publish({ topic: 'kept', payload: 'on', qos: 1, retain: true });
  await node.halt();
  node = await startViewed({}, node.folder);
  try {
    expect((await node.get('/sessions/worker')).body).toMatchObject({
      isConnected: false,
      waiting: 7,
      disconnectedAtMs: T0,
      subscriptions: 2,
    });
    // All of them together are more than one look reads back.
    const first = await node.get('/queues/worker/messages?payloadBytes=5&limit=7');
    expect(first.body.items).toHaveLength(5);
    const all = await node.all('/queues/worker/messages?payloadBytes=5', 7);
    expect(all.map(({ payload }) => payload)).toEqual(['small', ...large.map(() => 'xxxxx')]);
    expect(all.slice(0, 2)).toMatchObject([
      { position: 1, qos: 2, payloadIsCut: false },
      { position: 2, payloadIsCut: true, payloadBytes: 900_000 },
    ]);
    const jobs = await node.all(`/queues/${name('$share/g/jobs')}/messages`, 3);
    expect(jobs).toMatchObject([{ payload: 'job', state: 'waiting' }]);
    expect((await node.get('/retained/kept')).body).toMatchObject({ payload: 'on' });
    expect((await node.remove('/retained/kept')).body).toEqual({ removed: 1 });
    expect((await node.remove('/queues/worker/messages')).body).toEqual({ removed: 7 });
    await node.halt();
    node = await startViewed({}, node.folder);
    expect((await node.get('/retained/kept')).status).toBe(404);
    expect((await node.get('/queues/worker')).body).toMatchObject({ waiting: 0, bytes: 0 });
    expect((await node.get('/status')).body).toMatchObject({ waitingMessages: 1, retainedMessages: 0 });
  } finally {
    await node.stop();
  }
});
