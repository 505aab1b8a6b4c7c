/**
 * What was found out about a password, remembered for a while under an HMAC whose key is this process's own: clients that
 * come back together are one question, and those who were right are not asked again at once.
 */
import { createHmac, randomBytes } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';

export interface KnownPasswords<T> {
  /** `parts` say whose password it is, and what it is. Rejects with what `work` rejects with. */
  ask(parts: readonly Uint8Array[], work: () => Promise<T>): Promise<T>;
  clear(): void;
}

export interface KnownPasswordsOptions<T> {
  readonly clock: Clock;
  /** 0: nothing is remembered. */
  readonly ttlMs: number;
  readonly isKept: (found: T) => boolean;
}

const MAX_KNOWN = 16_384;

export function createKnownPasswords<T>({
  clock,
  ttlMs,
  isKept,
}: KnownPasswordsOptions<T>): KnownPasswords<T> {
  const key = randomBytes(32);
  const known = new Map<string, { readonly found: T; readonly untilMs: number }>();
  const underWay = new Map<string, Promise<T>>();
  let generation = 0;

  const tagOf = (parts: readonly Uint8Array[]): string => {
    const hmac = createHmac('sha256', key);
    const length = Buffer.alloc(4);
    for (const part of parts) {
      length.writeUInt32BE(part.length);
      hmac.update(length).update(part);
    }
    return hmac.digest('base64');
  };

  const remember = (tag: string, found: T): void => {
    if (known.size >= MAX_KNOWN) {
      for (const oldest of known.keys()) {
        known.delete(oldest);
        break;
      }
    }
    known.delete(tag);
    known.set(tag, { found, untilMs: clock.monotonicMs() + ttlMs });
  };

  return {
    async ask(parts, work) {
      const tag = tagOf(parts);
      const before = known.get(tag);
      if (before !== undefined) {
        if (clock.monotonicMs() < before.untilMs) return before.found;
        known.delete(tag);
      }
      let asking = underWay.get(tag);
      if (asking === undefined) {
        asking = work().finally(() => underWay.delete(tag));
        underWay.set(tag, asking);
      }
      const asked = generation;
      const found = await asking;
      if (ttlMs > 0 && asked === generation && isKept(found)) remember(tag, found);
      return found;
    },
    clear() {
      generation++;
      known.clear();
    },
  };
}
