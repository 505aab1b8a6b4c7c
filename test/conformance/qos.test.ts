import { describe, expect, test } from 'vitest';
import { unique, useBroker } from '../support/broker.ts';
import type { PacketOf, RawClient } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { P, type Version } from '../support/wire.ts';
import { deliver, pair, payloads, persistent } from './requests.ts';
import { statement } from './statement.ts';

const broker = useBroker();

/** A persistent subscriber with one QoS `qos` message sent to it and not answered. */
async function unanswered(version: Version, qos: number, count = 1) {
  const topic = unique('t');
  const subscriber = await broker.connect(persistent(version, unique()));
  await subscriber.subscribe([{ filter: topic, qos }]);
  const publisher = await broker.connect({ version });
  const sent: PacketOf<'publish'>[] = [];
  for (let n = 0; n < count; n++) {
    await publisher.publish({ topic, payload: `m${n}`, qos });
    sent.push(await subscriber.expect('publish'));
  }
  const resume = (): Promise<RawClient> => broker.connect(persistent(version, subscriber.clientId));
  return { topic, subscriber, publisher, sent, resume };
}

describe('QoS 1 towards a subscriber', () => {
  statement(
    '[MQTT-2.2.1-4] [MQTT-4.3.2-1] [MQTT-4.3.2-2] [3.1.1 MQTT-2.3.1-4] [3.1.1 MQTT-4.3.2-1] new messages take unused identifiers and have DUP 0',
    async ({ version }) => {
      const { sent, subscriber } = await unanswered(version, 1, 10);
      expect(new Set(sent.map((p) => p.packetId)).size).toBe(10);
      for (const packet of sent) expect(packet).toMatchObject({ qos: 1, dup: false });
      await subscriber.quiet();
    },
  );

  test('a clean session gets unused identifiers as well, and frees them by PUBACK', async () => {
    const both = await pair(broker, 5, { qos: 1 });
    const open = new Set<number>();
    for (let n = 0; n < 20; n++) {
      await both.publisher.publish({ topic: both.topic, qos: 1 });
      const got = await both.subscriber.expect('publish');
      expect(open.has(got.packetId)).toBe(false);
      open.add(got.packetId);
    }
    for (const packetId of open) both.subscriber.send(wire.ack('puback', packetId));
    await both.subscriber.quiet();
    await deliver(both, { topic: both.topic, qos: 1 }, 5);
  });

  statement(
    '[MQTT-4.3.2-3] [MQTT-4.4.0-1] [MQTT-3.3.1-1] [3.1.1 MQTT-4.3.2-1] [3.1.1 MQTT-4.4.0-1] [3.1.1 MQTT-3.3.1-1] an unacknowledged message is repeated on resuming, with DUP and its identifier',
    async ({ version }) => {
      const { sent, subscriber, resume } = await unanswered(version, 1);
      await subscriber.drop();
      const again = await resume();
      const repeated = await again.expect('publish');
      expect(repeated).toMatchObject({ dup: true, qos: 1, packetId: sent[0]?.packetId });
      expect(repeated.payload.toString()).toBe('m0');
      again.send(wire.ack('puback', repeated.packetId));
      await again.quiet();
      await again.drop();
      await (await resume()).quiet();
    },
  );

  statement('[MQTT-4.4.0-1] nothing is repeated on a connection that lasts', async () => {
    const { subscriber } = await unanswered(5, 1);
    await broker.advance(3000);
    await subscriber.quiet();
  });

  statement('[MQTT-4.4.0-2] a PUBACK or PUBREC with a failure ends the exchange', async () => {
    for (const qos of [1, 2]) {
      const { sent, subscriber, resume, publisher, topic } = await unanswered(5, qos);
      subscriber.send(wire.ack(qos === 1 ? 'puback' : 'pubrec', sent[0]?.packetId ?? 0, 0x83));
      await subscriber.quiet();
      await publisher.publish({ topic, payload: 'next', qos });
      expect((await subscriber.message()).payload.toString()).toBe('next');
      await subscriber.drop();
      await (await resume()).quiet();
    }
  });

  test('a PUBACK that nothing waits for is ignored', async () => {
    for (const version of [4, 5] as const) {
      const { sent, subscriber } = await unanswered(version, 1);
      subscriber.send(wire.ack('puback', 4242), wire.ack('pubcomp', 4243));
      subscriber.send(wire.ack('puback', sent[0]?.packetId ?? 0), wire.ack('puback', sent[0]?.packetId ?? 0));
      await subscriber.quiet();
    }
  });
});

