/** The queue as one would write it without a thought for speed: one object per message, all looked at each time. */
import type { DiscardReason } from '../../../src/kernel/log-queue/entries.ts';
import type { Verdict } from '../../../src/kernel/log-queue/operations.ts';
import type { QueuePolicy } from '../../../src/kernel/log-queue/policy.ts';

export interface NaiveMessage {
  readonly position: number;
  band: number;
  state: 'waiting' | 'leased' | 'delayed' | 'settled';
  holder: string;
  expiresAtMs: number;
  deliveries: number;
}

export class NaiveQueue {
  readonly messages: NaiveMessage[] = [];
  private readonly policy: QueuePolicy;
  private readonly keyOf: (position: number) => number;

  constructor(policy: QueuePolicy, keyOf: (position: number) => number) {
    this.policy = policy;
    this.keyOf = keyOf;
  }

  get waiting(): NaiveMessage[] {
    return this.messages.filter(({ state }) => state === 'waiting');
  }

  get out(): NaiveMessage[] {
    return this.messages.filter(({ state }) => state === 'leased' || state === 'delayed');
  }

  heldBy(holder: string): NaiveMessage[] {
    return this.messages.filter((each) => each.state === 'leased' && each.holder === holder);
  }

  enqueue(count: number, bands: readonly number[] | undefined): { accepted: number; dropped: number[] } {
    const { maxWaiting, overflow, defaultBand } = this.policy;
    const room = Math.max(0, maxWaiting - this.waiting.length);
    const accepted = overflow === 'reject' ? Math.min(room, count) : count;
    for (let i = 0; i < accepted; i++) {
      this.messages.push({
        position: this.messages.length,
        band: bands?.[i] ?? defaultBand,
        state: 'waiting',
        holder: '',
        expiresAtMs: 0,
        deliveries: 0,
      });
    }
    const dropped: number[] = [];
    while (overflow === 'drop-head' && this.waiting.length > maxWaiting) {
      const [victim] = this.waiting.sort((a, b) => a.band - b.band || a.position - b.position);
      victim.state = 'settled';
      dropped.push(victim.position);
    }
    return { accepted, dropped };
  }

  acquire(
    holder: string,
    max: number,
    expiresAtMs: number,
    inspect: (position: number) => Verdict,
  ): { taken: number[]; expired: number[] } {
    const { maxInFlight, maxInFlightPerHolder } = this.policy;
    const room = Math.min(
      max,
      maxInFlight - this.out.length,
      maxInFlightPerHolder - this.heldBy(holder).length,
    );
    const taken: number[] = [];
    const expired: NaiveMessage[] = [];
    const inTurn = this.waiting.sort((a, b) => b.band - a.band || a.position - b.position);
    for (const message of inTurn) {
      if (taken.length >= room) break;
      const isInOrder = this.isInOrder(message, holder, expired);
      const verdict = isInOrder ? inspect(message.position) : 'skip';
      if (verdict === 'stop') break;
      if (verdict === 'expired') {
        expired.push(message);
        continue;
      }
      if (verdict === 'skip') {
        if (this.policy.order === 'strict') break;
        continue;
      }
      message.state = 'leased';
      message.holder = holder;
      message.expiresAtMs = expiresAtMs;
      message.deliveries++;
      taken.push(message.position);
    }
    for (const message of expired) message.state = 'settled';
    return { taken, expired: expired.map(({ position }) => position) };
  }

  release(message: NaiveMessage, failed: boolean, readyAtMs: number): DiscardReason | undefined {
    if (!failed) message.deliveries--;
    const { deliveryLimit } = this.policy;
    message.holder = '';
    if (failed && deliveryLimit > 0 && message.deliveries >= deliveryLimit) {
      message.state = 'settled';
      return 'delivery-limit';
    }
    message.state = readyAtMs > 0 ? 'delayed' : 'waiting';
    message.expiresAtMs = readyAtMs;
    return undefined;
  }

  /** False where it is out of reach. */
  seek(position: number): boolean {
    const { references, bands, defaultBand } = this.policy;
    const unsettled = this.messages.findIndex(({ state }) => state !== 'settled');
    const floor = unsettled < 0 ? this.messages.length : unsettled;
    if (position > this.messages.length || ((references || bands > 1) && position < floor)) return false;
    for (const message of this.messages) {
      // What waits in its band stays there, what was out or settled comes back in the one where all begin.
      if (message.state !== 'waiting') message.band = defaultBand;
      message.state = message.position < position ? 'settled' : 'waiting';
      message.holder = '';
      message.expiresAtMs = 0;
      message.deliveries = 0;
    }
    return true;
  }

  private isInOrder(message: NaiveMessage, holder: string, expired: readonly NaiveMessage[]): boolean {
    if (this.policy.order === 'none') return true;
    const isStrict = this.policy.order === 'strict';
    const same = (position: number): boolean =>
      isStrict || this.keyOf(position) === this.keyOf(message.position);
    return this.messages
      .filter((each) => each !== message && each.state !== 'settled' && same(each.position))
      .filter((each) => !expired.includes(each))
      .every((each) =>
        each.position < message.position
          ? each.state === 'leased' && each.holder === holder
          : each.state === 'waiting' || (each.state === 'leased' && each.holder === holder),
      );
  }
}
