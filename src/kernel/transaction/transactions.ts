/**
 * Transactions: appends, settlements and cursor commits that count together or not at all. Here live their states
 * (open, prepared, committed, aborted), how far each log may be read (the last stable offset), and which ranges of
 * it were aborted. The appends themselves are in the logs from the start, invisible above the last stable offset.
 *
 * `commit` returns what has then to be done; its caller journals the entries of those settlements and cursor commits
 * in one batch with the commit. Time ends only what is open: a prepared transaction waits for its decision, also
 * across restarts. Outcomes of finished transactions are remembered, the last so many, so that a repeated commit
 * or abort gets the same answer. No clock: time is an argument; each change is an entry, already applied.
 */
import { ByteReader, ByteWriter } from '../binary.ts';
import { type Append, type Parts, readParts, type TransactionEntry, writeParts } from './entries.ts';

export interface TransactionLimits {
  readonly maxOpen: number;
  /** Appends, settled positions and cursor commits of one transaction. */
  readonly maxPartsEach: number;
  /** Ranges of appends, of unfinished and of aborted transactions together; `trim` makes room. */
  readonly maxRanges: number;
  readonly maxOutcomes: number;
  readonly maxTimeoutMs: number;
}

export type Refusal = 'unknown' | 'exists' | 'full' | 'prepared' | 'committed' | 'aborted';
export type Change = { readonly entry: TransactionEntry } | { readonly refused: Refusal };
export type Commit =
  | { readonly entry: TransactionEntry; readonly parts: Parts }
  | { readonly refused: Refusal };

export interface TransactionInfo {
  readonly id: string;
  readonly state: 'open' | 'prepared';
  readonly deadlineMs: number;
  /** When it was prepared; 0 while it is open. For asking its owner how it ended. */
  readonly preparedAtMs: number;
}

interface Transaction {
  state: 'open' | 'prepared';
  readonly deadlineMs: number;
  preparedAtMs: number;
  parts: Parts;
}

export interface AbortedRange {
  readonly id: string;
  readonly firstOffset: number;
  readonly lastOffset: number;
}

const VERSION = 1;
const NO_PARTS: Parts = { appends: [], settlements: [], cursorCommits: [] };

export class Transactions {
  private readonly limits: TransactionLimits;
  private readonly unfinishedById = new Map<string, Transaction>();
  private readonly outcomes = new Map<string, 'committed' | 'aborted'>();
  /** Their ids in order, because a map is slow to find its first entry after many were deleted. */
  private outcomeRing: string[] = [];
  private nextOutcome = 0;
  /** By log, in the order in which they were aborted. */
  private readonly aborted = new Map<string, AbortedRange[]>();
  private ranges = 0;

  constructor(limits: TransactionLimits) {
    this.limits = limits;
  }

  get stats(): { readonly unfinished: number; readonly ranges: number } {
    return { unfinished: this.unfinishedById.size, ranges: this.ranges };
  }

  stateOf(id: string): 'open' | 'prepared' | 'committed' | 'aborted' | undefined {
    return this.unfinishedById.get(id)?.state ?? this.outcomes.get(id);
  }

  /** An id is used again only once its outcome is forgotten: give each transaction an id of its own. */
  open(id: string, nowMs: number, timeoutMs: number): Change {
    if (this.stateOf(id) !== undefined) return { refused: 'exists' };
    if (this.unfinishedById.size >= this.limits.maxOpen) return { refused: 'full' };
    return this.change({
      kind: 'open',
      id,
      atMs: nowMs,
      timeoutMs: Math.min(timeoutMs, this.limits.maxTimeoutMs),
    });
  }

  add(id: string, parts: Parts): Change {
    const transaction = this.unfinishedById.get(id);
    if (transaction?.state !== 'open') return { refused: this.refusal(id) };
    const isTooMuch = sizeOf(transaction.parts) + sizeOf(parts) > this.limits.maxPartsEach;
    if (isTooMuch || this.ranges + parts.appends.length > this.limits.maxRanges) return { refused: 'full' };
    return this.change({ kind: 'add', id, parts });
  }

  /** From now on only a decision ends it. */
  prepare(id: string, nowMs: number): Change {
    if (this.unfinishedById.get(id)?.state !== 'open') return { refused: this.refusal(id) };
    return this.change({ kind: 'prepare', id, atMs: nowMs });
  }

