/**
 * One run: a broker that is killed round after round, while it works, while it stands still and while it starts, under
 * traffic of all kinds of clients; then peace, in which everything acknowledged must arrive; then the ledger is judged.
 * The same seed makes the same decisions, though not at the same instants.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createRandom, type Random } from '../support/random.ts';
import { type BrokerProcess, createBrokerProcess } from './broker-process.ts';
import { checkLedger } from './check.ts';
import { looseChurn, retainedChurn } from './churn.ts';
import { type Clients, startClients } from './clients.ts';
import { DEDUPLICATION_PROPERTY } from './forgetful-publisher.ts';
import { createLedger, type Ledger, outstanding, recordViolation, type Violation } from './ledger.ts';
import { DEAD_LETTER_TOPIC } from './policy-clients.ts';
import { expiryProbe, type Probe, retainedProbe, subscriptionProbe, willProbe } from './probes.ts';
import { auditStream, command, STREAM_CONFIG } from './streams.ts';

const TICK_MS = 10;
const TICKS_PER_ROUND = 120;
const MAX_BURST = 12;
const MIN_ROUND_MS = 100;
const MAX_ROUND_MS = 700;
/** A cleaner looks at the journal for the first time when it is so old: in one of some rounds it gets as far as that. */
const CLEANER_MS = 5000;
const LONG_LIFE_ONE_IN = 4;
const LONG_LIVES_FROM_ROUNDS = 5;
const MAX_EARLY_KILL_MS = 900;
const MAX_PAUSE_MS = 300;
const MAX_STOP_MS = 150;
const VERIFY_EVERY_ROUNDS = 4;
const READ_EVERY_ROUNDS = 2;
const QUIET_MS = 700;
/** What has not come when nothing has for so long does not come any more. */
const STILL_MS = 20_000;
const SUBSCRIBE_MS = 60_000;

export interface RunOptions {
  readonly seed: number;
  readonly rounds: number;
  readonly folder: string;
  /** False leaves the broker alone but for pauses: then nothing can be wrong with any broker. */
  readonly kills: boolean;
  /** Whether the stream that captures the traffic is read, by the command. */
  readonly audit: boolean;
  /** Further settings of the broker, as `--set` takes them. */
  readonly settings: readonly string[];
  say(line: string): void;
}

export interface RunResult {
  readonly violations: readonly Violation[];
  readonly messages: number;
  readonly deliveries: number;
  readonly kills: number;
  readonly slowestStartMs: number;
}

export async function run(options: RunOptions): Promise<RunResult> {
  const { seed, rounds, folder, say } = options;
  const random = createRandom(seed);
  const ledger = createLedger();
  const broker = createBrokerProcess(folder, brokerArguments(folder, options.settings));
  const probes = [retainedProbe(ledger), expiryProbe(ledger), subscriptionProbe(ledger)];
  if (options.kills) probes.push(willProbe(ledger));
  const churns = [retainedChurn(ledger, broker), looseChurn(ledger, broker)];
  probes.push(...churns);
  const stream = options.audit ? auditStream(ledger, broker.dataDir) : undefined;
  let kills = 0;
  let slowestStartMs = await broker.start();
  let startedAtMs = performance.now();
  const clients = startClients(ledger, broker, seed);
  let traffic: Traffic | undefined;
  let isComplete = false;
  try {
    await within(SUBSCRIBE_MS, 'the subscriptions', clients.subscribed);
    traffic = startTraffic(broker, clients, random);
    for (let round = 1; round <= rounds; round++) {
      await onEach(ledger, broker, probes, (probe, address) => probe.prepare(address, round));
      traffic.goOn();
      const isLongLife = rounds >= LONG_LIVES_FROM_ROUNDS && random.oneIn(LONG_LIFE_ONE_IN);
      if (isLongLife) await delay(CLEANER_MS - (performance.now() - startedAtMs) - random.below(200));
      traffic.goOn();
      const workMs = MIN_ROUND_MS + random.below(MAX_ROUND_MS - MIN_ROUND_MS);
      await delay(workMs);
      if (options.kills) {
        const how = await end(broker, random);
        for (; random.oneIn(3); kills++) await broker.startAndKill(random.below(MAX_EARLY_KILL_MS));
        if (round % VERIFY_EVERY_ROUNDS === 0) await verify(ledger, broker, say);
        const startMs = await broker.start();
        kills++;
        slowestStartMs = Math.max(slowestStartMs, startMs);
        startedAtMs = performance.now();
        say(
          `round ${round}: ${how}${isLongLife ? ' while it cleaned' : ''} after ${workMs} ms, started in ${Math.round(startMs)} ms`,
        );
      } else {
        await broker.pause(random.below(MAX_PAUSE_MS));
      }
      await onEach(ledger, broker, probes, (probe, address) => probe.examine(address, round));
      if (round % READ_EVERY_ROUNDS === 0) await stream?.examine();
      const defect = broker.defect();
      if (defect !== undefined) throw new Error(defect);
    }
    traffic.end();
    await drain(ledger, clients, say);
    await onEach(ledger, broker, probes, (probe, address) => probe.conclude(address));
    await stream?.conclude();
    isComplete = true;
  } catch (error) {
    recordViolation(ledger, 'broker', String(error));
  } finally {
    traffic?.end();
    await Promise.all([clients.end(), ...churns.map((churn) => churn.end())]);
    await broker.stop();
  }
  await verify(ledger, broker, say);
  const defect = broker.defect();
  if (defect !== undefined) recordViolation(ledger, 'broker', defect);
  const deliveries = ledger.subscribers.reduce((sum, { seen }) => sum + seen.length, 0);
  // What a run that broke off did not see is no judgement on the broker.
  const violations = isComplete ? checkLedger(ledger) : ledger.violations;
  return { violations, messages: ledger.sent.size, deliveries, kills, slowestStartMs };
}

