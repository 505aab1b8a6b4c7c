import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createGroupMemory,
  createLoan,
  type Loan,
  type Room,
} from '../../../src/storage/journal/group-memory.ts';

const MiB = 1024 * 1024;

type Step =
  | { readonly kind: 'take'; readonly bytes: number }
  | { readonly kind: 'lend' | 'release' | 'keep' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.oneof(fc.nat(300), fc.integer({ min: 200_000, max: 5_000_000 })).map((bytes) => ({
      kind: 'take' as const,
      bytes,
    })),
  },
  { weight: 3, arbitrary: fc.constant({ kind: 'lend' as const }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'release' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'keep' as const }) },
);

/** What a group was filled with, by its first and last byte. */
const mark = ({ bytes }: Room, value: number): void => {
  if (bytes.length === 0) return;
  bytes[0] = value;
  bytes[bytes.length - 1] = value;
};
const hasMark = ({ bytes }: Room, value: number): boolean =>
  bytes.length === 0 || (bytes[0] === value && bytes[bytes.length - 1] === value);

describe('memory of groups', () => {
  it('never gives again what the tail or a reader still has', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 0, max: 6 }), (steps, tailGroups) => {
        const memory = createGroupMemory();
        const tail: { room: Room; value: number }[] = [];
        const loans: { loan: Loan; room: Room; value: number }[] = [];
        const kept: { room: Room; value: number }[] = [];
        let value = 0;
        for (const each of steps) {
          const newest = tail.at(-1);
          if (each.kind === 'take') {
            value = (value + 1) & 255;
            const room = memory.take(each.bytes);
            expect(room.bytes.length).toBe(each.bytes);
            mark(room, value);
            tail.push({ room, value });
            while (tail.length > tailGroups) tail.shift()?.room.free();
          } else if (each.kind === 'release') loans.shift()?.loan.release();
          else if (newest === undefined) continue;
          else if (each.kind === 'keep') {
            newest.room.lend();
            kept.push(newest);
          } else {
            const loan = createLoan();
            loan.add(newest.room);
            loan.add(newest.room);
            loans.push({ loan, ...newest });
          }
          for (const { room, value: was } of [...tail, ...loans, ...kept])
            expect(hasMark(room, was)).toBe(true);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('is as much as the tail has, however much goes through it', () => {
    const memory = createGroupMemory();
    const tail: Room[] = [];
    const buffers = new Set<ArrayBufferLike>();
    for (let i = 0; i < 2000; i++) {
      const room = memory.take(10_000 + ((i * 7919) % 90_000));
      buffers.add(room.bytes.buffer);
      tail.push(room);
      if (i % 3 === 0) {
        const loan = createLoan();
        loan.add(room);
        loan.release();
      }
      if (tail.length > 100) tail.shift()?.free();
    }
    expect([...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0)).toBeLessThan(16 * MiB);
  });

  it('has none to spare for a group that is larger than any should be', () => {
    const memory = createGroupMemory();
    const first = memory.take(16 * MiB);
    first.free();
    expect(memory.take(16 * MiB).bytes.buffer).not.toBe(first.bytes.buffer);
  });

  it('lends with a loan that can be used again', () => {
    const memory = createGroupMemory();
    const one = memory.take(2 * MiB);
    const loan = createLoan();
    loan.add(one);
    one.free();
    expect(memory.take(2 * MiB).bytes.buffer).not.toBe(one.bytes.buffer);
    loan.release();
    loan.release();
    const again = memory.take(2 * MiB);
    expect(again.bytes.buffer).toBe(one.bytes.buffer);
    loan.add(again);
    again.free();
    loan.release();
    expect(memory.take(2 * MiB).bytes.buffer).toBe(one.bytes.buffer);
  });
});
