import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Message } from '../../../src/kernel/message.ts';
import { BodyBatch } from '../../../src/kernel/message-store/body-batch.ts';
import { createMessageStore, type MessageStore } from '../../../src/kernel/message-store/message-store.ts';
import { FakeStateLog, freshStore, LIMITS, message, putAndStage, stagedBodies } from './support.ts';

interface Known {
  readonly id: number;
  readonly message: Message;
  readonly isVolatile: boolean;
  slot: number;
  references: number;
  isWritten: boolean;
}

interface View {
  readonly key: Uint8Array;
  readonly page: Uint8Array;
  readonly stamp: number;
}

/** A broker in small: the store, its log and views, and who is referenced according to plain records. */
class World {
  readonly log = new FakeStateLog();
  store: MessageStore = freshStore(this.log, { maxCacheBytes: 2000 });
  known = new Map<number, Known>();
  readonly views = new Map<string, View>();
  /** Where a start replays from, and where it will when the checkpoint under way is through. */
  replayFrom = 0;
  checkpointFrom: number | undefined = undefined;
  private count = 0;

  put(isVolatile: boolean): void {
    const { store, log } = this;
    const one = message(this.count++);
    const slot = isVolatile ? store.putVolatile(one) : store.put(one);
    const offset = store.stage(slot);
    const id = store.idOf(slot);
    const known: Known = { id, message: one, isVolatile, slot, references: 1, isWritten: false };
    expect(this.known.has(id)).toBe(false);
    this.known.set(id, known);
    log.commit('os', (error, position) => {
      if (error !== undefined) return;
      known.isWritten = true;
      store.placed(slot, position, offset);
    });
  }

  putTogether(count: number, isLong: boolean): void {
    const { store, log } = this;
    const payload = isLong ? { payload: new Uint8Array(3000).fill(this.count) } : {};
    const plain = { qos: 1, retain: false, expiresAtMs: 0, ...payload } as const;
    const all = Array.from({ length: count }, () => message(this.count++, plain));
    const batch = new BodyBatch();
    expect(store.putBatch(batch, stagedBodies(all), count, 0)).toBe(true);
    const offset = store.stageBatch(batch);
    const knowns = all.map((one, i): Known => {
      const slot = batch.slots[i] as number;
      const id = store.idOf(slot);
      expect([id, this.known.has(id)]).toEqual([batch.firstId + i, false]);
      return { id, message: one, isVolatile: false, slot, references: 1, isWritten: false };
    });
    for (const known of knowns) this.known.set(known.id, known);
    log.commit('os', (error, position) => {
      if (error !== undefined) return;
      for (const known of knowns) known.isWritten = true;
      store.placedBatch(batch, position, offset);
    });
  }

  pick(at: number): Known | undefined {
    return [...this.known.values()][Math.floor(at * this.known.size)];
  }

  reference(at: number): void {
    const known = this.pick(at);
    if (known === undefined) return;
    this.store.addReference(known.slot, 2);
    known.references += 2;
  }

  /** The caller's own reference stays until the change is written. */
  release(at: number, isAll: boolean): void {
    const known = this.pick(at);
    if (known === undefined || (!known.isWritten && known.references === 1)) return;
    const count = isAll && known.isWritten ? known.references : 1;
    this.store.release(known.slot, count);
    known.references -= count;
    if (known.references === 0) this.known.delete(known.id);
  }

  takePages(max: number): number {
    const stamp = this.log.end();
    this.checkpointFrom ??= stamp;
    const keys = this.store.table.takeDirty(max);
    for (const key of keys) {
      const page = this.store.table.page(key);
      const name = Buffer.from(key).toString('hex');
      if (page === undefined) this.views.delete(name);
      else this.views.set(name, { key, page, stamp });
    }
    return keys.length;
  }

  finishCheckpoint(): void {
    while (this.takePages(2) > 0);
    this.replayFrom = this.checkpointFrom ?? this.replayFrom;
    this.checkpointFrom = undefined;
  }

