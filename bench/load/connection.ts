/**
 * One client connection of the generator: socket, unfinished bytes, windows. All connections read into one
 * window (the callback runs right after each read), with head room in front of it where the unfinished frame of
 * the last read is put back, so that every frame is contiguous and none is copied but the split one.
 */
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';
import {
  encodeConnect,
  encodeSubscribe,
  type ProtocolVersion,
  type PublishBlock,
  type Qos,
} from './codec.ts';
import { PacketType, type Scanned, type ScanState, scan, type Tally } from './scan.ts';
import { createWriter, type Writer } from './writer.ts';

const WINDOW_BYTES = 256 * 1024;

export interface Shared {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly headBytes: number;
  readonly readBuffer: Uint8Array;
  readonly tally: Tally;
  readonly scanned: Scanned;
  /** Called after each read that left the run in order, and when a connection may be written to again. */
  onProgress(): void;
  onFailure(reason: string): void;
}

export interface Connection extends ScanState {
  readonly index: number;
  readonly socket: Socket;
  /** There once the socket is connected. */
  writer: Writer | undefined;
  readonly filter: string | undefined;
  ready: boolean;
  tail: Uint8Array;
  tailBytes: number;
  packetId: number;
  sent: number;
  block: PublishBlock | undefined;
}

export interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly version: ProtocolVersion;
  readonly clientId: string;
  readonly index: number;
  readonly keepAliveSeconds: number;
  readonly durable?: boolean;
  readonly filter?: string;
  readonly filterQos?: Qos;
  readonly localAddress?: string;
  readonly keepSentAt?: boolean;
  onReady(connection: Connection): void;
}

/** `maxFrameBytes` bounds a received frame; a longer one ends the run. */
export function createShared(
  tally: Tally,
  maxFrameBytes: number,
  hooks: Pick<Shared, 'onProgress' | 'onFailure'>,
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

export function ackCapacity(maxFrameBytes: number): number {
  return maxFrameBytes + WINDOW_BYTES;
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

function receive(connection: Connection, shared: Shared, nread: number): void {
  const { bytes, headBytes, tally, scanned } = shared;
  const { tailBytes } = connection;
  const start = headBytes - tailBytes;
  const end = headBytes + nread;
  if (tailBytes > 0) bytes.set(connection.tail.subarray(0, tailBytes), start);
  scan(bytes, shared.view, start, end, connection, tally, performance.now(), scanned);
  if (scanned.failure !== undefined) {
    shared.onFailure(scanned.failure);
    return;
  }
  const rest = end - scanned.consumed;
  if (rest > headBytes) {
    shared.onFailure(`a frame of more than ${headBytes} bytes`);
    return;
  }
  if (rest > 0) {
    if (connection.tail.length < rest) connection.tail = new Uint8Array(Math.max(256, rest * 2));
    connection.tail.set(bytes.subarray(scanned.consumed, end));
  }
  connection.tailBytes = rest;
  if (tally.ackBytes > 0) sendAcks(connection, tally);
  shared.onProgress();
}

const NO_BYTES = new Uint8Array(0);

export function openConnection(options: ConnectionOptions, shared: Shared): Connection {
  const { clientId, version, filter } = options;
  const settings: TcpNetConnectOpts & { writableHighWaterMark: number } = {
    host: options.host,
    port: options.port,
    noDelay: true,
    // Drain is wanted after every write that the kernel did not take at once.
    writableHighWaterMark: 1,
    ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
    onread: {
      buffer: shared.readBuffer,
      callback: (nread: number): boolean => {
        receive(connection, shared, nread);
        return true;
      },
    },
  };
  const socket = connect(settings);

  const becomeReady = (): void => {
    connection.ready = true;
    options.onReady(connection);
  };
  const onControl = (type: number, frame: Uint8Array): void => {
    if (type === PacketType.Connack && frame[1] === 0) {
      if (filter === undefined) becomeReady();
      else connection.writer?.write(encodeSubscribe(version, 1, filter, options.filterQos ?? 0));
    } else if (type === PacketType.Connack) {
      shared.onFailure(`CONNACK with code ${frame[1]}`);
    } else if (type === PacketType.Suback && (frame.at(-1) ?? 0) <= 2) {
      if (!connection.ready) becomeReady();
    } else if (type === PacketType.Suback) {
      shared.onFailure(`SUBACK with code ${frame.at(-1)}`);
    } else if (type === PacketType.Disconnect) {
      shared.onFailure(`the broker sent DISCONNECT with reason ${frame[0] ?? 0}`);
    } else if (type !== PacketType.Unsuback) {
      shared.onFailure(`a packet of type ${type}`);
    }
  };
  const connection: Connection = {
    index: options.index,
    socket,
    writer: undefined,
    filter,
    ready: false,
    tail: NO_BYTES,
    tailBytes: 0,
    packetId: 0,
    sent: 0,
    block: undefined,
    inFlight: 0,
    sentAtMs: options.keepSentAt === true ? new Float64Array(65_536) : undefined,
    onControl,
  };
  socket.once('connect', () => {
    const onError = (reason: string): void => shared.onFailure(`${clientId}: ${reason}`);
    connection.writer = createWriter(socket, () => shared.onProgress(), onError);
    connection.writer.write(encodeConnect(version, clientId, options.keepAliveSeconds, options.durable));
  });
  socket.on('error', (error) => shared.onFailure(`${clientId}: ${error.message}`));
  socket.on('close', () => shared.onFailure(`${clientId}: closed by the broker`));
  return connection;
}
