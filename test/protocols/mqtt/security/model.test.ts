/** Rules, subscriptions and connections that change in any order, beside a naive model of who may get what. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type PacketOf, property, type RawClient } from '../../../support/raw-client.ts';
import * as wire from '../../../support/wire.ts';
import { P } from '../../../support/wire.ts';
import { allow, deny, type SecureNode, startSecureNode } from './support.ts';

let node: SecureNode;
beforeAll(async () => {
  node = await startSecureNode({ 'mqtt.overlapping': 'merge' });
});
afterAll(async () => {
  await node.stop();
});

const RUNS = Number(process.env.ROBUSTMQ_SECURITY_RUNS ?? 25);
const TOPICS = ['a', 'b', 'c'] as const;
const FILTERS = [...TOPICS, '+', '#', '$share/g/#'] as const;
type Topic = (typeof TOPICS)[number];
type Filter = (typeof FILTERS)[number];

type Step =
  | { readonly kind: 'publish'; readonly topic: Topic; readonly times: number }
  | { readonly kind: 'deny'; readonly topics: readonly Topic[] }
  | { readonly kind: 'subscribe' | 'unsubscribe'; readonly filter: Filter }
  | { readonly kind: 'leave' | 'come back' };

const topic = fc.constantFrom(...TOPICS);
const filter = fc.constantFrom(...FILTERS);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('publish' as const), topic, times: fc.constantFrom(1, 3) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('deny' as const), topics: fc.subarray([...TOPICS]) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('subscribe' as const, 'unsubscribe' as const), filter }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('leave' as const, 'come back' as const) }) },
);

class Model {
  denied = new Set<Topic>();
  readonly filters = new Set<Filter>();
  isHere = true;
  /** Of the session, which has asked for them. */
  waiting: string[] = [];
  /** Of the shared group. */
  kept: string[] = [];
  got: string[] = [];

  may = (message: string): boolean => !this.denied.has(message[0] as Topic);

  publish(topic: Topic, message: string): void {
    const isShared = this.filters.has('$share/g/#');
    const isOwn = this.filters.has(topic) || this.filters.has('+') || this.filters.has('#');
    if (!this.may(topic)) return;
    if (isOwn) this.waiting.push(message);
    if (isShared) this.kept.push(`shared ${message}`);
    this.send();
  }

  send(): void {
    if (!this.isHere) return;
    this.got.push(...this.waiting.filter(this.may));
    this.waiting = [];
    this.got.push(...this.kept.filter((message) => this.may(message.slice('shared '.length))));
    // What no member may have does not wait.
    this.kept = [];
  }
}

const durable = { clean: false, properties: [[P.sessionExpiry, 1000]] } as const;
const SHARED_ID = 7;

async function take(client: RawClient): Promise<string[]> {
  const packets = await client.barrier();
  const publishes = packets.filter((packet): packet is PacketOf<'publish'> => packet.type === 'publish');
  for (const { packetId } of publishes) client.send(wire.ack('puback', packetId));
  return publishes.map(
    (packet) => `${property(packet, P.subscriptionId) === SHARED_ID ? 'shared ' : ''}${packet.payload}`,
  );
}

test(
  'nobody gets what is denied when it is sent, and everybody what was allowed all the time',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        const model = new Model();
        const got: string[] = [];
        await node.rules([allow(['#'])]);
        const publisher = await node.as('pub');
        let subscriber = await node.as('sub', durable);
        let number = 0;
        try {
          for (const each of steps) {
            switch (each.kind) {
              case 'publish':
                for (let i = 0; i < each.times; i++) {
                  const message = `${each.topic}${number++}`;
                  await publisher.publish({ topic: each.topic, payload: message, qos: 1 });
                  model.publish(each.topic, message);
                }
                break;
              case 'deny':
                model.denied = new Set(each.topics);
                await node.rules([allow(['#']), deny([...each.topics, 'none'], { users: ['sub'] })]);
                break;
              case 'subscribe': {
                if (!model.isHere || model.filters.has(each.filter)) break;
                const identifier = each.filter.startsWith('$share') ? SHARED_ID : 1;
                const { reasons } = await subscriber.subscribe(
                  [{ filter: each.filter, qos: 1 }],
                  [[P.subscriptionId, identifier]],
                );
                const isRefused = model.denied.has(each.filter as Topic);
                expect(reasons).toEqual([isRefused ? 0x87 : 1]);
                if (!isRefused) model.filters.add(each.filter);
                break;
              }
              case 'unsubscribe':
                if (!model.isHere || !model.filters.delete(each.filter)) break;
                await subscriber.unsubscribe([each.filter]);
                if (each.filter.startsWith('$share')) model.kept = [];
                break;
              case 'leave':
                if (!model.isHere) break;
                got.push(...(await take(subscriber)));
                await subscriber.barrier();
                subscriber.send(wire.disconnect());
                await subscriber.closed();
                model.isHere = false;
                break;
              case 'come back':
                if (model.isHere) break;
                subscriber = await node.as('sub', durable);
                model.isHere = true;
                model.send();
            }
            if (model.isHere) got.push(...(await take(subscriber)));
          }
          if (!model.isHere) {
            subscriber = await node.as('sub', durable);
            model.isHere = true;
            model.send();
          }
          for (let turn = 0; turn < 50 && got.length < model.got.length; turn++)
            got.push(...(await take(subscriber)));
          got.push(...(await take(subscriber)));
          expect(got.toSorted()).toEqual(model.got.toSorted());
        } finally {
          await node.reset();
        }
      }),
      { numRuns: RUNS },
    );
  },
  10_000 + RUNS * 1000,
);
