/** Configurations of groups whose broker assigns. They are those of the node, for all groups alike. */
import type { Config } from '../../../config/config.ts';
import { ConfigType } from '../topics/configs.ts';

export interface GroupConfig {
  readonly name: string;
  readonly type: number;
  readonly synonym: string;
  readonly documentation: string;
  value(config: Config): number;
}

export const groupConfigs: readonly GroupConfig[] = [
  {
    name: 'consumer.heartbeat.interval.ms',
    type: ConfigType.Int,
    synonym: 'group.consumer.heartbeat.interval.ms',
    documentation: 'How often a member says that it is there.',
    value: ({ kafka }) => kafka.groups.heartbeatIntervalMs,
  },
  {
    name: 'consumer.session.timeout.ms',
    type: ConfigType.Int,
    synonym: 'group.consumer.session.timeout.ms',
    documentation: 'After this long without a word a member is gone.',
    value: ({ kafka }) => kafka.groups.sessionTimeoutMs,
  },
];
