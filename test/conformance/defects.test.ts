/**
 * Traps of the protocol and defects known from other brokers that no numbered statement covers, or that are worth
 * a test in their own words.
 */
import { describe, expect, test } from 'vitest';
import { onMosquitto, startTestBroker, unique, useBroker } from '../support/broker.ts';
import { property } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { P } from '../support/wire.ts';
import { deliver, pair, payloads, persistent, publishes, refusesConnect } from './requests.ts';

const broker = useBroker();

describe('hostile connections', () => {
  test.skipIf(onMosquitto)(
    'trap 18: a connection without CONNECT, whole or in part, ends in time (item 18)',
    async () => {
      const own = await startTestBroker({ 'limits.connectTimeout': '2s' });
      try {
        const silent = await own.open();
        const partial = await own.open();
        partial.send(wire.connect({ clientId: 'x' }).subarray(0, 8));
        await own.advance(1500);
        expect(silent.ended || partial.ended).toBe(false);
        await own.advance(1500);
        expect(await silent.closed()).toEqual([]);
        expect(await partial.closed()).toEqual([]);
      } finally {
        await own.stop();
      }
    },
  );

  test.skipIf(onMosquitto)(
    'defect 1: bytes that decode to nothing end the connection and hold no memory',
    async () => {
      for (const bytes of [
        Buffer.alloc(100_000, 0xff),
        Buffer.alloc(100_000, 0x00),
        Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      ]) {
        const client = await broker.open();
        client.send(bytes);
        expect(await client.closed()).toEqual([]);
      }
    },
  );

  test('a claim of 256 MB ends the connection before it is believed', async () => {
    const client = await broker.connect();
    client.sendHex('30 ff ff ff 7f');
    if (onMosquitto) return;
    await client.expectRefusal(0x95);
    const first = await broker.open();
    first.sendHex('10 ff ff ff 7f');
    await first.closed();
  });

  test.skipIf(onMosquitto)('more connections than allowed are refused, the others stay', async () => {
    const own = await startTestBroker({ 'limits.maxConnections': 3 });
    try {
      const clients = [await own.connect(), await own.connect(), await own.connect()];
      const extra = await own.open().catch(() => undefined);
      extra?.send(wire.connect({ clientId: unique() }));
      if (extra !== undefined)
        expect((await extra.closed()).every((p) => p.type === 'connack' && p.reason !== 0)).toBe(true);
      for (const client of clients) await client.quiet();
      await clients[0]?.disconnect();
      // The place is free once the broker has seen the end of the connection, which may be a moment later.
      let again = await own.connect().catch(() => undefined);
      for (let attempt = 0; again === undefined && attempt < 20; attempt++)
        again = await own.connect().catch(() => undefined);
      expect(again).toBeDefined();
    } finally {
      await own.stop();
    }
  });

  test.skipIf(onMosquitto)(
    'more subscriptions than allowed fail with 0x97, those there are stay',
    async () => {
      const own = await startTestBroker({ 'limits.maxSubscriptionsPerSession': 2 });
      try {
        const client = await own.connect();
        expect((await client.subscribe(['a', 'b', 'c'])).reasons).toEqual([2, 2, 0x97]);
        expect((await client.subscribe(['a'])).reasons).toEqual([2]);
        await client.unsubscribe(['a']);
        expect((await client.subscribe(['c'])).reasons).toEqual([2]);
      } finally {
        await own.stop();
      }
    },
  );
});

