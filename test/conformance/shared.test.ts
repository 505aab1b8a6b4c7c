import { describe, expect, test } from 'vitest';
import { startTestBroker, unique, useBroker } from '../support/broker.ts';
import { type PacketOf, property, type RawClient } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { P } from '../support/wire.ts';
import { payloads, persistent, publishes, refuses } from './requests.ts';
import { statement } from './statement.ts';

const broker = useBroker();

/** What each of these clients has received; everything is acknowledged. */
async function collect(clients: readonly RawClient[]): Promise<PacketOf<'publish'>[][]> {
  const all: PacketOf<'publish'>[][] = [];
  for (const client of clients) {
    const got: PacketOf<'publish'>[] = [];
    for (
      let more = publishes(await client.barrier());
      more.length > 0;
      more = publishes(await client.barrier())
    ) {
      got.push(...more);
      for (const packet of more) await client.complete(packet);
    }
    all.push(got);
  }
  return all;
}

async function members(topic: string, count: number, qos = 1, group = 'g'): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  for (let n = 0; n < count; n++) {
    const client = await broker.connect(persistent(5, unique('m')));
    await client.subscribe([{ filter: `$share/${group}/${topic}`, qos }]);
    clients.push(client);
  }
  return clients;
}

/** A filter that is no filter fails with 0x8F, told in SUBACK or by ending the connection; it is never accepted. */
async function refusesFilter(version: wire.Version, filter: string): Promise<void> {
  const client = await broker.connect({ version });
  client.send(wire.subscribe(version, 1, [{ filter }]));
  const answer = await client.next().catch(() => undefined);
  if (answer?.type === 'suback') expect(answer.reasons, filter).toEqual([version === 5 ? 0x8f : 0x80]);
  else if (version === 5) expect(answer, filter).toMatchObject({ type: 'disconnect', reason: 0x8f });
  else expect(client.ended, filter).toBe(true);
}

describe('shared filter', () => {
  statement('[MQTT-4.8.2-1] a share name has at least one character', async () => {
    await refusesFilter(5, '$share//a');
    const client = await broker.connect();
    expect((await client.subscribe(['$share/g/a'])).reasons).toEqual([2]);
  });

  statement('[MQTT-4.8.2-2] a share name has no wildcard and is followed by a filter', async () => {
    for (const filter of ['$share/+/a', '$share/g+/a', '$share/#/a', '$share/g', '$share/g/', '$share/'])
      await refusesFilter(5, filter);
  });

  test('trap 3: wrong shared filters hurt nobody but their sender, in MQTT 3 as well', async () => {
    const bystander = await broker.connect({ version: 4 });
    for (const filter of ['$share/g', '$share//a', '$share/+/a', '$share/g/', '$share/g/a/#/b'])
      for (const version of [4, 5] as const) await refusesFilter(version, filter);
    await bystander.quiet();
  });

  statement('[MQTT-3.8.3-4] No Local on a shared subscription ends the connection', async () => {
    await refuses(broker, 5, wire.subscribe(5, 1, [{ filter: '$share/g/a', noLocal: true }]), 0x82);
  });
});

