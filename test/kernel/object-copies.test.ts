import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/kernel/message.ts';
import {
  createObjectCopies,
  type Holder,
  type ObjectCopies,
  RECOVERED,
  RETAINED,
  recoverFromObjects,
  WAITING,
} from '../../src/kernel/object-copies.ts';
import { createRetainedStore } from '../../src/kernel/retained.ts';
import { faultyDisk } from '../storage/disk/faulty-disk.ts';
import { createMemoryObjects } from '../support/memory-objects.ts';
import { found, kernel, type Opened, openOn, readAll } from './log/support.ts';

const message = (topic: string, payload: string, expiresAtMs = 0): Message => ({
  topic: Buffer.from(topic),
  payload: Buffer.from(payload),
  properties: new Uint8Array(0),
  qos: 1,
  retain: true,
  expiresAtMs,
  publisher: -1,
});

interface Fixture extends Opened {
  readonly copies: ObjectCopies;
  readonly ids: { next: number; oldest: number; readonly held: Map<number, Message> };
  readonly objects: ReturnType<typeof createMemoryObjects>;
  readonly errors: readonly unknown[];
  commit(): Promise<void>;
}

async function fixture(seed: number, maxBytes = 1e6): Promise<Fixture> {
  const objects = createMemoryObjects();
  const opened = await openOn({ disk: faultyDisk(seed), freed: [], objects });
  const errors: unknown[] = [];
  const ids = { next: 1, oldest: 1, held: new Map<number, Message>() };
  const holder: Holder = {
    get nextId() {
      return ids.next;
    },
    oldestId: () => ids.oldest,
    held: async (from) => {
      const message = ids.held.get(from);
      return { messages: message === undefined ? [] : [message], next: from + 1 };
    },
  };
  const { partitions, log, clock } = opened;
  const copies = await createObjectCopies({
    partitions,
    log,
    clock,
    holders: [holder],
    stripeOf: () => 1,
    maxBytes,
    maxMessageBytes: 20_000,
    isCopied: () => true,
    slackBytes: 3000,
    onError: (error) => errors.push(error),
  });
  const commit = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const done = (error: Error | undefined): void => (error === undefined ? resolve() : reject(error));
      log.commit('os', done, false, 'object');
    });
  return { ...opened, copies, ids, objects, errors, commit };
}

describe('copies of messages in the object store', () => {
  it('of what waits go in order, when nothing that was there with them waits any more', async () => {
    const at = await fixture(1);
    const keep = async (): Promise<void> => {
      expect(at.copies.keep(message('t', 'x'.repeat(400)))).toBe(true);
      at.ids.next++;
      await at.commit();
      await at.partitions.clean();
    };
    const start = (): number => found(at, WAITING).startOffset;
    for (let i = 0; i < 5; i++) await keep();
    expect([start(), found(at, WAITING).endOffset]).toEqual([0, 5]);
    at.ids.oldest = 3;
    await at.partitions.clean();
    expect(start()).toBe(2);
    for (let i = 0; i < 3; i++) await keep();
    at.ids.oldest = at.ids.next;
    await at.partitions.clean();
    expect(start()).toBe(8);
    await at.log.close();
  });

  it('of a few that nobody fetches are made again, so that those behind them can go', async () => {
    const at = await fixture(5);
    const stuck = message('t', 'stuck');
    at.ids.held.set(1, stuck);
    at.copies.keep(stuck);
    for (let i = 0; i < 40; i++) {
      if (i > 0) at.copies.keep(message('t', 'x'.repeat(400)));
      at.ids.next++;
      await at.commit();
      await at.partitions.clean();
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
    }
    const waiting = found(at, WAITING);
    expect(waiting.startOffset).toBeGreaterThan(20);
    const values = (await readAll(at, waiting)).map(([, value]) => value);
    expect(values.filter((value) => value === 'stuck').length).toBeGreaterThan(0);
    expect(waiting.bytes).toBeLessThan(15_000);
    expect(at.errors).toEqual([]);
    await at.log.close();
  });

  it('are refused when they are too large, too many, or the store has failed', async () => {
    const at = await fixture(2, 1000);
    expect(at.copies.refusal(message('t', 'x'.repeat(20_000)))).toBe('full');
    expect(at.copies.refusal(message('t', 'x'))).toBe(undefined);
    at.copies.keep(message('t', 'x'.repeat(1500)));
    await at.commit();
    expect(at.copies.refusal(message('t', 'x'))).toBe('full');
    await at.log.close();
    expect(at.copies.refusal(message('t', 'x'))).toBe('full');
  });

  it('give retained messages back, the newest of each topic that has not expired, and what had waited as a stream', async () => {
    const at = await fixture(3);
    const expiring = at.clock.wallMs() + 1000;
    for (const [topic, payload, expires] of [
      ['a', 'old', 0],
      ['b', 'kept', 0],
      ['a', 'new', 0],
      ['c', 'removed', 0],
      ['d', 'expired', expiring],
      ['e', 'forgotten', 0],
    ] as const) {
      at.copies.retain(message(topic, payload, expires));
    }
    at.copies.retain(message('c', ''));
    at.copies.forget(Buffer.from('e'));
    at.copies.keep(message('w', 'waits'));
    await at.commit();
    await at.log.close();

    const disk = faultyDisk(4);
    for (const life of ['empty', 'recovered']) {
      const limits = { maxMessages: 100, maxBytes: 1e6, maxPayloadBytes: 1e6 };
      const retained = createRetainedStore(limits, at.clock);
      const again = await openOn({
        disk: life === 'empty' ? disk : disk.kill(),
        freed: [],
        objects: at.objects,
        clock: at.clock,
        tables: [retained.table],
      });
      await at.clock.advance(2000);
      const { partitions, log, clock, object: journal } = again;
      if (journal === undefined) throw new Error('no object storage');
      const recovered = await recoverFromObjects({ partitions, log, clock, kernel, retained, journal });
      expect(recovered).toEqual(life === 'empty' ? { partitions: 2, retained: 2 } : undefined);
      const texts = ['a', 'b', 'c', 'd', 'e'].map((topic) => retained.get(Buffer.from(topic))?.payload);
      const left = texts.map((payload) => payload && Buffer.from(payload).toString());
      expect(left).toEqual(['new', 'kept', undefined, undefined, undefined]);
      expect(await readAll(again, found(again, RECOVERED))).toEqual([[0, 'waits']]);
      expect(found(again, RETAINED).endOffset).toBe(8);
      // Also after a start that knew all: the cleaner would free it otherwise.
      const { object: segments } = again;
      expect(partitions.catalogue?.liveBytes(0, segments?.state().end ?? 0)).toBeGreaterThan(0);
      await log.close();
    }
  });
});
