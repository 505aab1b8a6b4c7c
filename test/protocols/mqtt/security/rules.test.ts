/** What clients may do: taken and delivered by every way there is, and when rules change. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { publishesReceived } from '../../../../src/protocols/mqtt/security/metering.ts';
import type { Rule } from '../../../../src/security/security.ts';
import { type PacketOf, property, type RawClient } from '../../../support/raw-client.ts';
import * as wire from '../../../support/wire.ts';
import { P } from '../../../support/wire.ts';
import { allow, deny, PASSWORD, type SecureNode, startSecureNode } from './support.ts';

let node: SecureNode;
beforeAll(async () => {
  node = await startSecureNode();
});
afterEach(() => node.reset());
afterAll(async () => {
  await node.stop();
});

/** Everybody may everything but what is secret, below a and in the first level. */
const OPEN = [allow(['#']), allow(['$SYS/#'], { actions: ['subscribe'] })];
const SECRETS = ['a/secret', 'a/secret/#'];

async function subscribe(client: RawClient, ...filters: string[]): Promise<readonly number[]> {
  const packetId = client.nextPacketId();
  client.send(
    wire.subscribe(
      5,
      packetId,
      filters.map((filter) => ({ filter, qos: 1 })),
    ),
  );
  return (await client.waitFor('suback')).reasons;
}

/** Topics of what came, by payload. */
async function received(client: RawClient): Promise<string[]> {
  const packets = await client.barrier();
  const publishes = packets.filter((packet): packet is PacketOf<'publish'> => packet.type === 'publish');
  for (const { qos, packetId } of publishes) if (qos === 1) client.send(wire.ack('puback', packetId));
  return publishes.map(({ topic, payload }) => `${topic}=${payload}`);
}

const durable = { clean: false, properties: [[P.sessionExpiry, 1000]] } as const;
const away = async (client: RawClient): Promise<void> => {
  client.send(wire.disconnect());
  await client.closed();
};

