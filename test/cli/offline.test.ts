import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { CliError } from '../../src/cli/exit-codes.ts';
import type { OpenStore } from '../../src/cli/journals-at-rest.ts';
import { type MakeTables, verify } from '../../src/cli/offline.ts';
import { run } from '../../src/cli/program.ts';
import { repair } from '../../src/cli/repair.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { openStateLog } from '../../src/kernel/state/open.ts';
import { JOURNAL_WAL_ID, openDataDirectory } from '../../src/storage/data-directory/data-directory.ts';
import { nodeDisk } from '../../src/storage/disk/node-disk.ts';
import { frameCheck } from '../../src/storage/journal/frame.ts';
import { openJournal } from '../../src/storage/journal/journal.ts';
import { openKvStore } from '../../src/storage/kv/open.ts';
import { openDirectoryStore } from '../../src/storage/segments/directory.ts';
import { SegmentStoreError } from '../../src/storage/segments/segment-store.ts';
import { createTieredWal } from '../../src/storage/tier/tiered-wal.ts';
import { createFileWal } from '../../src/storage/wal/file-wal.ts';
import { committed } from '../kernel/state/support.ts';
import { valueTable } from '../kernel/state/toy-tables.ts';
import { testIo } from './support.ts';

const LIMITS = { segmentBytes: 1024, tailBytes: 0, cacheBytes: 0 };
let root: string;
/** After a clean end, and as it lay there at a crash; tests work on copies. */
let clean: string;
let crashed: string;
let path: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'robustmq-offline-'));
  clean = join(root, 'clean');
  crashed = join(root, 'crashed');
  const data = await openDataDirectory(clean);
  const wal = createFileWal({ disk: nodeDisk, directory: data.journal, check: frameCheck });
  const journal = await openJournal({ wal, walId: JOURNAL_WAL_ID, limits: LIMITS });
  const kv = await openKvStore({
    folder: join(data.views, JOURNAL_WAL_ID),
    engine: 'memory',
    maxBytes: 1e9,
    warn: () => {},
  });
  const table = valueTable(9);
  const log = await openStateLog({ journal, kv, tables: [table], clock: systemClock });
  for (let i = 0; i < 60; i++) {
    table.set(log, i % 20, i + 1);
    await committed(log);
    if (i === 40) await log.checkpoint();
  }
  cpSync(clean, crashed, { recursive: true, filter: (source) => !source.includes('lock') });
  await log.close();
  await kv.close();
  await wal.close();
  await data.close();
});
afterAll(() => rmSync(root, { recursive: true }));
beforeEach(() => {
  path = mkdtempSync(join(root, 'copy-'));
});

const use = (image: string): void => {
  cpSync(image, path, { recursive: true });
};

/** Of the images here. */
const tables: MakeTables = () => ({ all: [valueTable(9)], nameOf: () => undefined });

async function runs(verb: string, ...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const io = testIo();
  const output: 'json' | 'text' = argv.includes('--json') ? 'json' : 'text';
  const options = { dataDir: path, set: [], output };
  const running =
    verb === 'verify'
      ? verify(options, io, tables)
      : repair({ ...options, dryRun: argv.includes('--dry-run') }, io, tables);
  const code = await running.catch((error: unknown) => {
    if (!(error instanceof CliError)) throw error;
    io.err.write(error.message);
    return error.exitCode;
  });
  return { code, out: io.outText(), err: io.errText() };
}

/** Segment files, oldest first. */
function walFiles(): string[] {
  const folder = join(path, 'journal', JOURNAL_WAL_ID);
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((file) => statSync(file).size > 200)
    .sort();
}

function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at] = (bytes[at] ?? 0) ^ 0x10;
  writeFileSync(file, bytes);
}

/** All that is kept, without the lock. */
function content(): Record<string, string> {
  const names = readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.endsWith('lock'))
    .map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(names.map((name) => [name, readFileSync(name, 'base64')]));
}

