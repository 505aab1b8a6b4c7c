/**
 * The configurations of the broker under the names that Kafka's clients and tools ask for. What can be changed by clients
 * takes effect at once; the rest shows what the configuration of the node says, or what is always so here. Values come from
 * where they are in force.
 */
import { resolve } from 'node:path';
import { CLEAN_INTERVAL_MS } from '../../../kernel/streams/streams.ts';
import { ConfigType, topicConfigs } from '../topics/configs.ts';
import { MAX_DESCRIBED_PARTITIONS, MAX_PARTITIONS } from '../topics/limits.ts';
import { accessConfigs } from './broker-access-configs.ts';
import { type BrokerConfig, changeableNumber, fixed, ofKafka } from './broker-config-kinds.ts';
import { groupBrokerConfigs } from './broker-group-configs.ts';

export type { BrokerConfig, Changed, LiveFields } from './broker-config-kinds.ts';

const { Boolean: Bool, String: Text, Int, Long, List } = ConfigType;
const HOUR_MS = 3_600_000;

const own: readonly BrokerConfig[] = [
  {
    ...fixed(
      'auto.create.topics.enable',
      Bool,
      ofKafka((kafka) => kafka.autoCreateTopics),
      'Whether asking for a topic makes it.',
    ),
    change: {
      check: (value) => (value === 'true' || value === 'false' ? undefined : 'must be true or false'),
      apply({ fields }, value) {
        fields.autoCreateTopics = value === 'true';
      },
    },
  },
  fixed('auto.leader.rebalance.enable', Bool, false, 'One node leads everything.'),
  fixed('background.threads', Int, 1, 'Work in the background is done between requests.'),
  fixed('broker.id', Int, (_config, nodeId) => nodeId, 'Number of this node.'),
  fixed('broker.rack', Text, null, 'There is one node.'),
  fixed('controller.quorum.voters', List, '', 'There is one node.'),
  fixed('default.replication.factor', Int, 1, 'There is one node.'),
  fixed('delete.topic.enable', Bool, true, 'Topics can be deleted.'),
  changeableNumber(
    'fetch.max.bytes',
    Int,
    'maxFetchBytes',
    [1024, 1024 ** 3],
    'Most bytes of records in an answer.',
  ),
  fixed('inter.broker.protocol.version', Text, '4.2-IV0', 'What tools take as the release.'),
  fixed('log.cleaner.enable', Bool, true, 'Topics whose cleanup.policy says so are compacted.'),
  fixed('log.dir', Text, ({ dataDir }) => resolve(dataDir), 'The data directory.'),
  fixed('log.dirs', List, ({ dataDir }) => resolve(dataDir), 'The data directory.'),
  fixed(
    'log.retention.check.interval.ms',
    Long,
    CLEAN_INTERVAL_MS,
    'How often partitions are looked at for what is to go, and for what is to be compacted.',
  ),
  fixed(
    'log.retention.hours',
    Int,
    (config) => Math.floor(Number(topicConfigs.get('retention.ms')?.default(config)) / HOUR_MS),
    'What this node has started with; log.retention.ms counts.',
  ),
  fixed('log.retention.minutes', Int, null, 'See log.retention.ms.'),
  fixed(
    'max.incremental.fetch.session.cache.slots',
    Int,
    ofKafka((kafka) => kafka.maxFetchSessions),
    'Fetch sessions.',
  ),
  fixed(
    'max.request.partition.size.limit',
    Int,
    MAX_DESCRIBED_PARTITIONS,
    'Most partitions in an answer to DescribeTopicPartitions.',
  ),
  fixed('metric.reporters', List, '', 'See the metrics of the node.'),
  fixed('node.id', Int, (_config, nodeId) => nodeId, 'Number of this node.'),
  fixed('num.io.threads', Int, 1, 'Requests are run by one thread.'),
  fixed('num.network.threads', Int, 1, 'Requests are read by one thread.'),
  changeableNumber(
    'num.partitions',
    Int,
    'numPartitions',
    [1, MAX_PARTITIONS],
    'Partitions of a topic that does not say how many.',
  ),
  fixed('process.roles', List, 'broker,controller', 'This node is all there is.'),
  fixed(
    'telemetry.max.bytes',
    Int,
    ofKafka((kafka) => kafka.telemetry.maxPushBytes),
    'Largest push of metrics of a client.',
  ),
];

/** Defaults of topics, by the names that they have for a broker; of topics that are there as well. */
const ofTopics: readonly BrokerConfig[] = [...topicConfigs.values()].flatMap((each) =>
  each.synonym === undefined
    ? []
    : [
        {
          ...fixed(each.synonym, each.type, (config) => each.default(config), each.documentation),
          change: {
            check: each.check,
            apply({ topicDefaults }, value) {
              topicDefaults.set(each.name, value);
            },
          },
        },
      ],
);

export const brokerConfigs: ReadonlyMap<string, BrokerConfig> = new Map(
  [...ofTopics, ...own, ...accessConfigs, ...groupBrokerConfigs]
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((each) => [each.name, each]),
);
