/** Groups of librdkafka, by kcat where there is one (in the path, or as ROBUSTMQ_TEST_KCAT says). */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { type KafkaNode, startKafkaNode } from './node.ts';

const KCAT = process.env.ROBUSTMQ_TEST_KCAT ?? 'kcat';
const isMissing = spawnSync(KCAT, ['-V']).status !== 0;
if (isMissing) console.warn('kcat is not there: groups of librdkafka are not tested');

const TOPIC = 'shared';
const PARTITIONS = 4;

let broker: KafkaNode | undefined;
const processes: ChildProcess[] = [];
afterEach(async () => {
  for (const each of processes.splice(0)) {
    if (each.exitCode !== null || each.signalCode !== null) continue;
    each.kill('SIGKILL');
    await once(each, 'exit');
  }
  await broker?.stop();
  broker = undefined;
});

interface Reader {
  readonly process: ChildProcess;
  readonly seen: string[];
}

function read(port: number, strategy: string): Reader {
  const settings = [
    'auto.offset.reset=earliest',
    `partition.assignment.strategy=${strategy}`,
    'session.timeout.ms=6000',
    'heartbeat.interval.ms=100',
    'fetch.wait.max.ms=50',
  ].flatMap((each) => ['-X', each]);
  const child = spawn(KCAT, [
    '-b',
    `127.0.0.1:${port}`,
    ...settings,
    '-u',
    '-q',
    '-f',
    '%s\n',
    '-G',
    'g',
    TOPIC,
  ]);
  processes.push(child);
  const seen: string[] = [];
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    seen.push(...lines);
  });
  return { process: child, seen };
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe.skipIf(isMissing)('groups of librdkafka', () => {
  test.each(['range', 'cooperative-sticky'])(
    'share, and take over from who has gone: %s',
    async (strategy) => {
      const node = await startKafkaNode();
      broker = node;
      const client = node.client();
      const admin = client.admin();
      await admin.connect();
      await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: PARTITIONS }] });
      const producer = client.producer();
      await producer.connect();
      let next = 0;
      const produce = async (): Promise<void> => {
        const messages = Array.from({ length: 40 }, (_, i) => ({
          partition: i % PARTITIONS,
          value: String(next + i),
        }));
        next += messages.length;
        await producer.send({ topic: TOPIC, messages });
      };
      const first = read(node.port, strategy);
      const second = read(node.port, strategy);
      // Each has some of them in the end.
      while (first.seen.length === 0 || second.seen.length === 0) {
        await produce();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const described = await admin.describeGroups(['g']);
      expect(described.groups[0]).toMatchObject({ protocol: strategy, protocolType: 'consumer' });
      second.process.kill('SIGTERM');
      await once(second.process, 'exit');
      await produce();
      await until(() => {
        const seen = new Set([...first.seen, ...second.seen]);
        return Array.from({ length: next }, (_, i) => String(i)).every((each) => seen.has(each));
      });
      await producer.disconnect();
      await admin.disconnect();
    },
  );
});
