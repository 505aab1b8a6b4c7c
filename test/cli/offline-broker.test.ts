/** What a broker left behind, audited with the tables of a broker: its views must be what its journal gives. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { TableId } from '../../src/kernel/state/table.ts';
import { JOURNAL_WAL_ID } from '../../src/storage/data-directory/data-directory.ts';
import { type KvEntry, type KvStore, kvKey, tableRange } from '../../src/storage/kv/kv-store.ts';
import { openKvStore } from '../../src/storage/kv/open.ts';
import { type Engine, type Images, makeImages } from './broker-images.ts';
import { testIo } from './support.ts';

const engines: readonly Engine[] = ['memory', 'rocksdb'];
let root: string;
const images = new Map<Engine, Images>();

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'robustmq-audit-'));
  for (const engine of engines) images.set(engine, await makeImages(root, engine));
}, 60_000);
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

  /** The newest page: what an old one has can all be gone in the meantime. */
  async function putLast(kv: KvStore, table: number, make: (value: Uint8Array) => Uint8Array): Promise<void> {
    let last: KvEntry | undefined;
    for await (const entries of kv.scan(tableRange(0, table))) last = entries.at(-1);
    if (last === undefined) throw new Error(`table ${table} has no views`);
    await kv.write([{ key: last.key, value: make(last.value) }], kv.applied());
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

  // All that a broker without clients of Kafka fills, once; what differs with the engine is how its entries are read.
  const kept = Object.entries(TableId).filter(([name]) => !name.startsWith('Kafka') && name !== 'Crossings');
  const tables = kept.slice(0, engine === 'memory' ? undefined : 2);
  /** Of a partition the cut of its index is its own business, and lies at the end of its page. */
  const whatCounts = (page: Uint8Array): number => {
    const name = Buffer.from(page).indexOf('telemetry');
    return name < 0 ? page.length - 1 : name;
  };
  it.each(tables)('names a view of %s that is not what the journal gives', async (_, table) => {
    use(image().clean);
    await change((kv) =>
      putLast(kv, table, (value) => {
        const changed = value.slice();
        const at = table === TableId.Partitions ? whatCounts(value) : value.length - 1;
        changed[at] = (changed[at] ?? 0) ^ 1;
        return changed;
      }),
    );
    const { code, views: found } = await audit();
    expect(found.problems.join()).toMatch(
      /table "[a-z ]+"(, page [0-9a-f]+: |: retained "kept\/\d+": |: .* in the journal)/,
    );
    expect(code).toBe(3);
  });

  it('names a view that is missing', async () => {
    use(image().clean);
    let name = '';
    await change(async (kv) => {
      for await (const entries of kv.scan(tableRange(0, TableId.Messages))) {
        const key = entries.at(-1)?.key ?? new Uint8Array(0);
        name = Buffer.from(key.subarray(kvKey(0, 0, new Uint8Array(0)).length)).toString('hex');
        await kv.write([{ key, value: undefined }], kv.applied());
      }
    });
    const { code, views: found } = await audit();
    expect(found.problems.join()).toContain(`table "messages", page ${name}: `);
    expect(code).toBe(3);
  });

  it('names a view that cannot be read', async () => {
    use(image().clean);
    await change((kv) => putLast(kv, TableId.Sessions, (value) => value.subarray(0, 9)));
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
