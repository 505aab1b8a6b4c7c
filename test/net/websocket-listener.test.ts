import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { type ClientOptions, WebSocket } from 'ws';
import type { Listener } from '../../src/net/listener.ts';
import { startSecureWebSocketListener, startWebSocketListener } from '../../src/net/websocket-listener.ts';
import { createCertificate } from '../support/certificates.ts';
import {
  cleanUp,
  closed,
  connectTo,
  createBench,
  eventually,
  noise,
  portOf,
  tlsConfig,
  track,
  webSocketConfig,
} from './harness.ts';

function dial(
  listener: Listener,
  options: ClientOptions & { path?: string; protocols?: string[]; scheme?: string } = {},
): WebSocket {
  const { path = '/mqtt', protocols = ['mqtt'], scheme = 'ws', ...rest } = options;
  const client = new WebSocket(`${scheme}://127.0.0.1:${portOf(listener)}${path}`, protocols, rest);
  client.on('error', () => undefined);
  cleanUp(() => client.terminate());
  return client;
}

function opened(client: WebSocket): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    client.once('open', () => resolve(client));
    client.once('unexpected-response', (_request, response) =>
      reject(new Error(`status ${response.statusCode}`)),
    );
    client.once('error', reject);
  });
}

function closeCode(client: WebSocket): Promise<number> {
  return new Promise((resolve) => client.once('close', resolve));
}

const upgradeRequest = (lines: string[] = []): string =>
  [
    'GET /mqtt HTTP/1.1',
    'Host: localhost',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Protocol: mqtt',
    ...lines,
    '\r\n',
  ].join('\r\n');

async function answerTo(listener: Listener, request: string): Promise<string> {
  const socket = connectTo(listener);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.write(request);
  await closed(socket);
  return Buffer.concat(chunks).toString('latin1');
}

for (const nodeInternals of [true, false]) {
  describe(`WebSocket transport, ${nodeInternals ? 'through the handle' : 'with documented Node only'}`, () => {
    it('is a stream of bytes: frames may be cut anywhere and hold anything', async () => {
      const bench = createBench({ nodeInternals, windowBytes: 1000 });
      const listener = await track(startWebSocketListener('ws', webSocketConfig, bench.context));
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.record({ length: fc.integer({ min: 0, max: 4000 }), fin: fc.boolean() }), {
            minLength: 1,
            maxLength: 15,
          }),
          async (frames) => {
            const client = await opened(dial(listener));
            const connection = await bench.next();
            expect(connection.transport).toMatchObject({ kind: 'ws', remoteAddress: '127.0.0.1' });
            const data = noise(
              frames.reduce((sum, frame) => sum + frame.length, 0),
              7,
            );
            let offset = 0;
            frames.forEach((frame, index) => {
              const fin = frame.fin || index === frames.length - 1;
              client.send(data.subarray(offset, offset + frame.length), { binary: true, fin });
              offset += frame.length;
            });
            await connection.bytes(data.length);
            expect(connection.received.equals(data)).toBe(true);
            client.terminate();
            await connection.gone();
          },
        ),
        { numRuns: 10 },
      );
    });

    it('sends one binary frame per write', async () => {
      const bench = createBench({ nodeInternals });
      const listener = await track(startWebSocketListener('ws', webSocketConfig, bench.context));
      const client = await opened(dial(listener));
      const frames: Buffer[] = [];
      client.on('message', (data: Buffer, isBinary) => {
        expect(isBinary).toBe(true);
        frames.push(data);
      });
      const connection = await bench.next();
      const sizes = [1, 125, 126, 127, 65_535, 65_536, 300_000];
      for (const size of sizes) {
        const data = noise(size, size);
        const half = size >> 1;
        if (half === 0) await connection.send(data);
        else await connection.send(data.subarray(0, half), data.subarray(half));
      }
      await eventually(() => frames.length === sizes.length);
      expect(frames.map((frame) => frame.length)).toEqual(sizes);
      expect(frames.every((frame) => frame.equals(noise(frame.length, frame.length)))).toBe(true);
    });

    it('answers pings between writes without mixing frames', async () => {
      const bench = createBench({ nodeInternals });
      const listener = await track(startWebSocketListener('ws', webSocketConfig, bench.context));
      const client = await opened(dial(listener));
      const connection = await bench.next();
      let pongs = 0;
      let received = 0;
      client.on('pong', () => {
        pongs += 1;
      });
      client.on('message', (data: Buffer) => {
        received += data.length;
      });
      for (let i = 0; i < 50; i += 1) {
        client.ping(`p${i}`);
        await connection.send(noise(1 + i * 4001, i + 1));
      }
      await eventually(() => pongs === 50 && received === 50 + (4001 * 49 * 50) / 2);
    });

    it('holds input while paused and settles a pending write once', async () => {
      const bench = createBench({ nodeInternals, windowBytes: 512 });
      const listener = await track(startWebSocketListener('ws', webSocketConfig, bench.context));
      const client = await opened(dial(listener));
      const connection = await bench.next();
      connection.onRead = () => {
        connection.transport.pause();
        const before = connection.receivedBytes;
        setImmediate(() => {
          expect(connection.receivedBytes).toBe(before);
          connection.transport.resume();
          expect(connection.receivedBytes).toBe(before);
        });
      };
      const data = noise(50_000);
      for (let offset = 0; offset < data.length; offset += 777)
        client.send(data.subarray(offset, offset + 777));
      await connection.bytes(data.length);
      expect(connection.received.equals(data)).toBe(true);

      client.pause();
      let done = 0;
      connection.transport.write([noise(16 * 1024 * 1024)], () => {
        done += 1;
      });
      for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      expect(done).toBe(0);
      connection.transport.destroy();
      await connection.gone();
      expect([done, connection.closedTimes]).toEqual([1, 1]);
      expect(bench.admission.counters().open).toBe(0);
    });
  });
}

