import { describe, expect, it } from 'vitest';
import { messageSample, type Sample } from '../../bench/measure.ts';
import { markdownTable, remarksOf, rowsOf } from '../../bench/report.ts';
import { type Scenario, scenarios } from '../../bench/scenarios.ts';

const scenario: Scenario = {
  name: 'x',
  title: 'work',
  load: {},
  shows: [
    ['messagesPerSecond', { bound: 'at least', unit: 'times', value: 10 }],
    ['lostPercent', { bound: 'at most', unit: 'figure', value: 0 }],
  ],
};

function sample(messagesPerSecond: number, more: Partial<Sample> = {}): Sample {
  return { metrics: { messagesPerSecond, lostPercent: 0 }, notes: [], ...more };
}

const run = {
  seconds: 2,
  sentPerSecond: 100,
  receivedPerSecond: 90,
  acknowledgedPerSecond: 0,
  sent: 200,
  received: 180,
  expected: 200,
  refused: 0,
  unsent: 0,
  stalledSeconds: 0,
  generatorLoad: 0.5,
};

describe('the table of a comparison', () => {
  it('puts medians, the ratio to the reference and the verdict in one line', () => {
    const samples = new Map([
      ['RobustMQ', [sample(1000), sample(1200), sample(1)]],
      ['Mosquitto', [sample(99), sample(101), sample(100)]],
    ]);
    const [row] = rowsOf({ scenario, samples }, 'RobustMQ', 'Mosquitto');
    expect(row).toMatchObject({ ratio: 10, reached: true });
    expect(markdownTable([{ scenario, samples }], 'RobustMQ', 'Mosquitto')).toContain(
      '| work | messages/s | 1,000 | 100 | 10.00 × | ≥ 10.0 × | yes |',
    );
  });

  it('counts no failed run as speed and says why it failed', () => {
    const outcome = {
      scenario,
      samples: new Map([
        ['RobustMQ', [sample(9e9, { failure: 'stalled' }), sample(500)]],
        ['Mosquitto', [sample(9e9, { failure: 'crashed' })]],
      ]),
    };
    const [row] = rowsOf(outcome, 'RobustMQ', 'Mosquitto');
    expect(row?.figures.get('RobustMQ')?.value).toBe(500);
    expect(row?.ratio).toBeUndefined();
    expect(row?.reached).toBeUndefined();
    expect(remarksOf(outcome).join()).toMatch(
      /1 of 2 runs failed \(stalled\).*1 of 1 runs failed \(crashed\)/,
    );
    expect(markdownTable([outcome], 'RobustMQ', 'Mosquitto')).toContain('failed');
  });

  it('shows lost, doubled and late messages', () => {
    expect(messageSample(run)).toMatchObject({ metrics: { lostPercent: 10 }, notes: ['20 lost'] });
    expect(messageSample({ ...run, received: 201 }).notes).toEqual(['1 doubled']);
    expect(messageSample({ ...run, received: 200, unsent: 200 }).metrics.lostPercent).toBe(50);
    expect(messageSample({ ...run, stalledSeconds: 6 }).failure).toContain('20 deliveries missing');
  });

  it('names every scenario once', () => {
    expect(new Set(scenarios.map((one) => one.name)).size).toBe(scenarios.length);
  });
});
