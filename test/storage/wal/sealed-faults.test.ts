/** Sealed epochs over a real S3 server through a network that loses, repeats and delays; and over slow stores. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PutIfAbsent } from '../../../src/storage/wal/put-if-absent.ts';
import { createSealedWal } from '../../../src/storage/wal/sealed-wal.ts';
import { createSegmentObjects } from '../../../src/storage/wal/segment-objects.ts';
import { type WalBlock, WalFenced, type WalStore } from '../../../src/storage/wal/wal-store.ts';
import { type Fate, startFaultProxy } from '../../support/fault-proxy.ts';
import { createMemoryObjects } from '../../support/memory-objects.ts';
import { createMemorySegments } from '../../support/memory-segments.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { openTestBucket, type TestBucket, whyNoS3 } from '../../support/s3.ts';

async function readAll(wal: WalStore, epoch: number, length: number): Promise<string[]> {
  const blocks: WalBlock[] = [];
  for (let at = 0; at < length; at = blocks.at(-1)?.end ?? length) {
    blocks.push(...(await wal.read('w', epoch, at, length, 1e6)));
  }
  return blocks.map(({ body }) => Buffer.from(body).toString());
}

/** Appends without waiting, as many at once as the writer takes; what was acknowledged, in that order. */
async function write(wal: WalStore, epoch: number, count: number): Promise<string[]> {
  const writer = await wal.open('w', epoch);
  const acknowledged: string[] = [];
  for (let i = 0; i < count; ) {
    const burst: Promise<unknown>[] = [];
    for (; i < count && writer.inFlight < writer.maxInFlight; i++) {
      const text = `block ${epoch}.${i}`;
      const done = writer.append([Buffer.from(text)], { level: 'sync' });
      burst.push(done.then(() => acknowledged.push(text)));
    }
    await Promise.all(burst);
  }
  return acknowledged;
}

const wanted = (epoch: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `block ${epoch}.${i}`);

describe('a sealed log over a slow store', () => {
  it('has several puts under way, done in any order, and acknowledges in order', async () => {
    const objects = createMemoryObjects();
    const waiting: (() => void)[] = [];
    const slow: PutIfAbsent = {
      ...objects,
      async create(key, body) {
        if (key.includes('/b/')) await new Promise<void>((resolve) => waiting.push(resolve));
        return objects.create(key, body);
      },
    };
    const writer = await createSealedWal({ objects: slow, maxInFlight: 4 }).open('w', 1);
    const order: number[] = [];
    const all = [0, 1, 2, 3].map(async (i) => {
      await writer.append([Buffer.from(`${i}`)], { level: 'os' });
      order.push(i);
    });
    expect(waiting).toHaveLength(4);
    for (const i of [3, 1, 2]) waiting[i]?.();
    await new Promise(setImmediate);
    expect(order).toEqual([]);
    waiting[0]?.();
    await Promise.all(all);
    expect(order).toEqual([0, 1, 2, 3]);
  });

  it('takes its own block for its own when the answer was lost, and fails with the store’s words at last', async () => {
    const store = createMemorySegments();
    const asked = new Set<string>();
    store.fault = (operation, key) => {
      if (operation !== 'create' || asked.has(key)) return undefined;
      asked.add(key);
      return 'after';
    };
    const wal = createSealedWal({ objects: createSegmentObjects(store) });
    expect(await write(wal, 1, 20)).toEqual(wanted(1, 20));
    store.fault = (operation) => (operation === 'create' ? 'before' : undefined);
    await expect(wal.open('w', 2)).rejects.toThrow(/create "w\/.*" was refused/);
  });

  it('gives up on a store that contradicts itself', async () => {
    const objects: PutIfAbsent = { ...createMemoryObjects(), create: async () => 'exists' };
    await expect(createSealedWal({ objects }).open('w', 1)).rejects.toThrow(
      /says that "w\/0+1\/open" exists, and has no such object/,
    );
  });

  it('calls itself fenced when another’s object is in its place', async () => {
    const objects = createMemoryObjects();
    const process = () => createSealedWal({ objects });
    const writer = await process().open('w', 1);
    await writer.append([Buffer.from('one')], { level: 'sync' });
    expect(await process().seal('w', 1)).toBe(writer.next);
    await expect(writer.append([Buffer.from('two')], { level: 'sync' })).rejects.toThrow(WalFenced);
    await expect(writer.append([Buffer.from('three')], { level: 'sync' })).rejects.toThrow(
      'fenced: epoch 1 of write-ahead log w was sealed by another owner',
    );
  });
});

if (whyNoS3 !== undefined) {
  describe.skip(`a sealed log over S3 behind a bad network (${whyNoS3})`, () => {
    it('needs a server', () => {});
  });
} else {
  describe('a sealed log over S3 behind a bad network', () => {
    const FATES: readonly Fate[] = ['refuse', 'lose', 'fail after', 'hang', 'twice', 'late'];
    let bucket: TestBucket;
    beforeAll(async () => {
      bucket = await openTestBucket();
    }, 120_000);
    afterAll(() => bucket?.stop(), 60_000);

    async function through(random: Random, oneIn: number) {
      const met = new Set<Fate>();
      const proxy = await startFaultProxy(bucket.endpoint, () => {
        const fate = random.oneIn(oneIn) ? FATES[random.below(FATES.length)] : undefined;
        if (fate !== undefined) met.add(fate);
        return fate ?? 'pass';
      });
      const store = await bucket.open({ endpoint: proxy.endpoint, requestTimeoutMs: 300 });
      return { met, proxy, wal: createSealedWal({ objects: createSegmentObjects(store) }) };
    }

    it('acknowledges every block once and in order, and another process reads them all', async () => {
      const { met, proxy, wal } = await through(createRandom(7), 4);
      try {
        expect(await write(wal, 1, 80)).toEqual(wanted(1, 80));
        expect(met).toEqual(new Set(FATES));
        const other = createSealedWal({ objects: createSegmentObjects(await bucket.open()) });
        const length = await other.seal('w', 1);
        expect(await wal.seal('w', 1)).toBe(length);
        expect(await readAll(other, 1, length)).toEqual(wanted(1, 80));
      } finally {
        await proxy.stop();
      }
    });

    it('loses nothing acknowledged, and fences, when it is sealed while requests are late', async () => {
      const { proxy, wal } = await through(createRandom(8), 3);
      const other = createSealedWal({ objects: createSegmentObjects(await bucket.open()) });
      try {
        const writer = await wal.open('w', 2);
        const acknowledged: string[] = [];
        let sealing: Promise<number> | undefined;
        let outcome: unknown;
        const writing = (async () => {
          for (let i = 0; ; i++) {
            const text = `block 2.${i}`;
            await writer.append([Buffer.from(text)], { level: 'sync' });
            acknowledged.push(text);
            if (i === 10) sealing = other.seal('w', 2);
          }
        })().catch((error: unknown) => {
          outcome = error;
        });
        await writing;
        expect(outcome).toBeInstanceOf(WalFenced);
        const length = (await sealing) ?? 0;
        const found = await readAll(other, 2, length);
        expect(found.slice(0, acknowledged.length)).toEqual(acknowledged);
        expect(await other.seal('w', 2)).toBe(length);
      } finally {
        await proxy.stop();
      }
    });
  });
}
