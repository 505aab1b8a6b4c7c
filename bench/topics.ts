/**
 * Topic matching among many subscriptions and listing of retained messages, in process.
 *
 *   node --import tsx bench/topics.ts [subscriptions] [retained]
 *
 * The subscriptions are a telemetry platform's: two thirds exact device topics, the rest wildcards, several
 * applications on the same filters; a topic matches some 20. "Cold" cycles over more topics than caches hold;
 * rates are medians of nine rounds, by CPU time.
 */

import { systemClock } from '../src/kernel/clock.ts';
import { createRetainedStore } from '../src/kernel/retained.ts';
import { createRouter } from '../src/kernel/router.ts';

const subscriptions = Number(process.argv[2] ?? 1_000_000);
const retained = Number(process.argv[3] ?? 1_000_000);
const encoder = new TextEncoder();
const metrics = ['temperature', 'humidity', 'pressure', 'battery', 'status', 'rssi', 'voltage', 'uptime'];

let state = 42;
const next = (below: number): number => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 0x1_0000_0000) * below);
};

// Sizes keep the number of matches per topic the same whatever the number of subscriptions is.
const devices = Math.max(100, Math.round(subscriptions / 32));
const sites = Math.max(10, Math.round(devices / 100));
const tenants = Math.max(1, Math.round(sites / 50));
const site = (d: number) => d % sites;
const tenant = (d: number) => site(d) % tenants;
const prefix = (d: number) => `t${tenant(d)}/site-${site(d)}`;
const device = (d: number) => `device-${d.toString(36).padStart(6, '0')}`;
const metric = () => metrics[next(metrics.length)] ?? 'status';

function randomFilter(): string {
  const d = next(devices);
  const share = next(1000);
  if (share < 665) return `${prefix(d)}/${device(d)}/${metric()}`;
  if (share < 880) return `${prefix(d)}/${device(d)}/#`;
  if (share < 890) return `${prefix(d)}/+/${metric()}`;
  if (share < 998) return `t${tenant(d)}/+/${device(d)}/${metric()}`;
  return `${prefix(d)}/#`;
}

function seconds(work: () => void): number {
  const started = process.cpuUsage();
  work();
  const used = process.cpuUsage(started);
  return (used.user + used.system) / 1e6;
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;

const rows: [string, string][] = [];
const row = (what: string, value: string) => rows.push([what, value]);
const thousands = (n: number) => Math.round(n).toLocaleString('en');

function benchRouter(): void {
  const router = createRouter();
  const empty = router.totals().memoryBytes;
  const filters: Uint8Array[] = [];
  const sinks: number[] = [];
  for (let i = 0; i < subscriptions; i++) {
    filters.push(encoder.encode(randomFilter()));
    sinks.push(next(Math.ceil(subscriptions / 4)));
  }
  const adding = seconds(() => {
    filters.forEach((filter, i) => {
      router.subscribe(sinks[i] ?? 0, filter, 1, 0);
    });
  });
  const { subscriptions: held, memoryBytes } = router.totals();
  row('subscriptions', thousands(held));
  row('subscribe', `${thousands(filters.length / adding)} /s`);
  row('memory per subscription', `${((memoryBytes - empty) / held).toFixed(1)} bytes`);

  // As packets have them: byte ranges of one buffer.
  const packets = new Uint8Array(200_000 * 64);
  const starts = new Uint32Array(200_001);
  for (let i = 0, at = 0; i < 200_000; i++) {
    const d = next(devices);
    at += encoder.encodeInto(`${prefix(d)}/${device(d)}/${metric()}`, packets.subarray(at)).written;
    starts[i + 1] = at;
  }
  const topic = (i: number) => packets.subarray(starts[i], starts[i + 1]);
  const rate = (count: number): [number, number] => {
    let matches = 0;
    const rates: number[] = [];
    for (let round = 0; round < 9; round++) {
      matches = 0;
      const used = seconds(() => {
        for (let i = 0; i < 200_000; i++) matches += router.match(topic(i % count)).count;
      });
      rates.push(200_000 / used);
    }
    return [median(rates), matches / 200_000];
  };
  const [cold, perTopic] = rate(200_000);
  row('matches per topic', perTopic.toFixed(1));
  row('match, 200,000 topics in turn', `${thousands(cold)} topics per CPU second`);
  row('match, 2,000 topics in turn', `${thousands(rate(2000)[0])} topics per CPU second`);
  const removing = seconds(() => {
    for (let sink = 0; sink < Math.ceil(subscriptions / 4); sink++) router.removeSink(sink);
  });
  row(
    'remove by sink',
    `${thousands(held / removing)} subscriptions/s, ${router.totals().subscriptions} left`,
  );
}

function benchRetained(): void {
  const store = createRetainedStore(
    { maxMessages: retained, maxBytes: 2 ** 31, maxPayloadBytes: 1 << 20 },
    systemClock,
  );
  const payload = new Uint8Array(64);
  const properties = new Uint8Array(0);
  const setting = seconds(() => {
    for (let i = 0; i < retained; i++) {
      const topic = encoder.encode(`site-${i % 1000}/device-${Math.floor(i / 1000)}/status`);
      store.set({ topic, payload, properties, qos: 1, retain: true, expiresAtMs: 0, publisher: -1 });
    }
  });
  row('retained messages', thousands(store.count));
  row('set', `${thousands(retained / setting)} /s`);
  for (const filter of ['site-7/#', '+/device-7/status', 'site-7/+/status', '#']) {
    const bytes = encoder.encode(filter);
    let cursor: ReturnType<typeof store.page>['cursor'];
    let found = 0;
    let longest = 0;
    let longestCpu = 0;
    const started = performance.now();
    do {
      const at = performance.now();
      let page = { messages: [] as unknown[], cursor };
      const used = seconds(() => {
        page = store.page(bytes, cursor, 256);
      });
      longest = Math.max(longest, performance.now() - at);
      longestCpu = Math.max(longestCpu, used * 1000);
      found += page.messages.length;
      cursor = page.cursor;
    } while (cursor !== undefined);
    const total = performance.now() - started;
    row(
      `list ${filter}`,
      `${thousands(found)} in ${total.toFixed(1)} ms, longest page ${longest.toFixed(2)} ms, ${longestCpu.toFixed(2)} ms of CPU`,
    );
  }
}

benchRouter();
benchRetained();
for (const [what, value] of rows) console.log(`${what.padEnd(34)} ${value}`);
