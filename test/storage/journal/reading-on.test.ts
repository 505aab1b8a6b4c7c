import { expect, it } from 'vitest';
import { frameCheck } from '../../../src/storage/journal/frame.ts';
import { type Journal, openJournal } from '../../../src/storage/journal/journal.ts';
import { createFileWal } from '../../../src/storage/wal/file-wal.ts';
import type { WalStore } from '../../../src/storage/wal/wal-store.ts';
import { type FaultyDisk, faultyDisk } from '../disk/faulty-disk.ts';

const MIB = 1024 * 1024;
const PAYLOADS = 24;

const walOn = (disk: FaultyDisk): WalStore => createFileWal({ disk, directory: '/d', check: frameCheck });
const open = (wal: WalStore): Promise<Journal> =>
  openJournal({ wal, walId: 'w', limits: { segmentBytes: 3 * MIB } });
/** Blocks of very different sizes, some larger than a read. */
const sizeOf = (i: number): number => 1 + ((i * 7919) % 13) ** 2 * 10_000;

async function filled(disk: FaultyDisk): Promise<void> {
  const journal = await open(walOn(disk));
  for (let i = 0; i < PAYLOADS; i++) {
    await journal.append([{ logId: 1, stripe: 0, payload: new Uint8Array(sizeOf(i)).fill(i) }], 'os');
  }
  await journal.close();
}

it('replays the same bytes as reading gives, from buffers that are used again', async () => {
  const disk = faultyDisk(1);
  await filled(disk);
  const used = new Set<ArrayBufferLike>();
  const journal = await open(walOn(disk));
  const { records } = await journal.read(1, 0, 100 * MIB);
  let index = 0;
  for await (const replayed of journal.replay(0)) {
    for (const { payload, position } of replayed) {
      used.add(payload.buffer);
      expect(position).toBe(records[index]?.position);
      expect(Buffer.compare(payload, records[index]?.payload ?? new Uint8Array(0))).toBe(0);
      index++;
    }
  }
  expect(index).toBe(PAYLOADS);
  expect(used.size).toBeLessThan(12);
  await journal.close();
});

it('keeps what was read apart from what is replayed', async () => {
  const disk = faultyDisk(2);
  await filled(disk);
  const journal = await open(walOn(disk));
  const { records } = await journal.read(1, 0, 100 * MIB);
  const steps = journal.replay(0)[Symbol.asyncIterator]();
  await steps.next();
  // Two at once, each with buffers of its own.
  for await (const _ of journal.replay(0)) await steps.next();
  for (const [i, { payload }] of records.entries()) {
    expect(payload.length).toBe(sizeOf(i));
    expect(Buffer.compare(payload, Buffer.alloc(sizeOf(i), i))).toBe(0);
  }
  await journal.close();
});

it('says where the next blocks begin before it has checked these', async () => {
  const disk = faultyDisk(3);
  const plain = createFileWal({ disk, directory: '/d', check: frameCheck });
  const writer = await plain.open('w', 1);
  const bodies = [frame(10), frame(20), frame(30)];
  for (const body of bodies) await writer.append([body], { level: 'os' });
  const events: string[] = [];
  const wal = createFileWal({
    disk,
    directory: '/d',
    check: {
      matches(body, sum) {
        events.push('check');
        return frameCheck.matches(body, sum);
      },
    },
  });
  const blocks = await wal.read('w', 1, 0, writer.next, MIB, { onEnd: (at) => events.push(`end ${at}`) });
  expect(blocks.at(-1)?.end).toBe(writer.next);
  expect(events).toEqual([`end ${writer.next}`, 'check', 'check', 'check']);
  await writer.close();
});

/** A body of one frame. */
function frame(bytes: number): Uint8Array {
  const body = new Uint8Array(16 + bytes);
  const view = new DataView(body.buffer);
  view.setUint32(0, bytes);
  view.setUint32(12, 1);
  return body;
}
