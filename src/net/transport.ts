/**
 * The seam between sockets and protocols. A listener accepts, a transport carries bytes, a connection handler
 * (one per protocol) understands them. Nothing here knows a protocol; nothing above here knows a socket.
 *
 * Bytes in: every transport delivers into ONE read window that all connections share (it lies in the data
 * plane's linear memory, so that a TCP socket reads into it without a copy). The handler must be done with the
 * window when `read` returns. Bytes out: `write` borrows the views until `done` runs.
 */

/** Shared by all transports of a process; `bytes` is where input appears before `ConnectionHandler.read`. */
export interface ReadWindow {
  readonly bytes: Uint8Array;
}

export type TransportKind = 'tcp' | 'tls' | 'ws' | 'wss' | 'unix';

export interface PeerCertificate {
  readonly commonName: string;
  readonly subject: string;
  readonly fingerprint256: string;
  /** Alternative names as Node writes them: `DNS:a.example, URI:"…"`. */
  readonly subjectAltName?: string | undefined;
}

export interface Transport {
  readonly kind: TransportKind;
  /** Name of the listener that accepted it, e.g. `mqtt`. */
  readonly listener: string;
  /** After the PROXY protocol where it is configured, else of the socket. Unix sockets: '' and 0. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Of the socket: what the client dialled, as far as this host can tell. Unix sockets: '' and 0. */
  readonly localAddress: string;
  readonly localPort: number;
  /** By which the client asked for us in the TLS handshake. */
  readonly serverName: string | undefined;
  /** Present when TLS asked for and verified a client certificate. */
  readonly peerCertificate: PeerCertificate | undefined;
  /**
   * Writes the views in order. At most one write is under way: call again only after `done`.
   * The views stay untouched until `done` runs; `done` runs exactly once, also when the connection fails.
   * It may run synchronously, inside `write`, when the kernel took all bytes at once.
   */
  write(views: readonly Uint8Array[], done: () => void): void;
  /** Stops and restarts reading (back-pressure by the TCP window). Idempotent. */
  pause(): void;
  resume(): void;
  /** Sends FIN once what was written has left; destroys after `lingerMs` at the latest. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

export interface ConnectionHandler {
  /** `length` bytes are at the start of the read window. They are gone when this returns. */
  read(length: number): void;
  /** The transport is gone; called exactly once, after the last `read`. */
  closed(error: Error | undefined): void;
}

/** Called for each accepted connection; undefined refuses it (the transport is then destroyed). */
export type Accept = (transport: Transport) => ConnectionHandler | undefined;
