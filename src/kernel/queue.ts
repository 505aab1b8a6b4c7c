/**
 * What waits for one session: a bounded FIFO of references to messages, in memory. It does not know who takes
 * from it, and it holds nothing that is in flight.
 *
 * Bounds: messages and bytes. When a delivery does not fit, QoS 0 gives way first, oldest first; then
 * `drop-oldest` gives up what has waited longest, `drop-newest` the delivery that just came. A QoS 0 delivery never
 * displaces QoS 1 or 2. Whatever `push` gave up it returns. `unshift` always succeeds: it returns what was taken
 * before, so the bounds may be passed by as much as the caller had in flight. Expired messages are skipped, and
 * reported, by `peek` and `take`. All operations are O(1) amortized (`unshift` of QoS 0: the next drop may
 * scan the queue once).
 *
 * Inside: a ring that doubles. Dropping from the middle leaves a hole, and holes are squeezed out before the
 * ring would grow for them. A queue that was never used holds no ring, an emptied one a small ring at most.
 */
import { deliveryBytes, type QueuedDelivery } from './delivery.ts';

export interface QueueLimits {
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly overflow: 'drop-oldest' | 'drop-newest';
}

const NOTHING: readonly QueuedDelivery[] = Object.freeze([]);
const NO_RING: (QueuedDelivery | undefined)[] = [];
const SMALLEST_RING = 8;
const RING_KEPT_WHEN_EMPTY = 64;

export class DeliveryQueue {
  private readonly limits: QueueLimits;
  private readonly onExpired: ((delivery: QueuedDelivery) => void) | undefined;
  /** Length is zero or a power of two. Positions count up from `head` (inclusive) to `tail` and are masked. */
  private ring = NO_RING;
  private head = 0;
  private tail = 0;
  private live = 0;
  private liveBytes = 0;
  private qos0Count = 0;
  private qos0Bytes = 0;
  /** No QoS 0 delivery lies before this position. */
  private qos0From = 0;

  /** `onExpired` hears of each delivery that `peek` or `take` skipped because its message has expired. */
  constructor(limits: QueueLimits, onExpired?: (delivery: QueuedDelivery) => void) {
    this.limits = limits;
    this.onExpired = onExpired;
  }

  get length(): number {
    return this.live;
  }

  get bytes(): number {
    return this.liveBytes;
  }

  /** Appends, and returns what was given up for it: older deliveries, or the new one itself. */
  push(delivery: QueuedDelivery): readonly QueuedDelivery[] {
    const size = deliveryBytes(delivery);
    if (this.fits(size, 0, 0)) {
      this.append(delivery, size);
      return NOTHING;
    }
    const { maxMessages, maxBytes, overflow } = this.limits;
    const dropped: QueuedDelivery[] = [];
    const roomWithoutQos0 = this.fits(size, this.qos0Count, this.qos0Bytes);
    const refused =
      maxMessages < 1 ||
      size > maxBytes ||
      (delivery.qos === 0 && overflow === 'drop-newest') ||
      (!roomWithoutQos0 && (delivery.qos === 0 || overflow === 'drop-newest'));
    if (refused) {
      dropped.push(delivery);
      return dropped;
    }
    while (this.qos0Count > 0 && !this.fits(size, 0, 0)) dropped.push(this.dropOldestQos0());
    while (!this.fits(size, 0, 0)) {
      const oldest = this.shift();
      if (oldest === undefined) break;
      dropped.push(oldest);
    }
    this.append(delivery, size);
    return dropped;
  }

  /** Puts back in front what was taken: redelivery. Never refused. */
  unshift(delivery: QueuedDelivery): void {
    this.makeRoom();
    this.head--;
    this.ring[this.head & (this.ring.length - 1)] = delivery;
    this.count(delivery, 1);
    if (delivery.qos === 0) this.qos0From = this.head;
  }

