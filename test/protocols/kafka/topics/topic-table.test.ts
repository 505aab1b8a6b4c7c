import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createTopicTable,
  decodeTopicEntry,
  encodeTopicEntry,
  type TopicEntry,
  type TopicTable,
} from '../../../../src/protocols/kafka/topics/topic-table.ts';

const id = fc.constantFrom('a', 'b', 'c');
const overrides = fc
  .dictionary(fc.constantFrom('retention.ms', 'x'), fc.string({ maxLength: 5 }), { noNullPrototype: true })
  .map((each) => new Map(Object.entries(each)));
const entry: fc.Arbitrary<TopicEntry> = fc.oneof(
  fc.record({
    kind: fc.constant('create' as const),
    id,
    name: fc.string({ maxLength: 10 }),
    count: fc.nat({ max: 9 }),
    overrides,
  }),
  fc.record({ kind: fc.constant('grow' as const), id, count: fc.nat({ max: 9 }) }),
  fc.record({ kind: fc.constant('configure' as const), id, overrides }),
  fc.record({ kind: fc.constantFrom('deleting' as const, 'gone' as const), id }),
);

/** Ids are never given twice: what is there after its end was never made again. */
const lives = fc.array(entry, { maxLength: 40 }).map((entries) => {
  const made = new Set<string>();
  return entries.filter((each) => {
    if (each.kind !== 'create') return made.has(each.id);
    if (made.has(each.id)) return false;
    made.add(each.id);
    return true;
  });
});

const PLACE = { position: 0, offset: 0 };

function pagesOf({ table }: TopicTable): Map<string, Uint8Array> {
  const pages = new Map<string, Uint8Array>();
  for (const key of table.pageKeys()) {
    const page = table.page(key);
    if (page !== undefined) pages.set(Buffer.from(key).toString(), page);
  }
  return pages;
}

const replay = (topics: TopicTable, entries: readonly TopicEntry[]): void => {
  for (const each of entries) topics.table.apply(encodeTopicEntry(each), PLACE);
};

describe('entries of topics', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(entry, (each) => {
        expect(decodeTopicEntry(encodeTopicEntry(each))).toEqual(each);
      }),
    );
  });

  it('are refused when cut', () => {
    fc.assert(
      fc.property(entry, fc.nat(), (each, cut) => {
        const bytes = encodeTopicEntry(each);
        expect(decodeTopicEntry(bytes.subarray(0, cut % bytes.length))).toBeUndefined();
      }),
    );
  });
});

describe('the table of topics', () => {
  it('is the same by its entries, and by pages of any moment with the entries around it', () => {
    fc.assert(
      fc.property(lives, fc.nat(), fc.nat(), (entries, until, from) => {
        const whole = createTopicTable();
        replay(whole, entries);

        const moment = until % (entries.length + 1);
        const early = createTopicTable();
        replay(early, entries.slice(0, moment));
        const rebuilt = createTopicTable();
        for (const [key, page] of pagesOf(early)) rebuilt.table.load(Buffer.from(key), page, 0);
        // Pages may be newer than where the replay starts.
        replay(rebuilt, entries.slice(from % (moment + 1)));
        expect(pagesOf(rebuilt)).toEqual(pagesOf(whole));
      }),
    );
  });

  it('names each page that has changed once', () => {
    const topics = createTopicTable();
    replay(topics, [
      { kind: 'create', id: 'a', name: 'n', count: 1, overrides: new Map() },
      { kind: 'grow', id: 'a', count: 4 },
      { kind: 'create', id: 'b', name: 'm', count: 1, overrides: new Map() },
    ]);
    expect(topics.table.takeDirty(1)).toHaveLength(1);
    expect(topics.table.takeDirty(9)).toHaveLength(1);
    expect(topics.table.takeDirty(9)).toEqual([]);
    topics.apply({ kind: 'gone', id: 'a' });
    const [gone] = topics.table.takeDirty(9);
    expect(gone && topics.table.page(gone)).toBeUndefined();
  });
});
