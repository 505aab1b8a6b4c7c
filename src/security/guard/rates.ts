/**
 * How fast: connections of an address and of a listener, messages and bytes of a client, a listener and a tenant. What was
 * received is charged, and who is above its rate is not read for as long as that takes to pay: nobody is let wait in memory.
 */
import type { Clock } from '../../kernel/clock.ts';
import { TokenBucket } from '../../kernel/rate-limiter.ts';
import { peerKey } from '../networks.ts';
import type { TenantAccounts } from '../tenants/limits.ts';

/** 0 is no limit, everywhere here. */
export interface RatesConfig {
  readonly client: MessageRates;
  readonly address: ConnectionLimits;
  readonly listeners: readonly ({ readonly listener: string } & MessageRates & ConnectionLimits)[];
}

export interface MessageRates {
  readonly maxMessagesPerSecond: number;
  readonly maxBytesPerSecond: number;
}

export interface ConnectionLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerSecond: number;
}

export interface Meter {
  /** For what was received: how long to read nothing more; 0 = go on. */
  charge(messages: number, bytes: number): number;
}

export type Admitted = 'admitted' | 'too many' | 'too fast';

export interface Rates {
  /** 'admitted': the caller owes one `leave`. */
  enter(listener: string, remoteAddress: string): Admitted;
  leave(listener: string, remoteAddress: string): void;
  /** undefined: nothing limits it. */
  meterOf(listener: string, tenant: string): Meter | undefined;
  counters(): { readonly tooMany: number; readonly tooFast: number; readonly throttled: number };
}

interface Door {
  open: number;
  readonly bucket: TokenBucket;
}

/** Addresses without a connection whose rate is still known. */
const MAX_IDLE = 65_536;

class Doors {
  private readonly limits: ConnectionLimits;
  private readonly clock: Clock;
  private readonly open = new Map<string, Door>();
  /** Who has not been here longest comes first, and is forgotten first. */
  private readonly idle = new Map<string, Door>();

  constructor(limits: ConnectionLimits, clock: Clock) {
    this.limits = limits;
    this.clock = clock;
  }

  get isLimited(): boolean {
    return this.limits.maxConnections > 0 || this.limits.maxConnectionsPerSecond > 0;
  }

  /** undefined: somebody may enter, and has to. */
  refusal(key: string): Exclude<Admitted, 'admitted'> | undefined {
    const { maxConnections, maxConnectionsPerSecond } = this.limits;
    const door = this.open.get(key) ?? this.idle.get(key);
    if (maxConnections > 0 && (door?.open ?? 0) >= maxConnections) return 'too many';
    if (door !== undefined && maxConnectionsPerSecond > 0 && door.bucket.waitMs() > 0) return 'too fast';
    return undefined;
  }

  enter(key: string): void {
    let door = this.open.get(key);
    if (door === undefined) {
      door = this.idle.get(key) ?? {
        open: 0,
        bucket: new TokenBucket(this.clock, this.limits.maxConnectionsPerSecond),
      };
      this.idle.delete(key);
      this.open.set(key, door);
    }
    door.open++;
    door.bucket.tryTake();
  }

  leave(key: string): void {
    const door = this.open.get(key);
    if (door === undefined) return;
    door.open--;
    if (door.open > 0) return;
    this.open.delete(key);
    const [first] = this.idle.keys();
    if (this.idle.size >= MAX_IDLE && first !== undefined) this.idle.delete(first);
    this.idle.set(key, door);
  }
}

interface Buckets {
  readonly messages: TokenBucket;
  readonly bytes: TokenBucket;
}

function bucketsOf(
  { maxMessagesPerSecond, maxBytesPerSecond }: MessageRates,
  clock: Clock,
): Buckets | undefined {
  if (maxMessagesPerSecond === 0 && maxBytesPerSecond === 0) return undefined;
  return {
    messages: new TokenBucket(clock, maxMessagesPerSecond),
    bytes: new TokenBucket(clock, maxBytesPerSecond),
  };
}

export function createRates(config: RatesConfig, clock: Clock, tenants: TenantAccounts): Rates {
  const addresses = new Doors(config.address, clock);
  const listeners = new Map(
    config.listeners.map((each) => [
      each.listener,
      { doors: new Doors(each, clock), buckets: bucketsOf(each, clock) },
    ]),
  );
  let tooMany = 0;
  let tooFast = 0;
  let throttled = 0;

  return {
    enter(listener, remoteAddress) {
      const own = listeners.get(listener)?.doors;
      const key = addresses.isLimited ? peerKey(remoteAddress) : '';
      // A Unix socket has no address that could tell clients apart.
      const isAddress = addresses.isLimited && key !== '';
      const refusal = (isAddress ? addresses.refusal(key) : undefined) ?? own?.refusal('');
      if (refusal !== undefined) {
        if (refusal === 'too many') tooMany++;
        else tooFast++;
        return refusal;
      }
      if (isAddress) addresses.enter(key);
      own?.enter('');
      return 'admitted';
    },
    leave(listener, remoteAddress) {
      if (addresses.isLimited) addresses.leave(peerKey(remoteAddress));
      listeners.get(listener)?.doors.leave('');
    },
    meterOf(listener, tenant) {
      const all = [
        bucketsOf(config.client, clock),
        listeners.get(listener)?.buckets,
        tenants.ratesOf(tenant),
      ].filter((buckets) => buckets !== undefined);
      if (all.length === 0) return undefined;
      return {
        charge(messages, bytes) {
          let wait = 0;
          for (const each of all) {
            wait = Math.max(wait, each.messages.charge(messages), each.bytes.charge(bytes));
          }
          if (wait > 0) throttled++;
          return wait;
        },
      };
    },
    counters: () => ({ tooMany, tooFast, throttled }),
  };
}
