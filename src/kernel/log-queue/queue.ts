/**
 * The queue: a view over a log, or over references into several, from which holders acquire messages and settle
 * them. Here live its state, its operations and their journal entries; the messages themselves, who gets asked
 * next on the wire, and what becomes of a discarded message are others' business.
 *
 * Each operation decides, applies its decision through the same `apply` that rebuilds a queue from its journal, and
 * hands back the entries, which its caller journals before anything of it is acknowledged. Entries of one result
 * belong into one batch, with the copies of what was discarded. No clock: time is an argument, in ms since the
 * epoch. A message that is accepted or discarded never comes back, except by `seek`.
 */
import type { DiscardReason, QueueEntry } from './entries.ts';
import type {
  Acquired,
  AcquireRequest,
  Discarded,
  Enqueued,
  LeaseInfo,
  Outcome,
  Settled,
} from './operations.ts';
import { type QueueLimits, type QueuePolicy, queuePolicy } from './policy.ts';
import { isReference, type Reference } from './reference-list.ts';
import { Search } from './search.ts';
import { restoreState, writeSnapshot } from './snapshot.ts';
import { QueueState } from './state.ts';

export class LogQueue {
  private readonly state: QueueState;

  constructor(policy: Partial<QueuePolicy>, start = 0, state?: QueueState) {
    this.state = state ?? new QueueState(queuePolicy(policy), start);
  }

  /** From `snapshot`, with the policy it had; undefined when the bytes are no snapshot of this version. */
  static restore(policy: Partial<QueuePolicy>, snapshot: Uint8Array): LogQueue | undefined {
    const state = restoreState(queuePolicy(policy), snapshot);
    return state === undefined ? undefined : new LogQueue(policy, 0, state);
  }

  snapshot(): Uint8Array {
    return writeSnapshot(this.state);
  }

  apply(entry: QueueEntry): void {
    this.state.apply(entry);
  }

  /** Other limits from now on; what is out above them stays out. */
  restrict(limits: Partial<QueueLimits>): void {
    this.state.policy = queuePolicy({ ...this.state.policy, ...limits });
  }

  get stats(): { floor: number; end: number; waiting: number; leased: number; bytes: number } {
    const { floor, end, waiting, leases, bytes } = this.state;
    return { floor, end, waiting, leased: leases.size, bytes };
  }

  inFlightOf(holder: string): number {
    const { holders } = this.state;
    return holders.heldBy(holders.numberOf(holder));
  }

  referenceAt(position: number): Reference | undefined {
    const { references, floor, end, policy } = this.state;
    return policy.references && position >= floor && position < end ? references.get(position) : undefined;
  }

  /** `count` more messages: the log has grown, or these references were added. */
  enqueue(count: number, references?: readonly Reference[], bands?: readonly number[]): Enqueued {
    const { state } = this;
    const { maxWaiting, overflow } = state.policy;
    const { end: first } = state;
    if (references !== undefined && !references.every(isReference)) throw new RangeError('no such reference');
    if (bands?.some((band) => !(band >= 0 && band < state.policy.bands)))
      throw new RangeError('no such band');
    if (state.policy.references !== (references !== undefined))
      throw new TypeError('references: wrong kind of queue');
    const accepted = overflow === 'reject' ? Math.min(count, Math.max(0, maxWaiting - state.waiting)) : count;
    if (accepted === 0) return { entries: [], first, accepted, discarded: [] };
    const entry: QueueEntry = {
      kind: 'enqueue',
      count: accepted,
      ...(bands === undefined ? {} : { bands: bands.slice(0, accepted) }),
      ...(references === undefined ? {} : { references: references.slice(0, accepted) }),
    };
    state.apply(entry);
    const discarded: Discarded[] = [];
    while (state.waiting > maxWaiting) {
      const dropped = this.discard([this.headToDrop()], 'overflow').discarded;
      // None: the oldest waiting one lies beyond any span from an unsettled one.
      if (dropped.length === 0) break;
      discarded.push(...dropped);
    }
    return { entries: [entry, ...discardEntries(discarded)], first, accepted, discarded };
  }

