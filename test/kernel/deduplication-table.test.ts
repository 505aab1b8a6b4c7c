import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createDeduplication,
  type Deduplication,
  idKey,
  type StagedId,
} from '../../src/kernel/deduplication-table.ts';
import { bytes } from './topic-model.ts';

const limits = { maxIds: 700, windowMs: 1000 };
const key = (n: number): string => idKey(bytes('topic'), bytes(`id-${n}`));

type Written = { readonly entry: Uint8Array } | { readonly key: Uint8Array; readonly page: Uint8Array };

/** A state log in miniature, whose commits come late. */
class Miniature {
  readonly journal: Written[] = [];
  readonly views = new Map<string, { key: Uint8Array; page: Uint8Array }>();
  viewPosition = -1;
  cycleBegin = 0;
  dedup: Deduplication = createDeduplication(limits);
  private uncommitted: { position: number; staged: StagedId }[] = [];

  get committedEnd(): number {
    return this.uncommitted[0]?.position ?? this.journal.length;
  }

  publish(id: number, nowMs: number): string {
    const verdict = this.dedup.check(key(id), nowMs);
    if (verdict !== 'new') return verdict;
    const staged = this.dedup.stage(key(id), nowMs);
    this.uncommitted.push({ position: this.journal.length, staged });
    this.journal.push({ entry: staged.entry });
    return verdict;
  }

  commit(count: number): void {
    for (const { staged } of this.uncommitted.splice(0, count)) this.dedup.committed(staged);
  }

  writeCycle(): void {
    const begin = this.committedEnd;
    for (const pageKey of this.dedup.table.pageKeys()) {
      const page = this.dedup.table.page(pageKey);
      if (page !== undefined) this.journal.push({ key: pageKey, page });
    }
    this.cycleBegin = begin;
  }

  writeViews(): void {
    const { table } = this.dedup;
    const dirty = table.takeDirty(1e6);
    for (const pageKey of this.viewPosition < 0 ? table.pageKeys() : dirty) {
      const page = table.page(pageKey);
      if (page === undefined) this.views.delete(pageKey.join());
      else this.views.set(pageKey.join(), { key: pageKey, page });
    }
    this.viewPosition = this.committedEnd;
  }

  restart(withViews: boolean): void {
    const dedup = createDeduplication(limits);
    if (withViews)
      for (const { key: pageKey, page } of this.views.values()) dedup.table.load(pageKey, page, 0);
    const begin = withViews ? this.viewPosition : this.cycleBegin;
    this.journal.forEach((written, position) => {
      if (position < begin) return;
      if ('entry' in written) dedup.table.apply(written.entry, { position, offset: 0 });
      else if (!withViews) dedup.table.load(written.key, written.page, 0);
    });
    dedup.table.recovered?.();
    this.dedup = dedup;
    this.uncommitted = [];
    if (withViews) return;
    this.views.clear();
    this.viewPosition = -1;
  }
}

