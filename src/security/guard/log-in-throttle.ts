/**
 * Log-ins that fail: after a number of them in a window a user name, or an address, is not asked again for a while. Names that
 * no user has count the same, so that nothing tells them apart. Of more names than the table holds further ones share counters
 * by their hash: some are kept waiting too early then, none too late.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import { peerKey } from '../networks.ts';

export interface LogInConfig {
  /** Failures in the window before a user name is locked; 0 is never. */
  readonly maxFailures: number;
  /** The same for an address, behind which there may be many clients. */
  readonly maxFailuresPerAddress: number;
  readonly windowMs: number;
  readonly lockMs: number;
  /** Names, and addresses, with a counter of their own. */
  readonly maxTracked: number;
}

export interface LogInThrottle {
  /** How long to wait before the credentials are looked at; 0 is now. */
  waitMs(userName: string | undefined, remoteAddress: string): number;
  failed(userName: string | undefined, remoteAddress: string): void;
  /** Forgives the user name, not the address: who knows one password is not let guess others. */
  succeeded(userName: string | undefined): void;
  /** How many have failed since the start. */
  failures(): number;
  /** How often somebody was locked. */
  locks(): number;
}

interface Failures {
  sinceMs: number;
  count: number;
  lockedUntilMs: number;
}

const SHARED_COUNTERS = 1024;
const MAX_KEY_CHARS = 64;

/** Short, however long the name is that somebody sent. */
const short = (name: string): string =>
  name.length <= MAX_KEY_CHARS ? name : createHash('sha256').update(name).digest('base64');

function sharedCounter(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 16)) & (SHARED_COUNTERS - 1);
}

class FailureTable {
  locks = 0;
  private readonly config: LogInConfig;
  private readonly maxFailures: number;
  private readonly clock: Clock;
  /** Those whose window began first come first. */
  private readonly own = new Map<string, Failures>();
  private readonly shared = new Map<number, Failures>();

  constructor(config: LogInConfig, maxFailures: number, clock: Clock) {
    this.config = config;
    this.maxFailures = maxFailures;
    this.clock = clock;
  }

  waitMs(key: string): number {
    if (this.maxFailures === 0) return 0;
    const ownUntilMs = this.own.get(key)?.lockedUntilMs ?? 0;
    const sharedUntilMs = this.shared.get(sharedCounter(key))?.lockedUntilMs ?? 0;
    return Math.max(0, Math.ceil(Math.max(ownUntilMs, sharedUntilMs) - this.clock.monotonicMs()));
  }

  fail(key: string): void {
    if (this.maxFailures === 0) return;
    const nowMs = this.clock.monotonicMs();
    const found = this.counterFor(key, nowMs);
    if (found.lockedUntilMs > nowMs) return;
    if (nowMs - found.sinceMs > this.config.windowMs || found.lockedUntilMs > 0) {
      found.sinceMs = nowMs;
      found.count = 0;
      found.lockedUntilMs = 0;
      if (this.own.delete(key)) this.own.set(key, found);
    }
    found.count++;
    if (found.count < this.maxFailures) return;
    found.lockedUntilMs = nowMs + this.config.lockMs;
    this.locks++;
  }

  forgive(key: string): void {
    this.own.delete(key);
  }

  private counterFor(key: string, nowMs: number): Failures {
    const known = this.own.get(key);
    if (known !== undefined) return known;
    const fresh: Failures = { sinceMs: nowMs, count: 0, lockedUntilMs: 0 };
    this.dropOver(nowMs);
    if (this.own.size < this.config.maxTracked) {
      this.own.set(key, fresh);
      return fresh;
    }
    const number = sharedCounter(key);
    const counter = this.shared.get(number) ?? fresh;
    this.shared.set(number, counter);
    return counter;
  }

  /** From the front, until one still counts. */
  private dropOver(nowMs: number): void {
    for (const [key, { sinceMs, lockedUntilMs }] of this.own) {
      if (nowMs - sinceMs <= this.config.windowMs || lockedUntilMs > nowMs) return;
      this.own.delete(key);
    }
  }
}

export function createLogInThrottle(config: LogInConfig, clock: Clock): LogInThrottle {
  const users = new FailureTable(config, config.maxFailures, clock);
  const addresses = new FailureTable(config, config.maxFailuresPerAddress, clock);
  let failures = 0;
  return {
    waitMs(userName, remoteAddress) {
      const ofUser = userName === undefined ? 0 : users.waitMs(short(userName));
      const ofAddress = remoteAddress === '' ? 0 : addresses.waitMs(peerKey(remoteAddress));
      return Math.max(ofUser, ofAddress);
    },
    failed(userName, remoteAddress) {
      failures++;
      if (userName !== undefined) users.fail(short(userName));
      // Unix sockets have none that would tell their clients apart.
      if (remoteAddress !== '') addresses.fail(peerKey(remoteAddress));
    },
    succeeded(userName) {
      if (userName !== undefined) users.forgive(short(userName));
    },
    failures: () => failures,
    locks: () => users.locks + addresses.locks,
  };
}
