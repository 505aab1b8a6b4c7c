/**
 * What a share group has of a partition: a queue over the offsets from its start to the last that was handed out. Each operation
 * changes the queue and adds the change to the state log, in one turn; none waits. Handing out is a change that nobody waits for: as
 * far as a crash takes it, the records are there again as before. What ends a hold is committed by the caller, with what belongs to it.
 */
import type { Clock } from '../../../kernel/clock.ts';
import { Listeners } from '../../../kernel/listeners.ts';
import type { Partition } from '../../../kernel/log/partitions.ts';
import type { DiscardReason, QueueEntry } from '../../../kernel/log-queue/entries.ts';
import type { Discarded, Settled, Verdict } from '../../../kernel/log-queue/operations.ts';
import type { StateLog } from '../../../kernel/state/state-log.ts';
import { TableId } from '../../../kernel/state/table.ts';
import type { Deadline } from '../groups/deadlines.ts';
import { ErrorCode } from '../messages/errors.ts';
import type { GroupSettings } from './settings.ts';
import type { ShareState, ShareTable } from './share-table.ts';

/** Offsets that a batch fills. */
export interface Run {
  readonly from: number;
  /** Behind the last. */
  readonly to: number;
}

export interface AcquiredRange {
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly deliveryCount: number;
}

export interface Appetite {
  readonly maxRecords: number;
  /** Not one more than `maxRecords`; otherwise the batch that reaches it is taken as a whole. */
  readonly isStrict: boolean;
  /** Ranges end at the first batch behind this many. */
  readonly batchSize: number;
}

/** As the protocol numbers them. */
export const AckType = { Gap: 0, Accept: 1, Release: 2, Reject: 3, Renew: 4 } as const;

export interface AckBatch {
  readonly firstOffset: number;
  readonly lastOffset: number;
  /** One for all, or one for each. */
  readonly acknowledgeTypes: readonly number[];
}

/** Offsets by what becomes of them, ascending. */
export interface AckPlan {
  readonly error?: undefined;
  readonly accept: readonly number[];
  readonly release: readonly number[];
  readonly reject: readonly number[];
  readonly renew: readonly number[];
}

/** A record that a member has. */
export interface Hold {
  readonly holder: string;
  readonly expiresAtMs: number;
}

export interface PartitionHost {
  readonly table: ShareTable;
  readonly log: Pick<StateLog, 'add' | 'commit'>;
  readonly clock: Clock;
  settingsOf(group: string): GroupSettings;
}

const MAX_EXPIRED = 65_536;

export class SharePartition {
  readonly state: ShareState;
  readonly partition: Partition;
  /** Somebody looks for records in it: one at a time. */
  isReading = false;
  /** The group has another queue for the partition now, or none. */
  isClosed = false;
  /** Who came meanwhile. */
  readonly turnedAway = new Set<() => void>();
  /** Who waits for records to come back. */
  readonly watchers = new Listeners<() => void>();
  private readonly host: PartitionHost;
  private readonly expiry: Deadline;

  constructor(host: PartitionHost, state: ShareState, partition: Partition, expiry: Deadline) {
    this.host = host;
    this.state = state;
    this.partition = partition;
    this.expiry = expiry;
    this.configure();
  }

  configure(): void {
    const { maxLocks, deliveryLimit } = this.host.settingsOf(this.state.group);
    this.state.queue.restrict({ maxInFlight: maxLocks, deliveryLimit });
  }

  close(): void {
    this.isClosed = true;
    this.expiry.clear();
    this.wake();
  }

  get isFull(): boolean {
    const { leased } = this.state.queue.stats;
    return leased >= this.host.settingsOf(this.state.group).maxLocks;
  }

  /** Retention has moved the partition's start: what lay below is nobody's any more. */
  follow(): void {
    const { queue } = this.state;
    const { floor, end } = queue.stats;
    const { startOffset } = this.partition;
    if (startOffset <= floor) return;
    const grown = startOffset > end ? queue.enqueue(startOffset - end).entries : [];
    this.note([...grown, ...queue.skip(floor, startOffset)]);
    this.host.log.commit('memory', undefined, true);
    this.schedule();
  }