describe('WebSocket closing', () => {
  it('ends with a close frame after what was written', async () => {
    const bench = createBench();
    const listener = await track(startWebSocketListener('ws', webSocketConfig, bench.context));
    const client = await opened(dial(listener));
    let received = 0;
    client.on('message', (data: Buffer) => {
      received += data.length;
    });
    const connection = await bench.next();
    connection.transport.write([noise(5_000_000)], () => undefined);
    connection.transport.end();
    expect(await closeCode(client)).toBe(1000);
    expect(received).toBe(5_000_000);
    await connection.gone();
    expect(connection.error).toBeUndefined();
  });

  it('names the fault: text frames, messages above the bound, broken frames (item 16)', async () => {
    const bench = createBench({ more: { maxMessageBytes: 1000 } });
    const listener = await track(startWebSocketListener('ws', webSocketConfig, bench.context));
    const faults: [number, (client: WebSocket) => void][] = [
      [1003, (client) => client.send('text')],
      [1009, (client) => client.send(Buffer.alloc(1001))],
      [
        1009,
        (client) => {
          client.send(Buffer.alloc(600), { fin: false });
          client.send(Buffer.alloc(600), { fin: true });
        },
      ],
      [1002, (client) => client.send(Buffer.alloc(10), { mask: false })],
    ];
    for (const [code, provoke] of faults) {
      const client = await opened(dial(listener));
      const connection = await bench.next();
      const closing = closeCode(client);
      provoke(client);
      expect(await closing).toBe(code);
      await connection.gone();
      expect(connection.error).toBeDefined();
      expect([connection.receivedBytes, connection.closedTimes]).toEqual([0, 1]);
    }
    await eventually(() => bench.admission.counters().open === 0);
  });

  it('drops a client that pings and does not read (item 16)', async () => {
    const bench = createBench();
    const listener = await track(startWebSocketListener('ws', webSocketConfig, bench.context));
    const client = await opened(dial(listener));
    const connection = await bench.next();
    client.pause();
    const ping = Buffer.alloc(125);
    while (connection.closedTimes === 0) {
      for (let i = 0; i < 200; i += 1) if (client.readyState === WebSocket.OPEN) client.ping(ping);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(connection.error?.message).toContain('pings');
  });
});

describe('HTTP front of a WebSocket listener', () => {
  it('chooses a subprotocol of ours and refuses clients without one', async () => {
    const bench = createBench();
    const listener = await track(startWebSocketListener('ws', webSocketConfig, bench.context));
    expect((await opened(dial(listener))).protocol).toBe('mqtt');
    expect((await opened(dial(listener, { protocols: ['mqttv3.1'] }))).protocol).toBe('mqttv3.1');
    expect((await opened(dial(listener, { protocols: ['chat', 'mqttv3.1', 'mqtt'] }))).protocol).toBe('mqtt');
    await expect(opened(dial(listener, { protocols: ['chat'] }))).rejects.toThrow('status 400');
    await expect(opened(dial(listener, { protocols: [] }))).rejects.toThrow('status 400');
    expect(bench.connections).toHaveLength(3);
  });

  it('serves one path, and origins of the allow-list only', async () => {
    const bench = createBench();
    const config = { ...webSocketConfig, allowedOrigins: ['https://app.example'] };
    const listener = await track(startWebSocketListener('ws', config, bench.context));
    await opened(dial(listener, { origin: 'https://app.example' }));
    await opened(dial(listener, { path: '/mqtt?token=1' }));
    await expect(opened(dial(listener, { origin: 'https://evil.example' }))).rejects.toThrow('status 403');
    await expect(opened(dial(listener, { origin: 'https://app.example.evil.example' }))).rejects.toThrow(
      'status 403',
    );
    await expect(opened(dial(listener, { path: '/' }))).rejects.toThrow('status 404');
    await expect(opened(dial(listener, { path: '/mqtt/' }))).rejects.toThrow('status 404');
  });

  it('does not offer compression and does not believe forwarded addresses (item 16)', async () => {
    const bench = createBench();
    const listener = await track(startWebSocketListener('ws', webSocketConfig, bench.context));
    const client = await opened(
      dial(listener, { perMessageDeflate: true, headers: { 'X-Forwarded-For': '192.0.2.99' } }),
    );
    expect(client.extensions).toBe('');
    expect((await bench.next()).transport.remoteAddress).toBe('127.0.0.1');
  });

  it('serves the demo page when it is on, and 404 or 405 for the rest', async () => {
    const pages = (path: string): { type: string; body: string } | undefined =>
      path === '/' ? { type: 'text/html; charset=utf-8', body: '<p>Grüezi</p>' } : undefined;
    const bench = createBench({ more: { pages } });
    const listener = await track(startWebSocketListener('ws', webSocketConfig, bench.context));
    const base = `http://127.0.0.1:${portOf(listener)}`;
    const page = await fetch(`${base}/?x=1`);
    expect([page.status, page.headers.get('content-type'), await page.text()]).toEqual([
      200,
      'text/html; charset=utf-8',
      '<p>Grüezi</p>',
    ]);
    expect((await fetch(`${base}/other`)).status).toBe(404);
    expect((await fetch(`${base}/mqtt`)).status).toBe(404);
    expect((await fetch(`${base}/`, { method: 'POST', body: 'x' })).status).toBe(405);
    expect(await answerTo(listener, 'HEAD / HTTP/1.1\r\nHost: x\r\n\r\n')).toMatch(
      /^HTTP\/1.1 200 OK\r\n[\s\S]*\r\n\r\n$/,
    );
    const off = await track(
      startWebSocketListener('ws2', { ...webSocketConfig, demoPage: false }, bench.context),
    );
    expect((await fetch(`http://127.0.0.1:${portOf(off)}/`)).status).toBe(404);
    await eventually(() => bench.admission.counters().open === 0);
    expect(listener.counters().pending).toBe(0);
  });

  it('refuses what is no proper request (item 17)', async () => {
    const bench = createBench();
    const listener = await track(startWebSocketListener('ws', webSocketConfig, bench.context));
    expect(await answerTo(listener, '\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00')).toMatch(
      /^HTTP\/1.1 400/,
    );
    expect(await answerTo(listener, `GET /${'a'.repeat(20_000)} HTTP/1.1\r\n`)).toMatch(/^HTTP\/1.1 4/);
    expect(await answerTo(listener, `GET / HTTP/1.1\r\nX: ${'a'.repeat(20_000)}`)).toMatch(/^HTTP\/1.1 4/);
    expect(await answerTo(listener, 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n')).toBe('');
    const wrongVersion = upgradeRequest().replace('Version: 13', 'Version: 99');
    expect(await answerTo(listener, wrongVersion)).toMatch(/^HTTP\/1.1 400/);
    expect(await answerTo(listener, upgradeRequest().replace(/Sec-WebSocket-Key.*\r\n/, ''))).toMatch(
      /^HTTP\/1.1 400/,
    );
    expect(bench.connections).toHaveLength(0);
    await eventually(() => bench.admission.counters().open === 0);
  });

  it('gives a client ten seconds to ask for something (item 18)', async () => {
    let nowMs = 0;
    const ticks = new Set<() => void>();
    const clock = {
      monotonicMs: () => nowMs,
      wallMs: () => nowMs,
      every(_intervalMs: number, callback: () => void) {
        ticks.add(callback);
        return () => ticks.delete(callback);
      },
    };
    const bench = createBench({ clock });
    const listener = await track(startWebSocketListener('ws', webSocketConfig, bench.context));
    const silent = connectTo(listener).resume();
    const slow = connectTo(listener).resume();
    slow.write('GET /mqtt HTTP/1.1\r\n');
    const client = await opened(dial(listener));
    await eventually(() => listener.counters().pending === 2);
    nowMs = 9_999;
    for (const tick of ticks) tick();
    expect(listener.counters().pending).toBe(2);
    nowMs = 10_001;
    for (const tick of ticks) tick();
    await Promise.all([closed(silent), closed(slow)]);
    expect(listener.counters()).toMatchObject({ pending: 0, open: 1, failedHandshakes: 2 });
    expect(client.readyState).toBe(WebSocket.OPEN);
    expect(ticks.size).toBe(0);
  });

  it('understands a PROXY header and the first frame in one packet with the request', async () => {
    const bench = createBench();
    const config = { ...webSocketConfig, proxyProtocol: true };
    const listener = await track(startWebSocketListener('ws', config, bench.context));
    const socket = connectTo(listener);
    const frame = Buffer.of(0x82, 0x85, 0, 0, 0, 0, ...Buffer.from('hello'));
    const header = Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 12345 8083\r\n');
    socket.write(Buffer.concat([header, Buffer.from(upgradeRequest()), frame]));
    const connection = await bench.next();
    await connection.bytes(5);
    expect(connection.received.toString()).toBe('hello');
    expect(connection.transport).toMatchObject({ remoteAddress: '192.0.2.7', remotePort: 12345 });
  });
});

describe('secure WebSocket transport', () => {
  const directory = mkdtempSync(join(tmpdir(), 'wss-'));
  afterAll(() => rmSync(directory, { recursive: true }));
  const authority = createCertificate({ commonName: 'Test authority', authority: true });
  const server = createCertificate({ commonName: 'localhost', names: ['127.0.0.1'], issuer: authority });
  const device = createCertificate({ commonName: 'device-1', issuer: authority });
  const file = (name: string, content: string): string => {
    writeFileSync(join(directory, name), content);
    return join(directory, name);
  };

  it('carries bytes both ways and knows the client certificate', async () => {
    const bench = createBench();
    const config = {
      ...webSocketConfig,
      ...tlsConfig({
        certFile: file('s.crt', server.certPem),
        keyFile: file('s.key', server.keyPem),
        caFile: file('ca.crt', authority.certPem),
        clientCertificate: 'request',
      }),
    };
    const listener = await track(startSecureWebSocketListener('wss', config, bench.context));
    const client = await opened(
      dial(listener, { scheme: 'wss', ca: authority.certPem, cert: device.certPem, key: device.keyPem }),
    );
    const connection = await bench.next();
    expect(connection.transport).toMatchObject({ kind: 'wss', peerCertificate: { commonName: 'device-1' } });
    const data = noise(300_000);
    client.send(data);
    await connection.bytes(data.length);
    expect(connection.received.equals(data)).toBe(true);
    const answer = new Promise<Buffer>((resolve) => client.once('message', resolve));
    await connection.send(data.subarray(0, 1), data.subarray(1));
    expect((await answer).equals(data)).toBe(true);
    client.close();
    await connection.gone();
    expect(listener.reload()).toBeUndefined();
    expect(bench.admission.counters().open).toBe(0);
  });
});
