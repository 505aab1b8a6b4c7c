import { expect, it } from 'vitest';
import { partitionDifferences } from '../../../src/kernel/log/differences.ts';
import { Hole } from '../../../src/kernel/log/offset-index.ts';
import { createPartitionTable, type PartitionTable } from '../../../src/kernel/log/partition-table.ts';

const LIMITS = { intervalBytes: 1000, maxEvenRows: 64, maxSpanBytes: 4000, intervalMs: 1000 };

/** A partition of ten batches of ten records, which lie one behind the other; in rows of `rowBytes`. */
function tableWith(rowBytes: number, change: (index: Index) => void = () => {}): PartitionTable {
  const table = createPartitionTable({ ...LIMITS, intervalBytes: rowBytes }, () => {});
  table.apply({ kind: 'create', logId: 1024, stripe: 3, name: 'orders', number: 1, storage: 'journal' });
  const index = table.get('orders', 1)?.index;
  if (index === undefined) throw new Error('no partition');
  for (let i = 0; i < 10; i++) index.append(10 * i, 10 * i + 10, 100 * i, 5, 100);
  change(index);
  return table;
}

type Index = NonNullable<ReturnType<PartitionTable['get']>>['index'];

const compared = (right: PartitionTable, found: PartitionTable): string[] => [
  ...partitionDifferences(right, found, LIMITS),
];

it('does not look at how an index cuts its runs', () => {
  expect(compared(tableWith(300), tableWith(700))).toEqual([]);
  const inParts = tableWith(300, (index) => {
    index.remove(20, 30, Hole.Removed);
    index.remove(30, 40, Hole.Removed);
  });
  expect(
    compared(
      tableWith(700, (index) => index.remove(20, 40, Hole.Removed)),
      inParts,
    ),
  ).toEqual([]);
});

it('finds other offsets, holes and partitions', () => {
  const name = 'orders/1 (journal, stripe 3)';
  const longer = tableWith(300, (index) => index.append(100, 101, 1000, 5, 10));
  expect(compared(longer, tableWith(300))).toEqual([
    `${name} has offsets 0 to 99; in the journal it has offsets 0 to 100`,
  ]);
  const holed = tableWith(300, (index) => index.remove(20, 30, Hole.Missing));
  expect(compared(tableWith(300), holed)).toEqual([
    `${name} has offsets 0 to 99, missing 20 to 29; in the journal it has offsets 0 to 99`,
  ]);
  const none = createPartitionTable(LIMITS, () => {});
  expect(compared(none, holed)).toEqual([`the journal has no ${name}`]);
  expect(compared(holed, none)).toEqual([`only the journal has ${name}`]);
});
