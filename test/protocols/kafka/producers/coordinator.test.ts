import { afterEach, describe, expect, it } from 'vitest';
import type { Partition } from '../../../../src/kernel/log/partitions.ts';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import type { ProducerLimits } from '../../../../src/protocols/kafka/producers/producers.ts';
import {
  LAST_EPOCH,
  MAX_EPOCH,
  type ProducerEpoch,
  type Transaction,
} from '../../../../src/protocols/kafka/producers/transaction.ts';
import { faultyDisk } from '../../../storage/disk/faulty-disk.ts';
import {
  batchOf,
  commitOffset,
  committedOffset,
  crossed,
  made,
  newWorld,
  type Opened,
  openWorld,
  produce,
  readCommitted,
  spaceOf,
  type World,
} from './support.ts';

const { NONE, PRODUCER_FENCED, INVALID_TXN_STATE, INVALID_PRODUCER_ID_MAPPING, CONCURRENT_TRANSACTIONS } =
  ErrorCode;
const id = 'tx';
let world: World;
let opened: Opened;
let partition: Partition;

async function start(limits: Partial<ProducerLimits> = {}): Promise<void> {
  world = newWorld(faultyDisk(1), { limits });
  opened = await openWorld(world);
  partition = await made(opened);
}

async function restart(): Promise<void> {
  opened.producers.close();
  world.disk = world.disk.kill();
  opened = await openWorld(world);
  partition = opened.partitions.get('t', 0) ?? partition;
}

afterEach(async () => {
  opened.producers.close();
  await opened.log.close();
});

const coordinator = () => opened.producers.coordinator;
const init = (expected?: ProducerEpoch, timeoutMs = 60_000) => coordinator().init(id, timeoutMs, expected);
async function given(expected?: ProducerEpoch): Promise<ProducerEpoch> {
  const result = await init(expected);
  if ('error' in result) throw new Error(`error ${result.error}`);
  return result;
}
const end = (producer: ProducerEpoch, isCommit: boolean, isV2 = true) =>
  coordinator().end(id, producer, isCommit, isV2);
function transaction(): Transaction {
  const found = opened.producers.store.transactions.get(id);
  if (found === undefined) throw new Error('no transaction');
  return found;
}
let sequence = 0;
const write = (producer: ProducerEpoch, value: string, apiVersion = 12) =>
  produce(opened, partition, { id, ...producer, sequence: sequence++, values: [value], apiVersion });
async function begun(isV2 = true): Promise<ProducerEpoch> {
  sequence = 0;
  const producer = await given();
  if (!isV2) await coordinator().addPartitions(id, producer, [partition]);
  expect((await write(producer, 'x', isV2 ? 12 : 10)).error).toBe(NONE);
  return producer;
}

describe('producer ids', () => {
  it('are given once, over restarts too', async () => {
    await start();
    const ids = new Set<number>();
    for (let i = 0; i < 5; i++) {
      for (let k = 0; k < 3; k++) {
        const result = await coordinator().init(null, 0, undefined);
        if ('error' in result) throw new Error('no id');
        ids.add(result.producerId);
        expect(result.epoch).toBe(0);
      }
      await restart();
    }
    expect(ids.size).toBe(15);
  });
});

describe('who starts with a transactional id', () => {
  it('gets the next epoch, and needs a time-out that is allowed and a name', async () => {
    await start();
    const first = await given();
    expect(await given()).toEqual({ ...first, epoch: 1 });
    await restart();
    expect(await given()).toEqual({ ...first, epoch: 2 });
    for (const timeoutMs of [0, -1, 900_001]) {
      expect(await init(undefined, timeoutMs)).toEqual({ error: ErrorCode.INVALID_TRANSACTION_TIMEOUT });
    }
    for (const name of ['', 'x'.repeat(5000)]) {
      expect(await coordinator().init(name, 1000, undefined)).toEqual({ error: ErrorCode.INVALID_REQUEST });
    }
  });

  it('may say what it has, gets the same answer to the same request, and is fenced when that is old', async () => {
    await start();
    const first = await given();
    const second = await given(first);
    expect(second.epoch).toBe(1);
    expect(await given(first)).toEqual(second);
    const third = await given(second);
    expect(third.epoch).toBe(2);
    expect(await init(first)).toEqual({ error: PRODUCER_FENCED });
    expect(await init({ producerId: 99, epoch: 0 })).toEqual({ error: PRODUCER_FENCED });
  });

  it('ends what the one before had open, which is fenced', async () => {
    await start();
    const first = await begun();
    const second = await given();
    expect(second.epoch).toBeGreaterThan(first.epoch + 1);
    expect(await end(first, true)).toEqual({ error: PRODUCER_FENCED });
    expect(opened.producers.lastStableOffset(partition)).toBe(partition.endOffset);
    expect(await readCommitted(opened, partition)).toEqual([]);
  });

  it('comes again while a transaction is ending', async () => {
    await start();
    const producer = await begun();
    const ending = end(producer, true);
    expect(await init()).toEqual({ error: CONCURRENT_TRANSACTIONS });
    await ending;
    expect(await given()).toMatchObject({ producerId: producer.producerId });
  });

  it('gets another id when the epochs have run out; who asked for that may ask again', async () => {
    await start();
    const first = await given();
    transaction().epoch = LAST_EPOCH;
    const last = { ...first, epoch: LAST_EPOCH };
    const second = await given(last);
    expect(second).toEqual({ producerId: first.producerId + 1, epoch: 0 });
    expect(await given(last)).toEqual(second);
    await restart();
    expect(await given(last)).toEqual(second);
  });

  it('is refused when there are too many of them', async () => {
    await start({ maxTransactionalIds: 1 });
    await given();
    const other = await coordinator().init('other', 1000, undefined);
    expect(other).toEqual({ error: ErrorCode.COORDINATOR_NOT_AVAILABLE });
  });
});

