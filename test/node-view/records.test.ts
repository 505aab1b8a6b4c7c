/** Records of Kafka's topics for administration: what rules say of who asks counts as it does for clients. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { OperationError } from '../../src/admin/operation.ts';
import { recordsView } from '../../src/node-view/records.ts';
import { startViewed, type ViewedNode } from './support.ts';

let node: ViewedNode;
beforeAll(async () => {
  node = await startViewed({
    'storage.engine': 'memory',
    'listeners.kafka.enabled': true,
    'listeners.kafka.port': 0,
  });
  await node.post('/topics', { name: 'shop.orders', partitions: 1 });
  await node.post('/roles', {
    name: 'writer',
    rules: [{ effect: 'allow', actions: ['publish'], filters: ['shop/#'] }],
  });
  await node.post('/users', { name: 'anna', roles: ['writer'] });
});
afterAll(() => node.stop());

const records = [{ timeMs: undefined, key: null, headers: [], payload: Buffer.from('one') }];

async function kindOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return 'done';
  } catch (error) {
    if (error instanceof OperationError) return error.kind;
    throw error;
  }
}

it('rules decide who appends and who reads', async () => {
  const view = recordsView(node.node.kafka, node.node.security);
  const read = (user: string | undefined) =>
    kindOf(() =>
      view.read({
        topic: 'shop.orders',
        partition: 0,
        fromOffset: 0,
        limit: 10,
        maxBytes: 1000,
        by: { user, tenant: '' },
      }),
    );
  const append = (user: string | undefined, topic = 'shop.orders') =>
    kindOf(() => view.append(topic, 0, records, { user, tenant: '' }));
  expect([await append('anna'), await read('anna')]).toEqual(['done', 'forbidden']);
  expect(await append('anna', 'other')).toBe('forbidden');
  expect([await append(undefined), await read(undefined)]).toEqual(['done', 'done']);
  expect(await append(undefined, 'none')).toBe('not-found');
});

it('records are refused with the place of what is wrong', async () => {
  const append = (record: object) =>
    node.post('/topics/shop.orders/partitions/0/records', { records: [record] });
  expect(await append({ payload: 'a', payloadBase64: 'YQ==' })).toMatchObject({ status: 400 });
  expect((await append({ keyBase64: '%' })).body.detail).toMatch(/records\[0\]\.key is not base64/);
  expect(await node.post('/topics/shop.orders/partitions/0/records', { records: [] })).toMatchObject({
    status: 400,
  });
  expect(await node.get('/topics/shop.orders/partitions/7/records')).toMatchObject({ status: 404 });
});
