/**
 * SIGKILL of a broker that is a process, in the moment in which the last promise was heard: all that was promised is there,
 * by MQTT.js and by exact packets. ROBUSTMQ_DURABLE_KILLS=n is the number of rounds. Load and random moments are the
 * business of test/crash.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import mqtt, { type MqttClient } from 'mqtt';
import { afterEach, expect, test } from 'vitest';
import { RawClient, waitAtLeast } from '../../support/raw-client.ts';
import * as wire from '../../support/wire.ts';
import { P } from '../../support/wire.ts';
import { type Program, readyFile, run } from '../process.ts';
import { take } from './broker.ts';

const ROUNDS = Number(process.env.ROBUSTMQ_DURABLE_KILLS ?? 1);
waitAtLeast(20_000);
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));

let folder: string | undefined;
let program: Program | undefined;
const sockets = new Set<() => void>();

afterEach(async () => {
  for (const close of sockets) close();
  sockets.clear();
  program?.child.kill('SIGKILL');
  await program?.finished;
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

interface Listening {
  readonly host: string;
  readonly port: number;
}

async function start(): Promise<Listening> {
  folder ??= mkdtempSync(join(tmpdir(), 'robustmq-kill-'));
  const ready = join(folder, 'ready.json');
  rmSync(ready, { force: true });
  const sets = [
    'listeners.mqtt.port=0',
    'listeners.ws.enabled=false',
    'listeners.kafka.enabled=false',
    'listeners.http.enabled=false',
    'deduplication.userProperty=id',
  ];
  const args = ['start', '--data-dir', join(folder, 'data'), '--ready-file', ready];
  program = run(process.execPath, [
    ...['--import', tsx, main],
    ...args,
    ...sets.flatMap((set) => ['--set', set]),
  ]);
  const { host, port } = (await readyFile(ready, program)).listeners.mqtt ?? {};
  if (host === undefined || port === undefined) throw new Error('no mqtt listener');
  return { host, port };
}

async function killAndStart(): Promise<Listening> {
  program?.child.kill('SIGKILL');
  await program?.finished;
  for (const close of sockets) close();
  sockets.clear();
  return start();
}

async function connect(to: Listening, options: wire.ConnectOptions & { readonly clientId: string }) {
  const client = await RawClient.open(to, 5, options.clientId);
  sockets.add(() => client.socket.destroy());
  client.send(wire.connect({ clean: false, properties: [[P.sessionExpiry, 3600]], ...options }));
  client.connack = await client.expect('connack');
  return client;
}

function js(to: Listening, options: mqtt.IClientOptions): MqttClient {
  const client = mqtt.connect(`mqtt://${to.host}:${to.port}`, { reconnectPeriod: 0, ...options });
  client.on('error', () => {});
  sockets.add(() => client.end(true));
  return client;
}

const SENT = Array.from({ length: 200 }, (_, i) => `${i}`);
const LASTING = { clientId: 'js', clean: false, protocolVersion: 4 } as const;

async function leaveMessages(broker: Listening): Promise<void> {
  const subscriber = js(broker, LASTING);
  await subscriber.subscribeAsync('js/#', { qos: 1 });
  await subscriber.endAsync();
  const publisher = js(broker, { clientId: 'js-publisher', protocolVersion: 4 });
  await Promise.all(SENT.map((payload) => publisher.publishAsync('js/1', payload, { qos: 1 })));
}

async function findMessages(broker: Listening): Promise<void> {
  const got: string[] = [];
  const back = js(broker, LASTING);
  await new Promise<void>((resolve) => {
    back.on('message', (_topic, payload) => {
      got.push(payload.toString());
      if (got.length === SENT.length) resolve();
    });
  });
  expect(got).toEqual(SENT);
}

test.each(Array.from({ length: ROUNDS }, (_, round) => round))(
  'all that was promised is there, round %i',
  async () => {
    const first = await start();
    await leaveMessages(first);
    const away = await connect(first, { clientId: 'away' });
    await away.subscribe([{ filter: 't/#', qos: 2 }], [[P.subscriptionId, 9]]);
    const receiver = await connect(first, { clientId: 'receiver' });
    await receiver.subscribe([{ filter: 'in/+', qos: 2 }]);
    await connect(first, { clientId: 'member' }).then((client) => client.subscribe(['$share/g/s/#']));
    const will = { topic: 't/will', payload: 'will', qos: 1 };
    await connect(first, { clientId: 'mortal', will });
    const publisher = await connect(first, { clientId: 'publisher' });
    await publisher.publish({ topic: 't/delayed', payload: 'first', qos: 1, retain: true });
    expect((await away.message()).payload.toString()).toBe('first');
    await away.drop();
    for (const name of ['open', 'received']) {
      await publisher.publish({ topic: `in/${name}`, payload: name, qos: 2 });
    }
    const [open, received] = [await receiver.expect('publish'), await receiver.expect('publish')];
    receiver.send(wire.ack('pubrec', received.packetId));
    await receiver.expect('pubrel');
    await publisher.publish({ topic: 's/1', payload: 'shared', qos: 1 });
    const identified = [[P.userProperty, ['id', '1']]] as const;
    await publisher.publish({ topic: 't/once', payload: 'once', qos: 1, properties: identified });
    await publisher.publish({ topic: '$delayed/0/t/soon', payload: 'soon', qos: 1 });
    await publisher.publish({ topic: 't/kept', payload: 'kept', qos: 2, retain: true });
    publisher.send(wire.publish({ topic: 't/half', payload: 'half', qos: 2, packetId: 77 }));
    await publisher.waitFor('pubrec', ({ packetId }) => packetId === 77);

    const second = await killAndStart();
    await findMessages(second);
    const again = await connect(second, { clientId: 'publisher' });
    expect(again.connack?.sessionPresent).toBe(true);
    again.send(wire.publish({ topic: 't/half', payload: 'half', qos: 2, packetId: 77, dup: true }));
    await again.waitFor('pubrec', ({ packetId }) => packetId === 77);
    again.send(wire.ack('pubrel', 77));
    await again.waitFor('pubcomp', ({ packetId }) => packetId === 77);
    await again.publish({ topic: 't/once', payload: 'again', qos: 1, properties: identified });

    const back = await connect(second, { clientId: 'away' });
    const got: string[] = [];
    while (got.length < 5) {
      const message = await back.message();
      // What it had acknowledged may come again, and says so.
      if (message.payload.toString() === 'first') expect(message.dup).toBe(true);
      else got.push(message.payload.toString());
      expect(message.properties).toContainEqual([P.subscriptionId, 9]);
    }
    expect(got.sort()).toEqual(['half', 'kept', 'once', 'soon', 'will']);
    await back.quiet();

    const resumed = await connect(second, { clientId: 'receiver' });
    expect((await resumed.expect('pubrel')).packetId).toBe(received.packetId);
    expect(await resumed.message()).toMatchObject({ packetId: open.packetId, dup: true });
    expect(await take(await connect(second, { clientId: 'member' }), 1)).toEqual(['shared']);
    const reader = await connect(second, { clientId: 'reader', clean: true });
    await reader.subscribe([{ filter: '#', qos: 0 }]);
    expect((await reader.message()).retain && (await reader.message()).retain).toBe(true);
    await reader.quiet();
  },
  120_000,
);
