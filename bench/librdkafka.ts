/**
 * End-to-end latency with librdkafka's own load program (`rdkafka_performance` of its examples) as producer and consumer: clients that are
 * in use, and that cost less than ours in JavaScript, of which the broker's two processors would see more.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Percentiles, percentilesOf } from './kafka-latency.ts';

export interface LibrdkafkaLoad {
  /** Path of the program. */
  readonly program: string;
  readonly port: number;
  /** New, of one partition. */
  readonly topic: string;
  /** Asked for: the program sleeps between messages, and sends somewhat fewer. */
  readonly messagesPerSecond: number;
  readonly messageBytes: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

export interface LibrdkafkaLatencies {
  readonly messagesPerSecond: number;
  /** From `rd_kafka_produce` until the consumer has it. */
  readonly millis: Percentiles;
}

const MICROS_PER_MS = 1000;

async function ended(child: ChildProcess, program: string): Promise<void> {
  const errors: string[] = [];
  child.stderr?.on('data', (bytes: Buffer) => errors.push(bytes.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${errors.join('').slice(-400)}`);
}

export async function measureWithLibrdkafka(load: LibrdkafkaLoad): Promise<LibrdkafkaLatencies> {
  const { program, port, topic, messagesPerSecond, messageBytes, warmUpSeconds, seconds } = load;
  const directory = mkdtempSync(join(tmpdir(), 'librdkafka-'));
  const file = join(directory, 'latencies');
  const total = messagesPerSecond * (warmUpSeconds + seconds);
  const run = (...args: string[]): ChildProcess =>
    spawn(
      program,
      ['-b', `127.0.0.1:${port}`, '-t', topic, '-p', '0', '-l', '-q', '-c', String(total), ...args],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
  try {
    const consumed = ended(run('-C', '-o', 'beginning', '-A', file), program);
    const startMs = performance.now();
    const size = String(messageBytes);
    const rate = String(messagesPerSecond);
    await ended(run('-P', '-s', size, '-a', '1', '-r', rate, '-X', 'linger.ms=1'), program);
    const producedMs = performance.now() - startMs;
    await consumed;
    const micros = Float64Array.from(readFileSync(file, 'utf8').split('\n').filter(Boolean), Number);
    if (micros.length !== total) throw new Error(`${micros.length} of ${total} messages have a latency`);
    const measured = micros.slice(messagesPerSecond * warmUpSeconds).map((each) => each / MICROS_PER_MS);
    return {
      messagesPerSecond: Math.round((total / producedMs) * 1000),
      millis: percentilesOf(measured.sort()),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
