import { afterEach, describe, expect, it } from 'vitest';
import type { Partition } from '../../../../src/kernel/log/partitions.ts';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import type { ProducerLimits } from '../../../../src/protocols/kafka/producers/producers.ts';
import { faultyDisk } from '../../../storage/disk/faulty-disk.ts';
import {
  check,
  found,
  made,
  newWorld,
  type Opened,
  openWorld,
  produce,
  readCommitted,
  type Written,
} from './support.ts';

let opened: Opened;
let partition: Partition;
const world = (limits: Partial<ProducerLimits> = {}) => newWorld(faultyDisk(1), { limits });

async function start(on = world()) {
  opened = await openWorld(on);
  partition = opened.partitions.get('t', 0) ?? (await made(opened));
  return on;
}

afterEach(async () => {
  opened.producers.close();
  await opened.log.close();
});

const batch = (sequence: number, count = 1, more: Partial<Written> = {}): Written => ({
  producerId: 7,
  epoch: 0,
  sequence,
  values: Array.from({ length: count }, (_, i) => `${sequence + i}`),
  ...more,
});
const send = async (written: Written) => produce(opened, partition, written);
const errorOf = (written: Written): ErrorCode => {
  const verdict = check(opened, partition, written);
  return verdict.kind === 'error' ? verdict.error : ErrorCode.NONE;
};

describe('a batch of an idempotent producer', () => {
  it('is stored once, and answered with its first offset again, as long as it is among the last five', async () => {
    await start();
    for (let i = 0; i < 6; i++) expect((await send(batch(i * 2, 2))).baseOffset).toBe(i * 2);
    expect(await send(batch(2, 2))).toEqual({ error: ErrorCode.NONE, baseOffset: 2, isDuplicate: true });
    expect(errorOf(batch(0, 2))).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(errorOf(batch(2, 1))).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(partition.nextOffset).toBe(12);
  });

  it('is out of order when one before it is missing', async () => {
    await start();
    await send(batch(0));
    expect(errorOf(batch(2))).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(errorOf(batch(1))).toBe(ErrorCode.NONE);
  });

  it('may have any sequence where its producer is not known, since that may have been forgotten', async () => {
    await start();
    expect(errorOf(batch(41))).toBe(ErrorCode.NONE);
  });

  it('starts at 0 in a new epoch, and cannot go back to an older one', async () => {
    await start();
    await send(batch(0));
    expect(errorOf(batch(1, 1, { epoch: 1 }))).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect((await send(batch(0, 1, { epoch: 1 }))).error).toBe(ErrorCode.NONE);
    expect(errorOf(batch(1))).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
  });

  it('follows on over the end of the sequences', async () => {
    await start();
    await send(batch(2 ** 31 - 2, 4));
    expect(errorOf(batch(2))).toBe(ErrorCode.NONE);
    expect(errorOf(batch(3))).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(await send(batch(2 ** 31 - 2, 4))).toMatchObject({ isDuplicate: true, baseOffset: 0 });
  });

  it('is known again after a restart, with what was sent before and behind the pages', async () => {
    const on = await start();
    await send(batch(0));
    await opened.log.snapshot();
    await send(batch(1));
    opened.producers.close();
    on.disk = on.disk.kill();
    await start(on);
    for (const i of [0, 1]) expect(await send(batch(i))).toMatchObject({ isDuplicate: true, baseOffset: i });
    expect(errorOf(batch(3))).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
  });

  it('is forgotten with its producer when that was idle for long', async () => {
    const on = await start(world({ producerIdleMs: 1_200_000 }));
    await send(batch(0));
    await on.clock.advance(601_000);
    expect(errorOf(batch(5))).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    await on.clock.advance(1_200_000);
    expect(errorOf(batch(5))).toBe(ErrorCode.NONE);
  });

  it('makes room by forgetting producers that were idle for longest', async () => {
    const on = await start(world({ maxProducers: 8 }));
    for (let producerId = 0; producerId < 9; producerId++) {
      await on.clock.advance(10);
      await send(batch(0, 1, { producerId }));
    }
    expect(opened.producers.store.logs.get(partition.logId)?.byId.size).toBe(8);
    expect(errorOf(batch(9, 1, { producerId: 0 }))).toBe(ErrorCode.NONE);
    expect(errorOf(batch(9, 1, { producerId: 1 }))).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
  });

  it('tells compaction which batch of a producer is its newest', async () => {
    await start();
    const { store } = opened.producers;
    await send(batch(0, 3));
    await send(batch(3, 2));
    expect(store.logs.get(partition.logId)?.byId.get(7)?.batches.at(-1)?.baseOffset).toBe(3);
  });
});

