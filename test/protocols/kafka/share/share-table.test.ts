/** Records of a partition as one would keep them without a thought for speed, beside the queue; and its journal and pages. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../../src/kernel/clock.ts';
import type { Partition } from '../../../../src/kernel/log/partitions.ts';
import {
  type AckBatch,
  AckType,
  type Run,
  SharePartition,
} from '../../../../src/protocols/kafka/share/share-partition.ts';
import { createShareTable, type ShareTable } from '../../../../src/protocols/kafka/share/share-table.ts';

const PLACE = { group: 'g', topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', partition: 0 };
const LIMIT = 3;
const LOCK_MS = 100;
const MAX_LOCKS = 12;
const MEMBERS = ['anna', 'bert', 'carl'];
const RUNS = process.env.ROBUSTMQ_LONG_TESTS === '1' ? 5000 : 300;

interface Naive {
  state: 'available' | 'acquired' | 'done';
  holder: string;
  untilMs: number;
  deliveries: number;
}

type Step =
  | { readonly op: 'append'; readonly batches: readonly (readonly [size: number, isEmpty: boolean])[] }
  | { readonly op: 'fetch'; readonly who: number; readonly max: number; readonly isStrict: boolean }
  | { readonly op: 'ack'; readonly who: number; readonly from: number; readonly types: readonly number[] }
  | { readonly op: 'pass'; readonly ms: number }
  | { readonly op: 'leave'; readonly who: number }
  | { readonly op: 'retain'; readonly count: number }
  | { readonly op: 'page' }
  /** `back`: how many entries are replayed that the pages have already. */
  | { readonly op: 'restart'; readonly back: number };

const who = fc.nat(MEMBERS.length - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('append' as const),
      batches: fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.boolean()), {
        minLength: 1,
        maxLength: 3,
      }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('fetch' as const),
      who,
      max: fc.integer({ min: 1, max: 6 }),
      isStrict: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('ack' as const),
      who,
      from: fc.nat(30),
      types: fc.array(fc.nat(4), { minLength: 1, maxLength: 5 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('pass' as const), ms: fc.constantFrom(30, 120) }) },
  fc.record({ op: fc.constant('leave' as const), who }),
  fc.record({ op: fc.constant('retain' as const), count: fc.integer({ min: 1, max: 6 }) }),
  { weight: 2, arbitrary: fc.record({ op: fc.constant('page' as const) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('restart' as const), back: fc.nat(40) }) },
);

const settings = {
  sessionTimeoutMs: 1000,
  heartbeatIntervalMs: 100,
  lockMs: LOCK_MS,
  deliveryLimit: LIMIT,
  maxLocks: MAX_LOCKS,
  reset: { kind: 'earliest' },
  isCommitted: false,
  mayRenew: true,
  deadLetterTopic: '',
} as const;

