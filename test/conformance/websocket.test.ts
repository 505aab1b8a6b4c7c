import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { unique, useBroker } from '../support/broker.ts';
import { RawClient } from '../support/raw-client.ts';
import { decodeServerPacket, type ServerPacket } from '../support/server-packet.ts';
import type { Version } from '../support/wire.ts';
import * as wire from '../support/wire.ts';
import { statement } from './statement.ts';

const broker = useBroker();

interface WebSocketClient {
  readonly socket: WebSocket;
  next(): Promise<ServerPacket>;
}

async function open(version: Version, protocols: string | string[] = 'mqtt'): Promise<WebSocketClient> {
  const socket = new WebSocket(`ws://${broker.ws.host}:${broker.ws.port}/mqtt`, protocols);
  let bytes = Buffer.alloc(0);
  let wake: (() => void) | undefined;
  let wrong: Error | undefined;
  socket.on('message', (data, isBinary) => {
    if (!isBinary) wrong = new Error('a text message from the server');
    bytes = Buffer.concat([bytes, data as Buffer]);
    wake?.();
  });
  socket.on('error', () => {});
  await once(socket, 'open');
  return {
    socket,
    async next() {
      for (;;) {
        if (wrong) throw wrong;
        const packet = decodeServerPacket(bytes, version);
        if (packet !== undefined) {
          bytes = bytes.subarray(packet.frame.length);
          return packet;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

describe('MQTT over WebSocket', () => {
  statement(
    '[MQTT-6.0.0-1] [3.1.1 MQTT-6.0.0-1] a text message ends the connection, binary is answered in binary',
    async ({ version }) => {
      const client = await open(version);
      client.socket.send(wire.connect({ version, clientId: unique() }));
      expect((await client.next()).type).toBe('connack');
      const closed = once(client.socket, 'close');
      client.socket.send('text');
      await closed;
    },
  );

  statement(
    '[MQTT-6.0.0-2] [3.1.1 MQTT-6.0.0-2] packets need not be aligned with messages',
    async ({ version }) => {
      const topic = unique('ws');
      const client = await open(version);
      const bytes = Buffer.concat([
        wire.connect({ version, clientId: unique() }),
        wire.subscribe(version, 1, [{ filter: topic, qos: 1 }]),
        wire.publish({ version, topic, payload: 'x'.repeat(300), qos: 1, packetId: 2 }),
        wire.pingreq(),
      ]);
      for (let at = 0; at < bytes.length; at += 7) client.socket.send(bytes.subarray(at, at + 7));
      client.socket.send(Buffer.concat([wire.pingreq(), wire.pingreq()]));
      const types = new Map<string, number>();
      while ((types.get('pingresp') ?? 0) < 3) {
        const packet = await client.next();
        types.set(packet.type, (types.get(packet.type) ?? 0) + 1);
      }
      expect(Object.fromEntries(types)).toEqual({
        connack: 1,
        suback: 1,
        publish: 1,
        puback: 1,
        pingresp: 3,
      });
      client.socket.terminate();
    },
  );

  statement(
    '[MQTT-6.0.0-3] [MQTT-6.0.0-4] [3.1.1 MQTT-6.0.0-3] [3.1.1 MQTT-6.0.0-4] the subprotocol mqtt is selected',
    async ({ version }) => {
      const client = await open(version, ['other', 'mqtt']);
      expect(client.socket.protocol).toBe('mqtt');
      client.socket.terminate();
    },
  );

  test('the subprotocol mqttv3.1 is accepted for MQTT 3.1', async () => {
    const client = await open(3, 'mqttv3.1');
    expect(client.socket.protocol).toBe('mqttv3.1');
    client.socket.send(wire.connect({ version: 3, clientId: unique('c') }));
    expect(await client.next()).toMatchObject({ type: 'connack', reason: 0 });
    client.socket.terminate();
  });

  test('large messages pass between TCP and WebSocket', async () => {
    const topic = unique('ws');
    const client = await open(5);
    client.socket.send(wire.connect({ clientId: unique() }));
    await client.next();
    client.socket.send(wire.subscribe(5, 1, [{ filter: topic }]));
    await client.next();
    const publisher = await broker.connect();
    const payload = Buffer.alloc(200_000, 'w');
    for (let n = 0; n < 3; n++) {
      await publisher.publish({ topic, payload });
      const got = await client.next();
      expect(got.type === 'publish' && got.payload.equals(payload)).toBe(true);
    }
    client.socket.terminate();
  });
});

describe('transport', () => {
  statement(
    '[MQTT-4.2.0-1] [3.1.1 MQTT-7.1.1-1] [3.1.1 MQTT-7.0.0-2] a plain TCP byte stream is enough, however it is cut',
    async ({ version }) => {
      const topic = unique('tcp');
      const bytes = Buffer.concat([
        wire.connect({ version, clientId: unique() }),
        wire.subscribe(version, 1, [{ filter: topic, qos: 1 }]),
        wire.publish({ version, topic, payload: 'hello', qos: 1, packetId: 2 }),
        wire.pingreq(),
      ]);
      const client = new RawClient(connectSocket(broker.mqtt), version, 'cut');
      for (const one of bytes) {
        client.send(Buffer.from([one]));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await client.waitFor('pingresp');
      expect(client.received.map((p) => p.type).toSorted()).toEqual([
        'connack',
        'pingresp',
        'puback',
        'publish',
        'suback',
      ]);
      client.socket.destroy();
    },
  );
});
