/**
 * Thousands of short lives over loopback sockets: connects, takeovers, subscriptions, messages of all kinds, wills,
 * ends good and bad, sessions that expire. Afterwards everything the broker counts is back where it was.
 * ROBUSTMQ_SOAK_SECONDS says how long (`npm run test:soak`: ten minutes).
 */
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/storage/journal/journal.ts';
import { startTestNode, until } from '../e2e/support.ts';
import { memoryUse } from '../support/heap.ts';
import { createRandom, seedOfRun } from '../support/random.ts';
import * as wire from '../support/wire.ts';
import { live, MAX_EXPIRY_SECONDS, RETAINED_TOPICS, type Tally } from './actor.ts';

const SECONDS = Number(process.env.ROBUSTMQ_SOAK_SECONDS ?? 8);
const SEED = seedOfRun(42);
const ACTORS = 30;
const TIME_STEP_MS = 250;
const MiB = 1024 * 1024;

test(`${SECONDS} s of short lives leave nothing behind (seed ${SEED})`, {
  timeout: SECONDS * 1000 + 60_000,
}, async () => {
  const defects: string[] = [];
  const logger = pino({ level: 'error' }, { write: (line: string) => void defects.push(line) });
  const broker = await startTestNode(
    {
      'mqtt.maxSessionExpiry': `${MAX_EXPIRY_SECONDS}s`,
      'mqtt.queue.maxMessages': 200,
      'limits.maxConnections': 2000,
    },
    { logger },
  );
  const { node, clock, mqtt } = broker;
  const tally: Tally = { lives: 0, messages: 0, takenOver: 0 };
  const startedMs = performance.now();
  const elapsedS = (): number => (performance.now() - startedMs) / 1000;
  let settled: { memory: ReturnType<typeof memoryUse>; slabBytes: number; groups: number } | undefined;

  const actors = Array.from({ length: ACTORS }, async (_, i) => {
    const random = createRandom(SEED + i);
    while (elapsedS() < SECONDS) await live(node, mqtt, random, tally);
  });
  const time = (async () => {
    while (elapsedS() < SECONDS) {
      await clock.advance(TIME_STEP_MS);
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (settled === undefined && elapsedS() > SECONDS / 3) {
        const { slabBytesUsed, groups } = node.dataPlane.counters();
        settled = { memory: memoryUse(), slabBytes: slabBytesUsed, groups };
      }
    }
  })();
  await Promise.all([...actors, time]);

  const broom = await broker.connect({ clientId: 'broom' });
  for (const topic of RETAINED_TOPICS) await broom.publish({ topic, qos: 1, retain: true });
  await broom.disconnect();
  await until('all connections are gone', () => node.mqtt.state.connections === 0);
  await clock.advance(2 * MAX_EXPIRY_SECONDS * 1000);
  expect(defects).toEqual([]);
  expect(node.mqtt.state).toEqual({ connections: 0, sessions: 0, timers: 0 });
  expect(node.router.totals()).toMatchObject({ subscriptions: 0, sharedGroups: 0 });
  expect(node.retained.count).toBe(0);
  expect(node.retained.bytes).toBe(0);
  expect(node.admission.counters().open).toBe(0);
  const { counters } = node.mqtt;
  expect(counters.clientsConnected).toBe(0);
  expect(counters.connectionsAccepted).toBe(counters.connectionsClosed);
  expect(counters.sessionsCreated).toBe(counters.sessionsEnded);
  const plane = node.dataPlane.counters();
  expect(plane.blocksTotal - plane.blocksFree).toBeLessThanOrEqual(2);
  expect(plane.droppedNoMemory + counters.droppedNoMemory).toBe(0);

  // The soak has done what it is for.
  expect(tally.lives).toBeGreaterThan(20 * SECONDS);
  for (const count of [
    counters.takeovers,
    counters.willsPublished,
    counters.sessionsExpired,
    counters.sessionsResumed,
  ]) {
    expect(count).toBeGreaterThan(0);
  }
  expect(plane.flowHits).toBeGreaterThan(process.env.ROBUSTMQ_TEST_FLOW_CACHE === 'off' ? -1 : 0);

  const now = memoryUse();
  expect(settled).toBeDefined();
  if (settled !== undefined) {
    expect.soft(plane.slabBytesUsed, 'slabs').toBeLessThanOrEqual(settled.slabBytes + MiB / 2);
    expect.soft(plane.groups, 'groups').toBeLessThanOrEqual(settled.groups + 200);
    // The journal keeps the newest of what it has in memory, and may still have filled that.
    const heapRoom = 8 * MiB + DEFAULT_LIMITS.tailBytes;
    expect.soft(now.heapBytes - settled.memory.heapBytes, 'heap').toBeLessThan(heapRoom);
    expect
      .soft(now.residentBytes - settled.memory.residentBytes, 'resident')
      .toBeLessThan(56 * MiB + heapRoom);
  }

  // And the broker is as good as new.
  const client = await broker.connect({ clientId: 'last' });
  await client.subscribe(['last/#']);
  client.send(wire.publish({ topic: 'last/1', payload: 'word' }));
  expect((await client.message()).payload.toString()).toBe('word');
  await broker.stop();
});
