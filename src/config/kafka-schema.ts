/** The configuration of the Kafka protocol. */
import { kafkaSecuritySchema } from './kafka-security-schema.ts';
import { kafkaShareSchema } from './kafka-share-schema.ts';
import { boolean, bytes, choice, count, live, milliseconds, section, string } from './schema-kit.ts';

const MiB = 1024 * 1024;
const levels = ['memory', 'os', 'sync'] as const;
const DAY_MS = 86_400_000;
const MAX_MS = 2 ** 31 - 1;

export const kafkaSchema = section("Kafka's protocol.", {
  nodeId: count(1, 'Number of this node, as clients are told.', { max: 2 ** 31 - 1 }),
  clusterId: string(
    '',
    'Identity of the cluster, as clients are told; empty takes that of the data directory.',
    {
      maxLength: 64,
      expected: 'letters, digits, and _ -',
      accepts: (text) => /^[\w-]*$/.test(text),
    },
  ),
  advertisedHost: string(
    '',
    'Host at which clients are to find this node; empty is the address, or the TLS server name, that each of them dialled.',
    { maxLength: 253 },
  ),
  advertisedPort: count(
    0,
    'Port at which clients are to find this node; 0 is the one that each of them dialled.',
    {
      max: 65_535,
    },
  ),
  autoCreateTopics: live(
    boolean(true, 'Whether asking for a topic creates it, where the client allows that.'),
  ),
  numPartitions: live(count(1, 'Partitions of a topic that does not say how many.', { min: 1, max: 65_536 })),
  maxMessageBytes: bytes(1_048_588, 'Largest batch of records where a topic says nothing else.', {
    min: 1024,
    max: 8 * MiB,
  }),
  maxRequestBytes: bytes(100 * MiB, 'Largest request.', { min: 64 * 1024, max: 256 * MiB }),
  maxInFlightBytes: bytes(
    512 * MiB,
    'Memory of all requests that are arriving or under way; who brings more is disconnected.',
    { min: MiB },
  ),
  maxIdleMs: live(
    milliseconds(600_000, 'Connections on which nothing happens are closed.', {
      min: 1000,
      max: MAX_MS,
    }),
  ),
  maxFetchSessions: count(1000, 'Fetch sessions; the one not used for longest gives way.', {
    max: 1_000_000,
  }),
  maxFetchBytes: live(
    bytes(55 * MiB, 'Most bytes of records in an answer to Fetch.', {
      min: MiB,
      max: 1024 * MiB,
    }),
  ),
  durability: section('What an acknowledgement of Produce means.', {
    leader: choice(levels, 'os', 'With acks=1.'),
    all: choice(levels, 'sync', 'With acks=all.'),
    offsets: choice(levels, 'sync', 'Of committed offsets, group and transaction state.'),
  }),
  groups: section('Consumer groups.', {
    maxGroups: count(100_000, 'Most groups.', { min: 1, max: 10_000_000 }),
    maxMembers: count(10_000, 'Most members of a group.', { min: 1, max: 1_000_000 }),
    initialRebalanceDelayMs: milliseconds(0, 'How long a new group waits for more members.', {
      max: 600_000,
    }),
    minSessionTimeoutMs: milliseconds(6000, 'Shortest session time-out of a member.', {
      min: 1,
      max: MAX_MS,
    }),
    maxSessionTimeoutMs: milliseconds(1_800_000, 'Longest session time-out of a member.', {
      min: 1,
      max: MAX_MS,
    }),
    sessionTimeoutMs: milliseconds(
      45_000,
      'Session time-out of members that leave it to the broker (KIP-848).',
      {
        min: 1000,
        max: MAX_MS,
      },
    ),
    heartbeatIntervalMs: milliseconds(5000, 'Heartbeats of members that leave it to the broker (KIP-848).', {
      min: 100,
      max: MAX_MS,
    }),
    migrationPolicy: choice(
      ['bidirectional', 'upgrade', 'downgrade', 'disabled'],
      'bidirectional',
      'Which groups with members may change to the other protocol: to that in which the broker assigns (upgrade) when such a member joins, back when the last of them has gone.',
    ),
    offsetsRetentionMs: milliseconds(7 * DAY_MS, 'How long offsets of a group without members are kept.', {
      min: 1000,
      max: 3650 * DAY_MS,
    }),
    maxOffsetMetadataBytes: bytes(4096, 'Largest metadata of a committed offset.', { max: 32_767 }),
  }),
  shareGroups: kafkaShareSchema,
  telemetry: section('Metrics that clients push (KIP-714); administrators set which (client-metrics).', {
    endpoint: string(
      '',
      'Where they go on to: a collector that takes OpenTelemetry over HTTP, such as http://127.0.0.1:4318/v1/metrics. Without it no client is asked for any.',
      {
        maxLength: 2048,
        expected: 'an http or https address',
        accepts: (text) => text === '' || (URL.canParse(text) && /^https?:/.test(text)),
      },
    ),
    maxPushBytes: bytes(MiB, 'Largest push.', { min: 1024, max: 16 * MiB }),
  }),
  security: kafkaSecuritySchema,
});