describe('queues', () => {
  test.skipIf(onMosquitto)(
    'trap 19: the queue of a session that is away is bounded and drops by policy',
    async () => {
      for (const overflow of ['drop-oldest', 'drop-newest']) {
        const own = await startTestBroker({ 'mqtt.queue.maxMessages': 5, 'mqtt.queue.overflow': overflow });
        try {
          const topic = unique('t');
          const away = await own.connect(persistent(5, unique()));
          await away.subscribe([topic]);
          await away.disconnect();
          const publisher = await own.connect();
          for (let n = 0; n < 8; n++) await publisher.publish({ topic, payload: String(n), qos: 1 });
          const back = await own.connect(persistent(5, away.clientId));
          const kept = overflow === 'drop-oldest' ? ['3', '4', '5', '6', '7'] : ['0', '1', '2', '3', '4'];
          expect(payloads(await back.barrier())).toEqual(kept);
        } finally {
          await own.stop();
        }
      }
    },
  );

  test.skipIf(onMosquitto)('QoS 0 is kept for a session that is away where configured', async () => {
    const own = await startTestBroker({ 'mqtt.queue.qos0Offline': true });
    try {
      const topic = unique('t');
      const away = await own.connect(persistent(5, unique()));
      await away.subscribe([topic]);
      await away.disconnect();
      const publisher = await own.connect();
      await publisher.publish({ topic, payload: 'zero' });
      await publisher.barrier();
      const back = await own.connect(persistent(5, away.clientId));
      expect(await back.message()).toMatchObject({ qos: 0 });
    } finally {
      await own.stop();
    }
  });

  test('trap 12: what waited comes before what is new, in order', async () => {
    const topic = unique('t');
    const away = await broker.connect(persistent(5, unique()));
    await away.subscribe([{ filter: topic, qos: 1 }]);
    await away.disconnect();
    const publisher = await broker.connect();
    const count = 200;
    for (let n = 0; n < count / 2; n++) await publisher.publish({ topic, payload: String(n), qos: 1 });
    const live = (async () => {
      for (let n = count / 2; n < count; n++) await publisher.publish({ topic, payload: String(n), qos: 1 });
    })();
    const back = await broker.connect(persistent(5, away.clientId, { properties: [[P.receiveMaximum, 10]] }));
    const got: string[] = [];
    while (got.length < count) got.push((await back.message()).payload.toString());
    await live;
    expect(got).toEqual(Array.from({ length: count }, (_, n) => String(n)));
  });

  test('defect 11: a subscriber that is slow to acknowledge loses nothing', async () => {
    const topic = unique('t');
    const slow = await broker.connect({ properties: [[P.receiveMaximum, 1]] });
    await slow.subscribe([{ filter: topic, qos: 1 }]);
    const publisher = await broker.connect();
    for (let n = 0; n < 5; n++) await publisher.publish({ topic, payload: String(n), qos: 1 });
    const first = await slow.expect('publish');
    await broker.advance(2000);
    await slow.quiet();
    slow.send(wire.ack('puback', first.packetId));
    const rest: string[] = [];
    while (rest.length < 4) rest.push((await slow.message()).payload.toString());
    expect(rest).toEqual(['1', '2', '3', '4']);
  });
});

/** A hundred QoS 0 messages of 1 KiB, numbered from `first`, in one write. */
const hundred = (topic: string, first: number): Buffer =>
  Buffer.concat(
    Array.from({ length: 100 }, (_, n) =>
      wire.publish({ topic, payload: `${String(first + n).padStart(8)}${'x'.repeat(1016)}` }),
    ),
  );

