/** MQTT.js over every transport the broker listens on: what an application does must not depend on the way it came. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt, { type IClientOptions, type IPublishPacket, MqttClient } from 'mqtt';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createCertificate } from '../support/certificates.ts';
import { startTestNode, type TestNode } from './support.ts';

type TransportName = 'tcp' | 'tls' | 'ws' | 'wss' | 'unix';
const MAX_PACKET_BYTES = 1024 * 1024;

let folder: string;
let node: TestNode;
let authorityPem: string;
const clients: MqttClient[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'robustmq-e2e-'));
  const authority = createCertificate({ commonName: 'e2e authority', authority: true });
  const server = createCertificate({
    commonName: 'broker',
    names: ['localhost', '127.0.0.1'],
    issuer: authority,
  });
  authorityPem = authority.certPem;
  const certFile = join(folder, 'server.pem');
  const keyFile = join(folder, 'server.key');
  writeFileSync(certFile, server.certPem);
  writeFileSync(keyFile, server.keyPem);
  const secured = Object.fromEntries(
    ['mqtts', 'wss'].flatMap((name) => [
      [`listeners.${name}.port`, 0],
      [`listeners.${name}.tls.certFile`, certFile],
      [`listeners.${name}.tls.keyFile`, keyFile],
    ]),
  );
  node = await startTestNode({
    ...secured,
    'listeners.ws.enabled': true,
    'listeners.ws.port': 0,
    'listeners.unix.path': join(folder, 'mqtt.sock'),
  });
});
afterAll(async () => {
  await node.stop();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.endAsync(true)));
});

function portOf(name: string): number {
  const address = node.node.listeners.find((listener) => listener.name === name)?.address;
  if (address === undefined || !('port' in address)) throw new Error(`no listener ${name}`);
  return address.port;
}

function start(transport: TransportName, version: 4 | 5, given: IClientOptions): MqttClient {
  const options: IClientOptions = {
    protocolVersion: version,
    reconnectPeriod: 0,
    ca: authorityPem,
    ...given,
  };
  switch (transport) {
    case 'tcp':
      return mqtt.connect(`mqtt://127.0.0.1:${portOf('mqtt')}`, options);
    case 'tls':
      return mqtt.connect(`mqtts://localhost:${portOf('mqtts')}`, options);
    case 'ws':
      return mqtt.connect(`ws://127.0.0.1:${portOf('ws')}/mqtt`, options);
    case 'wss':
      return mqtt.connect(`wss://localhost:${portOf('wss')}/mqtt`, options);
    case 'unix':
      return new MqttClient(() => connectSocket(join(folder, 'mqtt.sock')), {
        clientId: `unix-${Math.random().toString(36).slice(2)}`,
        ...options,
      });
  }
}

async function connected(client: MqttClient): Promise<MqttClient> {
  clients.push(client);
  await new Promise<void>((resolve, reject) => {
    client.once('connect', () => resolve());
    client.once('error', reject);
    client.once('close', () => reject(new Error('closed before CONNACK')));
  });
  return client;
}

interface Received {
  readonly topic: string;
  readonly payload: Buffer;
  readonly packet: IPublishPacket;
}

/** Collects from now on; `until(n)` waits for the n-th. */
function inbox(client: MqttClient): { readonly all: Received[]; until(count: number): Promise<Received[]> } {
  const all: Received[] = [];
  let wake = (): void => {};
  client.on('message', (topic, payload, packet) => {
    all.push({ topic, payload, packet });
    wake();
  });
  return {
    all,
    async until(count) {
      while (all.length < count) await new Promise<void>((resolve) => (wake = resolve));
      return all;
    },
  };
}

const texts = (received: readonly Received[]): string[] => received.map(({ payload }) => payload.toString());

