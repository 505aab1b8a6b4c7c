/** What a crash between two writes leaves, made by hand. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Partition } from '../../../../src/kernel/log/partitions.ts';
import type { ProducerEpoch } from '../../../../src/protocols/kafka/producers/transaction.ts';
import { buildMarker } from '../../../../src/protocols/kafka/records/marker.ts';
import { faultyDisk } from '../../../storage/disk/faulty-disk.ts';
import {
  batchOf,
  committed,
  found,
  kernel,
  made,
  newWorld,
  type Opened,
  openWorld,
  produce,
  readCommitted,
  type World,
} from './support.ts';

const id = 'tx';
let world: World;
let opened: Opened;

async function start(): Promise<Partition[]> {
  world = newWorld(faultyDisk(1));
  opened = await openWorld(world);
  return [await made(opened, 0), await made(opened, 1)];
}

async function restart(): Promise<Partition[]> {
  opened.producers.close();
  world.disk = world.disk.kill();
  opened = await openWorld(world);
  return [found(opened, 0), found(opened, 1)];
}

afterEach(async () => {
  opened.producers.close();
  await opened.log.close();
});

async function init(): Promise<ProducerEpoch> {
  const result = await opened.producers.coordinator.init(id, 60_000, undefined);
  if ('error' in result) throw new Error('init');
  return result;
}

const sent = (producer: ProducerEpoch, value: string) => ({ id, ...producer, sequence: 0, values: [value] });
const marked = (producer: ProducerEpoch, type: 'commit' | 'abort') =>
  buildMarker(
    kernel,
    { type, producerId: producer.producerId, producerEpoch: producer.epoch, coordinatorEpoch: 0 },
    0,
  );
const readAll = async (all: Partition[]) => Promise.all(all.map((each) => readCommitted(opened, each)));

describe('after a crash', () => {
  for (const type of ['commit', 'abort'] as const) {
    it(`one marker says how all of the transaction was decided: ${type}`, async () => {
      const partitions = await start();
      const producer = await init();
      for (const each of partitions) await produce(opened, each, sent(producer, 'x'));
      const next = { ...producer, epoch: producer.epoch + 1 };
      opened.partitions.appendBatch(partitions[0] as Partition, marked(next, type));
      await committed(opened.log);
      const after = await restart();
      expect(await readAll(after)).toEqual(type === 'commit' ? [['x'], ['x']] : [[], []]);
      for (const each of after) expect(opened.producers.lastStableOffset(each)).toBe(each.endOffset);
      const again = await opened.producers.coordinator.end(id, producer, type === 'commit', true);
      expect(again).toEqual(next);
    });
  }

  it('a marker of the transaction before says nothing about this one', async () => {
    const [first] = (await start()) as [Partition];
    const producer = await init();
    const { coordinator } = opened.producers;
    await coordinator.addPartitions(id, producer, [first]);
    await produce(opened, first, { ...sent(producer, 'x'), apiVersion: 10 });
    await coordinator.end(id, producer, true, false);
    await coordinator.addPartitions(id, producer, [first]);
    const [again] = await restart();
    expect(opened.producers.store.transactions.get(id)?.state).toBe('Ongoing');
    expect(await readCommitted(opened, again as Partition)).toEqual(['x']);
  });

  it('a partition whose first batch went ahead has joined', async () => {
    const [first] = (await start()) as [Partition];
    const producer = await init();
    opened.partitions.appendBatch(first, batchOf(sent(producer, 'x')));
    await committed(opened.log);
    const [again] = (await restart()) as [Partition];
    expect(opened.producers.lastStableOffset(again)).toBe(0);
    expect(await produce(opened, again, sent(producer, 'x'))).toMatchObject({ isDuplicate: true });
    await opened.producers.coordinator.end(id, producer, true, true);
    expect(await readCommitted(opened, again)).toEqual(['x']);
  });

  it('what is open and nobody’s is aborted', async () => {
    const [first] = (await start()) as [Partition];
    opened.partitions.appendBatch(first, batchOf(sent({ producerId: 77, epoch: 3 }, 'x')));
    await committed(opened.log);
    const [again] = (await restart()) as [Partition];
    expect(opened.producers.lastStableOffset(again)).toBe(again.endOffset);
    expect(await readCommitted(opened, again)).toEqual([]);
    const [third] = (await restart()) as [Partition];
    expect(await readCommitted(opened, third)).toEqual([]);
    expect(third.endOffset).toBe(again.endOffset);
  });

  it('a partition in memory has lost its part, and holds nobody up', async () => {
    await start();
    const volatile = await made(opened, 2, 'memory');
    const producer = await init();
    await produce(opened, volatile, sent(producer, 'x'));
    await restart();
    const empty = found(opened, 2);
    expect(opened.producers.lastStableOffset(empty)).toBe(empty.endOffset);
    expect(await opened.producers.coordinator.end(id, producer, true, true)).toMatchObject({ epoch: 1 });
    expect(await readCommitted(opened, empty)).toEqual([]);
  });
});