describe('shared delivery', () => {
  test('each message goes to one member of each group, all members get some', async () => {
    const topic = unique('t');
    const group = await members(topic, 3);
    const other = await members(topic, 1, 1, 'h');
    const plain = await broker.connect();
    await plain.subscribe([{ filter: topic, qos: 0 }]);
    const publisher = await broker.connect();
    for (let n = 0; n < 30; n++) await publisher.publish({ topic, payload: String(n), qos: 1 });
    const got = await collect(group);
    expect(
      got
        .flatMap(payloads)
        .map(Number)
        .toSorted((a, b) => a - b),
    ).toEqual(Array.from({ length: 30 }, (_, n) => n));
    for (const part of got) expect(part.length).toBeGreaterThan(0);
    expect((await collect(other))[0]).toHaveLength(30);
    expect((await collect([plain]))[0]).toHaveLength(30);
  });

  test('MQTT 3.1.1 clients may share, too', async () => {
    const topic = unique('t');
    const one = await broker.connect({ version: 4 });
    await one.subscribe([`$share/g/${topic}`]);
    const two = await broker.connect({ version: 5 });
    await two.subscribe([`$share/g/${topic}`]);
    const publisher = await broker.connect({ version: 4 });
    for (let n = 0; n < 10; n++) await publisher.publish({ topic, qos: 1 });
    const got = await collect([one, two]);
    expect(got.map((p) => p.length)).toEqual([5, 5]);
  });

  statement('[MQTT-4.8.2-3] deliveries respect the granted QoS of the member', async () => {
    const topic = unique('t');
    const [zero] = await members(topic, 1, 0);
    const [two] = await members(topic, 1, 2);
    const publisher = await broker.connect();
    for (let n = 0; n < 20; n++) await publisher.publish({ topic, qos: 1 + (n % 2) });
    const got = await collect([zero, two].filter((c) => c !== undefined));
    for (const packet of got[0] ?? []) expect(packet.qos).toBe(0);
    for (const packet of got[1] ?? []) expect([1, 2]).toContain(packet.qos);
    expect((got[0]?.length ?? 0) + (got[1]?.length ?? 0)).toBe(20);
  });

  test('trap 3: no retained message is sent for a shared subscription', async () => {
    const topic = unique('t');
    const publisher = await broker.connect();
    await publisher.publish({ topic, payload: 'kept', qos: 1, retain: true });
    const [member] = await members(topic, 1);
    await member?.quiet();
  });

  test('subscription identifiers come with shared deliveries', async () => {
    const topic = unique('t');
    const client = await broker.connect();
    await client.subscribe([`$share/g/${topic}`], [[P.subscriptionId, 12]]);
    for (let n = 0; n < 3; n++) {
      await client.publish({ topic, qos: 1 });
      expect(property(await client.message(), P.subscriptionId)).toBe(12);
    }
  });

  test('trap 1: shared wildcards do not match topics that begin with $', async () => {
    const client = await broker.connect();
    expect((await client.subscribe(['$share/g/#'])).reasons).toEqual([2]);
    await broker.advance(100);
    for (const packet of publishes(await client.barrier())) expect(packet.topic.startsWith('$')).toBe(false);
    await client.disconnect();
  });
});