describe('publishing', () => {
  test('what is denied is refused with 0x87 at QoS 1 and 2, dropped at QoS 0, by name and by alias', async () => {
    await node.rules([allow(['a/#']), deny(SECRETS)]);
    const watcher = await node.as('watcher');
    await node.rules([...OPEN, deny(SECRETS, { users: ['ann'] })]);
    await subscribe(watcher, '#');
    const ann = await node.as('ann');
    for (const qos of [1, 2]) {
      expect(await ann.publish({ topic: 'a/secret', payload: 'x', qos })).toBe(0x87);
    }
    ann.send(wire.publish({ topic: 'a/secret', payload: 'x', qos: 0 }));
    ann.send(wire.publish({ topic: 'a/secret', payload: 'x', properties: [[P.topicAlias, 1]] }));
    ann.send(wire.publish({ topic: '', payload: 'x', properties: [[P.topicAlias, 1]] }));
    expect(await ann.publish({ topic: 'a/open', payload: 'x', qos: 1 })).toBe(0);
    expect(await received(watcher)).toEqual(['a/open=x']);
  });

  test('what is denied is counted as it comes, each once, however often: rates go by it', async () => {
    await node.rules([...OPEN, deny(SECRETS)]);
    const ann = await node.as('ann');
    for (const qos of [0, 1, 2] as const) {
      const before = publishesReceived(node.node.mqtt.context);
      for (let i = 0; i < 5; i++) await ann.publish({ topic: 'a/secret', payload: 'x', qos });
      await ann.barrier();
      expect(publishesReceived(node.node.mqtt.context) - before).toBe(5);
    }
    const before = publishesReceived(node.node.mqtt.context);
    for (let i = 0; i < 5; i++) await ann.publish({ topic: 'a/open', payload: 'x', qos: 1 });
    expect(publishesReceived(node.node.mqtt.context) - before).toBe(5);
  });

  test('clients for whom decisions differ do not share flows, however often they publish', async () => {
    await node.rules([...OPEN, deny(SECRETS, { users: ['bob'] })]);
    const watcher = await node.as('watcher');
    await subscribe(watcher, '#');
    const [ann, bob] = [await node.as('ann'), await node.as('bob')];
    for (let i = 0; i < 4; i++) {
      expect(await ann.publish({ topic: 'a/secret', payload: 'ann', qos: 1 })).toBe(0);
      expect(await bob.publish({ topic: 'a/secret', payload: 'bob', qos: 1 })).toBe(0x87);
    }
    expect(new Set(await received(watcher))).toEqual(new Set(['a/secret=ann']));
  });

  test('a rule that changes counts for the next publish, also on a flow that was used before', async () => {
    await node.rules(OPEN);
    const ann = await node.as('ann');
    for (let i = 0; i < 4; i++) expect(await ann.publish({ topic: 'a/b', payload: 'x', qos: 1 })).toBe(0x10);
    await node.rules([...OPEN, deny(['a/b'])]);
    expect(await ann.publish({ topic: 'a/b', payload: 'x', qos: 1 })).toBe(0x87);
    await node.rules(OPEN);
    expect(await ann.publish({ topic: 'a/b', payload: 'x', qos: 1 })).toBe(0x10);
  });

  test('retained messages are neither set nor cleared by who may not publish there', async () => {
    await node.rules([...OPEN, deny(SECRETS, { users: ['ann'], actions: ['publish'] })]);
    const [ann, bob] = [await node.as('ann'), await node.as('bob')];
    expect(await bob.publish({ topic: 'a/secret', payload: 'kept', qos: 1, retain: true })).toBe(0x10);
    expect(await ann.publish({ topic: 'a/secret', payload: 'other', qos: 1, retain: true })).toBe(0x87);
    expect(await ann.publish({ topic: 'a/secret', payload: '', qos: 1, retain: true })).toBe(0x87);
    await subscribe(bob, 'a/secret');
    expect(await received(bob)).toEqual(['a/secret=kept']);
  });

  test('a will is asked about at CONNECT, and again when it is published', async () => {
    await node.rules([...OPEN, deny(SECRETS, { users: ['ann'] })]);
    const denied = { clientId: 'x', username: 'ann', password: PASSWORD, will: { topic: 'a/secret' } };
    await node.as('ann');
    expect(await node.refusal(denied)).toBe(0x87);
    expect(await node.refusal({ ...denied, version: 4 })).toBe(5);
    const watcher = await node.as('watcher');
    await subscribe(watcher, '#');
    const wills = ['a/1', 'a/2'].map((topic) =>
      node.as('ann', { clientId: topic, will: { topic, payload: 'w' } }),
    );
    const [first, second] = await Promise.all(wills);
    await node.rules([...OPEN, deny(['a/1'])]);
    first?.socket.destroy();
    second?.socket.destroy();
    await watcher.waitFor('publish', ({ topic }) => topic === 'a/2');
    expect(await received(watcher)).toEqual([]);
  });

  test('a delayed message is asked about at its request, by the topic behind the prefix, and when it is due', async () => {
    await node.rules([...OPEN, deny(SECRETS)]);
    const before = node.node.mqtt.counters.publishesDenied;
    const ann = await node.as('ann');
    const watcher = await node.as('watcher');
    await subscribe(watcher, '#');
    expect(await ann.publish({ topic: '$delayed/5/a/secret', payload: 'x', qos: 1 })).toBe(0x87);
    for (const topic of ['a/1', 'a/2']) {
      expect(await ann.publish({ topic: `$delayed/5/${topic}`, payload: 'x', qos: 1 })).toBe(0);
    }
    await node.rules([...OPEN, deny(['a/1'])]);
    await node.clock.advance(6000);
    const [packet] = (await watcher.barrier()).filter(({ type }) => type === 'publish');
    expect(packet).toMatchObject({ topic: 'a/2' });
    expect(packet && property(packet, P.userProperty)).toBeUndefined();
    expect(node.node.mqtt.counters.publishesDenied - before).toBe(2);
  });

  test('a delayed message of a user who is gone is not published', async () => {
    await node.rules(OPEN);
    const ann = await node.as('ann');
    const watcher = await node.as('watcher');
    await subscribe(watcher, '#');
    expect(await ann.publish({ topic: '$delayed/5/a/b', payload: 'x', qos: 1 })).toBe(0);
    await node.node.security.users.delete('ann');
    await node.clock.advance(6000);
    expect(await received(watcher)).toEqual([]);
  });
});

