/**
 * Metrics: what the broker counts, under documented names, for those who look. Nothing is counted here: parts count in plain
 * numbers of their own where things happen, at a nanosecond each, and a source reads them when somebody asks. Here live the
 * catalogue of all names (catalogue.ts), the table of sources, and the text that Prometheus reads.
 *
 * Guaranteed: a name that is not in the catalogue is not shown; labels come out of fixed lists and never from clients; counters
 * never fall while the process runs; the number of lines is bounded.
 */
import { CATALOGUE, type MetricName } from './catalogue.ts';

export type Labels = Readonly<Record<string, string>>;

/** Takes what a source has. */
export interface Collector {
  add(name: MetricName, value: number, labels?: Labels): void;
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
  readonly value: number;
}

export interface Family {
  readonly name: MetricName;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** Of one family: what has more was not meant to be a metric. */
const MAX_SAMPLES = 1000;

export function createMetrics(sources: readonly MetricSource[]): Metrics {
  async function collect(): Promise<Family[]> {
    const samples = new Map<MetricName, Sample[]>();
    const put = (name: MetricName, value: number, labels: Labels = {}): void => {
      const known = samples.get(name);
      if (known === undefined) samples.set(name, [{ labels, value }]);
      else if (known.length < MAX_SAMPLES) known.push({ labels, value });
    };
    for (const source of sources) await source({ add: put });
    return CATALOGUE.flatMap(({ name, type, help }) => {
      const found = samples.get(name);
      return found === undefined ? [] : [{ name, type, help, samples: found }];
    });
  }
  return { collect, text: async () => (await collect()).map(familyText).join('') };
}

function familyText({ name, type, help, samples }: Family): string {
  const lines = [`# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`];
  for (const { labels, value } of samples) {
    lines.push(`${name}${labelText(labels)} ${numberText(value)}\n`);
  }
  return lines.join('');
}

function labelText(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escapeValue(value)}"`);
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}

const numberText = (value: number): string =>
  value === Number.POSITIVE_INFINITY ? '+Inf' : value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);

const escapeValue = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
