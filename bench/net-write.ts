/**
 * What one small message costs when each read brings one and each write carries one: 1,000 connections that echo
 * 90 bytes. Compares writing through the socket's handle with writing through the stream (nodeInternals: false for
 * writes only), alternating, because a shared machine drifts.
 *
 *   node --import tsx bench/net-write.ts [rounds]
 */
import { fork } from 'node:child_process';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../src/kernel/clock.ts';
import { adoptSocket, detachFromServer } from '../src/net/accept.ts';
import { createDeadlines } from '../src/net/deadlines.ts';
import { SocketTransport, type TransportContext } from '../src/net/socket-transport.ts';

const connections = 1000;
const messageBytes = 90;
const warmUpMs = 500;
const measureMs = 1500;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The other end, in a process of its own: sends the next message when the last one has come back. */
function runClients(port: number): void {
  const message = Buffer.alloc(messageBytes, 0x41);
  const buffer = Buffer.alloc(4096);
  let connected = 0;
  for (let i = 0; i < connections; i += 1) {
    let received = 0;
    const socket: net.Socket = net.connect(
      {
        port,
        host: '127.0.0.1',
        noDelay: true,
        onread: {
          buffer,
          callback(length) {
            received += length;
            for (; received >= messageBytes; received -= messageBytes) socket.write(message);
            return true;
          },
        },
      },
      () => {
        socket.write(message);
        connected += 1;
        if (connected === connections) process.send?.('ready');
      },
    );
    socket.on('error', () => process.exit());
  }
}

interface Cost {
  readonly perSecond: number;
  readonly userMicros: number;
  readonly systemMicros: number;
}

async function measure(handleWrites: boolean, views: number): Promise<Cost> {
  const window = { bytes: new Uint8Array(new WebAssembly.Memory({ initial: 2, maximum: 2 }).buffer) };
  const silent = (): void => undefined;
  const transports = new Set<SocketTransport>();
  const context: TransportContext = {
    kind: 'tcp',
    listener: 'bench',
    window,
    deadlines: createDeadlines(systemClock),
    lingerMs: 1000,
    log: { debug: silent, info: silent, warn: silent, error: silent },
    handleWrites,
    gone: silent,
  };
  let messages = 0;
  const answer = window.bytes.slice(0, messageBytes);
  const cut = Math.floor(messageBytes / views);
  const output = Array.from({ length: views }, (_, i) =>
    answer.subarray(i * cut, i + 1 < views ? (i + 1) * cut : messageBytes),
  );
  let dirty: SocketTransport[] = [];
  // Writes at the end of the turn, as the broker does.
  const flush = (): void => {
    const now = dirty;
    dirty = [];
    for (const transport of now) transport.write(output, silent);
  };
  const server = net.createServer(
    { pauseOnConnect: true, allowHalfOpen: true, noDelay: true },
    (accepted) => {
      detachFromServer(accepted);
      const transport = new SocketTransport(context, {
        address: '',
        port: 0,
        certificate: undefined,
        localAddress: '',
        localPort: 0,
      });
      const socket = adoptSocket(accepted, window.bytes, (length) => transport.arrived(length));
      if (socket === undefined)
        throw new Error('this Node does not let a socket read into memory of our choice');
      transport.attach(socket);
      transports.add(transport);
      transport.start(
        {
          read() {
            messages += 1;
            if (dirty.length === 0) setImmediate(flush);
            dirty.push(transport);
          },
          closed: silent,
        },
        undefined,
      );
    },
  );
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 }, resolve));
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const clients = fork(fileURLToPath(import.meta.url), ['clients', String(port)]);
  await new Promise((resolve) => clients.once('message', resolve));
  await pause(warmUpMs);
  const before = messages;
  const startedAtMs = performance.now();
  const usage = process.cpuUsage();
  await pause(measureMs);
  const used = process.cpuUsage(usage);
  const count = messages - before;
  const seconds = (performance.now() - startedAtMs) / 1000;
  clients.kill();
  for (const transport of transports) transport.destroy();
  server.close();
  await pause(100);
  return { perSecond: count / seconds, userMicros: used.user / count, systemMicros: used.system / count };
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

if (process.argv[2] === 'clients') {
  runClients(Number(process.argv[3]));
} else {
  const rounds = Number(process.argv[2] ?? 5);
  for (const views of [1, 3]) {
    const costs: Record<'stream' | 'handle', Cost[]> = { stream: [], handle: [] };
    for (let round = 0; round < rounds; round += 1) {
      costs.stream.push(await measure(false, views));
      costs.handle.push(await measure(true, views));
    }
    for (const [way, all] of Object.entries(costs)) {
      const user = median(all.map((cost) => cost.userMicros));
      const system = median(all.map((cost) => cost.systemMicros));
      const rate = Math.round(median(all.map((cost) => cost.perSecond)));
      console.log(
        `${views} view(s), ${way}: ${rate} msg/s, CPU per message ${(user + system).toFixed(2)} us (user ${user.toFixed(2)}, system ${system.toFixed(2)})`,
      );
    }
  }
}
