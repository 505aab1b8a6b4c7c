import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startViewed, type ViewedNode } from './support.ts';

let node: ViewedNode;

beforeEach(async () => {
  node = await startViewed({
    'storage.engine': 'memory',
    'deadLetter.topic': 'dead/{client}/{topic}',
    streams: JSON.stringify([
      { name: 'dead', capture: ['dead/#'], partitions: 1 },
      { name: 'other', capture: ['t/#'], partitions: 1 },
    ]),
  });
});
afterEach(() => node.stop());

/** One as the broker makes them. */
function bury(origin: string, payload: string): Promise<unknown> {
  const story = { reason: 'expired', topic: origin, client: 'c', deliveries: '2', count: '1' };
  return node.post('/messages', {
    topic: `dead/c/${origin.replaceAll(/[+#]/g, '_')}`,
    payload,
    qos: 2,
    contentType: 'text/plain',
    userProperties: [
      { name: 'own', value: 'kept' },
      { name: 'mqtt.odd', value: 'kept, too' },
      ...Object.entries(story).map(([name, value]) => ({ name: `dead-letter-${name}`, value })),
    ],
  });
}

const redrive = (body: unknown) => node.post('/dead-letters/dead:redrive', body);

describe('dead letters', () => {
  it('are where streams capture them, with why and from where', async () => {
    expect((await node.get('/dead-letters')).body).toEqual({ streams: ['dead'] });
    await bury('t/1', 'one');
    await node.post('/messages', { topic: 'dead/by-hand', payload: 'none' });
    const { letters, nextOffset } = (await node.get('/dead-letters/dead')).body;
    expect(nextOffset).toBe(2);
    expect(letters).toMatchObject([
      { offset: 0, reason: 'expired', originTopic: 't/1', client: 'c', group: null, deliveries: 2, moves: 1 },
      { offset: 1, reason: null, originTopic: null, deliveries: null, payload: 'none' },
    ]);
    expect((await node.get('/dead-letters/nothing')).status).toBe(404);
    expect((await node.get('/dead-letters/dead?partition=7')).status).toBe(404);
  });

  it('go back to where they came from, in order and as they were, and only so many', async () => {
    for (const each of ['one', 'two', 'three']) await bury('t/1', each);
    const client = await node.connect({ clientId: 'reader' });
    await client.subscribe([{ filter: 't/#', qos: 2 }]);
    expect((await redrive({ dryRun: true })).body).toEqual({
      matched: 3,
      redriven: 0,
      skipped: 0,
      nextOffset: 3,
      problem: null,
    });
    expect((await redrive({ max: 1 })).body).toMatchObject({ redriven: 1, nextOffset: 1 });
    expect((await redrive({ offset: 1 })).body).toMatchObject({ redriven: 2, nextOffset: 3 });
    for (const each of ['one', 'two', 'three']) {
      const got = await client.expect('publish');
      expect([got.topic, got.qos, Buffer.from(got.payload).toString()]).toEqual(['t/1', 2, each]);
      await client.complete(got);
    }
    const { items } = (await node.get('/streams/other/partitions/0/records?limit=1')).body;
    expect(items).toMatchObject([{ payload: 'one' }]);
    const [{ headers } = { headers: [] }] = items as { headers: { name: string; value: string }[] }[];
    expect(headers).toEqual([
      { name: 'mqtt.qos', value: '2' },
      { name: 'content-type', value: 'text/plain' },
      { name: 'own', value: 'kept' },
      { name: 'mqtt.user.mqtt.odd', value: 'kept, too' },
    ]);
  });

  it('that cannot go back end it there, and what is none is passed over', async () => {
    await node.post('/messages', { topic: 'dead/by-hand', payload: 'none' });
    await bury('t/1', 'one');
    await bury('t/+/wild', 'two');
    await bury('t/1', 'three');
    expect((await redrive({})).body).toMatchObject({
      matched: 2,
      redriven: 1,
      skipped: 1,
      nextOffset: 2,
      problem: expect.stringContaining('topic'),
    });
    expect((await redrive({ max: 0 })).status).toBe(400);
  });
});
