/**
 * The keys that an issuer publishes (JWKS), fetched when they are needed and kept. While the issuer does not answer, keys
 * count for `ttlMs` after they were last seen, and new ones are unknown; then no token is taken. However many tokens name keys
 * that are not there, it is asked once per `minFetchIntervalMs`, by one request at a time.
 */
import type { Clock } from '../../kernel/clock.ts';
import { type JwtKey, keyOfJwk } from './keys.ts';

export interface KeySetOptions {
  readonly clock: Clock;
  /** Gives the published object; rejects where there is none. */
  fetch(): Promise<unknown>;
  /** Keys older than this are fetched again while they are used. */
  readonly refreshMs: number;
  readonly ttlMs: number;
  readonly minFetchIntervalMs: number;
  readonly failed: (error: unknown) => void;
}

export interface KeySet {
  /** undefined: there are none that still count. `isKnown` says whether the right one is among them. */
  keys(isKnown: (keys: readonly JwtKey[]) => boolean): Promise<readonly JwtKey[] | undefined>;
}

const MAX_KEYS = 64;

export function createKeySet(options: KeySetOptions): KeySet {
  const { clock, refreshMs, ttlMs, minFetchIntervalMs } = options;
  let current: readonly JwtKey[] = [];
  let seenAtMs = Number.NEGATIVE_INFINITY;
  let triedAtMs = Number.NEGATIVE_INFINITY;
  let underWay: Promise<void> | undefined;

  const fetchNow = async (): Promise<void> => {
    try {
      const answer = await options.fetch();
      const published = (answer as { readonly keys?: unknown } | null)?.keys;
      if (!Array.isArray(published) || published.length > MAX_KEYS) throw new Error('not a set of keys');
      const keys = published.map(keyOfJwk).filter((key) => key !== undefined);
      if (keys.length === 0) throw new Error('a set without a key that we can use');
      current = keys;
      seenAtMs = clock.monotonicMs();
    } catch (error) {
      options.failed(error);
    }
  };

  const refresh = (): Promise<void> => {
    if (underWay !== undefined) return underWay;
    if (clock.monotonicMs() - triedAtMs < minFetchIntervalMs) return Promise.resolve();
    triedAtMs = clock.monotonicMs();
    underWay = fetchNow().finally(() => {
      underWay = undefined;
    });
    return underWay;
  };

  const ageMs = (): number => clock.monotonicMs() - seenAtMs;

  return {
    async keys(isKnown) {
      if (ageMs() >= ttlMs || !isKnown(current)) await refresh();
      else if (ageMs() >= refreshMs) refresh().catch(() => {});
      return ageMs() < ttlMs ? current : undefined;
    },
  };
}