  /** The first that may be handed out; what lies behind it may be out. */
  get nextOffset(): number {
    const { queue } = this.state;
    return queue.peek(1)[0] ?? queue.stats.end;
  }

  /**
   * Hands out what waits in [from, to), of which `runs` is all that has records for the group: the rest counts as done. Fewer,
   * or none, when others were faster or too many are out.
   */
  acquire(
    member: string,
    from: number,
    to: number,
    runs: readonly Run[],
    appetite: Appetite,
  ): AcquiredRange[] {
    if (this.isClosed) return [];
    const { queue } = this.state;
    const { maxRecords, isStrict } = appetite;
    const changes: QueueEntry[] = [];
    const { end } = queue.stats;
    if (to > end) changes.push(...queue.enqueue(to - end).entries);
    let emptyFrom = from;
    for (const run of runs) {
      changes.push(...queue.skip(emptyFrom, run.from));
      emptyFrom = Math.max(emptyFrom, run.to);
    }
    changes.push(...queue.skip(emptyFrom, to));
    let taken = 0;
    let at = 0;
    let lastRun = -1;
    const inspect = (offset: number): Verdict => {
      if (offset < from) return 'skip';
      if (offset >= to) return 'stop';
      while (at < runs.length && runs[at].to <= offset) at++;
      if (taken >= maxRecords && (isStrict || at !== lastRun)) return 'stop';
      taken++;
      lastRun = at;
      return 'take';
    };
    const { lockMs } = this.host.settingsOf(this.state.group);
    const nowMs = this.host.clock.monotonicMs();
    const request = { holder: member, max: MAX_EXPIRED, nowMs, leaseMs: lockMs, inspect };
    const { entries, positions, deliveries } = queue.acquire(request);
    this.note([...changes, ...entries]);
    this.host.log.commit('memory', undefined, true);
    if (positions.length > 0) this.schedule();
    return rangesOf(positions, deliveries, runs, appetite.batchSize);
  }

  /** What the acknowledgements come to, all or none; nothing changes. */
  plan(member: string, batches: readonly AckBatch[]): AckPlan | { readonly error: ErrorCode } {
    const { queue } = this.state;
    const { floor, end } = queue.stats;
    const plan = {
      accept: [] as number[],
      release: [] as number[],
      reject: [] as number[],
      renew: [] as number[],
    };
    const byType = [plan.accept, plan.accept, plan.release, plan.reject, plan.renew];
    for (const { firstOffset, lastOffset, acknowledgeTypes } of batches) {
      if (lastOffset >= end) return { error: ErrorCode.INVALID_REQUEST };
      for (let offset = Math.max(firstOffset, floor); offset <= lastOffset; offset++) {
        if (!queue.isHeldBy(member, offset)) return { error: ErrorCode.INVALID_RECORD_STATE };
        const type = acknowledgeTypes[acknowledgeTypes.length === 1 ? 0 : offset - firstOffset];
        byType[type]?.push(offset);
      }
    }
    return plan;
  }

  /** Of a plan, those that nobody gets again although they were not accepted, and why. */
  dyingOf({ release, reject }: AckPlan): ReadonlyMap<number, DiscardReason> {
    const { deliveryLimit } = this.host.settingsOf(this.state.group);
    const dying = new Map<number, DiscardReason>();
    for (const offset of reject) dying.set(offset, 'rejected');
    for (const offset of release) {
      const deliveries = this.state.queue.leaseOf(offset)?.deliveries ?? 0;
      if (deliveries >= deliveryLimit) dying.set(offset, 'delivery-limit');
    }
    return new Map([...dying].sort(([a], [b]) => a - b));
  }

  /** Of the holds that are meant, those that are the last. */
  lastOf(isMeant: (hold: Hold) => boolean): ReadonlyMap<number, DiscardReason> {
    if (this.isClosed) return new Map();
    const { deliveryLimit } = this.host.settingsOf(this.state.group);
    const found: number[] = [];
    for (const hold of this.state.queue.leases()) {
      if (hold.deliveries >= deliveryLimit && isMeant(hold)) found.push(hold.position);
    }
    return new Map(found.sort((a, b) => a - b).map((offset) => [offset, 'delivery-limit']));
  }