  commit(id: string, nowMs: number): Commit {
    const transaction = this.unfinishedById.get(id);
    if (transaction === undefined) return { refused: this.refusal(id) };
    const entry: TransactionEntry = { kind: 'commit', id, atMs: nowMs };
    this.apply(entry);
    return { entry, parts: transaction.parts };
  }

  abort(id: string, nowMs: number): Change {
    if (!this.unfinishedById.has(id)) return { refused: this.refusal(id) };
    return this.change({ kind: 'abort', id, atMs: nowMs });
  }

  /** Aborts what is open past its deadline. */
  expire(nowMs: number): TransactionEntry[] {
    const late = [...this.unfinishedById].filter(
      ([, { state, deadlineMs }]) => state === 'open' && deadlineMs <= nowMs,
    );
    return late.map(([id]) => {
      const entry: TransactionEntry = { kind: 'abort', id, atMs: nowMs };
      this.apply(entry);
      return entry;
    });
  }

  nextDeadlineMs(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { state, deadlineMs } of this.unfinishedById.values())
      if (state === 'open') next = Math.min(next, deadlineMs);
    return next;
  }

  /** What is not finished, oldest first: after a restart, what must still be decided. */
  *unfinished(): IterableIterator<TransactionInfo> {
    for (const [id, { state, deadlineMs, preparedAtMs }] of this.unfinishedById)
      yield { id, state, deadlineMs, preparedAtMs };
  }

  /** Where a reader of committed records must stop: the first append of an unfinished transaction, or `end`. */
  lastStableOffset(log: string, end: number): number {
    let stable = end;
    for (const { parts } of this.unfinishedById.values()) {
      for (const append of parts.appends)
        if (append.log === log) stable = Math.min(stable, append.firstOffset);
    }
    return stable;
  }

  /** Ranges that overlap `from` to `to`, both included. A reader drops the records of that transaction in it. */
  abortedIn(log: string, from: number, to: number): AbortedRange[] {
    return (this.aborted.get(log) ?? []).filter(
      (range) => range.firstOffset <= to && range.lastOffset >= from,
    );
  }

  /** The log begins at `below` now: what was aborted before is of no interest. */
  trim(log: string, below: number): TransactionEntry {
    const entry: TransactionEntry = { kind: 'trim', log, below };
    this.apply(entry);
    return entry;
  }

  apply(entry: TransactionEntry): void {
    if (entry.kind === 'trim') {
      const ranges = this.aborted.get(entry.log) ?? [];
      const kept = ranges.filter(({ lastOffset }) => lastOffset >= entry.below);
      this.ranges -= ranges.length - kept.length;
      if (kept.length > 0) this.aborted.set(entry.log, kept);
      else this.aborted.delete(entry.log);
      return;
    }
    const { id } = entry;
    const transaction = this.unfinishedById.get(id);
    if (entry.kind === 'open') {
      if (transaction !== undefined || this.unfinishedById.size >= this.limits.maxOpen) return;
      const deadlineMs = entry.atMs + entry.timeoutMs;
      this.unfinishedById.set(id, { state: 'open', deadlineMs, preparedAtMs: 0, parts: NO_PARTS });
      return;
    }
    if (transaction === undefined) return;
    if (entry.kind === 'prepare') {
      transaction.state = 'prepared';
      transaction.preparedAtMs = entry.atMs;
    } else if (entry.kind === 'add') {
      const { appends, settlements, cursorCommits } = transaction.parts;
      transaction.parts = {
        appends: joinAppends(appends, entry.parts.appends),
        settlements: [...settlements, ...entry.parts.settlements],
        cursorCommits: [...cursorCommits, ...entry.parts.cursorCommits],
      };
      this.ranges += transaction.parts.appends.length - appends.length;
    } else this.finish(id, transaction, entry.kind === 'commit' ? 'committed' : 'aborted');
  }

  snapshot(): Uint8Array {
    const to = new ByteWriter(1024).u8(VERSION).uint(this.unfinishedById.size);
    for (const [id, { state, deadlineMs, preparedAtMs, parts }] of this.unfinishedById) {
      to.text(id)
        .u8(state === 'open' ? 0 : 1)
        .uint(deadlineMs)
        .uint(preparedAtMs);
      writeParts(to, parts);
    }
    to.uint(this.outcomes.size);
    for (const [id, outcome] of this.outcomes) to.text(id).u8(outcome === 'committed' ? 0 : 1);
    to.uint(this.aborted.size);
    for (const [log, ranges] of this.aborted) {
      to.text(log).uint(ranges.length);
      for (const { id, firstOffset, lastOffset } of ranges) to.text(id).uint(firstOffset).uint(lastOffset);
    }
    return to.finish();
  }

  /** False, and nothing known, when the bytes are no snapshot of this version or exceed the limits. */
  restore(snapshot: Uint8Array): boolean {
    this.clear();
    const from = new ByteReader(snapshot);
    if (from.u8() !== VERSION) return false;
    for (let left = from.count(7); left > 0 && !from.failed; left--) {
      const id = from.text();
      const state = from.u8() === 0 ? 'open' : 'prepared';
      const transaction = {
        state,
        deadlineMs: from.uint(),
        preparedAtMs: from.uint(),
        parts: readParts(from),
      } as const;
      this.unfinishedById.set(id, { ...transaction });
      this.ranges += transaction.parts.appends.length;
    }
    for (let left = from.count(2); left > 0 && !from.failed; left--) {
      this.remember(from.text(), from.u8() === 0 ? 'committed' : 'aborted');
    }
    for (let left = from.count(2); left > 0 && !from.failed; left--) {
      const log = from.text();
      const ranges: AbortedRange[] = [];
      for (let each = from.count(3); each > 0 && !from.failed; each--) {
        ranges.push({ id: from.text(), firstOffset: from.uint(), lastOffset: from.uint() });
      }
      this.aborted.set(log, ranges);
      this.ranges += ranges.length;
    }
    const { maxOpen, maxRanges, maxOutcomes } = this.limits;
    const fits =
      this.unfinishedById.size <= maxOpen && this.ranges <= maxRanges && this.outcomes.size <= maxOutcomes;
    if (from.isComplete && fits) return true;
    this.clear();
    return false;
  }

  private clear(): void {
    this.unfinishedById.clear();
    this.outcomes.clear();
    this.outcomeRing = [];
    this.nextOutcome = 0;
    this.aborted.clear();
    this.ranges = 0;
  }

  private refusal(id: string): Refusal {
    const state = this.stateOf(id);
    return state === undefined || state === 'open' ? 'unknown' : state;
  }

  private finish(id: string, { parts }: Transaction, outcome: 'committed' | 'aborted'): void {
    this.unfinishedById.delete(id);
    if (outcome === 'committed') this.ranges -= parts.appends.length;
    else {
      for (const { log, firstOffset, lastOffset } of parts.appends) {
        const ranges = this.aborted.get(log) ?? [];
        ranges.push({ id, firstOffset, lastOffset });
        this.aborted.set(log, ranges);
      }
    }
    this.remember(id, outcome);
  }

  private remember(id: string, outcome: 'committed' | 'aborted'): void {
    const { maxOutcomes } = this.limits;
    if (this.outcomes.size >= maxOutcomes) this.outcomes.delete(this.outcomeRing[this.nextOutcome]);
    this.outcomeRing[this.nextOutcome] = id;
    this.nextOutcome = (this.nextOutcome + 1) % maxOutcomes;
    this.outcomes.set(id, outcome);
  }

  private change(entry: TransactionEntry): Change {
    this.apply(entry);
    return { entry };
  }
}

function sizeOf({ appends, settlements, cursorCommits }: Parts): number {
  return settlements.reduce(
    (sum, { positions }) => sum + positions.length,
    appends.length + cursorCommits.length,
  );
}

/** One range per log and transaction: records of others in between are theirs, told apart by their producer. */
function joinAppends(known: readonly Append[], more: readonly Append[]): Append[] {
  const joined = new Map(known.map((append) => [append.log, append]));
  for (const { log, firstOffset, lastOffset } of more) {
    const before = joined.get(log);
    joined.set(log, {
      log,
      firstOffset: Math.min(firstOffset, before?.firstOffset ?? firstOffset),
      lastOffset: Math.max(lastOffset, before?.lastOffset ?? lastOffset),
    });
  }
  return [...joined.values()];
}
