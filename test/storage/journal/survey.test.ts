import fc from 'fast-check';
import { expect, it } from 'vitest';
import { frameCheck } from '../../../src/storage/journal/frame.ts';
import { buildGroup } from '../../../src/storage/journal/group.ts';
import { findLosses, surveyLoss } from '../../../src/storage/journal/survey.ts';
import { BLOCK_HEADER_BYTES } from '../../../src/storage/wal/block.ts';
import { createFileWal } from '../../../src/storage/wal/file-wal.ts';
import { rawBytesOfFiles } from '../../../src/storage/wal/raw-bytes.ts';
import type { WalWriter } from '../../../src/storage/wal/wal-store.ts';
import { faultyDisk } from '../disk/faulty-disk.ts';

interface Written {
  readonly position: number;
  readonly end: number;
  readonly logIds: readonly number[];
}

async function append(writer: WalWriter, logIds: readonly number[], size: number): Promise<Written> {
  const entries = logIds.map((logId) => ({ logId, stripe: 0, payload: Buffer.alloc(size, 7) }));
  const { views, sum } = buildGroup([{ entries, positions: [] }], writer.next + BLOCK_HEADER_BYTES);
  const position = await writer.append(views, { level: 'sync', sum });
  return { position, end: writer.next, logIds };
}

const blocks = fc.array(
  fc.record({
    logIds: fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 5 }),
    size: fc.nat(80),
  }),
  { minLength: 1, maxLength: 8 },
);

it('tells of each damaged block what it had, and of no other', async () => {
  await fc.assert(
    fc.asyncProperty(blocks, fc.nat(), fc.boolean(), async (list, which, inHeader) => {
      const disk = faultyDisk(1);
      const wal = createFileWal({ disk, directory: '/d', check: frameCheck });
      const writer = await wal.open('w', 1);
      const written: Written[] = [];
      for (const { logIds, size } of list) written.push(await append(writer, logIds, size));
      await writer.close();
      const damaged = written[which % written.length];
      if (damaged === undefined) return;
      const [file = ''] = disk.paths().filter((path) => path.endsWith('.wal'));
      // The last byte of the body, which is a payload's or of a header that is all there.
      const at = inHeader ? damaged.position + 10 : damaged.end - 1;
      disk.flipBit(file, 32 + at, 1);
      const end = written.at(-1)?.end ?? 0;
      const losses = await findLosses(wal, 'w', rawBytesOfFiles(disk, '/d/w'), 1, 0, end);
      const told = losses.map(({ position, bytes }) => [position, position + bytes]);
      expect(told).toEqual([[damaged.position, damaged.end]]);
      const found = losses[0]?.frames.map(({ logId }) => logId) ?? [];
      // Where the damage is in the id of a frame without a payload, that id is another.
      expect(found).toHaveLength(damaged.logIds.length);
      expect(found.slice(0, -1)).toEqual(damaged.logIds.slice(0, -1));
      expect(losses[0]?.isAllTold).toBe(true);
    }),
    { numRuns: 100 },
  );
});

it('makes something of any bytes, and never more than there are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(400), (bytes, behind) => {
      const loss = surveyLoss(bytes, 1, 1000, 1000 + behind);
      expect(loss.bytes).toBe(Math.max(behind, bytes.length));
      expect(loss.frames.length).toBeLessThanOrEqual(bytes.length / 16);
    }),
  );
});
