import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { createSettings } from '../../../../src/kernel/settings-table.ts';
import { adminHandlers } from '../../../../src/protocols/kafka/admin/admin.ts';
import {
  createClientMetrics,
  type MetricsValues,
  metricsEdit,
} from '../../../../src/protocols/kafka/admin/client-metrics.ts';
import { createCollector } from '../../../../src/protocols/kafka/admin/collector.ts';
import { createTelemetry, type Push } from '../../../../src/protocols/kafka/admin/telemetry.ts';
import { handlers } from '../../../../src/protocols/kafka/dispatch.ts';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import { ZERO_UUID } from '../../../../src/protocols/kafka/schema/fields.ts';
import { createManualClock } from '../../../support/manual-clock.ts';
import { bench, immediateLog } from '../security/support.ts';

const client = { instanceId: ZERO_UUID, clientId: 'billing-1', address: '10.0.0.1' };

async function telemetryWith(subscriptions: Readonly<Record<string, MetricsValues>>, hasSink = true) {
  const clock = createManualClock();
  const settings = createSettings(11, 'settings');
  settings.attach(immediateLog().log);
  const metrics = createClientMetrics(settings);
  await settings.change(() =>
    Object.entries(subscriptions).map(([name, values]) => metricsEdit(name, values)),
  );
  const got: string[] = [];
  let count = 0;
  const telemetry = createTelemetry({
    subscriptions: metrics,
    clock,
    maxBytes: 1000,
    sink: hasSink ? (payload) => got.push(Buffer.from(payload).toString()) > 0 : undefined,
    newInstanceId: () => Buffer.alloc(16, ++count).toString('base64url'),
  });
  const subscribe = (as = client) => {
    const subscribed = telemetry.subscribe(as);
    if (subscribed === undefined) throw new Error('nothing is wanted');
    return subscribed;
  };
  const push = (subscribed: { instanceId: string; subscriptionId: number }, more: Partial<Push> = {}) =>
    telemetry.push(
      { ...client, instanceId: subscribed.instanceId },
      {
        subscriptionId: subscribed.subscriptionId,
        isTerminating: false,
        compressionType: 0,
        metrics: Buffer.from('payload'),
        ...more,
      },
    );
  return { clock, settings, telemetry, got, subscribe, push };
}

describe('metrics of clients', () => {
  it('are asked of those whom a subscription means, as often as the most frequent of them', async () => {
    const { subscribe } = await telemetryWith({
      all: { metrics: 'producer.', 'interval.ms': '60000' },
      billing: {
        metrics: 'consumer.,producer.',
        'interval.ms': '1000',
        match: 'client_id=billing.*,client_source_address=10\\..*',
      },
      off: { metrics: '', 'interval.ms': '100' },
    });
    expect(subscribe()).toMatchObject({ metrics: ['consumer.', 'producer.'], intervalMs: 1000 });
    expect(subscribe({ ...client, clientId: 'shop' })).toMatchObject({
      metrics: ['producer.'],
      intervalMs: 60_000,
    });
    const none = await telemetryWith({});
    expect(none.subscribe()).toMatchObject({ metrics: [], intervalMs: 300_000 });
    const every = await telemetryWith({ every: { metrics: '*' } });
    expect(every.subscribe().metrics).toEqual(['']);
  });

  it('come from instances that are given a name, and keep the one they have', async () => {
    const { subscribe } = await telemetryWith({});
    const first = subscribe();
    expect(first.instanceId).not.toBe(ZERO_UUID);
    expect(subscribe().instanceId).not.toBe(first.instanceId);
    expect(subscribe({ ...client, instanceId: first.instanceId })).toEqual(first);
  });

  it('are handed on as they are, whatever they were compressed with', async () => {
    const { subscribe, push, got, clock } = await telemetryWith({
      all: { metrics: '*', 'interval.ms': '1000' },
    });
    const subscribed = subscribe();
    expect(await push(subscribed)).toBe(0);
    await clock.advance(1000);
    expect(await push(subscribed, { compressionType: 1, metrics: gzipSync('zipped') })).toBe(0);
    expect(got).toEqual(['payload', 'zipped']);
  });

  it('are refused when they come too early, too large, broken, or for what is wanted no longer', async () => {
    const { subscribe, push, got, clock, settings } = await telemetryWith({
      all: { metrics: '*', 'interval.ms': '1000' },
    });
    const subscribed = subscribe();
    const { UNKNOWN_SUBSCRIPTION_ID, UNSUPPORTED_COMPRESSION_TYPE, TELEMETRY_TOO_LARGE, INVALID_RECORD } =
      ErrorCode;
    expect(await push(subscribed, { subscriptionId: subscribed.subscriptionId ^ 1 })).toBe(
      UNKNOWN_SUBSCRIPTION_ID,
    );
    expect(await push(subscribed, { compressionType: 5 })).toBe(UNSUPPORTED_COMPRESSION_TYPE);
    expect(await push(subscribed, { metrics: Buffer.alloc(1001) })).toBe(TELEMETRY_TOO_LARGE);
    expect(await push(subscribed, { compressionType: 1, metrics: Buffer.from('x') })).toBe(INVALID_RECORD);
    expect(await push(subscribed)).toBe(ErrorCode.THROTTLING_QUOTA_EXCEEDED);
    await clock.advance(1000);
    expect(await push(subscribed, { compressionType: 1, metrics: gzipSync(Buffer.alloc(100_000)) })).toBe(
      TELEMETRY_TOO_LARGE,
    );
    await settings.change(() => [metricsEdit('all', { metrics: 'other' })]);
    await clock.advance(1000);
    expect(await push(subscribed)).toBe(UNKNOWN_SUBSCRIPTION_ID);
    expect(await push({ instanceId: ZERO_UUID, subscriptionId: 0 })).toBe(ErrorCode.INVALID_REQUEST);
    expect(got).toEqual([]);
  });

  it('may end early, once', async () => {
    const { subscribe, push, got } = await telemetryWith({ all: { metrics: '*' } });
    const subscribed = subscribe();
    expect(await push(subscribed)).toBe(0);
    expect(await push(subscribed, { isTerminating: true, metrics: Buffer.from('last') })).toBe(0);
    expect(await push(subscribed, { isTerminating: true })).toBe(ErrorCode.INVALID_REQUEST);
    expect(got).toEqual(['payload', 'last']);
  });

  it('are not wanted while nobody takes them, and their APIs are not offered', async () => {
    const { telemetry } = await telemetryWith({ all: { metrics: '*' } }, false);
    expect(telemetry.subscribe(client)).toBeUndefined();
    const offered = async (endpoint: string) => {
      const { ask, kafka } = bench({ ...handlers, ...adminHandlers });
      const config = {
        ...kafka.config,
        kafka: { ...kafka.config.kafka, telemetry: { endpoint, maxPushBytes: 1000 } },
      };
      Object.assign(kafka, { config, telemetry });
      const { apiKeys } = await ask(
        'apiVersions',
        { clientSoftwareName: 'a', clientSoftwareVersion: '1' },
        undefined,
        3,
      );
      return apiKeys.some(({ apiKey }) => apiKey === 71 || apiKey === 72);
    };
    expect(await offered('')).toBe(false);
    expect(await offered('http://localhost:4318/v1/metrics')).toBe(true);
  });
});

