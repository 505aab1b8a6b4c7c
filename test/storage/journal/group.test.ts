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
import { createTail } from '../../../src/storage/journal/tail.ts';

const LARGE = 20_000;
const entry = fc
  .record({
    logId: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 2 ** 40, max: 2 ** 52 })),
    stripe: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    bytes: fc.oneof(fc.nat(40), fc.constantFrom(LARGE - 5000, LARGE)),
    fill: fc.nat(255),
  })
  .map(({ logId, stripe, bytes, fill }) => ({ logId, stripe, payload: Buffer.alloc(bytes, fill) }));
const groups = fc.array(fc.array(entry, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 5 });

const plain = (records: readonly JournalRecord[]) =>
  records.map(({ payload, ...rest }) => ({ ...rest, payload: Buffer.from(payload).toString('latin1') }));

it('gives back from a group in memory and from its bytes what was put in, by log, from a position, up to a size', () => {
  fc.assert(
    fc.property(groups, fc.nat(2 ** 45), fc.nat(200), fc.nat(500), (lists, position, ahead, maxBytes) => {
      const parts = lists.map((entries) => ({ entries, positions: [] as number[] }));
      const group = buildGroup(parts, position);
      const bytes = Buffer.concat(group.views as Uint8Array[]);
      expect(frameCheck.matches(bytes, group.sum)).toBe(true);
      expect(bytes.length).toBe(group.bodyBytes);
      const all: JournalRecord[] = [];
      let at = position;
      for (const each of lists.flat()) {
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
