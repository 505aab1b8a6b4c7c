import net from 'node:net';
import type { Clock } from '../kernel/clock.ts';
import { adoptSocket, detachFromServer } from './accept.ts';
import type { Admission } from './admission.ts';
import { addressOf, type BindTarget, bind, type ListenerAddress } from './bind.ts';
import { createDeadlines, type Deadlines } from './deadlines.ts';
import type { Log } from './log.ts';
import { plainAddress } from './proxy-protocol.ts';
import { type Peer, SocketTransport, type TransportContext } from './socket-transport.ts';
import type { Accept, ReadWindow, Transport, TransportKind } from './transport.ts';

/**
 * What every listener is made of: it binds, admits or refuses each connection before reading from it, watches the time
 * of whatever must happen before a transport exists (PROXY header, TLS and HTTP handshakes), and hands over.
 * How a kind of listener gets from a socket to a transport is in the *-listener.ts modules.
 */

export interface Page {
  readonly type: string;
  readonly body: string | Uint8Array;
  /** Sent besides those every answer has, or instead of them: the content security policy, caching. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A page for the browser, by path; undefined = there is none. */
export type Pages = (path: string) => Page | undefined;

export interface ListenerContext {
  readonly window: ReadWindow;
  readonly accept: Accept;
  readonly logger: Log;
  readonly clock: Clock;
  readonly admission: Admission;
  /** Largest WebSocket message, which is held in memory until it is complete. Default 1 MiB. */
  readonly maxMessageBytes?: number;
  readonly pages?: Pages;
  /** How long a connection may take to close after `end`. Default 5 s. */
  readonly lingerMs?: number;
  /** False: only documented parts of Node are used, at the price of a copy per read and slower writes. Default true. */
  readonly nodeInternals?: boolean;
}

export interface ListenerCounters {
  readonly open: number;
  /** In a handshake now. */
  readonly pending: number;
  readonly accepted: number;
  /** Turned away by the limits. */
  readonly refused: number;
  /** Ended in the PROXY header or the TLS or HTTP handshake, in time or not. */
  readonly failedHandshakes: number;
}

export interface Listener {
  readonly name: string;
  readonly kind: TransportKind;
  address(): ListenerAddress;
  counters(): ListenerCounters;
  /** Frees the address. Connections stay, those in a handshake too. Idempotent. */
  stopAccepting(): Promise<void>;
  /** Stops accepting, drops what is still in a handshake, and returns the open transports: ending them is the caller's decision. */
  close(): Promise<readonly Transport[]>;
  /** Reads the certificate files again. On an error, which is returned, the old ones stay in use; open connections stay in any case. */
  reload(): Error | undefined;
}

/** A connection that is not a transport yet. Ends by `finish` (handed over) or `fail`, or when the socket closes. */
export interface Phase {
  readonly socket: net.Socket;
  /** Replaces the time limit. */
  limit(timeoutMs: number, reason: string): void;
  finish(): void;
  /** It did what it came for without becoming a transport (a page was served): its end is no failure. */
  excuse(): void;
  fail(reason: string): void;
}

export interface Reception {
  readonly context: ListenerContext;
  readonly transports: TransportContext;
  beginPhase(socket: net.Socket, timeoutMs: number, reason: string): Phase;
  /** The last step for stream sockets: from here on the handler has the connection. `early` = bytes already read. */
  handOver(socket: net.Socket, peer: Peer, direct: boolean, early?: Uint8Array): void;
  /** The same for a transport of another make: counts it and asks the protocol. Undefined = refused and destroyed. */
  introduce(transport: Transport): ReturnType<Accept>;
}

export interface ListenerParts {
  readonly name: string;
  readonly kind: TransportKind;
  readonly target: BindTarget;
  readonly reload?: () => Error | undefined;
  /** A new, admitted socket; it is paused. */
  readonly arrived: (socket: net.Socket, reception: Reception) => void;
}

export function peerOf(socket: net.Socket): Peer {
  return {
    address: plainAddress(socket.remoteAddress ?? ''),
    port: socket.remotePort ?? 0,
    certificate: undefined,
    localAddress: plainAddress(socket.localAddress ?? ''),
    localPort: socket.localPort ?? 0,
  };
}

const defaultLingerMs = 5_000;
const keepAliveProbeAfterMs = 60_000;

export async function openListener(parts: ListenerParts, context: ListenerContext): Promise<Listener> {
  const { name, kind } = parts;
  const log = context.logger;
  const deadlines: Deadlines = createDeadlines(context.clock);
  const open = new Set<Transport>();
  const phases = new Set<Phase>();
  let accepted = 0;
  let refused = 0;
  let failedHandshakes = 0;
  let closing: Promise<void> | undefined;

  const transports: TransportContext = {
    kind,
    listener: name,
    window: context.window,
    deadlines,
    lingerMs: context.lingerMs ?? defaultLingerMs,
    log,
    handleWrites: kind !== 'tls' && kind !== 'wss' && context.nodeInternals !== false,
    gone: (transport) => {
      if (open.delete(transport)) context.admission.leave();
    },
  };

  const introduce = (transport: Transport): ReturnType<Accept> => {
    open.add(transport);
    try {
      const handler = context.accept(transport);
      if (handler !== undefined) return handler;
    } catch (error) {
      log.error({ err: error, listener: name }, 'a connection could not be set up');
    }
    transport.destroy();
    return undefined;
  };

  const beginPhase = (socket: net.Socket, timeoutMs: number, reason: string): Phase => {
    let excused = false;
    let cancel = deadlines.after(timeoutMs, () => phase.fail(reason));
    const leave = (): boolean => {
      cancel();
      socket.removeListener('close', onClose);
      return phases.delete(phase);
    };
    const onClose = (): void => {
      if (!leave()) return;
      if (!excused) failedHandshakes += 1;
      context.admission.leave();
    };
    const phase: Phase = {
      socket,
      limit(limitMs, limitReason) {
        cancel();
        cancel = deadlines.after(limitMs, () => phase.fail(limitReason));
      },
      finish() {
        leave();
      },
      excuse() {
        excused = true;
      },
      fail(why) {
        if (!phases.has(phase)) return;
        log.debug({ listener: name, remote: socket.remoteAddress, reason: why }, 'connection refused');
        onClose();
        socket.destroy();
      },
    };
    phases.add(phase);
    socket.once('close', onClose);
    return phase;
  };

  const handOver: Reception['handOver'] = (socket, peer, direct, early) => {
    const transport = new SocketTransport(transports, peer);
    const adopted =
      direct && context.nodeInternals !== false
        ? adoptSocket(socket, context.window.bytes, (length) => transport.arrived(length))
        : undefined;
    transport.attach(adopted ?? socket);
    const handler = introduce(transport);
    if (handler === undefined) return;
    if (adopted === undefined) socket.on('data', (chunk: Uint8Array) => transport.push(chunk));
    transport.start(handler, early);
  };

  const reception: Reception = { context, transports, beginPhase, handOver, introduce };

  const server = net.createServer(
    {
      pauseOnConnect: true,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveProbeAfterMs,
    },
    (socket) => {
      detachFromServer(socket);
      if (!context.admission.enter(name)) {
        refused += 1;
        socket.destroy();
        return;
      }
      socket.on('error', ignoreError);
      // A client that has reset the connection meanwhile has no address any more.
      if (kind !== 'unix' && socket.remoteAddress === undefined) {
        context.admission.leave();
        socket.destroy();
        return;
      }
      accepted += 1;
      parts.arrived(socket, reception);
    },
  );
  await bind(server, name, parts.target);
  const boundTo = addressOf(server);
  if (boundTo === undefined) throw new Error(`listener ${name} closed while it was starting`);
  // After the start these are failures to accept one connection (out of file descriptors, mostly): the listener goes on.
  server.on('error', (error) =>
    log.warn({ err: error, listener: name }, 'a connection could not be accepted'),
  );

  const stopAccepting = (): Promise<void> => {
    closing ??= new Promise((resolve) => {
      server.close(() => resolve());
    });
    return closing;
  };

  return {
    name,
    kind,
    address: () => boundTo,
    counters: () => ({ open: open.size, pending: phases.size, accepted, refused, failedHandshakes }),
    stopAccepting,
    async close() {
      const stopped = stopAccepting();
      for (const phase of [...phases]) phase.fail('the listener is closing');
      await stopped;
      return [...open];
    },
    reload: () => parts.reload?.(),
  };
}

/** Errors of sockets in a handshake end in 'close', which is where they are counted. */
export function ignoreError(): void {}
