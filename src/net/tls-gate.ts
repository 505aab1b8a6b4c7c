import type net from 'node:net';
import tls from 'node:tls';
import type { TlsListenerConfig } from '../config/config.ts';
import { ignoreError, type ListenerContext, type Phase } from './listener.ts';
import type { Peer } from './socket-transport.ts';
import { contextFor, loadTlsMaterial, peerCertificateOf } from './tls-material.ts';

/** Called once the handshake is complete, with the client's certificate in `peer` if one was verified. */
export type TlsContinuation = (phase: Phase, socket: tls.TLSSocket, peer: Peer) => void;

export interface TlsGate {
  /** `early` = what was read behind a PROXY header: the start of the handshake. */
  enter(phase: Phase, peer: Peer, early: Uint8Array | undefined, proceed: TlsContinuation): void;
  reload(): Error | undefined;
}

interface Handshake {
  readonly phase: Phase;
  readonly peer: Peer;
  readonly proceed: TlsContinuation;
}

/** Identifies a connection by its two ends: node:tls does not tell which socket a TLS socket was built on. */
function endsOf(socket: net.Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress} ${socket.localPort}`;
}

/** Throws a ListenError when a file is missing or wrong. */
export function createTlsGate(
  name: string,
  config: TlsListenerConfig,
  alpnProtocol: string,
  context: ListenerContext,
): TlsGate {
  const settings = config.tls;
  const load = (): ReturnType<typeof loadTlsMaterial> => {
    const loaded = loadTlsMaterial(name, settings, context.clock.wallMs());
    for (const warning of loaded.warnings) context.logger.warn({ listener: name }, warning);
    return loaded;
  };
  let material = load();
  const handshakes = new Map<string, Handshake>();

  // Never listens: sockets are given to it, so that the PROXY header can come first and all kinds of listener accept alike.
  const server = tls.createServer({
    ...material.options,
    ALPNProtocols: [alpnProtocol],
    requestCert: settings.clientCertificate !== 'none',
    rejectUnauthorized: settings.clientCertificate === 'require',
    SNICallback: (serverName, callback) => callback(null, contextFor(material, serverName)),
  });
  server.on('secureConnection', (socket) => {
    const ends = endsOf(socket);
    const handshake = handshakes.get(ends);
    handshakes.delete(ends);
    socket.on('error', ignoreError);
    if (handshake === undefined) {
      socket.destroy();
      return;
    }
    socket.disableRenegotiation();
    const serverName = typeof socket.servername === 'string' ? socket.servername : undefined;
    const certificate = peerCertificateOf(socket);
    handshake.proceed(handshake.phase, socket, { ...handshake.peer, certificate, serverName });
  });
  server.on('tlsClientError', (error, socket) => {
    socket.on('error', ignoreError);
    handshakes.get(endsOf(socket))?.phase.fail(`TLS handshake: ${error.message}`);
    socket.destroy();
  });

  return {
    enter(phase, peer, early, proceed) {
      const raw = phase.socket;
      const ends = endsOf(raw);
      const handshake = { phase, peer, proceed };
      handshakes.set(ends, handshake);
      raw.once('close', () => {
        if (handshakes.get(ends) === handshake) handshakes.delete(ends);
      });
      if (early !== undefined && early.length > 0) raw.unshift(early);
      server.emit('connection', raw);
    },
    reload() {
      try {
        const loaded = load();
        server.setSecureContext(loaded.options);
        material = loaded;
        context.logger.info({ listener: name }, 'certificates reloaded');
        return undefined;
      } catch (error) {
        const fault = error instanceof Error ? error : new Error(String(error));
        context.logger.error(
          { err: fault, listener: name },
          'certificates not reloaded, the old ones stay in use',
        );
        return fault;
      }
    },
  };
}