describe('deduplication', () => {
  it('knows each id for its time and among the last so many, through crashes at any point', () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ op: fc.constant('publish' as const), n: fc.nat(1500), count: fc.nat(400) }),
      },
      {
        weight: 8,
        arbitrary: fc.record({
          op: fc.constantFrom('commit' as const, 'pass' as const),
          n: fc.nat(700),
          count: fc.constant(0),
        }),
      },
      {
        weight: 4,
        arbitrary: fc.record({
          op: fc.constantFrom('cycle' as const, 'views' as const, 'restart' as const),
          n: fc.nat(1),
          count: fc.constant(0),
        }),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const log = new Miniature();
        let nowMs = 5000;
        let committed: { id: number; atMs: number }[] = [];
        let pending: { id: number; atMs: number }[] = [];
        for (const { op, n, count } of steps) {
          if (op === 'publish') {
            for (let id = n; id < n + count; id++) {
              const isPending = pending.some((each) => each.id === id);
              const isKnown = committed.some((each) => each.id === id && nowMs - each.atMs < limits.windowMs);
              const expected = isPending ? 'pending' : isKnown ? 'duplicate' : 'new';
              expect(log.publish(id, nowMs)).toBe(expected);
              if (expected === 'new') pending.push({ id, atMs: nowMs });
            }
          } else if (op === 'pass') nowMs += n;
          else if (op === 'cycle') log.writeCycle();
          else if (op === 'views') log.writeViews();
          if (op !== 'commit' && op !== 'restart') continue;
          // What was written when the crash came is there after it.
          const done = pending.splice(0, op === 'commit' ? n : pending.length);
          for (const each of done) {
            committed = [...committed.filter(({ id }) => id !== each.id), each];
          }
          committed = committed.slice(-limits.maxIds);
          if (op === 'commit') log.commit(n);
          else log.restart(n === 1 && log.viewPosition >= 0);
          pending = [...pending];
        }
        log.commit(1e6);
        expect(log.dedup.count).toBeLessThanOrEqual(limits.maxIds);
      }),
      { numRuns: Number(process.env.ROBUSTMQ_TEST_RUNS ?? 60) },
    );
  });

  it('forgets what was refused, and knows what is being committed', () => {
    const dedup = createDeduplication(limits);
    expect(dedup.check(key(1), 0)).toBe('new');
    expect(dedup.check(key(1), 0)).toBe('new');
    const staged = dedup.stage(key(1), 0);
    expect(dedup.check(key(1), 0)).toBe('pending');
    dedup.forgo(staged);
    expect(dedup.check(key(1), 0)).toBe('new');
    const again = dedup.stage(key(1), 0);
    dedup.committed(staged);
    expect(dedup.check(key(1), 0)).toBe('pending');
    dedup.committed(again);
    expect([dedup.check(key(1), 999), dedup.check(key(1), 1000)]).toEqual(['duplicate', 'new']);
  });

  it('tells scopes apart, and long ids by their hash', () => {
    const long = 'x'.repeat(200);
    const keys = [
      idKey(bytes('a'), bytes('bc')),
      idKey(bytes('ab'), bytes('c')),
      idKey(bytes('a'), bytes(long)),
      idKey(bytes('a'), bytes(`${long}y`)),
      idKey(bytes(''), bytes('ü')),
    ];
    expect(new Set(keys).size).toBe(keys.length);
    expect(idKey(bytes('a'), bytes(long))).toBe(keys[2]);
    expect(keys.every((each) => each.length <= 128)).toBe(true);
  });

  it('has what was replayed in the pages that are written next', () => {
    const { entry } = createDeduplication(limits).stage(key(1), 0);
    const restarted = createDeduplication(limits);
    restarted.table.apply(entry, { position: 0, offset: 0 });
    restarted.table.recovered?.();
    const written = restarted.table.takeDirty(9).map((pageKey) => restarted.table.page(pageKey));
    const third = createDeduplication(limits);
    for (const page of written) if (page !== undefined) third.table.load(new Uint8Array(8), page, 1);
    third.table.recovered?.();
    expect(third.check(key(1), 1)).toBe('duplicate');
  });

  it('keeps volatile ids out of entries and pages', () => {
    const dedup = createDeduplication(limits);
    const staged = dedup.stage(key(1), 0, true);
    dedup.committed(staged);
    expect([staged.entry.length, dedup.check(key(1), 1)]).toEqual([0, 'duplicate']);
    expect([...dedup.table.pageKeys(), ...dedup.table.takeDirty(9)]).toEqual([]);
  });

  it('says what it cannot read', () => {
    const { table } = createDeduplication(limits);
    expect(() => table.load(new Uint8Array(8), Uint8Array.of(9), 0)).toThrow(/version 9/);
    expect(() => table.load(new Uint8Array(8), Uint8Array.of(1, 1, 1, 5), 0)).toThrow(/damaged/);
    expect(() => table.apply(Uint8Array.of(1, 1), { position: 0, offset: 0 })).toThrow(/damaged/);
  });
});
