import net from 'node:net';
import { afterEach } from 'vitest';
import type {
  TcpListenerConfig,
  TlsListenerConfig,
  WebSocketListenerConfig,
} from '../../src/config/config.ts';
import { type Clock, systemClock } from '../../src/kernel/clock.ts';
import { type Admission, createAdmission } from '../../src/net/admission.ts';
import type { Listener, ListenerContext } from '../../src/net/listener.ts';
import type { ReadWindow, Transport } from '../../src/net/transport.ts';

export const tcpConfig: TcpListenerConfig = {
  enabled: true,
  host: '127.0.0.1',
  port: 0,
  backlog: 128,
  proxyProtocol: false,
  proxyTrustedNetworks: ['127.0.0.0/8'],
  proxyTimeoutMs: 2_000,
};

export const webSocketConfig: WebSocketListenerConfig = {
  ...tcpConfig,
  path: '/mqtt',
  allowedOrigins: [],
  demoPage: true,
};

export function tlsConfig(tls: Partial<TlsListenerConfig['tls']>): TlsListenerConfig {
  return {
    ...tcpConfig,
    tls: {
      certFile: '',
      keyFile: '',
      caFile: '',
      clientCertificate: 'none',
      minVersion: 'TLSv1.2',
      handshakeTimeoutMs: 2_000,
      sni: [],
      ...tls,
    },
  };
}

/** What a handler saw of one connection. */
export class Connection {
  readonly transport: Transport;
  readonly chunks: Buffer[] = [];
  receivedBytes = 0;
  closedTimes = 0;
  error: Error | undefined;
  onRead: ((chunk: Buffer) => void) | undefined;
  private readonly waiters: { done: () => boolean; resolve: () => void }[] = [];

  constructor(transport: Transport) {
    this.transport = transport;
  }

  get received(): Buffer {
    return Buffer.concat(this.chunks);
  }

  read(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.receivedBytes += chunk.length;
    this.onRead?.(chunk);
    this.changed();
  }

  closed(error: Error | undefined): void {
    this.closedTimes += 1;
    this.error = error;
    this.changed();
  }

  until(done: () => boolean): Promise<void> {
    if (done()) return Promise.resolve();
    return new Promise((resolve) => this.waiters.push({ done, resolve }));
  }

  bytes(count: number): Promise<void> {
    return this.until(() => this.receivedBytes >= count);
  }

  gone(): Promise<void> {
    return this.until(() => this.closedTimes > 0);
  }

  private changed(): void {
    for (const waiter of this.waiters.splice(0)) {
      if (waiter.done()) waiter.resolve();
      else this.waiters.push(waiter);
    }
  }

  /** Resolves when `done` of the write ran. */
  send(...views: Uint8Array[]): Promise<void> {
    return new Promise((resolve) => this.transport.write(views, resolve));
  }
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: object;
}

export interface Bench {
  readonly context: ListenerContext;
  readonly connections: Connection[];
  readonly log: LogLine[];
  readonly window: ReadWindow;
  readonly admission: Admission;
  next(): Promise<Connection>;
}

const closers: (() => Promise<void> | void)[] = [];

/** Runs after the test, last one first. */
export function cleanUp(close: () => Promise<void> | void): void {
  closers.push(close);
}

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

export interface BenchOptions {
  readonly windowBytes?: number;
  readonly nodeInternals?: boolean;
  readonly clock?: Clock;
  readonly maxConnections?: number;
  readonly refuse?: () => boolean;
  readonly more?: Partial<ListenerContext>;
  /** Called for each new connection before anything is read. */
  readonly prepare?: (connection: Connection) => void;
}

export function createBench(options: BenchOptions = {}): Bench {
  const window = { bytes: new Uint8Array(options.windowBytes ?? 64 * 1024) };
  const clock = options.clock ?? systemClock;
  const connections: Connection[] = [];
  const waiting: ((connection: Connection) => void)[] = [];
  let handedOut = 0;
  const log: LogLine[] = [];
  const at =
    (level: string) =>
    (fields: object, message: string): void => {
      log.push({ level, fields, message });
    };
  const admission = createAdmission(
    { maxConnections: options.maxConnections ?? 1000, maxConnectionsPerSecond: 0 },
    clock,
  );
  const context: ListenerContext = {
    window,
    clock,
    admission,
    logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
    nodeInternals: options.nodeInternals ?? true,
    lingerMs: 2_000,
    ...options.more,
    accept(transport) {
      if (options.refuse?.() === true) return undefined;
      const connection = new Connection(transport);
      options.prepare?.(connection);
      connections.push(connection);
      const waiter = waiting.shift();
      if (waiter !== undefined) {
        handedOut += 1;
        waiter(connection);
      }
      return {
        read: (length) => connection.read(Buffer.from(window.bytes.subarray(0, length))),
        closed: (error) => connection.closed(error),
      };
    },
  };
  return {
    context,
    connections,
    log,
    window,
    admission,
    next() {
      const ready = connections[handedOut];
      if (ready !== undefined) {
        handedOut += 1;
        return Promise.resolve(ready);
      }
      return new Promise((resolve) => waiting.push(resolve));
    },
  };
}

export async function track(starting: Promise<Listener>): Promise<Listener> {
  const listener = await starting;
  cleanUp(async () => {
    for (const transport of await listener.close()) transport.destroy();
  });
  return listener;
}

export function portOf(listener: Listener): number {
  const address = listener.address();
  return 'port' in address ? address.port : 0;
}

/** A plain client; errors are kept quiet, the tests look at what matters. */
export function connectTo(target: Listener | number | string): net.Socket {
  const socket =
    typeof target === 'string'
      ? net.connect(target)
      : net.connect(typeof target === 'number' ? target : portOf(target), '127.0.0.1');
  socket.setNoDelay(true);
  socket.on('error', () => undefined);
  cleanUp(() => {
    socket.destroy();
  });
  return socket;
}

export function collect(socket: NodeJS.ReadableStream): {
  bytes(): Buffer;
  until(count: number): Promise<Buffer>;
} {
  const chunks: Buffer[] = [];
  let length = 0;
  const checks = new Set<() => void>();
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    for (const check of checks) check();
  });
  return {
    bytes: () => Buffer.concat(chunks),
    until(count) {
      return new Promise((resolve) => {
        const check = (): void => {
          if (length < count) return;
          checks.delete(check);
          resolve(Buffer.concat(chunks));
        };
        checks.add(check);
        check();
      });
    },
  };
}

/** Resolves at 'close', also when that has happened already. */
export function closed(socket: net.Socket): Promise<void> {
  if (socket.closed) return Promise.resolve();
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** Polls a condition that has no event of its own. */
export async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** Repeatable bytes without a pattern of a power of two, so that a shift or swap shows. */
export function noise(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < length; i += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state & 0xff;
  }
  return bytes;
}
