/** What is configured about a share group, understood. */
import { type GroupConfigs, GroupConfigName as Name } from '../admin/group-configs.ts';
import { type OffsetReset, parseReset } from '../admin/offset-reset.ts';

export interface GroupSettings {
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly lockMs: number;
  readonly deliveryLimit: number;
  readonly maxLocks: number;
  readonly reset: OffsetReset;
  readonly isCommitted: boolean;
  readonly mayRenew: boolean;
  /** Empty: none. */
  readonly deadLetterTopic: string;
}

/** Remembered until something of the group is changed, for as many groups. */
const MAX_REMEMBERED = 10_000;

export function createGroupSettings(configs: GroupConfigs): (group: string) => GroupSettings {
  const known = new Map<string, GroupSettings>();
  configs.onChange((group) => known.delete(group));
  return (group) => {
    const remembered = known.get(group);
    if (remembered !== undefined) return remembered;
    const number = (name: Name): number => Number(configs.value(group, name));
    const settings: GroupSettings = {
      sessionTimeoutMs: number(Name.shareSessionMs),
      heartbeatIntervalMs: number(Name.shareHeartbeatMs),
      lockMs: number(Name.shareLockMs),
      deliveryLimit: number(Name.shareDeliveryLimit),
      maxLocks: number(Name.shareMaxLocks),
      reset: parseReset(configs.value(group, Name.shareReset)) ?? { kind: 'latest' },
      isCommitted: configs.value(group, Name.shareIsolation) === 'read_committed',
      mayRenew: configs.value(group, Name.shareRenew) === 'true',
      deadLetterTopic: configs.value(group, Name.deadLetterTopic),
    };
    if (known.size >= MAX_REMEMBERED) known.clear();
    known.set(group, settings);
    return settings;
  };
}