describe('subscribing', () => {
  test('each filter is decided by itself: refused, granted, or granted in part', async () => {
    await node.rules([allow(['a/#']), deny(SECRETS)]);
    const ann = await node.as('ann');
    expect(
      await subscribe(ann, 'a/#', 'b', 'a/secret', '$share/g/a/secret/x', 'a/open', '$share/g/a/+'),
    ).toEqual([1, 0x87, 0x87, 0x87, 1, 1]);
    const old = await node.as('bob', { version: 4 });
    old.send(wire.subscribe(4, 1, [{ filter: 'b', qos: 0 }]));
    expect((await old.expect('suback')).reasons).toEqual([0x80]);
  });
});

/** Each way by which a message comes to a subscriber; `secret` never does, `open` does. */
type Way = (publisher: RawClient, subscriber: RawClient) => Promise<RawClient>;

const both = async (
  publisher: RawClient,
  about: { qos?: number; retain?: boolean; prefix?: string } = {},
) => {
  const { qos = 1, retain = false, prefix = '' } = about;
  for (const topic of ['a/secret', 'a/open']) {
    await publisher.publish({ topic: prefix + topic, payload: 'x', qos, retain });
  }
};

const again = async (): Promise<RawClient> => node.as('sub', durable);

const ways: Readonly<Record<string, Way>> = {
  async live(publisher, subscriber) {
    await subscribe(subscriber, 'a/+');
    for (let i = 0; i < 3; i++) await both(publisher);
    return subscriber;
  },
  async 'live at QoS 0'(publisher, subscriber) {
    subscriber.send(wire.subscribe(5, 9, [{ filter: 'a/+', qos: 0 }]));
    await subscriber.waitFor('suback');
    for (let i = 0; i < 3; i++) await both(publisher);
    return subscriber;
  },
  async 'by a subscription to everything'(publisher, subscriber) {
    await subscribe(subscriber, '#');
    await both(publisher);
    return subscriber;
  },
  async retained(publisher, subscriber) {
    await both(publisher, { retain: true });
    await subscribe(subscriber, 'a/+');
    return subscriber;
  },
  async queued(publisher, subscriber) {
    await subscribe(subscriber, 'a/+');
    await away(subscriber);
    await both(publisher);
    return again();
  },
  async 'queued while it was allowed'(publisher, subscriber) {
    await node.rules(OPEN);
    await subscribe(subscriber, 'a/+');
    await away(subscriber);
    await both(publisher);
    await node.rules(DENIED);
    return again();
  },
  async 'queued, of a subscription that is gone'(publisher, subscriber) {
    await node.rules(OPEN);
    await subscribe(subscriber, 'a/secret', 'a/open');
    await away(subscriber);
    await both(publisher);
    node.node.router.unsubscribe(
      node.node.mqtt.context.sessions.get('sub')?.number ?? -1,
      Buffer.from('a/secret'),
    );
    await node.rules(DENIED);
    return again();
  },
  async 'shared group'(publisher, subscriber) {
    await subscribe(subscriber, '$share/g/a/+');
    await both(publisher);
    return subscriber;
  },
  async 'shared group that keeps'(publisher, subscriber) {
    await subscribe(subscriber, '$share/g/a/+');
    await away(subscriber);
    await both(publisher);
    return again();
  },
  async 'shared group that kept while it was allowed'(publisher, subscriber) {
    await node.rules(OPEN);
    await subscribe(subscriber, '$share/g/a/+');
    await away(subscriber);
    await both(publisher);
    await node.rules(DENIED);
    return again();
  },
  async will(publisher, subscriber) {
    await subscribe(subscriber, 'a/+');
    for (const topic of ['a/secret', 'a/open']) {
      const client = await node.as('pub', { clientId: topic, will: { topic, payload: 'x', qos: 1 } });
      client.send(wire.disconnect(4));
      await client.closed();
    }
    await publisher.barrier();
    return subscriber;
  },
  async delayed(publisher, subscriber) {
    await subscribe(subscriber, 'a/+');
    await both(publisher, { prefix: '$delayed/1/' });
    await node.clock.advance(2000);
    return subscriber;
  },
};

const DENIED: readonly Rule[] = [...OPEN, deny(SECRETS, { users: ['sub'], actions: ['subscribe'] })];

