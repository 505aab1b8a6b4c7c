/** Which groups with members may change to the other protocol; those without always may. */
export type MigrationPolicy = 'bidirectional' | 'upgrade' | 'downgrade' | 'disabled';

/** What can be configured about groups, and the bounds of what they may take. */
export interface GroupSettings {
  readonly minSessionTimeoutMs: number;
  readonly maxSessionTimeoutMs: number;
  /** How long an empty group waits for more members after the first. */
  readonly initialRebalanceDelayMs: number;
  /** For a member that joined for the first time and is still waiting. */
  readonly newMemberJoinTimeoutMs: number;
  readonly maxGroups: number;
  /** Of a group. */
  readonly maxMembers: number;
  /** Subscriptions, and in another sum assignments, of a group's members: both go into one change of the state log. */
  readonly maxGroupBytes: number;
  /** Of all groups. */
  readonly maxOffsets: number;
  readonly maxOffsetMetadataBytes: number;
  readonly offsetsRetentionMs: number;
  readonly retentionCheckIntervalMs: number;
  /** Of the protocol in which the broker assigns. */
  readonly consumerSessionTimeoutMs: number;
  readonly consumerHeartbeatIntervalMs: number;
  /** What a group has of its own instead. */
  readonly consumerTimes?: (group: string) => {
    readonly sessionTimeoutMs: number;
    readonly heartbeatIntervalMs: number;
  };
  readonly migrationPolicy: MigrationPolicy;
}

export const DEFAULT_GROUP_SETTINGS: GroupSettings = {
  minSessionTimeoutMs: 6000,
  maxSessionTimeoutMs: 30 * 60_000,
  initialRebalanceDelayMs: 0,
  newMemberJoinTimeoutMs: 5 * 60_000,
  maxGroups: 100_000,
  maxMembers: 10_000,
  maxGroupBytes: 6 * 1024 * 1024,
  maxOffsets: 5_000_000,
  maxOffsetMetadataBytes: 4096,
  offsetsRetentionMs: 7 * 24 * 3600_000,
  retentionCheckIntervalMs: 10 * 60_000,
  consumerSessionTimeoutMs: 45_000,
  consumerHeartbeatIntervalMs: 5000,
  migrationPolicy: 'bidirectional',
};
