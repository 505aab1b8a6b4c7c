/**
 * Between a client and an HTTP server: passes requests on, or lets happen to them what happens in networks and in
 * front of overloaded servers. The fate of each request is the caller's to choose.
 */
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * `refuse`: 503 and nothing done. `lose`: done, and the connection ends instead of an answer. `fail after`: done, and
 * 500 is the answer. `hang`: done, and no answer comes. `twice`: done twice, the second answer is passed on. `late`:
 * the connection ends, and it is done some time afterwards.
 */
export type Fate = 'pass' | 'refuse' | 'lose' | 'fail after' | 'hang' | 'twice' | 'late';

export interface FaultProxy {
  readonly endpoint: string;
  stop(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

const LATE_MS = 100;

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of message) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

export async function startFaultProxy(
  target: string,
  choose: (method: string, path: string) => Fate,
): Promise<FaultProxy> {
  const sockets = new Set<Socket>();

  function execute(asked: IncomingMessage, body: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { method = '', url = '', headers } = asked;
      const passed = request(new URL(url, target), { method, headers, agent: false }, (answered) => {
        bodyOf(answered).then(
          (bytes) => resolve({ status: answered.statusCode ?? 500, headers: answered.headers, body: bytes }),
          reject,
        );
      });
      passed.on('error', reject);
      passed.end(body);
    });
  }

  const server = createServer((asked, answer) => {
    const reply = ({ status, headers, body }: Answer): void => {
      answer.writeHead(status, headers);
      answer.end(body);
    };
    const error = (status: number): void => reply({ status, headers: {}, body: Buffer.alloc(0) });
    const serve = async (): Promise<void> => {
      const body = await bodyOf(asked);
      const fate = choose(asked.method ?? '', asked.url ?? '');
      if (fate === 'refuse') return error(503);
      if (fate === 'late') {
        asked.socket.destroy();
        await delay(LATE_MS);
      }
      if (fate === 'twice') await execute(asked, body);
      const done = await execute(asked, body);
      if (fate === 'lose') asked.socket.destroy();
      else if (fate === 'fail after') error(500);
      else if (fate === 'pass' || fate === 'twice') reply(done);
    };
    serve().catch(() => asked.socket.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
