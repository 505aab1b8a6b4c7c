/**
 * A channel that stores nothing: messages wait for their one reader in a buffer with a bound in number and in
 * bytes. When it is full the policy decides: the oldest go, the new one goes, or the reader is given up as too slow
 * (`overrun`: the channel is closed, empty, and takes nothing more). Order is that of arrival.
 */
export type SlowConsumerPolicy = 'drop-oldest' | 'drop-newest' | 'disconnect';

export interface ChannelLimits {
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly whenFull: SlowConsumerPolicy;
}

const SMALLEST = 8;

export class VolatileChannel<T> {
  private readonly limits: ChannelLimits;
  private ring: ({ readonly message: T; readonly bytes: number } | undefined)[] = [];
  private head = 0;
  private count = 0;
  private waitingBytes = 0;
  private droppedMessages = 0;
  private closed = false;

  constructor(limits: ChannelLimits) {
    this.limits = limits;
  }

  get stats(): {
    readonly messages: number;
    readonly bytes: number;
    readonly dropped: number;
    readonly isOverrun: boolean;
  } {
    return {
      messages: this.count,
      bytes: this.waitingBytes,
      dropped: this.droppedMessages,
      isOverrun: this.closed,
    };
  }

  /** `kept` though older ones may have gone for it. */
  push(message: T, bytes: number): 'kept' | 'dropped' | 'overrun' {
    const { maxMessages, maxBytes, whenFull } = this.limits;
    const fits = (): boolean => this.count < maxMessages && this.waitingBytes + bytes <= maxBytes;
    if (this.closed) return this.drop('overrun');
    if (!fits() && whenFull === 'disconnect') {
      this.droppedMessages += this.count;
      this.closed = true;
      this.empty();
      return this.drop('overrun');
    }
    if (!fits() && (whenFull === 'drop-newest' || bytes > maxBytes)) return this.drop('dropped');
    while (!fits() && this.shift() !== undefined) this.droppedMessages++;
    if (!fits()) return this.drop('dropped');
    if (this.count === this.ring.length) this.grow();
    this.ring[(this.head + this.count) % this.ring.length] = { message, bytes };
    this.count++;
    this.waitingBytes += bytes;
    return 'kept';
  }

  take(max: number): T[] {
    const taken: T[] = [];
    while (taken.length < max) {
      const first = this.shift();
      if (first === undefined) break;
      taken.push(first.message);
    }
    if (this.count === 0) this.empty();
    return taken;
  }

  private drop<R>(result: R): R {
    this.droppedMessages++;
    return result;
  }

  private shift(): { readonly message: T; readonly bytes: number } | undefined {
    if (this.count === 0) return undefined;
    const first = this.ring[this.head];
    this.ring[this.head] = undefined;
    this.head = (this.head + 1) % this.ring.length;
    this.count--;
    this.waitingBytes -= first?.bytes ?? 0;
    return first;
  }

  private empty(): void {
    if (this.ring.length > SMALLEST) this.ring = [];
    else this.ring.fill(undefined);
    this.head = this.count = this.waitingBytes = 0;
  }

  private grow(): void {
    const inOrder = [...this.ring.slice(this.head), ...this.ring.slice(0, this.head)];
    const length = Math.max(SMALLEST, inOrder.length * 2);
    this.ring = [...inOrder, ...new Array(length - inOrder.length).fill(undefined)];
    this.head = 0;
  }
}