  acquire(request: AcquireRequest): Acquired {
    const { state } = this;
    const { holder, nowMs, leaseMs, keyOf } = request;
    const { policy, holders, leases } = state;
    if (holder === '') throw new RangeError('a holder has a name');
    if (policy.order === 'per-key' && keyOf === undefined)
      throw new TypeError('keyOf is needed for order per key');
    const expiresAtMs = Math.ceil(nowMs + leaseMs);
    const room = Math.min(
      request.max,
      policy.maxInFlight - leases.size,
      policy.maxInFlightPerHolder - holders.heldBy(holders.numberOf(holder)),
    );
    if (room <= 0 || state.floor === state.end) return { ...NOTHING, expiresAtMs };
    if (state.keysDisturbed && state.isOrdered) {
      for (const woken of state.keys.wakeIdle()) state.ready[0].add(woken);
      state.keysDisturbed = false;
    }
    if (state.isOrdered) {
      for (const woken of state.keys.wakeFor(holders.numberOf(holder))) state.ready[0].add(woken);
    }
    const search = new Search(state, request, room, expiresAtMs);
    search.run();
    const { positions, keys, expired, scannedTo } = search;
    const discarded = expired.length === 0 ? NONE : this.discard(expired, 'expired').discarded;
    if (positions.length === 0) {
      return { ...NOTHING, entries: discardEntries(discarded), expiresAtMs, discarded, scannedTo };
    }
    const sorted = isAscending(positions) ? positions : [...positions].sort((a, b) => a - b);
    const entry: QueueEntry = state.isOrdered
      ? { kind: 'acquire', holder, expiresAtMs, positions: sorted, keys }
      : { kind: 'acquire', holder, expiresAtMs, positions: sorted };
    const entries = discarded.length === 0 ? [entry] : [entry, ...discardEntries(discarded)];
    return { entries, positions, deliveries: search.deliveries, expiresAtMs, discarded, scannedTo };
  }

  /** `deliveries`, where given, says which delivery is meant: an earlier one of the same holder settles nothing. */
  settle(
    holder: string,
    positions: readonly number[],
    outcome: Outcome,
    deliveries?: readonly number[],
  ): Settled {
    const missing: number[] = [];
    const held = this.heldOf(holder, positions, deliveries, missing);
    if (held.length === 0) return { entries: NONE, done: 0, missing, discarded: NONE };
    switch (outcome.kind) {
      case 'accept':
        return this.change({ kind: 'accept', positions: held }, missing);
      case 'release':
        return this.change({ kind: 'release', positions: held, failed: false, readyAtMs: 0 }, missing);
      case 'reject': {
        const { entries, discarded } = this.discard(held, 'rejected');
        return { entries, done: held.length, missing, discarded };
      }
      case 'modify':
        return this.giveUp(held, outcome.failed, outcome.readyAtMs, missing);
    }
  }

  extend(holder: string, positions: readonly number[], leaseMs: number, nowMs: number): Settled {
    const missing: number[] = [];
    const held = this.heldOf(holder, positions, undefined, missing);
    if (held.length === 0) return { entries: NONE, done: 0, missing, discarded: NONE };
    return this.change({ kind: 'extend', positions: held, expiresAtMs: Math.ceil(nowMs + leaseMs) }, missing);
  }

  /** The holder is gone: all it holds comes back. */
  releaseAll(holder: string, failed: boolean): Settled {
    const number = this.state.holders.numberOf(holder);
    const held: number[] = [];
    if (number > 0) {
      const { leases } = this.state;
      for (const slot of leases.slots()) if (leases.holder(slot) === number) held.push(leases.position(slot));
    }
    held.sort((a, b) => a - b);
    return this.giveUp(held, failed, 0, []);
  }

