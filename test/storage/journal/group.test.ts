import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FRAME_HEADER_BYTES, frameCheck } from '../../../src/storage/journal/frame.ts';
import {
  buildGroup,
  collectListed,
  collectRecords,
  framesByLog,
  type JournalRecord,
} from '../../../src/storage/journal/group.ts';
import { createGroupMemory } from '../../../src/storage/journal/group-memory.ts';
import { createTail } from '../../../src/storage/journal/tail.ts';
import { createLogKernel } from '../../../src/wasm/create-log.ts';

const kernel = createLogKernel({ maxBatchBytes: 65_536, memoryLimitBytes: 1024 * 1024 });
const LARGE = 20_000;
const entry = fc
  .record({
    logId: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 2 ** 40, max: 2 ** 52 })),
    stripe: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    bytes: fc.oneof(fc.nat(40), fc.constantFrom(LARGE - 5000, LARGE)),
    fill: fc.nat(255),
    isBorrowed: fc.boolean(),
  })
  .map(({ bytes, fill, ...rest }) => ({ ...rest, payload: Buffer.alloc(bytes, fill) }));
/** As the batches of records have it, some of them too small for it to be used. */
const summed = fc
  .record({
    bytes: fc.constantFrom(100, 4095, 4096, 5000, LARGE),
    fill: fc.nat(255),
    isBorrowed: fc.boolean(),
  })
  .map(({ bytes, fill, isBorrowed }) => {
    const payload = Buffer.alloc(bytes, fill);
    payload.writeUInt32BE(kernel.crc32c(payload.subarray(21)), 17);
    return { logId: 7, stripe: 1, payload, isBorrowed, hasOwnSum: true };
  });
const groups = fc.array(fc.array(fc.oneof(entry, summed), { minLength: 1, maxLength: 5 }), {
  minLength: 1,
  maxLength: 5,
});

const plain = (records: readonly JournalRecord[]) =>
  records.map(({ logId, stripe, position, payload }) => ({
    logId,
    stripe,
    position,
    payload: Buffer.from(payload).toString('latin1'),
  }));

it('gives back from a group in memory and from its bytes what was put in, by log, from a position, up to a size', () => {
  const memory = createGroupMemory();
  fc.assert(
    fc.property(groups, fc.nat(2 ** 45), fc.nat(200), fc.nat(500), (lists, position, ahead, maxBytes) => {
      const parts = lists.map((entries) => ({ entries, positions: [] as number[] }));
      const group = buildGroup(parts, position, memory);
      const wasGiven = lists.map((entries) =>
        entries.map((each) => ({ ...each, payload: Buffer.from(each.payload) })),
      );
      for (const { payload, isBorrowed } of lists.flat()) if (isBorrowed) payload.fill(0xee);
      const bytes = Buffer.concat(group.views as Uint8Array[]);
      expect(frameCheck.matches(bytes, group.sum)).toBe(true);
      expect(bytes.length).toBe(group.bodyBytes);
      const all: JournalRecord[] = [];
      let at = position;
      for (const each of wasGiven.flat()) {
        all.push({ ...each, position: at });
        at += FRAME_HEADER_BYTES + each.payload.length;
      }
      expect(parts.flatMap(({ positions }) => positions)).toEqual(all.map((record) => record.position));
      for (const body of [group.body, { bytes, large: undefined, position }]) {
        for (const logId of [undefined, 1, lists[0]?.[0]?.logId ?? 2]) {
          const from = position + ahead;
          const mine = all.filter(
            (each) =>
              each.position >= from && (logId === undefined ? each.logId !== 0 : each.logId === logId),
          );
          let sum = 0;
          const wanted = mine.filter(({ payload }) => {
            const isTaken = sum < maxBytes;
            if (isTaken) sum += payload.length;
            return isTaken;
          });
          const found: JournalRecord[] = [];
          expect(collectRecords(body, logId, from, maxBytes, found)).toBe(sum);
          expect(plain(found)).toEqual(plain(wanted));
          if (logId === undefined) continue;
          const listed: JournalRecord[] = [];
          const frames = framesByLog(body).get(logId) ?? [];
          expect(collectListed(body, frames, logId, from, maxBytes, listed)).toBe(sum);
          expect(plain(listed)).toEqual(plain(wanted));
        }
      }
      group.room.free();
    }),
  );
});

it('refuses any flipped bit, and bytes that are no frames', () => {
  const group = buildGroup(
    [{ entries: [{ logId: 5, stripe: 1, payload: Buffer.from('payload') }], positions: [] }],
    0,
  );
  const bytes = Buffer.concat(group.views as Uint8Array[]);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const bad = Buffer.from(bytes);
    bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(frameCheck.matches(bad, group.sum)).toBe(false);
  }
  expect(frameCheck.matches(bytes.subarray(0, -1), group.sum)).toBe(false);
});

it('refuses any flipped bit of a payload that has a sum of its own, and of what is around it', () => {
  const payload = Buffer.alloc(4096, 'batch');
  payload.writeUInt32BE(kernel.crc32c(payload.subarray(21)), 17);
  const around = (text: string) => ({ logId: 5, stripe: 1, payload: Buffer.from(text) });
  const entries = [
    around('before'),
    { logId: 6, stripe: 1, payload, hasOwnSum: true },
    { logId: 6, stripe: 2, payload, hasOwnSum: true, isBorrowed: true },
    around('behind'),
  ];
  const group = buildGroup([{ entries, positions: [] }], 0);
  const bytes = Buffer.concat(group.views as Uint8Array[]);
  const isRight = () => frameCheck.matches(bytes, group.sum);
  expect(isRight()).toBe(true);
  for (let bit = 0; bit < bytes.length * 8; bit += bit < 1000 ? 1 : 13) {
    const at = bit >> 3;
    const was = bytes[at] ?? 0;
    bytes[at] = was ^ (1 << (bit & 7));
    expect(isRight()).toBe(false);
    bytes[at] = was;
  }
  expect(isRight()).toBe(true);
  for (let cut = 1; cut < bytes.length; cut += 97) {
    expect(frameCheck.matches(bytes.subarray(0, -cut), group.sum)).toBe(false);
  }
});

it('keeps the newest groups up to a size, and finds the one behind a position', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 60 }), fc.nat(30)), { maxLength: 300 }),
      fc.nat(500),
      (list, maxBytes) => {
        const tail = createTail(7, maxBytes);
        const model: { start: number; end: number; bytes: number }[] = [];
        let at = 7;
        for (const [payloadBytes, gap] of list) {
          const start = at + gap;
          const entries = [{ logId: 1, stripe: 0, payload: Buffer.alloc(payloadBytes) }];
          const group = buildGroup([{ entries, positions: [] }], start);
          at = start + group.bodyBytes;
          tail.push(group, start, at);
          model.push({ start, end: at, bytes: group.bodyBytes });
        }
        let held = 0;
        const kept = model.filter((_, i) => {
          held = model.slice(i).reduce((sum, { bytes }) => sum + bytes, 0);
          return held <= maxBytes;
        });
        const first = model[model.length - kept.length - 1]?.end ?? 7;
        expect(tail.start).toBe(first);
        for (let position = first; position <= at; position += 7) {
          const wanted = kept.find(({ end }) => end > position);
          expect(tail.at(position)?.start).toBe(wanted?.start);
        }
      },
    ),
    { numRuns: 40 },
  );
});
