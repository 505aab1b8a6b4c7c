/** Items 19 and 44 to 46 of the security checklist: the servers of HTTP, from outside, and what they say of hostile names. */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { printable } from '../../../src/cli/admin-output.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { systemClock } from '../../../src/kernel/clock.ts';
import { type HttpListener, startHttpListener } from '../../../src/net/http-listener.ts';
import { rawAnswer } from '../../support/raw-answer.ts';
import { RawClient } from '../../support/raw-client.ts';
import * as wire from '../../support/wire.ts';
import { type KafkaNode, startKafkaNode } from '../kafka/node.ts';

const silent = pino({ level: 'silent' });
const source = fileURLToPath(new URL('../../../src/', import.meta.url));

describe('item 19: slow and many requests', () => {
  let listener: HttpListener;
  let port = 0;
  let served = 0;
  beforeAll(async () => {
    const loaded = await loadConfig({ sets: ['listeners.http.port=0'] });
    if (!loaded.ok) throw new Error('no configuration');
    listener = await startHttpListener('http', loaded.config.listeners.http, {
      handle(request, response) {
        request.resume();
        request.on('end', () => {
          served++;
          response.end('ok');
        });
      },
      logger: silent,
      clock: systemClock,
      // As in a broker, but for the unit.
      timeouts: { headMs: 500, requestMs: 800, keepAliveMs: 200, checkMs: 20 },
    });
    const address = listener.address();
    port = 'port' in address ? address.port : 0;
  });
  afterAll(() => listener.close());

  test('heads and bodies that do not end are told so and closed', async () => {
    const host = 'Host: localhost\r\n';
    const slow = [
      'GET / HT',
      `GET / HTTP/1.1\r\n${host}X-Slow: `,
      `POST / HTTP/1.1\r\n${host}Content-Length: 1000\r\n\r\nsome`,
    ];
    for (const answer of await Promise.all(slow.map((text) => rawAnswer(port, text)))) {
      expect(answer).toMatch(/^(?:HTTP\/1\.1 408 |$)/);
    }
    expect(served).toBe(0);
  });

  test('a head that comes byte by byte has no more time', async () => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    socket.write('GET / HTTP/1.1\r\nX-Slow: ');
    const closed = once(socket, 'close');
    const stop = systemClock.every(20, () => void (socket.writable && socket.write('a')));
    await closed;
    stop();
    expect(served).toBe(0);
  });

  test('connections that ask for nothing more are closed', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => rawAnswer(port, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')),
    );
    expect(answers.every((answer) => answer.startsWith('HTTP/1.1 200'))).toBe(true);
    while (listener.counters().open > 0) await turn();
  });

  test('ten thousand requests at once on one connection are served a thousand times, in order', async () => {
    const before = served;
    const heard = await rawAnswer(port, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(10_000));
    expect(served - before).toBeLessThanOrEqual(1000);
    expect(heard.match(/HTTP\/1\.1 200/g)?.length ?? 0).toBeLessThanOrEqual(1000);
    expect(await rawAnswer(port, 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')).toMatch(
      /200 OK/,
    );
  });

  test('more headers than are looked at are refused, so that none hides behind them', async () => {
    const before = served;
    const many = Array.from({ length: 2100 }, (_, i) => `a${i}: b\r\n`).join('');
    const hidden = `Origin: http://evil.example\r\nConnection: close\r\n\r\n`;
    const close = 'Connection: close\r\n';
    expect(await rawAnswer(port, `GET / HTTP/1.1\r\nHost: localhost\r\n${close}${many}${hidden}`)).toMatch(
      /^HTTP\/1\.1 431/,
    );
    expect(served).toBe(before);
  });
});

