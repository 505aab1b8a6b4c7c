/** Durable sessions by the thousand, made and left behind; and the first one that comes back after a restart. */
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeConnect, encodeSubscribe } from '../../src/load/codec.ts';
import { PacketType } from '../../src/load/scan.ts';

const CONCURRENCY = 100;
const DISCONNECT = Uint8Array.of(0xe0, 0);
const RETRY_MS = 2;
const CONNECTED_BYTES = 4;

interface Answer {
  readonly isSessionPresent: boolean;
}

/** Connects; with a filter subscribes; leaves with DISCONNECT. Rejects when the broker refuses or is not there. */
function visit(port: number, clientId: string, filter?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    let received: Buffer = Buffer.alloc(0);
    socket.on('connect', () => socket.write(encodeConnect(4, clientId, 0, true)));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < CONNECTED_BYTES) return;
      if (received[3] !== 0) {
        socket.destroy();
        reject(new Error(`CONNACK with code ${received[3]}`));
        return;
      }
      if (filter !== undefined && received.length === CONNECTED_BYTES) {
        socket.write(encodeSubscribe(4, 1, filter, 1));
        return;
      }
      const kind = (received[CONNECTED_BYTES] ?? 0) >> 4;
      if (filter !== undefined && kind !== PacketType.Suback) return;
      const answer = { isSessionPresent: received[2] === 1 };
      socket.end(DISCONNECT, () => resolve(answer));
    });
    socket.on('error', reject);
  });
}

/** Resolves with the seconds that it took. */
export async function makeSessions(
  port: number,
  count: number,
  filterOf: (index: number) => string,
): Promise<number> {
  const startedMs = performance.now();
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      await visit(port, sessionName(index), filterOf(index));
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  return (performance.now() - startedMs) / 1000;
}

export const sessionName = (index: number): string => `durable-${index}`;

/** Tries until the broker answers; `gaveUp` ends it. */
export async function firstAnswer(
  port: number,
  clientId: string,
  gaveUp: () => string | undefined,
): Promise<Answer> {
  for (;;) {
    try {
      return await visit(port, clientId);
    } catch (error) {
      const reason = gaveUp();
      if (reason !== undefined) throw new Error(reason, { cause: error });
      await delay(RETRY_MS);
    }
  }
}
