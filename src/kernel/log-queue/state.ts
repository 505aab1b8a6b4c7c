/**
 * The state of a queue and the one way it changes: `apply`. Positions from `floor` to `end` are the queue; below
 * `floor` all is settled. From `next` on nothing has been touched (with bands: except what is in another band), so
 * the in-order backlog is two numbers. Between them each position is exactly one of settled (a bit), leased or
 * delayed (a row of the lease table), parked for its key, or ready (a bit in its band, and its delivery count).
 *
 * An entry that does not fit the state (a position that is not leased, say) changes nothing: `apply` never throws
 * and never grows beyond the policy's bounds.
 */
import { DeliveryCounts, MAX_DELIVERIES } from './delivery-counts.ts';
import type { QueueEntry } from './entries.ts';
import { Holders } from './holders.ts';
import { KeyOrder } from './key-order.ts';
import { LeaseTable } from './lease-table.ts';
import { MAX_SPAN, type QueuePolicy } from './policy.ts';
import { PositionSet } from './position-set.ts';
import { ReferenceList } from './reference-list.ts';

export class QueueState {
  policy: QueuePolicy;
  readonly settled = new PositionSet();
  readonly ready: readonly PositionSet[];
  readonly counts = new DeliveryCounts();
  readonly leases = new LeaseTable();
  readonly holders = new Holders();
  readonly keys = new KeyOrder();
  readonly references = new ReferenceList();
  floor: number;
  next: number;
  end: number;
  /** Candidates were taken away: keys may sleep although nothing of them is out. */
  keysDisturbed = false;

  constructor(policy: QueuePolicy, start: number) {
    this.policy = policy;
    this.ready = Array.from({ length: policy.bands }, () => new PositionSet());
    this.floor = this.next = this.end = start;
  }

  get waiting(): number {
    return this.end - this.floor - this.settled.size - this.leases.size;
  }

  get isOrdered(): boolean {
    return this.policy.order !== 'none';
  }

  /** Neither settled nor out. */
  isWaiting(position: number): boolean {
    return (
      position >= this.floor &&
      position < this.end &&
      !this.settled.has(position) &&
      !this.leases.has(position)
    );
  }

  /** At or above `next`, and yet not part of the in-order backlog. */
  isAside(position: number): boolean {
    if (this.settled.size > 0 && this.settled.has(position)) return true;
    if (this.policy.bands === 1) return false;
    return this.leases.has(position) || this.ready.some((band) => band.has(position));
  }

  apply(entry: QueueEntry): void {
    switch (entry.kind) {
      case 'enqueue':
        this.enqueue(entry);
        break;
      case 'acquire': {
        const { positions, keys } = entry;
        for (let i = 0; i < positions.length; i++) {
          this.acquireOne(positions[i], entry.holder, entry.expiresAtMs, keys === undefined ? 0 : keys[i]);
        }
        break;
      }
      case 'accept':
        for (const position of entry.positions) {
          const slot = this.leases.find(position);
          if (slot < 0) continue;
          this.endLease(slot);
          this.settle(position);
        }
        break;
      case 'discard':
        for (const position of entry.positions) this.discardOne(position);
        break;
      case 'release':
        for (const position of entry.positions) this.releaseOne(position, entry.failed, entry.readyAtMs);
        break;
      case 'extend':
        for (const position of entry.positions) {
          const slot = this.leases.find(position);
          if (slot < 0) continue;
          this.leases.change(slot, this.leases.holder(slot), entry.expiresAtMs, this.leases.count(slot));
        }
        break;
      case 'seek':
        this.seek(entry.position);
        break;
      case 'skip':
        this.skip(entry.from, entry.to);
        break;
      case 'purge':
        this.purge();
        break;
    }
  }

  /** Puts a waiting position that has left its place (ready or `next`) into the lease table. Returns the delivery. */
  lease(position: number, holder: number, expiresAtMs: number, band: number, key: number): number {
    const count = this.counts.get(position);
    if (count > 0) this.counts.delete(position);
    const delivery = Math.min(count + 1, MAX_DELIVERIES);
    this.leases.add(position, holder, expiresAtMs, delivery, band, key);
    this.holders.take(holder);
    if (this.isOrdered) this.keys.took(key, holder);
    return delivery;
  }

  settle(position: number): void {
    if (position !== this.floor) {
      this.settled.add(position);
      return;
    }
    if (this.settled.size === 0) this.floor++;
    else {
      this.settled.add(position);
      this.floor = this.settled.nextClear(position);
      this.settled.trimBelow(this.floor);
    }
    if (this.next < this.floor) this.next = this.floor;
    if (this.policy.references) this.references.trimBelow(this.floor);
  }

  /** The band a ready position lies in; the default one for those never touched. */
  bandOf(position: number): number {
    const band = this.ready.findIndex((set) => set.has(position));
    return band < 0 ? this.policy.defaultBand : band;
  }

  /** All memory of its tables. */
  get bytes(): number {
    const { settled, counts, leases, references, keys } = this;
    const ready = this.ready.reduce((sum, band) => sum + band.bytes, 0);
    return settled.bytes + ready + counts.bytes + leases.bytes + references.bytes + keys.parked.bytes;
  }

