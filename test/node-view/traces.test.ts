import { afterEach, beforeEach, expect, it } from 'vitest';
import { TIME_IS_OVER } from '../../src/admin/operations/trace.ts';
import { tracesView } from '../../src/node-view/traces.ts';
import { createTraceHub } from '../../src/telemetry/trace-hub.ts';
import { startViewed, type ViewedNode } from './support.ts';

let node: ViewedNode;
beforeEach(async () => {
  node = await startViewed({ 'storage.engine': 'memory' });
});
afterEach(() => node.stop());

it.each([
  ['before', 0],
  ['after', 6000],
])('a trace ends when its time is over, also where that is %s somebody reads it', async (_, laterMs) => {
  const hub = createTraceHub();
  const view = tracesView(node.node.mqtt.context, hub);
  const request = { topic: '#', clientId: '', perSecond: 10, durationMs: 5000 };
  const feed = await view.follow(request, { tenant: '' });
  await node.clock.advance(6000 - laterMs);
  const ends: string[] = [];
  feed.start(
    () => {},
    (reason) => ends.push(reason),
  );
  await node.clock.advance(laterMs);
  expect(ends).toEqual([TIME_IS_OVER]);
  feed.close();
  expect(hub.isActive).toBe(false);
});
