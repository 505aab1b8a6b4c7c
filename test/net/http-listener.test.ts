import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { defaultConfig } from '../../src/config/load.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { type HttpListener, startHttpListener } from '../../src/net/http-listener.ts';
import { rawAnswer } from '../support/raw-answer.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {} };
let listener: HttpListener | undefined;
let reached = 0;

async function start(settings: object = {}): Promise<number> {
  reached = 0;
  listener = await startHttpListener(
    'http',
    { ...defaultConfig().listeners.http, port: 0, ...settings },
    {
      handle(_request, response) {
        reached++;
        response.end('hello');
      },
      logger: silent,
      clock: systemClock,
    },
  );
  const address = listener.address();
  if (!('port' in address)) throw new Error('no port');
  return address.port;
}

async function ask(port: number, headers: http.OutgoingHttpHeaders, method = 'GET'): Promise<number> {
  const request = http.request({ host: '127.0.0.1', port, method, headers, agent: false }).end();
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.resume();
  await once(response, 'end');
  return response.statusCode ?? 0;
}

afterEach(async () => {
  await listener?.close();
  listener = undefined;
});

describe('an HTTP listener', () => {
  it('answers to addresses, localhost and the names it was given, and to no other (item 42)', async () => {
    const port = await start({ allowedHosts: ['Broker.example'] });
    for (const host of [
      '127.0.0.1',
      `127.0.0.1:${port}`,
      `localhost:${port}`,
      '[::1]:1',
      'broker.example:80',
    ]) {
      expect([host, await ask(port, { host })]).toEqual([host, 200]);
    }
    reached = 0;
    for (const host of [
      'evil.example',
      'evil.example:18083',
      '127.0.0.1.evil.example',
      'localhost.',
      'a:b:c',
    ]) {
      expect([host, await ask(port, { host })]).toEqual([host, 421]);
    }
    expect(reached).toBe(0);
  });

  it('refuses requests out of pages of other sites (item 42)', async () => {
    const port = await start();
    const host = `localhost:${port}`;
    const refused: http.OutgoingHttpHeaders[] = [
      { host, origin: 'http://evil.example' },
      { host, origin: 'null' },
      { host, origin: `https://${host}` },
      { host, 'sec-fetch-site': 'cross-site' },
      { host, 'sec-fetch-site': 'same-site' },
    ];
    for (const headers of refused) {
      expect([headers, await ask(port, headers, 'POST')]).toEqual([headers, 403]);
    }
    expect(reached).toBe(0);
    expect(await ask(port, { host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' }, 'POST')).toBe(
      200,
    );
    const link = { host, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
    expect([await ask(port, link), await ask(port, link, 'POST')]).toEqual([200, 403]);
  });

  it('refuses heads that are too large or no HTTP, and stays alive (item 19)', async () => {
    const port = await start();
    const host = `Host: localhost:${port}\r\n`;
    expect(await rawAnswer(port, `GET / HTTP/1.1\r\n${host}x: ${'x'.repeat(70_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431/,
    );
    expect(await rawAnswer(port, '\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00')).toMatch(/^HTTP\/1\.1 400/);
    expect(
      await rawAnswer(
        port,
        `POST / HTTP/1.1\r\n${host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n`,
      ),
    ).toMatch(/^HTTP\/1\.1 400/);
    expect(await ask(port, { host: 'localhost', __proto__: 'x' })).toBe(200);
  });

  it('closes connections above its bound at once, and takes new ones when others have gone', async () => {
    const port = await start({ maxConnections: 2 });
    const open = [net.connect(port, '127.0.0.1'), net.connect(port, '127.0.0.1')];
    await Promise.all(open.map((socket) => once(socket, 'connect')));
    while (listener?.counters().open !== 2) await new Promise(setImmediate);
    expect(await rawAnswer(port, '')).toBe('');
    expect(listener.counters()).toEqual({ open: 2, refused: 1 });
    open[0]?.destroy();
    while (listener.counters().open !== 1) await new Promise(setImmediate);
    expect(await ask(port, { host: 'localhost' })).toBe(200);
    for (const socket of open) socket.destroy();
  });

  it('says what browsers must not do with its answers', async () => {
    const port = await start();
    const response = await fetch(`http://127.0.0.1:${port}/`);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'content-security-policy': expect.stringContaining("default-src 'none'") as string,
    });
  });

  it('closes while a client still reads an answer that does not end', async () => {
    const hanging = await startHttpListener(
      'http',
      { ...defaultConfig().listeners.http, port: 0 },
      { handle: (_request, response) => response.write('begin'), logger: silent, clock: systemClock },
    );
    const address = hanging.address();
    const request = http.get({ host: '127.0.0.1', port: 'port' in address ? address.port : 0 });
    request.on('error', () => {});
    await once(request, 'response');
    await hanging.close();
  });
});