describe('partitions and groups', () => {
  it('join for the current producer only', async () => {
    await start();
    const producer = await given();
    const add = (who: ProducerEpoch, name = id) => coordinator().addPartitions(name, who, [partition]);
    expect(await add(producer, 'other')).toBe(INVALID_PRODUCER_ID_MAPPING);
    expect(await add({ ...producer, producerId: 99 })).toBe(INVALID_PRODUCER_ID_MAPPING);
    expect(await add({ ...producer, epoch: 1 })).toBe(PRODUCER_FENCED);
    expect(coordinator().verify(id, producer, partition)).toBe(INVALID_TXN_STATE);
    expect(await add(producer)).toBe(NONE);
    expect(await add(producer)).toBe(NONE);
    expect(coordinator().verify(id, producer, partition)).toBe(NONE);
    expect(await coordinator().addGroup(id, { ...producer, epoch: 9 }, 'g')).toBe(PRODUCER_FENCED);
  });

  it('are bounded', async () => {
    await start({ maxPartsEach: 1 });
    const producer = await given();
    expect(await coordinator().addPartitions(id, producer, [partition])).toBe(NONE);
    const more = await made(opened, 1);
    expect(await coordinator().addPartitions(id, producer, [more])).toBe(ErrorCode.POLICY_VIOLATION);
    expect(await coordinator().addGroup(id, producer, 'g')).toBe(NONE);
    expect(await coordinator().addGroup(id, producer, 'h')).toBe(ErrorCode.POLICY_VIOLATION);
  });

  it('have their offsets when it is committed, and not when it is aborted, over a restart', async () => {
    await start();
    let producer = await given();
    expect(await commitOffset(opened, id, producer, 5, false)).toBe(INVALID_TXN_STATE);
    expect(await coordinator().addGroup(id, producer, 'g')).toBe(NONE);
    expect(await commitOffset(opened, id, producer, 5, false)).toBe(NONE);
    expect(committedOffset(opened)).toBe(-1);
    await restart();
    expect(await end(producer, true, false)).toEqual(producer);
    expect(committedOffset(opened)).toBe(5);
    producer = await given();
    expect(await commitOffset(opened, id, producer, 8, true)).toBe(NONE);
    await end(producer, false);
    expect(committedOffset(opened)).toBe(5);
  });
});

