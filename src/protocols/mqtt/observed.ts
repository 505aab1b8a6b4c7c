import type { ObservedClient } from '../../events/client-events.ts';
import type { Connection } from './connection.ts';

/** As events name the client of a connection, and as it calls itself. `clientId`: what it asks for until it is let in. */
export function observed({ transport, identity }: Connection, clientId?: string): ObservedClient {
  return {
    protocol: 'mqtt',
    listener: transport.listener,
    address: transport.remoteAddress,
    clientId: identity?.clientId ?? clientId,
    user: identity?.userName,
    tenant: identity?.tenant,
  };
}
