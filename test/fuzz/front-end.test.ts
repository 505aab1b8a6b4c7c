/**
 * The whole MQTT front-end, over transports in memory, under mutated sessions: nothing throws, nothing stays behind
 * when the connections are gone, memory does not grow, and honest clients beside do not notice.
 * ROBUSTMQ_FUZZ_INPUTS says how many sessions (`npm run test:fuzz`: a million).
 */
import { expect, it } from 'vitest';
import { type FakeConnection, FakeNetwork } from '../support/fake-network.ts';
import { memoryUse } from '../support/heap.ts';
import { createRandom, type Random, seedOfRun } from '../support/random.ts';
import * as wire from '../support/wire.ts';
import { HonestClient } from './honest-client.ts';
import { cut, mutateSession } from './mutate.ts';
import { sessionOf } from './sessions.ts';
import { slowServices } from './slow-services.ts';

const INPUTS = Number(process.env.ROBUSTMQ_FUZZ_INPUTS ?? 20_000);
const SEED = seedOfRun(0xf00d);
const VERSIONS: readonly wire.Version[] = [3, 4, 5, 5];
const TIMEOUT_MS = 60_000 + INPUTS * 2;
const CONNECTIONS_MAX = 64;
const NEW_PER_TURN = 16;
const SESSION_EXPIRY_SECONDS = 100;
const MiB = 1024 * 1024;
const MAX_GROWTH_BYTES = 24 * MiB;

const SETTINGS = {
  'limits.maxConnections': 256,
  'limits.maxSessions': 500,
  'limits.maxSubscriptionsPerSession': 50,
  'dataplane.memorySize': '48MiB',
  'dataplane.flowCacheEntries': 1024,
  'mqtt.maxSessionExpiry': `${SESSION_EXPIRY_SECONDS}s`,
  'mqtt.maxPacketSize': '64KiB',
  'mqtt.queue.maxMessages': 50,
  'mqtt.queue.maxSize': '64KiB',
  'mqtt.maxHeldSize': '64KiB',
  'mqtt.retained.maxMessages': 300,
};

const HUGE_SETTINGS = {
  'mqtt.maxPacketSize': '1MiB',
  'mqtt.maxHeldSize': '1MiB',
  'mqtt.queue.maxSize': '1MiB',
  'mqtt.retained.maxSize': '4MiB',
};

/** Three clients of which two get what the first says, in every QoS. */
class Witnesses {
  readonly all: HonestClient[];
  #sent = 0;
  readonly #expected: string[] = [];

  constructor(network: FakeNetwork) {
    this.all = ([5, 4, 5] as const).map((version, i) => new HonestClient(network, version, `witness-${i}`));
    for (const client of this.all.slice(1)) client.subscribe('witnessed/#', 2);
  }

  say(): void {
    const [first] = this.all;
    for (const qos of [0, 1, 2]) {
      const topic = `witnessed/${this.#sent % 5}`;
      const payload = `message ${this.#sent++}`;
      this.#expected.push(`${topic} ${qos} ${payload}`);
      first?.publish(topic, payload, qos);
    }
  }

