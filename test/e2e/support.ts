/** A whole node in this process with time that tests move, and a view into its counters. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { loadConfig } from '../../src/config/load.ts';
import { type NodeDependencies, type RunningNode, startNode } from '../../src/node.ts';
import { createManualClock, type ManualClock } from '../support/manual-clock.ts';
import { type Address, RawClient } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';

export interface TestNode {
  readonly node: RunningNode;
  readonly clock: ManualClock;
  readonly mqtt: Address;
  connect(options: wire.ConnectOptions): Promise<RawClient>;
  stop(): Promise<void>;
}

export async function startTestNode(
  settings: Readonly<Record<string, string | number | boolean>> = {},
  services: Partial<NodeDependencies> = {},
): Promise<TestNode> {
  const dataDir = mkdtempSync(join(tmpdir(), 'robustmq-'));
  const all = {
    dataDir,
    'listeners.mqtt.port': 0,
    'listeners.ws.enabled': false,
    'listeners.kafka.enabled': false,
    'listeners.http.enabled': false,
    'sys.interval': 0,
    'dataplane.flowCache': process.env.ROBUSTMQ_TEST_FLOW_CACHE ?? 'on',
    ...settings,
  };
  const loaded = await loadConfig({ sets: Object.entries(all).map(([key, value]) => `${key}=${value}`) });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const clock = createManualClock();
  const logger = pino({ level: process.env.ROBUSTMQ_TEST_LOG ?? 'silent' });
  const node = await startNode(loaded.config, { logger, clock, ...services });
  const address = node.listeners.find((listener) => listener.name === 'mqtt')?.address;
  if (address === undefined || !('port' in address)) throw new Error('no mqtt listener');
  const mqtt = { host: address.host, port: address.port };
  const clients = new Set<RawClient>();
  return {
    node,
    clock,
    mqtt,
    async connect(options) {
      const client = await RawClient.open(mqtt, options.version ?? 5, String(options.clientId ?? ''));
      clients.add(client);
      client.send(wire.connect(options));
      client.connack = await client.expect('connack');
      return client;
    },
    async stop() {
      for (const client of clients) client.socket.destroy();
      await node.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** Turns of the event loop until something holds. */
export async function until(what: string, holds: () => boolean, turns = 2000): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    if (holds()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`never: ${what}`);
}
