import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeIdEntry,
  decodeProducerEntry,
  encodeIdEntry,
  encodeProducerEntry,
  IdWindow,
  ProducerSequences,
} from '../../src/kernel/deduplication.ts';

describe('a window of ids', () => {
  it('knows an id for its time and among the last so many, also after a restart', () => {
    const step = fc.record({ id: fc.nat(12), wait: fc.nat(6), restart: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const limits = { maxIds: 5, windowMs: 20 };
        let window = new IdWindow(limits);
        const replica = new IdWindow(limits);
        let naive: { id: string; position: number; atMs: number }[] = [];
        let nowMs = 1;
        steps.forEach(({ id: number, wait, restart }, position) => {
          nowMs += wait;
          const id = `id-${number}`;
          const known = naive.find((each) => each.id === id && nowMs - each.atMs < 20);
          const check = window.check(id, position, nowMs);
          expect(check.isDuplicate ? check.position : undefined).toBe(known?.position);
          if (!check.isDuplicate) {
            naive = [...naive.filter((each) => each.id !== id), { id, position, atMs: nowMs }].slice(-5);
            expect(decodeIdEntry(encodeIdEntry(check.entry))).toEqual(check.entry);
            replica.apply(check.entry);
          }
          expect(window.size).toBeLessThanOrEqual(5);
          if (!restart) return;
          const next = new IdWindow(limits);
          expect(next.restore(window.snapshot())).toBe(true);
          window = next;
        });
        expect(replica.snapshot()).toEqual(window.snapshot());
      }),
      { numRuns: 200 },
    );
  });
});

describe('producer sequences', () => {
  const limits = { maxProducers: 3, idleMs: 1000 };
  const batch = (firstSequence: number, count: number, position = 0, epoch = 0, atMs = 0) => ({
    producerId: 9,
    epoch,
    firstSequence,
    count,
    position,
    atMs,
  });

  it('accept what follows on, know the last five batches again, and nothing else', () => {
    const producers = new ProducerSequences(limits);
    expect(producers.check(batch(3, 1)).verdict).toBe('unknown-producer');
    for (let i = 0; i < 7; i++) expect(producers.check(batch(i * 10, 10, i)).verdict).toBe('new');
    for (let i = 2; i < 7; i++)
      expect(producers.check(batch(i * 10, 10))).toEqual({ verdict: 'duplicate', position: i });
    expect(producers.check(batch(10, 10)).verdict).toBe('out-of-order');
    expect(producers.check(batch(60, 9)).verdict).toBe('out-of-order');
    expect(producers.check(batch(71, 1)).verdict).toBe('out-of-order');
    expect(producers.check(batch(70, 0)).verdict).toBe('out-of-order');
    expect(producers.check(batch(5, 1, 0, 1)).verdict).toBe('out-of-order');
    expect(producers.check(batch(0, 1, 0, 1)).verdict).toBe('new');
    expect(producers.check(batch(70, 1, 0, 0)).verdict).toBe('fenced');
    expect(producers.check(batch(1, 1, 0, 1, 1000)).verdict).toBe('unknown-producer');
  });

  it('wrap after 2^31 - 1', () => {
    const producers = new ProducerSequences(limits);
    producers.check(batch(0, 2 ** 31 - 2));
    expect(producers.check(batch(2 ** 31 - 2, 4, 5)).verdict).toBe('new');
    expect(producers.check(batch(2 ** 31 - 2, 4)).verdict).toBe('duplicate');
    expect(producers.check(batch(2, 1)).verdict).toBe('new');
  });

  it('forget the least recently used beyond their limit, and are rebuilt by entries and snapshots', () => {
    const step = fc.record({ producerId: fc.nat(4), epoch: fc.nat(1), skip: fc.nat(4), wait: fc.nat(300) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const producers = new ProducerSequences(limits);
        const replica = new ProducerSequences(limits);
        const next = new Map<number, number>();
        let atMs = 0;
        steps.forEach(({ producerId, epoch, skip, wait }, position) => {
          atMs += wait;
          const firstSequence = skip === 0 ? 0 : (next.get(producerId) ?? 0);
          const check = producers.check({ producerId, epoch, firstSequence, count: 2, position, atMs });
          expect(producers.size).toBeLessThanOrEqual(3);
          if (check.verdict !== 'new') return;
          next.set(producerId, firstSequence + 2);
          const read = decodeProducerEntry(encodeProducerEntry(check.entry));
          expect(read).toEqual(check.entry);
          if (read !== undefined) replica.apply(read);
        });
        expect(replica.snapshot()).toEqual(producers.snapshot());
        const restored = new ProducerSequences(limits);
        expect(restored.restore(producers.snapshot())).toBe(true);
        expect(restored.snapshot()).toEqual(producers.snapshot());
      }),
      { numRuns: 200 },
    );
  });

  it('refuse bytes that are not theirs', () => {
    const producers = new ProducerSequences(limits);
    producers.check(batch(0, 1));
    const snapshot = producers.snapshot();
    for (let length = 0; length < snapshot.length; length++) {
      expect(new ProducerSequences(limits).restore(snapshot.slice(0, length))).toBe(false);
    }
  });
});