describe.each(['tcp', 'tls', 'ws', 'wss', 'unix'] as const)('%s', (transport) => {
  describe.each([4, 5] as const)('MQTT.js with protocol level %i', (version) => {
    const at = `${transport}/${version}`;
    const connect = (options: IClientOptions = {}): Promise<MqttClient> =>
      connected(start(transport, version, options));

    test.each([0, 1, 2] as const)('500 messages of QoS %i arrive in order, each once', async (qos) => {
      const [subscriber, publisher] = await Promise.all([connect(), connect()]);
      const box = inbox(subscriber);
      await subscriber.subscribeAsync(`${at}/order/#`, { qos });
      const sent = Array.from({ length: 500 }, (_, i) => `${qos}-${i}`);
      await Promise.all(sent.map((text) => publisher.publishAsync(`${at}/order/x`, text, { qos })));
      await publisher.publishAsync(`${at}/order/end`, 'end', { qos });
      expect(texts(await box.until(501))).toEqual([...sent, 'end']);
      expect(box.all.every(({ packet }) => packet.qos === qos)).toBe(true);
    });

    test('payloads of every size arrive whole', async () => {
      const client = await connect();
      const box = inbox(client);
      await client.subscribeAsync(`${at}/size`, { qos: 1 });
      const room = MAX_PACKET_BYTES - 64;
      const sizes = [
        0,
        1,
        127,
        128,
        4096,
        16_383,
        16_384,
        65_535,
        65_536,
        131_072,
        262_144,
        300_000,
        400_001,
        room,
      ];
      for (const [i, size] of sizes.entries()) {
        await client.publishAsync(`${at}/size`, Buffer.alloc(size, `${i}é`), { qos: (i % 2) as 0 | 1 });
      }
      const received = await box.until(sizes.length);
      expect(received.map(({ payload }) => payload.length)).toEqual(sizes);
      for (const [i, { payload }] of received.entries()) {
        expect(payload.equals(Buffer.alloc(payload.length, `${i}é`)), `size ${payload.length}`).toBe(true);
      }
    });

    test('retained messages come with wildcards, and go with an empty one', async () => {
      const publisher = await connect();
      for (const name of ['a', 'b', 'c/d']) {
        await publisher.publishAsync(`${at}/keep/${name}`, name, { qos: 1, retain: true });
      }
      const first = await connect();
      const box = inbox(first);
      await first.subscribeAsync(`${at}/keep/#`, { qos: 1 });
      expect(texts(await box.until(3)).sort()).toEqual(['a', 'b', 'c/d']);
      expect(box.all.every(({ packet }) => packet.retain)).toBe(true);
      for (const name of ['a', 'c/d']) {
        await publisher.publishAsync(`${at}/keep/${name}`, '', { qos: 1, retain: true });
      }
      const second = await connect();
      const later = inbox(second);
      await second.subscribeAsync(`${at}/keep/+`, { qos: 1 });
      await publisher.publishAsync(`${at}/keep/end`, 'end', { qos: 1 });
      expect(texts(await later.until(2))).toEqual(['b', 'end']);
      await publisher.publishAsync(`${at}/keep/b`, '', { qos: 1, retain: true });
    });

    test('a will is published when the connection is lost, and not after DISCONNECT', async () => {
      const watcher = await connect();
      const box = inbox(watcher);
      await watcher.subscribeAsync(`${at}/will/+`, { qos: 1 });
      const will = (name: string): IClientOptions => ({
        will: { topic: `${at}/will/${name}`, payload: Buffer.from(name), qos: 1, retain: false },
      });
      const polite = await connect(will('polite'));
      await polite.endAsync();
      const lost = await connect(will('lost'));
      lost.stream.destroy();
      expect(texts(await box.until(1))).toEqual(['lost']);
    });

    test('a session that is away gets what it missed, once, after it is back', async () => {
      const options: IClientOptions = {
        clientId: `away-${transport}-${version}`,
        clean: false,
        ...(version === 5 && { properties: { sessionExpiryInterval: 300 } }),
      };
      const publisher = await connect();
      const before = await connect(options);
      await before.subscribeAsync(`${at}/away`, { qos: 2 });
      before.stream.destroy();
      await new Promise<void>((resolve) => before.once('close', () => resolve()));
      for (let i = 0; i < 20; i++) {
        await publisher.publishAsync(`${at}/away`, String(i), { qos: (1 + (i % 2)) as 1 | 2 });
      }
      const again = start(transport, version, options);
      const box = inbox(again);
      await connected(again);
      await publisher.publishAsync(`${at}/away`, 'now', { qos: 2 });
      const got = texts(await box.until(21));
      // MQTT.js hands a QoS 2 message over at PUBREL: the order is that of each QoS.
      const away = Array.from({ length: 20 }, (_, i) => String(i));
      expect(got.filter((text) => Number(text) % 2 === 0)).toEqual(
        away.filter((text) => Number(text) % 2 === 0),
      );
      expect(got.filter((text) => Number(text) % 2 !== 0)).toEqual([
        ...away.filter((text) => Number(text) % 2 === 1),
        'now',
      ]);
    });

    test('the second owner of a client identifier puts the first out', async () => {
      const clientId = `owner-${transport}-${version}`;
      const first = await connect({ clientId });
      const reason = new Promise<number | undefined>((resolve) => {
        first.once('disconnect', (packet) => resolve(packet.reasonCode));
        if (version === 4) first.once('close', () => resolve(undefined));
      });
      const second = await connect({ clientId });
      expect(await reason).toBe(version === 5 ? 0x8e : undefined);
      const box = inbox(second);
      await second.subscribeAsync(`${at}/owner`);
      await second.publishAsync(`${at}/owner`, 'mine');
      expect(texts(await box.until(1))).toEqual(['mine']);
    });

    test('a shared subscription gives each message to one member', async () => {
      const members = await Promise.all([connect(), connect(), connect()]);
      const boxes = members.map(inbox);
      for (const member of members) await member.subscribeAsync(`$share/workers/${at}/jobs`, { qos: 1 });
      const publisher = await connect();
      const jobs = Array.from({ length: 90 }, (_, i) => String(i));
      const arrived = new Promise<void>((resolve) => {
        const look = (): void => {
          if (boxes.reduce((sum, box) => sum + box.all.length, 0) === jobs.length) resolve();
        };
        for (const member of members) member.on('message', look);
      });
      for (const job of jobs) await publisher.publishAsync(`${at}/jobs`, job, { qos: 1 });
      await arrived;
      const done = boxes.flatMap((box) => texts(box.all)).map(Number);
      expect(done.sort((a, b) => a - b)).toEqual(jobs.map(Number));
      for (const box of boxes) expect(box.all.length).toBeGreaterThan(0);
    });

    test('a client that reads slowly loses nothing that was acknowledged', async () => {
      const slow = await connect({ ...(version === 5 && { properties: { receiveMaximum: 5 } }) });
      const box = inbox(slow);
      await slow.subscribeAsync(`${at}/slow`, { qos: 1 });
      const publisher = await connect();
      slow.stream.pause();
      const payload = Buffer.alloc(20_000, 'x');
      for (let i = 0; i < 150; i++) {
        payload.writeUInt32BE(i);
        await publisher.publishAsync(`${at}/slow`, Buffer.from(payload), { qos: 1 });
      }
      slow.stream.resume();
      const received = await box.until(150);
      expect(received.map(({ payload: bytes }) => bytes.readUInt32BE())).toEqual(
        Array.from({ length: 150 }, (_, i) => i),
      );
    });
  });

  describe('MQTT 5', () => {
    const connect = (options: IClientOptions = {}): Promise<MqttClient> =>
      connected(start(transport, 5, options));

    test('properties pass through unchanged, user properties in order', async () => {
      const client = await connect();
      const box = inbox(client);
      const topic = `${transport}/properties`;
      await client.subscribeAsync(topic, { qos: 2, properties: { subscriptionIdentifier: 268_435_455 } });
      const properties = {
        payloadFormatIndicator: true,
        contentType: 'application/json; ü',
        responseTopic: `${transport}/answer`,
        correlationData: Buffer.from([0, 255, 1, 254]),
        userProperties: { a: ['1', '2'], b: '', ü: '温' },
        messageExpiryInterval: 1000,
      };
      // The second and later ones are served by the data plane.
      for (let i = 0; i < 4; i++) await client.publishAsync(topic, '{}', { qos: 2, properties });
      for (const { packet } of await box.until(4)) {
        const { subscriptionIdentifier, ...rest } = packet.properties ?? {};
        expect([subscriptionIdentifier].flat()).toEqual([268_435_455]);
        expect({ ...rest, userProperties: { ...rest.userProperties } }).toEqual(properties);
      }
    });

    test('topic aliases work both ways', async () => {
      const subscriber = await connect({ properties: { topicAliasMaximum: 4 } });
      const publisher = await connect({ autoAssignTopicAlias: true, autoUseTopicAlias: true });
      const box = inbox(subscriber);
      await subscriber.subscribeAsync(`${transport}/alias/#`, { qos: 1 });
      const sent = Array.from(
        { length: 60 },
        (_, i) => `${transport}/alias/${'long-name/'.repeat(5)}${i % 6}`,
      );
      for (const [i, topic] of sent.entries())
        await publisher.publishAsync(topic, String(i), { qos: (i % 2) as 0 | 1 });
      const received = await box.until(sent.length);
      const byText = new Map(received.map(({ payload }, i) => [payload.toString(), received[i]]));
      // MQTT.js reports an empty topic for a packet that names it by alias only.
      for (const [i, topic] of sent.entries()) {
        const name = byText.get(String(i))?.packet.topic;
        if (name !== '') expect(name).toBe(topic);
      }
      expect(byText.size).toBe(sent.length);
    });

    test('a request is answered on its response topic', async () => {
      const [server, asker] = await Promise.all([connect(), connect()]);
      server.on('message', (_topic, payload, { properties }) => {
        const { responseTopic, correlationData } = properties ?? {};
        if (responseTopic === undefined || correlationData === undefined) return;
        server.publish(responseTopic, `${payload.toString()}!`, { qos: 1, properties: { correlationData } });
      });
      await server.subscribeAsync(`${transport}/ask`, { qos: 1 });
      const box = inbox(asker);
      await asker.subscribeAsync(`${transport}/reply/1`, { qos: 1 });
      for (let i = 0; i < 5; i++) {
        const correlationData = Buffer.from([i]);
        await asker.publishAsync(`${transport}/ask`, `q${i}`, {
          qos: 1,
          properties: { responseTopic: `${transport}/reply/1`, correlationData },
        });
      }
      const answers = await box.until(5);
      expect(texts(answers)).toEqual(['q0!', 'q1!', 'q2!', 'q3!', 'q4!']);
      expect(answers.map(({ packet }) => packet.properties?.correlationData?.[0])).toEqual([0, 1, 2, 3, 4]);
    });

    test('no local, retain as published and retain handling are kept', async () => {
      const client = await connect();
      const other = await connect();
      const box = inbox(client);
      const topic = `${transport}/options`;
      await other.publishAsync(topic, 'kept', { qos: 1, retain: true });
      await client.subscribeAsync(topic, { qos: 1, nl: true, rap: true, rh: 2 });
      await client.publishAsync(topic, 'own', { qos: 1 });
      await other.publishAsync(topic, 'theirs', { qos: 1, retain: true });
      await other.publishAsync(topic, 'plain', { qos: 1 });
      const received = await box.until(2);
      expect(texts(received)).toEqual(['theirs', 'plain']);
      expect(received.map(({ packet }) => packet.retain)).toEqual([true, false]);
      await other.publishAsync(topic, '', { qos: 1, retain: true });
    });
  });
});
