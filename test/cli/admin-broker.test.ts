/** Administration as an operator has it: the command as a process, against a broker that is one, with clients of its own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type BrokerProcess,
  compile,
  type Finished,
  type Program,
  robustmq,
  startBroker,
} from '../e2e/process.ts';
import { RawClient } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';

const STREAMS = JSON.stringify([{ name: 'telemetry', capture: ['sensors/#'], partitions: 2, key: 'topic' }]);
const GROUP = '$share/workers/jobs/#';
let broker: BrokerProcess;
let publisher: RawClient;

async function connect(clientId: string, isDurable = false): Promise<RawClient> {
  const client = await RawClient.open(broker.mqtt, 5, clientId);
  client.send(wire.connect({ clientId, clean: !isDurable, properties: isDurable ? [[17, 3600]] : [] }));
  expect((await client.expect('connack')).reason).toBe(0);
  return client;
}

const program = (...args: string[]): Program =>
  robustmq([...args, '--data-dir', join(broker.folder, 'data')]);
const runs = (...args: string[]): Promise<Finished> => program(...args).finished;
async function json(...args: string[]): Promise<unknown> {
  const { code, out, err } = await runs(...args, '-o', 'json');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out);
}

beforeAll(async () => {
  compile();
  broker = await startBroker([`streams=${STREAMS}`, 'sys.interval=0']);
  publisher = await connect('publisher');
  const away = await connect('away', true);
  await away.subscribe([{ filter: 'jobs/#', qos: 1 }]);
  await away.disconnect();
  const worker = await connect('worker', true);
  await worker.subscribe([{ filter: GROUP, qos: 1 }]);
  await worker.disconnect();
  for (let i = 0; i < 3; i++) await publisher.publish({ topic: 'jobs/a', payload: `job ${i}`, qos: 1 });
  for (const topic of ['kitchen', 'cellar']) {
    await publisher.publish({ topic: `sensors/${topic}`, payload: '21.5', qos: 1, retain: true });
  }
}, 120_000);
afterAll(async () => {
  publisher?.socket.destroy();
  await broker?.stop();
});

describe('the command against a running broker', () => {
  test('status', async () => {
    expect(await json('status')).toMatchObject({
      processId: broker.ready.pid,
      health: { status: 'green' },
      sessions: 3,
      connections: 1,
      waitingMessages: 3,
      retainedMessages: 2,
      streams: 1,
    });
    expect((await runs('status')).out).toMatch(/^waiting messages +3$/m);
  });

  test('session', async () => {
    const list = (await json('session', 'list')) as { clientId: string }[];
    expect(list.map(({ clientId }) => clientId).sort()).toEqual(['away', 'publisher', 'worker']);
    expect(await json('session', 'list', '--no-connected', '--prefix', 'a')).toMatchObject([
      { clientId: 'away', waiting: 3, connectedAtMs: null },
    ]);
    expect(await json('session', 'show', 'publisher')).toMatchObject({
      isConnected: true,
      protocol: 'MQTT 5.0',
      connectedAtMs: expect.any(Number),
    });
    expect(await runs('session', 'show', 'no\u001bbody')).toEqual({
      code: 1,
      out: '',
      err: 'robustmq: there is no session "no\\u001bbody"\n',
    });
  });

  test('queue', async () => {
    const list = (await json('queue', 'list')) as object[];
    expect(list).toMatchObject([
      { name: GROUP, kind: 'shared', waiting: 3 },
      { name: 'away', kind: 'session', waiting: 3 },
      { name: 'worker', kind: 'session', waiting: 0 },
    ]);
    expect(await json('queue', 'show', GROUP)).toMatchObject({ members: [{ clientId: 'worker' }] });
    const read = (name: string): Promise<Finished> =>
      runs('queue', 'read', name, '--limit', '2', '-o', 'ndjson');
    const [own, shared, missing] = await Promise.all([read('away'), read(GROUP), read('nobody')]);
    for (const { out } of [own, shared]) {
      const messages = out
        .trim()
        .split('\n')
        .map((each) => (JSON.parse(each) as { payload: string }).payload);
      expect(messages).toEqual(['job 0', 'job 1']);
    }
    expect(missing.code).toBe(1);
    expect(await runs('queue', 'purge', GROUP)).toMatchObject({ code: 0, err: '3 messages removed\n' });
    expect(await json('queue', 'show', GROUP)).toMatchObject({ waiting: 0 });
  });

  test('retained', async () => {
    const list = (await json('retained', 'list', 'sensors/+')) as { topic: string }[];
    expect(list.map(({ topic }) => topic).sort()).toEqual(['sensors/cellar', 'sensors/kitchen']);
    const [shown, wrong, missing] = await Promise.all([
      json('retained', 'show', 'sensors/cellar'),
      runs('retained', 'list', 'a/#/b'),
      runs('retained', 'show', 'sensors/#'),
    ]);
    expect(shown).toMatchObject({ payload: '21.5', qos: 1 });
    expect(wrong).toMatchObject({ code: 2, out: '' });
    expect(missing.code).toBe(1);
    expect((await runs('retained', 'delete', 'sensors/cellar')).code).toBe(0);
    expect(await json('retained', 'list')).toHaveLength(1);
  });

  test('stream: list, show, read from an offset', async () => {
    expect(await json('stream', 'list')).toMatchObject([{ name: 'telemetry', partitions: 2, records: 2 }]);
    const { partitionDetails } = (await json('stream', 'show', 'telemetry')) as {
      partitionDetails: { endOffset: number; oldestAtMs: number | null }[];
    };
    for (const { endOffset, oldestAtMs } of partitionDetails)
      expect(oldestAtMs === null).toBe(endOffset === 0);
    const records = (await json('stream', 'read', 'telemetry')) as { key: string; partition: number }[];
    expect(records.map(({ key }) => key).sort()).toEqual(['sensors/cellar', 'sensors/kitchen']);
    const [first] = records;
    const where = ['--partition', String(first?.partition)];
    const read = (...args: string[]): Promise<Finished> => runs('stream', 'read', ...args);
    const [behind, whole, noStream, noPartition] = await Promise.all([
      read('telemetry', ...where, '--offset', '99'),
      read('telemetry', ...where),
      read('nothing'),
      read('telemetry', '-p', '2'),
    ]);
    expect(behind.out).toBe('');
    expect(whole.out).toMatch(/^\d:0 {2}\S+ {2}sensors/);
    expect(noStream.code).toBe(1);
    expect(noPartition.code).toBe(1);
  });

  test('stream: follow, until a signal, or until it is killed', async () => {
    const follow = (): Program => program('stream', 'read', 'telemetry', '--follow', '-o', 'ndjson');
    const [one, other] = [follow(), follow()];
    await Promise.all([one.outMatches(/cellar/), other.outMatches(/cellar/)]);
    other.child.kill('SIGKILL');
    await other.finished;
    await publisher.publish({ topic: 'sensors/attic', payload: 'new', qos: 1 });
    await one.outMatches(/sensors\/attic/);
    one.child.kill('SIGINT');
    expect(await one.finished).toMatchObject({ code: 0, err: '' });
    expect(await json('status')).toMatchObject({ health: { status: 'green' } });
  });

  test('a session that is ended is gone with what waited for it', async () => {
    expect((await runs('session', 'end', 'away')).code).toBe(0);
    expect((await runs('queue', 'show', 'away')).code).toBe(1);
    expect(await json('status')).toMatchObject({ waitingMessages: 0 });
  });

  test('another program where the socket is', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'robustmq-nothing-'));
    writeFileSync(join(folder, 'control.sock'), '');
    expect((await robustmq(['status', '--data-dir', folder]).finished).code).toBe(5);
    rmSync(folder, { recursive: true });
  });
});
