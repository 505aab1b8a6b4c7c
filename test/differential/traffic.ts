/** Random traffic of many clients, the same for every broker it is run on: nothing depends on what the broker says. */

import type { Settings } from '../support/broker.ts';
import { FakeNetwork } from '../support/fake-network.ts';
import { createRandom, type Random } from '../support/random.ts';
import * as wire from '../support/wire.ts';
import { type ClientOptions, ComparedClient } from './client.ts';
import { DeliveryModel } from './model.ts';

const TOPICS = ['a', 'a/b', 'a/b/c', 'a/c', 'b', 'b//x', '/a', 'x/y/z/w/v', '温度/1'];
const FILTERS = [...TOPICS, '#', '+', 'a/#', 'a/+', '+/b', 'a/+/c', '+/+', 'b//+', 'x/y/#', '温度/+', '/#'];
const CLIENTS = 14;

export interface Traffic {
  readonly clients: readonly ComparedClient[];
  readonly flowHits: number;
  readonly defects: readonly string[];
  readonly model: DeliveryModel;
}

/** These never leave, and take packets of any size: the model says what they must get. */
export const isSteady = ({ options }: ComparedClient): boolean =>
  Number(options.clientId.split('-')[1]) % 2 === 0 &&
  !options.properties.some(([id]) => id === wire.P.maximumPacketSize);

type PropertyList = (readonly [number, wire.PropertyValue])[];

function optionsOf(random: Random, index: number): ClientOptions {
  const version = random.pick([3, 4, 5, 5] as const);
  const properties: PropertyList = [];
  if (version === 5) {
    if (random.oneIn(2)) properties.push([wire.P.sessionExpiry, random.pick([0, 600])]);
    if (random.oneIn(3)) properties.push([wire.P.receiveMaximum, random.pick([1, 2, 7])]);
    if (random.oneIn(5)) properties.push([wire.P.maximumPacketSize, 300]);
    if (random.oneIn(2)) properties.push([wire.P.topicAliasMaximum, random.pick([1, 3, 20])]);
  }
  return {
    version,
    clientId: `client-${index}`,
    clean: random.oneIn(2),
    properties,
    isLazy: random.oneIn(4),
  };
}

function subscribe(random: Random, client: ComparedClient, index: number, model: DeliveryModel): void {
  const { version } = client.options;
  const filters = Array.from({ length: 1 + random.below(3) }, (): wire.Filter => {
    const filter = { filter: random.pick(FILTERS), qos: random.below(3) };
    if (version < 5) return filter;
    return {
      ...filter,
      noLocal: random.oneIn(3),
      retainAsPublished: random.oneIn(2),
      retainHandling: random.below(3),
    };
  });
  const identifier = version === 5 && random.oneIn(2) ? 1 + random.below(300) : undefined;
  const ids: wire.Properties = identifier === undefined ? [] : [[wire.P.subscriptionId, identifier]];
  model.subscribe(index, filters, identifier);
  client.send(wire.subscribe(version, client.nextPacketId(), filters, ids));
}

function messageProperties(random: Random): PropertyList {
  const list: PropertyList = [];
  if (random.oneIn(4)) list.push([wire.P.payloadFormat, random.below(2)]);
  if (random.oneIn(5)) list.push([wire.P.messageExpiry, 1 + random.below(500)]);
  if (random.oneIn(4)) list.push([wire.P.contentType, 'text/plain; ü']);
  if (random.oneIn(4)) list.push([wire.P.responseTopic, 'r/1']);
  if (random.oneIn(4)) list.push([wire.P.correlationData, random.bytes(random.below(40))]);
  for (let i = random.below(4); i > 0; i--)
    list.push([wire.P.userProperty, [`k${random.below(3)}`, `v${i}`]]);
  return list;
}

class Publisher {
  readonly #client: ComparedClient;
  readonly #aliases = new Map<string, number>();
  #count = 0;

  constructor(client: ComparedClient) {
    this.#client = client;
  }

  forgetAliases(): void {
    this.#aliases.clear();
  }

