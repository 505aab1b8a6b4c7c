/** What histograms of a node say, from outside. */
import { afterEach, describe, expect, it } from 'vitest';
import { RawClient } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { type KafkaNode, startKafkaNode } from './kafka/node.ts';

let broker: KafkaNode | undefined;
afterEach(async () => {
  await broker?.stop();
  broker = undefined;
});

function addressOf(name: string): { host: string; port: number } {
  const address = broker?.node.listeners.find((each) => each.name === name)?.address;
  if (address === undefined || !('port' in address)) throw new Error(`no listener ${name}`);
  return { host: '127.0.0.1', port: address.port };
}

async function connect(clientId: string, options: Partial<wire.ConnectOptions> = {}): Promise<RawClient> {
  const client = await RawClient.open(addressOf('mqtt'), 5, clientId);
  client.send(wire.connect({ clientId, ...options }));
  await client.expect('connack');
  return client;
}

async function count(series: string): Promise<number> {
  const { host, port } = addressOf('http');
  const text = await (await fetch(`http://${host}:${port}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}

const DIRECT = 'robustmq_publish_to_deliver_seconds_count{protocol="mqtt",durable="false"}';
const DURABLE = 'robustmq_publish_to_deliver_seconds_count{protocol="mqtt",durable="true"}';

describe('histograms of a node', () => {
  it('have deliveries, the direct and the durable, requests and the event loop', async () => {
    broker = await startKafkaNode({ 'listeners.http.enabled': true, 'listeners.http.port': 0 });
    const subscriber = await connect('subscriber');
    const durable = await connect('durable', { clean: false, properties: [[17, 1000]] });
    await subscriber.subscribe([{ filter: 'direct/#', qos: 0 }]);
    await durable.subscribe([{ filter: 'kept/#', qos: 1 }]);
    const publisher = await connect('publisher');
    for (let i = 0; i < 40; i++) {
      await publisher.publish({ topic: 'nobody/listens' });
      await publisher.publish({ topic: 'direct/a', payload: `${i}` });
      await subscriber.expect('publish');
    }
    for (let i = 0; i < 3; i++) {
      await publisher.publish({ topic: 'kept/a', payload: `${i}`, qos: 1 });
      await durable.message();
    }
    expect(await count(DIRECT)).toBeGreaterThan(0);
    expect(await count(DIRECT)).toBeLessThan(40);
    expect(await count(DURABLE)).toBe(1);
    expect(await count('robustmq_http_request_seconds_count{route="metrics",status="2xx"}')).toBe(3);
    await expect.poll(() => count('robustmq_event_loop_delay_seconds_count')).toBeGreaterThan(0);
    expect(
      await count('robustmq_journal_commit_seconds_count{storage="journal",level="sync"}'),
    ).toBeGreaterThan(0);

    const kafka = broker.client();
    const admin = kafka.admin();
    await admin.connect();
    await admin.listTopics();
    await admin.disconnect();
    expect(await count('robustmq_kafka_request_seconds_count{api="ApiVersions"}')).toBeGreaterThan(0);
    expect(await count('robustmq_kafka_request_seconds_count{api="Metadata"}')).toBeGreaterThan(0);
    for (const client of [subscriber, durable, publisher]) client.socket.destroy();
  });
});
