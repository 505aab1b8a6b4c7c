import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createReferencePools } from '../../../../src/kernel/reference-queue/chunk-pool.ts';
import { ReferenceQueue } from '../../../../src/kernel/reference-queue/reference-queue.ts';
import {
  createDurableState,
  isIdentifierTaken,
  noteRepeats,
  packetIdOf,
  seqOf,
} from '../../../../src/protocols/mqtt/durable/session-state.ts';

const IDENTIFIERS = 65_535;

describe('packet identifiers of a durable session', () => {
  it('are those that there are, each for one in 65535 deliveries', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 48 }), (seq) => {
        const id = packetIdOf(seq);
        expect(id).toBeGreaterThan(0);
        expect(id).toBeLessThanOrEqual(IDENTIFIERS);
        expect(packetIdOf(seq + IDENTIFIERS)).toBe(id);
        expect(packetIdOf(seq + 1)).toBe(id === IDENTIFIERS ? 1 : id + 1);
      }),
    );
    expect(packetIdOf(1)).toBe(1);
  });

  it('find the delivery that the client has, and are free when nobody has them, over many rounds of all of them', () => {
    // Jumps between deliveries, some of them whole rounds; some are settled without being sent.
    const delivery = fc.record({
      jump: fc.constantFrom(1, 1, 2, IDENTIFIERS - 1, IDENTIFIERS, IDENTIFIERS, IDENTIFIERS + 1),
      isSent: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(delivery, { maxLength: 12 }), fc.nat(2 ** 40), (deliveries, start) => {
        const state = createDurableState(new ReferenceQueue(createReferencePools(), start + 1));
        const { queue } = state;
        const held = new Map<number, number>();
        queue.push(0, 1);
        held.set(packetIdOf(start + 1), start + 1);
        let seq = start + 1;
        for (const { jump, isSent } of deliveries) {
          seq += jump;
          queue.advanceTo(seq);
          queue.push(0, 1);
          state.cursor = seq;
          const id = packetIdOf(seq);
          expect(isIdentifierTaken(state, seq)).toBe(held.has(id));
          if (isSent && !held.has(id)) held.set(id, seq);
          else queue.settle(seq);
          state.cursor = seq + 1;
          for (const [each, holder] of held) expect(seqOf(state, each)).toBe(holder);
        }
        expect(seqOf(state, packetIdOf(seq + 7))).toBe(held.get(packetIdOf(seq + 7)) ?? -1);
      }),
      { numRuns: 15 },
    );
  });

  it('find what an earlier connection released, which the cursor has not come to', () => {
    const state = createDurableState(new ReferenceQueue(createReferencePools()));
    for (let i = 0; i < 3; i++) state.queue.push(0, 2);
    state.released = new Set([3]);
    state.cursor = 1;
    expect([seqOf(state, 3), seqOf(state, 2)]).toEqual([3, -1]);
  });
});

describe('noteRepeats', () => {
  it('counts what was sent and is not settled', () => {
    const state = createDurableState(new ReferenceQueue(createReferencePools()));
    for (let i = 0; i < 5; i++) state.queue.push(0, 1);
    state.queue.settle(2);
    state.sentTo = 4;
    noteRepeats(state);
    noteRepeats(state);
    expect([...(state.repeats ?? [])]).toEqual([
      [1, 2],
      [3, 2],
    ]);
    expect(state.rounds).toBe(2);
  });
});
