/** librdkafka logs in, and hears what it may not do: by kcat, where it is installed, or ROBUSTMQ_TEST_KCAT names it. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type KafkaNode, startKafkaNode } from './node.ts';

const command = process.env.ROBUSTMQ_TEST_KCAT ?? 'kcat';
const isThere = spawnSync(command, ['-V']).status === 0;
if (!isThere) console.warn('kcat is not installed: logging in with librdkafka is not tested');

let broker: KafkaNode;

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function kcat(mechanism: string, user: string, args: readonly string[], input = ''): Promise<Run> {
  const sasl = {
    'security.protocol': 'SASL_PLAINTEXT',
    'sasl.mechanism': mechanism,
    'sasl.username': user,
    'sasl.password': `${user}-secret`,
  };
  const options = Object.entries(sasl).flatMap(([key, value]) => ['-X', `${key}=${value}`]);
  const child = spawn(command, ['-b', `127.0.0.1:${broker.port}`, ...options, ...args], { stdio: 'pipe' });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  return { code: Number(code), out, err };
}

describe.skipIf(!isThere)('librdkafka', () => {
  beforeAll(async () => {
    broker = await startKafkaNode({
      'kafka.security.authentication': 'sasl',
      'kafka.security.authorization': 'acl',
      'kafka.security.users': JSON.stringify(
        ['admin', 'alice'].map((name) => ({ name, password: `${name}-secret` })),
      ),
      'kafka.security.superUsers': '["User:admin"]',
    });
  });
  afterAll(() => broker.stop());

  test.each(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'])(
    'logs in by %s, writes and reads',
    async (mechanism) => {
      const topic = `kept-${mechanism.toLowerCase()}`;
      expect(await kcat(mechanism, 'admin', ['-P', '-t', topic], 'one\ntwo\n')).toMatchObject({ code: 0 });
      const read = await kcat(mechanism, 'admin', ['-C', '-t', topic, '-o', 'beginning', '-e', '-q']);
      expect(read).toMatchObject({ code: 0, out: 'one\ntwo\n' });
    },
  );

  test('is refused as somebody unknown', async () => {
    const { code, err } = await kcat('SCRAM-SHA-256', 'eve', ['-L', '-m', '2']);
    expect(code).not.toBe(0);
    expect(err).toMatch(/authentication failed/i);
  });

  test('neither sees nor writes what no rule allows', async () => {
    await kcat('PLAIN', 'admin', ['-P', '-t', 'hidden'], 'x\n');
    const { out } = await kcat('PLAIN', 'alice', ['-L', '-m', '5']);
    expect(out).toContain('0 topics');
    const written = await kcat(
      'PLAIN',
      'alice',
      ['-P', '-t', 'hidden', '-X', 'message.timeout.ms=3000'],
      'x\n',
    );
    expect(written.err).toMatch(/authorization failed/i);
    const count = await kcat('PLAIN', 'admin', ['-C', '-t', 'hidden', '-o', 'beginning', '-e', '-q']);
    expect(count.out).toBe('x\n');
  });
});