describe('verify', () => {
  it('finds a directory sound after a clean end and after a crash', async () => {
    for (const image of [clean, crashed]) {
      rmSync(path, { recursive: true });
      use(image);
      const before = content();
      const { code, out } = await runs('verify');
      expect(out).toMatch(/^journal: \d+ segments, \d+ bytes, positions 0 to \d+: sound$/m);
      expect(out).toContain(`${path} is sound`);
      expect(code).toBe(0);
      expect(content()).toEqual(before);
    }
  });

  it('gives the same as JSON', async () => {
    use(clean);
    const report = JSON.parse((await runs('verify', '--json')).out) as Record<string, unknown>;
    expect(report).toMatchObject({
      dataDir: path,
      isSound: true,
      journals: [{ name: 'main', problems: [] }],
    });
  });

  it('takes the torn end of a crash for what it is', async () => {
    use(crashed);
    appendFileSync(walFiles().at(-1) ?? '', Buffer.alloc(100, 7));
    expect(await runs('verify')).toMatchObject({ code: 0 });
    const { code, out } = await runs('repair', '--dry-run');
    expect(code).toBe(0);
    expect(out).toContain('cut 100 bytes');
  });

  it('names the segment in which a byte is damaged, and exits with 3', async () => {
    use(clean);
    const [file = ''] = walFiles();
    flip(file, Math.floor(statSync(file).size / 2));
    const { code, out } = await runs('verify');
    expect(code).toBe(3);
    expect(out).toMatch(/: damaged\n {2}- segment 0: corrupt: /);
    expect(out).toContain('is not sound');
  });

  it('names a segment that is lost in the middle', async () => {
    use(clean);
    const [, lost = ''] = walFiles();
    rmSync(lost);
    const { code, out } = await runs('verify');
    expect(code).toBe(3);
    expect(out).toMatch(/ {2}- segment \d+: /);
  });

  it('names a seal that is damaged', async () => {
    use(clean);
    const options = { disk: nodeDisk, directory: join(path, 'journal'), check: frameCheck };
    const wal = createFileWal(options);
    await (await openJournal({ wal, walId: JOURNAL_WAL_ID, limits: LIMITS })).close();
    await wal.close();
    const folder = join(path, 'journal', JOURNAL_WAL_ID);
    const [oldest = ''] = readdirSync(folder)
      .filter((name) => name.endsWith('.seal'))
      .sort();
    flip(join(folder, oldest), 20);
    const { code, out } = await runs('verify');
    expect(code).toBe(3);
    expect(out).toContain(`epoch 1: corrupt: ${join(folder, oldest)} at 0: this is no seal`);
  });

  it('names a journal that cannot be opened', async () => {
    use(clean);
    const wal = createFileWal({ disk: nodeDisk, directory: join(path, 'journal'), check: frameCheck });
    await wal.seal(JOURNAL_WAL_ID, 1);
    await wal.close();
    truncateSync(walFiles().at(-1) ?? '', 100);
    const { code, out } = await runs('verify', '--json');
    expect(code).toBe(3);
    const report = JSON.parse(out) as { journals: { problems: string[] }[] };
    expect(report.journals[0]?.problems[0]).toContain('it cannot be read: corrupt: ');
    expect(await runs('repair', '--dry-run')).toMatchObject({ code: 3 });
    expect((await runs('repair', '--dry-run')).out).toContain('A start would refuse.');
  });

  it('never fails on damaged bytes, and changes none', async () => {
    use(clean);
    const files = walFiles();
    await fc.assert(
      fc.asyncProperty(
        fc.nat(files.length - 1),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        async (i, where) => {
          const file = files[i] ?? '';
          const at = Math.floor(statSync(file).size * where);
          flip(file, at);
          try {
            const before = readFileSync(file);
            const [audit, plan] = [await runs('verify'), await runs('repair', '--dry-run')];
            expect([0, 3]).toContain(audit.code);
            expect([0, 3]).toContain(plan.code);
            expect(readFileSync(file)).toEqual(before);
          } finally {
            flip(file, at);
          }
        },
      ),
      { numRuns: 20 },
    );
  });

  it('says when nothing was written yet', async () => {
    await (await openDataDirectory(path)).close();
    expect(await runs('verify')).toMatchObject({ code: 0 });
    expect((await runs('repair', '--dry-run')).out).toContain('nothing to do');
  });

  it('refuses what is no data directory, is in use, or has an unknown version', async () => {
    expect(await runs('verify')).toMatchObject({ code: 1 });
    const data = await openDataDirectory(path);
    expect(await runs('verify')).toMatchObject({ code: 1 });
    expect((await runs('repair', '--dry-run')).err).toContain('in use by process');
    await data.close();
    writeFileSync(join(path, 'format.json'), '{"version":99}\n');
    expect((await runs('verify')).err).toContain('format version 99');
  });
});

describe('verify of views', () => {
  async function audit(): Promise<{ code: number; views: { engine: string; problems: string[] } }> {
    const io = testIo();
    const code = await verify({ dataDir: path, set: [], output: 'json' }, io, tables);
    return {
      code,
      views: (JSON.parse(io.outText()) as { views: { engine: string; problems: string[] } }).views,
    };
  }

  it('agrees when they hold what the journal gives', async () => {
    for (const image of [clean, crashed]) {
      rmSync(path, { recursive: true });
      use(image);
      expect(await audit()).toEqual({ code: 0, views: { engine: 'memory', unused: null, problems: [] } });
    }
  });

  it('has nothing against views that are lost', async () => {
    use(clean);
    rmSync(join(path, 'views'), { recursive: true });
    expect(await audit()).toEqual({
      code: 0,
      views: { engine: null, unused: 'there are none', problems: [] },
    });
  });

  it('finds a page that differs', async () => {
    use(clean);
    // The same changes with another value: the head of the views still fits the journal.
    const kv = await openKvStore({
      folder: join(path, 'views', JOURNAL_WAL_ID),
      engine: 'memory',
      maxBytes: 1e9,
      warn: () => {},
    });
    const applied = kv.applied();
    const { tableRange } = await import('../../src/storage/kv/kv-store.ts');
    for await (const entries of kv.scan(tableRange(0, 9))) {
      for (const { key, value } of entries) {
        const changed = value.slice();
        changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
        await kv.write([{ key, value: changed }], applied);
      }
    }
    await kv.checkpoint();
    await kv.close();
    const { code, views } = await audit();
    expect(code).toBe(3);
    expect(views.problems.length).toBeGreaterThan(0);
  });
});

