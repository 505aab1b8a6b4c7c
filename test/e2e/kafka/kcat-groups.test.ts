/** Groups of librdkafka, by kcat where there is one (in the path, or as ROBUSTMQ_TEST_KCAT says). */
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { withDeadline } from '../../support/deadline.ts';
import { isKcatMissing, type Kcat, startKcat } from '../../support/kcat.ts';
import { type KafkaNode, startKafkaNode } from './node.ts';

if (isKcatMissing) console.warn('kcat is not there: groups of librdkafka are not tested');

const TOPIC = 'shared';
const PARTITIONS = 4;

/** Below the limit of a test, and far above what clients with timers of their own take. */
const DEADLINE_MS = 60_000;
const STOP_MS = 30_000;

vi.setConfig({ testTimeout: DEADLINE_MS + 10_000 });

let broker: KafkaNode | undefined;
const readers: Reader[] = [];
afterEach(async () => {
  await Promise.all(readers.splice(0).map(({ kcat }) => kcat.stop(0)));
  await broker?.stop();
  broker = undefined;
});

interface Reader {
  readonly kcat: Kcat;
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
  const args = ['-b', `127.0.0.1:${port}`, ...settings, '-u', '-f', '%s\n', '-G', 'g', TOPIC];
  const seen: string[] = [];
  const reader: Reader = { kcat: startKcat(args, (line) => seen.push(line)), seen };
  readers.push(reader);
  return reader;
}

const describeReaders = (): string =>
  readers.map(({ kcat, seen }) => `has read ${seen.length}; ${kcat.describe()}`).join('\n');

describe.skipIf(isKcatMissing)('groups of librdkafka', () => {
  test.each(['range', 'cooperative-sticky'])('share, and take over from who has gone: %s', (strategy) =>
    withDeadline(DEADLINE_MS, { describe: describeReaders }, async () => {
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
      const isAllRead = (): boolean => {
        const seen = new Set([...first.seen, ...second.seen]);
        return Array.from({ length: next }, (_, i) => String(i)).every((each) => seen.has(each));
      };
      const untilAllRead = async (): Promise<void> => {
        while (!isAllRead()) await delay(10);
      };
      // Each has some of them in the end.
      while (first.seen.length === 0 || second.seen.length === 0) {
        await produce();
        await delay(50);
      }
      const described = await admin.describeGroups(['g']);
      expect(described.groups[0]).toMatchObject({ protocol: strategy, protocolType: 'consumer' });
      // A message that kcat has just taken when the signal comes is committed and not printed any more.
      await untilAllRead();
      expect(await second.kcat.stop(STOP_MS), second.kcat.describe()).toBe(true);
      await produce();
      await untilAllRead();
      await producer.disconnect();
      await admin.disconnect();
    }),
  );
});
