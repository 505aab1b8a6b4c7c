/**
 * Configurations of groups: those that Kafka has for groups of the new protocols, each with the node's configuration as its default.
 * What was set for a group stays when the group goes.
 */
import type { Config } from '../../../config/config.ts';
import type { Edit, Settings } from '../../../kernel/settings-table.ts';
import { SettingKind } from '../security/setting-kinds.ts';
import { ConfigType } from '../topics/configs.ts';
import { resetFault } from './offset-reset.ts';

export interface GroupConfig {
  readonly name: string;
  readonly type: ConfigType;
  /** The broker's configuration that gives the default, where there is one. */
  readonly synonym: string | undefined;
  readonly documentation: string;
  /** Of those that are numbers. */
  readonly range: readonly [min: number, max: number] | undefined;
  usual(config: Config): string;
  /** Why the value cannot be. */
  check(value: string): string | undefined;
}

const { Boolean: Bool, String: Text, Int } = ConfigType;
const INT_MAX = 2 ** 31 - 1;

const wholeNumber =
  (min: number, max: number) =>
  (value: string): string | undefined => {
    const number = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
    return number >= min && number <= max ? undefined : `must be a whole number from ${min} to ${max}`;
  };
const oneOf =
  (...values: string[]) =>
  (value: string): string | undefined =>
    values.includes(value) ? undefined : `must be one of ${values.join(', ')}`;

export const GroupConfigName = {
  consumerHeartbeatMs: 'consumer.heartbeat.interval.ms',
  consumerSessionMs: 'consumer.session.timeout.ms',
  deadLetterTopic: 'errors.deadletterqueue.topic.name',
  shareReset: 'share.auto.offset.reset',
  shareDeliveryLimit: 'share.delivery.count.limit',
  shareHeartbeatMs: 'share.heartbeat.interval.ms',
  shareIsolation: 'share.isolation.level',
  shareMaxLocks: 'share.partition.max.record.locks',
  shareLockMs: 'share.record.lock.duration.ms',
  shareRenew: 'share.renew.acknowledge.enable',
  shareSessionMs: 'share.session.timeout.ms',
} as const;
export type GroupConfigName = (typeof GroupConfigName)[keyof typeof GroupConfigName];

const number = (
  name: GroupConfigName,
  range: readonly [number, number],
  usual: (config: Config) => number,
  documentation: string,
): GroupConfig => ({
  name,
  type: Int,
  synonym: `group.${name}`,
  documentation,
  usual: (config) => String(usual(config)),
  range,
  check: wholeNumber(...range),
});

export const groupConfigs: readonly GroupConfig[] = [
  number(
    GroupConfigName.consumerHeartbeatMs,
    [100, INT_MAX],
    ({ kafka }) => kafka.groups.heartbeatIntervalMs,
    'How often a member says that it is there.',
  ),
  number(
    GroupConfigName.consumerSessionMs,
    [1000, INT_MAX],
    ({ kafka }) => kafka.groups.sessionTimeoutMs,
    'After this long without a word a member is gone.',
  ),
  {
    name: GroupConfigName.deadLetterTopic,
    type: Text,
    synonym: undefined,
    range: undefined,
    documentation:
      'Topic to which records of a share group go that were rejected or delivered too often; empty: none.',
    usual: () => '',
    check: (value) => (value.length <= 249 ? undefined : 'is too long for the name of a topic'),
  },
  {
    name: GroupConfigName.shareReset,
    type: Text,
    synonym: undefined,
    range: undefined,
    documentation: 'Where a share group starts in a partition: latest, earliest, or by_duration:PT1H.',
    usual: () => 'latest',
    check: resetFault,
  },
  number(
    GroupConfigName.shareDeliveryLimit,
    [1, 1000],
    ({ kafka }) => kafka.shareGroups.deliveryCountLimit,
    'How often a record is delivered at most.',
  ),
  number(
    GroupConfigName.shareHeartbeatMs,
    [100, INT_MAX],
    ({ kafka }) => kafka.shareGroups.heartbeatIntervalMs,
    'How often a member of a share group says that it is there.',
  ),
  {
    name: GroupConfigName.shareIsolation,
    type: Text,
    synonym: undefined,
    range: undefined,
    documentation: 'Whether records of transactions are handed out before those have ended, or were aborted.',
    usual: () => 'read_uncommitted',
    check: oneOf('read_uncommitted', 'read_committed'),
  },
  number(
    GroupConfigName.shareMaxLocks,
    [1, 65_536],
    ({ kafka }) => kafka.shareGroups.maxRecordLocks,
    'Most records of a partition that members have at one time.',
  ),
  number(
    GroupConfigName.shareLockMs,
    [100, INT_MAX],
    ({ kafka }) => kafka.shareGroups.recordLockMs,
    'How long a member has a record before another may have it.',
  ),
  {
    name: GroupConfigName.shareRenew,
    type: Bool,
    synonym: undefined,
    range: undefined,
    documentation: 'Whether a member may keep a record for longer.',
    usual: () => 'true',
    check: oneOf('true', 'false'),
  },
  number(
    GroupConfigName.shareSessionMs,
    [1000, INT_MAX],
    ({ kafka }) => kafka.shareGroups.sessionTimeoutMs,
    'After this long without a word a member of a share group is gone.',
  ),
];

const byName: ReadonlyMap<string, GroupConfig> = new Map(groupConfigs.map((each) => [each.name, each]));
export const groupConfig = (name: string): GroupConfig | undefined => byName.get(name);

export interface GroupConfigs {
  /** What was set for the group, as written; undefined where nothing was. */
  own(group: string): ReadonlyMap<string, string> | undefined;
  /** What counts. */
  value(group: string, name: GroupConfigName): string;
  /** Those with something of their own. */
  names(): Iterable<string>;
  onChange(callback: (group: string) => void): void;
}

/** Names of configurations have no spaces. */
const settingName = (group: string, name: string): string => `${name} ${group}`;

export function groupEdit(group: string, name: string, value: string | undefined): Edit {
  return {
    kind: SettingKind.GroupConfig,
    name: settingName(group, name),
    value: value === undefined ? undefined : new TextEncoder().encode(value),
  };
}

export function createGroupConfigs(settings: Settings, config: Config): GroupConfigs {
  const groups = new Map<string, Map<string, string>>();
  const watchers: ((group: string) => void)[] = [];
  const usual = new Map(groupConfigs.map((each) => [each.name, each.usual(config)]));
  settings.watch(SettingKind.GroupConfig, (setting, bytes) => {
    const space = setting.indexOf(' ');
    const [name, group] = [setting.slice(0, space), setting.slice(space + 1)];
    const own = groups.get(group) ?? new Map<string, string>();
    if (bytes === undefined) own.delete(name);
    else own.set(name, new TextDecoder().decode(bytes));
    if (own.size === 0) groups.delete(group);
    else groups.set(group, own);
    for (const watcher of watchers) watcher(group);
  });
  return {
    own: (group) => groups.get(group),
    value: (group, name) => groups.get(group)?.get(name) ?? usual.get(name) ?? '',
    names: () => groups.keys(),
    onChange: (callback) => void watchers.push(callback),
  };
}
