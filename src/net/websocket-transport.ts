import type net from 'node:net';
import { WebSocket } from 'ws';
import { Inlet } from './inlet.ts';
import { type Peer, type TransportContext, writeViews } from './socket-transport.ts';
import type { ConnectionHandler, PeerCertificate, Transport, TransportKind } from './transport.ts';

const closeNormal = 1000;
const closeUnsupportedData = 1003;
/** Answers to pings that have not left, because the client does not read, are kept up to here; then it is gone. */
const maxOwedPongs = 256;

/** Header of an unmasked, unfragmented binary frame. */
function frameHeader(payloadBytes: number): Uint8Array {
  if (payloadBytes < 126) return Uint8Array.of(0x82, payloadBytes);
  const header = new Uint8Array(payloadBytes < 0x1_0000 ? 4 : 10);
  const view = new DataView(header.buffer);
  header[0] = 0x82;
  if (payloadBytes < 0x1_0000) {
    header[1] = 126;
    view.setUint16(2, payloadBytes);
  } else {
    header[1] = 127;
    view.setBigUint64(2, BigInt(payloadBytes));
  }
  return header;
}

/**
 * A transport over a WebSocket. Input is decoded by `ws`. Output is framed here and goes to the socket directly, so that
 * the views of one write become one frame without being copied together; `ws` sends only control frames, each of which
 * it hands to the socket as a whole, so that frames never interleave.
 */
export class WebSocketTransport implements Transport {
  readonly kind: TransportKind;
  readonly listener: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly serverName: string | undefined;
  readonly peerCertificate: PeerCertificate | undefined;
  private readonly context: TransportContext;
  private readonly webSocket: WebSocket;
  private readonly socket: net.Socket;
  private readonly inlet: Inlet;
  private handler: ConnectionHandler | undefined;
  private pendingDone: (() => void) | undefined;
  private error: Error | undefined;
  private ending = false;
  private owedPongs = 0;
  private stopLingering: (() => void) | undefined;

  constructor(context: TransportContext, webSocket: WebSocket, socket: net.Socket, peer: Peer) {
    this.context = context;
    this.kind = context.kind;
    this.listener = context.listener;
    this.remoteAddress = peer.address;
    this.remotePort = peer.port;
    this.localAddress = peer.localAddress;
    this.localPort = peer.localPort;
    this.serverName = peer.serverName;
    this.peerCertificate = peer.certificate;
    this.webSocket = webSocket;
    this.socket = socket;
    this.inlet = new Inlet(context.window, webSocket, (length) => this.read(length));
    // Pieces as they came from the socket: a message is never joined just to be cut into window-sized pieces again.
    webSocket.binaryType = 'fragments';
    webSocket.on('message', (data, isBinary) => this.received(data, isBinary));
    webSocket.on('ping', (data) => this.pinged(data));
    webSocket.on('error', (error) => {
      this.error ??= error;
    });
    webSocket.on('close', () => this.closed());
  }

  start(handler: ConnectionHandler): void {
    this.handler = handler;
  }

  private received(data: unknown, isBinary: boolean): void {
    if (this.ending) return;
    if (!isBinary) {
      this.error ??= new Error('text frame: MQTT needs binary frames');
      this.close(closeUnsupportedData);
      return;
    }
    const pieces = Array.isArray(data) ? data : [data];
    for (const piece of pieces) {
      if (piece instanceof Uint8Array && piece.length > 0) this.inlet.push(piece);
    }
  }

  private pinged(data: Buffer): void {
    if (this.webSocket.readyState !== WebSocket.OPEN) return;
    if (this.owedPongs >= maxOwedPongs) {
      this.error ??= new Error('pings whose answers are not read');
      this.destroy();
      return;
    }
    this.owedPongs += 1;
    this.webSocket.pong(data, false, () => {
      this.owedPongs -= 1;
    });
  }

  private read(length: number): void {
    try {
      this.handler?.read(length);
    } catch (error) {
      this.context.log.error({ err: error, listener: this.listener }, 'connection handler failed');
      this.error ??= error instanceof Error ? error : new Error(String(error));
      this.destroy();
    }
  }

  write(views: readonly Uint8Array[], done: () => void): void {
    const { socket } = this;
    if (this.ending || socket.destroyed || this.webSocket.readyState !== WebSocket.OPEN) {
      done();
      return;
    }
    const payloadBytes = views.reduce((sum, view) => sum + view.length, 0);
    if (payloadBytes === 0) {
      done();
      return;
    }
    this.pendingDone = done;
    writeViews(socket, [frameHeader(payloadBytes), ...views], this.context.handleWrites, (error) => {
      if (error !== undefined && !socket.destroyed) {
        this.error ??= error;
        this.destroy();
      }
      this.settle();
    });
  }

  private settle(): void {
    const done = this.pendingDone;
    this.pendingDone = undefined;
    done?.();
  }

  pause(): void {
    if (!this.ending) this.inlet.pause();
  }

  resume(): void {
    if (!this.ending) this.inlet.resume();
  }

  end(): void {
    this.close(closeNormal);
  }

  private close(code: number): void {
    if (this.ending) return;
    this.ending = true;
    this.inlet.close();
    this.webSocket.close(code);
    this.webSocket.resume();
    this.stopLingering = this.context.deadlines.after(this.context.lingerMs, () =>
      this.webSocket.terminate(),
    );
  }

  destroy(): void {
    this.inlet.close();
    this.webSocket.terminate();
  }

  private closed(): void {
    const { handler } = this;
    this.stopLingering?.();
    this.inlet.close();
    this.handler = undefined;
    this.settle();
    this.context.gone(this);
    handler?.closed(this.error);
  }
}
