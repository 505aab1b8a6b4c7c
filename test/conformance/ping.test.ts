import { describe, expect, test } from 'vitest';
import { onMosquitto, startTestBroker, unique, useBroker } from '../support/broker.ts';
import { property } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { P } from '../support/wire.ts';
import { statement } from './statement.ts';

const broker = useBroker();

describe('PINGREQ', () => {
  statement('[MQTT-3.12.4-1] [3.1.1 MQTT-3.12.4-1] PINGREQ is answered by PINGRESP', async ({ version }) => {
    const client = await broker.connect({ version });
    for (let n = 0; n < 3; n++) {
      client.send(wire.pingreq());
      expect((await client.expect('pingresp')).frame.toString('hex')).toBe('d000');
    }
    client.send(wire.pingreq(), wire.pingreq(), wire.pingreq());
    for (let n = 0; n < 3; n++) await client.expect('pingresp');
    await client.quiet();
  });
});

describe('keep alive', () => {
  statement(
    '[MQTT-3.1.2-22] [3.1.1 MQTT-3.1.2-24] silence for one and a half keep alive times ends the connection',
    async ({ version }) => {
      const topic = unique('will');
      const watcher = await broker.connect({ version });
      await watcher.subscribe([topic]);
      const client = await broker.connect({ version, keepAlive: 2, will: { topic, payload: 'silent' } });
      await broker.advance(2500);
      await client.quiet();
      await broker.advance(2500);
      expect(client.ended).toBe(false);
      await broker.advance(1500);
      await client.expectRefusal(0x8d);
      expect((await watcher.message()).payload.toString()).toBe('silent');
    },
  );

  statement(
    '[MQTT-3.1.2-22] [3.1.1 MQTT-3.1.2-24] any control packet keeps the connection, not only PINGREQ (defect 6)',
    async ({ version }) => {
      const topic = unique('t');
      const client = await broker.connect({ version, keepAlive: 1 });
      const receiver = await broker.connect({ version, keepAlive: 1 });
      await receiver.subscribe([{ filter: topic, qos: 1 }]);
      for (let n = 0; n < 4; n++) {
        await broker.advance(900);
        await client.publish({ topic, payload: String(n), qos: n % 3 });
        await receiver.message();
        receiver.send(wire.pingreq());
        await receiver.expect('pingresp');
      }
      expect(client.ended || receiver.ended).toBe(false);
    },
  );

  test('trap 17: bytes of an unfinished packet do not count as a sign of life', async () => {
    const client = await broker.connect({ keepAlive: 1 });
    const bytes = wire.publish({ topic: 'a', payload: 'b'.repeat(50) });
    for (let n = 0; n < 6 && !client.ended; n++) {
      client.send(bytes.subarray(n, n + 1));
      await broker.advance(500);
    }
    await client.closed();
  });

  test('trap 17, defect 7: keep alive 0 never ends the connection', async () => {
    for (const version of [4, 5] as const) {
      const client = await broker.connect({ version, keepAlive: 0 });
      await broker.advance(4000);
      await client.quiet();
    }
  });

  test('defect 7, defect 8: a keep alive of 65535 neither overflows nor is cut short', async () => {
    const client = await broker.connect({ keepAlive: 65535 });
    await broker.advance(onMosquitto ? 1000 : 400_000);
    await client.quiet();
  });

  statement('[MQTT-3.2.2-22] without Server Keep Alive the value of the client counts', async () => {
    const client = await broker.connect({ keepAlive: 1 });
    expect(client.connack && property(client.connack, P.serverKeepAlive)).toBeUndefined();
    await broker.advance(3000);
    await client.expectRefusal(0x8d);
  });

  statement.ours(
    '[MQTT-3.1.2-21] [MQTT-3.2.2-21] a Server Keep Alive is told and counts instead',
    async () => {
      const own = await startTestBroker({ 'mqtt.serverKeepAlive': 2 });
      try {
        for (const keepAlive of [0, 100]) {
          const client = await own.connect({ keepAlive });
          expect(client.connack && property(client.connack, P.serverKeepAlive)).toBe(2);
          await own.advance(2500);
          await client.quiet();
          await own.advance(4000);
          await client.expectRefusal(0x8d);
        }
        // An MQTT 3 client cannot be told; it keeps its own value and is not refused.
        const old = await own.connect({ version: 4, keepAlive: 0 });
        await old.quiet();
      } finally {
        await own.stop();
      }
    },
  );
});