  /** The older half of what no replay needs any more. */
  async evacuate(): Promise<void> {
    this.log.flush();
    const first = this.log.frames[0]?.position ?? 0;
    const end = first + (this.replayFrom - first) / 2;
    this.log.isAutomatic = true;
    await this.store.table.evacuate?.(0, end);
    this.log.isAutomatic = false;
    expect(this.store.table.liveBytes?.(0, end)).toBe(0);
    this.log.dropFrames(0, end);
  }

  /** Without what is not written. `order`: of references, pages and entries. */
  restart(order: number): void {
    this.log.flush(new Error('killed'));
    const survivors = [...this.known.values()].filter(({ isWritten }) => isWritten);
    const store = createMessageStore({ ...LIMITS, maxCacheBytes: 2000 });
    store.attach(this.log);
    const refer = () => {
      for (const known of survivors) {
        known.slot = store.slotOfId(known.id);
        store.addReference(known.slot, known.references + 1);
        store.release(known.slot, known.references + 1);
        store.addReference(known.slot, known.references);
      }
    };
    if (order === 0) refer();
    const loadViews = () => {
      for (const { key, page, stamp } of this.views.values()) store.table.load(key, page, stamp);
    };
    if (order !== 2) loadViews();
    if (order === 1) refer();
    this.log.replay(store, this.replayFrom);
    if (order === 2) loadViews();
    if (order > 1) refer();
    if (order === 3) this.log.replay(store, this.replayFrom);
    store.table.recovered?.();
    this.store = store;
    this.checkpointFrom = undefined;
    for (const known of survivors.filter(({ isVolatile }) => isVolatile)) {
      expect([store.isLost(known.slot), store.get(known.slot)]).toEqual([true, undefined]);
      store.release(known.slot, known.references);
    }
    const kept = survivors.filter(({ isVolatile }) => !isVolatile);
    this.known = new Map(kept.map((known) => [known.id, known]));
  }

  async check(): Promise<void> {
    const { store, log } = this;
    const all = [...this.known.values()];
    expect(store.count).toBe(all.length);
    await store.load(all.map(({ slot }) => slot));
    let bytes = 0;
    for (const { id, slot, references, message: expected } of all) {
      const found = [store.idOf(slot), store.slotOfId(id), store.referencesOf(slot)].join();
      if (found !== [id, slot, references].join()) throw new Error(`${found} instead of message ${id}`);
      if (!isSame(store.get(slot), expected)) expect(store.get(slot)).toEqual(expected);
      if (store.expiresAtMs(slot) !== expected.expiresAtMs) throw new Error(`expiry of message ${id}`);
      bytes += store.bytesOf(slot);
    }
    expect(store.bytes).toBe(bytes);
    const placed = all.filter(({ isVolatile, isWritten }) => isWritten && !isVolatile);
    const middle = Math.floor(log.end() / 2);
    const live = [
      [0, middle],
      [middle, log.end()],
    ].map(([start = 0, end = 0]) => store.table.liveBytes?.(start, end) ?? 0);
    expect((live[0] ?? 0) + (live[1] ?? 0)).toBe(
      placed.reduce((sum, { slot }) => sum + store.bytesOf(slot), 0),
    );
  }
}

/** Looking at each byte by `expect` takes longer than all the rest. */
function isSame(a: Message | undefined, b: Message): boolean {
  if (a === undefined) return false;
  const text = ({ topic, properties, payload, qos, retain, expiresAtMs, publisher }: Message): string => {
    const bytes = [topic, properties, payload].map((each) => Buffer.from(each).toString('latin1'));
    return JSON.stringify([...bytes, qos, retain, expiresAtMs, publisher]);
  };
  return text(a) === text(b);
}

