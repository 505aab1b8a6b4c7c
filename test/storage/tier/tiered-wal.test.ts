import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createTieredWal, type TieredWal } from '../../../src/storage/tier/tiered-wal.ts';
import { createFileWal } from '../../../src/storage/wal/file-wal.ts';
import { type WalBlock, WalCorrupt, type WalStore } from '../../../src/storage/wal/wal-store.ts';
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts';
import { createMemorySegments } from '../../support/memory-segments.ts';
import { type FaultyDisk, faultyDisk } from '../disk/faulty-disk.ts';

const FOLDER = '/wal';
const ALL_LOCAL = 1e9;

function setUp(localBytes = 0, disk: FaultyDisk = faultyDisk(1), store = createMemorySegments()) {
  const clock = createManualClock();
  const said: string[] = [];
  const say = (fields: object, message: string): void => {
    said.push(`${message} ${JSON.stringify(fields)}`);
  };
  const log = { info: say, warn: say, error: say };
  const wal = createFileWal({ disk, directory: FOLDER });
  const options = { wal, disk, directory: FOLDER, segments: store, clock, localBytes, log };
  const tiered = createTieredWal({ ...options, cacheBytes: 4096, concurrency: 2 });
  return { clock, disk, store, said, wal, tiered };
}

/** Segments of three blocks each; the last is not finished. Positions of the anchors. */
async function write(wal: WalStore, epoch: number, segments: number): Promise<number[]> {
  const writer = await wal.open('w', epoch);
  const anchors: number[] = [];
  for (let i = 0; i < segments * 3; i++) {
    const isAnchor = i % 3 === 0;
    const body = [Buffer.from(`epoch ${epoch} block ${i} ${'.'.repeat(i * 7)}`)];
    const position = await writer.append(body, { level: 'sync', isAnchor });
    if (isAnchor) anchors.push(position);
  }
  anchors.push(writer.next);
  await writer.close();
  return anchors;
}

async function readAll(wal: WalStore, epoch: number, from: number, until: number): Promise<string[]> {
  const blocks: WalBlock[] = [];
  for (let at = from; at < until; at = blocks.at(-1)?.end ?? until) {
    blocks.push(...(await wal.read('w', epoch, at, until, 100)));
  }
  return blocks.map(({ body }) => Buffer.from(body).toString().replace(/\.+$/, '').trim());
}

const texts = (epoch: number, from: number, until: number): string[] =>
  Array.from({ length: (until - from) * 3 }, (_, i) => `epoch ${epoch} block ${from * 3 + i}`);

/** Lets all that needs no time happen. */
async function until(isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 2000 && !isTrue(); i++) await turn();
  expect(isTrue()).toBe(true);
}

/** Time that passes slowly enough for what each timer starts. */
async function pass(clock: ManualClock, seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i++) await clock.advance(1000);
}

const quiet = (tiered: TieredWal, cold: number) => () => {
  const { waitingSegments, coldSegments } = tiered.state();
  return waitingSegments === 0 && coldSegments === cold;
};
const walFiles = (disk: FaultyDisk): string[] => disk.paths().filter((path) => path.endsWith('.wal'));

