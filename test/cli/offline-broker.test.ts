/** What a broker left behind, audited with the tables of a broker: its views must be what its journal gives. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { loadConfig } from '../../src/config/load.ts';
import { TableId } from '../../src/kernel/state/table.ts';
import { startNode } from '../../src/node.ts';
import { JOURNAL_WAL_ID } from '../../src/storage/data-directory/data-directory.ts';
import { type KvStore, kvKey, tableRange } from '../../src/storage/kv/kv-store.ts';
import { openKvStore } from '../../src/storage/kv/open.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { RawClient } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { testIo } from './support.ts';

type Engine = KvStore['engine'];

const EXPIRY = 0x11;
const USER_PROPERTY = 0x26;
const PARTITIONS_OF_STREAM = 2;

const configText = (engine: Engine): string => `
listeners:
  mqtt: { port: 0 }
  ws: { enabled: false }
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
  for (let i = 0; i < 60; i++) {
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
  for (let i = 0; i < 30; i++) await reader.message();
  await reader.waitFor('publish');
  await reader.drop();
  const left = await connect(`left-${round}`, { clean: true, properties: [] });
  await left.disconnect();
  await publisher.disconnect();
}

const logger = pino({ level: 'silent' });
const engines: readonly Engine[] = ['memory', 'rocksdb'];
const clock = createManualClock();
let root: string;

interface Images {
  readonly config: string;
  /** After a clean end, and as it lay there while a broker worked. */
  readonly clean: string;
  readonly crashed: string;
}
const images = new Map<Engine, Images>();

async function makeImages(engine: Engine): Promise<Images> {
  const file = join(root, `${engine}.yaml`);
  writeFileSync(file, configText(engine));
  const [clean, crashed] = [join(root, `${engine}-clean`), join(root, `${engine}-crashed`)];
  const overrides = [{ path: 'dataDir', value: clean, option: '--data-dir' }];
  const loaded = await loadConfig({ file: { name: file, text: configText(engine) }, overrides });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  for (let round = 0; round < 3; round++) {
    const node = await startNode(loaded.config, { logger, clock });
    const address = node.listeners[0]?.address;
    if (address === undefined || !('port' in address)) throw new Error('no listener');
    await work(address, round);
    const isOfBroker = (source: string): boolean => !source.includes('lock') && !source.includes('control');
    if (round === 2) cpSync(clean, crashed, { recursive: true, filter: isOfBroker });
    await node.stop();
  }
  return { config: file, clean, crashed };
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'robustmq-audit-'));
  for (const engine of engines) images.set(engine, await makeImages(engine));
});
afterAll(() => rmSync(root, { recursive: true }));

interface Audit {
  readonly code: number;
  readonly isSound: boolean;
  readonly journals: readonly { readonly problems: readonly string[] }[];
  readonly views: {
    readonly engine: Engine | null;
    readonly unused: string | null;
    readonly problems: readonly string[];
  };
}