function brokerArguments(folder: string, settings: readonly string[]): string[] {
  const file = join(folder, 'broker.json');
  writeFileSync(file, JSON.stringify({ streams: [STREAM_CONFIG] }));
  const all = [
    'listeners.mqtt.port=0',
    'listeners.ws.enabled=false',
    'listeners.kafka.enabled=false',
    'listeners.http.enabled=false',
    'logging.level=warn',
    // What is lost shall be the broker's fault, and no queue's bound.
    'mqtt.queue.maxMessages=1000000',
    'mqtt.queue.qos0Offline=true',
    'storage.segmentSize=1MiB',
    `deadLetter.topic=${DEAD_LETTER_TOPIC}`,
    `deduplication.userProperty=${DEDUPLICATION_PROPERTY}`,
    // Longer than any run: what was sent once is repeated at its end, too.
    'deduplication.window=1d',
    ...settings,
  ];
  return ['--config', file, ...all.flatMap((set) => ['--set', set])];
}

interface Traffic {
  /** Goes on for a while: on a slow machine what is between two kills is not to be more than what it can do. */
  goOn(): void;
  end(): void;
}

/** Bursts while there is a broker, a lost connection now and then, and one subscriber that comes and goes. */
function startTraffic(broker: BrokerProcess, clients: Clients, random: Random): Traffic {
  const { publishers, subscribers, lazy } = clients;
  let ticksLeft = 0;
  const timer = setInterval(() => {
    if (broker.address() === undefined || ticksLeft === 0) return;
    ticksLeft--;
    for (const publisher of publishers) if (random.oneIn(2)) publisher.produce(random.below(MAX_BURST));
    if (random.oneIn(30)) random.pick([...publishers, ...subscribers]).cut();
    const mood = random.below(60);
    if (mood === 0) lazy.leave();
    if (mood === 1) lazy.resume();
  }, TICK_MS);
  return {
    goOn() {
      ticksLeft = TICKS_PER_ROUND;
    },
    end() {
      clearInterval(timer);
      lazy.resume();
    },
  };
}

async function within(ms: number, what: string, work: Promise<unknown>): Promise<void> {
  const late = new AbortController();
  const timeUp = delay(ms, undefined, { signal: late.signal }).then(() => {
    throw new Error(`${what} took more than ${ms} ms`);
  });
  timeUp.catch(() => {});
  await Promise.race([work, timeUp]).finally(() => late.abort());
}

async function end(broker: BrokerProcess, random: Random): Promise<string> {
  const draw = random.below(10);
  if (draw === 0) {
    await broker.stop();
    return 'stopped';
  }
  if (draw === 1) {
    await broker.stopAndKill(random.below(MAX_STOP_MS));
    return 'killed while it stopped';
  }
  if (draw > 3) {
    await broker.kill();
    return 'killed';
  }
  const pauseMs = random.below(MAX_PAUSE_MS);
  const paused = broker.pause(pauseMs);
  if (draw === 2) await delay(random.below(pauseMs + 1));
  else await paused.then(() => delay(random.below(20)));
  await broker.kill();
  await paused;
  return 'paused and killed';
}

/** A probe that cannot do its work is a violation, and the others go on. */
async function onEach(
  ledger: Ledger,
  broker: BrokerProcess,
  probes: readonly Probe[],
  work: (probe: Probe, address: { host: string; port: number }) => Promise<void>,
): Promise<void> {
  const address = await broker.listening();
  const results = await Promise.allSettled(probes.map((probe) => work(probe, address)));
  for (const result of results) {
    if (result.status === 'rejected') recordViolation(ledger, 'broker', `a probe: ${String(result.reason)}`);
  }
}

/** The data directory of a broker that does not run is sound, however that ended. */
async function verify(ledger: Ledger, broker: BrokerProcess, say: (line: string) => void): Promise<void> {
  try {
    const found = await command(['verify', '--data-dir', broker.dataDir]);
    say(found.trimEnd());
  } catch (error) {
    const { message, stdout } = error as Error & { stdout?: string };
    recordViolation(ledger, 'broker', `verify: ${message}\n${stdout ?? ''}`);
  }
}

async function drain(ledger: Ledger, clients: Clients, say: (line: string) => void): Promise<void> {
  const startedAtMs = performance.now();
  let events = -1;
  for (let quietSinceMs = startedAtMs; ; ) {
    await delay(50);
    const nowMs = performance.now();
    if (events !== ledger.events) {
      events = ledger.events;
      quietSinceMs = nowMs;
    }
    const isQuiet = nowMs - quietSinceMs > QUIET_MS;
    const isDone =
      isQuiet && clients.publishers.every((publisher) => publisher.isIdle()) && outstanding(ledger) === 0;
    if (isDone || nowMs - quietSinceMs > STILL_MS) {
      const busy = clients.publishers.filter((publisher) => !publisher.isIdle()).map(({ name }) => name);
      if (busy.length > 0) recordViolation(ledger, 'broker', `${busy} never had all acknowledged`);
      say(`drained in ${Math.round(nowMs - startedAtMs)} ms`);
      return;
    }
  }
}