const at = fc.double({ min: 0, max: 0.999, noNaN: true });
const operation = fc.oneof(
  { weight: 5, arbitrary: fc.record({ puts: fc.integer({ min: 1, max: 60 }), isVolatile: fc.boolean() }) },
  { weight: 5, arbitrary: fc.record({ together: fc.integer({ min: 1, max: 60 }), isLong: fc.boolean() }) },
  { weight: 4, arbitrary: fc.constant('flush' as const) },
  { weight: 2, arbitrary: fc.record({ reference: at }) },
  { weight: 6, arbitrary: fc.record({ release: fc.array(at, { maxLength: 60 }), isAll: fc.boolean() }) },
  { weight: 2, arbitrary: fc.constant('fail' as const) },
  { weight: 2, arbitrary: fc.record({ pages: fc.integer({ min: 0, max: 2 }) }) },
  { weight: 2, arbitrary: fc.constant('checkpoint' as const) },
  { weight: 2, arbitrary: fc.constant('evacuate' as const) },
  { weight: 3, arbitrary: fc.record({ restart: fc.integer({ min: 0, max: 3 }) }) },
);

/** Views from before bodies moved, and entries from after it. */
const END = ['checkpoint', 'evacuate', { restart: 2 }, { restart: 1 }] as const;

describe('the message store after a crash', () => {
  it('has what is referenced, wherever it was moved to and whichever pages were written, and nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 30 }), async (operations) => {
        const world = new World();
        for (const each of [...operations, ...END]) {
          if (each === 'flush') world.log.flush();
          else if (each === 'fail') failed(world);
          else if (each === 'checkpoint') world.finishCheckpoint();
          else if (each === 'evacuate') await world.evacuate();
          else if ('puts' in each) for (let i = 0; i < each.puts; i++) world.put(each.isVolatile);
          else if ('together' in each) world.putTogether(each.together, each.isLong);
          else if ('reference' in each) world.reference(each.reference);
          else if ('release' in each) for (const one of each.release) world.release(one, each.isAll);
          else if ('pages' in each) world.takePages(each.pages);
          else world.restart(each.restart);
          await world.check();
        }
      }),
      { numRuns: Number(process.env.ROBUSTMQ_MESSAGE_STORE_RUNS ?? 40) },
    );
  }, 60_000);

  /** A write that failed: the callers give up what they had. */
  function failed(world: World): void {
    world.log.flush(new Error('no'));
    for (const known of [...world.known.values()].filter(({ isWritten }) => !isWritten)) {
      world.store.release(known.slot, known.references);
      world.known.delete(known.id);
    }
  }

  it('gives no id again whose message is long gone, volatile ones included', () => {
    const log = new FakeStateLog();
    const store = freshStore(log);
    const slots = [putAndStage(store, log, message(1))];
    const last = store.putVolatile(message(2));
    store.stage(last);
    log.commit('os');
    log.flush();
    const lastId = store.idOf(last);
    for (const slot of [...slots, last]) store.release(slot);
    const replayed = createMessageStore(LIMITS);
    log.replay(replayed);
    replayed.table.recovered?.();
    expect([replayed.count, replayed.idOf(replayed.put(message(3)))]).toEqual([0, lastId + 1]);

    const viewed = createMessageStore(LIMITS);
    for (const key of store.table.pageKeys()) {
      const page = store.table.page(key);
      if (page !== undefined) viewed.table.load(key, page, log.end());
    }
    viewed.table.recovered?.();
    expect(viewed.idOf(viewed.put(message(3)))).toBe(lastId + 1);
  });

  it('refuses entries and pages of forms that it does not know', () => {
    const store = createMessageStore(LIMITS);
    const place = { position: 77, offset: 3 };
    expect(() => store.table.apply(Uint8Array.of(9, 1), place)).toThrow(/frame at 77/);
    expect(() => store.table.apply(new Uint8Array(0), place)).toThrow(/frame at 77/);
    expect(() => store.table.load(new Uint8Array(6), Uint8Array.of(9), 0)).toThrow(/form/);
    expect(() => store.table.load(Uint8Array.of(0), Uint8Array.of(1), 0)).toThrow(/form/);
  });
});