describe('a tiered log', () => {
  it('moves finished segments to the store and reads them from there; the open one stays', async () => {
    const { disk, store, tiered } = setUp();
    const anchors = await write(tiered, 1, 4);
    await until(quiet(tiered, 3));
    expect(store.objects.size).toBe(3);
    expect(walFiles(disk)).toHaveLength(1);
    expect(await readAll(tiered, 1, 0, anchors[4] ?? 0)).toEqual(texts(1, 0, 4));
    expect(await readAll(tiered, 1, anchors[1] ?? 0, anchors[2] ?? 0)).toEqual(texts(1, 1, 2));
    expect(tiered.state().cache.hits).toBeGreaterThan(0);
  });

  it('uploads files byte for byte', async () => {
    const { disk, store, tiered } = setUp(ALL_LOCAL);
    await write(tiered, 1, 4);
    await until(() => store.objects.size === 3);
    const files = walFiles(disk).sort();
    for (const [i, [, object]] of [...store.objects].sort().entries()) {
      const file = await disk.open(files[i] ?? '', 'read');
      const bytes = new Uint8Array(await file.size());
      await file.read(bytes, 0);
      expect(Buffer.compare(bytes, object)).toBe(0);
    }
  });

  it('keeps the newest here, as many bytes as it may', async () => {
    const first = setUp(ALL_LOCAL);
    await write(first.tiered, 1, 6);
    await until(() => first.tiered.state().waitingSegments === 0 && first.store.objects.size === 5);
    expect(first.tiered.state().coldSegments).toBe(0);
    const sizes = [...first.store.objects].sort().map(([, bytes]) => bytes.byteLength);
    const room = (sizes[3] ?? 0) + (sizes[4] ?? 0);
    const { disk, tiered } = setUp(room);
    const anchors = await write(tiered, 1, 6);
    await until(quiet(tiered, 3));
    expect(tiered.state().localBytes).toBe(room);
    expect(walFiles(disk)).toHaveLength(3);
    expect(await readAll(tiered, 1, 0, anchors[6] ?? 0)).toEqual(texts(1, 0, 6));
  });

  it('learns from a listing what is where after a restart, and uploads the last segment of what came before', async () => {
    const { disk, store, tiered } = setUp();
    const anchors = await write(tiered, 1, 3);
    await until(quiet(tiered, 2));
    await tiered.close();
    const again = setUp(0, disk.kill(), store);
    const length = await again.tiered.seal('w', 1);
    expect(length).toBe(anchors[3]);
    expect(await again.tiered.lastAnchor('w', 1, length)).toBe(anchors[2]);
    await write(again.tiered, 2, 1);
    await until(quiet(again.tiered, 3));
    expect(await readAll(again.tiered, 1, 0, length)).toEqual(texts(1, 0, 3));
    expect(await again.tiered.lastAnchor('w', 1, length)).toBe(anchors[2]);
    expect(await again.tiered.epochs('w')).toEqual([1, 2]);
  });

  it('removes a segment here and in the store, in the middle as well', async () => {
    const { disk, store, tiered } = setUp(ALL_LOCAL);
    const anchors = await write(tiered, 1, 5);
    const [, one = 0, two = 0, three = 0] = anchors;
    await until(() => store.objects.size === 4);
    await tiered.remove('w', 1, one, three);
    await until(() => store.objects.size === 2);
    expect(walFiles(disk)).toHaveLength(3);
    expect(disk.paths().filter((path) => path.includes('gone'))).toEqual([]);
    await expect(tiered.read('w', 1, two, three, 100)).rejects.toThrow(WalCorrupt);
    expect(await readAll(tiered, 1, three, anchors[5] ?? 0)).toEqual(texts(1, 3, 5));
    expect(await readAll(tiered, 1, 0, one)).toEqual(texts(1, 0, 1));
  });
});

