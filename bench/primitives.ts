/**
 * What the kernel's primitives cost without a disk under them: operations per second and bytes per item.
 *
 *   node --import tsx bench/primitives.ts
 */
import { IdWindow, ProducerSequences } from '../src/kernel/deduplication.ts';
import { createDeduplication, idKey } from '../src/kernel/deduplication-table.ts';
import { createDelayed } from '../src/kernel/delayed/delayed.ts';
import { DurableTimers } from '../src/kernel/durable-timers/timers.ts';
import { Latest } from '../src/kernel/latest.ts';
import { LogQueue } from '../src/kernel/log-queue/queue.ts';
import { createRetainedStore } from '../src/kernel/retained.ts';

const COUNT = 300_000;

function report(name: string, operations: number, run: () => string | undefined): void {
  const startMs = performance.now();
  const note = run();
  const perSecond = operations / ((performance.now() - startMs) / 1000);
  const figure = Math.round(perSecond).toLocaleString('en').padStart(12);
  process.stdout.write(`${name.padEnd(48)}${figure}/s${note === undefined ? '' : `   ${note}`}\n`);
}

const perItem = (bytes: number, items: number): string => `${(bytes / items).toFixed(1)} bytes each`;

function acquireAndSettle(batch: number, leaseMs: number): void {
  const queue = new LogQueue({});
  queue.enqueue(COUNT);
  for (let done = 0; done < COUNT; done += batch) {
    const { positions } = queue.acquire({ holder: 'consumer', max: batch, nowMs: done, leaseMs });
    queue.settle('consumer', positions, { kind: 'accept' });
  }
}

function timers(spreadMs: number): string {
  const table = new DurableTimers({ maxTimers: COUNT }, 0);
  for (let i = 0; i < COUNT; i++) table.insert((i * 7919) % spreadMs, 1, i);
  return perItem(table.bytes, COUNT);
}

const encoder = new TextEncoder();
const nothing = new Uint8Array(0);
const payload = new Uint8Array(100).fill(65);
const message = (topic: string) => ({
  topic: encoder.encode(topic),
  payload,
  properties: nothing,
  qos: 1 as const,
  retain: true,
  expiresAtMs: 0,
  publisher: -1,
});
const stoppedClock = { monotonicMs: () => 0, wallMs: () => 0, every: () => () => {} };
const retainedStore = () =>
  createRetainedStore({ maxMessages: COUNT, maxBytes: 2 ** 30, maxPayloadBytes: 1000 }, stoppedClock);

for (let round = 0; round < 2; round++) {
  process.stdout.write(round === 0 ? 'warm-up\n' : '\nmeasured\n');
  for (const batch of [1, 10, 100]) {
    report(`queue: acquire + settle, ${batch} at a time`, COUNT, () => {
      acquireAndSettle(batch, Number.POSITIVE_INFINITY);
      return undefined;
    });
  }
  for (const batch of [1, 100]) {
    report(`queue: acquire + settle, ${batch} at a time, expiring`, COUNT, () => {
      acquireAndSettle(batch, 30_000);
      return undefined;
    });
  }
  report('queue: lease', COUNT, () => {
    const queue = new LogQueue({ maxInFlight: 2 ** 20, maxInFlightPerHolder: 2 ** 20 });
    queue.enqueue(COUNT);
    const before = queue.stats.bytes;
    queue.acquire({ holder: 'consumer', max: COUNT, nowMs: 0, leaseMs: 30_000 });
    return perItem(queue.stats.bytes - before, COUNT);
  });
  report('queue: enqueue of references', COUNT, () => {
    const queue = new LogQueue({ references: true });
    for (let i = 0; i < COUNT; i++) queue.enqueue(1, [{ log: 1, offset: i }]);
    return perItem(queue.stats.bytes, COUNT);
  });
  const ids = Array.from({ length: COUNT }, (_, i) => `message-${i}`);
  report('deduplication: new ids in a window of 100,000', COUNT, () => {
    const window = new IdWindow({ maxIds: 100_000, windowMs: 300_000 });
    ids.forEach((id, i) => void window.check(id, i, 1000 + i / 1000));
    return undefined;
  });
  report('deduplication: known ids', COUNT, () => {
    const window = new IdWindow({ maxIds: 100_000, windowMs: 300_000 });
    for (let i = 0; i < COUNT; i++) window.check(ids[i % 1000], i, 1000);
    return undefined;
  });
  const scope = encoder.encode('site/7/device');
  const idBytes = ids.map((id) => encoder.encode(id));
  report('deduplication: of messages, with their entries', COUNT, () => {
    const dedup = createDeduplication({ maxIds: 100_000, windowMs: 300_000 });
    for (let i = 0; i < COUNT; i++) {
      const key = idKey(scope, idBytes[i] ?? nothing);
      if (dedup.check(key, i) === 'new') dedup.committed(dedup.stage(key, i));
    }
    return undefined;
  });
  report('deduplication: sequences of 100 producers', COUNT, () => {
    const producers = new ProducerSequences({ maxProducers: 1000, idleMs: 60_000 });
    for (let i = 0; i < COUNT; i++) {
      const firstSequence = Math.floor(i / 100);
      producers.check({ producerId: i % 100, epoch: 0, firstSequence, count: 1, position: i, atMs: 1 });
    }
    return undefined;
  });
  report('timers: insert, within a minute', COUNT, () => timers(60_000));
  report('timers: insert, within ten days', COUNT, () => timers(864_000_000));
  report('latest: put, 1,000 keys', COUNT, () => {
    const latest = new Latest({ maxKeys: COUNT, maxKeyBytes: 2 ** 30 });
    for (let i = 0; i < COUNT; i++) latest.put(ids[i % 1000], i);
    return undefined;
  });
  const delayed = createDelayed({ maxMessages: COUNT, maxBytes: 2 ** 30 });
  const late = message('site/7/device');
  report('delayed: schedule, 100 bytes', COUNT, () => {
    for (let i = 0; i < COUNT; i++) delayed.schedule(late, (i * 7919) % 864_000_000);
    return undefined;
  });
  report('delayed: due, 1,000 at a time', COUNT, () => {
    while (delayed.count > 0) delayed.ended(delayed.due(864_000_000, 1000).ids);
    return undefined;
  });
  const store = retainedStore();
  const retained = ids.map((id, i) => message(`site/${i % 200}/${id}`));
  report('retained: set, 100 bytes', COUNT, () => {
    for (const each of retained) store.set(each);
    return undefined;
  });
  const pages = [...store.table.pageKeys()].map((key) => [key, store.table.page(key) ?? nothing] as const);
  report('retained: load from pages, 100 bytes', COUNT, () => {
    const loaded = retainedStore();
    for (const [key, page] of pages) loaded.table.load(key, page, 0);
    loaded.table.recovered?.();
    return undefined;
  });
}
