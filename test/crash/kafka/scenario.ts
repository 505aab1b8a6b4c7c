/**
 * One run: groups of all kinds process an input exactly once while their members come and go and the broker is killed; then peace, in
 * which they have to come to the end of the input; then what was written is judged.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { freePort } from '../../support/free-port.ts';
import { createRandom } from '../../support/random.ts';
import { createBrokerProcess } from '../broker-process.ts';
import {
  type Actor,
  INPUT,
  PARTITIONS,
  type Stage,
  startIdempotentFeeder,
  startTransactionalFeeder,
} from './actors.ts';
import { committedOf, openTransactions, startAuditor, topicsOf } from './auditor.ts';
import { goalsOf, judge } from './judge.ts';
import { complain, type Ledger, newLedger } from './ledger.ts';
import { startProcessor } from './processor.ts';
import { accept, createWire, type Wire } from './wire.ts';

/** A group that has come no further for so long is stuck. */
const STILL_MS = 30_000;
const LOOK_MS = 50;
/** Transactions for which a kill waits. */
const WORK = 6;
const MIN_ROUND_MS = 100;
const MAX_ROUND_MS = 2500;
/** Long enough for the cleaner, compaction and time-outs of transactions. */
const LONG_ROUND_MS = 7000;
const LONG_ONE_IN = 6;
const LONG_FROM_KILLS = 5;

export interface RunOptions {
  readonly seed: number;
  readonly kills: number;
  readonly folder: string;
  readonly settings: readonly string[];
  readonly groups: Readonly<Record<string, 'classic' | 'consumer' | 'either'>>;
  /** Members of a group that come and go. */
  readonly slots: number;
  say(line: string): void;
}

const argumentsOf = (port: number, settings: readonly string[]): string[] =>
  [
    'listeners.mqtt.port=0',
    'listeners.ws.enabled=false',
    'listeners.http.enabled=false',
    'listeners.kafka.enabled=true',
    'listeners.kafka.host=127.0.0.1',
    `listeners.kafka.port=${port}`,
    'logging.level=warn',
    'storage.segmentSize=1MiB',
    'kafka.groups.minSessionTimeout=1s',
    'kafka.groups.sessionTimeout=1s',
    'kafka.groups.heartbeatInterval=100ms',
    ...settings,
  ].flatMap((each) => ['--set', each]);

async function createTopics(port: number, groups: readonly string[]): Promise<void> {
  const wire = createWire(port);
  const compacted = [
    { name: 'cleanup.policy', value: 'compact' },
    { name: 'min.cleanable.dirty.ratio', value: '0.01' },
    { name: 'delete.retention.ms', value: '1000' },
  ];
  const { topics } = await wire.call(Apis.createTopics, 7, {
    topics: topicsOf(groups).map(({ topic, partitions }) => ({
      name: topic,
      numPartitions: partitions,
      replicationFactor: 1,
      assignments: [],
      configs: topic.startsWith('state-') ? compacted : [],
    })),
    timeoutMs: 5000,
    validateOnly: false,
  });
  for (const { name, errorCode } of topics) accept(`CreateTopics ${name}`, errorCode);
  wire.close();
}

/** Until `isDone`; a violation when `state` has not changed for too long. */
async function settle(ledger: Ledger, state: () => string, isDone: () => Promise<boolean>): Promise<void> {
  let before = '';
  for (let looks = 0; !(await isDone()); await delay(LOOK_MS)) {
    if (state() !== before) {
      before = state();
      looks = 0;
    } else if (++looks * LOOK_MS > STILL_MS) {
      complain(ledger, before);
      return;
    }
  }
}

/** Nobody ends these but their time-outs. */
async function awaitTimeouts(wire: Wire, ledger: Ledger, prefix: string): Promise<void> {
  let open: readonly string[] = [];
  await settle(
    ledger,
    () => `still open in peace: ${open.join(', ')}`,
    async () => {
      open = (await openTransactions(wire, 0)).filter((each) => each.startsWith(prefix));
      return open.length === 0;
    },
  );
}

