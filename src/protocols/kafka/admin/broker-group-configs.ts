/** Configurations of the broker about groups, offsets, and transactions. */
import type { KafkaConfig } from '../../../config/config.ts';
import { ASSIGNORS, DEFAULT_ASSIGNOR } from '../groups/assignors.ts';
import { DEFAULT_GROUP_SETTINGS } from '../groups/settings.ts';
import { DEFAULT_PRODUCER_LIMITS, SWEEP_MS, TICK_MS } from '../producers/producers.ts';
import { ASSIGNOR as SHARE_ASSIGNOR } from '../share/group.ts';
import { ConfigType } from '../topics/config-kinds.ts';
import { type BrokerConfig, fixed, ofKafka } from './broker-config-kinds.ts';
import { groupConfigs } from './group-configs.ts';

const { Boolean: Bool, String: Text, Int, Short, List } = ConfigType;
const MINUTE_MS = 60_000;

const ofGroups = (
  name: string,
  read: (groups: KafkaConfig['groups']) => number,
  documentation: string,
): BrokerConfig =>
  fixed(
    name,
    Int,
    ofKafka((kafka) => read(kafka.groups)),
    documentation,
  );

const ofShares = (
  name: string,
  read: (groups: KafkaConfig['shareGroups']) => number,
  documentation: string,
): BrokerConfig =>
  fixed(
    `group.share.${name}`,
    Int,
    ofKafka((kafka) => read(kafka.shareGroups)),
    documentation,
  );

/** What groups can have of their own: the value of those that have none, and the bounds of what they can be given. */
const ofEachGroup = groupConfigs.flatMap(({ name, synonym, type, documentation, range, usual }) => {
  if (synonym === undefined) return [];
  const value = fixed(synonym, type, usual, documentation);
  if (range === undefined) return [value];
  const [, kind, rest] = /^(consumer|share)\.(.+)$/.exec(name) ?? [];
  const bound = (which: 'min' | 'max', index: 0 | 1): BrokerConfig =>
    fixed(
      `group.${kind}.${which}.${rest}`,
      type,
      range[index],
      `${which === 'min' ? 'Least' : 'Most'} that a group can have as its own ${name}.`,
    );
  return [value, bound('min', 0), bound('max', 1)];
});

const assignors = [DEFAULT_ASSIGNOR, ...[...ASSIGNORS.keys()].filter((name) => name !== DEFAULT_ASSIGNOR)];

export const groupBrokerConfigs: readonly BrokerConfig[] = [
  ...ofEachGroup,
  fixed(
    'group.consumer.assignors',
    List,
    assignors.join(','),
    'Ways to assign partitions in the protocol in which the broker assigns; the first is that of who names none.',
  ),
  ofGroups('group.consumer.max.size', (each) => each.maxMembers, 'Most members of a group.'),
  fixed(
    'group.consumer.migration.policy',
    Text,
    ofKafka((kafka) => kafka.groups.migrationPolicy),
    'Which groups with members may change to the other protocol.',
  ),
  fixed('group.coordinator.rebalance.protocols', List, 'classic,consumer,share', 'Protocols of groups.'),
  ofGroups(
    'group.initial.rebalance.delay.ms',
    (each) => each.initialRebalanceDelayMs,
    'How long a new group waits for more members.',
  ),
  ofGroups('group.max.session.timeout.ms', (each) => each.maxSessionTimeoutMs, 'Longest session time-out.'),
  ofGroups('group.max.size', (each) => each.maxMembers, 'Most members of a group.'),
  ofGroups('group.min.session.timeout.ms', (each) => each.minSessionTimeoutMs, 'Shortest session time-out.'),
  fixed('group.share.assignors', List, SHARE_ASSIGNOR, 'Who gets which partitions of a share group.'),
  ofShares('max.share.sessions', (each) => each.maxSessions, 'Most share sessions.'),
  ofShares('max.size', (each) => each.maxMembers, 'Most members of a share group.'),
  ofGroups(
    'offset.metadata.max.bytes',
    (each) => each.maxOffsetMetadataBytes,
    'Largest metadata of a committed offset.',
  ),
  fixed(
    'offsets.retention.check.interval.ms',
    ConfigType.Long,
    DEFAULT_GROUP_SETTINGS.retentionCheckIntervalMs,
    'How often offsets that nobody uses are looked for.',
  ),
  ofGroups(
    'offsets.retention.minutes',
    (each) => Math.floor(each.offsetsRetentionMs / MINUTE_MS),
    'How long offsets of a group without members are kept.',
  ),
  fixed('offsets.topic.num.partitions', Int, 1, 'Offsets are kept in the journal.'),
  fixed('offsets.topic.replication.factor', Short, 1, 'There is one node.'),
  fixed(
    'producer.id.expiration.check.interval.ms',
    Int,
    SWEEP_MS,
    'How often producers without transactions are looked for that nobody uses.',
  ),
  fixed(
    'producer.id.expiration.ms',
    Int,
    DEFAULT_PRODUCER_LIMITS.producerIdleMs,
    'A producer that has sent nothing to a partition for so long is forgotten there.',
  ),
  fixed(
    'transaction.abort.timed.out.transaction.cleanup.interval.ms',
    Int,
    TICK_MS,
    'How often transactions are looked for that have taken too long.',
  ),
  fixed(
    'transaction.max.timeout.ms',
    Int,
    DEFAULT_PRODUCER_LIMITS.maxTimeoutMs,
    'Longest time that a producer may want for a transaction.',
  ),
  fixed(
    'transaction.remove.expired.transaction.cleanup.interval.ms',
    Int,
    SWEEP_MS,
    'How often transactional ids are looked for that nobody uses.',
  ),
  fixed('transaction.state.log.min.isr', Int, 1, 'There is one node.'),
  fixed('transaction.state.log.num.partitions', Int, 1, 'State of transactions is kept in the journal.'),
  fixed('transaction.state.log.replication.factor', Short, 1, 'There is one node.'),
  fixed('transaction.two.phase.commit.enable', Bool, false, 'Each transaction has a time-out.'),
  fixed(
    'transactional.id.expiration.ms',
    Int,
    DEFAULT_PRODUCER_LIMITS.transactionalIdIdleMs,
    'A transactional id that nobody has used for so long is forgotten.',
  ),
];