function run(steps: readonly Step[]): void {
  let nowMs = 1000;
  const clock: Clock = { monotonicMs: () => nowMs, wallMs: () => nowMs, every: () => () => {} };
  const journal: Uint8Array[] = [];
  /** Pages, and how much of the journal was there then. */
  let saved:
    | { readonly pages: readonly (readonly [Uint8Array, Uint8Array])[]; readonly at: number }
    | undefined;
  const log = { add: (_: number, entry: Uint8Array) => journal.push(entry), commit() {} };
  const partition = { startOffset: 0, endOffset: 0 } as Partition & {
    startOffset: number;
    endOffset: number;
  };
  const records: Naive[] = [];
  const runs: Run[] = [];
  let table = createShareTable();

  const open = (from: ShareTable): SharePartition => {
    const state = from.get(PLACE);
    if (state === undefined) throw new Error('the state is lost');
    const host = { table: from, log, clock, settingsOf: () => settings };
    return new SharePartition(host, state, partition, { set() {}, clear() {} });
  };
  const begun = table.begin(PLACE, 0);
  journal.push(begun.entry);
  let share = open(table);

  const free = (): number => MAX_LOCKS - records.filter(({ state }) => state === 'acquired').length;
  const giveBack = (record: Naive): void => {
    record.state = record.deliveries >= LIMIT ? 'done' : 'available';
    record.holder = '';
  };
  const endAll = (isMeant: (record: Naive) => boolean): void => {
    for (const record of records) if (record.state === 'acquired' && isMeant(record)) giveBack(record);
  };

  for (const each of steps) {
    switch (each.op) {
      case 'append':
        for (const [size, isEmpty] of each.batches) {
          const from = partition.endOffset;
          partition.endOffset += size;
          if (!isEmpty) runs.push({ from, to: from + size });
          for (let i = 0; i < size; i++) {
            records.push({ state: isEmpty ? 'done' : 'available', holder: '', untilMs: 0, deliveries: 0 });
          }
        }
        break;
      case 'fetch': {
        const from = share.nextOffset;
        if (from >= partition.endOffset || share.isFull) break;
        const member = MEMBERS[each.who];
        const appetite = { maxRecords: each.max, isStrict: each.isStrict, batchSize: 1000 };
        const wanted = runs
          .filter(({ to }) => to > from)
          .map((batch) => ({ from: Math.max(from, batch.from), to: batch.to }));
        const ranges = share.acquire(member, from, partition.endOffset, wanted, appetite);
        const taken = ranges.flatMap(({ firstOffset, lastOffset, deliveryCount }) =>
          Array.from({ length: lastOffset - firstOffset + 1 }, (_, i) => [firstOffset + i, deliveryCount]),
        );
        const room = free();
        const expected: (readonly number[])[] = [];
        let last: Run | undefined;
        for (const batch of runs) {
          for (let offset = Math.max(batch.from, partition.startOffset); offset < batch.to; offset++) {
            const record = records[offset] as Naive;
            if (record.state !== 'available' || expected.length >= room) continue;
            if (expected.length >= each.max && (each.isStrict || last !== batch)) continue;
            record.state = 'acquired';
            record.holder = member;
            record.untilMs = nowMs + LOCK_MS;
            record.deliveries++;
            expected.push([offset, record.deliveries]);
            last = batch;
          }
        }
        expect(taken).toEqual(expected);
        break;
      }
      case 'ack': {
        const member = MEMBERS[each.who];
        const first = Math.min(each.from, Math.max(0, share.state.queue.stats.end - each.types.length));
        const batch: AckBatch = {
          firstOffset: first,
          lastOffset: first + each.types.length - 1,
          acknowledgeTypes: each.types,
        };
        const plan = share.plan(member, [batch]);
        const { floor, end } = share.state.queue.stats;
        const meant = each.types
          .map((type, i) => ({ offset: first + i, type }))
          .filter(({ offset }) => offset >= floor);
        const isHeld = meant.every(({ offset }) => records[offset]?.holder === member);
        expect(plan.error === undefined).toBe(isHeld && batch.lastOffset < end);
        if (plan.error !== undefined) break;
        share.settle(member, plan);
        for (const { offset, type } of meant) {
          const record = records[offset] as Naive;
          if (type === AckType.Renew) record.untilMs = nowMs + LOCK_MS;
          else if (type === AckType.Release) giveBack(record);
          else Object.assign(record, { state: 'done', holder: '' });
        }
        break;
      }
      case 'pass':
        nowMs += each.ms;
        share.expire(nowMs);
        endAll(({ untilMs }) => untilMs <= nowMs);
        break;
      case 'leave':
        share.release(MEMBERS[each.who]);
        endAll(({ holder }) => holder === MEMBERS[each.who]);
        break;
      case 'retain':
        partition.startOffset = Math.min(partition.endOffset, partition.startOffset + each.count);
        share.follow();
        for (const record of records.slice(0, partition.startOffset))
          Object.assign(record, { state: 'done', holder: '' });
        break;
      case 'page':
        saved = {
          pages: [...table.table.pageKeys()].map((key) => [key, table.table.page(key) as Uint8Array]),
          at: journal.length,
        };
        break;
      case 'restart': {
        const again = createShareTable();
        for (const [key, page] of saved?.pages ?? []) again.table.load(key, page, 0);
        for (const entry of journal.slice(Math.max(0, (saved?.at ?? 0) - each.back))) {
          again.table.apply(entry, { position: 0, offset: 0 });
        }
        for (const key of table.table.pageKeys())
          expect(again.table.page(key)).toEqual(table.table.page(key));
        table = again;
        share = open(table);
        share.expire(Number.MAX_SAFE_INTEGER);
        endAll(() => true);
        break;
      }
    }
    const { floor, leased } = share.state.queue.stats;
    const firstOpen = records.findIndex(({ state }) => state !== 'done');
    const handedOut = share.state.queue.stats.end;
    // What lies behind the last batch that was looked at is not known to be empty.
    if (firstOpen >= 0 && firstOpen < handedOut) expect(floor).toBe(firstOpen);
    expect(leased).toBe(records.filter(({ state }) => state === 'acquired').length);
  }
}