  /** Leases and delays whose time has come, at most `max`; `nextExpiryMs` says when to call again. */
  expire(nowMs: number, max = 1024): Settled {
    const { leases } = this.state;
    const due = leases.due(nowMs, max);
    const isDelay = (position: number): boolean => leases.holder(leases.find(position)) === 0;
    const delayed = due.filter(isDelay);
    const expired = due.filter((position) => !isDelay(position));
    const entries: QueueEntry[] = [];
    if (delayed.length > 0) {
      const entry: QueueEntry = { kind: 'release', positions: delayed, failed: true, readyAtMs: 0 };
      this.state.apply(entry);
      entries.push(entry);
    }
    const given = this.giveUp(expired, true, 0, []);
    return { ...given, entries: [...entries, ...given.entries], done: due.length };
  }

  nextExpiryMs(): number {
    return this.state.leases.nextExpiryMs();
  }

  /** Waiting messages in the order of the log, from a position; nothing changes. */
  peek(max: number, from = 0): number[] {
    const { state } = this;
    const found: number[] = [];
    const sets = [...state.ready, state.keys.parked];
    for (let at = Math.max(from, state.floor); at < state.end && found.length < max; at++) {
      if (at < state.next) {
        const nearest = sets.map((set) => set.firstFrom(at)).filter((position) => position >= 0);
        at = Math.min(state.next, ...nearest);
        if (at >= state.end) break;
      }
      if (state.isWaiting(at)) found.push(at);
    }
    return found;
  }

  isHeldBy(holder: string, position: number): boolean {
    const { leases, holders } = this.state;
    const number = holders.numberOf(holder);
    const slot = number === 0 ? -1 : leases.find(position);
    return slot >= 0 && leases.holder(slot) === number;
  }

  leaseOf(position: number): LeaseInfo | undefined {
    const slot = this.state.leases.find(position);
    return slot < 0 ? undefined : this.leaseAt(slot);
  }

  *leases(): IterableIterator<LeaseInfo> {
    for (const slot of this.state.leases.slots()) yield this.leaseAt(slot);
  }

  /** How often a message was delivered before, while it waits. */
  deliveriesOf(position: number): number {
    return this.state.counts.get(position);
  }

