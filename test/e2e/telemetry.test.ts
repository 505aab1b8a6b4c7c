/** A node and a collector of OpenTelemetry, each from outside. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publishesReceived } from '../../src/protocols/mqtt/security/metering.ts';
import { propertyList, RawClient } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { type SeenSpan, startCollector, type TestCollector } from '../telemetry/collector.ts';
import { type KafkaNode, type Settings, startKafkaNode } from './kafka/node.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const PARENT = `00-${TRACE}-${SPAN}-01`;
const SECRET = 'planted-collector-token';

let collector: TestCollector;
let broker: KafkaNode | undefined;
let log: string[];
let clients: RawClient[];

beforeEach(async () => {
  collector = await startCollector();
  log = [];
  clients = [];
});
afterEach(async () => {
  for (const client of clients) client.socket.destroy();
  await broker?.stop();
  broker = undefined;
  await collector.close();
  expect(log.join('')).not.toContain(SECRET);
});

async function start(settings: Settings = {}): Promise<KafkaNode> {
  broker = await startKafkaNode(
    {
      'telemetry.endpoint': collector.url,
      'telemetry.headers': JSON.stringify([{ name: 'authorization', value: SECRET }]),
      'telemetry.attributes': JSON.stringify([{ name: 'deployment.environment.name', value: 'test' }]),
      'telemetry.metrics.interval': '1s',
      'telemetry.traces.interval': '100ms',
      ...settings,
    },
    { write: (line) => void log.push(line) },
  );
  return broker;
}

const rules = (...all: readonly object[]): Settings => ({ 'telemetry.traces.rules': JSON.stringify(all) });

async function connect(clientId: string, options: Partial<wire.ConnectOptions> = {}): Promise<RawClient> {
  const address = broker?.node.listeners.find(({ name }) => name === 'mqtt')?.address;
  if (address === undefined || !('port' in address)) throw new Error('no listener');
  const client = await RawClient.open({ host: '127.0.0.1', port: address.port }, 5, clientId);
  clients.push(client);
  client.send(wire.connect({ clientId, ...options }));
  await client.expect('connack');
  return client;
}

const traced = (value: string): wire.Properties => [[wire.P.userProperty, ['traceparent', value]]];

const spansOf = (traceId: string): SeenSpan[] => collector.spans().filter((span) => span.traceId === traceId);

const named = (spans: readonly SeenSpan[], name: string): SeenSpan[] =>
  spans.filter((span) => span.name === name);

async function spans(traceId: string, count: number): Promise<SeenSpan[]> {
  await expect.poll(() => spansOf(traceId).length, { timeout: 10_000 }).toBe(count);
  return spansOf(traceId);
}

describe('telemetry of a node', () => {
  it('has its metrics, with what they are and whose', async () => {
    await start();
    const publisher = await connect('p');
    await publisher.publish({ topic: 'a', qos: 1 });
    await expect.poll(() => collector.requests.length, { timeout: 10_000 }).toBeGreaterThan(0);
    const [request] = collector.requests;
    expect([request?.path, request?.headers.authorization]).toEqual(['/v1/metrics', SECRET]);
    expect(request?.resource).toMatchObject({
      'service.name': 'robustmq',
      'robustmq.node.name': 'robustmq',
      'deployment.environment.name': 'test',
    });
    const of = (name: string) => request?.metrics.find((metric) => metric.name === name);
    expect(of('robustmq_connections')?.kind).toBe('gauge');
    expect(of('robustmq_messages_received_total')).toMatchObject({ kind: 'sum', unit: '1' });
    expect(
      of('robustmq_messages_received_total')?.points.find(({ attributes }) => attributes.qos === '1')?.value,
    ).toBe(1);
    const commits = of('robustmq_journal_commit_seconds');
    expect([commits?.kind, commits?.unit]).toEqual(['histogram', 's']);
    for (const { buckets = [], bounds = [], value } of commits?.points ?? []) {
      expect(buckets).toHaveLength(bounds.length + 1);
      expect(buckets.reduce((sum, each) => sum + each, 0)).toBe(value);
    }
    expect(collector.spans()).toEqual([]);
  });

  it('has messages of MQTT from publish to delivery, and passes on what they say of their trace', async () => {
    await start(rules({ topic: 'orders/#' }));
    const direct = await connect('direct');
    const durable = await connect('durable', { clean: false, properties: [[wire.P.sessionExpiry, 1000]] });
    const publisher = await connect('publisher');
    await direct.subscribe([
      { filter: 'orders/+', qos: 0 },
      { filter: 'other', qos: 0 },
    ]);
    await durable.subscribe([{ filter: 'orders/#', qos: 1 }]);
    // Often enough for the flow cache to have them otherwise.
    for (let i = 0; i < 5; i++) {
      await publisher.publish({ topic: 'orders/a', payload: 'x', qos: 1, properties: traced(PARENT) });
      for (const subscriber of [direct, durable]) {
        const packet = await subscriber.message();
        expect(propertyList(packet, wire.P.userProperty)).toEqual([['traceparent', PARENT]]);
      }
    }
    const seen = await spans(TRACE, 25);
    const wholes = named(seen, 'publish');
    expect(wholes).toHaveLength(5);
    for (const whole of wholes) {
      expect(whole).toMatchObject({ parentSpanId: SPAN, kind: 5, fault: undefined });
      expect(whole.attributes).toMatchObject({
        'messaging.system': 'robustmq',
        'messaging.destination.name': 'orders/a',
        'messaging.client.id': 'publisher',
        'network.protocol.name': 'mqtt',
        'robustmq.outcome': 'delivered',
      });
      const children = seen.filter(({ parentSpanId }) => parentSpanId === whole.spanId);
      expect(children.map(({ name }) => name).sort()).toEqual(['append', 'deliver', 'deliver', 'route']);
      const receivers = named(children, 'deliver').map(({ attributes }) => attributes['messaging.client.id']);
      expect(receivers.sort()).toEqual(['direct', 'durable']);
      for (const child of children) expect(child.startMs).toBeGreaterThanOrEqual(whole.startMs);
    }
    const [{ flowHits: before }] = [broker?.node.dataPlane.counters() ?? { flowHits: 0 }];
    for (let i = 0; i < 5; i++) {
      await publisher.publish({ topic: 'other' });
      await direct.message();
    }
    expect(broker?.node.dataPlane.counters().flowHits ?? 0).toBeGreaterThan(before);
  });

  it('follows who has decided, and begins traces of its own for one in so many', async () => {
    await start(rules({ topic: '#', oneIn: 2 }));
    const publisher = await connect('publisher');
    const unwanted = 'b'.repeat(32);
    await publisher.publish({ topic: 't', qos: 1, properties: traced(`00-${unwanted}-${SPAN}-00`) });
    for (let i = 0; i < 4; i++) await publisher.publish({ topic: 't', qos: 1 });
    await publisher.publish({ topic: 't', qos: 1, properties: traced(PARENT) });
    expect(broker?.node.mqtt.context && publishesReceived(broker.node.mqtt.context)).toBe(6);
    await spans(TRACE, 2);
    const wholes = named(collector.spans(), 'publish');
    expect(wholes).toHaveLength(3);
    expect(wholes.filter(({ parentSpanId }) => parentSpanId === undefined)).toHaveLength(2);
    expect(spansOf(unwanted)).toEqual([]);
    expect(wholes[0]?.attributes['robustmq.outcome']).toBe('no subscribers');
  });

  it('has single clients, and leaves the fast path to others on the same topics', async () => {
    await start(rules({ clientId: 'looked-*' }));
    const subscriber = await connect('subscriber');
    await subscriber.subscribe([{ filter: 't', qos: 0 }]);
    const other = await connect('other');
    const looked = await connect('looked-at');
    const publish = async (by: RawClient): Promise<void> => {
      await by.publish({ topic: 't', payload: by.clientId });
      await subscriber.message();
    };
    for (let i = 0; i < 4; i++) await publish(other);
    const hits = broker?.node.dataPlane.counters().flowHits ?? 0;
    expect(hits).toBeGreaterThan(0);
    for (let i = 0; i < 3; i++) await publish(looked);
    expect(broker?.node.dataPlane.counters().flowHits).toBe(hits);
    await publish(other);
    expect(broker?.node.dataPlane.counters().flowHits).toBe(hits + 1);
    await expect.poll(() => named(collector.spans(), 'deliver').length, { timeout: 10_000 }).toBe(3);
    expect(
      new Set(named(collector.spans(), 'publish').map(({ attributes }) => attributes['messaging.client.id'])),
    ).toEqual(new Set(['looked-at']));
  });

  it('has records of Kafka, and goes on where they cross to MQTT', async () => {
    await start(rules({ topic: 'shop/orders' }));
    const kafka = broker?.client();
    const admin = kafka?.admin();
    await admin?.connect();
    await admin?.createTopics({ topics: [{ topic: 'shop.orders', numPartitions: 1 }] });
    await admin?.disconnect();
    const subscriber = await connect('subscriber');
    await subscriber.subscribe([{ filter: 'shop/orders', qos: 0 }]);
    const producer = kafka?.producer();
    await producer?.connect();
    await producer?.send({
      topic: 'shop.orders',
      messages: [{ value: 'x', headers: { traceparent: PARENT } }],
    });
    const packet = await subscriber.message();
    expect(propertyList(packet, wire.P.userProperty)).toContainEqual(['traceparent', PARENT]);
    const seen = await spans(TRACE, 5);
    const [byKafka, byMqtt] = ['acks', undefined].map((_, i) => named(seen, 'publish')[i]);
    const kafkas = [byKafka, byMqtt].filter((span) => span?.attributes['messaging.kafka.acks'] === -1);
    expect(kafkas).toHaveLength(1);
    expect(named(seen, 'append').map(({ attributes }) => attributes['messaging.kafka.offset'])).toEqual([0]);
    expect(named(seen, 'deliver')[0]?.attributes['messaging.client.id']).toBe('subscriber');
    expect(named(seen, 'route')).toHaveLength(1);

    // Without a word of the record the trace is ours, and one all the same.
    await producer?.send({ topic: 'shop.orders', messages: [{ value: 'y' }] });
    await producer?.disconnect();
    await subscriber.message();
    await expect.poll(() => collector.spans().length, { timeout: 10_000 }).toBe(10);
    const own = collector.spans().filter(({ traceId }) => traceId !== TRACE);
    expect(new Set(own.map(({ traceId }) => traceId)).size).toBe(1);
    expect(own.filter(({ parentSpanId }) => parentSpanId === undefined)).toHaveLength(1);
  });

  it('holds nobody up where the collector hangs, and says so once', async () => {
    await start({
      ...rules({ topic: '#' }),
      'telemetry.timeout': '200ms',
      'telemetry.maxQueueSize': '64KiB',
    });
    collector.answers.push(...Array.from({ length: 100 }, () => ({ hangs: true })));
    const publisher = await connect('publisher');
    for (let i = 0; i < 50; i++) await publisher.publish({ topic: 't', qos: 1 });
    await expect
      .poll(() => log.filter((line) => line.includes('cannot be handed')).length, { timeout: 10_000 })
      .toBeGreaterThan(0);
    expect(log.filter((line) => line.includes('traces cannot be handed'))).toHaveLength(1);
  });

  it('does not wait for a collector that hangs when the node stops', async () => {
    await start({ ...rules({ topic: '#' }), 'telemetry.timeout': '1m' });
    collector.answers.push(...Array.from({ length: 100 }, () => ({ hangs: true })));
    const publisher = await connect('publisher');
    await publisher.publish({ topic: 't', qos: 1 });
    await expect.poll(() => collector.spans().length).toBeGreaterThan(0);
    await broker?.stop();
    broker = undefined;
  });

  it('is nothing where nothing is configured', async () => {
    await start({ 'telemetry.endpoint': '', 'telemetry.headers': '[]' });
    expect(broker?.node.mqtt.context.tracing).toBeUndefined();
    expect(broker?.node.kafka?.context.tracing).toBeUndefined();
  });
});
