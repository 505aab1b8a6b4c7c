/**
 * The configurations of a topic: names, types and defaults as Kafka's clients and tools know them. What can be set takes
 * effect. What is about things that are not here (files of a partition, replicas, a second tier) has one value, is shown
 * with it, and cannot be set to another.
 */
import type { Config } from '../../../config/config.ts';
import { nameFault } from './names.ts';
import type { TopicSettings } from './settings.ts';

/** As the protocol numbers them. */
export const ConfigType = {
  Boolean: 1,
  String: 2,
  Int: 3,
  Short: 4,
  Long: 5,
  Double: 6,
  List: 7,
  Class: 8,
  Password: 9,
} as const;
type ConfigType = (typeof ConfigType)[keyof typeof ConfigType];

export interface TopicConfig {
  readonly name: string;
  readonly type: ConfigType;
  /** The broker's configuration that gives the default, by the name that Kafka has for it. */
  readonly synonym: string | undefined;
  readonly documentation: string;
  default(config: Config): string;
  /** Why the value cannot be. */
  check(value: string): string | undefined;
  /** Only when the topic is made. */
  readonly isFixed: boolean;
}

const INT_MAX = 2 ** 31 - 1;
const LONG_MAX = Number.MAX_SAFE_INTEGER;
/** What Java's largest long is written as; beyond our integers and meant as "no limit". */
const JAVA_LONG_MAX = '9223372036854775807';
const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
const GiB = 1024 ** 3;

function wholeNumber(min: number, max: number): (value: string) => string | undefined {
  return (value) => {
    if (value === JAVA_LONG_MAX && max === LONG_MAX) return undefined;
    const number = /^-?\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
    return number >= min && number <= max ? undefined : `must be a whole number from ${min} to ${max}`;
  };
}

const ratio = (value: string): string | undefined =>
  /^\d{0,8}(?:\.\d{0,17})?$/.test(value) && /\d/.test(value) && Number(value) <= 1
    ? undefined
    : 'must be a number from 0 to 1';

const oneOf =
  (...values: string[]) =>
  (value: string): string | undefined =>
    values.includes(value) ? undefined : `must be one of ${values.join(', ')}`;

const cleanupPolicy = (value: string): string | undefined => {
  const policies = listOf(value);
  const isKnown = policies.length > 0 && policies.every((each) => each === 'delete' || each === 'compact');
  return isKnown ? undefined : 'must be a list of delete, compact';
};

export const listOf = (value: string): string[] =>
  value
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');

type Effective = Omit<TopicConfig, 'isFixed' | 'default' | 'synonym'> & {
  readonly usual: string | ((config: Config) => string);
  readonly synonym?: string;
  readonly isFixed?: boolean;
};

const effective = ({ usual, synonym, isFixed, ...rest }: Effective): TopicConfig => ({
  ...rest,
  synonym,
  isFixed: isFixed ?? false,
  default: (config) => (typeof usual === 'string' ? usual : usual(config)),
});

/** There is nothing here that another value would change. */
const constant = (
  name: string,
  type: ConfigType,
  value: string,
  synonym: string | undefined,
  documentation: string,
): TopicConfig => ({
  name,
  type,
  synonym,
  documentation: `${documentation} It cannot be changed here.`,
  isFixed: false,
  default: () => value,
  check: (other) =>
    other === value ? undefined : `has no effect in this broker, and can only be ${value || 'empty'}`,
});

const { Boolean: Bool, String: Text, Int, Long, Double, List } = ConfigType;

