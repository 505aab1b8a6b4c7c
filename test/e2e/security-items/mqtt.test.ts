/** Items 6, 7, 8 and 23 of the security checklist: packets of MQTT clients who have been let in. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RawClient } from '../../support/raw-client.ts';
import * as wire from '../../support/wire.ts';
import { startTestNode, type TestNode } from '../support.ts';

const { P } = wire;
const RECEIVE_MAXIMUM = 20;

let node: TestNode;
let watcher: RawClient;
beforeAll(async () => {
  node = await startTestNode({
    'mqtt.receiveMaximum': RECEIVE_MAXIMUM,
    'mqtt.topicAliasMaximum': 10,
    'limits.maxSubscriptionsPerSession': 2000,
  });
  watcher = await node.connect({ clientId: 'watcher' });
  await watcher.subscribe([{ filter: 'seen/#', qos: 2 }]);
});
afterAll(() => node.stop());

let names = 0;
const client = (options: wire.ConnectOptions = {}): Promise<RawClient> =>
  node.connect({ clientId: `client-${names++}`, ...options });

const string = (bytes: Uint8Array): Buffer => Buffer.concat([wire.u16(bytes.length), bytes]);
const SURROGATE = Buffer.from([0x61, 0xed, 0xa0, 0x80]);
const deep = (levels: number): string => Array.from({ length: levels }, () => 'l').join('/');

describe('item 6: topics and filters', () => {
  test.each([
    ['empty', '', 0x82],
    ['with NUL', 'seen/\0', 0x81],
    ['with half of a surrogate pair', SURROGATE, 0x81],
    ['with +', 'seen/+', 0x90],
    ['with #', 'seen/#', 0x90],
    ['of 129 levels', deep(129), 0x90],
  ] as const)('a topic %s ends the connection, in 3.1.1 without a word', async (_name, topic, reason) => {
    const five = await client();
    five.send(wire.publish({ topic, payload: 'x' }));
    await five.expectRefusal(reason);
    const four = await client({ version: 4 });
    four.send(wire.publish({ version: 4, topic, payload: 'x' }));
    expect(await four.closed()).toEqual([]);
  });

  test.each(['a#', 'a/#/b', '+a', 'a+/b', '#/a', deep(129), '$share/g/', '$share//a'])(
    'the filter %s is refused',
    async (filter) => {
      const five = await client();
      five.send(wire.subscribe(5, 1, [{ filter, qos: 0 }]));
      const answer = await five.next().catch(() => undefined);
      if (answer?.type === 'suback') expect(answer.reasons).toEqual([0x8f]);
      else if (answer?.type === 'disconnect') expect([0x81, 0x82, 0x8f]).toContain(answer.reason);
      else throw new Error(`${answer?.type} is no refusal`);
      const four = await client({ version: 4 });
      four.send(wire.subscribe(4, 1, [{ filter, qos: 0 }]));
      const old = await four.next().catch(() => undefined);
      if (old !== undefined) expect(old).toMatchObject({ type: 'suback', reasons: [0x80] });
      else expect(four.ended).toBe(true);
    },
  );

  test('65,536 bytes cannot even be said, 128 levels can', async () => {
    const long = await client();
    const tooLong = Buffer.concat([Buffer.from([0, 0]), Buffer.alloc(65_536, 0x78)]);
    long.send(wire.packet(0x30, tooLong));
    await long.closed();
    const levels = await client();
    await levels.subscribe([{ filter: deep(128), qos: 1 }]);
    levels.send(wire.publish({ topic: deep(128), qos: 1, packetId: 1 }));
    expect((await levels.waitFor('publish')).topic).toBe(deep(128));
    await watcher.quiet();
  });
});

describe('item 7: properties', () => {
  const userProperty = (key: string): Buffer => wire.properties([[P.userProperty, [key, 'v']]]);
  test.each([
    [
      'twice the same',
      wire.publish({
        topic: 'a',
        properties: [
          [P.messageExpiry, 1],
          [P.messageExpiry, 1],
        ],
      }),
      [0x82],
    ],
    [
      'one of another packet',
      wire.publish({ topic: 'a', properties: [[P.receiveMaximum, 5]] }),
      [0x81, 0x82],
    ],
    ['alias 0', wire.publish({ topic: 'a', properties: [[P.topicAlias, 0]] }), [0x94]],
    ['an alias above the maximum', wire.publish({ topic: 'a', properties: [[P.topicAlias, 11]] }), [0x94]],
    [
      'a subscription identifier from a client',
      wire.publish({ topic: 'a', properties: [[P.subscriptionId, 1]] }),
      [0x82],
    ],
    ['subscription identifier 0', wire.subscribe(5, 1, [{ filter: 'a' }], [[P.subscriptionId, 0]]), [0x82]],
    ['an unknown one', wire.packet(0x30, string(Buffer.from('a')), Buffer.from([2, 0x7f, 1])), [0x81, 0x82]],
    [
      'more than the packet has',
      wire.packet(0x30, string(Buffer.from('a')), userProperty('k').subarray(0, 4)),
      [0x81],
    ],
  ] as const)('%s', async (_name, bytes, reasons) => {
    const five = await client();
    five.send(bytes);
    const answer = await five.expect('disconnect');
    expect(reasons).toContain(answer.reason);
    await five.closed();
  });

  test.each([
    ['Receive Maximum 0', [[P.receiveMaximum, 0]]],
    ['Maximum Packet Size 0', [[P.maximumPacketSize, 0]]],
    [
      'Receive Maximum twice',
      [
        [P.receiveMaximum, 5],
        [P.receiveMaximum, 5],
      ],
    ],
    ['a property of PUBLISH', [[P.topicAlias, 1]]],
  ] as const)('in CONNECT: %s', async (_name, properties) => {
    const five = await client({ properties });
    expect([0x81, 0x82]).toContain(five.connack?.reason);
    expect(await five.closed()).toEqual([]);
  });
});

describe('item 8: QoS 2', () => {
  const publish = (packetId: number, payload = 'x'): Buffer =>
    wire.publish({ topic: 'seen/two', payload, qos: 2, packetId });

  test('identifiers that are never released end at Receive Maximum, and their memory with the session', async () => {
    const before = node.node.mqtt.state.sessions;
    const five = await client();
    for (let id = 1; id <= RECEIVE_MAXIMUM; id++) five.send(publish(id, 'held'));
    for (let id = 1; id <= RECEIVE_MAXIMUM; id++) await five.waitFor('pubrec');
    five.send(publish(RECEIVE_MAXIMUM + 1));
    await five.expectRefusal(0x93);
    for (let id = 1; id <= RECEIVE_MAXIMUM; id++)
      expect((await watcher.message()).payload.toString()).toBe('held');
    await watcher.quiet();
    expect(node.node.mqtt.state.sessions).toBe(before);
  });

  test('an identifier in use is the same message, whatever it carries; of an unknown one PUBCOMP says so', async () => {
    const five = await client();
    five.send(publish(7, 'first'));
    expect((await five.expect('pubrec')).packetId).toBe(7);
    five.send(publish(7, 'other'));
    expect((await five.expect('pubrec')).packetId).toBe(7);
    five.send(wire.ack('pubrel', 7));
    expect((await five.expect('pubcomp')).reason).toBe(0);
    five.send(wire.ack('pubrel', 4711));
    expect(await five.expect('pubcomp')).toMatchObject({ packetId: 4711, reason: 0x92 });
    expect((await watcher.message()).payload.toString()).toBe('first');
    await watcher.quiet();
  });

  test('of MQTT 3 has as many identifiers as there are, each once', async () => {
    const four = await client({ version: 4 });
    const ids = Array.from({ length: 3000 }, (_, i) => i + 1);
    for (const packetId of ids) four.send(wire.publish({ version: 4, topic: 'unheard', qos: 2, packetId }));
    for (const packetId of ids) expect((await four.expect('pubrec')).packetId).toBe(packetId);
    for (const packetId of ids.slice(0, 100))
      four.send(wire.publish({ version: 4, topic: 'unheard', qos: 2, packetId, dup: true }));
    for (const packetId of ids.slice(0, 100)) expect((await four.expect('pubrec')).packetId).toBe(packetId);
    await four.disconnect();
  });
});

test('many wildcards in deep filters do not make matching grow without bound (item 23)', async () => {
  const five = await client();
  // Each level is + or a name: two to the power of ten filters that match the same topic, and one more level of # each.
  const filters = Array.from({ length: 1024 }, (_, bits) =>
    [...Array.from({ length: 10 }, (_each, level) => ((bits >> level) & 1 ? '+' : 'n')), '#'].join('/'),
  );
  for (let at = 0; at < filters.length; at += 64) {
    const { reasons } = await five.subscribe(filters.slice(at, at + 64));
    expect(reasons.every((reason) => reason < 0x80)).toBe(true);
  }
  const { router } = node.node;
  const wide = Buffer.from(`${'n/'.repeat(10)}${'m/'.repeat(117)}x`);
  expect(router.match(wide).count).toBe(1024);
  const misses = Array.from({ length: 500 }, (_, i) =>
    Buffer.from(`${'n/'.repeat(9)}x${i}/${'m/'.repeat(100)}x`),
  );
  const missed = Buffer.from(`q/${'n/'.repeat(126)}x`);
  const before = process.cpuUsage();
  for (const topic of misses) router.match(topic);
  for (let i = 0; i < 500; i++) router.match(missed);
  // Far above what it takes, and far below what trying every way through 128 levels would.
  expect(process.cpuUsage(before).user).toBeLessThan(2_000_000);
  const tooMany = await five.subscribe(Array.from({ length: 1000 }, (_, i) => `more/${i}`));
  expect(tooMany.reasons.filter((reason) => reason === 0x97)).toHaveLength(24);
  await five.disconnect();
});
