/**
 * Every comparison, in one table: what load is made, which figures count, and what is to be reached. A protocol that
 * is added later adds its rows here; run.ts and report.ts know nothing of the single scenario.
 */
import type { LoadOptions } from './load/options.ts';

export const metrics = {
  messagesPerSecond: { title: 'messages/s', digits: 0, better: 'more' },
  cpuMicrosPerMessage: { title: 'broker CPU, µs/message', digits: 2, better: 'less' },
  residentMiB: { title: 'broker memory, MiB', digits: 1, better: 'less' },
  deliveryP50Ms: { title: 'delivery p50, ms', digits: 3, better: 'less' },
  deliveryP99Ms: { title: 'delivery p99, ms', digits: 3, better: 'less' },
  roundTripP50Ms: { title: 'acknowledged p50, ms', digits: 3, better: 'less' },
  roundTripP99Ms: { title: 'acknowledged p99, ms', digits: 3, better: 'less' },
  lostPercent: { title: 'lost or not sent, %', digits: 3, better: 'less' },
  connectionsPerSecond: { title: 'connects/s', digits: 0, better: 'more' },
  cpuMicrosPerConnect: { title: 'broker CPU, µs/connect', digits: 0, better: 'less' },
  bytesPerConnection: { title: 'bytes/connection', digits: 0, better: 'less' },
  cpuPercentWhileHeld: { title: 'broker CPU while held, %', digits: 1, better: 'less' },
  storedPerSecond: { title: 'stored/s', digits: 0, better: 'more' },
  bytesPerRetained: { title: 'bytes/retained message', digits: 0, better: 'less' },
  subscribeP50Ms: { title: 'wildcard subscribe p50, ms', digits: 2, better: 'less' },
  subscribeMaxMs: { title: 'wildcard subscribe max, ms', digits: 2, better: 'less' },
} as const satisfies Record<string, { title: string; digits: number; better: 'more' | 'less' }>;

export type Metric = keyof typeof metrics;

export interface Target {
  readonly bound: 'at least' | 'at most';
  /** `times`: a multiple of the reference peer's figure; `figure`: an absolute one. */
  readonly unit: 'times' | 'figure';
  readonly value: number;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly load: Partial<LoadOptions>;
  /** Rows of the table, in order, each with its target where there is one. */
  readonly shows: readonly (readonly [Metric, Target?])[];
  /** Settings of our own broker that differ from its defaults, with the reason beside them. */
  readonly robustmqSettings?: readonly string[];
}

const timesAtLeast = (value: number): Target => ({ bound: 'at least', unit: 'times', value });
const timesAtMost = (value: number): Target => ({ bound: 'at most', unit: 'times', value });
const atMost = (value: number): Target => ({ bound: 'at most', unit: 'figure', value });

function throughput(target?: Target): Scenario['shows'] {
  return [
    target === undefined ? ['messagesPerSecond'] : ['messagesPerSecond', target],
    ['cpuMicrosPerMessage'],
    ['residentMiB'],
  ];
}

const pairs = (count: number): Partial<LoadOptions> => ({
  publishers: count,
  subscribers: count,
  topics: count,
  spread: 'own',
});

export const scenarios: readonly Scenario[] = [
  { name: 'qos0-1-1', title: 'QoS 0, 1 → 1', load: {}, shows: throughput(timesAtLeast(10)) },
  {
    name: 'qos0-100-1',
    title: 'QoS 0, 100 → 1',
    load: { publishers: 100 },
    shows: throughput(timesAtLeast(10)),
  },
  {
    name: 'qos0-1-100',
    title: 'QoS 0, 1 → 100',
    load: { subscribers: 100, window: 50_000 },
    shows: throughput(timesAtLeast(10)),
  },
  {
    name: 'qos0-pairs-100',
    title: 'QoS 0, 100 pairs',
    load: pairs(100),
    shows: throughput(timesAtLeast(10)),
  },
  {
    name: 'qos0-1-1-v5',
    title: 'QoS 0, 1 → 1, MQTT 5',
    load: { version: 5 },
    shows: throughput(),
  },
  {
    name: 'qos0-1-1-4k',
    title: 'QoS 0, 1 → 1, 4 KiB',
    load: { payloadBytes: 4096, window: 1000 },
    shows: throughput(),
  },
  {
    name: 'qos1-1-1',
    title: 'QoS 1, 1 → 1, window 100',
    load: { qos: 1 },
    shows: throughput(timesAtLeast(10)),
  },
  {
    name: 'qos1-pairs-10',
    title: 'QoS 1, 10 pairs, window 100',
    load: { ...pairs(10), qos: 1 },
    shows: throughput(timesAtLeast(10)),
  },
  {
    name: 'qos1-1-1-v5',
    title: 'QoS 1, 1 → 1, window 100, MQTT 5',
    load: { qos: 1, version: 5 },
    shows: throughput(),
  },
  {
    name: 'qos2-1-1',
    title: 'QoS 2, 1 → 1, window 100',
    load: { qos: 2 },
    shows: throughput(timesAtLeast(6)),
  },
  {
    name: 'sparse-1000-1',
    title: 'one outstanding each, 1,000 → 1',
    load: { publishers: 1000, sparse: true },
    shows: throughput(timesAtLeast(1.5)),
  },
  {
    name: 'sparse-pairs-1000',
    title: 'one outstanding each, 1,000 pairs',
    load: { ...pairs(1000), sparse: true },
    shows: [
      ['messagesPerSecond', timesAtLeast(1.5)],
      ['cpuMicrosPerMessage', timesAtMost(1)],
      ['residentMiB'],
    ],
  },
  {
    name: 'rate-pairs-10',
    title: 'QoS 0, 10 pairs, 500,000/s offered',
    // At this rate a write per message would measure the generator's system calls.
    load: { ...pairs(10), rate: 500_000, tickMicros: 500 },
    shows: [
      ['messagesPerSecond'],
      ['deliveryP50Ms'],
      ['deliveryP99Ms', atMost(10)],
      ['lostPercent', atMost(0)],
    ],
  },
  {
    name: 'rate-qos1',
    title: 'QoS 1, 1 → 1, 20,000/s offered',
    load: { qos: 1, rate: 20_000, inFlight: 1000 },
    shows: [
      ['deliveryP50Ms', timesAtMost(1)],
      ['deliveryP99Ms', timesAtMost(1)],
      ['roundTripP50Ms', timesAtMost(1)],
      ['roundTripP99Ms', timesAtMost(1)],
      ['cpuMicrosPerMessage'],
      ['lostPercent', atMost(0)],
    ],
  },
  {
    name: 'idle',
    title: '50,000 idle connections, one subscription each',
    load: { mode: 'idle', count: 50_000, keepAliveSeconds: 60, seconds: 10 },
    shows: [
      ['bytesPerConnection', atMost(8192)],
      ['cpuPercentWhileHeld'],
      ['connectionsPerSecond'],
      ['cpuMicrosPerConnect'],
    ],
  },
  {
    name: 'retained',
    title: '1,000,000 retained; a subscribe that matches 1,000',
    load: { mode: 'retained', count: 1_000_000, matches: 1000 },
    shows: [['subscribeP50Ms'], ['subscribeMaxMs', atMost(20)], ['storedPerSecond'], ['bytesPerRetained']],
  },
];