describe('segments that moved to an object store', () => {
  const folder = (): string => join(path, 'objects');
  const openStore: OpenStore = () => openDirectoryStore({ folder: folder(), clock: systemClock });
  async function audit(open = openStore): Promise<{ code: number; out: string }> {
    const io = testIo();
    const set = ['storage.tier.enabled=true', 'storage.object.bucket=b'];
    return { code: await verify({ dataDir: path, set }, io, tables, open), out: io.outText() };
  }
  const objects = (): string[] =>
    readdirSync(folder(), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort();

  beforeEach(async () => {
    use(clean);
    const store = await openDirectoryStore({ folder: folder(), clock: systemClock });
    const directory = join(path, 'journal');
    const files = createFileWal({ disk: nodeDisk, directory, check: frameCheck });
    const options = { wal: files, disk: nodeDisk, directory, check: frameCheck, segments: store };
    const wal = createTieredWal({ ...options, clock: systemClock, localBytes: 0, cacheBytes: 65_536 });
    const journal = await openJournal({ wal, walId: JOURNAL_WAL_ID, limits: LIMITS });
    await vi.waitUntil(() => wal.state().coldSegments >= 3, { timeout: 10_000 });
    await journal.close();
    await wal.close();
    await files.close();
    await store.close();
  });

  it('are read from there, and nothing is written there', async () => {
    const before = [objects(), walFiles()];
    expect(await audit()).toMatchObject({ code: 0 });
    expect([objects(), walFiles()]).toEqual(before);
  });

  it('are read from the store of the configuration, which a self-test would have to write to', async () => {
    const before = objects();
    const io = testIo();
    const set = [`storage.object.directory=${folder()}`, 'storage.object.prefix='];
    expect(await verify({ dataDir: path, set }, io, tables)).toBe(0);
    expect(objects()).toEqual(before);
  });

  it('are missed when they are gone', async () => {
    rmSync(objects()[1] ?? '');
    const { code, out } = await audit();
    expect(code).toBe(3);
    expect(out).toMatch(/: damaged\n {2}- segment \d+: /);
  });

  it('cannot be judged without the configuration of the store', async () => {
    const io = testIo();
    const blind = verify({ dataDir: path, set: [] }, io, tables);
    await expect(blind).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('no store is configured'),
    });
    const { code, err } = await runs('repair', '--dry-run');
    expect([code, err]).toEqual([2, expect.stringContaining('no store is configured')]);
  });

  it('keep a broker without the store from starting', async () => {
    const io = testIo();
    expect(await run(['start', '--data-dir', path], io)).toBe(1);
    expect(io.errText()).toContain('segments of the journal were moved to an object store');
  });

  it('cannot be judged by a store that stops answering', async () => {
    const silent: OpenStore = async (...settings) => ({
      ...(await openStore(...settings)),
      get: () => Promise.reject(new SegmentStoreError('the store gives no answer')),
    });
    await expect(audit(silent)).rejects.toMatchObject({ exitCode: 5, message: 'the store gives no answer' });
  });

  it('cannot be judged while the store is away', async () => {
    const away: OpenStore = () => Promise.reject(new SegmentStoreError('the store is away'));
    await expect(audit(away)).rejects.toMatchObject({ exitCode: 5, message: 'the store is away' });
    expect((await audit()).code).toBe(0);
  });
});

describe('repair', () => {
  it('refuses without --dry-run', async () => {
    use(crashed);
    const before = content();
    const { code, err } = await runs('repair');
    expect(code).toBe(2);
    expect(err).toContain('nothing is changed');
    expect(content()).toEqual(before);
  });

  it('says what a start would do after a crash', async () => {
    use(crashed);
    const { code, out } = await runs('repair', '--dry-run');
    expect(code).toBe(0);
    expect(out).toMatch(/^journal: a start would\n {2}- seal epoch 1 at \d+ bytes$/m);
    expect(JSON.parse((await runs('repair', '--dry-run', '--json')).out)).toMatchObject({
      canStart: true,
      journals: [{ name: 'main', damage: [] }],
    });
  });
});