describe('QoS 1 from a publisher', () => {
  statement(
    '[MQTT-4.3.2-4] [3.1.1 MQTT-4.3.2-2] PUBLISH is answered by PUBACK with its identifier',
    async ({ version }) => {
      const both = await pair(broker, version);
      for (let n = 0; n < 4; n++) {
        both.publisher.send(wire.publish({ version, topic: both.topic, qos: 1, packetId: 4000 + n }));
        expect((await both.publisher.expect('puback')).packetId).toBe(4000 + n);
      }
    },
  );

  statement(
    '[MQTT-4.3.2-5] [3.1.1 MQTT-4.3.2-2] after PUBACK the same identifier is a new message, DUP or not',
    async ({ version }) => {
      const both = await pair(broker, version, { qos: 1 });
      const message = { topic: both.topic, qos: 1, packetId: 5 };
      for (const dup of [false, true, false, true]) {
        await both.publisher.publish({ ...message, payload: String(dup), dup });
        expect(await both.subscriber.message()).toMatchObject({ dup: false });
      }
    },
  );
});

describe('QoS 2 towards a subscriber', () => {
  statement(
    '[MQTT-4.3.3-1] [MQTT-4.3.3-2] [3.1.1 MQTT-4.3.3-1] new messages take unused identifiers and have DUP 0',
    async ({ version }) => {
      const { sent } = await unanswered(version, 2, 10);
      expect(new Set(sent.map((p) => p.packetId)).size).toBe(10);
      for (const packet of sent) expect(packet).toMatchObject({ qos: 2, dup: false });
      const both = await pair(broker, version);
      for (const got of await deliver(both, { topic: both.topic, qos: 2 }))
        expect(got).toMatchObject({ qos: 2, dup: false });
    },
  );

  statement(
    '[MQTT-4.3.3-3] [3.1.1 MQTT-4.3.3-1] until PUBREC the PUBLISH is repeated on resuming',
    async ({ version }) => {
      const { sent, subscriber, resume } = await unanswered(version, 2);
      await subscriber.drop();
      const again = await resume();
      const repeated = await again.expect('publish');
      expect(repeated).toMatchObject({ dup: true, qos: 2, packetId: sent[0]?.packetId });
      await again.complete(repeated);
      await again.quiet();
    },
  );

  statement(
    '[MQTT-4.3.3-4] [3.1.1 MQTT-4.3.3-1] PUBREC is answered by PUBREL with its identifier',
    async ({ version }) => {
      const { sent, subscriber } = await unanswered(version, 2);
      const packetId = sent[0]?.packetId ?? 0;
      subscriber.send(wire.ack('pubrec', packetId));
      expect((await subscriber.expect('pubrel')).packetId).toBe(packetId);
      const both = await pair(broker, version);
      for (let n = 0; n < 4; n++) {
        await both.publisher.publish({ topic: both.topic, qos: 2 });
        const got = await both.subscriber.expect('publish');
        both.subscriber.send(wire.ack('pubrec', got.packetId));
        expect((await both.subscriber.expect('pubrel')).packetId).toBe(got.packetId);
        both.subscriber.send(wire.ack('pubcomp', got.packetId));
      }
    },
  );

  statement(
    '[MQTT-4.3.3-5] [MQTT-4.3.3-6] [3.1.1 MQTT-4.3.3-1] after PUBREC the PUBREL is repeated on resuming, not the PUBLISH',
    async ({ version }) => {
      const { sent, subscriber, resume } = await unanswered(version, 2);
      const packetId = sent[0]?.packetId ?? 0;
      subscriber.send(wire.ack('pubrec', packetId));
      await subscriber.expect('pubrel');
      await subscriber.drop();
      const again = await resume();
      expect((await again.expect('pubrel')).packetId).toBe(packetId);
      again.send(wire.ack('pubcomp', packetId));
      await again.quiet();
      await again.drop();
      await (await resume()).quiet();
    },
  );

  statement('[MQTT-4.3.3-7] [MQTT-4.3.3-13] a message once sent does not expire', async () => {
    const topic = unique('t');
    const subscriber = await broker.connect(persistent(5, unique()));
    await subscriber.subscribe([topic]);
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 2, properties: [[P.messageExpiry, 1]] });
    const sent = await subscriber.expect('publish');
    await broker.advance(2500);
    await subscriber.drop();
    const again = await broker.connect(persistent(5, subscriber.clientId));
    const repeated = await again.expect('publish');
    expect(repeated).toMatchObject({ dup: true, packetId: sent.packetId });
    await again.complete(repeated);
    await again.quiet();
  });
});

