/** What front-ends tell of their clients, and how that becomes events: protocols know this interface, and not the events. */
import type { Events } from './events.ts';

/** Who it is about, as far as it is known. */
export interface ObservedClient {
  readonly protocol: string;
  readonly listener: string;
  readonly address: string;
  readonly clientId: string | null | undefined;
  /** Only of somebody who was let in: others type passwords there. */
  readonly user: string | undefined;
  readonly tenant?: string | undefined;
}

/** Called when things have happened; keeps nothing of its arguments but strings. */
export interface ClientEvents {
  connected(client: ObservedClient): void;
  disconnected(client: ObservedClient, reason: string): void;
  refused(client: ObservedClient, reason: string): void;
  /** Its session is another connection's now, `client`'s. */
  takenOver(client: ObservedClient): void;
  sessionExpired(protocol: string, clientId: string, user: string | undefined, tenant?: string): void;
  subscribed(client: ObservedClient, filter: string): void;
  unsubscribed(client: ObservedClient, filter: string): void;
}

const nothing = (): void => {};

/** Where nobody is to be told. */
export const unobserved: ClientEvents = {
  connected: nothing,
  disconnected: nothing,
  refused: nothing,
  takenOver: nothing,
  sessionExpired: nothing,
  subscribed: nothing,
  unsubscribed: nothing,
};

export function clientEvents({ note }: Pick<Events, 'note'>): ClientEvents {
  return {
    connected: (client) => note('client.connected', client),
    disconnected: (client, reason) => note('client.disconnected', client, reason),
    refused: (client, reason) => note('client.refused', client, reason),
    takenOver: (client) => note('session.taken-over', client),
    sessionExpired: (protocol, clientId, user, tenant) =>
      note('session.expired', { protocol, clientId, user, tenant }),
    subscribed: (client, filter) => note('client.subscribed', client, undefined, filter),
    unsubscribed: (client, filter) => note('client.unsubscribed', client, undefined, filter),
  };
}