describe.skipIf(onMosquitto)('consumers that do not read', () => {
  test('trap 19: they lose QoS 0 messages beyond the bound and disturb nobody', async () => {
    const own = await startTestBroker({ 'mqtt.maxHeldSize': '256KiB', 'mqtt.maxPacketSize': '64KiB' });
    try {
      const topic = unique('t');
      const slow = await own.connect();
      await slow.subscribe([{ filter: topic, qos: 0 }]);
      const quick = await own.connect();
      await quick.subscribe([{ filter: topic, qos: 0 }]);
      slow.socket.pause();
      const publisher = await own.connect();
      const count = 20_000;
      for (let n = 0; n < count; n++) {
        if (n % 100 === 0) publisher.send(hundred(topic, n));
        expect(Number((await quick.expect('publish')).payload.subarray(0, 8).toString())).toBe(n);
      }
      slow.socket.resume();
      const got = publishes(await slow.barrier()).map((p) => Number(p.payload.subarray(0, 8).toString()));
      expect(got.length).toBeGreaterThan(0);
      expect(got.length).toBeLessThan(count);
      expect(got).toEqual(got.toSorted((a, b) => a - b));
      await publisher.publish({ topic, payload: 'after', qos: 1 });
      expect((await slow.message()).payload.toString()).toBe('after');
    } finally {
      await own.stop();
    }
  });

  test('traps 18 and 20: those that take all the room hold publishers back, and are closed in time (item 21)', async () => {
    const own = await startTestBroker({
      'mqtt.maxHeldSize': '8MiB',
      'dataplane.memorySize': '16MiB',
      'limits.maxConnections': 100,
      'limits.writeTimeout': '10s',
    });
    try {
      const topic = unique('t');
      const slow = [await own.connect(), await own.connect(), await own.connect()];
      for (const client of slow) {
        await client.subscribe([{ filter: topic, qos: 0 }]);
        client.socket.pause();
      }
      const publisher = await own.connect();
      for (let n = 0; n < 40_000; n += 100) publisher.send(hundred(topic, n));
      const bystander = await own.connect();
      // Until the broker takes no more from the publisher.
      for (let taken = -1, still = 0; still < 20; ) {
        await bystander.quiet();
        still = publisher.socket.bytesWritten - publisher.socket.writableLength === taken ? still + 1 : 0;
        taken = publisher.socket.bytesWritten - publisher.socket.writableLength;
      }
      expect(publisher.socket.writableLength).toBeGreaterThan(0);
      await own.advance(5000);
      for (const client of slow) expect(client.ended).toBe(false);
      // A long write is given longer, by its size; no write is longer than what may be held.
      await own.advance(200_000);
      for (const client of slow) {
        client.socket.resume();
        await client.closed();
      }
      expect(await publisher.publish({ topic, qos: 1 })).toBe(0x10);
    } finally {
      await own.stop();
    }
  });
});

