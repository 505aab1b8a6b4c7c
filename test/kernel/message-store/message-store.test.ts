import { describe, expect, it } from 'vitest';
import type { Message } from '../../../src/kernel/message.ts';
import {
  BATCH_HEAD_BYTES,
  decodeBody,
  walkBatch,
  writeBatchHead,
} from '../../../src/kernel/message-store/body.ts';
import { BodyBatch } from '../../../src/kernel/message-store/body-batch.ts';
import { createMessageStore, type MessageStore } from '../../../src/kernel/message-store/message-store.ts';
import { FakeStateLog, freshStore, LIMITS, message, putAndStage, stagedBodies } from './support.ts';

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
    slots.forEach((slot, n) => {
      const loaded = store.get(slot);
      expect(loaded).toEqual(message(n));
      expect(loaded?.payload.buffer.byteLength).toBeLessThan(200);
    });
    expect(slots.filter((slot) => store.get(slot) !== undefined).length).toBeLessThan(3);
  });
});

describe('reading bodies back', () => {
  /** 40 messages in two frames, none of them in memory but the last. */
  function stored() {
    const log = new FakeStateLog();
    const store = freshStore(log, { maxCacheBytes: 0 });
    const slots = Array.from({ length: 40 }, (_, n) => {
      const slot = putAndStage(store, log, message(n));
      if (n === 19 || n === 39) log.flush();
      return slot;
    });
    return { log, store, slots };
  }
  const slotAt = (slots: readonly number[], n: number): number => slots[n] ?? -1;

  it('names the place of a body that is not what it should be, and loads the others', async () => {
    const { log, store, slots } = stored();
    const [first] = log.frames;
    const entry = first?.entries[5];
    if (first === undefined || entry === undefined) throw new Error('there is no frame');
    first.payload[entry.offset + 1] = 99;
    await expect(store.load(slots)).rejects.toMatchObject({
      name: 'MessageUnreadable',
      position: first.position,
      offset: entry.offset,
      slots: [slotAt(slots, 5)],
    });
    slots.forEach((slot, n) => {
      expect(store.get(slot)).toEqual(n === 5 ? undefined : message(n));
    });
  });

  it('names all messages of a read that fails, and can be asked again', async () => {
    const { log, store, slots } = stored();
    const { frames } = log;
    log.frames = frames.slice(1);
    await expect(store.load(slots)).rejects.toMatchObject({ slots: slots.slice(0, 20) });
    log.frames = frames;
    await store.load(slots);
    slots.forEach((slot, n) => void expect(store.get(slot)).toEqual(message(n)));
  });

  it('finds a body that moved, and passes over one that was freed, while it was read', async () => {
    const { log, store, slots } = stored();
    const start = log.frames[0]?.position ?? 0;
    const end = log.frames[1]?.position ?? 0;
    const read = log.read.bind(log);
    let hold: Promise<void> | undefined;
    log.read = async (...place) => {
      await hold;
      return read(...place);
    };
    let go = () => {};
    hold = new Promise((resolve) => {
      go = resolve;
    });
    const loading = store.load(slots);
    hold = undefined;
    log.isAutomatic = true;
    await store.table.evacuate?.(start, end);
    log.dropFrames(start, end);
    store.release(slotAt(slots, 3));
    expect(store.put(message(77))).toBe(slotAt(slots, 3));
    store.release(slotAt(slots, 30));
    const again = putAndStage(store, log, message(78));
    log.flush();
    putAndStage(store, log, message(79));
    log.flush();
    expect([again, store.get(again)]).toEqual([slotAt(slots, 30), undefined]);
    go();
    await loading;
    const expected = (n: number) => (n === 3 ? message(77) : n === 30 ? undefined : message(n));
    slots.forEach((slot, n) => void expect(store.get(slot)).toEqual(expected(n)));
  });

  it('does not call a range empty whose bodies cannot be read or written again', async () => {
    const { log, store } = stored();
    const end = log.end();
    const { frames } = log;
    log.frames = [];
    await expect(store.table.evacuate?.(0, end)).rejects.toThrow(/cannot be read/);
    log.frames = frames;
    const evacuated = expect(store.table.evacuate?.(0, end)).rejects.toThrow('no room');
    for (let turn = 0; turn < 50; turn++) await Promise.resolve();
    log.flush(new Error('no room'));
    await evacuated;
    expect(store.table.liveBytes?.(0, end)).toBe(store.bytes);
  });

  it('leaves alone who got the slot of a message that was freed while it was written again', async () => {
    const { log, store, slots } = stored();
    const end = log.end();
    const evacuated = store.table.evacuate?.(0, end);
    for (let turn = 0; turn < 50; turn++) await Promise.resolve();
    store.release(slotAt(slots, 7));
    const slot = store.put(message(80));
    log.flush();
    await evacuated;
    expect([slot, store.isCommitted(slot), store.get(slot)]).toEqual([slotAt(slots, 7), false, message(80)]);
    expect(store.table.liveBytes?.(end, log.end())).toBe(store.bytes - store.bytesOf(slot));
  });
});

