import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { carryInto, differences } from '../../src/config/changes.ts';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';
import { createTelemetry, type Telemetry } from '../../src/telemetry/telemetry.ts';
import { createCertificate } from '../support/certificates.ts';
import { createManualClock, type ManualClock } from '../support/manual-clock.ts';
import { startCollector, type TestCollector } from './collector.ts';

let collector: TestCollector;
let clock: ManualClock;
let logged: string[];
let telemetry: Telemetry | undefined;

beforeEach(async () => {
  collector = await startCollector();
  clock = createManualClock();
  logged = [];
});
afterEach(async () => {
  await telemetry?.stop();
  await collector.close();
  expect(logged.join()).not.toContain('planted');
});

async function load(settings: Record<string, unknown>): Promise<Config> {
  const sets = Object.entries(settings).map(
    ([key, value]) => `${key}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`,
  );
  const loaded = await loadConfig({ sets });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.config;
}

function begin(config: Config): Telemetry {
  const keep = (fields: object, message: string): void => {
    logged.push(`${message} ${JSON.stringify(fields)}`);
  };
  telemetry = createTelemetry({
    config,
    clock,
    logger: { info: keep, warn: keep },
    random: () => 0.5,
    version: '1',
    nodeId: 'n',
  });
  if (telemetry === undefined) throw new Error('no telemetry');
  const source = telemetry.source;
  telemetry.start(createMetrics([source, (to) => to.add('robustmq_bans', 3)]).collect);
  return telemetry;
}

const came = (count: number) => expect.poll(() => collector.requests.length).toBe(count);

describe('telemetry', () => {
  it('goes by headers and intervals as they are now', async () => {
    const base = { 'telemetry.endpoint': collector.url, 'telemetry.metrics.interval': '10s' };
    const header = (value: string) => [{ name: 'x-token', value }];
    const config = await load({ ...base, 'telemetry.headers': header('planted-1') });
    begin(config);
    await clock.advance(10_000);
    await came(1);
    const next = await load({
      ...base,
      'telemetry.headers': header('planted-2'),
      'telemetry.metrics.interval': '2s',
    });
    const found = differences(config, next);
    expect(found.map(({ effect }) => effect)).toEqual(['live', 'live']);
    carryInto(config, found, 'to');
    await clock.advance(2000);
    await came(2);
    expect(collector.requests.map(({ headers }) => headers['x-token'])).toEqual(['planted-1', 'planted-2']);
  });

  it('counts what it hands out, and hands out the rest at the end', async () => {
    const config = await load({
      'telemetry.endpoint': `${collector.url}/otlp/`,
      'telemetry.traces.rules': [{ topic: '#' }],
    });
    const own = begin(config);
    const arrival = { protocol: 'mqtt', topic: 't', clientId: 'c', bytes: 0, parents: [] } as const;
    own.tracing?.begin(arrival)?.end();
    await own.stop();
    await own.stop();
    expect(collector.requests.map(({ path }) => path).sort()).toEqual([
      '/otlp/v1/metrics',
      '/otlp/v1/traces',
    ]);
    expect(collector.spans()).toHaveLength(1);
    const seen = await createMetrics([own.source]).text();
    expect(seen).toContain('robustmq_telemetry_items_total{signal="traces",result="sent"} 1');
    expect(seen).toMatch(/items_total\{signal="metrics",result="sent"\} [1-9]/);
  });

  it('says once that the collector fails, and once that it is back', async () => {
    begin(await load({ 'telemetry.endpoint': collector.url, 'telemetry.metrics.interval': '1s' }));
    collector.answers.push({ status: 401 }, { status: 401 });
    for (let i = 1; i <= 3; i++) {
      await clock.advance(1000);
      await came(i);
    }
    await expect.poll(() => logged.length).toBe(2);
    expect(logged[0]).toMatch(/^metrics cannot be handed to the collector .*answered 401/);
    expect(logged[1]).toMatch(/^metrics are handed to the collector again/);
  });

  it('does not fill the log for a collector that takes every other request, or a part of each', async () => {
    begin(await load({ 'telemetry.endpoint': collector.url, 'telemetry.metrics.interval': '1s' }));
    const partialSuccess = { rejectedDataPoints: '1', errorMessage: 'one is odd' };
    for (let i = 1; i <= 20; i++) {
      collector.answers.push(i % 2 === 1 ? { status: 401 } : { body: { partialSuccess } });
      await clock.advance(1000);
      await came(i);
    }
    await telemetry?.stop();
    expect(logged).toHaveLength(3);
    expect(logged[0]).toMatch(/^metrics cannot be handed to the collector/);
    expect(logged[1]).toMatch(/^metrics are handed to the collector again/);
    expect(logged[2]).toMatch(/^the collector rejects metrics .*"rejected":1,"reason":"one is odd"/);
  });

  it('believes a collector whose certificate its authority has signed, and no other', async () => {
    const { certPem, keyPem } = createCertificate({
      commonName: 'localhost',
      names: ['localhost'],
      authority: true,
    });
    const folder = mkdtempSync(join(tmpdir(), 'robustmq-telemetry-'));
    const certFile = join(folder, 'ca.pem');
    writeFileSync(certFile, certPem);
    let requests = 0;
    const server = https.createServer({ cert: certPem, key: keyPem }, (request, response) => {
      requests++;
      request.resume();
      response.end('{}');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const base = { 'telemetry.endpoint': `https://localhost:${port}`, 'telemetry.metrics.interval': '1s' };
    const absent = await load({ ...base, 'telemetry.caFile': join(folder, 'absent.pem') });
    expect(() => begin(absent)).toThrow(/telemetry\.caFile cannot be read: ENOENT/);
    const stranger = begin(await load(base));
    await clock.advance(1000);
    await expect.poll(() => logged.length).toBe(1);
    expect(logged[0]).toMatch(/certificate/);
    await stranger.stop();
    expect(requests).toBe(0);
    begin(await load({ ...base, 'telemetry.caFile': certFile }));
    await clock.advance(1000);
    await expect.poll(() => requests).toBe(1);
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });
});
