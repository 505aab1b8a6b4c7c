/** A whole node that Kafka's clients can reach, with real time: they have timers of their own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, type KafkaConfig, logLevel } from 'kafkajs';
import { pino } from 'pino';
import { loadConfig } from '../../../src/config/load.ts';
import { type Clock, systemClock } from '../../../src/kernel/clock.ts';
import { type RunningNode, startNode } from '../../../src/node.ts';

export type Settings = Readonly<Record<string, string | number | boolean>>;

export interface KafkaNode {
  readonly node: RunningNode;
  readonly dataDir: string;
  readonly port: number;
  client(options?: Partial<KafkaConfig>): Kafka;
  /** For the node it is `ms` later at once. It goes in steps, and what is due fires at each: a longer one would be a standstill, which does not count. */
  pass(ms: number): void;
  /** The same data directory, another process as far as anybody can tell. */
  restart(settings?: Settings): Promise<void>;
  stop(): Promise<void>;
}

function portOf(node: RunningNode, name: string): number {
  const address = node.listeners.find((listener) => listener.name === name)?.address;
  if (address === undefined || !('port' in address)) throw new Error(`no listener ${name}`);
  return address.port;
}

const STEP_MS = 500;

/** Real time, and what a test lets pass beside it. */
function passingClock(): Clock & Pick<KafkaNode, 'pass'> {
  let passedMs = 0;
  const timers = new Set<{ dueMs: number; fire(): void }>();
  const monotonicMs = (): number => systemClock.monotonicMs() + passedMs;
  return {
    monotonicMs,
    wallMs: () => systemClock.wallMs() + passedMs,
    every(intervalMs, callback) {
      const timer = {
        dueMs: monotonicMs() + intervalMs,
        fire() {
          timer.dueMs = monotonicMs() + intervalMs;
          callback();
        },
      };
      timers.add(timer);
      const stop = systemClock.every(intervalMs, timer.fire);
      return () => {
        timers.delete(timer);
        stop();
      };
    },
    pass(ms) {
      for (let leftMs = ms; leftMs > 0; leftMs -= STEP_MS) {
        passedMs += Math.min(STEP_MS, leftMs);
        for (const timer of [...timers]) if (timers.has(timer) && timer.dueMs <= monotonicMs()) timer.fire();
      }
    },
  };
}

/** `log` takes the lines of the log, at its lowest level. */
export async function startKafkaNode(
  settings: Settings = {},
  log?: { write(line: string): void },
): Promise<KafkaNode> {
  const dataDir = mkdtempSync(join(tmpdir(), 'robustmq-kafka-'));
  const clock = passingClock();
  const start = async (more: Settings): Promise<RunningNode> => {
    const all: Settings = {
      dataDir,
      'listeners.mqtt.port': 0,
      'listeners.ws.enabled': false,
      'listeners.kafka.enabled': true,
      'listeners.http.enabled': false,
      'listeners.kafka.port': 0,
      'sys.interval': 0,
      'storage.engine': 'memory',
      ...settings,
      ...more,
    };
    const loaded = await loadConfig({ sets: Object.entries(all).map(([key, value]) => `${key}=${value}`) });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    const logger =
      log === undefined
        ? pino({ level: process.env.ROBUSTMQ_TEST_LOG ?? 'silent' })
        : pino({ level: 'trace' }, log);
    return startNode(loaded.config, { logger, clock });
  };
  let node = await start({});
  return {
    get node() {
      return node;
    },
    dataDir,
    get port() {
      return portOf(node, 'kafka');
    },
    client(options = {}) {
      const port = portOf(node, 'kafka');
      return new Kafka({
        clientId: 'test',
        brokers: [`127.0.0.1:${port}`],
        logLevel: logLevel.NOTHING,
        retry: { initialRetryTime: 20, retries: 5 },
        ...options,
      });
    },
    pass: clock.pass,
    async restart(more = {}) {
      await node.stop();
      node = await start(more);
    },
    async stop() {
      await node.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
