/**
 * The configurations of the broker under the names that Kafka's clients and tools ask for. What can be changed by clients
 * takes effect at once; the rest shows what the configuration of the node says, or what is always so here.
 */
import { resolve } from 'node:path';
import type { Config, KafkaConfig } from '../../../config/config.ts';
import { ConfigType, topicConfigs } from '../topics/configs.ts';

/** Fields of the configuration that clients may change while the broker runs. */
export interface LiveFields {
  numPartitions: number;
  autoCreateTopics: boolean;
  maxIdleMs: number;
  maxFetchBytes: number;
}

export interface BrokerConfig {
  readonly name: string;
  readonly type: number;
  readonly documentation: string;
  readonly isSensitive: boolean;
  /** Null where there is none to be shown. */
  value(config: Config, nodeId: number): string | null;
  /** Where clients may change it: why a value cannot be, and what it does. */
  readonly change?: {
    check(value: string): string | undefined;
    apply(fields: LiveFields, value: string): void;
  };
}

const { Boolean: Bool, String: Text, Int, Short, Long, List, Class, Password } = ConfigType;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const INT_MAX = 2 ** 31 - 1;

type Value = string | ((config: Config, nodeId: number) => string | number | boolean | null);

const fixed = (name: string, type: number, value: Value, documentation: string): BrokerConfig => ({
  name,
  type,
  documentation,
  isSensitive: false,
  value(config, nodeId) {
    const shown = typeof value === 'string' ? value : value(config, nodeId);
    return shown === null ? null : String(shown);
  },
});

const ofKafka =
  (read: (kafka: KafkaConfig) => string | number | boolean): Value =>
  ({ kafka }) =>
    read(kafka);

type NumberField = { [K in keyof LiveFields]: LiveFields[K] extends number ? K : never }[keyof LiveFields];

const changeableNumber = (
  name: string,
  type: number,
  field: NumberField,
  [min, max]: readonly [number, number],
  documentation: string,
): BrokerConfig => ({
  ...fixed(
    name,
    type,
    ofKafka((kafka) => kafka[field]),
    documentation,
  ),
  change: {
    check(value) {
      const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
      return number >= min && number <= max ? undefined : `must be a whole number from ${min} to ${max}`;
    },
    apply(fields, value) {
      fields[field] = Number(value);
    },
  },
});

const listenerNames = (config: Config): ('kafka' | 'kafkas')[] =>
  (['kafka', 'kafkas'] as const).filter((name) => config.listeners[name].enabled);

const protocolOf = (config: Config, name: string): string => {
  const prefix = config.kafka.security.authentication === 'sasl' ? 'SASL_' : '';
  return `${prefix}${name === 'kafkas' ? 'SSL' : 'PLAINTEXT'}`;
};

const listeners = (config: Config): string =>
  listenerNames(config)
    .map((name) => {
      const { host, port } = config.listeners[name];
      return `${protocolOf(config, name)}://${host.includes(':') ? `[${host}]` : host}:${port}`;
    })
    .join(',');

const advertised = (config: Config): string => {
  const { advertisedHost, advertisedPort } = config.kafka;
  if (advertisedHost === '') return listeners(config);
  return listenerNames(config)
    .map(
      (name) =>
        `${protocolOf(config, name)}://${advertisedHost}:${advertisedPort || config.listeners[name].port}`,
    )
    .join(',');
};

const ofShares = (
  name: string,
  read: (settings: KafkaConfig['shareGroups']) => number,
  documentation: string,
): BrokerConfig =>
  fixed(
    `group.share.${name}`,
    Int,
    ofKafka((kafka) => read(kafka.shareGroups)),
    documentation,
  );