describe('a tiered log whose store fails', () => {
  it('takes appends as ever, keeps everything here, says so once, and goes on when the store works again', async () => {
    const { clock, disk, store, said, tiered } = setUp();
    store.fault = () => 'before';
    const anchors = await write(tiered, 1, 4);
    await pass(clock, 600);
    expect(walFiles(disk)).toHaveLength(4);
    expect(tiered.state()).toMatchObject({ coldSegments: 0, waitingSegments: 3 });
    expect(tiered.state().failures).toBeGreaterThan(5);
    expect(tiered.state().failures).toBeLessThan(100);
    expect(tiered.state().failure).toMatch(/was refused/);
    expect(said.filter((line) => line.includes('fails'))).toHaveLength(1);
    expect(await readAll(tiered, 1, 0, anchors[4] ?? 0)).toEqual(texts(1, 0, 4));
    store.fault = () => undefined;
    await pass(clock, 60);
    await until(quiet(tiered, 3));
    expect(said.filter((line) => line.includes('works again'))).toHaveLength(1);
    expect(tiered.state().failure).toBeUndefined();
  });

  it('takes an object for its own whose creation seemed to fail', async () => {
    const { clock, store, tiered } = setUp();
    const met = new Set<string>();
    store.fault = (operation, key) => {
      if (operation !== 'create' || met.has(key)) return undefined;
      met.add(key);
      return 'after';
    };
    await write(tiered, 1, 4);
    await pass(clock, 10);
    await until(quiet(tiered, 3));
    expect(met.size).toBe(3);
    expect(store.objects.size).toBe(3);
  });

  it('never drops a file whose object is another one, and uploads it again', async () => {
    const { clock, disk, store, tiered } = setUp();
    const { create } = store;
    let damaged = 0;
    store.create = async (key, body) => {
      const outcome = await create(key, body);
      const bytes = store.objects.get(key);
      if (damaged++ < 3 && bytes !== undefined) bytes[50] = (bytes[50] ?? 0) ^ 1;
      return outcome;
    };
    const anchors = await write(tiered, 1, 3);
    await until(() => damaged >= 2);
    for (let i = 0; i < 20; i++) await turn();
    expect(walFiles(disk)).toHaveLength(3);
    await pass(clock, 60);
    await until(quiet(tiered, 2));
    expect(await readAll(tiered, 1, 0, anchors[3] ?? 0)).toEqual(texts(1, 0, 3));
  });

  it('starts, recovers the newest segment and appends while the store is away', async () => {
    const { disk, store, tiered } = setUp();
    const anchors = await write(tiered, 1, 3);
    await until(quiet(tiered, 2));
    await tiered.close();
    store.fault = () => 'before';
    const again = setUp(0, disk.kill(), store);
    const length = await again.tiered.seal('w', 1);
    expect(await again.tiered.lastAnchor('w', 1, length)).toBe(anchors[2]);
    expect(await readAll(again.tiered, 1, anchors[2] ?? 0, length)).toEqual(texts(1, 2, 3));
    await write(again.tiered, 2, 2);
    await expect(again.tiered.read('w', 1, 0, length, 100)).rejects.toThrow(/list .* was refused/);
    store.fault = () => undefined;
    expect(await readAll(again.tiered, 1, 0, length)).toEqual(texts(1, 0, 3));
  });

  it('removes objects at last that were given up while it was away, also after a restart', async () => {
    const { disk, store, tiered } = setUp();
    const anchors = await write(tiered, 1, 4);
    await until(quiet(tiered, 3));
    store.fault = (operation) => (operation === 'remove' ? 'before' : undefined);
    await tiered.remove('w', 1, 0, anchors[2] ?? 0);
    await tiered.close();
    expect(store.objects.size).toBe(3);
    store.fault = () => undefined;
    const again = setUp(0, disk.kill(), store);
    const length = await again.tiered.seal('w', 1);
    expect(await readAll(again.tiered, 1, anchors[2] ?? 0, length)).toEqual(texts(1, 2, 4));
    await until(() => store.objects.size === 1);
    await expect(again.tiered.read('w', 1, 0, length, 100)).rejects.toThrow(WalCorrupt);
    await until(() => !again.disk.paths().some((path) => path.includes('gone')));
  });

  it('knows where a file ends whose successors went before it', async () => {
    const { disk, store, tiered } = setUp();
    // The oldest cannot be uploaded; those behind it are, and go.
    store.fault = (operation, key) =>
      operation === 'create' && key.includes('-0000000000000000-') ? 'before' : undefined;
    const anchors = await write(tiered, 1, 3);
    await until(() => tiered.state().coldSegments === 1);
    await tiered.close();
    const again = setUp(0, disk.kill(), store);
    const length = await again.tiered.seal('w', 1);
    await write(again.tiered, 2, 1);
    await until(() => again.tiered.state().coldSegments === 2);
    await again.tiered.close();
    const last = setUp(0, again.disk.kill(), store);
    expect(walFiles(last.disk)).toHaveLength(2);
    expect(await readAll(last.tiered, 1, 0, length)).toEqual(texts(1, 0, 3));
    expect(await last.tiered.lastAnchor('w', 1, length)).toBe(anchors[2]);
    store.fault = () => undefined;
    await last.tiered.seal('w', 2);
    await write(last.tiered, 3, 1);
    await pass(last.clock, 60);
    await until(quiet(last.tiered, 4));
    expect(await readAll(last.tiered, 1, 0, length)).toEqual(texts(1, 0, 3));
  });

  it('goes on with an upload that a killed process began', async () => {
    const { disk, store, tiered } = setUp();
    const { create } = store;
    // The object is there, and nobody comes to compare it or to let go of the file.
    store.create = async (key, body) => {
      await create(key, body);
      return new Promise(() => {});
    };
    const anchors = await write(tiered, 1, 3);
    await until(() => store.objects.size === 2);
    store.create = create;
    const again = setUp(0, disk.kill(), store);
    await again.tiered.seal('w', 1);
    await write(again.tiered, 2, 1);
    await until(quiet(again.tiered, 3));
    expect(store.objects.size).toBe(3);
    expect(await readAll(again.tiered, 1, 0, anchors[3] ?? 0)).toEqual(texts(1, 0, 3));
  });
});

describe('damage in a tiered log', () => {
  it('is not uploaded, is said, and stays for those who look into it', async () => {
    const { clock, disk, store, said, tiered } = setUp();
    store.fault = () => 'before';
    await write(tiered, 1, 3);
    disk.flipBit(walFiles(disk).sort()[0] ?? '', 90, 3);
    store.fault = () => undefined;
    await pass(clock, 60);
    await until(quiet(tiered, 1));
    expect(store.objects.size).toBe(1);
    expect(tiered.state().damagedSegments).toBe(1);
    expect(said.filter((line) => line.includes('damaged segment is not uploaded'))).toHaveLength(1);
    await expect(tiered.read('w', 1, 0, 1e6, 100)).rejects.toThrow(WalCorrupt);
  });

  it('is read around where the store has the same, and found where it has not', async () => {
    const { disk, store, tiered } = setUp(ALL_LOCAL);
    const anchors = await write(tiered, 1, 3);
    await until(() => store.objects.size === 2 && tiered.state().waitingSegments === 0);
    disk.flipBit(walFiles(disk).sort()[0] ?? '', 90, 3);
    expect(await readAll(tiered, 1, 0, anchors[1] ?? 0)).toEqual(texts(1, 0, 1));
    for (const bytes of store.objects.values()) bytes[90] = (bytes[90] ?? 0) ^ 1;
    await tiered.close();
    const cold = setUp(0, disk.kill(), store);
    for (const path of walFiles(cold.disk).sort().slice(0, 2)) await cold.disk.remove(path);
    await expect(cold.tiered.read('w', 1, 0, 1e6, 100)).rejects.toThrow(/corrupt: tier\/w\/.*is damaged/);
  });
});