  /** Settles all in [from, to) at once, since there is nothing in them; as an entry it is small whatever the range. */
  skip(from: number, to: number): readonly QueueEntry[] {
    const { floor, end } = this.state;
    const entry = { kind: 'skip', from: Math.max(from, floor), to: Math.min(to, end) } as const;
    if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || entry.from >= entry.to) return NONE;
    this.state.apply(entry);
    return [entry];
  }

  /**
   * Everything below is settled, everything from there on waits, never delivered. All leases end. A queue of
   * references or with bands cannot go back; that and a position beyond the end change nothing and give no entry.
   */
  seek(position: number): readonly QueueEntry[] {
    const { floor, end, policy } = this.state;
    const canGoBack = !policy.references && policy.bands === 1;
    if (!Number.isSafeInteger(position) || position < (canGoBack ? 0 : floor) || position > end) return [];
    const entry: QueueEntry = { kind: 'seek', position };
    this.state.apply(entry);
    return [entry];
  }

  /** Settles all that waits. What is out stays out, unless the backlog is beyond any span: then it ends as well. */
  purge(): readonly QueueEntry[] {
    const entry: QueueEntry = { kind: 'purge' };
    this.state.apply(entry);
    return [entry];
  }

  /** Gives up messages, waiting or out. The caller journals the entries with the copies, where it keeps any. */
  discard(positions: readonly number[], reason: DiscardReason): Settled {
    const { state } = this;
    const { leases, counts } = state;
    const discarded: Discarded[] = [];
    const missing: number[] = [];
    for (const position of positions) {
      const slot = leases.find(position);
      if (slot < 0 && !state.isWaiting(position)) {
        missing.push(position);
        continue;
      }
      const deliveries = slot < 0 ? counts.get(position) : leases.count(slot);
      discarded.push({ position, reason, reference: this.referenceAt(position), deliveries });
      state.apply({ kind: 'discard', reason, positions: [position] });
    }
    return { entries: discardEntries(discarded), done: discarded.length, missing, discarded };
  }

  private leaseAt(slot: number): LeaseInfo {
    const { leases, holders } = this.state;
    return {
      position: leases.position(slot),
      holder: holders.nameOf(leases.holder(slot)),
      expiresAtMs: leases.expiry(slot),
      deliveries: leases.count(slot),
    };
  }

  private change(entry: QueueEntry & { positions: readonly number[] }, missing: readonly number[]): Settled {
    this.state.apply(entry);
    return { entries: [entry], done: entry.positions.length, missing, discarded: NONE };
  }

  private giveUp(positions: number[], failed: boolean, readyAtMs: number, missing: number[]): Settled {
    const { leases, policy } = this.state;
    const isOver = (position: number): boolean =>
      failed && policy.deliveryLimit > 0 && leases.count(leases.find(position)) >= policy.deliveryLimit;
    const over = positions.filter(isOver);
    const kept = over.length === 0 ? positions : positions.filter((position) => !isOver(position));
    const entries: QueueEntry[] = [];
    if (kept.length > 0) {
      const entry: QueueEntry = { kind: 'release', positions: kept, failed, readyAtMs: Math.ceil(readyAtMs) };
      this.state.apply(entry);
      entries.push(entry);
    }
    const { discarded } = this.discard(over, 'delivery-limit');
    entries.push(...discardEntries(discarded));
    return { entries, done: positions.length, missing, discarded };
  }

  /** Those the holder holds, ascending and once each; the rest goes to `missing`. */
  private heldOf(
    holder: string,
    positions: readonly number[],
    deliveries: readonly number[] | undefined,
    missing: number[],
  ): number[] {
    const { leases, holders } = this.state;
    const number = holders.numberOf(holder);
    const held: number[] = [];
    for (let i = 0; i < positions.length; i++) {
      const position = positions[i];
      const slot = number === 0 ? -1 : leases.find(position);
      const isHeld =
        slot >= 0 &&
        leases.holder(slot) === number &&
        (deliveries === undefined || deliveries[i] === leases.count(slot));
      (isHeld ? held : missing).push(position);
    }
    return isAscending(held) ? held : [...new Set(held)].sort((a, b) => a - b);
  }

  /** The next victim of `drop-head`: of the lowest band, the oldest. Something must be waiting. */
  private headToDrop(): number {
    const { state } = this;
    for (let band = 0; band < state.ready.length; band++) {
      const oldest = state.ready[band].first();
      if (band !== state.policy.defaultBand) {
        if (oldest >= 0) return oldest;
        continue;
      }
      const candidates = [oldest, state.keys.parked.first()].filter((position) => position >= 0);
      if (candidates.length > 0) return Math.min(...candidates);
      while (state.next < state.end && state.isAside(state.next)) state.next++;
      if (state.next < state.end) return state.next;
    }
    throw new Error('the count of waiting messages is wrong');
  }
}

/** Shared by results, and never changed. */
const NONE: readonly never[] = Object.freeze([]);
const NOTHING = { entries: NONE, positions: NONE, deliveries: NONE, discarded: NONE, scannedTo: 0 } as const;

/** Strictly: no position twice. */
function isAscending(values: readonly number[]): boolean {
  for (let i = 1; i < values.length; i++) if (values[i] <= values[i - 1]) return false;
  return true;
}

function discardEntries(discarded: readonly Discarded[]): QueueEntry[] {
  if (discarded.length === 0) return [];
  const byReason = new Map<DiscardReason, number[]>();
  for (const { position, reason } of discarded) {
    const positions = byReason.get(reason);
    if (positions === undefined) byReason.set(reason, [position]);
    else positions.push(position);
  }
  return [...byReason].map(([reason, positions]) => ({
    kind: 'discard',
    reason,
    positions: positions.sort((a, b) => a - b),
  }));
}