  isHeldBy(member: string, { accept, release, reject, renew }: AckPlan): boolean {
    const { queue } = this.state;
    return [accept, release, reject, renew].every((offsets) =>
      offsets.every((offset) => queue.isHeldBy(member, offset)),
    );
  }

  /** Offsets that are out are settled; the others are left as they are. */
  giveUp(offsets: readonly number[], reasons: ReadonlyMap<number, DiscardReason>): readonly Discarded[] {
    const { queue } = this.state;
    const wasFull = this.isFull;
    const given = (['rejected', 'delivery-limit'] as const).map((reason) =>
      queue.discard(
        offsets.filter((offset) => reasons.get(offset) === reason && queue.leaseOf(offset) !== undefined),
        reason,
      ),
    );
    this.ended(given, wasFull);
    return given.flatMap(({ discarded }) => discarded);
  }

  /** A plan that was made in this turn. */
  settle(member: string, { accept, release, reject, renew }: AckPlan): void {
    const { queue } = this.state;
    const wasFull = this.isFull;
    const { lockMs } = this.host.settingsOf(this.state.group);
    const settled = [
      queue.settle(member, accept, { kind: 'accept' }),
      queue.settle(member, reject, { kind: 'reject' }),
      queue.settle(member, release, { kind: 'modify', failed: true, readyAtMs: 0 }),
      queue.extend(member, renew, lockMs, this.host.clock.monotonicMs()),
    ];
    this.ended(settled, wasFull || release.length > 0);
  }

  /** Locks whose time has come end. */
  expire(nowMs: number): void {
    this.ended([this.state.queue.expire(nowMs, MAX_EXPIRED)], true);
  }

  /** A member that is gone has nothing any more. */
  release(member: string): void {
    this.ended([this.state.queue.releaseAll(member, true)], true);
  }

  /** Tries the ends of locks again later. */
  retryIn(ms: number): void {
    this.expiry.set(ms);
  }

  schedule(): void {
    const nextMs = this.state.queue.nextExpiryMs();
    if (nextMs === Number.POSITIVE_INFINITY) this.expiry.clear();
    else this.expiry.set(Math.max(0, nextMs - this.host.clock.monotonicMs()));
  }

  /** The reader is done. */
  unlock(): void {
    this.isReading = false;
    const waiting = [...this.turnedAway];
    this.turnedAway.clear();
    for (const each of waiting) each();
  }

  wake(): void {
    this.watchers.each((watcher) => watcher());
  }

  private ended(settled: readonly Settled[], wakes: boolean): void {
    this.note(settled.flatMap(({ entries }) => entries));
    this.schedule();
    if (wakes && settled.some(({ done }) => done > 0)) this.wake();
  }

  private note(changes: readonly QueueEntry[]): void {
    if (changes.length === 0) return;
    const { table, log } = this.host;
    const entry = table.note(this.state, changes);
    if (entry !== undefined) log.add(TableId.KafkaShares, entry);
  }
}

/** Neighbours that were delivered as often, at most about `batchSize` where batches allow to part them. */
function rangesOf(
  offsets: readonly number[],
  deliveries: readonly number[],
  runs: readonly Run[],
  batchSize: number,
): AcquiredRange[] {
  const ranges: { firstOffset: number; lastOffset: number; deliveryCount: number }[] = [];
  let run = 0;
  for (let i = 0; i < offsets.length; i++) {
    const [offset, deliveryCount] = [offsets[i], deliveries[i]];
    while (run < runs.length && runs[run].to <= offset) run++;
    const last = ranges.at(-1);
    const isNext =
      last !== undefined && last.lastOffset + 1 === offset && last.deliveryCount === deliveryCount;
    const isLong = last !== undefined && last.lastOffset - last.firstOffset + 1 >= batchSize;
    if (!isNext || (isLong && runs[run]?.from === offset)) {
      ranges.push({ firstOffset: offset, lastOffset: offset, deliveryCount });
    } else last.lastOffset = offset;
  }
  return ranges;
}
