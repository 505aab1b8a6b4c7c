/**
 * The configurations of a topic: names, types and defaults as Kafka's clients and tools know them. What can be set takes
 * effect. What is about things that are not here (files of a partition, replicas, a second tier) has one value, is shown
 * with it, and cannot be set to another.
 */
import type { Config } from '../../../config/config.ts';
import {
  ConfigType,
  INT_MAX,
  JAVA_LONG_MAX,
  LONG_MAX,
  listOf,
  oneOf,
  ratio,
  type TopicConfig,
  type TopicsConfig,
  wholeNumber,
} from './config-kinds.ts';
import { fileConfigs } from './file-configs.ts';
import { nameFault } from './names.ts';
import type { TopicSettings } from './settings.ts';

export { ConfigType, listOf, type TopicConfig, type TopicsConfig } from './config-kinds.ts';

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
const GiB = 1024 ** 3;
/** Kafka's, from 4.0 on. */
const MIN_SEGMENT_BYTES = 1024 ** 2;
/** Those that a topic can have itself; `producer` leaves batches as they come. */
const COMPRESSIONS = ['gzip', 'snappy', 'lz4', 'zstd'] as const;

const cleanupPolicy = (value: string): string | undefined => {
  const policies = listOf(value);
  const isKnown = policies.every((each) => each === 'delete' || each === 'compact');
  return isKnown ? undefined : 'must be a list of delete, compact, or empty';
};

type Effective = Omit<TopicConfig, 'isFixed' | 'default' | 'synonym'> & {
  readonly usual: string | ((config: Config) => string);
  readonly synonym?: string;
  readonly isFixed?: boolean;
};

const effective = ({ usual, synonym, isFixed, ...rest }: Effective): TopicConfig => ({
  ...rest,
  synonym,
  isFixed: isFixed ?? false,
  default: (config) =>
    config.topicDefaults?.get(rest.name) ?? (typeof usual === 'string' ? usual : usual(config)),
});

const { Boolean: Bool, String: Text, Int, Long, Double, List } = ConfigType;

const all: readonly TopicConfig[] = [
  effective({
    name: 'cleanup.policy',
    type: List,
    usual: 'delete',
    synonym: 'log.cleanup.policy',
    documentation:
      'What retention does: removes old records (delete), keeps the newest of each key (compact), both, or nothing (empty).',
    check: cleanupPolicy,
  }),
  effective({
    name: 'compression.type',
    type: Text,
    usual: 'producer',
    synonym: 'compression.type',
    documentation:
      'Compression of the batches as they are kept: producer is as they come; others are compressed anew.',
    check: oneOf('producer', 'uncompressed', ...COMPRESSIONS),
  }),
  effective({
    name: 'delete.retention.ms',
    type: Long,
    usual: String(DAY_MS),
    synonym: 'log.cleaner.delete.retention.ms',
    documentation: 'How long a compacted topic keeps the deletion of a key.',
    check: wholeNumber(0, LONG_MAX),
  }),
  effective({
    name: 'flush.messages',
    type: Long,
    usual: JAVA_LONG_MAX,
    synonym: 'log.flush.interval.messages',
    documentation:
      'Whatever is set: each acknowledged batch is on the disk. Otherwise kafka.durability says.',
    check: wholeNumber(1, LONG_MAX),
  }),
  effective({
    name: 'flush.ms',
    type: Long,
    usual: JAVA_LONG_MAX,
    synonym: 'log.flush.interval.ms',
    documentation:
      'Whatever is set: each acknowledged batch is on the disk. Otherwise kafka.durability says.',
    check: wholeNumber(0, LONG_MAX),
  }),
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
    documentation: 'Replicas that acks=all needs, of those that there can be: there is one, which is enough.',
    check: wholeNumber(1, INT_MAX),
  }),
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
      'Where the partitions of the topic live: journal, memory (within storage.memory.maxSize: close to it the oldest records go), or object. Only when the topic is made.',
    isFixed: true,
    check: oneOf('journal', 'memory', 'object'),
  }),
  effective({
    name: 'robustmq.validation',
    type: Text,
    usual: 'relaxed',
    documentation:
      'Whether compressed records are opened before they are stored, so that what nobody can open is refused: strict, or relaxed.',
    check: oneOf('relaxed', 'strict'),
  }),
  effective({
    name: 'segment.bytes',
    type: Int,
    usual: String(GiB),
    synonym: 'log.segment.bytes',
    documentation:
      'No batch may be larger; at least 1 MiB, as in Kafka. Segments are those of the journal, which all partitions share.',
    check: wholeNumber(MIN_SEGMENT_BYTES, INT_MAX),
  }),
];

export const topicConfigs: ReadonlyMap<string, TopicConfig> = new Map(
  [...all, ...fileConfigs].toSorted((a, b) => (a.name < b.name ? -1 : 1)).map((each) => [each.name, each]),
);

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
export function understand(overrides: Overrides, config: TopicsConfig): TopicSettings {
  const text = (name: string): string => overrides.get(name) ?? topicConfigs.get(name)?.default(config) ?? '';
  const number = (name: string): number => {
    const value = text(name);
    return value === JAVA_LONG_MAX ? Number.POSITIVE_INFINITY : Number(value);
  };
  const retentionMs = number('retention.ms');
  const retentionBytes = number('retention.bytes');
  const cleanup = new Set(listOf(text('cleanup.policy')));
  const storage = text('robustmq.storage');
  const compression = text('compression.type');
  return {
    cleanup: cleanup.size === 2 ? 'both' : cleanup.has('compact') ? 'compact' : 'delete',
    maxMessageBytes: number('max.message.bytes'),
    timestampType: text('message.timestamp.type') === 'LogAppendTime' ? 'LogAppendTime' : 'CreateTime',
    timestampBeforeMaxMs: number('message.timestamp.before.max.ms'),
    timestampAfterMaxMs: number('message.timestamp.after.max.ms'),
    retentionMs: retentionMs < 0 || cleanup.size === 0 ? Number.POSITIVE_INFINITY : retentionMs,
    // Zero bytes means "keep nothing that can go", which one byte says as well: zero is our "no limit".
    retentionBytes:
      retentionBytes < 0 || !Number.isFinite(retentionBytes) || cleanup.size === 0
        ? 0
        : Math.max(1, retentionBytes),
    delays: text('robustmq.delay.enable') === 'true',
    deadLetterTopic: text('robustmq.dead.letter.topic'),
    removesSettled: text('robustmq.retention.settled') === 'true',
    tombstoneMs: number('delete.retention.ms'),
    segmentBytes: number('segment.bytes'),
    minDirtyRatio: number('min.cleanable.dirty.ratio'),
    minCompactionLagMs: number('min.compaction.lag.ms'),
    maxCompactionLagMs: number('max.compaction.lag.ms'),
    compression:
      COMPRESSIONS.find((each) => each === compression) ?? (compression === 'producer' ? 'producer' : 'none'),
    isStrict: text('robustmq.validation') === 'strict',
    isSynced: Number.isFinite(number('flush.messages')) || Number.isFinite(number('flush.ms')),
    storage: storage === 'memory' || storage === 'object' ? storage : 'journal',
  };
}
