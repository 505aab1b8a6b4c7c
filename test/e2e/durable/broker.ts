/**
 * A node on a journal of files that ends and starts again on the same data, with time that tests move by hand. `stop` ends
 * it as an operator does. `crash` goes on with what the disk had in one moment, while the node was still running: what
 * SIGKILL leaves behind (kill.test.ts has the real thing).
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { pino } from 'pino';
import { afterEach } from 'vitest';
import { connectAdmin } from '../../../src/cli/admin-client.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { type RunningNode, startNode } from '../../../src/node.ts';
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts';
import { type Address, RawClient } from '../../support/raw-client.ts';
import * as wire from '../../support/wire.ts';
import { P } from '../../support/wire.ts';

export type End = 'stop' | 'crash';
export const ENDS = ['stop', 'crash'] as const;

/** Of one CONNECT; `expiry` is for version 5. */
export interface DurableConnect extends Omit<wire.ConnectOptions, 'clientId'> {
  readonly clientId: string;
  readonly expiry?: number;
}

export interface DurableBroker {
  readonly node: RunningNode;
  readonly mqtt: Address;
  readonly dataDir: string;
  advance(ms: number): Promise<void>;
  /** A connection with CONNECT accepted; of a session that lasts, unless it says otherwise. */
  connect(request: DurableConnect): Promise<RawClient>;
  /** MQTT.js. */
  js(version: wire.Version, options: IClientOptions): Promise<MqttClient>;
  /**
   * What clients have sent by now counts: what an end may take with it is the business of the crash tests. Then nobody
   * listens for `awayMs`, and the clients have lost their connections.
   */
  restart(end: End, awayMs?: number): Promise<void>;
  /** Views hold all that is known now. */
  checkpoint(): Promise<void>;
  /** What the disk has in this moment, somewhere else. */
  copy(): string;
  stop(): Promise<void>;
}

export interface BrokerOptions {
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /** Where settings are lists. */
  readonly yaml?: string;
  /** Data to begin with. */
  readonly copyOf?: string;
}

const startedBrokers = new Set<DurableBroker>();

afterEach(async () => {
  for (const broker of startedBrokers) await broker.stop();
  startedBrokers.clear();
});

/** Sockets belong to whoever runs: the lock, and administration. */
function copyData(from: string, to: string): void {
  cpSync(from, to, {
    recursive: true,
    filter: (path) => basename(path) !== 'lock' && !basename(path).endsWith('.sock'),
  });
}

