/**
 * One client connection of a load generator: stream, unfinished bytes, windows. All connections read into one
 * window (the callback runs right after each read), with head room in front of it where the unfinished frame of
 * the last read is put back, so that every frame is contiguous and none is copied but the split one.
 */
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { DISCONNECT, encodeSubscribe, type ProtocolVersion, type PublishBlock, type Qos } from './codec.ts';
import { type Connack, readConnack } from './connack.ts';
import { PacketType, type Scanned, type ScanState, scan } from './scan.ts';
import { type Tally, WINDOW_BYTES } from './tally.ts';
import { createWriter, type Writer } from './writer.ts';

/** 'unreachable' before there was a stream, 'lost' after it; 'refused' is said by the broker, with its code. */
export interface Failure {
  readonly kind: 'unreachable' | 'lost' | 'refused' | 'protocol';
  readonly reason: string;
  readonly code?: number;
}

export interface Shared {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly headBytes: number;
  readonly readBuffer: Uint8Array;
  readonly tally: Tally;
  readonly scanned: Scanned;
  /** What stamps are compared with. */
  now(): number;
  /** Called after each read that left the run in order, and when a connection may be written to again. */
  onProgress(): void;
  /** At most once for each connection, which is given up. */
  onFailure(failure: Failure, connection: Connection): void;
}

export interface Connection extends ScanState {
  readonly index: number;
  /** There once it is connected. */
  writer: Writer | undefined;
  ready: boolean;
  /** Given up, or ended by us. */
  isOver: boolean;
  connack: Connack | undefined;
  /** On the monotonic clock. */
  pingDueMs: number;
  tail: Uint8Array;
  tailBytes: number;
  packetId: number;
  sent: number;
  block: PublishBlock | undefined;
  /** Without a word to the broker. */
  destroy(): void;
  /** Says goodbye; resolves when the stream has ended. */
  end(): Promise<void>;
}

/** Where to connect: over TCP, a Unix socket, or with a stream that somebody else opens. */
export type Endpoint =
  | { readonly host: string; readonly port: number; readonly localAddress?: string }
  | { readonly path: string }
  | { readonly dial: () => Promise<Duplex> };

export interface ConnectionOptions {
  readonly endpoint: Endpoint;
  readonly version: ProtocolVersion;
  readonly connectPacket: Uint8Array;
  /** For whoever reads why it failed. */
  readonly name: string;
  readonly index: number;
  readonly filter?: string;
  readonly filterQos?: Qos;
  /** Round trips are measured; a power of two above what may be unacknowledged. */
  readonly keepSentAt?: number;
  onReady(connection: Connection): void;
}

const LINGER_MS = 500;

/** `tally` was made for the same `maxFrameBytes`; a longer frame ends the run. */
export function createShared(
  tally: Tally,
  maxFrameBytes: number,
  hooks: Pick<Shared, 'now' | 'onProgress' | 'onFailure'>,
): Shared {
  const headBytes = maxFrameBytes;
  const bytes = new Uint8Array(headBytes + WINDOW_BYTES);
  return {
    bytes,
    view: new DataView(bytes.buffer),
    headBytes,
    readBuffer: bytes.subarray(headBytes),
    tally,
    scanned: { consumed: 0, failure: undefined },
    ...hooks,
  };
}

/** True when the connection's buffers may be changed and written again. */
export function isFlushed(connection: Connection): boolean {
  return connection.writer?.flushed() === true;
}

function sendAcks(connection: Connection, tally: Tally): void {
  const { acks, ackBytes } = tally;
  tally.ackBytes = 0;
  connection.writer?.write(acks.subarray(0, ackBytes));
  if (!isFlushed(connection)) tally.acks = new Uint8Array(acks.length);
}

/** The bytes are in the window. Returns why this is no MQTT, or undefined. */
function receive(connection: Connection, shared: Shared, nread: number): string | undefined {
  const { bytes, headBytes, tally, scanned } = shared;
  const { tailBytes } = connection;
  const start = headBytes - tailBytes;
  const end = headBytes + nread;
  if (tailBytes > 0) bytes.set(connection.tail.subarray(0, tailBytes), start);
  scan(bytes, shared.view, start, end, connection, tally, shared.now(), scanned);
  if (scanned.failure !== undefined) return scanned.failure;
  const rest = end - scanned.consumed;
  if (rest > headBytes) return `a frame of more than ${headBytes} bytes`;
  if (rest > 0) {
    if (connection.tail.length < rest) connection.tail = new Uint8Array(Math.max(256, rest * 2));
    connection.tail.set(bytes.subarray(scanned.consumed, end));
  }
  connection.tailBytes = rest;
  if (tally.ackBytes > 0) sendAcks(connection, tally);
  shared.onProgress();
  return undefined;
}