/** Groups come to the end of what is there. */
async function awaitGroups(wire: Wire, ledger: Ledger, groups: readonly string[]): Promise<void> {
  const goals = await goalsOf(wire);
  let committed: ReadonlyMap<string, number> = new Map();
  await settle(
    ledger,
    () => `stuck: ${JSON.stringify([...committed])} of ${JSON.stringify(goals)}`,
    async () => {
      committed = await committedOf(wire, groups);
      return groups.every((group) => goals.every((goal, i) => (committed.get(`${group}-${i}`) ?? 0) >= goal));
    },
  );
}

/** Some transactions are done since the start: no group is stuck for it. */
async function awaitWork(ledger: Ledger): Promise<void> {
  const goal = ledger.transactions + WORK;
  const state = (): string => `nothing is processed: ${ledger.transactions} transactions`;
  await settle(ledger, state, async () => ledger.transactions >= goal);
}

export async function run(options: RunOptions): Promise<Ledger> {
  const { seed, kills, folder, say } = options;
  const random = createRandom(seed);
  const ledger = newLedger();
  const port = await freePort();
  const broker = createBrokerProcess(folder, argumentsOf(port, options.settings));
  const groups = Object.keys(options.groups);
  await broker.start();
  let upSinceMs = performance.now();
  await createTopics(port, groups);
  const auditor = startAuditor(port, ledger, groups, () => upSinceMs);
  let isPeaceful = false;
  const stageOf = (number: number): Stage => ({
    port,
    ledger,
    random: createRandom(seed * 1000 + number),
    isPeaceful: () => isPeaceful,
  });
  const feeders: Actor[] = [
    startTransactionalFeeder(stageOf(1), 'feeder-1', false),
    startTransactionalFeeder(stageOf(2), 'feeder-2', true),
    startIdempotentFeeder(stageOf(3), 'plain'),
  ];
  const processors: Actor[] = Object.entries(options.groups).flatMap(([groupId, kind], group) =>
    Array.from({ length: options.slots }, (_, slot) =>
      startProcessor(stageOf(10 + 10 * group + slot), { groupId, slot, kind, isStatic: slot === 2 }),
    ),
  );
  try {
    for (let kill = 1; kill <= kills; kill++) {
      const isLong = kills >= LONG_FROM_KILLS && random.oneIn(LONG_ONE_IN);
      // Mostly kills meet work; sometimes they meet members that have not yet found each other again.
      if (!random.oneIn(4)) await awaitWork(ledger);
      const workMs = isLong ? LONG_ROUND_MS : MIN_ROUND_MS + random.below(MAX_ROUND_MS - MIN_ROUND_MS);
      await delay(workMs);
      await broker.kill();
      while (random.oneIn(4)) await broker.startAndKill(random.below(700));
      const startMs = await broker.start();
      upSinceMs = performance.now();
      const { transactions, aborted, abandoned, rebalances, fed } = ledger;
      say(
        `kill ${kill} after ${workMs} ms, start ${Math.round(startMs)} ms: ${fed.size} fed, ${transactions} transactions, ${aborted} aborted, ${abandoned} left, ${rebalances} rebalances`,
      );
      const defect = broker.defect();
      if (defect !== undefined) throw new Error(defect);
    }
    isPeaceful = true;
    await Promise.all(feeders.map((feeder) => feeder.stop()));
    const wire = createWire(port);
    await awaitTimeouts(wire, ledger, 'feeder');
    await awaitGroups(wire, ledger, groups);
    await Promise.all(processors.map((processor) => processor.stop()));
    await awaitTimeouts(wire, ledger, '');
    await judge(wire, ledger, groups);
    wire.close();
  } finally {
    await Promise.all([...feeders, ...processors, auditor].map((actor) => actor.stop()));
    await broker.stop();
  }
  const defect = broker.defect();
  if (defect !== undefined) complain(ledger, defect);
  say(`${INPUT} has ${PARTITIONS} partitions; ${ledger.violations.length} violations`);
  return ledger;
}
