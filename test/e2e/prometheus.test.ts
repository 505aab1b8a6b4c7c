/** What is made for Prometheus, before its own tools: metrics of a node, alerts, and what dashboards ask for. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '../../src/security/secret.ts';
import { type KafkaNode, startKafkaNode } from './kafka/node.ts';

const grafana = fileURLToPath(new URL('../../docs/grafana', import.meta.url));
const ALERTS = join(grafana, 'alerts.yaml');
const hasPromtool = spawnSync('promtool', ['--version']).error === undefined;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'robustmq-prometheus-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Its exit code and what it complains about. */
function promtool(args: readonly string[], input = ''): readonly [number | null, string] {
  const { status, stdout, stderr } = spawnSync('promtool', [...args], { input, encoding: 'utf8' });
  return [status, status === 0 ? stderr.replace(/^.*SUCCESS.*$/gm, '').trim() : stdout + stderr];
}

interface Panel {
  readonly targets?: readonly { readonly expr: string }[];
}

function dashboardQueries(): string[] {
  const { panels } = JSON.parse(readFileSync(join(grafana, 'dashboard.json'), 'utf8')) as {
    panels: Panel[];
  };
  return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
}

describe('the dashboard', () => {
  it('looks as far back as the interval of scraping needs, whatever that is', () => {
    const ranges = dashboardQueries().flatMap((query) => [...query.matchAll(/\[([^\]]*)\]/g)]);
    expect(ranges.length).toBeGreaterThan(10);
    expect(new Set(ranges.map(([, range]) => range))).toEqual(new Set(['$__rate_interval']));
  });
});

/** A program of its own has to start, several times. */
const LIMIT_MS = 60_000;

describe.skipIf(!hasPromtool)('promtool', { timeout: LIMIT_MS }, () => {
  let broker: KafkaNode | undefined;
  afterEach(async () => {
    await broker?.stop();
    broker = undefined;
  });

  it('finds nothing to complain about in the metrics of a node', async () => {
    broker = await startKafkaNode({ 'listeners.http.enabled': true, 'listeners.http.port': 0 });
    const address = broker.node.listeners.find(({ name }) => name === 'http')?.address;
    if (address === undefined || !('port' in address)) throw new Error('no HTTP listener');
    const password = 'correct horse battery';
    await broker.node.security.users.create({
      name: 'watcher',
      password: new Secret(password),
      roles: ['viewer'],
    });
    const admin = broker.client().admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'orders', numPartitions: 3 }] });
    await admin.disconnect();
    const headers = { authorization: `Basic ${Buffer.from(`watcher:${password}`).toString('base64')}` };
    const families = 'session,queue,group,topic';
    for (const path of ['/metrics', `/metrics/detailed?family=${families}`]) {
      const answer = await fetch(`http://127.0.0.1:${address.port}${path}`, { headers });
      expect([path, answer.status]).toEqual([path, 200]);
      const text = await answer.text();
      expect([path, text.includes('# TYPE robustmq_')]).toEqual([path, true]);
      expect([path, promtool(['check', 'metrics'], text)]).toEqual([path, [0, '']]);
    }
  });

  it('understands each query of the dashboard', () => {
    const rules = dashboardQueries().map((query, i) => ({
      record: `query_${i}`,
      expr: query.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*'),
    }));
    const file = join(folder, 'queries.yaml');
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
    expect(promtool(['check', 'rules', file])).toEqual([0, '']);
  });

  it('raises the alerts when there is something to look at, and none when all is well', () => {
    expect(promtool(['check', 'rules', ALERTS])).toEqual([0, '']);
    const at = 'instance="mq:18083"';
    const buckets = (name: string, labels: string): object[] =>
      ['0.1', '1', '+Inf'].map((le) => ({
        series: `${name}_bucket{${at},${labels}le="${le}"}`,
        // All of them are between 0.1 and 1 s.
        values: le === '0.1' ? '0x60' : '0+100x60',
      }));
    const well = (series: string, values: string): object => ({ series, values });
    const bad: Readonly<Record<string, readonly object[]>> = {
      RobustmqDown: [well(`up{job="robustmq",${at}}`, '0x60')],
      RobustmqNotServing: [well(`robustmq_health{status="red",${at}}`, '1x60')],
      RobustmqRestricted: [well(`robustmq_health{status="yellow",${at}}`, '1x60')],
      RobustmqAlarm: [well(`robustmq_alarm_active{alarm="disk",${at}}`, '1x60')],
      RobustmqJournalFailed: [well(`robustmq_journal_failed{storage="journal",${at}}`, '1x60')],
      RobustmqJournalFull: [well(`robustmq_journal_full{storage="journal",${at}}`, '1x60')],
      RobustmqEventLoopSlow: buckets('robustmq_event_loop_delay_seconds', ''),
      RobustmqCommitsSlow: buckets('robustmq_journal_commit_seconds', 'storage="journal",level="sync",'),
      RobustmqMessagesGivenUp: [
        well(`robustmq_messages_dropped_total{protocol="mqtt",reason="queue_full",${at}}`, '0+600x60'),
      ],
      RobustmqLogInsRefused: [
        well(`robustmq_authentications_total{result="bad_credentials",${at}}`, '0+6000x60'),
      ],
      RobustmqAuditLost: [well(`robustmq_audit_entries_total{result="lost",${at}}`, '0+1x60')],
    };
    const names = [...readFileSync(ALERTS, 'utf8').matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name);
    expect(Object.keys(bad).sort()).toEqual(names.sort());
    const calm = [
      well(`up{job="robustmq",${at}}`, '1x60'),
      well(`robustmq_health{status="red",${at}}`, '0x60'),
      well(`robustmq_health{status="green",${at}}`, '1x60'),
      well(`robustmq_alarm_active{alarm="disk",${at}}`, '0x60'),
      well(`robustmq_messages_dropped_total{protocol="mqtt",reason="expired",${at}}`, '0+600x60'),
      well(`robustmq_authentications_total{result="let_in",${at}}`, '0+60000x60'),
      well(`robustmq_audit_entries_total{result="lost",${at}}`, '3x60'),
    ];
    const firing = (expr: string, alerts: readonly string[]): object => ({
      expr,
      eval_time: '30m',
      exp_samples: alerts.map((name) => ({ labels: `{alertname="${name}"}`, value: 1 })),
    });
    const expr = 'count by (alertname) (ALERTS{alertstate="firing"})';
    const tests = [
      { interval: '1m', input_series: calm, promql_expr_test: [firing(expr, [])] },
      ...Object.entries(bad).map(([name, input_series]) => ({
        interval: '1m',
        input_series,
        promql_expr_test: [firing(expr, [name])],
      })),
    ];
    const file = join(folder, 'tests.yaml');
    writeFileSync(file, JSON.stringify({ rule_files: [ALERTS], evaluation_interval: '1m', tests }));
    expect(promtool(['test', 'rules', file])).toEqual([0, '']);
  });
});