describe('a partition of a share group', () => {
  it('does with each record what a naive one does, and its journal and its pages rebuild it', () => {
    fc.assert(fc.property(fc.array(step, { minLength: 5, maxLength: 50 }), run), { numRuns: RUNS });
  });
});

describe('the table of share groups', () => {
  it('keeps pieces of groups: the last writer wins, and a dropped queue stays dropped', () => {
    const table = createShareTable();
    const entries = [
      table.put('g', 'group', Uint8Array.of(1)),
      table.put('g', 'member/a', Uint8Array.of(2)),
      table.put('g', 'group', Uint8Array.of(3)),
      table.put('g', 'member/a', undefined),
      table.begin(PLACE, 7).entry,
      table.drop(PLACE) ?? Uint8Array.of(),
      table.begin({ ...PLACE, partition: 1 }, 9).entry,
    ];
    expect(table.drop(PLACE)).toBeUndefined();
    const pages = [...table.table.pageKeys()].map((key) => [key, table.table.page(key)] as const);
    const again = createShareTable();
    for (const [key, page] of pages) again.table.load(key, page as Uint8Array, 0);
    for (const entry of entries) again.table.apply(entry, { position: 0, offset: 0 });
    for (const rebuilt of [table, again]) {
      expect([...(rebuilt.parts.get('g') ?? [])]).toEqual([['group', Uint8Array.of(3)]]);
      expect(rebuilt.get(PLACE)).toBeUndefined();
      expect(rebuilt.count).toBe(1);
      expect(rebuilt.floorOf(PLACE.topicId, 1)).toBe(9);
      expect(rebuilt.floorOf(PLACE.topicId, 0)).toBeUndefined();
    }
    for (const [key, page] of pages) expect(again.table.page(key)).toEqual(page);
    const takenKeys = table.table.takeDirty(100);
    expect(takenKeys.length).toBeGreaterThanOrEqual(pages.length);
    expect(table.table.takeDirty(100)).toEqual([]);
  });

  it('refuses what is no entry or page of its own', () => {
    const table = createShareTable();
    const { entry } = table.begin(PLACE, 7);
    const [key] = table.table.pageKeys();
    const page = table.table.page(key as Uint8Array) as Uint8Array;
    for (let length = 0; length < entry.length; length++) {
      expect(() =>
        createShareTable().table.apply(entry.slice(0, length), { position: 0, offset: 0 }),
      ).toThrow();
    }
    for (let length = 0; length < page.length; length++) {
      expect(() => createShareTable().table.load(key as Uint8Array, page.slice(0, length), 0)).toThrow();
    }
  });
});
