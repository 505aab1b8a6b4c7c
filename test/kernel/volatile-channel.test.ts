import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VolatileChannel } from '../../src/kernel/volatile-channel.ts';

describe('a volatile channel', () => {
  it('does what a naive list does under each policy', () => {
    const step = fc.oneof(
      fc.record({ op: fc.constant('push' as const), size: fc.nat(9) }),
      fc.record({ op: fc.constant('take' as const), size: fc.nat(4) }),
    );
    const policy = fc.constantFrom('drop-oldest' as const, 'drop-newest' as const, 'disconnect' as const);
    fc.assert(
      fc.property(policy, fc.array(step, { maxLength: 80 }), (whenFull, steps) => {
        const channel = new VolatileChannel<number>({ maxMessages: 12, maxBytes: 40, whenFull });
        let naive: { message: number; size: number }[] = [];
        let dropped = 0;
        let isOverrun = false;
        const bytes = (): number => naive.reduce((sum, { size }) => sum + size, 0);
        steps.forEach(({ op, size: given }, message) => {
          if (op === 'take') {
            expect(channel.take(given)).toEqual(naive.splice(0, given).map((each) => each.message));
            return;
          }
          const size = given === 9 ? 41 : given;
          const fits = (): boolean => naive.length < 12 && bytes() + size <= 40;
          let expected = 'kept';
          if (isOverrun || (whenFull === 'disconnect' && !fits())) {
            isOverrun = true;
            dropped += naive.length;
            naive = [];
            expected = 'overrun';
          } else if (!fits() && (whenFull === 'drop-newest' || size > 40)) expected = 'dropped';
          else {
            for (; !fits(); dropped++) naive.shift();
            naive.push({ message, size });
          }
          if (expected !== 'kept') dropped++;
          expect(channel.push(message, size)).toBe(expected);
          expect(channel.stats).toEqual({ messages: naive.length, bytes: bytes(), dropped, isOverrun });
        });
      }),
      { numRuns: 300 },
    );
  });
});