export async function startDurable(options: BrokerOptions = {}): Promise<DurableBroker> {
  const { settings = {}, yaml, copyOf } = options;
  const folder = mkdtempSync(join(tmpdir(), 'robustmq-durable-'));
  const clients = new Set<RawClient>();
  const jsClients = new Set<MqttClient>();
  let generation = 0;
  let copies = 0;
  let wallMs = Date.UTC(2026, 0, 1);
  let clock: ManualClock = createManualClock(wallMs);
  let node: RunningNode | undefined;
  const dataDir = (): string => join(folder, `data${generation}`);

  /** Everything that clients have sent is understood, and written down. */
  async function settle(): Promise<void> {
    const probe = await RawClient.open(address(), 5, 'probe');
    probe.send(wire.connect({ clientId: 'probe' }));
    await probe.expect('connack');
    for (const client of [...clients, probe]) if (!client.ended) await client.barrier().catch(() => []);
    probe.socket.destroy();
    await running().mqtt.context.durable.log.drained();
  }

  async function start(): Promise<void> {
    const all = {
      dataDir: dataDir(),
      'listeners.mqtt.port': 0,
      'listeners.ws.enabled': false,
      'listeners.kafka.enabled': false,
      'listeners.http.enabled': false,
      'sys.interval': 0,
      'storage.engine': 'files',
      // RocksDB takes half of the time that such a test takes; the process that is killed has it (kill.test.ts).
      'storage.views': process.env.ROBUSTMQ_TEST_VIEWS ?? 'memory',
      'dataplane.flowCache': process.env.ROBUSTMQ_TEST_FLOW_CACHE ?? 'on',
      ...settings,
    };
    const loaded = await loadConfig({
      sets: Object.entries(all).map(([key, value]) => `${key}=${value}`),
      ...(yaml === undefined ? {} : { file: { name: 'test', text: yaml } }),
    });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    clock = createManualClock(wallMs);
    node = await startNode(loaded.config, {
      clock,
      logger: pino({ level: process.env.ROBUSTMQ_TEST_LOG ?? 'silent' }),
    });
  }

  const running = (): RunningNode => {
    if (node === undefined) throw new Error('the broker is not running');
    return node;
  };
  const address = (): Address => {
    const listener = running().listeners[0]?.address;
    if (listener === undefined || !('port' in listener)) throw new Error('no mqtt listener');
    return { host: listener.host, port: listener.port };
  };
  const dropClients = (): void => {
    for (const client of clients) client.socket.destroy();
    for (const client of jsClients) client.end(true);
    clients.clear();
    jsClients.clear();
  };

  if (copyOf !== undefined) copyData(copyOf, dataDir());
  await start();
  const broker: DurableBroker = {
    get node() {
      return running();
    },
    get mqtt() {
      return address();
    },
    get dataDir() {
      return dataDir();
    },
    advance: (ms) => clock.advance(ms),
    async connect({ expiry, ...request }) {
      const { version = 5, clientId } = request;
      const client = await RawClient.open(address(), version, clientId);
      clients.add(client);
      const lasts: wire.Properties = version === 5 ? [[P.sessionExpiry, expiry ?? 3600]] : [];
      const properties = [...lasts, ...(request.properties ?? [])];
      client.send(wire.connect({ clean: false, ...request, version, properties }));
      client.connack = await client.expect('connack');
      if (client.connack.reason !== 0) throw new Error(`refused: 0x${client.connack.reason.toString(16)}`);
      return client;
    },
    async js(version, options) {
      const { host, port } = address();
      const client = mqtt.connect(`mqtt://${host}:${port}`, {
        protocolVersion: version,
        protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
        reconnectPeriod: 0,
        ...(version === 5 && options.clean === false ? { properties: { sessionExpiryInterval: 3600 } } : {}),
        ...options,
      });
      jsClients.add(client);
      client.on('error', () => {});
      return client;
    },
    async restart(end, awayMs = 0) {
      const old = running();
      await settle();
      if (end === 'crash') {
        const from = dataDir();
        generation++;
        copyData(from, dataDir());
        dropClients();
        await old.stop();
        rmSync(from, { recursive: true, force: true });
      } else {
        await old.stop();
        dropClients();
      }
      wallMs = clock.wallMs() + awayMs;
      await start();
    },
    checkpoint: () => running().mqtt.context.durable.log.checkpoint(),
    copy() {
      const to = join(folder, `copy${++copies}`);
      copyData(dataDir(), to);
      return to;
    },
    async stop() {
      startedBrokers.delete(broker);
      dropClients();
      await node?.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  startedBrokers.add(broker);
  return broker;
}

/** What administration says, over the socket of the data directory. */
export async function administer<T>(
  broker: DurableBroker,
  ask: (client: ReturnType<typeof connectAdmin>) => Promise<T>,
): Promise<T> {
  const client = connectAdmin(broker.dataDir);
  try {
    return await ask(client);
  } finally {
    client.close();
  }
}

/** A client of no consequence that publishes. */
export async function publisherOf(broker: DurableBroker, clientId = 'publisher'): Promise<RawClient> {
  return broker.connect({ clientId, clean: true, expiry: 0 });
}

/** The payloads of the next messages, acknowledged. */
export async function take(client: RawClient, count: number): Promise<string[]> {
  const payloads: string[] = [];
  for (let n = 0; n < count; n++) payloads.push((await client.message()).payload.toString());
  return payloads;
}