const shareConfigs: readonly BrokerConfig[] = [
  ofShares(
    'delivery.count.limit',
    (each) => each.deliveryCountLimit,
    'How often a record is delivered at most.',
  ),
  ofShares('heartbeat.interval.ms', (each) => each.heartbeatIntervalMs, 'Of members of share groups.'),
  ofShares('max.share.sessions', (each) => each.maxSessions, 'Most share sessions.'),
  ofShares('max.size', (each) => each.maxMembers, 'Most members of a share group.'),
  ofShares(
    'partition.max.record.locks',
    (each) => each.maxRecordLocks,
    'Most records of a partition that are out.',
  ),
  ofShares('record.lock.duration.ms', (each) => each.recordLockMs, 'How long a member has a record.'),
  ofShares('session.timeout.ms', (each) => each.sessionTimeoutMs, 'Of members of share groups.'),
  fixed('group.share.assignors', List, 'simple', 'Who gets which partitions of a share group.'),
];

const own: readonly BrokerConfig[] = [
  fixed(
    'advertised.listeners',
    Text,
    advertised,
    'Where clients find this node; without a setting what each of them dialled.',
  ),
  fixed(
    'authorizer.class.name',
    Text,
    ({ kafka }) => (kafka.security.authorization === 'acl' ? 'acl' : ''),
    'What decides who may do what.',
  ),
  {
    ...fixed(
      'auto.create.topics.enable',
      Bool,
      ofKafka((kafka) => kafka.autoCreateTopics),
      'Whether asking for a topic makes it.',
    ),
    change: {
      check: (value) => (value === 'true' || value === 'false' ? undefined : 'must be true or false'),
      apply(fields, value) {
        fields.autoCreateTopics = value === 'true';
      },
    },
  },
  fixed('auto.leader.rebalance.enable', Bool, 'false', 'One node leads everything.'),
  fixed('background.threads', Int, '1', 'Work in the background is done between requests.'),
  fixed('broker.id', Int, (_config, nodeId) => nodeId, 'Number of this node.'),
  fixed('broker.rack', Text, () => null, 'There is one node.'),
  changeableNumber(
    'connections.max.idle.ms',
    Long,
    'maxIdleMs',
    [1000, INT_MAX],
    'After this long without a request a connection is closed.',
  ),
  fixed(
    'connections.max.reauth.ms',
    Long,
    ofKafka((kafka) => kafka.security.sessionMs),
    'How long a log-in counts; 0 is for ever.',
  ),
  fixed('controller.quorum.voters', List, '', 'There is one node.'),
  fixed('default.replication.factor', Int, '1', 'There is one node.'),
  fixed('delete.topic.enable', Bool, 'true', 'Topics can be deleted.'),
  changeableNumber(
    'fetch.max.bytes',
    Int,
    'maxFetchBytes',
    [1024, 1024 ** 3],
    'Most bytes of records in an answer.',
  ),
  fixed(
    'group.consumer.heartbeat.interval.ms',
    Int,
    ofKafka((kafka) => kafka.groups.heartbeatIntervalMs),
    'Of members whose broker assigns.',
  ),
  fixed(
    'group.consumer.migration.policy',
    Text,
    ofKafka((kafka) => kafka.groups.migrationPolicy),
    'Which groups with members may change to the other protocol.',
  ),
  fixed(
    'group.consumer.session.timeout.ms',
    Int,
    ofKafka((kafka) => kafka.groups.sessionTimeoutMs),
    'Of members whose broker assigns.',
  ),
  fixed('group.coordinator.rebalance.protocols', List, 'classic,consumer,share', 'Protocols of groups.'),
  fixed(
    'group.initial.rebalance.delay.ms',
    Int,
    ofKafka((kafka) => kafka.groups.initialRebalanceDelayMs),
    'How long a new group waits for more members.',
  ),
  fixed(
    'group.max.session.timeout.ms',
    Int,
    ofKafka((kafka) => kafka.groups.maxSessionTimeoutMs),
    'Longest session time-out.',
  ),
  fixed(
    'group.max.size',
    Int,
    ofKafka((kafka) => kafka.groups.maxMembers),
    'Most members of a group.',
  ),
  fixed(
    'group.min.session.timeout.ms',
    Int,
    ofKafka((kafka) => kafka.groups.minSessionTimeoutMs),
    'Shortest session time-out.',
  ),
  ...shareConfigs,
  fixed('inter.broker.protocol.version', Text, '4.2-IV0', 'What tools take as the release.'),
  fixed('listeners', List, listeners, 'Where this node listens.'),
  fixed('log.dir', Text, ({ dataDir }) => resolve(dataDir), 'The data directory.'),
  fixed('log.dirs', List, ({ dataDir }) => resolve(dataDir), 'The data directory.'),
  fixed(
    'log.retention.hours',
    Int,
    (config) => Math.floor(Number(topicConfigs.get('retention.ms')?.default(config)) / HOUR_MS),
    'See log.retention.ms.',
  ),
  fixed('log.retention.minutes', Int, () => null, 'See log.retention.ms.'),
  fixed(
    'max.connections',
    Int,
    (config) => config.limits.maxConnections,
    'Most connections of all protocols.',
  ),
  fixed(
    'max.incremental.fetch.session.cache.slots',
    Int,
    ofKafka((kafka) => kafka.maxFetchSessions),
    'Fetch sessions.',
  ),
  fixed('node.id', Int, (_config, nodeId) => nodeId, 'Number of this node.'),
  fixed('num.io.threads', Int, '1', 'Requests are run by one thread.'),
  fixed('num.network.threads', Int, '1', 'Requests are read by one thread.'),
  changeableNumber(
    'num.partitions',
    Int,
    'numPartitions',
    [1, 65_536],
    'Partitions of a topic that does not say how many.',
  ),
  fixed(
    'offset.metadata.max.bytes',
    Int,
    ofKafka((kafka) => kafka.groups.maxOffsetMetadataBytes),
    'Largest metadata of a committed offset.',
  ),
  fixed(
    'offsets.retention.minutes',
    Int,
    ofKafka((kafka) => Math.floor(kafka.groups.offsetsRetentionMs / MINUTE_MS)),
    'How long offsets of a group without members are kept.',
  ),
  fixed('offsets.topic.num.partitions', Int, '1', 'Offsets are kept in the journal.'),
  fixed('offsets.topic.replication.factor', Short, '1', 'There is one node.'),
  fixed('process.roles', List, 'broker,controller', 'This node is all there is.'),
  fixed(
    'sasl.enabled.mechanisms',
    List,
    ({ kafka: { security } }) =>
      security.authentication === 'none'
        ? ''
        : security.mechanisms.join() || 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'Ways to log in.',
  ),
  { ...fixed('sasl.jaas.config', Password, () => null, 'See kafka.security.users.'), isSensitive: true },
  fixed(
    'socket.request.max.bytes',
    Int,
    ofKafka((kafka) => kafka.maxRequestBytes),
    'Largest request.',
  ),
  { ...fixed('ssl.keystore.password', Password, () => null, 'See listeners.kafkas.tls.'), isSensitive: true },
  fixed(
    'ssl.client.auth',
    Text,
    ({ listeners: { kafkas } }) =>
      ({ none: 'none', request: 'requested', require: 'required' })[kafkas.tls.clientCertificate],
    'Whether clients present a certificate.',
  ),
  fixed(
    'super.users',
    Text,
    ofKafka(({ security }) => security.superUsers.join(';')),
    'Principals who may do everything.',
  ),
  fixed('transaction.state.log.min.isr', Int, '1', 'There is one node.'),
  fixed('transaction.state.log.num.partitions', Int, '1', 'State of transactions is kept in the journal.'),
  fixed('transaction.state.log.replication.factor', Short, '1', 'There is one node.'),
  fixed('unclean.leader.election.enable', Bool, 'false', 'There is one replica.'),
  fixed('metric.reporters', List, '', 'See the metrics of the node.'),
  fixed('principal.builder.class', Class, () => null, 'Principals are users, or what certificates say.'),
];

/** Defaults of topics, by the names that they have for a broker. */
const ofTopics: readonly BrokerConfig[] = [...topicConfigs.values()].flatMap((each) =>
  each.synonym === undefined
    ? []
    : [fixed(each.synonym, each.type, (config) => each.default(config), each.documentation)],
);

export const brokerConfigs: ReadonlyMap<string, BrokerConfig> = new Map(
  [...ofTopics, ...own].toSorted((a, b) => (a.name < b.name ? -1 : 1)).map((each) => [each.name, each]),
);
