import { describe, expect, it } from 'vitest';
import { LogQueue } from '../../src/kernel/log-queue/queue.ts';
import {
  decodeMoveEntry,
  decodeProvenance,
  encodeMoveEntry,
  encodeProvenance,
  moveOf,
} from '../../src/kernel/move.ts';

describe('moving a message', () => {
  it('is one entry with the settlement here and the copy there', () => {
    const queue = new LogQueue({ deliveryLimit: 1 });
    const replica = new LogQueue({ deliveryLimit: 1 });
    for (const each of queue.enqueue(5).entries) replica.apply(each);
    for (const each of queue.acquire({ holder: 'h', max: 3, nowMs: 0, leaseMs: 10 }).entries)
      replica.apply(each);
    const entry = moveOf('orders', 'orders.dead', 77, queue.expire(10), () => undefined);
    expect(entry.copies.map(({ position }) => position)).toEqual([0, 1, 2]);
    expect(entry.copies[1].provenance).toEqual({
      reason: 'delivery-limit',
      origin: 'orders',
      position: 1,
      atMs: 77,
      lastReason: 'delivery-limit',
      moves: 1,
    });
    const read = decodeMoveEntry(encodeMoveEntry(entry));
    expect(read).toEqual(entry);
    for (const each of read?.settled ?? []) replica.apply(each);
    expect(replica.stats).toEqual(queue.stats);
    const bytes = encodeMoveEntry(entry);
    for (let length = 0; length < bytes.length; length++)
      expect(decodeMoveEntry(bytes.slice(0, length))).toBeUndefined();
  });

  it('records the first reason and origin once, and counts', () => {
    const first = moveOf(
      'a',
      'b',
      1,
      { entries: [], discarded: [{ position: 9, reason: 'rejected' }] },
      () => undefined,
    );
    const [{ provenance }] = first.copies;
    const kept = decodeProvenance(encodeProvenance(provenance));
    expect(kept).toEqual(provenance);
    const second = moveOf(
      'b',
      'a',
      2,
      { entries: [], discarded: [{ position: 0, reason: 'redrive' }] },
      () => kept,
    );
    expect(second.copies[0].provenance).toEqual({ ...provenance, lastReason: 'redrive', moves: 2 });
  });
});
