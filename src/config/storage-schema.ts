/** The configuration of what is kept: the journal, its tiers and views, and what topics ask of them. */
import { boolean, bytes, choice, count, list, live, seconds, section, string } from './schema-kit.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;
const never = 0xffffffff;

const filter = (description: string) =>
  string('', description, { expected: 'a topic filter', maxLength: 65_535, accepts: isFilter });
const levels = ['memory', 'os', 'sync'] as const;
const storages = ['memory', 'journal', 'object'] as const;

const bucket = {
  endpoint: string('', 'Address of an S3-compatible store; empty is AWS, found by the region.', {
    expected: 'an http or https address',
    accepts: (text) => text === '' || /^https?:\/\/[^\s/]+/.test(text),
  }),
  region: string('us-east-1', 'Region.', { maxLength: 64 }),
  bucket: string('', 'Bucket. Setting it enables the store.', { maxLength: 255 }),
  directory: string(
    '',
    'A directory instead of a bucket, on one host or on a file system that hosts share and that makes hard links atomically.',
    { maxLength: 4096 },
  ),
  prefix: string('robustmq', 'Start of all keys.', { maxLength: 255 }),
  accessKeyId: string('', 'Access key; empty takes the environment or the machine role, as the SDK does.', {
    maxLength: 255,
  }),
  secretAccessKey: string('', 'Secret of the access key.', { secret: true, maxLength: 255 }),
  pathStyle: boolean(true, 'Bucket in the path instead of the host name.'),
};

export const storageSchema = section('Where and how what was promised to clients is kept.', {
  engine: choice(
    ['files', 'memory'],
    'files',
    'What is under the journal: files in `dataDir`, or memory, which ends with the process.',
  ),
  durability: choice(
    levels,
    'sync',
    'What an acknowledgement means where no topic rule says otherwise: `sync` survives a loss of power, `os` a killed process, `memory` nothing.',
  ),
  segmentBytes: bytes(64 * MiB, 'A segment of the journal is closed at this size.', {
    min: 64 * KiB,
    max: GiB,
  }),
  segmentAgeSeconds: seconds(
    86_400,
    'A segment that has something in it is closed at this age, whatever its size: only closed ones are tiered.',
    { min: 60, max: never, words: { never } },
  ),
  reserveBytes: bytes(16 * MiB, 'Kept free for settlements when the disk is nearly full.', { max: 16 * GiB }),
  watermarkBytes: bytes(256 * MiB, 'Free space below which publishers are refused until there is more.', {
    max: 1024 * GiB,
  }),
  memory: section(
    'What is kept in memory: by the engine `memory`, and for topics and streams with `storage: memory`.',
    {
      maxBytes: bytes(
        0,
        'Most of it. Above 85 % the oldest records of streams and Kafka topics go, except where those are only compacted; when it is full publishers are refused. 0 is half of `limits.memoryWatermarkSize`, which is a share of what there is; otherwise at least 64 MiB.',
        { max: 64 * 1024 * GiB },
      ),
    },
  ),
  messages: section('Messages that wait for durable sessions; each is stored once.', {
    maxMessages: count(20_000_000, 'Most messages.', { min: 1000, max: 2 ** 31 - 1 }),
    maxBytes: bytes(64 * GiB, 'Most bytes on disk.', { min: MiB }),
  }),
  maxPendingBytes: bytes(32 * MiB, 'Waiting to be written before publishers are paused.', {
    min: MiB,
    max: 4 * GiB,
  }),
  cleanerBytesPerSecond: bytes(64 * MiB, 'Most that the cleaner reads and rewrites per second.', {
    min: MiB,
  }),
  views: choice(
    ['auto', 'rocksdb', 'memory'],
    'auto',
    'What holds the views of the journal: RocksDB, memory with snapshots, or RocksDB where it can be loaded.',
  ),
  object: section('The object store for `storage: object` and for tiering.', bucket),
  tier: section('Sealed segments that move to the object store.', {
    enabled: boolean(false, 'Whether sealed segments are uploaded, and removed locally above `localSize`.'),
    localBytes: bytes(10 * GiB, 'Sealed segments kept locally after their upload.', { min: 0 }),
    cacheBytes: bytes(256 * MiB, 'Local cache for reads of what is only in the object store.', { min: MiB }),
  }),
});

