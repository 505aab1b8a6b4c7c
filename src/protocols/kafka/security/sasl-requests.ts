/** Requests with which a client logs in. */
import type { HandlerTable } from '../handlers.ts';

export const saslHandlers = {
  saslHandshake: (_kafka, { connection, version, request }) =>
    connection.authentication.handshake(version, request.mechanism),
  saslAuthenticate: (_kafka, { connection, request }) =>
    connection.authentication.authenticate(request.authBytes),
} satisfies HandlerTable;
