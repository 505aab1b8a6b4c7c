/** What `repair --dry-run` says of the directory of a broker that was damaged. */
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
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { JOURNAL_WAL_ID } from '../../src/storage/data-directory/data-directory.ts';
import { nodeDisk } from '../../src/storage/disk/node-disk.ts';
import { encodeBlockHeader } from '../../src/storage/wal/block.ts';
import { createFileWal } from '../../src/storage/wal/file-wal.ts';
import { type Images, makeImages } from './broker-images.ts';
import { testIo } from './support.ts';

let root: string;
let images: Images;
let path: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'robustmq-repair-'));
  images = await makeImages(root, 'memory');
}, 60_000);
afterAll(() => rmSync(root, { recursive: true }));
beforeEach(() => {
  path = mkdtempSync(join(root, 'copy-'));
});

const use = (image: string): void => cpSync(image, path, { recursive: true });

async function dryRun(...more: string[]): Promise<{ code: number; out: string }> {
  const io = testIo();
  const args = ['repair', '--dry-run', '--config', images.config, '--data-dir', path, ...more];
  const code = await run(args, io);
  expect(io.errText()).toBe('');
  return { code, out: io.outText() };
}

/** With blocks in them, oldest first. */
function walFiles(): string[] {
  const folder = join(path, 'journal', JOURNAL_WAL_ID);
  return readdirSync(folder)
    .filter((name) => name.endsWith('.wal'))
    .map((name) => join(folder, name))
    .sort();
}

/** Damages the block that has this text. */
function damage(text: string): string {
  for (const file of walFiles()) {
    const bytes = readFileSync(file);
    const at = bytes.indexOf(text);
    if (at === -1) continue;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    return file;
  }
  throw new Error(`no file has "${text}"`);
}

it('finds little to do after a clean end, and says where the tables come from', async () => {
  use(images.clean);
  const { code, out } = await dryRun();
  expect(out).not.toContain('seal epoch');
  expect(out).toMatch(/^tables: rebuilt from the views and \d+ changes that came after$/m);
  expect(code).toBe(0);
});

it('says what a torn end had, as far as it can be read', async () => {
  use(images.crashed);
  const file = walFiles().at(-1) ?? '';
  const wal = createFileWal({ disk: nodeDisk, directory: join(path, 'journal') });
  const epoch = (await wal.epochs(JOURNAL_WAL_ID)).at(-1) ?? 0;
  const { length } = await wal.inspect(JOURNAL_WAL_ID, epoch);
  await wal.close();
  const entry = (logId: number, text: string): Buffer => {
    const head = Buffer.alloc(16);
    head.writeUInt32BE(text.length, 0);
    head.writeBigUInt64BE(BigInt(logId), 8);
    return Buffer.concat([head, Buffer.from(text)]);
  };
  const body = Buffer.concat([entry(1, 'a change'), entry(1024, 'records'), entry(1024, 'more records')]);
  const header = { epoch, position: length, bodyBytes: body.length, isAnchor: false, synced: length, sum: 1 };
  appendFileSync(file, Buffer.concat([encodeBlockHeader(header), body.subarray(0, -3)]));
  const { code, out } = await dryRun();
  expect(out).toContain(`cut ${44 + body.length - 3} bytes behind the last whole block of epoch ${epoch}`);
  expect(out).toContain('lost by that is what was never acknowledged as synced');
  expect(out).toMatch(/state log: 1 entry; stream telemetry, partition \d: 2 entries; perhaps more$/m);
  expect(code).toBe(0);
});

it('names the records of a damaged block by stream and offset, and that a start goes on without them', async () => {
  use(images.clean);
  damage('value 17');
  const { code, out } = await dryRun();
  expect(out).toMatch(/ {2}- segment \d+: corrupt: /);
  expect(out).toMatch(/stream telemetry, partition \d: 1 entry, offsets \d+ to \d+/);
  expect(out).not.toContain('A start would refuse.');
  const { journals } = JSON.parse((await dryRun('--json')).out) as { journals: { lost: unknown[] }[] };
  expect(journals[0]?.lost).toHaveLength(1);
  expect(code).toBe(3);
});

it('says that a start would refuse when the tables cannot be rebuilt', async () => {
  use(images.clean);
  damage('value 17');
  rmSync(join(path, 'views'), { recursive: true });
  const { code, out } = await dryRun();
  expect(out).toMatch(/tables: they cannot be rebuilt\n {2}- corrupt: .*\nA start would refuse/);
  expect(code).toBe(3);
});

it('says that a start would refuse when the end is missing after a clean end, and what is left of it', async () => {
  use(images.clean);
  const file = walFiles().at(-1) ?? '';
  truncateSync(file, statSync(file).size - 10);
  const { code, out } = await dryRun();
  expect(out).toContain('was sealed at');
  expect(out).toMatch(/epoch \d+ at \d+, \d+ bytes: /);
  expect(out).toContain('A start would refuse.');
  expect(code).toBe(3);
});

it('cannot tell what a lost file had', async () => {
  use(images.clean);
  rmSync(walFiles().at(-1) ?? '');
  const { code, out } = await dryRun();
  expect(out).toContain('A start would refuse.');
  expect(code).toBe(3);
});