describe('what other brokers got wrong', () => {
  test('defect 2: QoS is the lesser of published and granted', async () => {
    const both = await pair(broker, 5, { qos: 2 });
    for (const got of await deliver(both, { topic: both.topic, qos: 0 })) expect(got.qos).toBe(0);
  });

  test('defect 3: a new subscriber does not get what was published before', async () => {
    const topic = unique('t');
    const publisher = await broker.connect();
    for (let n = 0; n < 10; n++) await publisher.publish({ topic, qos: n % 3 });
    const late = await broker.connect(persistent(5, unique()));
    await late.subscribe([topic]);
    await late.quiet();
  });

  test('defect 5: SUBACK does not wait for acknowledgements of retained messages', async () => {
    const root = unique('t');
    const publisher = await broker.connect();
    for (let n = 0; n < 50; n++)
      await publisher.publish({ topic: `${root}/${n}`, payload: 'x', qos: 1, retain: true });
    const client = await broker.connect({ properties: [[P.receiveMaximum, 1]] });
    client.send(wire.subscribe(5, 1, [{ filter: `${root}/#`, qos: 1 }]));
    await client.waitFor('suback');
    client.send(wire.pingreq());
    await client.waitFor('pingresp');
  });

  test('defect 13: a failing QoS 0 publish is not acknowledged', async () => {
    const client = await broker.connect();
    client.send(wire.publish({ topic: '$SYS/x', payload: 'y' }));
    await client.quiet();
  });

  test.skipIf(onMosquitto)('defect 13: failing publishes do not use up the receive window', async () => {
    const own = await startTestBroker({ 'mqtt.receiveMaximum': 2 });
    try {
      const client = await own.connect();
      for (let n = 0; n < 10; n++) expect(await client.publish({ topic: '$SYS/x', qos: 2 })).toBe(0x87);
      for (let n = 0; n < 10; n++) await client.publish({ topic: 'x', qos: 2 });
    } finally {
      await own.stop();
    }
  });

  test('defect 16: message expiry is forwarded', async () => {
    const both = await pair(broker, 5);
    for (const got of await deliver(both, { topic: both.topic, properties: [[P.messageExpiry, 77]] }))
      expect(property(got, P.messageExpiry)).toBe(77);
    await both.publisher.publish({ topic: both.topic, payload: 'zero', properties: [[P.messageExpiry, 0]] });
    await both.publisher.publish({ topic: both.topic, payload: 'end' });
    const rest = publishes(await both.subscriber.barrier());
    expect(payloads(rest).at(-1)).toBe('end');
  });

  test('defect 20: a payload that is not UTF-8 hurts nobody', async () => {
    const both = await pair(broker, 5);
    for (const got of await deliver(both, {
      topic: both.topic,
      payload: Buffer.from([0xff, 0x00, 0xc0]),
      qos: 1,
    }))
      expect(got.payload).toEqual(Buffer.from([0xff, 0x00, 0xc0]));
  });

  test('trap 21: empty client identifiers in each version', async () => {
    await refusesConnect(broker, 4, wire.connect({ version: 4, clientId: '', clean: false }), [], 2);
    await (await broker.connect({ version: 4, clientId: '' })).disconnect();
    await (await broker.connect({ clientId: '', clean: false })).disconnect();
  });

  test('trap 22: the bridge bit of the protocol level does not open another protocol', async () => {
    const client = await broker.open(4);
    client.send(wire.connect({ version: 4, clientId: unique(), protocolLevel: 0x84 }));
    const answer = await client.next().catch(() => undefined);
    expect(answer === undefined || answer.type === 'connack').toBe(true);
  });

  test('trap 27: client identifiers with wildcards and slashes are only names', async () => {
    const topic = unique('t');
    const client = await broker.connect({ clientId: `+/#/${unique()}` });
    await client.subscribe([topic]);
    await client.publish({ topic, qos: 1 });
    await client.message();
    await client.quiet();
  });

  test('trap 26: a long backlog is handed over without deep recursion', async () => {
    const topic = unique('t');
    const away = await broker.connect(persistent(5, unique()));
    await away.subscribe([{ filter: topic, qos: 1 }]);
    await away.disconnect();
    const publisher = await broker.connect();
    const count = onMosquitto ? 40 : 5000;
    for (let start = 0; start < count; start += 20) {
      const ids = Array.from({ length: 20 }, (_, n) => n + 1);
      publisher.send(...ids.map((packetId) => wire.publish({ topic, payload: 'x', qos: 1, packetId })));
      for (let n = 0; n < 20; n++) await publisher.expect('puback');
    }
    const back = await broker.connect(persistent(5, away.clientId));
    let got = 0;
    for (; got < count; got++) {
      const packet = await back.expect('publish');
      back.send(wire.ack('puback', packet.packetId));
    }
    await back.quiet();
  });

  test('one message reaches subscribers of every version, QoS and option at once', async () => {
    const topic = unique('t');
    const kinds = ([3, 4, 5] as const).flatMap((version) => [0, 1, 2].map((qos) => ({ version, qos })));
    const clients = [];
    for (const { version, qos } of kinds) {
      const client = await broker.connect({ version, clientId: unique('k') });
      await client.subscribe(
        [{ filter: topic, qos }],
        version === 5 ? [[P.subscriptionId, qos + 1]] : undefined,
      );
      clients.push({ client, qos });
    }
    const publisher = await broker.connect();
    for (let round = 0; round < 4; round++)
      for (const published of [0, 1, 2]) {
        const list = [[P.userProperty, ['k', 'v']]] as const;
        await publisher.publish({ topic, payload: `p${published}`, qos: published, properties: list });
        for (const { client, qos } of clients) {
          const got = await client.message();
          expect(got).toMatchObject({ topic, qos: Math.min(qos, published), dup: false, retain: false });
          expect(got.payload.toString()).toBe(`p${published}`);
          if (client.version === 5) {
            expect(property(got, P.userProperty)).toEqual(['k', 'v']);
            expect(property(got, P.subscriptionId)).toBe(qos + 1);
          }
        }
      }
  });
});