const NO_BYTES = new Uint8Array(0);

export function openConnection(options: ConnectionOptions, shared: Shared): Connection {
  const { version, filter, endpoint, name } = options;
  let stream: Duplex | undefined;

  const fail = (failure: Failure): void => {
    if (connection.isOver) return;
    connection.isOver = true;
    connection.block = undefined;
    stream?.destroy();
    shared.onFailure({ ...failure, reason: `${name}: ${failure.reason}` }, connection);
  };
  const take = (nread: number): void => {
    const wrong = connection.isOver ? undefined : receive(connection, shared, nread);
    if (wrong !== undefined) fail({ kind: 'protocol', reason: wrong });
  };
  const becomeReady = (): void => {
    connection.ready = true;
    options.onReady(connection);
  };
  const refused = (packet: string, code: number): void =>
    fail({ kind: 'refused', reason: `${packet} with code ${code}`, code });
  const onControl = (type: number, frame: Uint8Array): void => {
    if (type === PacketType.Connack) {
      connection.connack = readConnack(frame);
      const { code } = connection.connack;
      if (code !== 0) refused('CONNACK', code);
      else if (filter === undefined) becomeReady();
      else connection.writer?.write(encodeSubscribe(version, 1, filter, options.filterQos ?? 0));
    } else if (type === PacketType.Suback) {
      const code = frame.at(-1) ?? 0;
      if (code > 2) refused('SUBACK', code);
      else if (!connection.ready) becomeReady();
    } else if (type === PacketType.Disconnect) {
      refused('the broker sent DISCONNECT', frame[0] ?? 0);
    } else if (type !== PacketType.Unsuback) {
      fail({ kind: 'protocol', reason: `a packet of type ${type}` });
    }
  };
  const connection: Connection = {
    index: options.index,
    writer: undefined,
    ready: false,
    isOver: false,
    connack: undefined,
    pingDueMs: 0,
    tail: NO_BYTES,
    tailBytes: 0,
    packetId: 0,
    sent: 0,
    block: undefined,
    inFlight: 0,
    sentAtMs: options.keepSentAt === undefined ? undefined : new Float64Array(options.keepSentAt),
    onControl,
    destroy() {
      connection.isOver = true;
      stream?.destroy();
    },
    end() {
      const ending = stream;
      if (connection.isOver || ending === undefined || ending.destroyed) {
        connection.destroy();
        return Promise.resolve();
      }
      connection.isOver = true;
      return new Promise((resolve) => {
        const linger = setTimeout(() => ending.destroy(), LINGER_MS);
        ending.once('close', () => {
          clearTimeout(linger);
          resolve();
        });
        connection.writer?.write(DISCONNECT);
        ending.end();
        ending.resume();
      });
    },
  };
  const opened = (): void => {
    if (stream === undefined || connection.isOver) return;
    const onError = (reason: string): void => fail({ kind: 'lost', reason });
    connection.writer = createWriter(stream, () => shared.onProgress(), onError);
    connection.writer.write(options.connectPacket);
  };
  const watch = (opening: Duplex): void => {
    stream = opening;
    const kind = (): Failure['kind'] => (connection.writer === undefined ? 'unreachable' : 'lost');
    opening.on('error', (error) => fail({ kind: kind(), reason: error.message }));
    opening.on('close', () => fail({ kind: kind(), reason: 'closed by the broker' }));
  };

  if ('dial' in endpoint) {
    endpoint.dial().then(
      (opening) => {
        if (connection.isOver) {
          opening.destroy();
          return;
        }
        watch(opening);
        opening.on('data', (chunk: Buffer) => {
          for (let at = 0; at < chunk.length; at += WINDOW_BYTES) {
            const part = chunk.subarray(at, at + WINDOW_BYTES);
            shared.readBuffer.set(part);
            take(part.length);
          }
        });
        opened();
      },
      (error: unknown) =>
        fail({ kind: 'unreachable', reason: error instanceof Error ? error.message : String(error) }),
    );
  } else {
    const settings: NetConnectOpts = {
      ...endpoint,
      noDelay: true,
      onread: {
        buffer: shared.readBuffer,
        callback: (nread: number): boolean => {
          take(nread);
          return true;
        },
      },
    };
    const socket: Socket = connect(settings);
    watch(socket);
    socket.once('connect', opened);
  }
  return connection;
}