describe('members that leave', () => {
  /** Two members; returns the one that was sent the message, unanswered, and the other. */
  async function sendTo(topic: string, qos: number) {
    const clients = await members(topic, 2, qos);
    const publisher = await broker.connect();
    await publisher.publish({ topic, payload: 'work', qos });
    for (const [index, client] of clients.entries()) {
      const [got] = publishes(await client.barrier());
      const other = clients[1 - index];
      if (got !== undefined && other !== undefined) return { chosen: client, other, got, publisher };
    }
    throw new Error('nobody got the message');
  }

  statement('[MQTT-4.8.2-4] a QoS 2 delivery is completed to its member when it comes back', async () => {
    const topic = unique('t');
    const { chosen, other, got } = await sendTo(topic, 2);
    chosen.send(wire.ack('pubrec', got.packetId));
    await chosen.expect('pubrel');
    await chosen.drop();
    await other.quiet();
    const back = await broker.connect(persistent(5, chosen.clientId));
    expect((await back.expect('pubrel')).packetId).toBe(got.packetId);
    back.send(wire.ack('pubcomp', got.packetId));
    await back.quiet();
    await other.quiet();
  });

  statement(
    '[MQTT-4.8.2-5] a QoS 2 delivery that was received goes to no other member when the session ends',
    async () => {
      const topic = unique('t');
      const { chosen, other, got } = await sendTo(topic, 2);
      chosen.send(wire.ack('pubrec', got.packetId));
      await chosen.expect('pubrel');
      await chosen.disconnect(0, [[P.sessionExpiry, 0]]);
      await broker.advance(500);
      await other.quiet();
    },
  );

  statement('[MQTT-4.8.2-6] a message that a member refuses is discarded', async () => {
    for (const qos of [1, 2]) {
      const topic = unique('t');
      const { chosen, other, got } = await sendTo(topic, qos);
      chosen.send(wire.ack(qos === 1 ? 'puback' : 'pubrec', got.packetId, 0x83));
      await chosen.quiet();
      await other.quiet();
    }
  });

  test.skipIf(process.env.ROBUSTMQ_TEST_BROKER === 'mosquitto')(
    'trap 4: an unanswered QoS 1 message goes to another member when the session ends',
    async () => {
      const topic = unique('t');
      const { chosen, other } = await sendTo(topic, 1);
      await chosen.disconnect(0, [[P.sessionExpiry, 0]]);
      expect((await other.message()).payload.toString()).toBe('work');
    },
  );

  test('a member that left gets nothing more', async () => {
    const topic = unique('t');
    const [one, two] = await members(topic, 2);
    await one?.unsubscribe([`$share/g/${topic}`]);
    const publisher = await broker.connect();
    for (let n = 0; n < 6; n++) await publisher.publish({ topic, qos: 1 });
    const got = await collect([one, two].filter((c) => c !== undefined));
    expect(got.map((p) => p.length)).toEqual([0, 6]);
  });

  test.skipIf(process.env.ROBUSTMQ_TEST_BROKER === 'mosquitto')(
    'trap 4: with one member away the others get everything; with all away the messages wait',
    async () => {
      const topic = unique('t');
      const [one, two] = await members(topic, 2);
      if (one === undefined || two === undefined) throw new Error('no members');
      await one.drop();
      const publisher = await broker.connect();
      for (let n = 0; n < 6; n++) await publisher.publish({ topic, qos: 1 });
      expect((await collect([two]))[0]).toHaveLength(6);
      await two.drop();
      for (let n = 0; n < 6; n++) await publisher.publish({ topic, payload: `late ${n}`, qos: 1 });
      const back = [
        await broker.connect(persistent(5, one.clientId)),
        await broker.connect(persistent(5, two.clientId)),
      ];
      const got = (await collect(back)).flatMap(payloads);
      expect(got.toSorted()).toEqual(Array.from({ length: 6 }, (_, n) => `late ${n}`));
    },
  );
});

describe('strategies', () => {
  test.skipIf(process.env.ROBUSTMQ_TEST_BROKER === 'mosquitto')(
    'random, sticky, hash-client and hash-topic deliver each message once',
    async () => {
      for (const strategy of ['round-robin', 'random', 'sticky', 'hash-client', 'hash-topic']) {
        const own = await startTestBroker({ 'mqtt.sharedStrategy': strategy });
        try {
          const root = unique('t');
          const group = [await own.connect(), await own.connect(), await own.connect()];
          for (const member of group) await member.subscribe([{ filter: `$share/g/${root}/#`, qos: 1 }]);
          const publisher = await own.connect();
          for (let n = 0; n < 24; n++)
            await publisher.publish({ topic: `${root}/${n % 4}`, payload: String(n), qos: 1 });
          const got = await collect(group);
          const counts = got.map((p) => p.length);
          expect(counts.reduce((a, b) => a + b)).toBe(24);
          if (strategy === 'round-robin') expect(counts).toEqual([8, 8, 8]);
          if (strategy === 'sticky' || strategy === 'hash-client') expect(Math.max(...counts)).toBe(24);
          if (strategy === 'hash-topic')
            for (let t = 0; t < 4; t++)
              expect(got.filter((part) => part.some((p) => p.topic === `${root}/${t}`))).toHaveLength(1);
        } finally {
          await own.stop();
        }
      }
    },
  );
});