const all: readonly TopicConfig[] = [
  effective({
    name: 'cleanup.policy',
    type: List,
    usual: 'delete',
    synonym: 'log.cleanup.policy',
    documentation:
      'What retention does: removes old records (delete), keeps the newest of each key (compact), or both.',
    check: cleanupPolicy,
  }),
  constant(
    'compression.type',
    Text,
    'producer',
    'compression.type',
    'Batches are kept as the producer compressed them.',
  ),
  effective({
    name: 'delete.retention.ms',
    type: Long,
    usual: String(DAY_MS),
    synonym: 'log.cleaner.delete.retention.ms',
    documentation: 'How long a compacted topic keeps the deletion of a key.',
    check: wholeNumber(0, LONG_MAX),
  }),
  constant(
    'file.delete.delay.ms',
    Long,
    '60000',
    'log.segment.delete.delay.ms',
    'Files of the journal go when nothing in them is needed.',
  ),
  constant(
    'flush.messages',
    Long,
    JAVA_LONG_MAX,
    'log.flush.interval.messages',
    'What is synced is said by kafka.durability and acks.',
  ),
  constant(
    'flush.ms',
    Long,
    JAVA_LONG_MAX,
    'log.flush.interval.ms',
    'What is synced is said by kafka.durability and acks.',
  ),
  constant('follower.replication.throttled.replicas', List, '', undefined, 'There are no followers.'),
  constant(
    'index.interval.bytes',
    Int,
    '65536',
    'log.index.interval.bytes',
    'How dense the index of offsets is.',
  ),
  constant('leader.replication.throttled.replicas', List, '', undefined, 'There are no followers.'),
  constant('local.retention.bytes', Long, '-2', 'log.local.retention.bytes', 'As retention.bytes.'),
  constant('local.retention.ms', Long, '-2', 'log.local.retention.ms', 'As retention.ms.'),
  effective({
    name: 'max.compaction.lag.ms',
    type: Long,
    usual: JAVA_LONG_MAX,
    synonym: 'log.cleaner.max.compaction.lag.ms',
    documentation: 'Compaction runs at the latest when a record that it has not seen is so old.',
    check: wholeNumber(1, LONG_MAX),
  }),
  effective({
    name: 'max.message.bytes',
    type: Int,
    usual: (config) => String(config.kafka.maxMessageBytes),
    synonym: 'message.max.bytes',
    documentation: 'Largest batch of records, as it is stored.',
    check: wholeNumber(0, INT_MAX),
  }),
  effective({
    name: 'message.timestamp.after.max.ms',
    type: Long,
    usual: '3600000',
    synonym: 'log.message.timestamp.after.max.ms',
    documentation:
      'How far the time of a record may lie in the future when message.timestamp.type is CreateTime.',
    check: wholeNumber(0, LONG_MAX),
  }),
  effective({
    name: 'message.timestamp.before.max.ms',
    type: Long,
    usual: JAVA_LONG_MAX,
    synonym: 'log.message.timestamp.before.max.ms',
    documentation:
      'How far the time of a record may lie in the past when message.timestamp.type is CreateTime.',
    check: wholeNumber(0, LONG_MAX),
  }),
  effective({
    name: 'message.timestamp.type',
    type: Text,
    usual: 'CreateTime',
    synonym: 'log.message.timestamp.type',
    documentation: "Whether records have the producer's time or that of the append.",
    check: oneOf('CreateTime', 'LogAppendTime'),
  }),
  effective({
    name: 'min.cleanable.dirty.ratio',
    type: Double,
    usual: '0.5',
    synonym: 'log.cleaner.min.cleanable.ratio',
    documentation: 'Part of a partition that is new to compaction, from which on it runs.',
    check: ratio,
  }),
  effective({
    name: 'min.compaction.lag.ms',
    type: Long,
    usual: '0',
    synonym: 'log.cleaner.min.compaction.lag.ms',
    documentation: 'Records are not compacted before they are so old.',
    check: wholeNumber(0, LONG_MAX),
  }),
  effective({
    name: 'min.insync.replicas',
    type: Int,
    usual: '1',
    synonym: 'min.insync.replicas',
    documentation: 'Replicas that acks=all needs. There is one: with more, such writes are refused.',
    check: wholeNumber(1, INT_MAX),
  }),
  constant('preallocate', Bool, 'false', 'log.preallocate', 'Files of the journal grow as they are written.'),
  constant(
    'remote.log.copy.disable',
    Bool,
    'false',
    undefined,
    'See storage.tier in the configuration of the broker.',
  ),
  constant(
    'remote.log.delete.on.disable',
    Bool,
    'false',
    undefined,
    'See storage.tier in the configuration of the broker.',
  ),
  constant(
    'remote.storage.enable',
    Bool,
    'false',
    undefined,
    'See storage.tier in the configuration of the broker.',
  ),
  effective({
    name: 'retention.bytes',
    type: Long,
    usual: '-1',
    synonym: 'log.retention.bytes',
    documentation: 'Size of a partition above which its oldest records go; -1 is no limit.',
    check: wholeNumber(-1, LONG_MAX),
  }),
  effective({
    name: 'retention.ms',
    type: Long,
    usual: String(WEEK_MS),
    synonym: 'log.retention.ms',
    documentation: 'Age at which records go; -1 is never.',
    check: wholeNumber(-1, LONG_MAX),
  }),
  effective({
    name: 'robustmq.dead.letter.topic',
    type: Text,
    usual: '',
    documentation:
      'Topic to which records go that expired while they were delayed, or that cannot cross to MQTT; empty: none.',
    check: (value) => (value === '' ? undefined : nameFault(value)),
  }),
  effective({
    name: 'robustmq.delay.enable',
    type: Bool,
    usual: 'false',
    documentation:
      'Whether a record with the header robustmq.delay.ms appears that many milliseconds later, at an offset of its own.',
    check: oneOf('true', 'false'),
  }),
  effective({
    name: 'robustmq.retention.settled',
    type: Bool,
    usual: 'false',
    documentation:
      'Whether records go that every group has passed which has committed an offset for their partition; where none has, they stay.',
    check: oneOf('true', 'false'),
  }),
  effective({
    name: 'robustmq.storage',
    type: Text,
    usual: 'journal',
    documentation:
      'Where the partitions of the topic live: journal, memory, or object. Only when the topic is made.',
    isFixed: true,
    check: oneOf('journal', 'memory', 'object'),
  }),
  effective({
    name: 'segment.bytes',
    type: Int,
    usual: String(GiB),
    synonym: 'log.segment.bytes',
    documentation: 'No batch may be larger. Segments are those of the journal, which all partitions share.',
    check: wholeNumber(14, INT_MAX),
  }),
  constant(
    'segment.index.bytes',
    Int,
    '10485760',
    'log.index.size.max.bytes',
    'Indexes of offsets are in memory.',
  ),
  constant('segment.jitter.ms', Long, '0', 'log.roll.jitter.ms', 'Segments are those of the journal.'),
  constant('segment.ms', Long, String(WEEK_MS), 'log.roll.ms', 'Segments are those of the journal.'),
  constant(
    'unclean.leader.election.enable',
    Bool,
    'false',
    'unclean.leader.election.enable',
    'There is one replica.',
  ),
];

