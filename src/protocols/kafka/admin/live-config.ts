/**
 * The configuration as it is while the broker runs: that of the node, and on top of it what clients have set for brokers.
 * Who reads a field where it is used sees a change at once.
 */
import type { Config } from '../../../config/config.ts';
import type { Settings } from '../../../kernel/settings-table.ts';
import { SettingKind } from '../security/setting-kinds.ts';
import { brokerConfigs, type LiveFields } from './broker-configs.ts';

/** For this node alone, or for all; what is for this node counts first. */
export type Scope = 'node' | 'cluster';

export const settingName = (scope: Scope, name: string): string => `${scope} ${name}`;

const decoder = new TextDecoder();

export function broughtToLife(config: Config, settings: Settings): Config {
  const { numPartitions, autoCreateTopics, maxIdleMs, maxFetchBytes } = config.kafka;
  const given: LiveFields = { numPartitions, autoCreateTopics, maxIdleMs, maxFetchBytes };
  const live = { ...config.kafka, ...given };
  settings.watch(SettingKind.BrokerConfig, () => {
    Object.assign(live, given);
    for (const scope of ['cluster', 'node'] as const) {
      for (const { name, change } of brokerConfigs.values()) {
        const value = change && settings.get(SettingKind.BrokerConfig, settingName(scope, name));
        if (value !== undefined) change?.apply(live, decoder.decode(value));
      }
    }
  });
  return { ...config, kafka: live };
}
