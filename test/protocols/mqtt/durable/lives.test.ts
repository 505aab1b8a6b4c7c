/**
 * Random lives of durable sessions on a journal that is written when the test says so: clients that acknowledge in any
 * order, leave and come back, a broker that is killed and starts from views or from the journal alone. Held against what
 * a naive client knows. ROBUSTMQ_LIVES=n is the number of lives, ROBUSTMQ_TEST_SEED=n repeats one.
 */
import { describe, expect, it } from 'vitest';
import type { Config } from '../../../../src/config/config.ts';
import { createRandom, type Random, seedOfRun } from '../../../support/random.ts';
import type { Publish } from '../../../support/server-packet.ts';
import * as wire from '../../../support/wire.ts';
import {
  configOf,
  type Disk,
  emptyDisk,
  type Link,
  type MortalBroker,
  nodeTables,
  pagesOf,
  recover,
  startBroker,
} from './mortal-broker.ts';

const LIVES = Number(process.env.ROBUSTMQ_LIVES ?? 2);
const FIRST = seedOfRun(4);

/** A subscriber that keeps to the rules, and remembers across its connections what they ask it to. */
class Client {
  readonly id: string;
  readonly filters: readonly wire.Filter[];
  readonly window: number;
  link: Link | undefined;
  isReady = false;
  /** What it has to answer, in any order. */
  owed: { type: 'puback' | 'pubrec' | 'pubcomp'; packetId: number }[] = [];
  /** QoS 2: received and not released. */
  readonly held = new Map<number, string>();
  /** As an application sees it. */
  readonly taken: string[] = [];
  readonly takenOnce: string[] = [];
  /** On this connection, not acknowledged. */
  readonly inFlight = new Map<number, string>();

  /** How long its session outlives its connections. */
  readonly expirySeconds: number;

  constructor(id: string, filters: readonly wire.Filter[], window: number, expirySeconds = 10_000) {
    this.id = id;
    this.filters = filters;
    this.window = window;
    this.expirySeconds = expirySeconds;
  }

  connect(broker: MortalBroker, clean = false): void {
    this.isReady = false;
    this.owed = [];
    this.inFlight.clear();
    const properties: wire.Properties = [
      [wire.P.sessionExpiry, this.expirySeconds],
      [wire.P.receiveMaximum, this.window],
    ];
    this.link = broker.connect();
    this.link.send(wire.connect({ clientId: this.id, clean, properties }));
  }

  /** What came. */
  read(): void {
    const { link } = this;
    if (link === undefined) return;
    for (const packet of link.inbox.splice(0)) {
      if (packet.type === 'connack') {
        expect(packet.reason).toBe(0);
        this.isReady = true;
        if (packet.sessionPresent) continue;
        this.held.clear();
        link.send(wire.subscribe(5, 1, this.filters));
      } else if (packet.type === 'publish') this.receive(packet);
      else if (packet.type === 'pubrel') {
        this.held.delete(packet.packetId);
        this.owed.push({ type: 'pubcomp', packetId: packet.packetId });
      } else if (packet.type !== 'suback') throw new Error(`${this.id} was sent ${packet.type}`);
    }
  }

  receive({ qos, packetId, payload, dup }: Publish): void {
    const text = payload.toString();
    if (qos === 0) {
      this.taken.push(text);
      return;
    }
    expect(this.inFlight.get(packetId), 'an identifier that is in use').toBeUndefined();
    this.inFlight.set(packetId, text);
    expect(this.inFlight.size).toBeLessThanOrEqual(this.window);
    if (qos === 1) {
      this.taken.push(text);
      this.owed.push({ type: 'puback', packetId });
      return;
    }
    const held = this.held.get(packetId);
    if (held === undefined) {
      this.taken.push(text);
      this.takenOnce.push(text);
      this.held.set(packetId, text);
    } else expect([held, dup]).toEqual([text, true]);
    this.owed.push({ type: 'pubrec', packetId });
  }

