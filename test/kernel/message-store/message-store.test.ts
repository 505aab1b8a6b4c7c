import { describe, expect, it } from 'vitest';
import { createMessageStore } from '../../../src/kernel/message-store/message-store.ts';
import { FakeStateLog, freshStore, LIMITS, message, putAndStage } from './support.ts';

describe('the message store', () => {
  it('keeps a message until the last reference is released, and gives its slot but never its id again', () => {
    const log = new FakeStateLog();
    const store = freshStore(log);
    const slot = putAndStage(store, log, message(1));
    expect(store.isCommitted(slot)).toBe(false);
    log.flush();
    expect(store.isCommitted(slot)).toBe(true);
    store.addReference(slot, 1000);
    store.release(slot);
    for (let i = 0; i < 999; i++) store.release(slot);
    expect(store.get(slot)).toEqual(message(1));
    const id = store.idOf(slot);
    store.release(slot);
    expect([store.count, store.bytes, store.slotOfId(id)]).toEqual([0, 0, -1]);
    const next = store.put(message(2));
    expect(next).toBe(slot);
    expect(store.idOf(next)).toBe(id + 1);
    expect(() => store.release(next, 2)).toThrow(RangeError);
  });

  it('refuses what is beyond its bounds, and takes again when something is freed', () => {
    const log = new FakeStateLog();
    const store = freshStore(log, { maxMessages: 2, maxBytes: 1000, maxVolatileBytes: 100 });
    const large = message(1, { payload: new Uint8Array(600) });
    const slot = store.put(large);
    expect(store.put(large)).toBe(-1);
    expect(store.putVolatile(message(2, { payload: new Uint8Array(100) }))).toBe(-1);
    const other = store.putVolatile(message(2));
    expect(other).toBeGreaterThan(-1);
    expect(store.put(message(3))).toBe(-1);
    store.release(slot);
    expect(store.put(large)).toBeGreaterThan(-1);
    store.release(other);
    expect(store.putVolatile(message(2))).toBeGreaterThan(-1);
  });

  it('takes nothing before the tables are rebuilt', () => {
    const store = createMessageStore(LIMITS);
    expect(store.put(message(1))).toBe(-1);
  });

  it('loads bodies that lie side by side in one read, and each read stays until it is taken', async () => {
    const log = new FakeStateLog();
    const store = freshStore(log, { maxCacheBytes: 0 });
    const slots = Array.from({ length: 100 }, (_, n) => putAndStage(store, log, message(n)));
    log.flush();
    slots.push(...Array.from({ length: 100 }, (_, n) => putAndStage(store, log, message(100 + n))));
    log.flush();
    const gone = slots.filter((slot) => store.get(slot) === undefined);
    expect(gone.length).toBeGreaterThan(190);
    await Promise.all([store.load(slots), store.load(slots.slice(50, 150))]);
    expect(log.reads.length).toBe(2);
    slots.forEach((slot, n) => void expect(store.get(slot)).toEqual(message(n)));
    expect(slots.filter((slot) => store.get(slot) !== undefined).length).toBeLessThan(3);
  });
});