  private enqueue({ count, bands, references }: QueueEntry & { kind: 'enqueue' }): void {
    if (!Number.isSafeInteger(this.end + count)) return;
    if (this.policy.references !== (references !== undefined)) return;
    for (let i = 0; references !== undefined && i < count; i++)
      this.references.set(this.end + i, references[i]);
    for (let i = 0; bands !== undefined && i < count; i++) {
      const band = Math.min(bands[i], this.policy.bands - 1);
      const position = this.end + i;
      if (band !== this.policy.defaultBand && position - this.floor < MAX_SPAN)
        this.ready[band].add(position);
    }
    this.end += count;
  }

  private acquireOne(position: number, holder: string, expiresAtMs: number, key: number): void {
    if (!this.isWaiting(position) || position - this.floor >= this.policy.maxSpan) return;
    if (this.leases.size >= this.policy.maxInFlight) return;
    const { defaultBand } = this.policy;
    const band = this.bandOf(position);
    if (band === defaultBand && position >= this.next) {
      for (let at = this.next; at < position; at++) if (!this.isAside(at)) this.ready[defaultBand].add(at);
      this.next = position + 1;
    }
    this.ready[band].delete(position);
    this.keys.parked.delete(position);
    this.lease(position, this.holders.numberFor(holder), expiresAtMs, band, key);
  }

  private discardOne(position: number): void {
    const slot = this.leases.find(position);
    if (slot >= 0) this.endLease(slot);
    else if (!this.isWaiting(position) || position - this.floor >= MAX_SPAN) return;
    else {
      this.ready[this.bandOf(position)].delete(position);
      this.counts.delete(position);
      this.keys.parked.delete(position);
      this.keysDisturbed = true;
    }
    this.settle(position);
  }

  private releaseOne(position: number, failed: boolean, readyAtMs: number): void {
    const { leases } = this;
    const slot = leases.find(position);
    if (slot < 0) return;
    const held = leases.holder(slot);
    const count = failed || held === 0 ? leases.count(slot) : leases.count(slot) - 1;
    if (readyAtMs === 0) {
      const band = leases.band(slot);
      this.endLease(slot);
      this.ready[band].add(position);
      this.counts.set(position, count);
      return;
    }
    const key = leases.key(slot);
    this.holders.giveBack(held);
    leases.change(slot, 0, readyAtMs, count);
    if (!this.isOrdered) return;
    // In this order, so that the key is never free in between.
    this.keys.took(key, 0);
    this.keys.gave(key, held);
  }

  private endLease(slot: number): void {
    const holder = this.leases.holder(slot);
    const key = this.leases.key(slot);
    this.leases.remove(slot);
    this.holders.giveBack(holder);
    if (!this.isOrdered) return;
    const woken = this.keys.gave(key, holder);
    if (woken >= 0) this.ready[0].add(woken);
  }

  private seek(position: number): void {
    if (!Number.isSafeInteger(position) || position > this.end) return;
    const limited = this.policy.references || this.policy.bands > 1;
    if (limited && position < this.floor) return;
    this.leases.clear();
    this.holders.clear();
    this.keys.clear();
    this.counts.clear();
    this.settled.clear();
    const { defaultBand } = this.policy;
    // What waits in another band stays there; what was out of one comes back in the default band.
    this.ready.forEach((band, index) => {
      if (index === defaultBand) band.clear();
      else band.trimBelow(position);
    });
    this.floor = this.next = position;
    if (this.policy.references) this.references.trimBelow(position);
  }

  private skip(from: number, to: number): void {
    const low = Math.max(from, this.floor);
    const high = Math.min(to, this.end);
    if (low >= high || (low > this.floor && high - this.floor > MAX_SPAN)) return;
    if (this.leases.size > 0) {
      const out = [...this.leases.slots()].map((slot) => this.leases.position(slot));
      for (const position of out) {
        if (position >= low && position < high) this.endLease(this.leases.find(position));
      }
    }
    for (const set of [...this.ready, this.keys.parked]) {
      for (let at = set.firstFrom(low); at >= 0 && at < high; at = set.firstFrom(at + 1)) {
        set.delete(at);
        this.counts.delete(at);
      }
    }
    this.keysDisturbed = true;
    if (low > this.floor) {
      this.settled.addRange(low, high);
      return;
    }
    this.floor = this.settled.nextClear(high);
    this.settled.trimBelow(this.floor);
    if (this.next < this.floor) this.next = this.floor;
    if (this.policy.references) this.references.trimBelow(this.floor);
  }

  private purge(): void {
    if (this.end - this.floor > MAX_SPAN) {
      this.seek(this.end);
      return;
    }
    for (const band of this.ready) band.clear();
    this.counts.clear();
    this.keys.parked.clear();
    this.keysDisturbed = true;
    let from = this.floor;
    const out = [...this.leases.slots()].map((slot) => this.leases.position(slot)).sort((a, b) => a - b);
    for (const position of out) {
      this.settled.addRange(from, position);
      from = position + 1;
    }
    this.settled.addRange(from, this.end);
    this.floor = this.settled.nextClear(this.floor);
    this.settled.trimBelow(this.floor);
    this.next = this.end;
    if (this.policy.references) this.references.trimBelow(this.floor);
  }
}