describe('a node', () => {
  const log: string[] = [];
  let broker: KafkaNode;
  let http = 0;
  let ws = 0;
  beforeAll(async () => {
    broker = await startKafkaNode(
      {
        'listeners.http.enabled': true,
        'listeners.http.port': 0,
        'listeners.ws.enabled': true,
        'listeners.ws.port': 0,
      },
      { write: (line) => void log.push(line) },
    );
    const portOf = (name: string): number => {
      const address = broker.node.listeners.find((each) => each.name === name)?.address;
      if (address === undefined || !('port' in address)) throw new Error(`no ${name} listener`);
      return address.port;
    };
    http = portOf('http');
    ws = portOf('ws');
  });
  afterAll(() => broker.stop());

  test.each([
    '/ui/..%2f..%2fetc/passwd',
    '/../../../../etc/passwd',
    '/assets/../../../package.json',
    '/assets/..%2f..%2f..%2fpackage.json',
    '/assets/%2e%2e/%2e%2e/cli/main.js',
    '/assets/client.js%00.html',
    '//etc/passwd',
    '/etc/passwd',
    'http://localhost/etc/passwd',
    'file:///etc/passwd',
    '/assets/client.js.map',
    '/.env',
    '/.git/config',
    '/assets/',
  ])('item 44: GET %s finds nothing, at neither server of HTTP', async (path) => {
    for (const port of [http, ws]) {
      const answer = await rawAnswer(
        port,
        `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      );
      expect([port === ws, answer.split('\r\n')[0]]).toEqual([
        port === ws,
        expect.stringMatching(/^HTTP\/1\.1 (?:40[0134]|421) /),
      ]);
      expect(answer).not.toMatch(/root:|"dependencies"|robustmq_password/);
    }
  });

  test('item 45: names with markup, line ends and bidirectional overrides are data in the API and one line of the log', async () => {
    const name = `<img src=x onerror=alert(1)>\u202e\n"evil":"yes"`;
    const address = broker.node.listeners.find((each) => each.name === 'mqtt')?.address;
    if (address === undefined || !('port' in address)) throw new Error('no mqtt listener');
    const client = await RawClient.open(address);
    client.send(wire.connect({ clientId: name, username: name }));
    await client.next();
    client.send(wire.publish({ topic: `a/${name}/#`, payload: '<svg onload=alert(1)>' }));
    await client.closed();
    for (const line of log) {
      expect(line.trimEnd()).not.toContain('\n');
      expect((JSON.parse(line) as { evil?: string }).evil).toBeUndefined();
    }
    const answer = await fetch(`http://127.0.0.1:${http}/api/v1/topics/${encodeURIComponent(name)}`);
    expect(answer.headers.get('content-type')).toMatch(/^application\/(?:problem\+)?json/);
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
  });
});

function* sources(folder = source): Generator<readonly [path: string, text: string]> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (entry.name.endsWith('.ts')) yield [path.slice(source.length), readFileSync(path, 'utf8')];
  }
}

test('item 45: the command line shows names without anything that a terminal would act upon', () => {
  expect(printable('a\u001b[2Jb\r\nc\u202ed\u009b31me')).toBe(
    'a\\u001b[2Jb\\u000d\\u000ac\\u202ed\\u009b31me',
  );
});

test('item 45: pages write text, never HTML, and nothing is evaluated', () => {
  const found = [...sources()].filter(([, text]) =>
    /\b(?:innerHTML|outerHTML|insertAdjacentHTML)\b|document\.write\(|\beval\(|\bnew Function\b|node:vm|from 'vm'/.test(
      text,
    ),
  );
  expect(found.map(([path]) => path)).toEqual([]);
});

test('item 46: no regular expression is made of what somebody sends, but by the engine that cannot backtrack', () => {
  const makers = [...sources()].filter(([, text]) => /\bRegExp\(/.test(text)).map(([path]) => path);
  // Of constants of their own.
  expect(makers.sort()).toEqual([
    'kernel/bindings/names.ts',
    'kernel/filter/tokens.ts',
    'security/scram/scram.ts',
  ]);
});
