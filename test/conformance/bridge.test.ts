import { describe, expect, test } from 'vitest';
import { unique, useBroker } from '../support/broker.ts';
import * as wire from '../support/wire.ts';

const broker = useBroker();

/** Bridges of Mosquitto announce their state below `$SYS`, in a will and in messages, by default. */
describe('A bridge of another broker', () => {
  for (const version of [4, 5] as const)
    test(`connects with its state as will and publishes it, MQTT ${version === 4 ? '3.1.1' : '5.0'}`, async () => {
      const topic = `$SYS/broker/connection/${unique('br')}/state`;
      const watcher = await broker.connect({ version: 5 });
      await watcher.subscribe(['$SYS/broker/connection/+/state']);
      const bridge = await broker.connect({ version, will: { topic, payload: '0' } });
      bridge.send(wire.publish({ version, topic, payload: '1', qos: 1, packetId: 1 }));
      await bridge.waitFor('puback');
      await watcher.waitFor('publish', (p) => p.topic === topic && p.payload.toString() === '1');
      await bridge.drop();
      await watcher.waitFor('publish', (p) => p.topic === topic && p.payload.toString() === '0');
    });

  test('writes nothing else below $SYS', async () => {
    const client = await broker.connect();
    for (const topic of [
      '$SYS/broker/connection/state',
      '$SYS/broker/connection//state',
      '$SYS/broker/connection/a/b/state',
      '$SYS/broker/connection/a/state/x',
      '$SYS/broker/uptime',
    ])
      expect(await client.publish({ topic, qos: 1 }), topic).toBe(0x87);
  });
});