export const topicConfigs: ReadonlyMap<string, TopicConfig> = new Map(all.map((each) => [each.name, each]));

export type Overrides = ReadonlyMap<string, string>;

/** Why they cannot be; undefined when they can. */
export function checkOverrides(overrides: Overrides): string | undefined {
  for (const [name, value] of overrides) {
    const known = topicConfigs.get(name);
    if (known === undefined) return `there is no configuration ${name} of topics`;
    const reason = known.check(value);
    if (reason !== undefined) return `${name} ${reason}`;
  }
  return undefined;
}

/** Of values that were checked. */
export function understand(overrides: Overrides, config: Config): TopicSettings {
  const text = (name: string): string => overrides.get(name) ?? topicConfigs.get(name)?.default(config) ?? '';
  const number = (name: string): number => {
    const value = text(name);
    return value === JAVA_LONG_MAX ? Number.POSITIVE_INFINITY : Number(value);
  };
  const retentionMs = number('retention.ms');
  const retentionBytes = number('retention.bytes');
  const cleanup = new Set(listOf(text('cleanup.policy')));
  const storage = text('robustmq.storage');
  return {
    cleanup: cleanup.size === 2 ? 'both' : cleanup.has('compact') ? 'compact' : 'delete',
    maxMessageBytes: number('max.message.bytes'),
    timestampType: text('message.timestamp.type') === 'LogAppendTime' ? 'LogAppendTime' : 'CreateTime',
    timestampBeforeMaxMs: number('message.timestamp.before.max.ms'),
    timestampAfterMaxMs: number('message.timestamp.after.max.ms'),
    retentionMs: retentionMs < 0 ? Number.POSITIVE_INFINITY : retentionMs,
    // Zero bytes means "keep nothing that can go", which one byte says as well: zero is our "no limit".
    retentionBytes: retentionBytes < 0 || !Number.isFinite(retentionBytes) ? 0 : Math.max(1, retentionBytes),
    delays: text('robustmq.delay.enable') === 'true',
    deadLetterTopic: text('robustmq.dead.letter.topic'),
    removesSettled: text('robustmq.retention.settled') === 'true',
    tombstoneMs: number('delete.retention.ms'),
    segmentBytes: number('segment.bytes'),
    minDirtyRatio: number('min.cleanable.dirty.ratio'),
    minCompactionLagMs: number('min.compaction.lag.ms'),
    maxCompactionLagMs: number('max.compaction.lag.ms'),
    minInsyncReplicas: number('min.insync.replicas'),
    storage: storage === 'memory' || storage === 'object' ? storage : 'journal',
  };
}
