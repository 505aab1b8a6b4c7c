import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import mqttPacket from 'mqtt-packet';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket as NodeWebSocket, WebSocketServer } from 'ws';
import {
  type ClientOptions,
  type ClientState,
  connect,
  type IncomingMessage,
  type MqttClient,
} from '../../src/browser/client.ts';
import { matches } from '../../src/browser/subscriptions.ts';

/** A server that a test drives packet by packet. */
class Scripted {
  readonly server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  readonly received: mqttPacket.Packet[] = [];
  connections = 0;
  private waiting: (() => void)[] = [];
  private socket: NodeWebSocket | undefined;

  constructor() {
    this.server.on('connection', (socket) => {
      this.connections++;
      this.socket = socket;
      const parser = mqttPacket.parser({ protocolVersion: 5 });
      parser.on('packet', (packet) => {
        this.received.push(packet);
        for (const wake of this.waiting.splice(0)) wake();
      });
      socket.on('message', (data) => parser.parse(data as Buffer));
    });
  }
  async listening(): Promise<string> {
    if (this.server.address() === null) await once(this.server, 'listening');
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}/mqtt`;
  }
  async next(): Promise<mqttPacket.Packet> {
    for (;;) {
      const packet = this.received.shift();
      if (packet !== undefined) return packet;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }
  send(...packets: mqttPacket.Packet[]): void {
    this.socket?.send(
      Buffer.concat(packets.map((packet) => mqttPacket.generate(packet, { protocolVersion: 5 }))),
    );
  }
  sendRaw(...bytes: number[]): void {
    this.socket?.send(Buffer.from(bytes));
  }
  drop(): void {
    this.socket?.terminate();
  }
  async welcome(sessionPresent = false, properties = {}): Promise<mqttPacket.IConnectPacket> {
    const packet = await this.next();
    expect(packet.cmd).toBe('connect');
    this.send({ cmd: 'connack', reasonCode: 0, sessionPresent, properties });
    return packet as mqttPacket.IConnectPacket;
  }
  async grant(): Promise<mqttPacket.ISubscribePacket> {
    const packet = (await this.next()) as mqttPacket.ISubscribePacket;
    expect(packet.cmd).toBe('subscribe');
    this.send({ cmd: 'suback', messageId: packet.messageId ?? 0, granted: [1] });
    return packet;
  }
}

const open: { close(): void }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

async function start(options: Partial<ClientOptions> = {}) {
  const server = new Scripted();
  const url = await server.listening();
  const states: ClientState[] = [];
  const watchers: (() => void)[] = [];
  const client: MqttClient = connect({
    url,
    reconnect: { minMs: 1, maxMs: 5 },
    WebSocket: NodeWebSocket as unknown as typeof WebSocket,
    ...options,
    onState: (state) => {
      states.push(state);
      for (const wake of watchers.splice(0)) wake();
    },
  });
  open.push(client, { close: () => server.server.close() });
  async function until(status: ClientState['status']): Promise<ClientState> {
    while (client.state.status !== status) await new Promise<void>((resolve) => watchers.push(resolve));
    return client.state;
  }
  return { server, client, states, until };
}

const publish = (topic: string, extra = {}): mqttPacket.IPublishPacket => ({
  cmd: 'publish',
  topic,
  payload: 'hello',
  qos: 0,
  dup: false,
  retain: false,
  ...extra,
});

describe('browser client', () => {
  it('connects with will and credentials, and says DISCONNECT at the end', async () => {
    const { server, client, until } = await start({
      clientId: 'page',
      username: 'u',
      password: 'p',
      will: { topic: 'gone', payload: 'x', qos: 1, delaySeconds: 3 },
    });
    const packet = await server.welcome();
    expect(packet).toMatchObject({ clientId: 'page', username: 'u', clean: true, protocolVersion: 5 });
    expect(packet.will).toMatchObject({ topic: 'gone', qos: 1, properties: { willDelayInterval: 3 } });
    await until('connected');
    client.close();
    expect(await server.next()).toMatchObject({ cmd: 'disconnect', reasonCode: 0 });
    await expect(client.publish('a', 'b')).rejects.toThrow('closed');
  });

  it('gives each delivery to the subscription that it names, and acknowledges QoS 1', async () => {
    const { server, client } = await start();
    await server.welcome();
    const [all, some]: [string[], string[]] = [[], []];
    const first = client.subscribe('#', (m) => all.push(m.topic), { qos: 1 });
    const firstId = (await server.grant()).properties?.subscriptionIdentifier as number;
    const second = client.subscribe('a/+', (m) => some.push(m.topic));
    const secondId = (await server.grant()).properties?.subscriptionIdentifier as number;
    expect((await first).grantedQos).toBe(1);
    server.send(
      publish('a/b', { properties: { subscriptionIdentifier: firstId } }),
      publish('a/b', { properties: { subscriptionIdentifier: secondId } }),
      publish('c', { qos: 1, messageId: 77, properties: { subscriptionIdentifier: firstId } }),
    );
    expect(await server.next()).toMatchObject({ cmd: 'puback', messageId: 77 });
    expect(all).toEqual(['a/b', 'c']);
    expect(some).toEqual(['a/b']);
    const done = (await second).unsubscribe();
    const unsubscribe = await server.next();
    expect(unsubscribe).toMatchObject({ cmd: 'unsubscribe', unsubscriptions: ['a/+'] });
    server.send({ cmd: 'unsuback', messageId: unsubscribe.messageId ?? 0, granted: [0] });
    await done;
  });

  it('delivers by filter where the server has no identifiers', async () => {
    const { server, client, until } = await start();
    await server.welcome(false, { subscriptionIdentifiersAvailable: false });
    await until('connected');
    const heard: IncomingMessage[] = [];
    const granted = client.subscribe('a/#', (m) => heard.push(m));
    expect((await server.grant()).properties?.subscriptionIdentifier).toBeUndefined();
    await granted;
    server.send(publish('a'), publish('b'), publish('a/x', { qos: 1, messageId: 1 }));
    await server.next();
    expect(heard.map((m) => m.topic)).toEqual(['a', 'a/x']);
  });

  it('rejects what the server refuses', async () => {
    const { server, client } = await start();
    await server.welcome();
    const refused = client.subscribe('secret', () => undefined);
    const packet = (await server.next()) as mqttPacket.ISubscribePacket;
    server.send({ cmd: 'suback', messageId: packet.messageId ?? 0, granted: [0x87] });
    await expect(refused).rejects.toMatchObject({ reasonCode: 0x87 });
    const publishing = client.publish('secret', 'x', { qos: 1 });
    const sent = await server.next();
    server.send({
      cmd: 'puback',
      messageId: sent.messageId ?? 0,
      reasonCode: 0x97,
      properties: { reasonString: 'quota' },
    });
    await expect(publishing).rejects.toThrow('quota');
  });

  it('keeps to the Receive Maximum of the server', async () => {
    const { server, client, until } = await start();
    await server.welcome(false, { receiveMaximum: 2 });
    await until('connected');
    const all = [1, 2, 3].map((n) => client.publish('t', String(n), { qos: 1 }));
    const [one, two] = [await server.next(), await server.next()];
    void client.publish('t', 'marker');
    expect(await server.next()).toMatchObject({ cmd: 'publish', qos: 0 });
    server.send({ cmd: 'puback', messageId: one.messageId ?? 0, reasonCode: 0 });
    const three = await server.next();
    expect(three).toMatchObject({ payload: Buffer.from('3'), dup: false });
    for (const packet of [two, three])
      server.send({ cmd: 'puback', messageId: packet.messageId ?? 0, reasonCode: 0 });
    await Promise.all(all);
  });

  it('comes back with its subscriptions and unacknowledged publishes when the session is lost', async () => {
    const { server, client, until, states } = await start({ clientId: 'x' });
    await server.welcome();
    await until('connected');
    const heard: string[] = [];
    const granted = client.subscribe('a', (m) => heard.push(m.topic));
    const identifier = (await server.grant()).properties?.subscriptionIdentifier as number;
    await granted;
    const publishing = client.publish('t', 'keep', { qos: 1 });
    await server.next();
    server.drop();
    await until('waiting');
    await expect(client.publish('t', 'volatile')).rejects.toThrow('not connected');
    expect((await server.welcome(false)).clean).toBe(false);
    const first = await server.next();
    expect(first).toMatchObject({ cmd: 'publish', payload: Buffer.from('keep'), dup: false });
    expect((await server.grant()).properties?.subscriptionIdentifier).toBe(identifier);
    server.send({ cmd: 'puback', messageId: first.messageId ?? 0, reasonCode: 0 });
    await publishing;
    server.send(publish('a', { qos: 1, messageId: 1, properties: { subscriptionIdentifier: identifier } }));
    await server.next();
    expect(heard).toEqual(['a']);
    expect(states.map((s) => s.status)).toEqual([
      'connecting',
      'connected',
      'waiting',
      'connecting',
      'connected',
    ]);
  });

  it('marks a repeated publish as duplicate and does not subscribe again in a resumed session', async () => {
    const { server, client, until } = await start({ sessionExpirySeconds: 60 });
    await server.welcome(false, { assignedClientIdentifier: 'given' });
    await until('connected');
    const granted = client.subscribe('a', () => undefined);
    await server.grant();
    await granted;
    const publishing = client.publish('t', 'keep', { qos: 1 });
    await server.next();
    server.drop();
    expect((await server.welcome(true)).clientId).toBe('given');
    const again = await server.next();
    expect(again).toMatchObject({ cmd: 'publish', dup: true });
    server.send({ cmd: 'puback', messageId: again.messageId ?? 0, reasonCode: 0 });
    await publishing;
    expect(server.received).toEqual([]);
  });

  it('closes for good when trying again is of no use', async () => {
    const { server, client, until } = await start();
    await server.next();
    const waiting = client.publish('t', 'x', { qos: 1 });
    const rejected = expect(waiting).rejects.toThrow('0x86');
    server.send({ cmd: 'connack', reasonCode: 0x86, sessionPresent: false });
    await until('closed');
    await rejected;
    expect(server.connections).toBe(1);
  });

  it('closes when the server breaks the protocol', async () => {
    const { server, until } = await start();
    await server.welcome();
    await until('connected');
    server.sendRaw(0x36, 3, 0, 0, 0);
    expect(await server.next()).toMatchObject({ cmd: 'disconnect', reasonCode: 0x82 });
    expect(await until('closed')).toMatchObject({ reason: expect.stringContaining('0x82') });
  });

  it('pings a quiet server, and comes back when it stops answering', async () => {
    const { server, until } = await start();
    await server.welcome(false, { serverKeepAlive: 1 });
    await until('connected');
    expect(await server.next()).toMatchObject({ cmd: 'pingreq' });
    expect(await until('waiting')).toMatchObject({ reason: expect.stringContaining('stopped answering') });
    await server.welcome();
  });

  it('refuses what cannot be published', async () => {
    const { server, client, until } = await start({ maxPending: 1 });
    await server.welcome(false, { maximumPacketSize: 100 });
    await until('connected');
    await expect(client.publish('a/+', 'x')).rejects.toThrow('topic');
    await expect(client.publish('a', new Uint8Array(200))).rejects.toThrow('larger');
    void client.publish('a', 'x', { qos: 1 }).catch(() => undefined);
    await expect(client.publish('a', 'x', { qos: 1 })).rejects.toThrow('too many');
  });
});

describe('matching in the client', () => {
  it.each([
    ['#', 'a/b', true],
    ['a/#', 'a', true],
    ['a/+', 'a', false],
    ['a/+', 'a/', true],
    ['+/b', '$SYS/b', false],
    ['$SYS/#', '$SYS/b', true],
    ['$share/g/a/+', 'a/b', true],
    ['a', 'a/b', false],
  ])('%s against %s: %s', (filter, topic, expected) => {
    expect(matches(filter, topic)).toBe(expected);
  });
});