describe('the end of a transaction', () => {
  it('of version 1 keeps the epoch, and may be told twice, but not otherwise', async () => {
    await start();
    const producer = await begun(false);
    expect(await end(producer, true, false)).toEqual(producer);
    expect(await end(producer, true, false)).toEqual(producer);
    expect(await end(producer, false, false)).toEqual({ error: INVALID_TXN_STATE });
    const next = await given();
    expect(await end(next, true, false)).toEqual({ error: INVALID_TXN_STATE });
    expect(await end(producer, true, false)).toEqual({ error: PRODUCER_FENCED });
  });

  it('of version 2 gives the next epoch, to who asks again too', async () => {
    await start();
    const producer = await begun();
    const next = { ...producer, epoch: producer.epoch + 1 };
    expect(await end(producer, true)).toEqual(next);
    expect(await end(producer, true)).toEqual(next);
    expect(await end(producer, false)).toEqual({ error: INVALID_TXN_STATE });
    expect(await end(next, true)).toEqual({ error: INVALID_TXN_STATE });
    expect(await end(next, false)).toEqual({ ...next, epoch: next.epoch + 1 });
    expect(await readCommitted(opened, partition)).toEqual(['x']);
  });

  it('is asked for again while it is under way', async () => {
    await start();
    const producer = await begun();
    const ending = end(producer, true);
    expect(await end(producer, true)).toEqual({ error: CONCURRENT_TRANSACTIONS });
    expect(await end(producer, false)).toEqual({ error: INVALID_TXN_STATE });
    expect(await ending).toEqual({ ...producer, epoch: producer.epoch + 1 });
  });

  it('of version 2 gives another id when the epochs have run out', async () => {
    await start();
    const first = await given();
    transaction().epoch = LAST_EPOCH;
    sequence = 0;
    const last = { ...first, epoch: LAST_EPOCH };
    await write(last, 'x');
    const next = { producerId: first.producerId + 1, epoch: 0 };
    expect(await end(last, false)).toEqual(next);
    expect(await end(last, false)).toEqual(next);
    expect(opened.producers.store.logs.get(partition.logId)?.byId.get(first.producerId)?.epoch).toBe(
      MAX_EPOCH,
    );
    await restart();
    expect(await end(last, false)).toEqual(next);
    expect(await readCommitted(opened, partition)).toEqual([]);
    expect(opened.producers.aborted(partition, 0, 9)).toMatchObject([{ producerId: first.producerId }]);
  });

  it('is unknown where the id is, or is another producer’s', async () => {
    await start();
    const producer = await given();
    expect(await coordinator().end('other', producer, true, true)).toEqual({
      error: INVALID_PRODUCER_ID_MAPPING,
    });
    expect(await end({ ...producer, producerId: 99 }, true)).toEqual({ error: INVALID_PRODUCER_ID_MAPPING });
    expect(await end({ ...producer, epoch: 3 }, true)).toEqual({ error: PRODUCER_FENCED });
  });

  it('comes by itself when it takes too long, and fences its producer', async () => {
    await start();
    for (const isV2 of [true, false]) {
      const producer = await begun(isV2);
      await world.clock.advance(59_000);
      expect(transaction().state).toBe('Ongoing');
      await world.clock.advance(3000);
      await opened.log.drained();
      expect(transaction().state).toBe('CompleteAbort');
      expect(await end(producer, true, isV2)).toEqual({ error: PRODUCER_FENCED });
      expect((await write(producer, 'late', isV2 ? 12 : 10)).error).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
      expect(opened.producers.lastStableOffset(partition)).toBe(partition.endOffset);
    }
    expect(await readCommitted(opened, partition)).toEqual([]);
  });

  it('comes by itself after a restart, too', async () => {
    await start();
    await begun();
    await restart();
    expect(opened.producers.lastStableOffset(partition)).toBe(0);
    await world.clock.advance(61_000);
    await opened.log.drained();
    expect(opened.producers.lastStableOffset(partition)).toBe(partition.endOffset);
  });

  it('passes over partitions that were deleted meanwhile', async () => {
    await start();
    const producer = await begun();
    await opened.partitions.delete(partition);
    expect(await end(producer, true)).toMatchObject({ epoch: producer.epoch + 1 });
  });
});

describe('an id that nobody uses', () => {
  it('is forgotten, for good', async () => {
    await start({ transactionalIdIdleMs: 1_000_000 });
    const producer = await given();
    await world.clock.advance(601_000);
    expect(opened.producers.store.transactions.size).toBe(1);
    await world.clock.advance(600_000);
    expect(opened.producers.store.transactions.size).toBe(0);
    await opened.log.drained();
    await restart();
    expect(await end(producer, false)).toEqual({ error: INVALID_PRODUCER_ID_MAPPING });
  });
});

describe('subscribers without room', () => {
  it('get what was committed when they have some', async () => {
    let hasRoom = false;
    world = newWorld(faultyDisk(1), { hasRoom: () => hasRoom });
    opened = await openWorld(world);
    partition = await made(opened);
    const producer = await given();
    await produce(opened, partition, { ...producer, id, sequence: 0, values: ['a', 'b'] });
    await end(producer, true);
    await crossed(opened);
    expect(opened.inbox.values()).toEqual([]);
    await restart();
    await crossed(opened);
    expect(opened.inbox.values()).toEqual([]);
    hasRoom = true;
    await world.clock.advance(1000);
    await crossed(opened);
    expect(opened.inbox.values()).toEqual(['a', 'b']);
    expect(opened.follower.heldCount()).toBe(0);
  });
});

describe('a disk that is nearly full', () => {
  it('takes no batches, and lets transactions end, by their producers and by time', async () => {
    let isFull = false;
    world = newWorld(faultyDisk(1), { space: spaceOf(() => isFull) });
    opened = await openWorld(world);
    partition = await made(opened);
    const other = await coordinator().init('other', 60_000, undefined);
    if ('error' in other) throw new Error(`error ${other.error}`);
    const producer = await given();
    await produce(opened, partition, { ...producer, id, sequence: 0, values: ['a'] });
    await produce(opened, partition, { ...other, id: 'other', sequence: 0, values: ['b'] });
    isFull = true;
    expect(
      opened.partitions.appendBatch(partition, batchOf({ ...producer, sequence: 1, values: ['c'] })),
    ).toBe('full');
    expect(await end(producer, true)).toMatchObject({ producerId: producer.producerId });
    expect(opened.producers.lastStableOffset(partition)).toBe(1);
    await world.clock.advance(65_000);
    await opened.log.drained();
    expect(opened.producers.lastStableOffset(partition)).toBe(partition.endOffset);
    expect(await readCommitted(opened, partition)).toEqual(['a']);
    // What was decided waits for room to cross.
    await opened.follower.idle();
    expect(opened.inbox.values()).toEqual([]);
    isFull = false;
    opened.follower.resume();
    await crossed(opened);
    expect(opened.inbox.values()).toEqual(['a']);
  });
});