  /** Answers one of what it owes. */
  answer(random: Random): void {
    const at = random.below(this.owed.length);
    const [one] = this.owed.splice(at, 1);
    if (one === undefined || this.link === undefined) return;
    if (one.type !== 'pubrec') this.inFlight.delete(one.packetId);
    this.link.send(wire.ack(one.type, one.packetId));
  }

  /** The oldest of what it owes, in one piece. */
  answerMany(count: number): void {
    const some = this.owed.splice(0, count);
    for (const { type, packetId } of some) if (type !== 'pubrec') this.inFlight.delete(packetId);
    this.link?.send(Buffer.concat(some.map(({ type, packetId }) => wire.ack(type, packetId))));
  }

  lose(): void {
    this.link?.destroy();
    this.link = undefined;
  }
}

/** Publishes numbers, and knows which were acknowledged. */
class Publisher {
  link: Link | undefined;
  private next = 0;
  private readonly waiting = new Map<number, string>();
  readonly promised = new Set<string>();

  publish(broker: MortalBroker, topic: string, qos: 0 | 1 | 2, expirySeconds: number | undefined): void {
    this.begin(broker);
    this.link?.send(this.message(topic, qos, expirySeconds));
  }

  /** In one piece. */
  publishMany(broker: MortalBroker, topics: readonly string[]): void {
    this.begin(broker);
    this.link?.send(Buffer.concat(topics.map((topic) => this.message(topic, 1, undefined))));
  }

  private begin(broker: MortalBroker): void {
    if (this.link === undefined || this.link.isGone) {
      this.link = broker.connect();
      this.link.send(wire.connect({ clientId: 'publisher' }));
      this.waiting.clear();
    }
  }

  private message(topic: string, qos: 0 | 1 | 2, expirySeconds: number | undefined): Buffer {
    this.next++;
    const packetId = (this.next % 60_000) + 1;
    const payload = `${this.next}`;
    if (qos > 0) this.waiting.set(packetId, payload);
    const properties: wire.Properties =
      expirySeconds === undefined ? [] : [[wire.P.messageExpiry, expirySeconds]];
    return wire.publish({ topic, payload, qos, packetId, properties });
  }

  read(): void {
    for (const packet of this.link?.inbox.splice(0) ?? []) {
      if (packet.type !== 'puback' && packet.type !== 'pubrec') continue;
      const payload = this.waiting.get(packet.packetId);
      if (payload !== undefined && packet.reason === 0) this.promised.add(payload);
      if (packet.type === 'pubrec') this.link?.send(wire.ack('pubrel', packet.packetId));
    }
  }
}

class World {
  readonly config: Config;
  readonly random: Random;
  readonly disk: Disk = emptyDisk();
  readonly clients: Client[];
  readonly publisher = new Publisher();
  broker: MortalBroker;

  private constructor(config: Config, random: Random, clients: Client[], broker: MortalBroker, disk: Disk) {
    this.config = config;
    this.random = random;
    this.clients = clients;
    this.broker = broker;
    this.disk = disk;
  }

  static async create(config: Config, random: Random, clients: Client[]): Promise<World> {
    const disk = emptyDisk();
    const world = new World(config, random, clients, await startBroker(config, disk, 'journal'), disk);
    for (const client of clients) client.connect(world.broker);
    for (let round = 0; round < 4; round++) await world.step(true);
    return world;
  }

  /** What is under way goes on. */
  async step(writes: boolean): Promise<void> {
    if (writes) await this.broker.write();
    else await this.broker.settle();
    for (const client of this.clients) client.read();
    this.publisher.read();
    expect(this.broker.defects).toEqual([]);
  }

