/**
 * One walk of `acquire` over what waits, in the order in which it is due: bands from the highest, in each the
 * messages that were passed over or came back, then the in-order backlog. It leases what it takes.
 */
import type { AcquireRequest } from './operations.ts';
import type { QueueState } from './state.ts';

/** All messages of a strictly ordered queue have this key. */
const ONE_KEY = 0;

export class Search {
  readonly positions: number[] = [];
  /** The how-manieth delivery each is. */
  readonly deliveries: number[] = [];
  readonly keys: number[] = [];
  readonly expired: number[] = [];
  scannedTo = 0;

  private readonly state: QueueState;
  private readonly request: AcquireRequest;
  private readonly room: number;
  private readonly expiresAtMs: number;
  private readonly holder: number;
  /** Keys of which an earlier message did not suit: the later ones must wait for it. */
  private blocked: Set<number> | undefined;
  private readonly isPaged: boolean;
  private scansLeft: number;
  private stopped = false;

  constructor(state: QueueState, request: AcquireRequest, room: number, expiresAtMs: number) {
    this.state = state;
    this.request = request;
    this.room = room;
    this.expiresAtMs = expiresAtMs;
    this.holder = state.holders.numberFor(request.holder);
    // Pages are told by one position, which says all only where messages are walked in order of position.
    this.isPaged = !state.isOrdered && state.policy.bands === 1;
    this.scansLeft = this.isPaged ? (request.maxScan ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
  }

  run(): void {
    const { policy, holders } = this.state;
    // Held in advance, so that the number stays ours while nothing is leased yet.
    holders.take(this.holder);
    for (let band = policy.bands - 1; band >= 0 && this.goesOn(); band--) {
      this.scanReady(band);
      if (band === policy.defaultBand) this.scanBacklog();
    }
    holders.giveBack(this.holder);
  }

  private goesOn(): boolean {
    return !this.stopped && this.positions.length < this.room;
  }

  /** False when the page is full; remembers where. */
  private look(position: number): boolean {
    if (this.scansLeft-- > 0) return true;
    this.scannedTo = position;
    this.stopped = true;
    return false;
  }

  private scanReady(band: number): void {
    const set = this.state.ready[band];
    if (set.size === 0) return;
    let at = set.firstFrom(this.isPaged ? (this.request.scanFrom ?? 0) : 0);
    while (at >= 0 && this.goesOn() && this.look(at)) {
      if (this.judge(at, band) !== 'stay') set.delete(at);
      at = set.firstFrom(at + 1);
    }
  }

  private scanBacklog(): void {
    const { state } = this;
    const { defaultBand, maxSpan } = state.policy;
    const hasAside = state.settled.size > 0 || state.policy.bands > 1;
    while (state.next < state.end && state.next - state.floor < maxSpan && this.goesOn()) {
      const at = state.next;
      if (hasAside && state.isAside(at)) {
        state.next++;
        continue;
      }
      if (!this.look(at)) return;
      const verdict = this.judge(at, defaultBand);
      // A strictly ordered backlog stays as it is, so that it costs nothing.
      if (this.stopped) return;
      state.next++;
      if (verdict === 'stay') state.ready[defaultBand].add(at);
    }
  }

  private judge(position: number, band: number): 'taken' | 'parked' | 'stay' {
    const { state } = this;
    if (!state.isOrdered) return this.inspect(position) ? this.take(position, band, ONE_KEY) : 'stay';
    const isStrict = state.policy.order === 'strict';
    const key = isStrict ? ONE_KEY : (this.request.keyOf?.(position) ?? ONE_KEY) >>> 0;
    if (this.blocked?.has(key) === true) return 'stay';
    if (!state.keys.permits(key, this.holder, position)) {
      if (!isStrict) {
        state.keys.park(key, position);
        return 'parked';
      }
      this.stopped = true;
      return 'stay';
    }
    if (this.inspect(position)) return this.take(position, band, key);
    if (this.expired.at(-1) === position) {
      this.wakeNext(key);
      return 'stay';
    }
    this.blocked ??= new Set();
    this.blocked.add(key);
    this.stopped ||= isStrict;
    return 'stay';
  }

  /** Whether it suits; notes it when it has expired. */
  private inspect(position: number): boolean {
    const { inspect } = this.request;
    const verdict = inspect === undefined ? 'take' : inspect(position);
    if (verdict === 'expired') this.expired.push(position);
    if (verdict === 'stop') this.stopped = true;
    return verdict === 'take';
  }

  private take(position: number, band: number, key: number): 'taken' {
    const { state } = this;
    this.positions.push(position);
    this.deliveries.push(state.lease(position, this.holder, this.expiresAtMs, band, key));
    if (!state.isOrdered) return 'taken';
    this.keys.push(key);
    this.wakeNext(key);
    return 'taken';
  }

  private wakeNext(key: number): void {
    const woken = this.state.keys.wake(key);
    if (woken >= 0) this.state.ready[0].add(woken);
  }
}