describe('messages that come together', () => {
  const plain = { qos: 1, retain: false, expiresAtMs: 0 } as const;
  const some = (count: number, from = 0): Message[] =>
    Array.from({ length: count }, (_, i) => message(from + i, plain));

  function put(store: MessageStore, messages: readonly Message[], references: number): BodyBatch {
    const batch = new BodyBatch();
    expect(store.putBatch(batch, stagedBodies(messages), messages.length, references)).toBe(true);
    return batch;
  }

  it('have references for all who keep them, and go one by one', () => {
    const log = new FakeStateLog();
    const store = freshStore(log);
    const messages = some(100);
    const batch = put(store, messages, 2);
    const slots = [...batch.slots.subarray(0, 100)];
    expect(slots.map((slot) => store.get(slot))).toEqual(messages);
    const offset = store.stageBatch(batch);
    log.commit('os', (_, position) => {
      store.placedBatch(batch, position, offset);
      store.releaseBatch(batch);
    });
    expect(slots.some((slot) => store.isCommitted(slot))).toBe(false);
    log.flush();
    expect(slots.every((slot) => store.isCommitted(slot) && store.referencesOf(slot) === 2)).toBe(true);
    expect(store.bytes).toBe(batch.bytes);
    for (const slot of slots) store.release(slot, 2);
    expect([store.count, store.bytes]).toEqual([0, 0]);
  });

  it('are refused as a whole beyond a bound, and before the tables are rebuilt', () => {
    const store = freshStore(new FakeStateLog(), { maxMessages: 10, maxBytes: 1000 });
    const batch = new BodyBatch();
    expect(store.putBatch(batch, stagedBodies(some(11)), 11, 1)).toBe(false);
    const long = [message(1, { ...plain, payload: new Uint8Array(1000) })];
    expect(store.putBatch(batch, stagedBodies(long), 1, 1)).toBe(false);
    expect([store.count, store.bytes, store.nextId]).toEqual([0, 0, 1]);
    expect(store.putBatch(batch, stagedBodies(some(10)), 10, 1)).toBe(true);
    expect(createMessageStore(LIMITS).putBatch(batch, stagedBodies(some(1)), 1, 1)).toBe(false);
  });

  it('stay in memory together until there is no room, those that are not written in any case', async () => {
    const log = new FakeStateLog();
    const store = freshStore(log, { maxCacheBytes: 512 * 1024 });
    const payload = new Uint8Array(1000);
    const long = (from: number): Message[] => some(50, from).map((one) => ({ ...one, payload }));
    const isThere = (batch: BodyBatch): boolean => store.slabOf(batch.slots[0] ?? -1) !== undefined;
    const batches = Array.from({ length: 12 }, (_, i) => put(store, long(i * 50), 0));
    expect(batches.every(isThere)).toBe(true);
    for (const batch of batches) {
      const offset = store.stageBatch(batch);
      log.commit('os', (_, position) => store.placedBatch(batch, position, offset));
    }
    log.flush();
    batches.push(...[12, 13].map((i) => put(store, long(i * 50), 0)));
    const there = batches.map(isThere);
    expect([there[0], there[11], there[13]]).toEqual([false, true, true]);
    expect(store.memoryBytes).toBeLessThan(700 * 1024);
    const [first = -1, ...rest] = [...(batches[0]?.slots.subarray(0, 50) ?? [])];
    expect(store.get(first)).toBeUndefined();
    await store.load([first, ...rest]);
    expect(store.get(first)).toEqual(long(0)[0]);
  });

  it('lie in the slab as the journal has them, those of one batch one behind the other', () => {
    const log = new FakeStateLog();
    const store = freshStore(log);
    const batch = put(store, some(5), 0);
    const slab = store.slabOf(batch.slots[0] ?? -1);
    let end = 0;
    for (const [i, slot] of [...batch.slots.subarray(0, 5)].entries()) {
      expect(store.slabOf(slot)).toBe(slab);
      const start = store.startOf(slot);
      expect(start).toBeGreaterThan(end);
      end = start + store.bytesOf(slot);
      const body = slab?.bytes?.subarray(start, end) ?? new Uint8Array(0);
      expect(decodeBody(7, body)).toEqual(message(i, plain));
    }
  });

  it('are read from damaged bytes as nothing but what they were', () => {
    const entry = batchEntry(7, some(3));
    const found: number[] = [];
    expect(walkBatch(entry, (id) => found.push(id))).toBe(true);
    expect(found).toEqual([7, 8, 9]);
    for (let length = 0; length < entry.length; length++) {
      expect(walkBatch(entry.subarray(0, length), () => {})).toBe(false);
    }
    expect(walkBatch(Buffer.concat([entry, Uint8Array.of(0)]), () => {})).toBe(false);
  });
});

function batchEntry(firstId: number, messages: readonly Message[]): Uint8Array {
  const head = new Uint8Array(BATCH_HEAD_BYTES);
  const length = writeBatchHead(head, 0, firstId, messages.length);
  return Buffer.concat([head.subarray(0, length), stagedBodies(messages)]);
}
