/**
 * Configurations of topics about things that are not here: files of a partition, replicas, levels of compression, a second
 * tier. Tools and frameworks set them when they make topics, and expect them back: they are kept and shown, and change nothing.
 * Those that would promise something other than what is so cannot be set.
 */
import { DEFAULT_PARTITION_LIMITS } from '../../../kernel/log/limits.ts';
import { ConfigType, INT_MAX, LONG_MAX, oneOf, type TopicConfig, wholeNumber } from './config-kinds.ts';

type FileConfig = readonly [
  name: string,
  type: ConfigType,
  value: string,
  synonym: string | undefined,
  check: (value: string) => string | undefined,
  documentation: string,
];

const { Boolean: Bool, Int, Long, List } = ConfigType;
const WEEK_MS = 7 * 86_400_000;
const isBoolean = oneOf('true', 'false');
/** `*`, or replicas one by one as `partition:broker`. */
const isReplicas = (value: string): string | undefined =>
  /^(?:\*|(?:\d+:\d+(?:,\d+:\d+)*)?)$/.test(value) ? undefined : 'must be * or partition:broker,…';
const levelOfGzip = (value: string): string | undefined =>
  value === '-1' ? undefined : wholeNumber(1, 9)(value);

const kept: readonly FileConfig[] = [
  ['compression.gzip.level', Int, '-1', 'compression.gzip.level', levelOfGzip, 'Level of gzip.'],
  ['compression.lz4.level', Int, '9', 'compression.lz4.level', wholeNumber(1, 17), 'Level of LZ4.'],
  ['compression.zstd.level', Int, '3', 'compression.zstd.level', wholeNumber(-131_072, 22), 'Level of zstd.'],
  [
    'file.delete.delay.ms',
    Long,
    '60000',
    'log.segment.delete.delay.ms',
    wholeNumber(0, LONG_MAX),
    'Files of the journal go when nothing in them is needed.',
  ],
  ['follower.replication.throttled.replicas', List, '', undefined, isReplicas, 'There are no followers.'],
  [
    'index.interval.bytes',
    Int,
    String(DEFAULT_PARTITION_LIMITS.intervalBytes),
    'log.index.interval.bytes',
    wholeNumber(0, INT_MAX),
    `The index of offsets has an entry for every ${DEFAULT_PARTITION_LIMITS.intervalBytes} bytes of a partition, and is in memory.`,
  ],
  ['leader.replication.throttled.replicas', List, '', undefined, isReplicas, 'There are no followers.'],
  [
    'local.retention.bytes',
    Long,
    '-2',
    'log.local.retention.bytes',
    wholeNumber(-2, LONG_MAX),
    'See retention.bytes.',
  ],
  [
    'local.retention.ms',
    Long,
    '-2',
    'log.local.retention.ms',
    wholeNumber(-2, LONG_MAX),
    'See retention.ms.',
  ],
  [
    'preallocate',
    Bool,
    'false',
    'log.preallocate',
    isBoolean,
    'Files of the journal grow as they are written.',
  ],
  [
    'segment.index.bytes',
    Int,
    '10485760',
    'log.index.size.max.bytes',
    wholeNumber(4, INT_MAX),
    'Indexes of offsets are in memory.',
  ],
  [
    'segment.jitter.ms',
    Long,
    '0',
    'log.roll.jitter.ms',
    wholeNumber(0, LONG_MAX),
    'Segments are those of the journal.',
  ],
  [
    'segment.ms',
    Long,
    String(WEEK_MS),
    'log.roll.ms',
    wholeNumber(1, LONG_MAX),
    'Segments are those of the journal.',
  ],
  [
    'unclean.leader.election.enable',
    Bool,
    'false',
    'unclean.leader.election.enable',
    isBoolean,
    'There is one replica.',
  ],
];

const TIER = 'See storage.tier in the configuration of the broker.';
/** A second tier is the broker's, for all topics or for none. */
const fixed: readonly FileConfig[] = (
  ['remote.log.copy.disable', 'remote.log.delete.on.disable', 'remote.storage.enable'] as const
).map((name) => [
  name,
  Bool,
  'false',
  undefined,
  (value) => (value === 'false' ? undefined : 'has no effect in this broker, and can only be false'),
  TIER,
]);

const configOf = (
  [name, type, value, synonym, check, documentation]: FileConfig,
  note: string,
): TopicConfig => ({
  name,
  type,
  synonym,
  check,
  documentation: `${documentation} ${note}`,
  isFixed: false,
  default: ({ topicDefaults }) => topicDefaults?.get(name) ?? value,
});

export const fileConfigs: readonly TopicConfig[] = [
  ...kept.map((each) => configOf(each, 'It is kept and shown, and changes nothing here.')),
  ...fixed.map((each) => configOf(each, 'It cannot be changed here.')),
];
