/** Requests with which a client logs in. */
import type { HandlerTable } from '../handlers.ts';

export const saslHandlers = {
  saslHandshake: (_kafka, { connection, version, clientId, request }) =>
    connection.authentication.handshake(version, request.mechanism, clientId),
  saslAuthenticate: (_kafka, { connection, request }) =>
    connection.authentication.authenticate(request.authBytes),
} satisfies HandlerTable;