  /** The next delivery, left in place. `nowMs` is wall-clock time. */
  peek(nowMs: number): QueuedDelivery | undefined {
    for (;;) {
      const first = this.first();
      if (first === undefined || !hasExpired(first, nowMs)) return first;
      this.shift();
      this.onExpired?.(first);
    }
  }

  take(nowMs: number): QueuedDelivery | undefined {
    const first = this.peek(nowMs);
    if (first !== undefined) this.shift();
    return first;
  }

  clear(): void {
    this.ring = NO_RING;
    this.head = this.tail = this.qos0From = 0;
    this.live = this.liveBytes = this.qos0Count = this.qos0Bytes = 0;
  }

  /** In order, expired ones included. The queue must not change meanwhile. */
  *[Symbol.iterator](): IterableIterator<QueuedDelivery> {
    for (let at = this.head; at < this.tail; at++) {
      const delivery = this.at(at);
      if (delivery !== undefined) yield delivery;
    }
  }

  private at(position: number): QueuedDelivery | undefined {
    return this.ring[position & (this.ring.length - 1)];
  }

  private fits(size: number, lessMessages: number, lessBytes: number): boolean {
    return (
      this.live - lessMessages + 1 <= this.limits.maxMessages &&
      this.liveBytes - lessBytes + size <= this.limits.maxBytes
    );
  }

  private count(delivery: QueuedDelivery, sign: 1 | -1, size = deliveryBytes(delivery)): void {
    this.live += sign;
    this.liveBytes += sign * size;
    if (delivery.qos === 0) {
      this.qos0Count += sign;
      this.qos0Bytes += sign * size;
    }
  }

  private append(delivery: QueuedDelivery, size: number): void {
    this.makeRoom();
    this.ring[this.tail & (this.ring.length - 1)] = delivery;
    // With no other QoS 0 waiting the search need not start further back than here.
    if (delivery.qos === 0 && this.qos0Count === 0) this.qos0From = this.tail;
    this.tail++;
    this.count(delivery, 1, size);
  }

  private first(): QueuedDelivery | undefined {
    while (this.head < this.tail) {
      const delivery = this.at(this.head);
      if (delivery !== undefined) return delivery;
      this.head++;
    }
    return undefined;
  }

  private shift(): QueuedDelivery | undefined {
    const delivery = this.first();
    if (delivery === undefined) return undefined;
    this.remove(this.head++, delivery);
    return delivery;
  }

  private dropOldestQos0(): QueuedDelivery {
    for (let at = Math.max(this.qos0From, this.head); at < this.tail; at++) {
      const delivery = this.at(at);
      if (delivery === undefined || delivery.qos !== 0) continue;
      this.qos0From = at + 1;
      this.remove(at, delivery);
      return delivery;
    }
    throw new Error('the count of QoS 0 deliveries is wrong');
  }

  private remove(position: number, delivery: QueuedDelivery): void {
    this.ring[position & (this.ring.length - 1)] = undefined;
    this.count(delivery, -1);
    if (this.live > 0) return;
    if (this.ring.length > RING_KEPT_WHEN_EMPTY) this.ring = NO_RING;
    this.head = this.tail = this.qos0From = 0;
  }

  private makeRoom(): void {
    const { ring, head, tail } = this;
    if (tail - head < ring.length) return;
    const mostlyHoles = ring.length > 0 && this.live <= ring.length / 2;
    const length = mostlyHoles ? ring.length : Math.max(SMALLEST_RING, ring.length * 2);
    const moved = new Array<QueuedDelivery | undefined>(length);
    let to = 0;
    let qos0From = 0;
    for (let at = head; at < tail; at++) {
      const delivery = this.at(at);
      if (at === this.qos0From) qos0From = to;
      if (delivery !== undefined) moved[to++] = delivery;
    }
    this.qos0From = this.qos0From >= tail ? to : qos0From;
    this.ring = moved;
    this.head = 0;
    this.tail = to;
  }
}

function hasExpired(delivery: QueuedDelivery, nowMs: number): boolean {
  const { expiresAtMs } = delivery.message;
  return expiresAtMs !== 0 && expiresAtMs <= nowMs;
}
