import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMemoryChunks } from '../../../src/storage/wal/memory-chunks.ts';
import { createMemoryWal } from '../../../src/storage/wal/memory-wal.ts';
import { WalCorrupt, type WalWriter } from '../../../src/storage/wal/wal-store.ts';

const CHUNK_BYTES = 1000;
/** Where the first blocks of a stretch lie. */
const ROWS_BYTES = 64 * 40;

interface Appended {
  readonly position: number;
  readonly end: number;
  readonly isAnchor: boolean;
  readonly body: Buffer;
}

type Step =
  | { readonly kind: 'append' | 'lay out'; readonly sizes: readonly number[]; readonly isAnchor: boolean }
  | { readonly kind: 'remove'; readonly from: number; readonly count: number };

const append = (kind: 'append' | 'lay out'): fc.Arbitrary<Step> =>
  fc
    .tuple(fc.array(fc.nat(500), { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([sizes, isAnchor]) => ({ kind, sizes, isAnchor }));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: append('append') },
  { weight: 3, arbitrary: append('lay out') },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.nat(20), fc.nat(20))
      .map(([from, count]) => ({ kind: 'remove' as const, from, count })),
  },
);

/** The body is laid out in the memory of the log, whose owner does not want it any more once it is appended. */
async function layOut(writer: WalWriter, body: Buffer, isAnchor: boolean): Promise<number> {
  const room = writer.memory?.take(body.length);
  if (room === undefined) throw new Error('a log in memory without memory');
  room.bytes.set(body);
  const appended = writer.append([room.bytes], { level: 'os', isAnchor });
  room.free();
  return appended;
}

describe('a write-ahead log in memory', () => {
  it('has what was appended and not removed, whatever becomes of the memory around it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
        const wal = createMemoryWal({ chunks: createMemoryChunks(CHUNK_BYTES) });
        const writer = await wal.open('w', 1);
        let model: Appended[] = [];
        let value = 0;
        for (const each of steps) {
          if (each.kind === 'remove') {
            // From an anchor to another.
            const anchors = model.filter(({ isAnchor }) => isAnchor).map(({ position }) => position);
            const index = each.from % (anchors.length || 1);
            const from = anchors[index] ?? 0;
            const until = anchors[Math.min(index + each.count, anchors.length - 1)] ?? 0;
            await wal.remove('w', 1, from, until);
            model = model.filter(({ position }) => position < from || position >= until);
            continue;
          }
          const parts = each.sizes.map((bytes) => Buffer.alloc(bytes, ++value & 255));
          const body = Buffer.concat(parts);
          const begins = writer.next;
          const position =
            each.kind === 'append'
              ? await writer.append(parts, { level: 'sync', isAnchor: each.isAnchor })
              : await layOut(writer, body, each.isAnchor);
          for (const part of parts) part.fill(0);
          expect(position).toBe(begins);
          model.push({ position, end: writer.next, isAnchor: each.isAnchor || begins === 0, body });
        }
        for (const [i, expected] of model.entries()) {
          const found = await wal.read('w', 1, expected.position, writer.next, 600);
          let bytes = 0;
          for (const [n, block] of found.entries()) {
            const { body, ...rest } = block;
            const { body: wanted, ...same } = model[i + n] as Appended;
            expect(rest).toEqual(same);
            expect(Buffer.compare(body, wanted)).toBe(0);
            expect(bytes < 600).toBe(true);
            bytes = block.end - expected.position;
          }
        }
        const anchor = model.findLast(({ isAnchor }) => isAnchor)?.position;
        const last = wal.lastAnchor('w', 1, writer.next);
        if (anchor === undefined) await expect(last).rejects.toThrow(WalCorrupt);
        else expect(await last).toBe(anchor);
      }),
      { numRuns: 100 },
    );
  });

  it('does not copy a body that was laid out in its memory', async () => {
    const chunks = createMemoryChunks(CHUNK_BYTES);
    const wal = createMemoryWal({ chunks });
    const writer = await wal.open('w', 1);
    for (let i = 0; i < 3; i++) await layOut(writer, Buffer.alloc(300, i), false);
    expect(chunks.usedBytes()).toBe(CHUNK_BYTES + ROWS_BYTES);
    for (let i = 0; i < 3; i++) await writer.append([Buffer.alloc(300, i)], { level: 'os' });
    expect(chunks.usedBytes()).toBe(2 * CHUNK_BYTES + ROWS_BYTES);
    await wal.seal('w', 1);
    await wal.remove('w', 1, 0, writer.next);
    // The one that is being filled.
    expect(chunks.usedBytes()).toBe(CHUNK_BYTES);
  });

  it('finds any of many small blocks, and counts what that takes', async () => {
    const chunks = createMemoryChunks(CHUNK_BYTES);
    const wal = createMemoryWal({ chunks });
    const writer = await wal.open('w', 1);
    const positions: number[] = [];
    for (let i = 0; i < 5000; i++) positions.push(await layOut(writer, Buffer.from(`${i}`), i === 2500));
    for (let i = 0; i < 5000; i += 37) {
      const [block] = await wal.read('w', 1, positions[i] ?? -1, writer.next, 1);
      expect(Buffer.from(block?.body ?? []).toString()).toBe(`${i}`);
    }
    expect(await wal.read('w', 1, 0, writer.next, 1e9)).toHaveLength(5000);
    expect(chunks.usedBytes()).toBeGreaterThan(5000 * 40);
    const before = chunks.usedBytes();
    await wal.remove('w', 1, 0, positions[2500] ?? -1);
    expect(chunks.usedBytes()).toBeLessThan(0.6 * before);
  });

  it('gives readers bytes of their own, which stay when the block is removed', async () => {
    const wal = createMemoryWal({ chunks: createMemoryChunks(CHUNK_BYTES) });
    const writer = await wal.open('w', 1);
    await layOut(writer, Buffer.alloc(400, 'a'), false);
    const ends: number[] = [];
    const reading = wal.read('w', 1, 0, writer.next, 1e6, { onEnd: (at) => ends.push(at) });
    // As the contract has it: after the call.
    expect(ends).toEqual([]);
    const [block] = await reading;
    expect(ends).toEqual([writer.next]);
    const anchor = await layOut(writer, Buffer.alloc(400, 'b'), true);
    await wal.remove('w', 1, 0, anchor);
    for (let i = 0; i < 20; i++) await layOut(writer, Buffer.alloc(400, 'b'), false);
    expect(Buffer.from(block?.body ?? []).equals(Buffer.alloc(400, 'a'))).toBe(true);
  });

  it('says where a block was changed that somebody wrote to', async () => {
    const wal = createMemoryWal();
    const writer = await wal.open('w', 1);
    await writer.append([Buffer.from('one')], { level: 'os' });
    const room = writer.memory?.take(3);
    if (room === undefined) throw new Error('a log in memory without memory');
    room.bytes.set(Buffer.from('two'));
    const position = await writer.append([room.bytes], { level: 'os' });
    room.bytes[1] = 0;
    await expect(wal.read('w', 1, position, writer.next, 1)).rejects.toThrow(
      `corrupt: memory:w/1 at ${position}`,
    );
    expect(await wal.read('w', 1, 0, position, 1)).toHaveLength(1);
  });
});