  check(): void {
    for (const client of this.all) {
      expect(client.surprises).toEqual([]);
      expect(client.isConnected, `${client.version} is connected`).toBe(true);
    }
    for (const client of this.all.slice(1)) {
      const came = client.messages.splice(0);
      // Order is promised per topic and QoS only, but nothing here gives a reason to break it.
      expect(came).toEqual(this.#expected);
    }
    this.#expected.length = 0;
  }
}

interface Attack {
  readonly connection: FakeConnection;
  readonly pieces: Buffer[];
}

/** More than the data plane can be shown at once: the front-end assembles it. */
function hugePublish(random: Random, version: wire.Version): Buffer {
  const payload = Buffer.alloc(400_000 + random.below(500_000), 'huge');
  const bytes = wire.publish({
    version,
    topic: 'a/b',
    payload,
    qos: random.below(2),
    retain: random.oneIn(3),
  });
  const head = mutateSession([bytes.subarray(0, 40)], random);
  return random.oneIn(2) ? bytes : Buffer.concat([head, bytes.subarray(40)]);
}

function attack(network: FakeNetwork, random: Random, withHuge: boolean): Attack | undefined {
  const speed = random.oneIn(4) ? 'later' : random.oneIn(10) ? 'never' : 'at once';
  const connection = network.connect(speed);
  if (connection === undefined) return undefined;
  const version = random.pick(VERSIONS);
  const session = sessionOf(random, version, `fuzz${random.below(200)}`, random.below(10));
  const bytes = random.oneIn(10) ? Buffer.concat(session) : mutateSession(session, random);
  const pieces = cut(bytes, random);
  if (withHuge && random.oneIn(30)) {
    const huge = hugePublish(random, version);
    for (let at = 0; at < huge.length; at += 60_000) pieces.push(huge.subarray(at, at + 60_000));
  }
  return { connection, pieces };
}

it.each([
  { flowCache: 'on', services: 'open', share: 1 },
  { flowCache: 'off', services: 'open', share: 0.2 },
  { flowCache: 'on', services: 'slow', share: 0.2 },
])(
  `mutated sessions hurt nobody but themselves (item 5): flow cache $flowCache, $services services ($share of ${INPUTS} inputs, seed ${SEED})`,
  { timeout: TIMEOUT_MS },
  async ({ flowCache, services, share }) => {
    const inputs = Math.ceil(INPUTS * share);
    const isSlow = services === 'slow';
    const random = createRandom(SEED);
    const network = await FakeNetwork.create(
      {
        ...SETTINGS,
        'dataplane.flowCache': flowCache,
        ...(isSlow && HUGE_SETTINGS),
      },
      () => random.below(1 << 30) / 2 ** 30,
      isSlow ? slowServices(random) : {},
    );
    const witnesses = new Witnesses(network);
    await network.turn();
    const open: Attack[] = [];
    let settled: ReturnType<typeof memoryUse> | undefined;
    let slabBytesSettled = 0;
    let turns = 0;
    for (let done = 0; done < inputs; turns++) {
      for (let i = 0; i < NEW_PER_TURN && open.length < CONNECTIONS_MAX && done < inputs; i++) {
        const next = attack(network, random, isSlow);
        expect(next).toBeDefined();
        if (next !== undefined) open.push(next);
        done++;
      }
      // Connections take turns with their pieces.
      for (let steps = open.length * 4; steps > 0; steps--) {
        const one = random.pick(open);
        const piece = one.pieces.shift();
        if (piece !== undefined) one.connection.receive(piece);
      }
      if (random.oneIn(4)) witnesses.say();
      for (let at = open.length - 1; at >= 0; at--) {
        const { connection, pieces } = open[at] as Attack;
        if (pieces.length === 0 && random.oneIn(3)) connection.destroy();
        if (connection.isGone) open.splice(at, 1);
      }
      await network.turn();
      if (turns % 64 === 0) {
        for (let i = 0; i < 6; i++) await network.turn();
        witnesses.check();
        await network.clock.advance(random.oneIn(10) ? 40_000 : 1500);
        expect(network.defects).toEqual([]);
      }
      if (settled === undefined && done >= inputs / 3) {
        settled = memoryUse();
        slabBytesSettled = network.dataPlane.counters().slabBytesUsed;
      }
    }
    for (let i = 0; i < 10; i++) await network.turn();
    witnesses.check();
    expect(network.frontEnd.counters.protocolViolations).toBeGreaterThan(inputs / 100);

    if (isSlow) expect(network.frontEnd.counters.assembledPackets).toBeGreaterThan(0);

    for (const { connection } of open) connection.destroy();
    for (const client of witnesses.all) client.end();
    await network.turn();
    await network.turn();
    await network.clock.advance(2 * SESSION_EXPIRY_SECONDS * 1000);
    for (let i = 0; i < 10; i++) await network.turn();
    expect(network.defects).toEqual([]);
    expect(network.frontEnd.state).toMatchObject({ connections: 0, sessions: 0, timers: 0 });
    expect(network.router.totals()).toMatchObject({ subscriptions: 0, sharedGroups: 0 });
    expect(network.retained.count).toBeLessThanOrEqual(SETTINGS['mqtt.retained.maxMessages']);
    const plane = network.dataPlane.counters();
    expect(plane.blocksTotal - plane.blocksFree).toBeLessThanOrEqual(2);
    expect(plane.flows).toBeLessThanOrEqual(SETTINGS['dataplane.flowCacheEntries']);
    expect(plane.slabBytesUsed).toBeLessThanOrEqual(slabBytesSettled + MiB);
    expect(settled).toBeDefined();
    const now = memoryUse();
    expect.soft(now.heapBytes - (settled?.heapBytes ?? 0), 'heap').toBeLessThan(MAX_GROWTH_BYTES);
    expect
      .soft(now.residentBytes - (settled?.residentBytes ?? 0), 'resident')
      .toBeLessThan(3 * MAX_GROWTH_BYTES);
    await network.frontEnd.stop();
  },
);
