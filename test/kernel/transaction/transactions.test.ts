import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeTransactionEntry,
  encodeTransactionEntry,
  type Parts,
  type TransactionEntry,
} from '../../../src/kernel/transaction/entries.ts';
import { Transactions } from '../../../src/kernel/transaction/transactions.ts';

const limits = { maxOpen: 3, maxPartsEach: 6, maxRanges: 8, maxOutcomes: 100, maxTimeoutMs: 50 };
const LOGS = ['x', 'y'];

interface Naive {
  state: 'open' | 'prepared' | 'committed' | 'aborted';
  deadlineMs: number;
  readonly offsets: { log: string; offset: number }[];
}

describe('transactions', () => {
  it('hide what is undecided, name what was aborted, and are rebuilt by journal and snapshots', () => {
    const step = fc.record({
      op: fc.constantFrom(
        'open',
        'open',
        'add',
        'add',
        'add',
        'prepare',
        'commit',
        'abort',
        'pass',
        'trim',
        'restart',
      ),
      id: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      log: fc.nat(1),
      ms: fc.nat(40),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 70 }), (steps) => {
        let transactions = new Transactions(limits);
        const replica = new Transactions(limits);
        const naive = new Map<string, Naive>();
        const ends = [0, 0];
        const starts = [0, 0];
        let nowMs = 0;
        const journal = (entry: TransactionEntry): void => {
          const read = decodeTransactionEntry(encodeTransactionEntry(entry));
          expect(read).toEqual(entry);
          if (read !== undefined) replica.apply(read);
        };
        for (const { op, id, log, ms } of steps) {
          const known = naive.get(id);
          const isUnfinished = known?.state === 'open' || known?.state === 'prepared';
          if (op === 'open') {
            const unfinished = [...naive.values()].filter(
              ({ state }) => state === 'open' || state === 'prepared',
            );
            const result = transactions.open(id, nowMs, 30);
            const isRefused = known !== undefined || unfinished.length >= limits.maxOpen;
            expect('refused' in result).toBe(isRefused);
            if ('entry' in result) journal(result.entry);
            if (!isRefused) naive.set(id, { state: 'open', deadlineMs: nowMs + 30, offsets: [] });
          } else if (op === 'add') {
            const parts: Parts = {
              appends: [{ log: LOGS[log], firstOffset: ends[log], lastOffset: ends[log] + 1 }],
              settlements: [],
              cursorCommits: [],
            };
            const result = transactions.add(id, parts);
            if (known?.state !== 'open') expect(result).toHaveProperty('refused');
            if ('refused' in result) continue;
            journal(result.entry);
            known?.offsets.push(
              { log: LOGS[log], offset: ends[log] },
              { log: LOGS[log], offset: ends[log] + 1 },
            );
            ends[log] += 2;
          } else if (op === 'prepare') {
            const result = transactions.prepare(id, nowMs);
            expect('entry' in result).toBe(known?.state === 'open');
            if ('entry' in result) journal(result.entry);
            if (known?.state === 'open') known.state = 'prepared';
          } else if (op === 'commit' || op === 'abort') {
            const result = op === 'commit' ? transactions.commit(id, nowMs) : transactions.abort(id, nowMs);
            if (known === undefined) expect(result).toEqual({ refused: 'unknown' });
            else if (!isUnfinished) expect(result).toEqual({ refused: known.state });
            if ('entry' in result) journal(result.entry);
            if (isUnfinished && known !== undefined) known.state = op === 'commit' ? 'committed' : 'aborted';
          } else if (op === 'pass') {
            nowMs += ms;
            for (const entry of transactions.expire(nowMs)) journal(entry);
            for (const each of naive.values()) {
              if (each.state === 'open' && each.deadlineMs <= nowMs) each.state = 'aborted';
            }
          } else if (op === 'trim') {
            starts[log] = Math.min(ends[log], starts[log] + ms);
            journal(transactions.trim(LOGS[log], starts[log]));
          } else {
            const next = new Transactions(limits);
            expect(next.restore(transactions.snapshot())).toBe(true);
            transactions = next;
          }
          LOGS.forEach((name, at) => {
            const open = [...naive.values()].filter(({ state }) => state === 'open' || state === 'prepared');
            const undecided = open.flatMap(({ offsets }) => offsets.filter((each) => each.log === name));
            expect(transactions.lastStableOffset(name, ends[at])).toBe(
              Math.min(ends[at], ...undecided.map(({ offset }) => offset)),
            );
            for (let offset = starts[at]; offset < ends[at]; offset++) {
              const said = transactions.abortedIn(name, offset, offset).map((range) => range.id);
              for (const [each, { state, offsets }] of naive) {
                const isHere = offsets.some((one) => one.log === name && one.offset === offset);
                if (isHere) expect(said.includes(each)).toBe(state === 'aborted');
              }
            }
          });
          for (const [each, { state }] of naive) expect(transactions.stateOf(each)).toBe(state);
        }
        expect(replica.snapshot()).toEqual(transactions.snapshot());
      }),
      { numRuns: 200 },
    );
  });

  it('gives what to settle and to commit when it commits, also when it was prepared before a restart', () => {
    const before = new Transactions(limits);
    const parts: Parts = {
      appends: [{ log: 'x', firstOffset: 3, lastOffset: 4 }],
      settlements: [{ queue: 'q', holder: 'h', positions: [1, 5] }],
      cursorCommits: [{ group: 'g', epoch: 2, log: 'y', offset: 9 }],
    };
    before.open('t', 0, 10);
    before.add('t', parts);
    expect(before.add('t', { ...parts, appends: [] })).toEqual({ refused: 'full' });
    before.prepare('t', 5);
    const after = new Transactions(limits);
    expect(after.restore(before.snapshot())).toBe(true);
    expect(after.expire(1000)).toEqual([]);
    expect([...after.unfinished()]).toEqual([
      { id: 't', state: 'prepared', deadlineMs: 10, preparedAtMs: 5 },
    ]);
    expect(after.commit('t', 1000)).toMatchObject({ parts });
    expect(after.stats).toEqual({ unfinished: 0, ranges: 0 });
  });

  it('refuses bytes that are cut', () => {
    const transactions = new Transactions(limits);
    transactions.open('t', 0, 10);
    const snapshot = transactions.snapshot();
    for (let length = 0; length < snapshot.length; length++) {
      expect(new Transactions(limits).restore(snapshot.slice(0, length))).toBe(false);
    }
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => void decodeTransactionEntry(Uint8Array.of(1, ...bytes))),
    );
  });
});
