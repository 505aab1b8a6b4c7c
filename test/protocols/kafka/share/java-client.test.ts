/**
 * The share consumer and the administration client of Apache Kafka itself. ROBUSTMQ_KAFKA_JARS is a class path with kafka-clients 4.2
 * and what it needs; without it, or without a Java that runs sources, there is nothing to see here.
 */
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type KafkaNode, startKafkaNode } from '../../../e2e/kafka/node.ts';

const JARS = process.env.ROBUSTMQ_KAFKA_JARS ?? '';
const hasJava = JARS !== '' && spawnSync('java', ['-version']).status === 0;
if (!hasJava)
  process.stderr.write('share groups: no client of Apache Kafka (ROBUSTMQ_KAFKA_JARS), not tested with it\n');

let broker: KafkaNode;
beforeAll(async () => {
  if (hasJava) broker = await startKafkaNode();
});
afterAll(() => broker?.stop());

async function run(program: string, ...args: string[]): Promise<{ code: number | null; output: string }> {
  const path = join(import.meta.dirname, program);
  const java = spawn('java', ['-Xshare:auto', '-XX:TieredStopAtLevel=1', '-cp', JARS, path, ...args]);
  let output = '';
  for (const stream of [java.stdout, java.stderr]) stream.on('data', (chunk) => (output += chunk));
  const code = await new Promise<number | null>((resolve) => java.once('close', resolve));
  return { code, output };
}

test.runIf(hasJava)('the clients of Apache Kafka do all of it', { timeout: 120_000 }, async () => {
  const { code, output } = await run('ShareProbe.java', `127.0.0.1:${broker.port}`);
  expect(output).toContain('all as it should be');
  expect(code).toBe(0);
});
