import type net from 'node:net';
import type { Deadlines } from './deadlines.ts';
import { writeToHandle } from './handle-write.ts';
import { Inlet } from './inlet.ts';
import type { Log } from './log.ts';
import type {
  ConnectionHandler,
  PeerCertificate,
  ReadWindow,
  Transport,
  TransportKind,
} from './transport.ts';

/** What all transports of one listener have in common. */
export interface TransportContext {
  readonly kind: TransportKind;
  readonly listener: string;
  readonly window: ReadWindow;
  readonly deadlines: Deadlines;
  readonly lingerMs: number;
  readonly log: Log;
  /** Off: writes go through the stream always. */
  readonly handleWrites: boolean;
  /** The connection is gone; runs once, before the handler hears of it. */
  readonly gone: (transport: Transport) => void;
}

export interface Peer {
  readonly address: string;
  readonly port: number;
  readonly certificate: PeerCertificate | undefined;
  readonly localAddress: string;
  readonly localPort: number;
  readonly serverName?: string | undefined;
}

interface OwnedSocket extends net.Socket {
  robustmqTransport?: SocketTransport;
}

/** Listeners are shared functions: a closure per event and connection would show in the memory of idle connections. */
function onEnd(this: OwnedSocket): void {
  this.robustmqTransport?.peerEnded();
}
function onError(this: OwnedSocket, error: Error): void {
  this.robustmqTransport?.failed(error);
}
function onClose(this: OwnedSocket): void {
  this.robustmqTransport?.closed();
}

/**
 * Writes `views` as one system call where possible; `settled` runs exactly once unless the socket is destroyed
 * meanwhile by someone else, which its owner sees as 'close'.
 */
export function writeViews(
  socket: net.Socket,
  views: readonly Uint8Array[],
  throughHandle: boolean,
  settled: (error: Error | undefined) => void,
): void {
  if (views.length === 0) {
    settled(undefined);
    return;
  }
  if (throughHandle && socket.writableLength === 0 && writeToHandle(socket, views, settled)) return;
  const last = views.length - 1;
  if (last > 0) socket.cork();
  views.forEach((view, index) => {
    if (index < last) socket.write(view);
    else socket.write(view, (error) => settled(error ?? undefined));
  });
  if (last > 0) socket.uncork();
}

/** A transport over one stream socket: TCP, TLS or Unix. */
export class SocketTransport implements Transport {
  readonly kind: TransportKind;
  readonly listener: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly serverName: string | undefined;
  readonly peerCertificate: PeerCertificate | undefined;
  private readonly context: TransportContext;
  private socket: OwnedSocket | undefined;
  private inlet: Inlet | undefined;
  private handler: ConnectionHandler | undefined;
  private pendingDone: (() => void) | undefined;
  private error: Error | undefined;
  private ending = false;
  private stopLingering: (() => void) | undefined;

  constructor(context: TransportContext, peer: Peer) {
    this.context = context;
    this.kind = context.kind;
    this.listener = context.listener;
    this.remoteAddress = peer.address;
    this.remotePort = peer.port;
    this.localAddress = peer.localAddress;
    this.localPort = peer.localPort;
    this.serverName = peer.serverName;
    this.peerCertificate = peer.certificate;
  }

  /** Ties the socket to this transport; input is held back until `start`. */
  attach(socket: net.Socket): void {
    const owned: OwnedSocket = socket;
    owned.robustmqTransport = this;
    this.socket = owned;
    this.inlet = new Inlet(this.context.window, owned, (length) => this.read(length));
    owned.on('end', onEnd).on('error', onError).on('close', onClose);
  }

  start(handler: ConnectionHandler, early: Uint8Array | undefined): void {
    this.handler = handler;
    if (early !== undefined && early.length > 0) this.inlet?.prime(early);
    else if (!this.inlet?.isPaused()) this.socket?.resume();
  }

  /** For sockets that read into the window themselves. */
  arrived(length: number): void {
    this.inlet?.arrived(length);
  }

  /** For sockets that bring chunks of their own. */
  push(chunk: Uint8Array): void {
    this.inlet?.push(chunk);
  }

  private read(length: number): void {
    try {
      this.handler?.read(length);
    } catch (error) {
      this.context.log.error({ err: error, listener: this.listener }, 'connection handler failed');
      this.destroyWith(error instanceof Error ? error : new Error(String(error)));
    }
  }

  write(views: readonly Uint8Array[], done: () => void): void {
    const { socket } = this;
    if (socket === undefined || this.ending || socket.destroyed) {
      done();
      return;
    }
    this.pendingDone = done;
    writeViews(socket, views, this.context.handleWrites, (error) => {
      if (error !== undefined && !socket.destroyed) this.destroyWith(error);
      this.settle();
    });
  }

  private settle(): void {
    const done = this.pendingDone;
    this.pendingDone = undefined;
    done?.();
  }

  pause(): void {
    if (!this.ending) this.inlet?.pause();
  }

  resume(): void {
    if (!this.ending) this.inlet?.resume();
  }

  end(): void {
    const { socket } = this;
    if (this.ending || socket === undefined) return;
    this.ending = true;
    this.inlet?.close();
    socket.end();
    // What the peer still sends is read and dropped: closing with unread input would reset the connection and could take the last bytes written with it.
    socket.resume();
    this.stopLingering = this.context.deadlines.after(this.context.lingerMs, () => socket.destroy());
  }

  destroy(): void {
    this.inlet?.close();
    this.socket?.destroy();
  }

  private destroyWith(error: Error): void {
    this.error ??= error;
    this.destroy();
  }

  /** The peer is done sending. Answers to what it sent may still be gathered in this turn, so our side ends after it. */
  peerEnded(): void {
    setImmediate(() => this.end());
  }

  failed(error: Error): void {
    this.error ??= error;
  }

  closed(): void {
    const { handler } = this;
    this.stopLingering?.();
    this.inlet?.close();
    this.socket = undefined;
    this.handler = undefined;
    this.settle();
    this.context.gone(this);
    handler?.closed(this.error);
  }
}
