/** `pub` and `sub` against a broker that is not ours: Mosquitto, where it is installed. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { freePort } from '../support/free-port.ts';
import { untilListening } from '../support/until-listening.ts';
import { type TestIo, testIo } from './support.ts';

const mosquitto = ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto', '/opt/homebrew/sbin/mosquitto'].find(
  existsSync,
);

let counter = 0;
const topicOf = (name: string): string => `cli/${process.pid}/${counter++}/${name}`;

interface Verb {
  readonly io: TestIo;
  readonly ended: Promise<number>;
}

function start(argv: readonly string[], input = ''): Verb {
  const io = testIo(input);
  return { io, ended: run(argv, io) };
}

describe.skipIf(mosquitto === undefined)('with a broker', () => {
  let broker: ChildProcess;
  let folder: string;
  let at: string[];
  let socketPath: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'robustmq-cli-'));
    socketPath = join(folder, 'mqtt.sock');
    const port = await freePort();
    at = ['--host', '127.0.0.1', '--port', String(port)];
    writeFileSync(
      join(folder, 'mosquitto.conf'),
      `listener ${port} 127.0.0.1\nlistener 0 ${socketPath}\nallow_anonymous true\nuser ${process.env.USER ?? 'root'}\n`,
    );
    broker = spawn(mosquitto ?? '', ['-c', join(folder, 'mosquitto.conf')], { stdio: 'ignore' });
    await untilListening(port);
  });
  afterAll(async () => {
    broker.kill();
    await once(broker, 'exit');
    rmSync(folder, { recursive: true });
  });

  /** Subscribes, and resolves once the subscription is there: a retained marker has come back. */
  async function subscribed(filter: string, options: readonly string[]): Promise<Verb> {
    const marker = topicOf('marker');
    await start(['pub', marker, 'ready', '--retain', ...at]).ended;
    const verb = start(['sub', marker, filter, '-v', ...options, ...at]);
    await verb.io.outMatches(/ready/);
    return verb;
  }

  for (const version of ['3', '4', '5']) {
    for (const qos of ['0', '1', '2']) {
      it(`carries a message with MQTT version ${version} and QoS ${qos}`, async () => {
        const topic = topicOf('one');
        const sub = await subscribed(topic, ['-n', '2', '-q', qos, '-V', version]);
        const pub = start(['pub', topic, 'hello', '-q', qos, '-V', version, ...at]);
        expect(await pub.ended).toBe(0);
        expect(await sub.ended).toBe(0);
        expect(sub.io.outText()).toContain(`${topic} hello\n`);
        expect(pub.io.errText()).toBe('');
      });
    }
  }

  it('publishes each line of input, in order, within the window of the broker', async () => {
    const topic = topicOf('lines');
    const lines = Array.from({ length: 3000 }, (_, index) => `line ${index}`);
    const sub = await subscribed(topic, ['-n', String(lines.length + 1), '-q', '1']);
    expect(await start(['pub', topic, '--line', '-q', '1', ...at], `${lines.join('\n')}\n`).ended).toBe(0);
    expect(await sub.ended).toBe(0);
    const received = sub.io.outText().trim().split('\n').slice(1);
    expect(received).toEqual(lines.map((line) => `${topic} ${line}`));
  });

  it('publishes standard input as one message, byte for byte', async () => {
    const topic = topicOf('bytes');
    const io = testIo();
    const payload = 'a\nb\n';
    await start(['pub', topic, '-', '-r', ...at], payload).ended;
    expect(await run(['sub', topic, '-n', '1', '--format', '%x', ...at], io)).toBe(0);
    expect(io.outText()).toBe(`${Buffer.from(payload).toString('hex')}\n`);
  });

  it('shows the properties of MQTT 5 as JSON', async () => {
    const topic = topicOf('properties');
    const properties = ['--property', 'content-type=text/plain', '--property', 'message-expiry-interval=1h'];
    const own = ['--user-property', 'a=1', '--user-property', 'a=2', '--user-property', 'b=x=y'];
    await start(['pub', topic, 'hi', '-r', ...properties, ...own, ...at]).ended;
    const { io, ended } = start(['sub', topic, '-n', '1', '-o', 'json', ...at]);
    expect(await ended).toBe(0);
    expect(JSON.parse(io.outText())).toMatchObject([
      {
        topic,
        qos: 0,
        retain: true,
        payload: 'hi',
        properties: { contentType: 'text/plain', userProperties: { a: ['1', '2'], b: 'x=y' } },
      },
    ]);
  });

  it('prints only what is retained and ends with the first live message', async () => {
    const topic = topicOf('retained');
    await start(['pub', `${topic}/a`, 'old', '-r', ...at]).ended;
    const verb = start(['sub', `${topic}/#`, '--retained-only', '-t', '15s', ...at]);
    await verb.io.outMatches(/old/);
    await start(['pub', `${topic}/b`, 'new', ...at]).ended;
    expect(await verb.ended).toBe(0);
    expect(verb.io.outText()).toBe('old\n');
  });

  it('ends with 6 when the messages do not come in time, and with 0 when none were counted', async () => {
    const late = start(['sub', topicOf('never'), '-n', '1', '-t', '50ms', ...at]);
    expect(await late.ended).toBe(6);
    expect(late.io.errText()).toContain('only 0 of 1 messages');
    expect(await start(['sub', topicOf('never'), '-t', '50ms', '-o', 'json', ...at]).ended).toBe(0);
  });

  it('ends cleanly at Ctrl-C', async () => {
    const sub = await subscribed(topicOf('signal'), []);
    sub.io.signal('SIGINT');
    expect(await sub.ended).toBe(0);
  });

  it('leaves no will when it ends well', async () => {
    const topic = topicOf('will');
    const watcher = await subscribed(topic, ['-n', '2']);
    const will = ['--will-topic', topic, '--will-payload', 'gone'];
    const quiet = start(['sub', topicOf('x'), '-t', '50ms', ...will, ...at]);
    expect(await quiet.ended).toBe(0);
    await start(['pub', topic, 'next', ...at]).ended;
    expect(await watcher.ended).toBe(0);
    expect(watcher.io.outText()).toContain(`${topic} next`);
    expect(watcher.io.outText()).not.toContain('gone');
  });

  it('resumes a session and gets what came meanwhile', async () => {
    const topic = topicOf('session');
    const session = [
      '-i',
      topic.replaceAll('/', '-'),
      '--no-clean',
      '--session-expiry',
      '60s',
      '-q',
      '1',
      ...at,
    ];
    expect(await start(['sub', topic, '-t', '50ms', ...session]).ended).toBe(0);
    await start(['pub', topic, 'meanwhile', '-q', '1', ...at]).ended;
    const { io, ended } = start(['sub', topic, '-n', '1', '-t', '15s', ...session]);
    expect(await ended).toBe(0);
    expect(io.outText()).toBe('meanwhile\n');
  });

  it('connects over a Unix socket', async () => {
    const { io, ended } = start([
      'pub',
      topicOf('unix'),
      'x',
      '-q',
      '1',
      '--url',
      `mqtt+unix://${socketPath}`,
    ]);
    expect(await ended, io.errText()).toBe(0);
  });
});

