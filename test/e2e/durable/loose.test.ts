/** QoS 0 that is kept for a client that is away: in order also with what comes when it is back, and never twice. */
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { publisherOf, startDurable } from './broker.ts';

const SETTINGS = { 'mqtt.queue.qos0Offline': true };
const COUNT = 300;

test.each(['on', 'off'])('what comes now waits for what came before (flow cache %s)', async (flowCache) => {
  const broker = await startDurable({ settings: { ...SETTINGS, 'dataplane.flowCache': flowCache } });
  const first = await broker.connect({ clientId: 'receiver' });
  await first.subscribe([{ filter: 't', qos: 0 }]);
  await first.drop();
  const publisher = await publisherOf(broker);
  const publish = (number: number): Promise<number> =>
    publisher.publish({ topic: 't', payload: `${number} ${'.'.repeat(2000)}`, qos: 0 });
  for (let number = 1; number <= COUNT; number++) await publish(number);
  await publisher.barrier();
  await broker.restart('crash');
  const again = await publisherOf(broker);
  const connecting = broker.connect({ clientId: 'receiver' });
  const last = 2 * COUNT;
  // Some before the client is back, most while what waited is read from the disk.
  for (let number = COUNT + 1; number <= last; number++) {
    await again.publish({ topic: 't', payload: `${number}`, qos: 0 });
    await setImmediate();
  }
  const back = await connecting;
  const numbers: number[] = [];
  while (!numbers.includes(last)) {
    const { payload } = await back.expect('publish');
    numbers.push(Number.parseInt(payload.toString(), 10));
  }
  for (const packet of await back.barrier()) {
    if (packet.type === 'publish') numbers.push(Number.parseInt(packet.payload.toString(), 10));
  }
  expect(numbers).toEqual(Array.from({ length: last }, (_, i) => i + 1));
});

test('what may have been sent before a crash is not sent again', async () => {
  const broker = await startDurable({ settings: { 'mqtt.queue.qos0Offline': true } });
  const first = await broker.connect({ clientId: 'receiver' });
  await first.subscribe([{ filter: 't', qos: 2 }]);
  await first.drop();
  const publisher = await publisherOf(broker);
  for (const payload of ['a', 'b']) await publisher.publish({ topic: 't', payload, qos: 0 });
  await publisher.publish({ topic: 't', payload: 'c', qos: 1 });
  const session = broker.node.mqtt.context.sessions.get('receiver');
  if (session?.durable === undefined) throw new Error('no session');
  // As if all had been put out, noted, and nothing else.
  session.durable.sentTo = session.durable.queue.end;
  broker.node.mqtt.context.durable.table.touch(session);
  await broker.checkpoint();
  await broker.restart('crash');
  const back = await broker.connect({ clientId: 'receiver' });
  expect((await back.message()).payload.toString()).toBe('c');
  await back.quiet();
});