describe('subscriptions', () => {
  it('are set, shown and listed as configurations', async () => {
    const { ask, kafka, settings } = bench({ ...handlers, ...adminHandlers });
    Object.assign(kafka, { clientMetrics: createClientMetrics(settings) });
    const set = async (name: string, value: string | null, configOperation = 0) => {
      const { responses } = await ask('incrementalAlterConfigs', {
        resources: [{ resourceType: 16, resourceName: 'mine', configs: [{ name, configOperation, value }] }],
        validateOnly: false,
      });
      return responses[0]?.errorCode;
    };
    expect(await set('metrics', 'a.,b.')).toBe(0);
    expect(await set('metrics', 'c.', 2)).toBe(0);
    expect(await set('metrics', 'a.', 3)).toBe(0);
    expect(await set('interval.ms', '500')).toBe(0);
    for (const [name, value] of [
      ['interval.ms', '99'],
      ['interval.ms', '3600001'],
      ['match', 'client_software_name=x'],
      ['match', 'client_id'],
      ['match', 'client_id=('],
      ['speed', '1'],
    ] as const) {
      expect([name, value, await set(name, value)]).toEqual([name, value, ErrorCode.INVALID_CONFIG]);
    }
    const { results } = await ask('describeConfigs', {
      resources: [{ resourceType: 16, resourceName: 'mine', configurationKeys: null }],
      includeSynonyms: true,
    });
    expect(results[0]?.configs.map(({ name, value, configSource }) => [name, value, configSource])).toEqual([
      ['interval.ms', '500', 7],
      ['match', '', 5],
      ['metrics', 'b.,c.', 7],
    ]);
    const list = async () =>
      (await ask('listConfigResources', { resourceTypes: [] }, undefined, 0)).configResources;
    expect(await list()).toEqual([{ resourceName: 'mine', resourceType: 16 }]);
    await set('metrics', null, 1);
    await set('interval.ms', null, 1);
    expect(await list()).toEqual([]);
  });
});

describe('a collector', () => {
  const closers: (() => void)[] = [];
  afterEach(() => {
    for (const close of closers.splice(0)) close();
  });

  async function serve(status: () => number) {
    const bodies: string[] = [];
    const warnings: string[] = [];
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        bodies.push(`${request.headers['content-type']} ${Buffer.concat(parts).toString()}`);
        response.statusCode = status();
        response.end();
        server.emit('served');
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const collector = createCollector(`http://127.0.0.1:${port}/v1/metrics`, {
      warn: (_fields, message) => warnings.push(message),
    });
    closers.push(() => {
      collector.stop();
      server.closeAllConnections();
      server.close();
    });
    return { server, collector, bodies, warnings };
  }

  it('gets every payload, a few at a time', async () => {
    const { server, collector, bodies } = await serve(() => 200);
    for (let i = 0; i < 20; i++) expect(collector.sink(Buffer.from(`${i}`))).toBe(true);
    while (bodies.length < 20) await once(server, 'served');
    expect(bodies.sort()).toEqual(Array.from({ length: 20 }, (_, i) => `application/x-protobuf ${i}`).sort());
    expect(collector.dropped).toBe(0);
  });

  it('that fails costs what it did not take, and one line in the log', async () => {
    const { collector, warnings } = await serve(() => 503);
    const large = new Uint8Array(20 * 1024 * 1024);
    const taken = Array.from({ length: 6 }, () => collector.sink(large));
    expect(taken).toEqual([true, true, true, true, true, false]);
    while (collector.dropped < 6) await new Promise((resolve) => setImmediate(resolve));
    expect(warnings).toHaveLength(1);
    collector.stop();
    expect(collector.sink(large)).toBe(false);
  });
});
