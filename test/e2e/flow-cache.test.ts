/** The fast path is an optimization and never a behaviour: the same traffic gives every client the same with and without it. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RawClient } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { startTestNode, type TestNode } from './support.ts';

const CLIENTS = 5;
const topics = ['a', 'a/b', 'a/b/c', 'b', 'b//c', 'd/e'];
const filters = ['#', 'a/#', '+', 'a/+', '+/b/#', 'b//+', 'a/b', 'd/e', '$share/g/a/#', '$share/h/+'];

const client = fc.nat(CLIENTS - 1);
const qos = fc.constantFrom(0, 1, 2);
const operation = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('subscribe' as const),
      client,
      filter: fc.constantFrom(...filters),
      qos,
      options: fc.constantFrom(0, 4, 8, 12),
      identifier: fc.constantFrom(0, 0, 1, 300),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('unsubscribe' as const),
      client,
      filter: fc.constantFrom(...filters),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('publish' as const),
      client,
      count: fc.integer({ min: 1, max: 8 }),
      topic: fc.constantFrom(...topics),
      qos,
      retain: fc.constantFrom(false, false, false, true),
      size: fc.constantFrom(0, 10, 200, 6000),
      properties: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('reconnect' as const), client }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** Two of MQTT 3.1.1, one of them durable; three of MQTT 5, one durable, one with few identifiers, one with aliases. */
function connectOptions(run: string, index: number): wire.ConnectOptions {
  const clientId = `${run}-${index}`;
  switch (index) {
    case 0:
      return { version: 4, clientId, clean: true };
    case 1:
      return { version: 4, clientId, clean: false };
    case 2:
      return { version: 5, clientId, clean: false, properties: [[wire.P.sessionExpiry, 1000]] };
    case 3:
      return { version: 5, clientId, clean: true, properties: [[wire.P.receiveMaximum, 2]] };
    default:
      return { version: 5, clientId, clean: true, properties: [[wire.P.topicAliasMaximum, 3]] };
  }
}

/** What a client saw, in an order that does not depend on which of overlapping subscriptions came first. */
type Seen = string[];

class Run {
  readonly seen: Seen[] = Array.from({ length: CLIENTS }, () => []);
  private readonly node: TestNode;
  private readonly name: string;
  private readonly clients: RawClient[] = [];
  private readonly aliases = new Map<number, string>();
  private sequence = 0;
  private fence: RawClient | undefined;

  constructor(node: TestNode, name: string) {
    this.node = node;
    this.name = name;
  }

  async start(): Promise<void> {
    for (let i = 0; i < CLIENTS; i++) this.clients[i] = await this.node.connect(connectOptions(this.name, i));
    const clientId = `${this.name}-fence`;
    this.fence = await this.node.connect({ clientId, clean: true, properties: [[wire.P.sessionExpiry, 1]] });
  }

  private at(index: number): RawClient {
    const found = this.clients[index];
    if (found === undefined) throw new Error('no such client');
    return found;
  }

  async apply(step: Operation): Promise<void> {
    const own = this.at(step.client);
    switch (step.type) {
      case 'subscribe': {
        const isShared = step.filter.startsWith('$share');
        const options = isShared ? step.options & ~4 : step.options;
        const filter: wire.Filter =
          own.version === 5
            ? {
                filter: step.filter,
                qos: step.qos,
                noLocal: (options & 4) !== 0,
                retainAsPublished: (options & 8) !== 0,
              }
            : { filter: step.filter, qos: step.qos };
        const list: wire.Properties =
          own.version === 5 && step.identifier > 0 ? [[wire.P.subscriptionId, step.identifier]] : [];
        await own.subscribe([filter], list);
        break;
      }
      case 'unsubscribe':
        await own.unsubscribe([step.filter]);
        break;
      case 'publish':
        await this.publish(own, step);
        break;
      case 'reconnect':
        own.socket.end(wire.disconnect(own.version === 5 ? 4 : undefined));
        await own.closed();
        this.collect(step.client, own.received);
        if (step.client === 4) this.aliases.clear();
        this.clients[step.client] = await this.node.connect(connectOptions(this.name, step.client));
    }
    await this.settle();
  }

