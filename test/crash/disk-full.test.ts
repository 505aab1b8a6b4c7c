/**
 * A disk that fills up, a real one, small and in memory: publishers are refused before it is full, with the reason that
 * MQTT has for it; who reads and settles goes on, over a kill as well; and when there is space again, so is the broker.
 * Part of the long form; where nothing may be mounted there is nothing to test.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Address, RawClient } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { type BrokerProcess, compile, createBrokerProcess } from './broker-process.ts';
import { command } from './streams.ts';

const QUOTA_EXCEEDED = 0x97;
const PAYLOAD_BYTES = 16 * 1024;
const BALLAST_BYTES = 24 * 1024 * 1024;
const MAX_MESSAGES = 4000;
const RECOVERY_MS = 20_000;
const durable: wire.Properties = [[wire.P.sessionExpiry, 0xffffffff]];

const folder = mkdtempSync(join(tmpdir(), 'robustmq-full-'));
const disk = join(folder, 'data');
let isMounted = false;
mkdirSync(disk);
if (process.env.ROBUSTMQ_CRASH_ROUNDS !== undefined) mount();

function mount(): void {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', disk], { stdio: 'pipe' });
    isMounted = true;
  } catch {
    // Not allowed here.
  }
}

const broker: BrokerProcess = createBrokerProcess(
  folder,
  [
    'listeners.mqtt.port=0',
    'listeners.ws.enabled=false',
    'listeners.kafka.enabled=false',
    'listeners.http.enabled=false',
    'logging.level=error',
    'storage.segmentSize=1MiB',
    'storage.reserveSize=2MiB',
    'storage.watermarkSize=8MiB',
    'storage.views=memory',
  ].flatMap((set) => ['--set', set]),
);

beforeAll(() => {
  if (isMounted) compile();
});
afterAll(async () => {
  await broker.kill();
  if (isMounted) execFileSync('umount', ['-l', disk]);
  rmSync(folder, { recursive: true, force: true });
});

async function connect(address: Address, clientId: string): Promise<RawClient> {
  const client = await RawClient.open(address, 5, clientId);
  client.send(wire.connect({ version: 5, clientId, clean: false, properties: durable }));
  expect(await client.expect('connack')).toMatchObject({ reason: 0 });
  return client;
}

const filler = '.'.repeat(PAYLOAD_BYTES);
const numberIn = (payload: Buffer): number => Number.parseInt(payload.toString('latin1'), 10);

/** All numbers that wait for the session, acknowledged, up to the last. */
async function readUpTo(client: RawClient, last: number): Promise<number[]> {
  const numbers: number[] = [];
  while (numbers.at(-1) !== last) numbers.push(numberIn((await client.message()).payload));
  await client.barrier();
  return numbers;
}

test.runIf(isMounted)(
  'a full disk refuses publishers, lets readers go on, and is forgotten when there is space (item 27)',
  { timeout: 120_000 },
  async () => {
    const ballast = join(disk, 'ballast');
    writeFileSync(ballast, Buffer.alloc(BALLAST_BYTES, 1));
    await broker.start();
    const reader = await connect(await broker.listening(), 'reader');
    await reader.subscribe([{ filter: 'full', qos: 1 }]);
    reader.socket.destroy();
    let number = 0;
    const accepted: number[] = [];
    const publish = async (client: RawClient): Promise<number> => {
      number++;
      const reason = await client.publish({ topic: 'full', payload: `${number} ${filler}`, qos: 1 });
      if (reason < 0x80) accepted.push(number);
      return reason;
    };

    const publishUntilRefused = async (): Promise<number> => {
      const client = await connect(await broker.listening(), 'publisher');
      const from = number;
      let reason = 0;
      while (reason === 0 && number < MAX_MESSAGES) reason = await publish(client);
      expect(reason).toBe(QUOTA_EXCEEDED);
      expect(await publish(client)).toBe(QUOTA_EXCEEDED);
      return number - from;
    };

    expect(await publishUntilRefused()).toBeGreaterThan(100);
    await broker.kill();
    await broker.start();
    // What was reserved for writes under way may be free again, and no more than that.
    expect(await publishUntilRefused()).toBeLessThan(100);

    // A part only: what is settled must stay settled though nothing new is taken.
    const half = accepted[Math.floor(accepted.length / 2)] ?? 0;
    const first = await connect(await broker.listening(), 'reader');
    const seen = await readUpTo(first, half);
    const settled = seen.length;
    await first.subscribe([{ filter: 'proof', qos: 0 }]);
    first.socket.destroy();
    await broker.kill();
    rmSync(ballast);
    await broker.start();

    const back = await connect(await broker.listening(), 'publisher');
    const startedAtMs = performance.now();
    // Each answer is an event of its own; the broker looks at the disk once a second.
    while ((await publish(back)) !== 0) {
      expect(performance.now() - startedAtMs).toBeLessThan(RECOVERY_MS);
      await delay(50);
    }
    const second = await connect(await broker.listening(), 'reader');
    seen.push(...(await readUpTo(second, number)));
    second.socket.destroy();
    expect(settled).toBe(accepted.indexOf(half) + 1);
    expect(seen).toEqual(accepted);
    await broker.stop();
    expect(broker.defect()).toBeUndefined();
    await command(['verify', '--data-dir', broker.dataDir]);
  },
);
