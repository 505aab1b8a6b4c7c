import type { ClientEvents, ObservedClient } from '../../events/client-events.ts';
import type { Principal } from '../../security/security.ts';

interface Visible {
  readonly listener: string;
  readonly remoteAddress: string;
  readonly clientId: string | null;
  readonly identity: Principal | undefined;
}

const described = ({ listener, remoteAddress, clientId, identity }: Visible): ObservedClient => ({
  protocol: 'kafka',
  listener,
  address: remoteAddress,
  clientId,
  user: identity?.userName,
  tenant: identity?.tenant,
});

/** What events tell of one connection: it is a client once a request of somebody who was let in is served. */
export class Observation {
  readonly #events: ClientEvents;
  #isClient = false;
  #endReason: string | undefined;

  constructor(events: ClientEvents) {
    this.#events = events;
  }

  served(connection: Visible): void {
    if (this.#isClient) return;
    this.#isClient = true;
    this.#events.connected(described(connection));
  }

  ends(reason: string): void {
    this.#endReason ??= reason;
  }

  closed(connection: Visible): void {
    const reason = this.#endReason;
    if (this.#isClient) this.#events.disconnected(described(connection), reason ?? 'by the client, or lost');
    else if (reason !== undefined) this.#events.refused(described(connection), reason);
  }
}
