/** Messages of tenants in traces: where a rule names their topics, with the names that their clients write. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SeenSpan, startCollector, type TestCollector } from '../../../telemetry/collector.ts';
import { PASSWORD, type SecureNode, startSecureNode } from './support.ts';

let collector: TestCollector;
let node: SecureNode;

beforeAll(async () => {
  collector = await startCollector();
  node = await startSecureNode({
    'dataplane.flowCache': 'on',
    'telemetry.endpoint': collector.url,
    'telemetry.metrics.enabled': false,
    'telemetry.traces.interval': '100ms',
    'telemetry.traces.rules': JSON.stringify([
      { topic: '$tenant/acme/#', clientId: 'shop' },
      { topic: '#', clientId: 'free' },
    ]),
  });
  await node.user('of-acme', { tenant: 'acme' });
  await node.user('of-nobody', { tenant: '' });
  await node.rules([], 'allow');
});
afterAll(async () => {
  await node.stop();
  await collector.close();
});

test('messages of tenants are traced where a rule names them, and others go as fast as before', async () => {
  const as = (clientId: string, username: string) => node.connect({ clientId, username, password: PASSWORD });
  const subscriber = await as('sub', 'of-acme');
  await subscriber.subscribe([{ filter: 't', qos: 0 }]);
  const shop = await as('shop', 'of-acme');
  const other = await as('other', 'of-acme');
  const free = await as('free', 'of-acme');
  for (let i = 0; i < 4; i++) {
    for (const client of [other, shop, free]) {
      await client.publish({ topic: 't', payload: client.clientId });
      expect((await subscriber.message()).topic).toBe('t');
    }
  }
  expect(node.node.dataPlane.counters().flowHits).toBeGreaterThan(0);
  await node.clock.advance(200);
  const named = (name: string): SeenSpan[] => collector.spans().filter((span) => span.name === name);
  await expect.poll(() => named('publish').length).toBe(4);
  for (const { attributes } of named('publish')) {
    expect(attributes).toMatchObject({
      'messaging.client.id': 'shop',
      'messaging.destination.name': '$tenant/acme/t',
      'robustmq.tenant': 'acme',
    });
  }
  expect(named('deliver').map(({ attributes }) => attributes['messaging.client.id'])).toEqual(
    Array.from({ length: 4 }, () => 'sub'),
  );
});