  private async publish(own: RawClient, step: Operation & { type: 'publish' }): Promise<void> {
    const packets: Buffer[] = [];
    const identifiers: number[] = [];
    for (let i = 0; i < step.count; i++) {
      const packetId = own.nextPacketId();
      identifiers.push(packetId);
      const payload = `${String(this.sequence++).padStart(6, '0')}${'x'.repeat(step.size)}`;
      const list: wire.Properties =
        own.version === 5 && step.properties
          ? [
              [wire.P.userProperty, ['k', 'v']],
              [wire.P.messageExpiry, 1000],
            ]
          : [];
      packets.push(
        wire.publish({
          version: own.version,
          topic: step.topic,
          payload,
          qos: step.qos,
          retain: step.retain,
          packetId,
          properties: list,
        }),
      );
    }
    own.send(...packets);
    if (step.qos === 0) return;
    for (const id of identifiers) {
      await own.waitFor(step.qos === 1 ? 'puback' : 'pubrec', (p) => p.packetId === id);
      if (step.qos === 2) own.send(wire.ack('pubrel', id));
    }
  }

  /** Until nobody receives anything more. What is owed by then is in the journal: the fence's SUBACK comes behind it. */
  private async settle(): Promise<void> {
    for (let quiet = 0; quiet < 2; ) {
      let came = 0;
      await this.fence?.subscribe(['fence']);
      for (let i = 0; i < CLIENTS; i++) {
        const own = this.at(i);
        for (const packet of await own.barrier()) {
          came++;
          if (packet.type === 'publish' && packet.qos === 1) own.send(wire.ack('puback', packet.packetId));
          if (packet.type === 'publish' && packet.qos === 2) own.send(wire.ack('pubrec', packet.packetId));
          if (packet.type === 'pubrel') own.send(wire.ack('pubcomp', packet.packetId));
        }
      }
      quiet = came === 0 ? quiet + 1 : 0;
    }
  }

  private collect(index: number, received: RawClient['received']): void {
    const own: string[] = [];
    for (const packet of received) {
      if (packet.type !== 'publish') continue;
      const { properties } = packet;
      let topic = String(packet.topic);
      const alias = properties.find(([id]) => id === wire.P.topicAlias)?.[1];
      if (typeof alias === 'number') {
        if (topic === '') topic = this.aliases.get(alias) ?? '?';
        else this.aliases.set(alias, topic);
      }
      const rest = properties.filter(([id]) => id !== wire.P.topicAlias).map((p) => JSON.stringify(p));
      const payload = packet.payload.toString().slice(0, 12);
      own.push([payload, topic, packet.qos, packet.retain, packet.payload.length, ...rest.sort()].join(' '));
    }
    this.seen[index]?.push(...own.sort());
  }

  async finish(): Promise<Seen[]> {
    for (let i = 0; i < CLIENTS; i++) {
      const own = this.at(i);
      this.collect(i, own.received);
      own.socket.destroy();
    }
    await this.fence?.disconnect();
    return this.seen;
  }
}

test('clients receive the same with the flow cache on and off', { timeout: 60_000 }, async () => {
  const settings = { 'mqtt.sharedStrategy': 'hash-topic' };
  const on = await startTestNode({ ...settings, 'dataplane.flowCache': 'on' });
  const off = await startTestNode({ ...settings, 'dataplane.flowCache': 'off' });
  let runs = 0;
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 40 }), async (steps) => {
        const seen: Seen[][] = [];
        runs++;
        for (const node of [on, off]) {
          const run = new Run(node, `r${runs}`);
          await run.start();
          // A clean slate: retained messages and durable sessions of the last run are gone.
          for (const step of steps) await run.apply(step);
          seen.push(await run.finish());
          await wipe(node, `w${runs}`, `r${runs}`);
        }
        expect(seen[0]).toEqual(seen[1]);
      }),
      { numRuns: 25 },
    );
    expect(on.node.dataPlane.counters().flowHits).toBeGreaterThan(100);
    expect(off.node.dataPlane.counters().flowHits).toBe(0);
  } finally {
    await on.stop();
    await off.stop();
  }
});

async function wipe(node: TestNode, name: string, run: string): Promise<void> {
  for (let i = 0; i < CLIENTS; i++) {
    const ended = await node.connect({ ...connectOptions(run, i), clean: true, properties: [] });
    await ended.disconnect();
  }
  const cleaner = await node.connect({ version: 5, clientId: name });
  for (const topic of topics) await cleaner.publish({ topic, payload: '', retain: true, qos: 1 });
  await cleaner.disconnect();
}