describe('item 36: a denied topic is delivered by no way', () => {
  test.each(Object.keys(ways))('%s', async (name) => {
    await node.rules(DENIED);
    const publisher = await node.as('pub');
    const subscriber = await node.as('sub', durable);
    const reader = await (ways[name] as Way)(publisher, subscriber);
    if (name !== 'live' && name !== 'live at QoS 0') await reader.waitFor('publish', () => true);
    const rest = await received(reader);
    expect(reader.received.some((packet) => packet.type === 'publish' && packet.topic === 'a/secret')).toBe(
      false,
    );
    expect(reader.received.some((packet) => packet.type === 'publish' && packet.topic === 'a/open')).toBe(
      true,
    );
    expect(rest.every((text) => text.startsWith('a/open'))).toBe(true);
  });
});

describe('item 38: what is taken back', () => {
  test('a rule stops a subscription at once, on flows and retained; given back, it goes on', async () => {
    await node.rules(OPEN);
    const publisher = await node.as('pub');
    const subscriber = await node.as('sub');
    await subscribe(subscriber, 'a/#');
    for (let i = 0; i < 3; i++) await both(publisher);
    expect((await received(subscriber)).length).toBe(6);
    await node.rules([...OPEN, deny(['a/#'], { users: ['sub'] })]);
    for (let i = 0; i < 3; i++) await both(publisher);
    expect(await received(subscriber)).toEqual([]);
    await node.rules(DENIED);
    await both(publisher);
    expect(await received(subscriber)).toEqual(['a/open=x']);
    await node.rules(OPEN);
    await both(publisher);
    expect(await received(subscriber)).toEqual(['a/secret=x', 'a/open=x']);
  });

  test('a role that is deleted, and one that changes', async () => {
    const { roles } = node.node.security.authorization;
    await node.rules([allow(['#'], { users: ['pub'] })]);
    const rules = [allow(['a/#'])];
    await roles.create({ name: 'reader', description: '', rules, scopes: [] });
    await node.user('reader', { roles: ['reader'] });
    const publisher = await node.as('pub');
    const subscriber = await node.as('reader');
    expect(await subscribe(subscriber, 'a/#')).toEqual([1]);
    await both(publisher);
    expect((await received(subscriber)).length).toBe(2);
    await roles.update({
      name: 'reader',
      description: '',
      rules: [...rules, deny(['a/secret'])],
      scopes: [],
    });
    await both(publisher);
    expect(await received(subscriber)).toEqual(['a/open=x']);
    await roles.delete('reader');
    await both(publisher);
    expect(await received(subscriber)).toEqual([]);
  });

  test('a disabled user is disconnected, and gets nothing of what waited', async () => {
    await node.rules(OPEN);
    const publisher = await node.as('pub');
    const subscriber = await node.as('off', durable);
    await subscribe(subscriber, 'a/#');
    await node.node.security.users.disable('off');
    await subscriber.expectRefusal(0x98);
    await both(publisher);
    expect(await node.refusal({ ...durable, clientId: 'off', username: 'off', password: PASSWORD })).toBe(
      0x86,
    );
  });
});

describe('item 39: names that are kept for the broker', () => {
  test.each(['$SYS/broker/x', '$share/g/a', '$queue/a', '__consumer_offsets', '$tenant/acme/a', '$other'])(
    'nobody publishes to %s',
    async (topic) => {
      await node.rules([], 'allow');
      const ann = await node.as('ann');
      expect(await ann.publish({ topic, payload: 'x', qos: 1 })).toBe(0x87);
    },
  );
});

test('item 37: names of clients are text in rules, and widen nothing', async () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: what rules have
  await node.rules([allow(['u/${clientid}/#', 'n/${username}'])]);
  for (const clientId of ['+', '#', 'a/b', '.*', '%u', ['$', '{username}'].join('')]) {
    const client = await node.as('ann', { clientId });
    const [wide, all, other] = await subscribe(client, 'u/+/x', 'u/#', 'u/other/x');
    expect([wide, all, other]).toEqual([0x87, 0x87, 0x87]);
    expect(await client.publish({ topic: 'u/other/x', payload: '', qos: 1 })).toBe(0x87);
  }
});