  /** A start finds the same from the views and from the journal alone, and what was written is what there was. */
  async restart(isClean: boolean): Promise<void> {
    if (isClean)
      do await this.step(true);
      while (!this.broker.isWritten);
    const before = isClean ? pagesOf(this.broker.tables.all) : undefined;
    this.broker.kill();
    const found = (['views', 'journal'] as const).map((from) => {
      const { tables, all } = nodeTables(this.config, this.broker.clock);
      recover(this.disk, all, from);
      return pagesOf(tables.all);
    });
    expect(found[0]).toEqual(found[1]);
    if (before !== undefined) expect(found[1]).toEqual(before);
    for (const client of this.clients) client.link = undefined;
    this.broker = await startBroker(this.config, this.disk, this.random.oneIn(2) ? 'views' : 'journal');
  }

  async act(topics: readonly string[], expires: boolean): Promise<void> {
    const { random, broker, publisher } = this;
    const client = random.pick(this.clients);
    const draw = random.below(100);
    if (draw < 10) {
      const first = random.pick(topics);
      const count = 1 + random.below(12);
      publisher.publishMany(
        broker,
        Array.from({ length: count }, () => (random.oneIn(8) ? random.pick(topics) : first)),
      );
    } else if (draw < 40) {
      const expiry = expires && random.oneIn(3) ? 1 + random.below(20) : undefined;
      const qos = expires && random.oneIn(4) ? 0 : random.oneIn(2) ? 1 : 2;
      publisher.publish(broker, random.pick(topics), qos, expiry);
    } else if (draw < 45) client.answerMany(1 + random.below(20));
    else if (draw < 75) client.answer(random);
    else if (draw < 80) {
      if (client.link === undefined || client.link.isGone) client.connect(broker, expires && random.oneIn(8));
      else client.lose();
    } else if (draw < 83) await broker.checkpoint(() => this.some(topics, expires));
    else if (draw < 85) await this.restart(random.oneIn(2));
    else if (draw < 87) await broker.clock.advance(random.below(expires ? 20_000 : 5000));
    else await this.step(random.oneIn(2));
  }

  private async some(topics: readonly string[], expires: boolean): Promise<void> {
    for (let left = this.random.below(10); left > 0; left--) {
      this.publisher.publish(this.broker, this.random.pick(topics), 1, expires ? 3 : undefined);
      this.random.pick(this.clients).answer(this.random);
      await this.step(this.random.oneIn(2));
    }
  }

  /** Everybody comes back and takes what waits. */
  async finish(): Promise<void> {
    for (let round = 0; ; round++) {
      expect(round, 'it does not come to an end').toBeLessThan(3000);
      let isQuiet = true;
      for (const client of this.clients) {
        if (client.link === undefined || client.link.isGone) {
          client.connect(this.broker);
          isQuiet = false;
        }
        while (client.owed.length > 0) {
          isQuiet = false;
          client.answer(this.random);
        }
      }
      await this.step(true);
      await this.step(true);
      const { all, store } = this.waiting();
      if (isQuiet && all === 0 && store === 0) break;
    }
  }

  waiting(): { readonly all: number; readonly store: number } {
    const { tables } = this.broker;
    let all = 0;
    for (const { durable } of tables.sessions.all()) all += durable?.queue.length ?? 0;
    for (const { queue } of tables.groups.all()) all += queue.length;
    return { all, store: tables.store.count };
  }

  /** Nothing is left of what was settled. */
  expectClean(): void {
    const { tables, dataPlane } = this.broker;
    expect(this.waiting()).toEqual({ all: 0, store: 0 });
    expect(tables.store.bytes).toBe(0);
    for (const { durable, connection } of tables.sessions.all()) {
      expect(durable?.bytes).toBe(0);
      expect([...(durable?.released ?? [])]).toEqual([]);
      expect([...(durable?.repeats ?? [])]).toEqual([]);
      if (connection !== undefined) expect(dataPlane.inFlight(connection.slot)).toBe(0);
    }
  }
}

