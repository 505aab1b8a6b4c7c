import mqtt, { type MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestNode, type TestNode } from './support.ts';

let node: TestNode;
beforeAll(async () => {
  node = await startTestNode();
});
afterAll(async () => {
  await node.stop();
});

function connect(protocolVersion: 3 | 4 | 5, options: mqtt.IClientOptions = {}): Promise<MqttClient> {
  const url = `mqtt://${node.mqtt.host}:${node.mqtt.port}`;
  const protocolId = protocolVersion === 3 ? 'MQIsdp' : 'MQTT';
  return mqtt.connectAsync(url, { protocolVersion, protocolId, reconnectPeriod: 0, ...options });
}

function messages(
  client: MqttClient,
  count: number,
): Promise<{ topic: string; payload: string; qos: number }[]> {
  const got: { topic: string; payload: string; qos: number }[] = [];
  return new Promise((resolve) => {
    client.on('message', (topic, payload, packet) => {
      got.push({ topic, payload: payload.toString(), qos: packet.qos });
      if (got.length === count) resolve(got);
    });
  });
}

describe.each([3, 4, 5] as const)('MQTT.js with protocol level %i', (version) => {
  test.each([0, 1, 2] as const)('a thousand messages of QoS %i arrive in order', async (qos) => {
    const subscriber = await connect(version);
    const publisher = await connect(version);
    const all = messages(subscriber, 1000);
    await subscriber.subscribeAsync(`js/${version}/#`, { qos });
    const sent = Array.from({ length: 1000 }, (_, i) => String(i));
    await Promise.all(sent.map((text) => publisher.publishAsync(`js/${version}/${qos}`, text, { qos })));
    expect((await all).map((message) => message.payload)).toEqual(sent);
    await Promise.all([subscriber.endAsync(), publisher.endAsync()]);
  });

  test('a message larger than the read window arrives whole', async () => {
    const client = await connect(version);
    const payload = Buffer.alloc(900_000, 'ab');
    const got = new Promise<Buffer>((resolve) => client.on('message', (_topic, bytes) => resolve(bytes)));
    await client.subscribeAsync(`big/${version}`, { qos: 2 });
    await client.publishAsync(`big/${version}`, payload, { qos: 2 });
    expect(payload.equals(await got)).toBe(true);
    await client.endAsync();
  });

  test('a session that was away gets what it missed', async () => {
    const clientId = `away${version}`;
    const options: mqtt.IClientOptions = {
      clientId,
      clean: false,
      ...(version === 5 ? { properties: { sessionExpiryInterval: 100 } } : {}),
    };
    const first = await connect(version, options);
    await first.subscribeAsync(`away/${version}`, { qos: 1 });
    await first.endAsync();
    const publisher = await connect(version);
    for (let i = 0; i < 10; i++) await publisher.publishAsync(`away/${version}`, String(i), { qos: 1 });
    const second = mqtt.connect(`mqtt://${node.mqtt.host}:${node.mqtt.port}`, {
      protocolVersion: version,
      protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
      ...options,
    });
    const got = await messages(second, 10);
    expect(got.map((message) => message.payload)).toEqual(Array.from({ length: 10 }, (_, i) => String(i)));
    await Promise.all([second.endAsync(), publisher.endAsync()]);
  });
});

test('a graceful stop tells MQTT 5 clients why', async () => {
  const own = await startTestNode();
  const client = await mqtt.connectAsync(`mqtt://${own.mqtt.host}:${own.mqtt.port}`, {
    protocolVersion: 5,
    reconnectPeriod: 0,
  });
  const reason = new Promise<number | undefined>((resolve) =>
    client.on('disconnect', (packet) => resolve(packet.reasonCode)),
  );
  await own.stop();
  expect(await reason).toBe(0x8b);
});