describe('a transactional batch', () => {
  const id = 'tx';
  async function begun(isV2 = true): Promise<Written> {
    await start();
    const given = await opened.producers.coordinator.init(id, 60_000, undefined);
    if ('error' in given) throw new Error('init');
    return { id, ...given, sequence: 0, values: ['x'], apiVersion: isV2 ? 12 : 10 };
  }

  it('needs a transactional id', async () => {
    await begun();
    opened.producers.close();
    const { kind } = check(opened, partition, { ...batch(0), id: '' });
    expect(kind).toBe('error');
    expect(errorOf({ ...batch(0), id: '' })).toBe(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  });

  it('must be of the producer that has the id now', async () => {
    const written = await begun();
    expect(errorOf({ ...written, id: 'other' })).toBe(ErrorCode.INVALID_PRODUCER_ID_MAPPING);
    expect(errorOf({ ...written, producerId: 99 })).toBe(ErrorCode.INVALID_PRODUCER_ID_MAPPING);
    expect(errorOf({ ...written, epoch: 4 })).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
    await opened.producers.coordinator.init(id, 60_000, undefined);
    expect(errorOf(written)).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
  });

  it('of version 1 is refused until its partition has joined; the words depend on the version of Produce', async () => {
    const written = await begun(false);
    expect(errorOf(written)).toBe(ErrorCode.INVALID_TXN_STATE);
    expect(errorOf({ ...written, apiVersion: 11 })).toBe(ErrorCode.TRANSACTION_ABORTABLE);
    expect(await opened.producers.coordinator.addPartitions(id, written, [partition])).toBe(ErrorCode.NONE);
    expect(errorOf(written)).toBe(ErrorCode.NONE);
  });

  it('of version 2 makes its partition join, starts at 0, and holds the last stable offset', async () => {
    const written = await begun();
    expect(errorOf({ ...written, sequence: 1 })).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    await send(batch(0));
    await send(written);
    await send(batch(1));
    expect(opened.producers.store.transactions.get(id)?.state).toBe('Ongoing');
    expect(opened.producers.lastStableOffset(partition)).toBe(1);
    expect(await readCommitted(opened, partition)).toEqual(['0']);
    await opened.producers.coordinator.end(id, written, true, true);
    expect(opened.producers.lastStableOffset(partition)).toBe(4);
    expect(await readCommitted(opened, partition)).toEqual(['0', 'x', '1']);
  });

  it('is asked to come again while the one before is ending', async () => {
    const written = await begun();
    await send(written);
    const ending = opened.producers.coordinator.end(id, written, true, true);
    const next = { ...written, epoch: written.epoch + 1 };
    expect(errorOf(next)).toBe(ErrorCode.CONCURRENT_TRANSACTIONS);
    expect(errorOf({ ...next, apiVersion: 11 })).toBe(ErrorCode.NOT_ENOUGH_REPLICAS);
    await ending;
    expect(errorOf(next)).toBe(ErrorCode.NONE);
    expect(errorOf(written)).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
  });

  it('cannot be followed by one outside of the transaction', async () => {
    const written = await begun();
    await send(written);
    const { id: _, ...outside } = { ...written, sequence: 1 };
    expect(errorOf(outside)).toBe(ErrorCode.INVALID_TXN_STATE);
  });

  it('does not let readers see what is decided before the marker is durable', async () => {
    const written = await begun();
    await send(written);
    const ending = opened.producers.coordinator.end(id, written, true, true);
    expect(opened.producers.lastStableOffset(partition)).toBe(0);
    await ending;
    expect(opened.producers.lastStableOffset(partition)).toBe(2);
  });

  it('stays aborted for readers over a restart, and is forgotten with what retention removes', async () => {
    const written = await begun();
    await send(written);
    await opened.producers.coordinator.end(id, written, false, true);
    await send(batch(0));
    const ranges = () => opened.producers.aborted(partition, 0, partition.endOffset);
    expect(ranges()).toMatchObject([{ producerId: written.producerId, firstOffset: 0, lastOffset: 1 }]);
    await opened.partitions.truncate(partition, 2);
    expect(ranges()).toEqual([]);
    opened.producers.store.sweep();
    expect(opened.producers.store.aborted.count).toBe(0);
    expect(found(opened).startOffset).toBe(2);
  });
});
