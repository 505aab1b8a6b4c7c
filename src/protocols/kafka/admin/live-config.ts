/**
 * The configuration as it is while the broker runs: that of the node, and on top of it what clients have set for brokers.
 * Who reads a field where it is used sees a change at once.
 */
import type { Config } from '../../../config/config.ts';
import type { Settings } from '../../../kernel/settings-table.ts';
import { SettingKind } from '../security/setting-kinds.ts';
import type { TopicsConfig } from '../topics/configs.ts';
import { brokerConfigs, type LiveFields } from './broker-configs.ts';

/** For this node alone, or for all; what is for this node counts first. */
export type Scope = 'node' | 'cluster';

export const settingName = (scope: Scope, name: string): string => `${scope} ${name}`;

const decoder = new TextDecoder();

/** What nobody has set is read through to the configuration of the node, which may be read again at any time. */
export function broughtToLife(config: Config, settings: Settings): TopicsConfig {
  const given = Object.create(config.kafka) as LiveFields & Config['kafka'];
  const topicDefaults = new Map<string, string>();
  settings.watch(SettingKind.BrokerConfig, () => {
    for (const name of Object.keys(given)) Reflect.deleteProperty(given, name);
    topicDefaults.clear();
    for (const scope of ['cluster', 'node'] as const) {
      for (const { name, change } of brokerConfigs.values()) {
        const value = change && settings.get(SettingKind.BrokerConfig, settingName(scope, name));
        if (value !== undefined) change?.apply({ fields: given, topicDefaults }, decoder.decode(value));
      }
    }
  });
  return { ...config, kafka: given, topicDefaults };
}
