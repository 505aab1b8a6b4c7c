/** What a configuration of the broker is worth, and by whom: what counts first, and what would count without it. */
import { defaultConfig } from '../../../config/load.ts';
import type { Kafka } from '../context.ts';
import { SettingKind } from '../security/setting-kinds.ts';
import type { BrokerConfig } from './broker-configs.ts';
import { type Scope, settingName } from './live-config.ts';

/** Where a value comes from, as the protocol numbers it. */
export const ConfigSource = {
  Topic: 1,
  DynamicBroker: 2,
  DynamicDefault: 3,
  Static: 4,
  Default: 5,
  DynamicLogger: 6,
  ClientMetrics: 7,
  Group: 8,
} as const;

export interface SourcedValue {
  readonly name: string;
  readonly value: string | null;
  readonly source: number;
}

const decoder = new TextDecoder();
const usual = defaultConfig();

function settingOf({ settings }: Pick<Kafka, 'settings'>, scope: Scope, name: string): string | undefined {
  const value = settings.get(SettingKind.BrokerConfig, settingName(scope, name));
  return value === undefined ? undefined : decoder.decode(value);
}

/** The first one counts; the last one is the default. */
export function valuesOf(
  kafka: Pick<Kafka, 'settings' | 'nodeConfig' | 'broker'>,
  each: BrokerConfig,
): readonly SourcedValue[] {
  const { name } = each;
  const { nodeId } = kafka.broker;
  const given = each.value(kafka.nodeConfig, nodeId);
  const byDefault = each.value(usual, nodeId);
  const sourced = (value: string | null | undefined, source: number): SourcedValue[] =>
    value === undefined ? [] : [{ name, value, source }];
  return [
    ...sourced(each.change && settingOf(kafka, 'node', name), ConfigSource.DynamicBroker),
    ...sourced(each.change && settingOf(kafka, 'cluster', name), ConfigSource.DynamicDefault),
    ...sourced(given === byDefault ? undefined : given, ConfigSource.Static),
    ...sourced(byDefault, ConfigSource.Default),
  ];
}
