/** Subscriptions to the metrics of clients (KIP-714): which metrics, how often, of which clients. Administrators set them. */

import { type Pattern, parsePattern } from '../../../kernel/filter/pattern.ts';
import type { Edit, Settings } from '../../../kernel/settings-table.ts';
import { SettingKind } from '../security/setting-kinds.ts';
import { ConfigType, listOf } from '../topics/configs.ts';

export interface MetricsClient {
  readonly instanceId: string;
  readonly clientId: string;
  readonly address: string;
}

export interface MetricsConfig {
  readonly name: string;
  readonly type: number;
  readonly usual: string;
  readonly documentation: string;
  check(value: string): string | undefined;
}

/** As they were set, by name. */
export type MetricsValues = Readonly<Record<string, string>>;

interface Subscription {
  readonly metrics: readonly string[];
  readonly intervalMs: number;
  readonly patterns: readonly (readonly [part: keyof MetricsClient, pattern: Pattern])[];
}

export interface ClientMetrics {
  names(): Iterable<string>;
  values(name: string): MetricsValues | undefined;
  /** Prefixes of names of metrics, and how often: of all subscriptions that the client is meant by. */
  wantedOf(client: MetricsClient): { readonly metrics: readonly string[]; readonly intervalMs: number };
}

export const USUAL_INTERVAL_MS = 300_000;
const MIN_INTERVAL_MS = 100;
const MAX_INTERVAL_MS = 3_600_000;
const ALL_METRICS = '*';
const PARTS: Readonly<Record<string, keyof MetricsClient>> = {
  client_instance_id: 'instanceId',
  client_id: 'clientId',
  client_source_address: 'address',
};

/** A string is why they cannot be. */
function patternsOf(match: string): Subscription['patterns'] | string {
  const patterns: (readonly [keyof MetricsClient, Pattern])[] = [];
  for (const each of listOf(match)) {
    const [name = '', ...rest] = each.split('=');
    const part = Object.hasOwn(PARTS, name) ? PARTS[name] : undefined;
    if (part === undefined || rest.length === 0)
      return `${name} is none of ${Object.keys(PARTS).join()}, each with =`;
    const pattern = parsePattern(rest.join('='));
    if ('reason' in pattern) return `${rest.join('=')}: ${pattern.reason}`;
    patterns.push([part, pattern]);
  }
  return patterns;
}

export const metricsConfigs: readonly MetricsConfig[] = [
  {
    name: 'interval.ms',
    type: ConfigType.Int,
    usual: String(USUAL_INTERVAL_MS),
    documentation: 'How often a client pushes.',
    check(value) {
      const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
      const isGood = number >= MIN_INTERVAL_MS && number <= MAX_INTERVAL_MS;
      return isGood ? undefined : `must be a whole number from ${MIN_INTERVAL_MS} to ${MAX_INTERVAL_MS}`;
    },
  },
  {
    name: 'match',
    type: ConfigType.List,
    usual: '',
    documentation: 'Patterns of which all must fit, such as client_id=billing.*; empty is every client.',
    check(value) {
      const patterns = patternsOf(value);
      return typeof patterns === 'string' ? patterns : undefined;
    },
  },
  {
    name: 'metrics',
    type: ConfigType.List,
    usual: '',
    documentation: 'How names of metrics begin; * is all of them, empty none.',
    check: () => undefined,
  },
];

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Without values there is no such subscription. */
export const metricsEdit = (name: string, values: MetricsValues): Edit => ({
  kind: SettingKind.ClientMetrics,
  name,
  value: Object.keys(values).length === 0 ? undefined : encoder.encode(JSON.stringify(values)),
});

function understood(values: MetricsValues): Subscription {
  const value = (name: string): string =>
    values[name] ?? metricsConfigs.find((each) => each.name === name)?.usual ?? '';
  const patterns = patternsOf(value('match'));
  return {
    metrics: listOf(value('metrics')),
    intervalMs: Number(value('interval.ms')),
    patterns: typeof patterns === 'string' ? [] : patterns,
  };
}

export function createClientMetrics(settings: Settings): ClientMetrics {
  const subscriptions = new Map<string, Subscription>();
  const given = new Map<string, MetricsValues>();
  settings.watch(SettingKind.ClientMetrics, (name, value) => {
    if (value === undefined) {
      subscriptions.delete(name);
      given.delete(name);
      return;
    }
    const values = JSON.parse(decoder.decode(value)) as MetricsValues;
    given.set(name, values);
    subscriptions.set(name, understood(values));
  });
  return {
    names: () => given.keys(),
    values: (name) => given.get(name),
    wantedOf(client) {
      const mine = [...subscriptions.values()].filter(
        ({ metrics, patterns }) =>
          metrics.length > 0 && patterns.every(([part, pattern]) => pattern.matches(client[part])),
      );
      const metrics = new Set(mine.flatMap((each) => each.metrics));
      return {
        // An empty prefix is how the protocol says all of them.
        metrics: metrics.has(ALL_METRICS) ? [''] : [...metrics].sort(),
        intervalMs: Math.min(USUAL_INTERVAL_MS, ...mine.map(({ intervalMs }) => intervalMs)),
      };
    },
  };
}
