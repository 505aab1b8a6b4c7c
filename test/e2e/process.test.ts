/** The broker and its command line as processes, and the programs people already have. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RawClient } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { type BrokerProcess, compile, readyFile, robustmq, root, run, startBroker } from './process.ts';

let folder: string;
beforeAll(() => {
  compile();
  folder = mkdtempSync(join(tmpdir(), 'robustmq-cli-'));
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function connect(broker: BrokerProcess, version: wire.Version, clientId: string): Promise<RawClient> {
  const client = await RawClient.open(broker.mqtt, version, clientId);
  client.send(wire.connect({ version, clientId }));
  expect((await client.expect('connack')).reason).toBe(0);
  return client;
}

describe('start', () => {
  test('writes where it listens, and the first client is in soon', async () => {
    const socket = join(folder, 'broker.sock');
    // The second start finds the files in the page cache, as a restart does.
    await (await startBroker()).stop();
    const broker = await startBroker([`listeners.unix.path=${socket}`]);
    await connect(broker, 5, 'first');
    const elapsedMs = performance.now() - broker.startedAtMs;
    expect(broker.ready.pid).toBe(broker.program.child.pid);
    expect(Object.keys(broker.ready.listeners).sort()).toEqual(['mqtt', 'unix', 'ws']);
    expect(broker.ready.listeners.unix).toEqual({ path: socket });
    expect((await broker.stop()).code).toBe(0);
    // 500 ms is what a quiet machine must reach; tests share theirs, and here only a wait that should not be is found.
    expect(elapsedMs).toBeLessThan(8000);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s tells MQTT 5 clients 0x8B, and ends with 0',
    async (signal) => {
      const broker = await startBroker();
      const five = await connect(broker, 5, 'five');
      const four = await connect(broker, 4, 'four');
      broker.program.child.kill(signal);
      await five.expectRefusal(0x8b);
      expect(await four.closed()).toEqual([]);
      const { code, err } = await broker.program.finished;
      expect(code).toBe(0);
      expect(err).toBe('');
      rmSync(broker.folder, { recursive: true, force: true });
    },
  );

  test('logs JSON, one object per line, when nobody is at the terminal', async () => {
    const broker = await startBroker();
    const { out } = await broker.stop();
    const lines = out.trim().split('\n');
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) expect(JSON.parse(line)).toHaveProperty('level');
  });

  test('a wrong key stops it with file, line and the nearest key', async () => {
    const file = join(folder, 'wrong-key.yaml');
    writeFileSync(file, 'listeners:\n  mqtt:\n    port: 0\n    prot: 1884\n');
    const { code, err } = await robustmq(['start', '--config', file]).finished;
    expect(code).toBe(2);
    expect(err).toContain(`${file}:4`);
    expect(err).toContain('listeners.mqtt.prot');
    expect(err).toContain('did you mean port?');
  });

  test('a wrong value stops it with file, line and what is expected', async () => {
    const file = join(folder, 'wrong-value.yaml');
    writeFileSync(file, 'mqtt:\n  maxQos: 1\n  overlapping: both\n');
    const { code, err } = await robustmq(['start', '--config', file]).finished;
    expect(code).toBe(2);
    expect(err).toContain(`${file}:3`);
    expect(err).toContain('mqtt.overlapping');
    expect(err).toContain('merge');
  });

  test('keys of listeners that come later are accepted', async () => {
    const broker = await startBroker(['listeners.http.port=8080']);
    expect(Object.keys(broker.ready.listeners).sort()).toEqual(['mqtt', 'ws']);
    expect((await broker.stop()).code).toBe(0);
  });

  test('a port that is taken is named, with the way out', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const address = other.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const { code, err } = await robustmq([
      'start',
      ...['--data-dir', join(folder, 'taken'), '--set', `listeners.mqtt.port=${address.port}`],
      ...['--set', 'listeners.http.enabled=false'],
    ]).finished;
    other.close();
    expect(code).toBe(1);
    expect(err).toContain(String(address.port));
    expect(err).toContain('--set listeners.mqtt.port=');
  });

  test('`npm start -- …` passes its arguments on', async () => {
    const path = join(folder, 'npm-ready.json');
    const program = run('npm', [
      ...['start', '--prefix', root, '--', '--ready-file', path, '--data-dir', join(folder, 'npm-data')],
      ...['--set', 'listeners.mqtt.port=0', '--set', 'listeners.ws.enabled=false'],
      ...['--set', 'listeners.kafka.enabled=false'],
      ...['--set', 'listeners.http.enabled=false'],
    ]);
    const ready = await readyFile(path, program);
    expect(Object.keys(ready.listeners)).toEqual(['mqtt']);
    process.kill(ready.pid, 'SIGTERM');
    expect((await program.finished).code).toBe(0);
  });
});

describe('publish and subscribe', () => {
  let broker: BrokerProcess;
  beforeAll(async () => {
    broker = await startBroker();
  });
  afterAll(async () => {
    await broker.stop();
  });
  const url = (): string => `mqtt://${broker.mqtt.host}:${broker.mqtt.port}`;

  /** A program has subscribed once a retained message of its own topic has come through. */
  async function retain(topic: string, payload: string): Promise<void> {
    const { code, err } = await robustmq(['pub', '--url', url(), topic, payload, '--retain', '--qos', '1'])
      .finished;
    expect(err).toBe('');
    expect(code).toBe(0);
  }

  test('`pub` and `sub` of the command', async () => {
    await retain('cli/ready', 'yes');
    const sub = robustmq([
      'sub',
      '--url',
      url(),
      'cli/#',
      '-v',
      '--count',
      '3',
      '--timeout',
      '20s',
      '--qos',
      '2',
    ]);
    await sub.outMatches(/cli\/ready yes\n/);
    const pub = await robustmq(['pub', '--url', url(), 'cli/line', '--line', '--qos', '2'], 'one\ntwo é\n')
      .finished;
    expect(pub.code).toBe(0);
    const { code, out } = await sub.finished;
    expect(code).toBe(0);
    expect(out).toBe('cli/ready yes\ncli/line one\ncli/line two é\n');
  });

  test('`sub` that waits in vain ends with 6', async () => {
    const { code } = await robustmq(['sub', '--url', url(), 'nothing', '--count', '1', '--timeout', '200ms'])
      .finished;
    expect(code).toBe(6);
  });

  const hasMosquitto = spawnSync('mosquitto_pub', ['--version']).error === undefined;
  test.runIf(hasMosquitto).each(['mqttv31', 'mqttv311', 'mqttv5'])(
    'mosquitto_pub and mosquitto_sub, %s',
    async (version) => {
      const topic = `mosquitto/${version}`;
      const address = ['-h', broker.mqtt.host, '-p', String(broker.mqtt.port), '-V', version];
      await retain(`${topic}/ready`, 'yes');
      const sub = run('mosquitto_sub', [
        ...address,
        '-t',
        `${topic}/#`,
        '-q',
        '2',
        '-v',
        '-C',
        '4',
        '-W',
        '20',
      ]);
      await sub.outMatches(/ready yes\n/);
      for (const qos of ['0', '1', '2']) {
        const pub = await run('mosquitto_pub', [
          ...address,
          '-t',
          `${topic}/x`,
          '-m',
          `qos ${qos}`,
          '-q',
          qos,
        ]).finished;
        expect(pub).toMatchObject({ code: 0, err: '' });
      }
      const { code, out } = await sub.finished;
      expect(code).toBe(0);
      expect(out).toBe(`${topic}/ready yes\n${topic}/x qos 0\n${topic}/x qos 1\n${topic}/x qos 2\n`);
    },
  );

  test.runIf(hasMosquitto)('mosquitto_pub sends many lines, ours receives them in order', async () => {
    await retain('many/ready', 'yes');
    const sub = robustmq(['sub', '--url', url(), 'many/#', '--count', '5001', '--timeout', '20s']);
    await sub.outMatches(/yes\n/);
    const lines = Array.from({ length: 5000 }, (_, i) => `line ${i}`);
    const address = ['-h', broker.mqtt.host, '-p', String(broker.mqtt.port)];
    const pub = run('mosquitto_pub', [...address, '-t', 'many/x', '-q', '1', '-l'], `${lines.join('\n')}\n`);
    expect((await pub.finished).code).toBe(0);
    const { code, out } = await sub.finished;
    expect(code).toBe(0);
    expect(out).toBe(`yes\n${lines.join('\n')}\n`);
  });
});
