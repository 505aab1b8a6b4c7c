/** The journal on a tiered log, over a store in memory and over S3 where there is one. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/kernel/clock.ts';
import { nodeDisk } from '../../../src/storage/disk/node-disk.ts';
import { frameCheck } from '../../../src/storage/journal/frame.ts';
import { type Journal, openJournal } from '../../../src/storage/journal/journal.ts';
import { withPrefix } from '../../../src/storage/segments/prefixed.ts';
import type { SegmentStore } from '../../../src/storage/segments/segment-store.ts';
import { createTieredWal, type TieredWal } from '../../../src/storage/tier/tiered-wal.ts';
import { createFileWal } from '../../../src/storage/wal/file-wal.ts';
import { createMemorySegments } from '../../support/memory-segments.ts';
import { openTestBucket, whyNoS3 } from '../../support/s3.ts';

const LIMITS = { segmentBytes: 16 * 1024, tailBytes: 1024, cacheBytes: 4096 };
const text = (i: number): string => `record ${i} ${'x'.repeat((i * 37) % 900)}`;

const stores: Record<string, () => Promise<{ store: SegmentStore; stop: () => Promise<void> }>> = {
  memory: async () => ({ store: createMemorySegments(), stop: async () => {} }),
};
if (whyNoS3 === undefined) {
  stores.S3 = async () => {
    const bucket = await openTestBucket();
    return { store: withPrefix(await bucket.open(), 'robustmq'), stop: bucket.stop };
  };
}

async function until(what: string, isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !isTrue(); i++) await delay(10);
  expect(isTrue(), what).toBe(true);
}

async function replayed(journal: Journal): Promise<string[]> {
  const found: string[] = [];
  for await (const records of journal.replay(0)) {
    found.push(...records.map(({ payload }) => Buffer.from(payload).toString()));
  }
  return found;
}

describe.each(Object.entries(stores))(
  'the journal with its segments in %s',
  { timeout: 60_000 },
  (_, make) => {
    const ends: (() => Promise<void>)[] = [];
    afterAll(async () => {
      for (const end of ends.reverse()) await end();
    }, 60_000);

    it('replays, reads, verifies and removes what lies in the store alone', async () => {
      const { store, stop } = await make();
      const directory = await mkdtemp(join(tmpdir(), 'robustmq-tier-'));
      ends.push(stop, () => rm(directory, { recursive: true, force: true }));
      const disk = nodeDisk;
      const open = async (): Promise<{ journal: Journal; tiered: TieredWal; close: () => Promise<void> }> => {
        const wal = createFileWal({ disk, directory, check: frameCheck });
        const common = { disk, directory, check: frameCheck, clock: systemClock };
        const tiered = createTieredWal({
          ...common,
          wal,
          segments: store,
          localBytes: 0,
          cacheBytes: 256 * 1024,
        });
        const journal = await openJournal({ wal: tiered, walId: 'w', limits: LIMITS });
        return {
          journal,
          tiered,
          async close() {
            await journal.close();
            await tiered.close();
            await wal.close();
          },
        };
      };
      const wanted = Array.from({ length: 400 }, (_each, i) => text(i));
      const first = await open();
      for (const each of wanted) {
        await first.journal.append([{ logId: 5, stripe: 0, payload: Buffer.from(each) }], 'os');
      }
      const segments = first.journal.segments().length;
      expect(segments).toBeGreaterThan(8);
      await until(
        'all finished segments are in the store alone',
        () => first.tiered.state().coldSegments === segments - 1,
      );
      expect(await replayed(first.journal)).toEqual(wanted);
      await first.close();

      const second = await open();
      await until('the last one followed', () => second.tiered.state().coldSegments === segments);
      expect(await replayed(second.journal)).toEqual(wanted);
      expect(await second.journal.verify()).toEqual([]);
      const { records } = await second.journal.read(5, 0, 1e6);
      expect(records).toHaveLength(400);
      const starts = second.journal.segments().map(({ start }) => start);
      await second.journal.remove(starts.slice(1, 4));
      await until('three are gone', () => second.tiered.state().coldSegments === segments - 3);
      const rest = await replayed(second.journal);
      expect(rest.length).toBeLessThan(400);
      expect(wanted.filter((each) => rest.includes(each))).toEqual(rest);
      const keys = async (): Promise<number> => {
        let count = 0;
        for await (const _key of store.list('tier/w/')) count++;
        return count;
      };
      for (let i = 0; i < 500 && (await keys()) > segments - 3; i++) await delay(10);
      expect(await keys()).toBe(segments - 3);
      await second.close();
    });
  },
);