describe('QoS 2 from a publisher', () => {
  statement(
    '[MQTT-4.3.3-8] [3.1.1 MQTT-4.3.3-2] PUBLISH is answered by PUBREC with its identifier',
    async ({ version }) => {
      const client = await broker.connect({ version });
      client.send(wire.publish({ version, topic: unique('t'), qos: 2, packetId: 321 }));
      expect((await client.expect('pubrec')).packetId).toBe(321);
    },
  );

  statement('[MQTT-4.3.3-9] after a failing PUBREC the identifier is a new message', async () => {
    const both = await pair(broker, 5);
    const client = both.publisher;
    client.send(wire.publish({ topic: '$SYS/no', qos: 2, packetId: 6 }));
    expect((await client.expect('pubrec')).reason).toBeGreaterThanOrEqual(0x80);
    await client.publish({ topic: both.topic, payload: 'new', qos: 2, packetId: 6 });
    expect((await both.subscriber.message()).payload.toString()).toBe('new');
  });

  statement(
    '[MQTT-4.3.3-10] [3.1.1 MQTT-4.3.3-2] until PUBREL a repeated PUBLISH gets PUBREC again and is delivered once',
    async ({ version }) => {
      const both = await pair(broker, version);
      await deliver(both, { topic: both.topic, qos: 2 });
      for (const dup of [false, true, true, false]) {
        both.publisher.send(
          wire.publish({ version, topic: both.topic, payload: 'once', qos: 2, dup, packetId: 9 }),
        );
        expect(await both.publisher.expect('pubrec')).toMatchObject({ packetId: 9 });
      }
      both.publisher.send(wire.ack('pubrel', 9));
      await both.publisher.expect('pubcomp');
      await both.subscriber.message();
      await both.subscriber.quiet();
    },
  );

  statement(
    '[MQTT-4.3.3-11] [3.1.1 MQTT-4.3.3-2] each PUBREL is answered by PUBCOMP and brings no second delivery (defect 12)',
    async ({ version }) => {
      const both = await pair(broker, version);
      both.publisher.send(wire.publish({ version, topic: both.topic, qos: 2, packetId: 8 }));
      await both.publisher.expect('pubrec');
      for (let n = 0; n < 3; n++) {
        both.publisher.send(wire.ack('pubrel', 8));
        expect((await both.publisher.expect('pubcomp')).packetId).toBe(8);
      }
      await both.subscriber.message();
      await both.subscriber.quiet();
    },
  );

  statement(
    '[MQTT-4.3.3-12] [3.1.1 MQTT-4.3.3-2] after PUBCOMP the identifier is a new message',
    async ({ version }) => {
      const both = await pair(broker, version);
      for (let n = 0; n < 5; n++) {
        await both.publisher.publish({
          topic: both.topic,
          payload: String(n),
          qos: 2,
          packetId: 7,
          dup: n % 2 === 1,
        });
        expect((await both.subscriber.message()).payload.toString()).toBe(String(n));
      }
    },
  );

  test('trap 5: a duplicate after a reconnect is recognized, and is not delivered again', async () => {
    for (const version of [4, 5] as const) {
      const both = await pair(broker, version);
      const publisher = await broker.connect(persistent(version, unique()));
      publisher.send(wire.publish({ version, topic: both.topic, payload: 'once', qos: 2, packetId: 3 }));
      await publisher.expect('pubrec');
      await publisher.drop();
      const again = await broker.connect(persistent(version, publisher.clientId));
      again.send(
        wire.publish({ version, topic: both.topic, payload: 'once', qos: 2, dup: true, packetId: 3 }),
      );
      expect((await again.expect('pubrec')).packetId).toBe(3);
      again.send(wire.ack('pubrel', 3));
      expect(await again.expect('pubcomp')).toMatchObject({ packetId: 3, reason: 0 });
      await both.subscriber.message();
      await both.subscriber.quiet();
    }
  });

  test('trap 5: PUBREL after a reconnect is answered, a repeated one brings no second delivery', async () => {
    const both = await pair(broker, 5);
    const publisher = await broker.connect(persistent(5, unique()));
    publisher.send(wire.publish({ topic: both.topic, qos: 2, packetId: 3 }));
    await publisher.expect('pubrec');
    await publisher.drop();
    const again = await broker.connect(persistent(5, publisher.clientId));
    again.send(wire.ack('pubrel', 3), wire.ack('pubrel', 3));
    expect(await again.expect('pubcomp')).toMatchObject({ packetId: 3, reason: 0 });
    expect(await again.expect('pubcomp')).toMatchObject({ packetId: 3, reason: 0x92 });
    await both.subscriber.message();
    await both.subscriber.quiet();
  });
});