  publish(random: Random, topic: string, index: number, model: DeliveryModel): void {
    const client = this.#client;
    const { version, clientId } = client.options;
    const list = version === 5 && random.oneIn(2) ? messageProperties(random) : [];
    let name = topic;
    if (version === 5 && random.oneIn(6)) {
      const known = this.#aliases.get(topic);
      const alias = known ?? this.#aliases.size + 1;
      this.#aliases.set(topic, alias);
      list.push([wire.P.topicAlias, alias]);
      if (known !== undefined) name = '';
    }
    const bytes = random.oneIn(400)
      ? 300_000
      : random.oneIn(20)
        ? 1 + random.below(30_000)
        : random.below(60);
    const qos = random.below(3);
    const retain = random.oneIn(12);
    const message = `${clientId}:${this.#count++}`;
    if (retain || list.some(([id]) => id === wire.P.messageExpiry)) model.exempt.add(message);
    else model.publish(index, topic, qos, message);
    client.send(
      wire.publish({
        version,
        topic: name,
        payload: `${message}:${'.'.repeat(bytes)}`,
        qos,
        retain,
        packetId: client.nextPacketId(),
        properties: list,
      }),
    );
  }
}

/** Turns until all that was sent has arrived: every client's window may need a few exchanges for each message. */
async function settle(network: FakeNetwork): Promise<void> {
  for (let quiet = 0, last = -1; quiet < 4; ) {
    await network.turn();
    const { bytesReceived, bytesSent } = network.dataPlane.counters();
    quiet = bytesReceived + bytesSent === last ? quiet + 1 : 0;
    last = bytesReceived + bytesSent;
  }
}

export async function runTraffic(seed: number, steps: number, settings: Settings): Promise<Traffic> {
  const random = createRandom(seed);
  const network = await FakeNetwork.create(
    {
      'limits.maxConnections': 64,
      'dataplane.memorySize': '64MiB',
      'dataplane.flowCacheEntries': random.pick([16, 1024]),
      ...settings,
    },
    () => 0.5,
  );
  const clients = Array.from(
    { length: CLIENTS },
    (_, i) => new ComparedClient(network, optionsOf(random, i)),
  );
  const model = new DeliveryModel();
  const publishers = clients.map((client) => new Publisher(client));
  for (const client of clients) client.connect();
  await settle(network);
  for (let step = 0; step < steps; step++) {
    const index = random.below(CLIENTS);
    const client = clients[index] as ComparedClient;
    const publisher = publishers[index] as Publisher;
    const kind = random.below(40);
    if (!client.isConnected) {
      await settle(network);
      client.connect();
      publisher.forgetAliases();
    } else if (kind < 26) {
      const topic = random.pick(TOPICS);
      for (let i = 1 + random.below(6); i > 0; i--) publisher.publish(random, topic, index, model);
    } else if (kind < 31) {
      subscribe(random, client, index, model);
    } else if (kind < 34) {
      const filters = [random.pick(FILTERS), random.pick(FILTERS)];
      model.unsubscribe(index, filters);
      client.send(wire.unsubscribe(client.options.version, client.nextPacketId(), filters));
    } else if (kind < 36) {
      if (isSteady(client)) continue;
      if (random.oneIn(2)) client.send(wire.disconnect());
      client.drop();
    } else if (kind < 38) {
      for (const other of clients) other.releaseAcks();
    } else if (random.oneIn(4)) {
      await network.clock.advance(1000 * random.below(60));
    }
    if (random.oneIn(2)) await network.turn();
  }
  // Everyone comes back and acknowledges until nothing more comes.
  await settle(network);
  for (const client of clients) if (!client.isConnected) client.connect();
  for (let rounds = 0, released = 1; released > 0; rounds++) {
    if (rounds > 5000) throw new Error('the traffic does not end');
    await settle(network);
    released = clients.reduce((sum, client) => sum + client.releaseAcks(), 0);
  }
  const { flowHits } = network.dataPlane.counters();
  for (const client of clients) client.drop();
  await settle(network);
  await network.frontEnd.stop();
  return { clients, flowHits, defects: network.defects, model };
}
