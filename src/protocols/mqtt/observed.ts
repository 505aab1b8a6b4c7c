import type { ObservedClient } from '../../events/client-events.ts';
import type { Connection } from './connection.ts';

/** As events name the client of a connection. `clientId`: what it asks for while it has no session. */
export function observed({ transport, session, identity }: Connection, clientId?: string): ObservedClient {
  return {
    protocol: 'mqtt',
    listener: transport.listener,
    address: transport.remoteAddress,
    clientId: session?.clientId ?? identity?.clientId ?? clientId,
    user: identity?.userName,
  };
}