describe.each(engines)('verify of what a broker left, with views in %s', (engine) => {
  let path: string;
  const views = (of: string): string => join(of, 'views', JOURNAL_WAL_ID);
  const image = (): Images => {
    const found = images.get(engine);
    if (found === undefined) throw new Error('no image');
    return found;
  };
  const use = (from: string): void => cpSync(from, path, { recursive: true });

  beforeEach(() => {
    path = mkdtempSync(join(root, 'copy-'));
  });

  async function audit(): Promise<Audit> {
    const io = testIo();
    const code = await run(['verify', '--json', '--config', image().config, '--data-dir', path], io);
    expect(io.errText()).toBe('');
    return { code, ...(JSON.parse(io.outText()) as Omit<Audit, 'code'>) };
  }

  async function change(what: (kv: KvStore) => Promise<void>): Promise<void> {
    const kv = await openKvStore({ folder: views(path), engine, maxBytes: 1e9, warn: () => {} });
    await what(kv);
    await kv.checkpoint();
    await kv.close();
  }

  async function putFirst(
    kv: KvStore,
    table: number,
    make: (value: Uint8Array) => Uint8Array,
  ): Promise<void> {
    for await (const [entry] of kv.scan(tableRange(0, table))) {
      if (entry === undefined) break;
      await kv.write([{ key: entry.key, value: make(entry.value) }], kv.applied());
      return;
    }
    throw new Error(`table ${table} has no views`);
  }

  it('finds it sound, after a clean end and as it lay there at a crash', async () => {
    for (const from of [image().clean, image().crashed]) {
      use(from);
      const before = content(path);
      const views = { engine, unused: null, problems: [] };
      expect(await audit()).toMatchObject({ code: 0, isSound: true, views });
      expect(content(path)).toEqual(before);
      rmSync(path, { recursive: true });
    }
  });

  it('has nothing against views that are lost', async () => {
    use(image().clean);
    rmSync(views(path), { recursive: true });
    expect(await audit()).toMatchObject({ code: 0, views: { engine: null, unused: 'there are none' } });
  });

  it('has nothing against views that the journal is ahead of', async () => {
    use(image().clean);
    rmSync(views(path), { recursive: true });
    cpSync(views(image().crashed), views(path), { recursive: true });
    expect(await audit()).toMatchObject({ code: 0, views: { engine, unused: null, problems: [] } });
  });

  it('misses the end of the journal when the views have more', async () => {
    use(image().crashed);
    rmSync(views(path), { recursive: true });
    cpSync(views(image().clean), views(path), { recursive: true });
    const { code, views: found } = await audit();
    expect(found.problems).toEqual([expect.stringContaining('they are ahead of the journal')]);
    expect(code).toBe(3);
  });

  it.each(Object.entries(TableId))(
    'names a view of %s that is not what the journal gives',
    async (_, table) => {
      use(image().clean);
      await change((kv) =>
        putFirst(kv, table, (value) => {
          const changed = value.slice();
          changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
          return changed;
        }),
      );
      const { code, views: found } = await audit();
      expect(found.problems.join()).toMatch(/table "[a-z ]+", page [0-9a-f]+: /);
      expect(code).toBe(3);
    },
  );

  it('names a view that is missing', async () => {
    use(image().clean);
    let name = '';
    await change(async (kv) => {
      for await (const entries of kv.scan(tableRange(0, TableId.Retained))) {
        const key = entries.at(-1)?.key ?? new Uint8Array(0);
        name = Buffer.from(key.subarray(kvKey(0, 0, new Uint8Array(0)).length)).toString('hex');
        await kv.write([{ key, value: undefined }], kv.applied());
      }
    });
    const { code, views: found } = await audit();
    expect(found.problems.join()).toContain(`table "retained", page ${name}: `);
    expect(code).toBe(3);
  });

  it('names a view that cannot be read', async () => {
    use(image().clean);
    await change((kv) => putFirst(kv, TableId.Sessions, (value) => value.subarray(0, 9)));
    const { code, views: found } = await audit();
    expect(found.problems.join()).toMatch(/table "sessions", page [0-9a-f]+: /);
    expect(code).toBe(3);
  });

  it('names file and place of a byte of the journal that is damaged', async () => {
    use(image().clean);
    const folder = join(path, 'journal', JOURNAL_WAL_ID);
    const file = join(
      folder,
      readdirSync(folder)
        .filter((name) => name.endsWith('.wal'))
        .sort()[0] ?? '',
    );
    const bytes = readFileSync(file);
    bytes[5000] = (bytes[5000] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    const { code, journals } = await audit();
    const [problem = ''] = journals[0]?.problems ?? [];
    expect(problem).toContain(file);
    const at = Number(/ at (\d+): /.exec(problem)?.[1]);
    expect(at).toBeGreaterThan(0);
    expect(at).toBeLessThanOrEqual(5000);
    expect(code).toBe(3);
  });
});

/** All that is kept, without the lock. */
function content(path: string): Record<string, string> {
  const names = readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.endsWith('lock'))
    .map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(names.map((name) => [name, readFileSync(name, 'base64')]));
}
