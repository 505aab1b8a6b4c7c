/** Items 1, 2, 17, 18 and 20 of the security checklist: what somebody can do who has not been let in, or says nothing. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { property, RawClient } from '../../support/raw-client.ts';
import * as wire from '../../support/wire.ts';
import { startTestNode, type TestNode, until } from '../support.ts';

const KiB = 1024;
const SOCKETS = Number(process.env.ROBUSTMQ_TEST_SOCKETS ?? 200);

let node: TestNode;
beforeAll(async () => {
  node = await startTestNode({ 'limits.connectTimeout': '5s', 'limits.maxUnauthenticatedSize': '1MiB' });
});
afterAll(() => node.stop());

const strangerBytes = (): number => node.node.mqtt.context.strangers.bytes;
const open = (): Promise<RawClient> => RawClient.open(node.mqtt);

async function honest(clientId: string): Promise<void> {
  const client = await node.connect({ clientId });
  expect(client.connack?.reason).toBe(0);
  await client.disconnect();
}

test('another first packet of 256 MiB less one ends with its fixed header (item 1)', async () => {
  const { counters } = node.node.mqtt;
  const before = counters.protocolViolations;
  const types = Array.from({ length: 16 }, (_, type) => type);
  for (const type of types) {
    const client = await open();
    client.send(
      Buffer.from([(type << 4) | (type === 6 || type === 8 || type === 10 ? 2 : 0), 0xff, 0xff, 0xff, 0x7f]),
    );
    expect([type, await client.closed()]).toEqual([type, []]);
    expect(strangerBytes()).toBe(0);
  }
  expect(counters.protocolViolations - before).toBe(types.length);
  await honest('after-first-packets');
});

/** Announces a CONNECT of 64 KiB and sends so much of it. */
function unfinished(sentBytes: number): Buffer {
  const whole = wire.connect({ clientId: 'x'.repeat(30_000), username: 'y'.repeat(35_500) });
  expect(whole.length).toBeGreaterThan(64 * KiB - 100);
  return whole.subarray(0, sentBytes);
}

describe('CONNECT packets that stop in the middle', () => {
  test('end with the time for CONNECT, hold no more than came, and keep nobody out (item 2)', async () => {
    const stalled = await Promise.all(Array.from({ length: SOCKETS }, open));
    for (const client of stalled) client.send(unfinished(2 * KiB));
    await until('all have sent', () => strangerBytes() >= SOCKETS * 2 * KiB);
    // Announced were 64 KiB of each.
    expect(strangerBytes()).toBeLessThanOrEqual(SOCKETS * 4 * KiB);
    await honest('between-stalled');
    await node.clock.advance(5100);
    for (const client of stalled) expect(await client.closed()).toEqual([]);
    expect(strangerBytes()).toBe(0);
  });

  test('have a bound together: who asks for more memory is closed, the others go on (item 2)', async () => {
    const { closedByReason } = node.node.mqtt.counters;
    const before = closedByReason.get(0x97) ?? 0;
    const hoarders = await Promise.all(Array.from({ length: 40 }, open));
    for (const client of hoarders) client.send(unfinished(60 * KiB));
    await until('some are closed', () => (closedByReason.get(0x97) ?? 0) > before);
    await until('the others wait', () => strangerBytes() <= 1024 * KiB);
    await honest('between-hoarders');
    const first = hoarders.find((client) => !client.ended);
    expect(first).toBeDefined();
    await node.clock.advance(5100);
    for (const client of hoarders) await client.closed();
    expect(strangerBytes()).toBe(0);
  });

  test('are CONNECT as soon as they are whole, and count no longer (item 2)', async () => {
    const client = await open();
    const whole = wire.connect({ clientId: 'slow-but-honest'.repeat(100) });
    client.send(whole.subarray(0, 700));
    await until('it has begun', () => strangerBytes() > 0);
    client.send(whole.subarray(700));
    expect((await client.expect('connack')).reason).toBe(0);
    expect(strangerBytes()).toBe(0);
    await client.disconnect();
  });
});

test('what is no MQTT is closed at once (item 17)', async () => {
  const PROXY_V2 = '0d0a0d0a000d0a515549540a 21 11 000c c0000207 c6336401 3039 075b'.replaceAll(' ', '');
  for (const bytes of [
    Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    Buffer.from('16030100f8010000f40303', 'hex'),
    Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 12345 1883\r\n'),
    Buffer.from(PROXY_V2, 'hex'),
    Buffer.from('0000002a00120003000000010004test', 'latin1'),
  ]) {
    const client = await open();
    client.send(bytes);
    expect(await client.closed()).toEqual([]);
  }
  await honest('after-strangers');
});

describe('silence', () => {
  test('before CONNECT and a byte now and then end with the time for CONNECT (item 18)', async () => {
    const silent = await open();
    const trickle = await open();
    await until('both are there', () => node.node.mqtt.state.connections === 2);
    const bytes = wire.connect({ clientId: 'trickle' });
    for (let at = 0; at < 5; at++) {
      trickle.send(bytes.subarray(at, at + 1));
      await node.clock.advance(1010);
    }
    expect(await silent.closed()).toEqual([]);
    expect(await trickle.closed()).toEqual([]);
  });

  test('is bounded where a longest keep alive is set, whatever was asked for and by which version (item 20)', async () => {
    const own = await startTestNode({ 'mqtt.maxKeepAlive': '4s' });
    try {
      for (const version of [3, 4, 5] as const) {
        for (const keepAlive of [0, 65_535]) {
          const client = await own.connect({ version, clientId: `silent-${version}`, keepAlive });
          const told = client.connack && property(client.connack, wire.P.serverKeepAlive);
          expect([version, told]).toEqual([version, version === 5 ? 4 : undefined]);
          await own.clock.advance(5000);
          await client.quiet();
          await own.clock.advance(7000);
          await client.expectRefusal(0x8d);
        }
      }
      const shorter = await own.connect({ clientId: 'shorter', keepAlive: 2 });
      expect(shorter.connack && property(shorter.connack, wire.P.serverKeepAlive)).toBeUndefined();
      await own.clock.advance(4000);
      await shorter.expectRefusal(0x8d);
    } finally {
      await own.stop();
    }
  });
});