describe('order', () => {
  statement(
    '[MQTT-4.6.0-5] [MQTT-4.6.0-6] [3.1.1 MQTT-4.6.0-5] [3.1.1 MQTT-4.6.0-6] messages of one client arrive in order',
    async ({ version }) => {
      for (const qos of [0, 1, 2]) {
        const both = await pair(broker, version, { qos });
        // In batches that stay within the Receive Maximum of any server.
        const batch = 20;
        for (let start = 0; start < 200; start += batch) {
          const numbers = Array.from({ length: batch }, (_, n) => start + n);
          const bytes = numbers.map((n) =>
            wire.publish({ version, topic: both.topic, payload: String(n), qos, packetId: n + 1 }),
          );
          both.publisher.send(...bytes);
          for (const n of numbers) {
            if (qos === 1) await both.publisher.expect('puback');
            if (qos === 2) expect((await both.publisher.expect('pubrec')).packetId).toBe(n + 1);
          }
          if (qos === 2) both.publisher.send(...numbers.map((n) => wire.ack('pubrel', n + 1)));
          for (const n of numbers) {
            if (qos === 2) expect((await both.publisher.expect('pubcomp')).packetId).toBe(n + 1);
            const got = await both.subscriber.waitFor('publish');
            expect(got.payload.toString()).toBe(String(n));
            await both.subscriber.complete(got);
          }
        }
      }
    },
  );

  statement(
    '[MQTT-4.6.0-1] [3.1.1 MQTT-4.6.0-1] messages are repeated in their first order',
    async ({ version }) => {
      const { sent, subscriber, resume, publisher, topic } = await unanswered(version, 1, 6);
      subscriber.send(wire.ack('puback', sent[2]?.packetId ?? 0));
      await subscriber.barrier();
      await subscriber.drop();
      await publisher.publish({ topic, payload: 'new', qos: 1 });
      const again = await resume();
      const repeated: PacketOf<'publish'>[] = [];
      for (let n = 0; n < 6; n++) repeated.push(await again.message());
      expect(payloads(repeated)).toEqual(['m0', 'm1', 'm3', 'm4', 'm5', 'new']);
      expect(repeated.slice(0, 5).map((p) => p.packetId)).toEqual(
        [0, 1, 3, 4, 5].map((n) => sent[n]?.packetId),
      );
      // The new one may have been sent into the dying connection, before the broker knew.
      expect(repeated.slice(0, 5).every((p) => p.dup)).toBe(true);
    },
  );

  test('trap 13: PUBLISH and PUBREL are repeated before anything new, new identifiers avoid those in use', async () => {
    const { sent, subscriber, resume, publisher, topic } = await unanswered(5, 2, 4);
    subscriber.send(wire.ack('pubrec', sent[0]?.packetId ?? 0), wire.ack('pubrec', sent[1]?.packetId ?? 0));
    await subscriber.expect('pubrel');
    await subscriber.expect('pubrel');
    await subscriber.drop();
    for (let n = 0; n < 5; n++) await publisher.publish({ topic, payload: `new${n}`, qos: 1 });
    const again = await resume();
    const packets = [];
    for (let n = 0; n < 9; n++) packets.push(await again.next());
    const kept = packets.slice(0, 4).map((p) => [p.type, 'packetId' in p ? p.packetId : 0]);
    expect(kept.toSorted()).toEqual(
      [
        ['pubrel', sent[0]?.packetId],
        ['pubrel', sent[1]?.packetId],
        ['publish', sent[2]?.packetId],
        ['publish', sent[3]?.packetId],
      ].toSorted(),
    );
    expect(payloads(packets.slice(4))).toEqual(['new0', 'new1', 'new2', 'new3', 'new4']);
    const used = new Set(sent.map((p) => p.packetId));
    for (const packet of packets.slice(4))
      expect(used.has('packetId' in packet ? packet.packetId : 0)).toBe(false);
  });
});
