/** A node as those see it who run it: over HTTP, from outside. */
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { CATALOGUE } from '../../src/metrics/catalogue.ts';
import { Secret } from '../../src/security/secret.ts';
import { type KafkaNode, startKafkaNode } from './kafka/node.ts';

let broker: KafkaNode | undefined;
afterEach(async () => {
  await broker?.stop();
  broker = undefined;
});

async function start(settings: Record<string, string | number | boolean> = {}): Promise<string> {
  broker = await startKafkaNode({ 'listeners.http.enabled': true, 'listeners.http.port': 0, ...settings });
  const address = broker.node.listeners.find(({ name }) => name === 'http')?.address;
  if (address === undefined || !('port' in address)) throw new Error('no HTTP listener');
  return `http://127.0.0.1:${address.port}`;
}

const histograms = new Set(
  CATALOGUE.flatMap(({ name, type }) => (type === 'histogram' ? [name as string] : [])),
);

function familyOf(shown: string): string {
  const base = shown.replace(/_(?:bucket|sum|count)$/, '');
  return histograms.has(base) ? base : shown;
}

describe('a node over HTTP', () => {
  it('is alive and ready, describes its API, and tells nobody anything else', async () => {
    const url = await start();
    for (const path of ['/livez', '/readyz']) {
      const answer = await fetch(url + path);
      expect([path, answer.status, await answer.text()]).toEqual([path, 200, 'ok\n']);
    }
    const { openapi, paths } = (await (await fetch(`${url}/api/v1/openapi.json`)).json()) as {
      openapi: string;
      paths: Record<string, unknown>;
    };
    expect([openapi, Object.keys(paths).length > 20]).toEqual(['3.1.0', true]);
    expect((await fetch(`${url}/api/v1/status`)).status).toBe(401);
    expect((await fetch(`${url}/nothing`)).status).toBe(404);
  });

  it('has a first administrator, whose password is printed once and works (item 49)', async () => {
    const url = await start();
    const printed: string[] = [];
    const how = { environment: {}, print: (text: string) => void printed.push(text) };
    expect(await broker?.node.firstAdministrator(how)).toBe(true);
    expect(await broker?.node.firstAdministrator(how)).toBe(false);
    const [, password = ''] = /Password: (\S+)/.exec(printed.join('')) ?? [];
    const answer = await fetch(`${url}/api/v1/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user: 'admin', password }),
    });
    expect(answer.status).toBe(200);
    const cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
    expect((await fetch(`${url}/api/v1/users`, { headers: { cookie } })).status).toBe(200);
  });

  it('shows metrics: every line is of the catalogue, with exactly its labels', async () => {
    const url = await start();
    const answer = await fetch(`${url}/metrics`);
    expect(answer.headers.get('content-type')).toContain('version=0.0.4');
    const known = new Map(CATALOGUE.map(({ name, labels }) => [name as string, labels]));
    const seen = new Set<string>();
    for (const line of (await answer.text()).split('\n')) {
      if (line === '' || line.startsWith('#')) continue;
      const [, shown = '', , labels = '', value = ''] = /^(\w+)(\{(.*)\})? (\S+)$/.exec(line) ?? [];
      expect([line, Number.isNaN(Number(value))]).toEqual([line, false]);
      const name = familyOf(shown);
      const names = [...labels.matchAll(/(\w+)="/g)]
        .map(([, label]) => label)
        .filter((each) => each !== 'le');
      expect([name, names]).toEqual([name, known.get(name)]);
      seen.add(name);
    }
    // What nobody has caused yet.
    const absent = [...known.keys()].filter((name) => !seen.has(name) && !/^robustmq_tenant_/.test(name));
    expect(absent).toEqual([
      'robustmq_mqtt_closes_total',
      'robustmq_kafka_request_seconds',
      'robustmq_http_request_seconds',
      'robustmq_telemetry_items_total',
      'robustmq_telemetry_traces_limited_total',
    ]);
  });

  it('shows single sessions and topics to who may see them, also on this machine', async () => {
    const url = await start();
    expect((await fetch(`${url}/metrics/detailed?family=session`)).status).toBe(401);
    await broker?.node.security.users.create({
      name: 'watcher',
      password: new Secret('correct horse battery'),
      roles: ['viewer'],
    });
    const admin = broker?.client().admin();
    await admin?.connect();
    await admin?.createTopics({ topics: [{ topic: 'orders', numPartitions: 3 }] });
    await admin?.disconnect();
    const authorization = `Basic ${Buffer.from('watcher:correct horse battery').toString('base64')}`;
    const answer = await fetch(`${url}/metrics/detailed?family=session,queue,group,topic&match=ord*`, {
      headers: { authorization },
    });
    expect(answer.headers.get('content-type')).toContain('version=0.0.4');
    expect((await answer.text()).split('\n').filter((line) => !line.startsWith('#'))).toEqual([
      'robustmq_topic_partitions{topic="orders"} 3',
      'robustmq_topic_records{topic="orders"} 0',
      'robustmq_topic_bytes{topic="orders"} 0',
      '',
    ]);
  });

  it('has a page of its API, under a policy of its own', async () => {
    const { headers } = await fetch(`${await start()}/api/v1/docs`);
    expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-/);
    expect(headers.get('x-frame-options')).toBe('DENY');
  });

  it('shows what the dashboards and alerts ask for', () => {
    const known = new Map(CATALOGUE.map(({ name, type }) => [name as string, type]));
    for (const file of ['dashboard.json', 'alerts.yaml']) {
      const text = readFileSync(new URL(`../../docs/grafana/${file}`, import.meta.url), 'utf8');
      const names = [...text.matchAll(/robustmq_\w+/g)].map(([name]) => name);
      expect([file, names.length > 5]).toEqual([file, true]);
      for (const name of names) {
        expect([file, name, known.has(familyOf(name))]).toEqual([file, name, true]);
        // A histogram is asked for by one of its parts.
        expect([file, name, known.get(name) === 'histogram']).toEqual([file, name, false]);
      }
    }
  });
});