const firsts = (list: readonly string[]): string[] => [...new Set(list)];
const sorted = (list: readonly string[]): string[] => [...list].sort((a, b) => Number(a) - Number(b));

async function live(
  world: World,
  steps: number,
  { topics, expires }: { readonly topics: readonly string[]; readonly expires: boolean },
): Promise<void> {
  for (let left = steps; left > 0; left--) await world.act(topics, expires);
  await world.finish();
  world.expectClean();
}

describe('lives of durable sessions', () => {
  const seeds = Array.from({ length: LIVES }, (_, i) => FIRST + i);

  it.each(seeds)('QoS 1 comes at least once, QoS 2 exactly once, both in order (seed %i)', async (seed) => {
    const random = createRandom(seed);
    const clients = [
      new Client('slow', [{ filter: 't/#', qos: 2 }], 1 + random.below(5)),
      new Client('least', [{ filter: 't/#', qos: 1 }], random.oneIn(2) ? 1 + random.below(20) : 200),
      // Two deliveries of one message, with one identifier and with none.
      new Client(
        'twice',
        [
          { filter: 't/#', qos: 2 },
          { filter: 't/a', qos: 1 },
        ],
        10,
      ),
    ];
    const world = await World.create(await configOf({}), random, clients);
    await live(world, 250, { topics: ['t/a', 't/b'], expires: false });
    const { promised } = world.publisher;
    for (const { id, taken, takenOnce } of clients) {
      const got = new Set(taken);
      expect(
        [...promised].filter((each) => !got.has(each)),
        id,
      ).toEqual([]);
      expect(takenOnce, id).toEqual(sorted(firsts(takenOnce)));
      if (id !== 'twice') expect(firsts(taken), id).toEqual(sorted(firsts(taken)));
    }
    await world.restart(true);
    world.broker.kill();
  });

  it.each(seeds)(
    'nothing is left behind where queues overflow, messages and sessions expire (seed %i)',
    async (seed) => {
      const random = createRandom(seed);
      const clients = [
        new Client('a', [{ filter: 't/#', qos: 2 }], 1 + random.below(3), 30),
        new Client(
          'b',
          [
            { filter: 't/+', qos: 1 },
            { filter: 't/a', qos: 2 },
          ],
          1 + random.below(3),
          30,
        ),
        new Client('of dead letters', [{ filter: 'dead/#', qos: 1 }], 2, 30),
      ];
      const config = await configOf({
        'mqtt.queue.maxMessages': 1 + random.below(8),
        'mqtt.queue.overflow': random.pick(['drop-oldest', 'drop-newest']),
        'deadLetter.topic': random.oneIn(4) ? '' : 'dead/{topic}',
        'deadLetter.deliveryLimit': random.oneIn(2) ? 2 : 0,
      });
      const world = await World.create(config, random, clients);
      await live(world, 250, { topics: ['t/a', 't/b'], expires: true });
      for (const { takenOnce } of clients.slice(0, 2)) expect(takenOnce).toEqual(sorted(firsts(takenOnce)));
      await world.restart(true);
      world.broker.kill();
    },
  );

  it.each(seeds)('what a shared group was promised comes to one of its members (seed %i)', async (seed) => {
    const random = createRandom(seed);
    const share = { filter: '$share/g/t/#', qos: 1 };
    const clients = [
      new Client('durable', [share], 1 + random.below(4)),
      new Client('other', [share, { filter: '$share/h/t/a', qos: 2 }], 1 + random.below(4)),
      new Client('fleeting', [share], 1 + random.below(4), 0),
    ];
    const world = await World.create(await configOf({}), random, clients);
    await live(world, 250, { topics: ['t/a', 't/b'], expires: false });
    const got = new Set(clients.flatMap(({ taken }) => taken));
    expect([...world.publisher.promised].filter((each) => !got.has(each))).toEqual([]);
    await world.restart(true);
    world.broker.kill();
  });
});
