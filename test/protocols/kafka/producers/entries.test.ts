import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeEntry,
  decodePartition,
  decodeTransactions,
  encodeEntry,
  encodePartition,
  encodeTransactions,
  type ProducerEntry,
} from '../../../../src/protocols/kafka/producers/entries.ts';
import {
  createPartitionProducers,
  type PartitionProducers,
} from '../../../../src/protocols/kafka/producers/partition-producers.ts';
import {
  createTransaction,
  TRANSACTION_STATES,
  type Transaction,
} from '../../../../src/protocols/kafka/producers/transaction.ts';

const number = fc.nat(2 ** 40);
const maybe = fc.integer({ min: -1, max: 2 ** 31 - 1 });
const epoch = fc.nat(32_767);

const transaction: fc.Arbitrary<Transaction> = fc
  .record({
    id: fc.string(),
    producerId: number,
    epoch,
    lastProducerId: maybe,
    lastEpoch: fc.integer({ min: -1, max: 32_767 }),
    timeoutMs: fc.nat(),
    state: fc.constantFrom(...TRANSACTION_STATES),
    isV2: fc.boolean(),
    startMs: maybe,
    updatedMs: number,
    partitions: fc.array(fc.tuple(number, number), { maxLength: 4 }).map((pairs) => new Map(pairs)),
    groups: fc.array(fc.string(), { maxLength: 3 }).map((names) => new Set(names)),
  })
  .map((fields) => Object.assign(createTransaction(fields.id, fields, 0), fields));

const ended = fc.array(
  fc.record({ logId: number, firstOffset: maybe, markerOffset: number, stableOffset: number }),
  { maxLength: 3 },
);

const entry: fc.Arbitrary<ProducerEntry> = fc.oneof(
  fc.record({ kind: fc.constant('ids' as const), below: number }),
  fc.record({ kind: fc.constant('state' as const), transaction, ended }),
  fc.record({
    kind: fc.constant('join' as const),
    id: fc.string(),
    producerId: number,
    epoch,
    isV2: fc.boolean(),
    atMs: number,
    partitions: fc.array(fc.tuple(number, number), { maxLength: 3 }),
    groups: fc.array(fc.string(), { maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant('forget' as const), id: fc.string() }),
  fc.record({ kind: fc.constant('lost' as const), logId: number, endOffset: number }),
  fc.record({ kind: fc.constant('aborted' as const), producerId: number, ended }),
);

const batch = fc.record({
  firstSequence: fc.nat(),
  lastSequence: fc.nat(),
  baseOffset: number,
  appendTimeMs: maybe,
});
const partition: fc.Arbitrary<PartitionProducers> = fc
  .array(
    fc.record({
      id: number,
      epoch,
      coordinatorEpoch: maybe,
      batches: fc.array(batch, { maxLength: 5 }),
      openFrom: maybe,
      lastMs: number,
    }),
    { maxLength: 4 },
  )
  .chain((all) =>
    number.map((appliedBelow) => {
      const state = createPartitionProducers();
      state.appliedBelow = appliedBelow;
      for (const each of all) state.byId.set(each.id, each);
      const open = [...state.byId.values()].filter(({ openFrom }) => openFrom >= 0);
      for (const { id, openFrom } of open.sort((a, b) => a.openFrom - b.openFrom))
        state.open.set(id, openFrom);
      return state;
    }),
  );

/** Every shorter one is refused, and so is another version. */
function expectWhole(bytes: Uint8Array, decode: (bytes: Uint8Array) => unknown): void {
  for (let length = 0; length < bytes.length; length++) {
    expect(() => decode(bytes.subarray(0, length))).toThrow(/damaged|version/);
  }
  expect(() => decode(Uint8Array.of(9, ...bytes.subarray(1)))).toThrow(/version/);
}

describe('entries and pages of producers', () => {
  it('come back as they were, and are refused when they are cut off', () => {
    fc.assert(
      fc.property(entry, (each) => {
        const bytes = encodeEntry(each);
        expect(decodeEntry(bytes)).toEqual(each);
        expectWhole(bytes, decodeEntry);
      }),
    );
  });

  it('hold all of a partition, with what is open in the order of its offsets', () => {
    fc.assert(
      fc.property(partition, (each) => {
        const bytes = encodePartition(each);
        const back = decodePartition(bytes);
        expect(back).toEqual(each);
        expect([...back.open.values()]).toEqual([...each.open.values()]);
        expectWhole(bytes, decodePartition);
      }),
    );
  });

  it('hold transactions one after the other', () => {
    fc.assert(
      fc.property(fc.array(transaction, { maxLength: 4 }), (all) => {
        expect(decodeTransactions(encodeTransactions(all))).toEqual(all);
      }),
    );
  });

  it('survive any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        for (const decode of [decodeEntry, decodePartition, decodeTransactions]) {
          try {
            decode(Uint8Array.of(1, ...bytes));
          } catch (error) {
            expect(error).toHaveProperty('name', 'ProducerBytesUnknown');
          }
        }
      }),
    );
  });
});
