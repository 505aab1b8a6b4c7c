/**
 * Clients that come and go all the time are kept out for a while: each connection costs more than what it brings. Only those
 * count that had been let in, so that nobody can have somebody else banned without the credentials. Of more clients than the
 * table holds the one that was first seen longest ago is forgotten.
 */
import type { Clock } from '../../kernel/clock.ts';
import type { Bans } from './bans.ts';

export interface FlappingConfig {
  /** Disconnects in the window that bring a ban; 0 is never. */
  readonly maxDisconnects: number;
  readonly windowMs: number;
  readonly banMs: number;
  readonly maxClients: number;
}

export interface Flapping {
  /** A client that had been let in is gone. True where it is banned now. */
  disconnected(tenant: string, clientId: string): boolean;
  tracked(): number;
}

interface Seen {
  readonly sinceMs: number;
  count: number;
}

export function createFlapping(config: FlappingConfig, clock: Clock, bans: Bans): Flapping {
  const seen = new Map<string, Seen>();
  return {
    disconnected(tenant, clientId) {
      if (config.maxDisconnects === 0) return false;
      const key = `${tenant}\0${clientId}`;
      const nowMs = clock.monotonicMs();
      let client = seen.get(key);
      if (client === undefined || nowMs - client.sinceMs > config.windowMs) {
        seen.delete(key);
        const [oldest] = seen.keys();
        if (seen.size >= config.maxClients && oldest !== undefined) seen.delete(oldest);
        client = { sinceMs: nowMs, count: 0 };
        seen.set(key, client);
      }
      client.count++;
      if (client.count < config.maxDisconnects) return false;
      seen.delete(key);
      bans.addTemporary({
        kind: 'client',
        value: clientId,
        tenant,
        reason: `disconnected ${config.maxDisconnects} times in ${config.windowMs} ms`,
        by: 'flapping detection',
        expiresAtMs: clock.wallMs() + config.banMs,
      });
      return true;
    },
    tracked: () => seen.size,
  };
}
