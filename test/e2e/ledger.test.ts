/**
 * What was acknowledged is kept in a ledger: however often both sides lose their connections, a QoS 2 message arrives
 * exactly once, a QoS 1 message at least once, and each QoS in the order in which it was published.
 */
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRandom, seedOfRun } from '../support/random.ts';
import { startTestNode, type TestNode } from './support.ts';

const MESSAGES = 400;

let node: TestNode;
beforeAll(async () => {
  node = await startTestNode();
});
afterAll(async () => {
  await node.stop();
});

function durable(version: 4 | 5, clientId: string): MqttClient {
  const options: IClientOptions = {
    clientId,
    protocolVersion: version,
    clean: false,
    reconnectPeriod: 5,
    resubscribe: false,
    ...(version === 5 && { properties: { sessionExpiryInterval: 1000, receiveMaximum: 20 } }),
  };
  return mqtt.connect(`mqtt://${node.mqtt.host}:${node.mqtt.port}`, options);
}

const connected = (client: MqttClient): Promise<void> =>
  new Promise((resolve) => client.once('connect', () => resolve()));

describe.each([4, 5] as const)('protocol level %i', (version) => {
  test.each([1, 2] as const)('QoS %i survives lost connections', { timeout: 60_000 }, async (qos) => {
    const random = createRandom(seedOfRun(version * 10 + qos));
    const topic = `ledger/${version}/${qos}`;
    const subscriber = durable(version, `ledger-sub-${version}-${qos}`);
    const publisher = durable(version, `ledger-pub-${version}-${qos}`);
    await Promise.all([connected(subscriber), connected(publisher)]);
    await subscriber.subscribeAsync(topic, { qos });
    const arrived: number[] = [];
    let last = (): void => {};
    const all = new Promise<void>((resolve) => (last = resolve));
    subscriber.on('message', (_topic, payload) => {
      arrived.push(Number(payload.toString()));
      if (arrived.at(-1) === MESSAGES - 1) last();
    });
    let cuts = 0;
    for (let i = 0; i < MESSAGES; i++) {
      const acknowledged = publisher.publishAsync(topic, String(i), { qos });
      if (random.oneIn(12)) {
        const victim = random.oneIn(2) ? publisher : subscriber;
        victim.stream.destroy();
        cuts++;
      }
      // A window of a few messages: connections are lost in all states of the exchange.
      if (random.oneIn(4)) await acknowledged;
      else acknowledged.catch(() => {});
    }
    await all;
    expect(cuts).toBeGreaterThan(10);
    const once = [...new Set(arrived)];
    expect(once).toEqual(Array.from({ length: MESSAGES }, (_, i) => i));
    if (qos === 2) expect(arrived).toEqual(once);
    await Promise.all([publisher.endAsync(true), subscriber.endAsync(true)]);
  });
});
