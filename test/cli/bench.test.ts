/** `bench` against a broker that is not ours, over every transport, in this process and as one. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { Aedes } from 'aedes';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWebSocketStream, WebSocketServer } from 'ws';
import type { BenchReport } from '../../src/cli/bench-report.ts';
import { run } from '../../src/cli/program.ts';
import { createCertificate } from '../support/certificates.ts';
import { freePort } from '../support/free-port.ts';
import { testIo } from './support.ts';

let broker: Aedes;
let folder: string;
let plain: Server;
const closers: (() => void)[] = [];
const urls: Record<string, string> = {};
const seen = { clientIds: new Set<string>(), users: new Set<string>() };

function portOf(server: { address(): unknown }): number {
  const address = server.address();
  if (typeof address !== 'object' || address === null || !('port' in address)) throw new Error('no port');
  return Number(address.port);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'robustmq-bench-'));
  broker = await Aedes.createBroker({
    authenticate: (client, user, _password, done) => {
      if (user === 'nobody') {
        done(Object.assign(new Error('no'), { returnCode: 5 }), null);
        return;
      }
      seen.clientIds.add(client.id);
      if (user != null) seen.users.add(user);
      done(null, true);
    },
    authorizeSubscribe: (_client, subscription, done) =>
      done(null, subscription.topic.startsWith('secret') ? null : subscription),
  });
  plain = createServer({ noDelay: true }, broker.handle).listen(0, '127.0.0.1');
  const unix = createServer(broker.handle).listen(join(folder, 'mqtt.sock'));
  const identity = createCertificate({ commonName: 'localhost', names: ['localhost'], authority: true });
  writeFileSync(join(folder, 'ca.pem'), identity.certPem);
  const secure = createTlsServer({ cert: identity.certPem, key: identity.keyPem }, (socket) => {
    broker.handle(socket);
  }).listen(0, '127.0.0.1');
  const web = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  web.on('connection', (socket) => void broker.handle(createWebSocketStream(socket)));
  await Promise.all([plain, unix, secure, web].map((server) => once(server, 'listening')));
  for (const server of [plain, unix, secure]) closers.push(() => server.close());
  closers.push(() => web.close());
  urls.tcp = `mqtt://127.0.0.1:${portOf(plain)}`;
  urls.name = `mqtt://localhost:${portOf(plain)}`;
  urls.unix = `mqtt+unix://${join(folder, 'mqtt.sock')}`;
  urls.tls = `mqtts://localhost:${portOf(secure)}`;
  urls.ws = `ws://127.0.0.1:${portOf(web)}`;
});
afterAll(() => {
  broker.close();
  for (const close of closers) close();
  rmSync(folder, { recursive: true });
});

async function bench(...argv: string[]) {
  const io = testIo();
  const code = await run(['bench', ...argv], io);
  const out = io.outText();
  return { code, out, err: io.errText(), report: () => JSON.parse(out) as BenchReport };
}

describe('bench pubsub', () => {
  it.each(['tcp', 'name', 'unix', 'tls', 'ws'])('loses nothing over %s', async (transport) => {
    const tls = transport === 'tls' ? ['--ca', join(folder, 'ca.pem')] : [];
    const at = ['--url', urls[transport] ?? '', ...tls, '-V', '4', '-o', 'json'];
    const { code, report } = await bench(
      'pubsub',
      ...at,
      '-c',
      '3',
      '-n',
      '500',
      '-q',
      '1',
      '--in-flight',
      '20',
    );
    expect(code).toBe(0);
    expect(report()).toMatchObject({
      kind: 'pubsub',
      endedBy: 'count',
      sent: 500,
      received: 500,
      missing: 0,
    });
    expect(report().acknowledged).toBe(500);
    expect(report().delivery?.count).toBeGreaterThan(0);
  });

  it('shares subscribers out to topics, and gives all to one topic', async () => {
    const at = ['--url', urls.tcp ?? '', '-V', '4', '-o', 'json', '-n', '60', '--quiet'];
    const filters: string[] = [];
    const onSubscribe = (asked: readonly { readonly topic: string }[]): void => {
      for (const { topic } of asked) filters.push(topic);
    };
    broker.on('subscribe', onSubscribe);
    const [own, one] = await Promise.all([
      bench('pubsub', ...at, '-c', '2', '--subscribers', '5', '--topic', 'own/{i}', '--rate', '600'),
      bench('pubsub', ...at, '-c', '2', '--subscribers', '5', '--topic', 'one', '--rate', '600'),
    ]);
    broker.off('subscribe', onSubscribe);
    const toOne = Array.from({ length: 5 }, () => 'one');
    expect(filters.sort()).toEqual([...toOne, 'own/0', 'own/0', 'own/0', 'own/1', 'own/1']);
    expect(own.report()).toMatchObject({ sent: 60, missing: 0 });
    // To three subscribers of the first publisher and two of the second, who catches up alone when both were late.
    expect(own.report().received).toBeGreaterThanOrEqual(120);
    expect(own.report().received).toBeLessThanOrEqual(180);
    expect(one.report()).toMatchObject({ sent: 60, received: 300, missing: 0 });
    expect(one.err).toBe('');
  });

  it('holds a rate, and measures every message', async () => {
    const at = ['--url', urls.tcp ?? '', '-o', 'json', '-V', '4'];
    const { report } = await bench('pubsub', ...at, '-c', '4', '--rate', '400', '--duration', '1200ms');
    const { sent, seconds, delivery, rate, behind } = report();
    expect(rate).toBe(400);
    // As many as are due, and none before it is; what the machine took its time for at the end is not counted as behind.
    const due = seconds * 400;
    expect((sent ?? 0) + (behind ?? 0)).toBeLessThan(due + 20);
    expect((sent ?? 0) + (behind ?? 0)).toBeGreaterThan(due / 2);
    expect(delivery?.count).toBe(sent);
  });

  it('has the same fields whatever the kind', async () => {
    const at = ['--url', urls.tcp ?? '', '-o', 'json', '-V', '4'];
    const reports = await Promise.all([
      bench('pub', ...at, '-n', '10'),
      bench('sub', ...at, '--duration', '50ms', '--topic', 'silence'),
      bench('pubsub', ...at, '-n', '10'),
      bench('conn', ...at, '-c', '3'),
    ]);
    const names = reports.map(({ report }) => Object.keys(report()).sort());
    expect(new Set(names.map((each) => each.join()))).toHaveLength(1);
    expect(names[0]).toMatchInlineSnapshot(`
      [
        "acknowledged",
        "acknowledgement",
        "behind",
        "connect",
        "connections",
        "delivery",
        "endedBy",
        "failure",
        "generatorLoad",
        "kind",
        "messageBytes",
        "missing",
        "publishers",
        "qos",
        "rate",
        "received",
        "receivedBytesPerSecond",
        "receivedPerSecond",
        "refused",
        "seconds",
        "sent",
        "sentPerSecond",
        "subscribers",
      ]
    `);
    expect(reports.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    expect(reports[0]?.report()).toMatchObject({
      sent: 10,
      received: null,
      missing: null,
      acknowledged: null,
    });
    expect(reports[1]?.report()).toMatchObject({ sent: null, received: 0, messageBytes: null });
  });
});

describe('bench conn', () => {
  it('opens at a rate with a name and a user for each, and holds', async () => {
    const at = ['--url', urls.tcp ?? '', '-V', '4', '-o', 'json'];
    const { code, report } = await bench(
      'conn',
      ...at,
      ...['-c', '20', '--rate', '200', '--hold', '100ms', '-i', 'thing-{i}', '--user', 'user-{i}'],
    );
    expect(code).toBe(0);
    expect(report().connections).toMatchObject({ opened: 20, failed: 0, lost: 0, failures: [] });
    expect(report().connect?.count).toBe(20);
    expect(report().seconds).toBeGreaterThan(0.19);
    expect(seen.clientIds.has('thing-19')).toBe(true);
    expect(seen.users.has('user-0')).toBe(true);
  });

  it('counts what is refused, by reason', async () => {
    const { code, report, err } = await bench(
      'conn',
      ...['--url', urls.tcp ?? '', '-V', '4', '-o', 'json', '-c', '5', '--user', 'nobody'],
    );
    expect(code).toBe(4);
    expect(err).toContain('5 connections failed');
    expect(report().connections).toMatchObject({
      opened: 0,
      failed: 5,
      failures: [{ reason: 'CONNACK with code 5', count: 5 }],
    });
  });
});

describe('bench that cannot', () => {
  it('says why in a sentence, with an exit code of its own', async () => {
    const nobody = String(await freePort());
    const closed = await bench('pub', '-H', '127.0.0.1', '-p', nobody);
    expect(closed).toMatchObject({ code: 5, out: '' });
    expect(closed.err).toContain('ECONNREFUSED');
    expect((await bench('conn', '-H', '127.0.0.1', '-p', nobody, '-c', '2', '--quiet')).code).toBe(5);
    const refused = await bench('sub', '--url', urls.tcp ?? '', '-V', '4', '--topic', 'secret/#');
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toContain('SUBACK with code 128');
    for (const wrong of [
      ['--topic', 'a/#'],
      ['--size', '8'],
      ['--rate', '-1'],
      ['-c', '1000000', '-b', '1MiB'],
    ]) {
      expect((await bench('pub', '--url', urls.tcp ?? '', ...wrong)).code).toBe(2);
    }
  });

  it('ends with the summary when the broker goes away', async () => {
    const sockets = new Set<Socket>();
    const leaving = createServer((socket) => {
      sockets.add(socket);
      broker.handle(socket);
    }).listen(0, '127.0.0.1');
    await once(leaving, 'listening');
    const running = bench(
      'pubsub',
      '-H',
      '127.0.0.1',
      '-p',
      String(portOf(leaving)),
      '-V',
      '4',
      '-o',
      'json',
    );
    await new Promise<void>((resolve) => {
      broker.on('publish', function onPublish(_packet, client) {
        if (client === null) return;
        broker.off('publish', onPublish);
        resolve();
      });
    });
    for (const socket of sockets) socket.destroy();
    const { code, report, err } = await running;
    leaving.close();
    expect(code).toBe(5);
    expect(err).toContain('ended early');
    expect(report().endedBy).toBe('failure');
    expect(report().sent).toBeGreaterThan(0);
  });
});

describe.concurrent('bench as a process', () => {
  const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
  const command = (): string[] => [
    ...['--import', 'tsx', main, 'bench', 'pubsub', '--url', urls.tcp ?? '', '-V', '4', '--rate', '100'],
  ];

  it('shows a line each second on standard error, and ends with the summary at Ctrl-C', async () => {
    const child = spawn(process.execPath, [...command(), '-o', 'json', '--duration', '1m']);
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
      if (/^\d+ s /m.test(err)) child.kill('SIGINT');
    });
    const [code] = (await once(child, 'close')) as [number];
    expect(code).toBe(0);
    expect(err).toMatch(/^\d+ s {2}sent [\d,]+\/s {2}received [\d,]+\/s {2}p50 .* ms, p99 .* ms\n/);
    expect(JSON.parse(out)).toMatchObject({ endedBy: 'signal', missing: 0 });
  });

  it.skipIf(!existsSync('/usr/bin/script'))('draws in place at a terminal', async () => {
    const line = [process.execPath, ...command(), '--duration', '1300ms']
      .map((each) => `'${each}'`)
      .join(' ');
    const child = spawn('/usr/bin/script', ['-qec', line, '/dev/null'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    const [code] = (await once(child, 'close')) as [number];
    expect(code).toBe(0);
    expect(out).toMatch(/\r\u001b\[K\d+ s {2}sent /);
    expect(out).toMatch(/pubsub: 1 publisher, 1 subscriber, QoS 0, 64 bytes, 100\/s asked for; \d+\.\d s/);
    expect(out).toMatch(/delivery +p50 [\d.]+ ms, p90 [\d.]+, p99 [\d.]+, p99\.9 [\d.]+, max [\d.]+/);
  });
});
