/** Samples to one table of medians, with ratios to the reference peer beside their targets. */
import type { Sample } from './measure.ts';
import { type Metric, metrics, type Scenario, type Target } from './scenarios.ts';
import { median, spread } from './statistics.ts';

export interface ScenarioOutcome {
  readonly scenario: Scenario;
  /** By peer, in the order of the columns. */
  readonly samples: ReadonlyMap<string, readonly Sample[]>;
}

export interface Figure {
  readonly value: number;
  readonly spread: number;
}

export interface Row {
  readonly scenario: string;
  readonly metric: Metric;
  readonly figures: ReadonlyMap<string, Figure>;
  /** Ours by the reference's. */
  readonly ratio: number | undefined;
  readonly target: Target | undefined;
  readonly reached: boolean | undefined;
}

const BUSY = 0.95;
const NOT_BUSY = 0.9;

/** A failed run counts for no figure: what it moved before it failed is no speed. */
function good(samples: readonly Sample[] | undefined): readonly Sample[] {
  return (samples ?? []).filter((sample) => sample.failure === undefined);
}

function figureOf(samples: readonly Sample[] | undefined, metric: Metric): Figure | undefined {
  const values = good(samples).flatMap((sample) => sample.metrics[metric] ?? []);
  return values.length === 0 ? undefined : { value: median(values), spread: spread(values) };
}

export function rowsOf(outcome: ScenarioOutcome, ours: string, reference: string): Row[] {
  return outcome.scenario.shows.map(([metric, target]) => {
    const figures = new Map<string, Figure>();
    for (const [peer, samples] of outcome.samples) {
      const figure = figureOf(samples, metric);
      if (figure !== undefined) figures.set(peer, figure);
    }
    const own = figures.get(ours)?.value;
    const other = figures.get(reference)?.value;
    const ratio = own === undefined || other === undefined || other === 0 ? undefined : own / other;
    const judged = target?.unit === 'times' ? ratio : own;
    const reached =
      target === undefined || judged === undefined
        ? undefined
        : target.bound === 'at least'
          ? judged >= target.value
          : judged <= target.value;
    return { scenario: outcome.scenario.title, metric, figures, ratio, target, reached };
  });
}

function formatNumber(value: number, digits: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function formatTarget(target: Target | undefined, metric: Metric): string {
  if (target === undefined) return '';
  const sign = target.bound === 'at least' ? '≥' : '≤';
  const value = formatNumber(target.value, target.unit === 'times' ? 1 : 0);
  return target.unit === 'times'
    ? `${sign} ${value} ×`
    : `${sign} ${value} ${metrics[metric].title.split(', ')[1] ?? ''}`.trim();
}

/** True when the generator had no time left while the broker had: the figure is a lower bound. */
function generatorBound(samples: readonly Sample[]): boolean {
  return samples.some(
    (sample) =>
      (sample.generatorLoad ?? 0) > BUSY && sample.brokerLoad !== undefined && sample.brokerLoad < NOT_BUSY,
  );
}

/** What a reader must know of the runs beside the figures: failures, losses, who was the limit. */
export function remarksOf(outcome: ScenarioOutcome): string[] {
  const remarks: string[] = [];
  for (const [peer, samples] of outcome.samples) {
    const failed = samples.filter((sample) => sample.failure !== undefined);
    const add = (text: string): void => {
      remarks.push(`${outcome.scenario.title}, ${peer}: ${text}`);
    };
    if (failed.length > 0) {
      const reasons = [...new Set(failed.map((sample) => sample.failure))];
      add(`${failed.length} of ${samples.length} runs failed (${reasons.join('; ')})`);
    }
    const notes = [...new Set(good(samples).flatMap((sample) => sample.notes))];
    if (notes.length > 0) add(notes.join('; '));
    // Under a fixed rate the generator spins by design.
    if (!outcome.scenario.load.rate && generatorBound(good(samples)))
      add('the generator was the limit, the broker had time left');
  }
  return remarks;
}

export function markdownTable(outcomes: readonly ScenarioOutcome[], ours: string, reference: string): string {
  const peers = [...new Set(outcomes.flatMap((outcome) => [...outcome.samples.keys()]))];
  const head = ['work', 'figure', ...peers, `${ours} : ${reference}`, 'target', 'reached'];
  const lines = [`| ${head.join(' | ')} |`, `|${head.map((_, i) => (i < 2 ? '---' : '--:')).join('|')}|`];
  for (const outcome of outcomes) {
    for (const [index, row] of rowsOf(outcome, ours, reference).entries()) {
      const { title, digits } = metrics[row.metric];
      const cells = peers.map((peer) => {
        const figure = row.figures.get(peer);
        if (figure !== undefined) return formatNumber(figure.value, digits);
        return outcome.samples.has(peer) && good(outcome.samples.get(peer)).length === 0 ? 'failed' : '–';
      });
      const ratio = row.ratio === undefined ? '–' : `${row.ratio.toFixed(2)} ×`;
      const reached = row.reached === undefined ? '' : row.reached ? 'yes' : 'no';
      const work = index === 0 ? row.scenario : '';
      lines.push(
        `| ${[work, title, ...cells, ratio, formatTarget(row.target, row.metric), reached].join(' | ')} |`,
      );
    }
  }
  const remarks = outcomes.flatMap(remarksOf);
  return [...lines, ...(remarks.length > 0 ? ['', ...remarks.map((remark) => `- ${remark}`)] : []), ''].join(
    '\n',
  );
}

/** The same as plain data. */
export function plainOutcome(outcome: ScenarioOutcome, ours: string, reference: string): unknown {
  return {
    name: outcome.scenario.name,
    title: outcome.scenario.title,
    load: outcome.scenario.load,
    rows: rowsOf(outcome, ours, reference).map((row) => ({
      metric: row.metric,
      ...Object.fromEntries(row.figures),
      ratio: row.ratio,
      target: formatTarget(row.target, row.metric),
      reached: row.reached,
    })),
    samples: Object.fromEntries(outcome.samples),
    remarks: remarksOf(outcome),
  };
}
