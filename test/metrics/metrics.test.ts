import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FAMILIES } from '../../src/admin/detailed-metrics.ts';
import { CATALOGUE } from '../../src/metrics/catalogue.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';
import { metricsPage } from '../../src/metrics/page.ts';

describe('metrics', () => {
  it('are text as Prometheus reads it, in the order of the catalogue, with labels escaped', async () => {
    const metrics = createMetrics([
      (to) => to.add('robustmq_bans', 2),
      async (to) => {
        to.add('robustmq_health', 1, { status: 'a"b\\c\nd' });
        to.add('robustmq_start_time_seconds', 1.5);
      },
    ]);
    expect(await metrics.text()).toBe(
      [
        '# HELP robustmq_start_time_seconds When the process started, seconds since 1970.',
        '# TYPE robustmq_start_time_seconds gauge',
        'robustmq_start_time_seconds 1.5',
        '# HELP robustmq_health 1 for the status that the node is in.',
        '# TYPE robustmq_health gauge',
        'robustmq_health{status="a\\"b\\\\c\\nd"} 1',
        '# HELP robustmq_bans Bans in force.',
        '# TYPE robustmq_bans gauge',
        'robustmq_bans 2',
        '',
      ].join('\n'),
    );
  });

  it('have a bound, whatever a source gives', async () => {
    const metrics = createMetrics([
      (to) => {
        for (let i = 0; i < 5000; i++) to.add('robustmq_connections', i, { listener: `${i}` });
      },
    ]);
    expect((await metrics.text()).split('\n')).toHaveLength(1003);
  });

  it('have names and units as Prometheus wants them', () => {
    for (const { name, type, help, labels } of CATALOGUE) {
      expect(name).toMatch(/^robustmq_[a-z][a-z0-9_]*$/);
      expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter']);
      expect(name).not.toMatch(/_(?:ms|milliseconds|kb|mb|minutes)(?:_|$)/);
      expect(help).toMatch(/[a-z].*\.$/);
      for (const label of labels) expect(label).not.toMatch(/client|topic|address|user/);
    }
  });

  it('are documented (else: node scripts/metrics-page.mjs)', () => {
    expect(readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8')).toBe(
      metricsPage(Object.values(FAMILIES)),
    );
  });
});