describe('without a broker', () => {
  it('says in one line what refused the connection and ends with 5', async () => {
    const { io, ended } = start(['pub', 't', 'x', '--host', '127.0.0.1', '--port', String(await freePort())]);
    expect(await ended).toBe(5);
    expect(io.errText()).toMatch(/^robustmq: cannot connect to 127\.0\.0\.1:\d+: connection refused\n$/);
  });

  it.each([
    ['answers no CONNECT', () => {}, 5, 'did not answer CONNECT'],
    ['closes at once', (socket: Socket) => void socket.end(), 5, 'before CONNACK'],
    [
      'speaks HTTP',
      (socket: Socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'),
      1,
      'does not speak MQTT',
    ],
    [
      'refuses',
      (socket: Socket) => void socket.write(Buffer.from([0x20, 3, 0, 0x87, 0])),
      4,
      '0x87 Not authorized',
    ],
  ])('ends well with a server that %s', async (_what, behave, exitCode, message) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => behave(socket));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? String(address?.port) : '';
    const { io, ended } = start([
      'pub',
      't',
      'x',
      '--host',
      '127.0.0.1',
      '--port',
      port,
      '--connect-timeout',
      '200ms',
    ]);
    expect(await ended).toBe(exitCode);
    expect(io.errText()).toContain(message);
    server.close();
  });
});
