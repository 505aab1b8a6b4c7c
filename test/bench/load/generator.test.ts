import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Aedes } from 'aedes';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runMessages } from '../../../bench/load/generator.ts';
import { defaultLoad, type LoadOptions } from '../../../bench/load/options.ts';

let broker: Aedes;
let server: Server;

beforeAll(async () => {
  broker = await Aedes.createBroker();
  server = createServer({ noDelay: true }, broker.handle);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterAll(() => {
  server.close();
  broker.close();
});

function load(options: Partial<LoadOptions>, listening: Server = server): LoadOptions {
  const { port } = listening.address() as AddressInfo;
  return { ...defaultLoad, port, window: 200, seconds: 0.5, warmSeconds: 0.05, ...options };
}

const works: readonly [string, Partial<LoadOptions>][] = [
  ['QoS 0 fan-in', { publishers: 5 }],
  ['QoS 0 fan-out', { subscribers: 5 }],
  ['QoS 1 pairs', { qos: 1, publishers: 3, subscribers: 3, topics: 3, spread: 'own', inFlight: 10 }],
  ['QoS 2', { qos: 2, inFlight: 10 }],
  ['one outstanding each', { sparse: true, publishers: 20 }],
  ['a fixed rate', { rate: 1000, qos: 1, seconds: 1 }],
];

describe('the load generator against a broker of others', () => {
  it.each(works)('%s: every delivery is expected and arrives', async (_, options) => {
    const result = await runMessages(load(options));
    expect(result.failure).toBeUndefined();
    expect(result.sent).toBeGreaterThan(0);
    expect(result.received).toBe(result.expected);
    expect(result.refused).toBe(0);
    if (options.qos !== undefined) expect(result.acknowledgedPerSecond).toBeGreaterThan(0);
    if (options.rate !== undefined) expect(result.delivery?.count).toBeGreaterThan(0);
  });

  it('reports a broker that refuses or hangs up instead of failing itself', async () => {
    const refusing = createServer((socket: Socket) =>
      socket.on('data', () => socket.end(Uint8Array.of(0x20, 2, 0, 3))),
    );
    const closing = createServer((socket: Socket) => socket.destroy());
    for (const [listening, reason] of [
      [refusing, 'CONNACK with code 3'],
      [closing, 'bench-s0'],
    ] as const) {
      listening.listen(0, '127.0.0.1');
      await once(listening, 'listening');
      const result = await runMessages(load({}, listening));
      expect(result.failure).toContain(reason);
      expect(result.sent).toBe(0);
      listening.close();
    }
  });
});
