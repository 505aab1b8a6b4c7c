/** Data directories that a broker left behind, with something in every table. */
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { loadConfig } from '../../src/config/load.ts';
import { startNode } from '../../src/node.ts';
import type { KvStore } from '../../src/storage/kv/kv-store.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { RawClient } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';

export type Engine = KvStore['engine'];

const EXPIRY = 0x11;
const USER_PROPERTY = 0x26;
const PARTITIONS_OF_STREAM = 2;
const ROUNDS = 2;
const MESSAGES = 40;

const configText = (engine: Engine): string => `
listeners:
  mqtt: { port: 0 }
  ws: { enabled: false }
  kafka: { enabled: false }
  http: { enabled: false }
sys: { interval: 0 }
logging: { level: silent }
storage: { segmentSize: 64KiB, views: ${engine} }
deduplication: { userProperty: id }
deadLetter: { topic: "dead/{client}" }
streams:
  - { name: telemetry, capture: ["sensors/#"], partitions: ${PARTITIONS_OF_STREAM}, key: topic }
`;

/** Everything a broker keeps, some of it changed and gone again. */
async function work(mqtt: { host: string; port: number }, round: number): Promise<void> {
  const connect = async (clientId: string, more: wire.ConnectOptions = {}): Promise<RawClient> => {
    const client = await RawClient.open(mqtt, 5, clientId);
    client.send(wire.connect({ clientId, clean: false, properties: [[EXPIRY, 3600]], ...more }));
    await client.expect('connack');
    return client;
  };
  for (const name of ['reader', 'idle', `left-${round}`]) {
    const client = await connect(name, { will: { topic: 'wills', qos: 1, payload: name } });
    await client.subscribe([
      'work/#',
      { filter: `only/${name}`, qos: 1 },
      '$share/g/shared/#',
      'wills',
      'tmp',
    ]);
    await client.unsubscribe(['tmp']);
    await client.disconnect();
  }
  const publisher = await connect(`publisher-${round}`, { clean: true, properties: [] });
  for (let i = 0; i < MESSAGES; i++) {
    const qos = 1 + (i % 2);
    const properties: wire.Properties = [[USER_PROPERTY, ['id', `${round}-${i}`]]];
    await publisher.publish({ topic: `work/${i % 7}`, qos, payload: 'x'.repeat(20 * i), properties });
    await publisher.publish({ topic: `sensors/${i % 5}`, qos, payload: `value ${i}` });
    await publisher.publish({ topic: `shared/${i}`, qos: 1, payload: 'one of them' });
    await publisher.publish({
      topic: `kept/${i % 40}`,
      qos: 1,
      retain: true,
      payload: i % 9 === 0 ? '' : `${i}`,
    });
    if (i % 10 === 0) await publisher.publish({ topic: `$delayed/600/later/${i}`, qos: 1, payload: 'later' });
  }
  const reader = await connect('reader');
  for (let i = 0; i < 20; i++) await reader.message();
  await reader.waitFor('publish');
  await reader.drop();
  const left = await connect(`left-${round}`, { clean: true, properties: [] });
  await left.disconnect();
  await publisher.disconnect();
}

const logger = pino({ level: 'silent' });
const clock = createManualClock();
export interface Images {
  readonly config: string;
  /** After a clean end, and as it lay there while a broker worked. */
  readonly clean: string;
  readonly crashed: string;
}

export async function makeImages(root: string, engine: Engine): Promise<Images> {
  const file = join(root, `${engine}.yaml`);
  writeFileSync(file, configText(engine));
  const [clean, crashed] = [join(root, `${engine}-clean`), join(root, `${engine}-crashed`)];
  const overrides = [{ path: 'dataDir', value: clean, option: '--data-dir' }];
  const loaded = await loadConfig({ file: { name: file, text: configText(engine) }, overrides });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  for (let round = 0; round < ROUNDS; round++) {
    const node = await startNode(loaded.config, { logger, clock });
    const address = node.listeners[0]?.address;
    if (address === undefined || !('port' in address)) throw new Error('no listener');
    await work(address, round);
    const isOfBroker = (source: string): boolean => !source.includes('lock') && !source.includes('control');
    if (round === ROUNDS - 1) cpSync(clean, crashed, { recursive: true, filter: isOfBroker });
    await node.stop();
  }
  return { config: file, clean, crashed };
}
