import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type {
  CommittedOffset,
  GroupChange,
  Offsets,
} from '../../../../src/protocols/kafka/groups/changes.ts';
import { decodeChange, encodeChange } from '../../../../src/protocols/kafka/groups/changes.ts';
import { createGroupsTable, type GroupsTable } from '../../../../src/protocols/kafka/groups/groups-table.ts';

const group = fc.constantFrom('g', 'h', '');
const topic = fc.constantFrom('t', 'u');
const partition = fc.nat(2);
const producerId = fc.integer({ min: 0, max: 2 });
type Step = (order: number) => GroupChange;

const offset = (order: number, value: number): CommittedOffset => ({
  offset: value,
  leaderEpoch: value % 3 === 0 ? -1 : 4,
  metadata: `m${value}`,
  committedAtMs: order,
  expiresAtMs: -1,
  order,
});
const offsetsStep = (of: fc.Arbitrary<number>): fc.Arbitrary<Step> =>
  fc
    .tuple(group, of, topic, partition, fc.integer({ min: -1, max: 50 }))
    .map(([id, producer, name, number, value]) => {
      return (order) => ({
        kind: 'offsets',
        group: id,
        producerId: producer,
        offsets: new Map([[name, new Map([[number, offset(order, value)]])]]),
      });
    });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: offsetsStep(fc.constant(-1)) },
  { weight: 5, arbitrary: offsetsStep(producerId) },
  {
    weight: 3,
    arbitrary: fc.tuple(group, fc.constantFrom('classic', 'member/m'), fc.uint8Array({ maxLength: 3 })).map(
      ([id, part, bytes]): Step =>
        () => ({ kind: 'part', group: id, part, bytes }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(producerId, fc.boolean()).map(
      ([id, isCommit]): Step =>
        (order) => ({ kind: 'end', producerId: id, order, isCommit, atMs: order }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(group, topic, partition).map(
      ([id, name, number]): Step =>
        () => ({ kind: 'forget', group: id, partitions: new Map([[name, [number]]]) }),
    ),
  },
  {
    weight: 1,
    arbitrary: group.map(
      (id): Step =>
        () => ({ kind: 'remove', group: id }),
    ),
  },
);

/** What can be seen of a table. */
function seen({ records }: GroupsTable): unknown {
  const plain = (offsets: Offsets) =>
    [...offsets].map(([name, each]) => [name, [...each].sort(([a], [b]) => a - b)]).sort();
  return [...records]
    .map(([id, { parts, offsets, staged }]) => [
      id,
      [...parts].map(([name, bytes]) => [name, [...bytes]]).sort(),
      plain(offsets),
      [...staged].sort(([a], [b]) => a - b).map(([producer, each]) => [producer, plain(each)]),
    ])
    .sort();
}

const countSeen = ({ records }: GroupsTable): number => {
  let count = 0;
  for (const { offsets, staged } of records.values()) {
    for (const each of [offsets, ...staged.values()])
      for (const partitions of each.values()) count += partitions.size;
  }
  return count;
};

const place = { position: 0, offset: 0 };

describe('the table of groups', () => {
  it('is the same from its entries, from pages and entries behind them, and from views of what has changed', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(40), fc.nat(40), (steps, first, second) => {
        const table = createGroupsTable();
        const entries: Uint8Array[] = [];
        const views = new Map<string, { key: Uint8Array; page: Uint8Array }>();
        const write = (keys: Iterable<Uint8Array>): void => {
          for (const key of keys) {
            const page = table.table.page(key);
            if (page === undefined) views.delete(key.join());
            else views.set(key.join(), { key, page });
          }
        };
        const [from = 0, until = 0] = [first, second]
          .map((each) => each % (steps.length || 1))
          .sort((a, b) => a - b);
        for (const [i, make] of steps.entries()) {
          // Pages are newer than the position from which the replay starts.
          if (i === from) write(table.table.pageKeys());
          if (i === until) write(table.table.takeDirty(1000));
          const staged = table.stage(make(table.nextOrder()));
          entries.push(staged.entry);
          staged.settle();
        }
        expect(table.offsetCount).toBe(countSeen(table));

        const replayed = createGroupsTable();
        for (const entry of entries) replayed.table.apply(entry, place);
        expect(seen(replayed)).toEqual(seen(table));
        expect(replayed.offsetCount).toBe(table.offsetCount);

        const loaded = createGroupsTable();
        for (const { key, page } of views.values()) loaded.table.load(key, page, 0);
        for (const entry of entries.slice(from)) loaded.table.apply(entry, place);
        loaded.table.recovered?.();
        expect(seen(loaded)).toEqual(seen(table));
        expect(loaded.offsetCount).toBe(table.offsetCount);
      }),
      { numRuns: 300 },
    );
  });

  it('reads back what it has written, and nothing that is damaged', () => {
    fc.assert(
      fc.property(step, fc.nat(30), fc.nat(255), (make, at, byte) => {
        const change = make(7);
        const bytes = encodeChange(change);
        expect(decodeChange(bytes)).toEqual(change);
        expect(() => decodeChange(bytes.slice(0, -1))).toThrow();
        const other = bytes.slice();
        other[at % other.length] = byte;
        const table = createGroupsTable();
        try {
          table.table.apply(other, place);
        } catch (error) {
          expect(String(error)).toMatch(/groups/);
        }
      }),
    );
  });

  it('refuses pages of versions that it does not know, and damaged ones', () => {
    const table = createGroupsTable();
    table.stage({ kind: 'part', group: 'g', part: 'p', bytes: Uint8Array.of(1, 2, 3) }).settle();
    const [key] = [...table.table.pageKeys()];
    const page = table.table.page(key) ?? new Uint8Array(0);
    const load = (bytes: Uint8Array) => () => createGroupsTable().table.load(key, bytes, 0);
    expect(load(page)).not.toThrow();
    expect(load(page.slice(0, -1))).toThrow(/damaged/);
    expect(load(Uint8Array.of(9, ...page.slice(1)))).toThrow(/version 9/);
  });
});
