/** librdkafka, on which most clients outside Java stand, by its command: where kcat is installed, or ROBUSTMQ_TEST_KCAT names it. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type KafkaNode, startKafkaNode } from './node.ts';

const command = process.env.ROBUSTMQ_TEST_KCAT ?? 'kcat';
const isThere = spawnSync(command, ['-V']).status === 0;
if (!isThere) console.warn('kcat is not installed: librdkafka is not tested');

let broker: KafkaNode;
const lines = (count: number): string => Array.from({ length: count }, (_, i) => `line ${i}\n`).join('');

async function kcat(args: readonly string[], input = ''): Promise<string> {
  const child = spawn(command, ['-b', `127.0.0.1:${broker.port}`, ...args], { stdio: 'pipe' });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  expect(`${code} ${err}`).toMatch(/^0 /);
  expect(err).not.toMatch(/ERROR|not supported|uncompressed/);
  return out;
}

const readAll = (topic: string, ...more: string[]): Promise<string> =>
  kcat(['-C', '-t', topic, '-o', 'beginning', '-e', '-q', ...more]);

describe.skipIf(!isThere)('librdkafka', () => {
  beforeAll(async () => {
    broker = await startKafkaNode();
  });
  afterAll(() => broker.stop());

  test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'])('writes and reads with %s', async (codec) => {
    const text = lines(1000);
    await kcat(['-P', '-t', `rd-${codec}`, '-z', codec, '-X', 'acks=all'], text);
    expect(await readAll(`rd-${codec}`)).toBe(text);
  });

  test('writes idempotently, with keys and headers', async () => {
    await kcat(
      ['-P', '-t', 'rd-keys', '-K', ':', '-H', 'h=1', '-X', 'enable.idempotence=true'],
      'a:1\nb:2\n',
    );
    expect(await readAll('rd-keys', '-f', '%o %k %s %h\\n')).toBe('0 a 1 h=1\n1 b 2 h=1\n');
  });

  test('writes in a transaction, which readers of committed records see', async () => {
    await kcat(['-P', '-t', 'rd-txn', '-X', 'transactional.id=t'], lines(20));
    expect(await readAll('rd-txn', '-X', 'isolation.level=read_committed')).toBe(lines(20));
  });

  test.each(['none', 'zstd'])('delays records with %s, and reads over their places', async (codec) => {
    const topic = `rd-delay-${codec}`;
    const admin = broker.client().admin();
    await admin.connect();
    const configEntries = [{ name: 'robustmq.delay.enable', value: 'true' }];
    await admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries }] });
    await admin.disconnect();
    const write = ['-P', '-t', topic, '-z', codec, '-X', 'enable.idempotence=true'];
    await kcat([...write, '-H', 'robustmq.delay.ms=2000'], 'late\nlater\n');
    await kcat([...write, '-H', 'h=1'], 'now\n');
    const read = (): Promise<string> => readAll(topic, '-f', '%o %s %h\\n');
    let all = await read();
    for (let tries = 0; tries < 100 && !all.includes('later'); tries++) all = await read();
    expect(all).toBe('2 now h=1\n3 late \n4 later \n');
  });

  test('reads as a group', async () => {
    await kcat(['-P', '-t', 'rd-group'], lines(50));
    const group = ['-G', 'rd-readers', '-X', 'auto.offset.reset=earliest', '-e', '-q', 'rd-group'];
    expect(await kcat(group)).toBe(lines(50));
  });

  test('lists the cluster and finds offsets by time', async () => {
    await kcat(['-P', '-t', 'rd-list'], 'x\n');
    expect(await kcat(['-L'])).toContain(`broker 1 at 127.0.0.1:${broker.port} (controller)`);
    expect(await kcat(['-Q', '-t', 'rd-list:0:0'])).toContain('offset 0');
  });
});
