/**
 * Metrics: what the broker counts, under documented names, for those who look. Nothing is counted here: parts count in plain
 * numbers of their own where things happen, at a nanosecond each, and a source reads them when somebody asks. Here live the
 * catalogue of all names (catalogue.ts), the table of sources, and the text that Prometheus reads.
 *
 * Guaranteed: a name that is not in the catalogue is not shown; labels come out of fixed lists and never from clients; counters
 * never fall while the process runs; the number of lines is bounded.
 */
import { CATALOGUE, type MetricDefinition, type MetricName } from './catalogue.ts';
import { BOUNDS_SECONDS, type Distribution, type Histogram } from './histogram.ts';

export type Labels = Readonly<Record<string, string>>;

/** Takes what a source has. */
export interface Collector {
  add(name: MetricName, value: number, labels?: Labels): void;
  addHistogram(name: MetricName, histogram: Histogram, labels?: Labels): void;
}

export type MetricSource = (to: Collector) => void | Promise<void>;

export interface Metrics {
  /** In the order of the catalogue. */
  collect(): Promise<readonly Family[]>;
  /** The text exposition format of Prometheus, version 0.0.4. */
  text(): Promise<string>;
}

export interface Sample {
  readonly labels: Labels;
  /** Of a histogram: how many records it has. */
  readonly value: number;
  readonly distribution?: Distribution;
}

export interface Family {
  readonly name: MetricName;
  readonly type: MetricDefinition['type'];
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** Of one family: what has more was not meant to be a metric. */
const MAX_SAMPLES = 1000;

export function createMetrics(sources: readonly MetricSource[]): Metrics {
  async function collect(): Promise<Family[]> {
    const samples = new Map<MetricName, Sample[]>();
    const put = (name: MetricName, sample: Sample): void => {
      const known = samples.get(name);
      if (known === undefined) samples.set(name, [sample]);
      else if (known.length < MAX_SAMPLES) known.push(sample);
    };
    const to: Collector = {
      add: (name, value, labels = {}) => put(name, { labels, value }),
      addHistogram(name, histogram, labels = {}) {
        const distribution = histogram.read();
        put(name, { labels, value: distribution.count, distribution });
      },
    };
    for (const source of sources) await source(to);
    return CATALOGUE.flatMap(({ name, type, help }) => {
      const found = samples.get(name);
      return found === undefined ? [] : [{ name, type, help, samples: found }];
    });
  }
  return { collect, text: async () => (await collect()).map(familyText).join('') };
}

export const headLines = (name: string, type: string, help: string): string =>
  `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;

function familyText({ name, type, help, samples }: Family): string {
  const lines = [headLines(name, type, help)];
  for (const { labels, value, distribution } of samples) {
    if (distribution === undefined) lines.push(sampleLine(name, labels, value));
    else lines.push(...histogramLines(name, labels, distribution));
  }
  return lines.join('');
}

function histogramLines(name: string, labels: Labels, { counts, count, sumSeconds }: Distribution): string[] {
  let sum = 0;
  const buckets = counts.map((each, i) => {
    sum += each;
    const bound = BOUNDS_SECONDS[i] ?? Number.POSITIVE_INFINITY;
    return sampleLine(`${name}_bucket`, { ...labels, le: numberText(bound) }, sum);
  });
  return [
    ...buckets,
    sampleLine(`${name}_sum`, labels, sumSeconds),
    sampleLine(`${name}_count`, labels, count),
  ];
}

export const sampleLine = (name: string, labels: Labels, value: number): string =>
  `${name}${labelText(labels)} ${numberText(value)}\n`;

function labelText(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escapeValue(value)}"`);
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}

const numberText = (value: number): string =>
  value === Number.POSITIVE_INFINITY ? '+Inf' : value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);

const escapeValue = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
