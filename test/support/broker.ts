/**
 * The broker under test. Normally our node, in this process, on free ports of the loopback, with time that tests
 * move by hand. ROBUSTMQ_TEST_FLOW_CACHE=off runs it without the fast path, ROBUSTMQ_TEST_STORAGE=files with a journal
 * of files. ROBUSTMQ_TEST_BROKER=mosquitto starts a Mosquitto instead, to see whether the tests themselves are right;
 * time is then real and settings are ignored.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { afterAll, beforeAll } from 'vitest';
import type { NodeDependencies } from '../../src/node.ts';
import { freePort } from './free-port.ts';
import { createManualClock } from './manual-clock.ts';
import { type Address, RawClient } from './raw-client.ts';
import * as wire from './wire.ts';

export const onMosquitto = process.env.ROBUSTMQ_TEST_BROKER === 'mosquitto';

/** Keys and values as on the command line after --set. */
export type Settings = Readonly<Record<string, string | number | boolean>>;
export type Services = Partial<Omit<NodeDependencies, 'logger' | 'clock'>>;

export interface ConnectRequest extends Omit<wire.ConnectOptions, 'clientId'> {
  readonly clientId?: string;
}

export interface TestBroker {
  readonly mqtt: Address;
  readonly ws: Address;
  /** Lets time pass; with Mosquitto it really does. */
  advance(ms: number): Promise<void>;
  /** A bare connection: nothing sent. */
  open(version?: wire.Version, clientId?: string): Promise<RawClient>;
  /** A connection with CONNECT accepted. */
  connect(request?: ConnectRequest): Promise<RawClient>;
  /** Stops the broker while clients are still connected. */
  shutDown(): Promise<void>;
  stop(): Promise<void>;
}

interface Running {
  readonly mqtt: Address;
  readonly ws: Address;
  advance(ms: number): Promise<void>;
  stop(): Promise<void>;
}

let counter = 0;
/** A name no other test of this run uses. */
export function unique(prefix = 't'): string {
  counter += 1;
  return `${prefix}${process.pid.toString(36)}${counter.toString(36)}`;
}

async function startMosquitto(): Promise<Running> {
  const directory = mkdtempSync(join(tmpdir(), 'mosquitto-'));
  const mqtt = { host: '127.0.0.1', port: await freePort() };
  const ws = { host: '127.0.0.1', port: await freePort() };
  const file = join(directory, 'mosquitto.conf');
  writeFileSync(
    file,
    [
      `listener ${mqtt.port} ${mqtt.host}`,
      `listener ${ws.port} ${ws.host}`,
      'protocol websockets',
      'allow_anonymous true',
      'max_packet_size 1048576',
      'sys_interval 0',
      '',
    ].join('\n'),
  );
  const child: ChildProcess = spawn('/usr/sbin/mosquitto', ['-c', file], { stdio: 'ignore' });
  for (let attempt = 0; ; attempt++) {
    try {
      (await RawClient.open(mqtt)).socket.destroy();
      break;
    } catch (error) {
      if (attempt > 50) throw error;
      await delay(20);
    }
  }
  return {
    mqtt,
    ws,
    advance: (ms) => delay(ms + 50),
    async stop() {
      child.kill('SIGKILL');
      await once(child, 'exit');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function startOurs(settings: Settings, services: Services): Promise<Running> {
  // Loaded only here: Mosquitto needs nothing of ours.
  const { startNode } = await import('../../src/node.ts');
  const { loadConfig } = await import('../../src/config/load.ts');
  const dataDir = mkdtempSync(join(tmpdir(), 'robustmq-'));
  const all: Settings = {
    dataDir,
    'listeners.mqtt.port': 0,
    'listeners.ws.port': 0,
    'listeners.kafka.enabled': false,
    'listeners.http.enabled': false,
    'logging.level': 'silent',
    'sys.interval': 0,
    'storage.engine': process.env.ROBUSTMQ_TEST_STORAGE ?? 'memory',
    'dataplane.flowCache': process.env.ROBUSTMQ_TEST_FLOW_CACHE ?? 'on',
    ...settings,
  };
  const loaded = await loadConfig({ sets: Object.entries(all).map(([key, value]) => `${key}=${value}`) });
  if (!loaded.ok) throw new Error(`bad test settings: ${JSON.stringify(loaded.problems)}`);
  const clock = createManualClock();
  const logger = pino({ level: process.env.ROBUSTMQ_TEST_LOG ?? 'silent' });
  const node = await startNode(loaded.config, { ...services, logger, clock });
  const addressOf = (name: string): Address => {
    const address = node.listeners.find((listener) => listener.name === name)?.address;
    if (address === undefined || !('port' in address)) throw new Error(`no listener ${name}`);
    return { host: address.host, port: address.port };
  };
  return {
    mqtt: addressOf('mqtt'),
    ws: addressOf('ws'),
    advance: clock.advance,
    async stop() {
      await node.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

export async function startTestBroker(settings: Settings = {}, services: Services = {}): Promise<TestBroker> {
  const running = onMosquitto ? await startMosquitto() : await startOurs(settings, services);
  const clients = new Set<RawClient>();
  let stopped: Promise<void> | undefined;
  const shutDown = (): Promise<void> => {
    stopped ??= running.stop();
    return stopped;
  };
  const open = async (version: wire.Version = 5, clientId = ''): Promise<RawClient> => {
    const client = await RawClient.open(running.mqtt, version, clientId);
    clients.add(client);
    return client;
  };
  return {
    mqtt: running.mqtt,
    ws: running.ws,
    advance: running.advance,
    open,
    async connect(request = {}) {
      const clientId = request.clientId ?? unique('c');
      const client = await open(request.version ?? 5, clientId);
      client.send(wire.connect({ ...request, clientId }));
      client.connack = await client.expect('connack');
      if (client.connack.reason !== 0)
        throw new Error(`connection refused: 0x${client.connack.reason.toString(16)}`);
      return client;
    },
    shutDown,
    async stop() {
      for (const client of clients) client.socket.destroy();
      await shutDown();
    },
  };
}

/** One broker for all tests of a file. */
export function useBroker(settings: Settings = {}, services: Services = {}): TestBroker {
  let broker: TestBroker | undefined;
  const started = (): TestBroker => {
    if (broker === undefined) throw new Error('the broker is not running');
    return broker;
  };
  beforeAll(async () => {
    broker = await startTestBroker(settings, services);
  });
  afterAll(async () => {
    await broker?.stop();
  });
  return {
    get mqtt() {
      return started().mqtt;
    },
    get ws() {
      return started().ws;
    },
    advance: (ms) => started().advance(ms),
    open: (version, clientId) => started().open(version, clientId),
    connect: (request) => started().connect(request),
    shutDown: () => started().shutDown(),
    stop: () => started().stop(),
  };
}
