/** export data and import data, against a node in this process and clients of its protocols. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CompressionTypes, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { startViewed, type ViewedNode } from '../node-view/support.ts';
import { type TestIo, testIo } from './support.ts';

const folder = mkdtempSync(join(tmpdir(), 'robustmq-data-verbs-'));
/** Where the clock of the node stands. */
const STARTED_MS = Date.UTC(2026, 0, 1);
let node: ViewedNode;

async function verb(...args: string[]): Promise<{ readonly code: number; readonly io: TestIo }> {
  const io = testIo();
  return { code: await run([...args, '--data-dir', node.folder], io), io };
}

type Line = Readonly<Record<string, unknown>>;
async function exported(...args: string[]): Promise<Line[]> {
  const { code, io } = await verb('export', 'data', ...args);
  expect([code, io.errText()]).toMatchObject([0, {}]);
  return io
    .outText()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

function keep(name: string, lines: readonly Line[]): string {
  const path = join(folder, name);
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return path;
}

beforeAll(async () => {
  node = await startViewed({ 'listeners.kafka.enabled': true, 'listeners.kafka.port': 0 });
  for (const name of ['orders', 'copy']) await node.post('/topics', { name, partitions: 2 });
  const address = node.node.listeners.find((each) => each.name === 'kafka')?.address;
  if (address === undefined || !('port' in address)) throw new Error('no kafka listener');
  const kafka = new Kafka({ brokers: [`127.0.0.1:${address.port}`], logLevel: logLevel.NOTHING });
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({
    topic: 'orders',
    compression: CompressionTypes.GZIP,
    messages: Array.from({ length: 30 }, (_, i) => ({
      partition: i % 2,
      key: `key ${i}`,
      value: i === 4 ? null : i === 6 ? Buffer.from([0xff, i]) : `value ${i}`,
      timestamp: String(STARTED_MS + i),
      headers: { trace: `t${i}` },
    })),
  });
  await producer.disconnect();
  const careful = kafka.producer({ transactionalId: 'tx', idempotent: true, maxInFlightRequests: 1 });
  await careful.connect();
  for (const outcome of ['abort', 'commit'] as const) {
    const transaction = await careful.transaction();
    await transaction.send({
      topic: 'orders',
      messages: [{ partition: 0, value: outcome, timestamp: String(STARTED_MS) }],
    });
    await transaction[outcome]();
  }
  await careful.disconnect();
}, 30_000);
afterAll(async () => {
  await node.stop();
  rmSync(folder, { recursive: true, force: true });
});

const without = (lines: readonly Line[], ...fields: string[]): unknown[] =>
  lines.map((line) => Object.fromEntries(Object.entries(line).filter(([name]) => !fields.includes(name))));

describe('records', () => {
  it('go out of a topic and into another as they were, without those of aborted transactions', async () => {
    const lines = await exported('--topic', 'orders');
    expect(lines.length).toBe(31);
    expect(lines.map(({ payload }) => payload)).not.toContain('abort');
    expect(lines.at(2)).toMatchObject({
      kind: 'record',
      topic: 'orders',
      partition: 0,
      key: 'key 4',
      headers: [{ name: 'trace', value: 't4' }],
    });
    expect(Object.keys(lines.at(2) ?? {})).not.toContain('payload');
    // As a stream it is all that lies there.
    const stored = await exported('--stream', 'orders');
    expect(stored.filter(({ payload }) => payload !== 'abort')).toEqual(lines);
    expect(stored.length).toBe(32);
    const { code, io } = await verb('import', 'data', keep('orders.ndjson', lines), '--topic', 'copy');
    expect([code, io.errText()]).toEqual([0, '31 lines were imported\n']);
    const copied = await exported('--topic', 'copy');
    expect(without(copied, 'topic', 'offset')).toEqual(without(lines, 'topic', 'offset'));
  });

  it('go on from an offset, and behind lines that are in', async () => {
    const all = await exported('--topic', 'orders', '--partition', '1');
    const rest = await exported('--topic', 'orders', '--partition', '1', '--offset', '10');
    expect(rest).toEqual(all.slice(10));
    await node.post('/topics', { name: 'resumed', partitions: 1 });
    const lines = all.map((line) => ({ ...line, topic: 'resumed', partition: 0 }));
    const broken = keep('broken.ndjson', [
      ...lines.slice(0, 8),
      { ...lines[8], partition: 7 },
      ...lines.slice(9),
    ]);
    const failed = await verb('import', 'data', broken);
    expect(failed.code).toBe(1);
    expect(failed.io.errText()).toMatch(/with a partition 7; 8 lines are in, go on with --skip 8/);
    expect((await verb('import', 'data', keep('whole.ndjson', lines), '--skip', '8')).code).toBe(0);
    expect(without(await exported('--topic', 'resumed'), 'offset')).toEqual(without(lines, 'offset'));
  });

  it('of a stream are those of MQTT, and stay them', async () => {
    await node.post('/messages', {
      topic: 'sensors/a',
      payload: '21',
      qos: 1,
      userProperties: [{ name: 'unit', value: 'C' }],
    });
    const byStream = await exported('--stream', 'telemetry');
    expect(byStream.map(({ payload }) => payload)).toEqual(['21']);
    expect(await exported('--topic', 'telemetry')).toEqual(byStream);
  });
});

/** The node has an order of its own. */
const byTopic = (lines: readonly Line[]): Line[] =>
  lines.toSorted((a, b) => (String(a.topic) < String(b.topic) ? -1 : 1));

describe('retained messages', () => {
  it('go out by a filter and come back with their properties', async () => {
    for (const topic of ['rooms/a', 'rooms/b', 'other']) {
      await node.post('/messages', {
        topic,
        payloadBase64: topic === 'rooms/b' ? '/w==' : Buffer.from(topic).toString('base64'),
        qos: 1,
        retain: true,
        contentType: 'text/plain',
        correlationDataBase64: '/wE=',
        userProperties: [
          { name: 'mqtt.odd', value: 'x' },
          { name: 'unit', value: 'C' },
        ],
      });
    }
    const lines = byTopic(await exported('--retained', 'rooms/#'));
    expect(lines.map(({ topic }) => topic)).toEqual(['rooms/a', 'rooms/b']);
    await node.post('/retained:delete', { filter: 'rooms/#' });
    expect(await exported('--retained', 'rooms/#')).toEqual([]);
    expect((await verb('import', 'data', keep('rooms.ndjson', lines))).code).toBe(0);
    expect(byTopic(await exported('--retained', 'rooms/#'))).toEqual(lines);
  });
});

describe('what cannot be', () => {
  it.each([
    [['export', 'data'], 2, /one of --topic/],
    [['export', 'data', '--topic', 'a', '--stream', 'b'], 2, /one of --topic/],
    [['export', 'data', '--topic', 'orders', '--offset', '3'], 2, /give --partition/],
    [['export', 'data', '--retained', '#', '--partition', '0'], 2, /neither partitions nor offsets/],
    [['export', 'data', '--topic', 'none'], 1, /no topic/],
    [['export', 'data', '--topic', 'orders', '--partition', '9'], 1, /no partition 9/],
    [['import', 'data', '/nowhere.ndjson'], 2, /cannot be read/],
  ])('%j is refused with a word why', async (args, code, reason) => {
    const refused = await verb(...args);
    expect([refused.code, refused.io.errText()]).toEqual([code, expect.stringMatching(reason)]);
  });

  it('is a line that is none', async () => {
    const path = join(folder, 'wrong.ndjson');
    writeFileSync(path, '\n{"kind":"queue"}\n');
    const refused = await verb('import', 'data', path);
    expect([refused.code, refused.io.errText()]).toEqual([2, expect.stringMatching(/line 2 is not one/)]);
  });
});