export const topicRules = list(
  section('How messages of some topics are kept; the first rule that matches counts.', {
    match: filter('Topics, as a filter.'),
    storage: choice(
      storages,
      'journal',
      '`memory`: messages are lost with the process; `journal`; `object`: acknowledged once the object store has them, too.',
    ),
    durability: choice(['default', ...levels], 'default', 'Overrides `storage.durability`.'),
  }),
  'Rules by topic.',
);

export const streams = list(
  section('A partitioned log of published messages.', {
    name: string('', 'Name.', {
      maxLength: 249,
      expected: 'letters, digits, and . _ -',
      accepts: (text) => /^[\w.-]+$/.test(text) && text !== '.' && text !== '..',
    }),
    capture: list(filter('A topic filter.'), 'Messages published to these topics are appended.', 1024),
    partitions: count(1, 'Partitions.', { min: 1, max: 65_536 }),
    key: choice(
      ['topic', 'client', 'none'],
      'topic',
      'What stays in order: messages of one topic, of one client, or nothing (spread evenly).',
    ),
    storage: choice(storages, 'journal', 'Where the partitions live.'),
    durability: choice(
      ['default', ...levels],
      'default',
      'What the acknowledgement of a captured message means, and when readers see it; `default` is what its topic has.',
    ),
    cleanup: choice(
      ['delete', 'compact'],
      'delete',
      'What retention does: removes the oldest, or keeps the newest message of each key.',
    ),
    retention: section('When messages are removed.', {
      ageSeconds: seconds(never, 'Older ones.', { max: never, words: { never } }),
      size: bytes(0, 'The oldest of a partition that is larger; 0 is no limit.'),
      count: count(0, 'The oldest of a partition that has more messages; 0 is no limit.'),
      settled: boolean(
        false,
        'Those that every consumer group of Kafka has passed which has committed an offset; where none has, they stay.',
      ),
    }),
  }),
  'Streams.',
  1024,
);

export const policies = {
  delay: section('Delayed messages: `$delayed/{seconds}/{topic}`, or a user property.', {
    enabled: boolean(true, 'Whether messages may be delayed.'),
    userProperty: string(
      'robustmq-delay',
      'User property with the delay in seconds; empty looks at topics only.',
      {
        maxLength: 255,
      },
    ),
    maxDelaySeconds: seconds(30 * 86_400, 'Longest delay; more is refused.', { min: 1, max: never }),
    maxMessages: count(1_000_000, 'Most messages waiting for their time.', { max: 4_000_000 }),
  }),
  deadLetter: live(
    section('Messages that could not be delivered are published again elsewhere.', {
      topic: string('', 'Topic; `{topic}` and `{client}` stand for the original ones. Empty keeps none.', {
        maxLength: 1024,
        expected: 'a topic',
        accepts: (text) => !/[#+\0]/.test(text),
      }),
      expired: boolean(true, 'Messages that expired in the queue of a session.'),
      rejected: boolean(true, 'Messages that the subscriber answered with a reason code of 0x80 or more.'),
      overflow: boolean(true, 'Messages given up because a queue was full.'),
      deliveryLimit: count(
        0,
        'Deliveries of a message to one session before it is given up; 0 is no limit.',
        {
          max: 65_535,
        },
      ),
    }),
  ),
  deduplication: section('A message whose identifier was seen before is acknowledged and not delivered.', {
    userProperty: string('', 'User property with the identifier; empty turns deduplication off.', {
      maxLength: 255,
    }),
    scope: choice(['topic', 'client', 'global'], 'topic', 'Where identifiers must differ.'),
    windowSeconds: seconds(300, 'How long an identifier is remembered.', { min: 1, max: 86_400 }),
    maxIds: count(1_000_000, 'Most identifiers remembered; the oldest give way.', {
      min: 1,
      max: 16_000_000,
    }),
  }),
};

export function isFilter(text: string): boolean {
  if (text === '' || text.includes('\0')) return false;
  return text
    .split('/')
    .every((level, i, all) => level === '+' || (level === '#' ? i === all.length - 1 : !/[+#]/.test(level)));
}
