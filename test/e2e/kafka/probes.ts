/** A request of every API, and what refuses it to who has no rule. */
import { type Api, Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import { batchOf, produceRequest, ZERO } from './batches.ts';

export const T = 'secret';
export const G = 'secret-group';
export const X = 'secret-transaction';
const partition = { partition: 0, partitionIndex: 0, currentLeaderEpoch: -1 };

const {
  TOPIC_AUTHORIZATION_FAILED: topic,
  GROUP_AUTHORIZATION_FAILED: group,
  CLUSTER_AUTHORIZATION_FAILED: cluster,
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: transaction,
} = ErrorCode;

export interface Probe {
  readonly api: Api;
  readonly version: number;
  readonly request: object;
  /** What is refused; undefined where the answer is empty instead. */
  readonly refusal: ErrorCode | undefined;
  readonly what?: string;
}

const share = { groupId: G, memberId: 'm', shareSessionEpoch: 0, topics: [] };
const shareProbes: readonly Probe[] = [
  {
    api: Apis.shareGroupHeartbeat,
    version: 1,
    request: { groupId: G, memberId: 'm', memberEpoch: 0, rackId: null, subscribedTopicNames: [T] },
    refusal: group,
  },
  {
    api: Apis.shareGroupDescribe,
    version: 1,
    request: { groupIds: [G], includeAuthorizedOperations: false },
    refusal: group,
  },
  {
    api: Apis.shareFetch,
    version: 2,
    request: {
      ...share,
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 1,
      maxRecords: 1,
      batchSize: 1,
      forgottenTopicsData: [],
    },
    refusal: group,
  },
  { api: Apis.shareAcknowledge, version: 2, request: { ...share, shareSessionEpoch: 1 }, refusal: group },
  {
    api: Apis.describeShareGroupOffsets,
    version: 1,
    request: { groups: [{ groupId: G, topics: null }] },
    refusal: group,
  },
  { api: Apis.alterShareGroupOffsets, version: 0, request: { groupId: G, topics: [] }, refusal: group },
  { api: Apis.deleteShareGroupOffsets, version: 0, request: { groupId: G, topics: [] }, refusal: group },
];

const txn = { transactionalId: X, producerId: 1, producerEpoch: 0 };
export const probes: readonly Probe[] = [
  { api: Apis.produce, version: 9, request: produceRequest(T, batchOf('x')), refusal: topic },
  {
    api: Apis.fetch,
    version: 12,
    refusal: topic,
    request: {
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 1000,
      isolationLevel: 0,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [
        {
          topic: T,
          topicId: ZERO,
          partitions: [
            {
              ...partition,
              fetchOffset: 0,
              lastFetchedEpoch: -1,
              logStartOffset: 0,
              partitionMaxBytes: 1000,
            },
          ],
        },
      ],
      forgottenTopicsData: [],
      rackId: '',
    },
  },
  {
    api: Apis.listOffsets,
    version: 6,
    request: {
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ name: T, partitions: [{ ...partition, timestamp: -1 }] }],
    },
    refusal: topic,
  },
  {
    api: Apis.metadata,
    version: 9,
    request: { topics: [{ name: T }], allowAutoTopicCreation: false },
    refusal: topic,
    what: 'a topic',
  },
  {
    api: Apis.metadata,
    version: 9,
    request: { topics: null, allowAutoTopicCreation: false },
    refusal: undefined,
    what: 'all topics',
  },
  {
    api: Apis.metadata,
    version: 9,
    request: { topics: [{ name: 'made-by-asking' }], allowAutoTopicCreation: true },
    refusal: topic,
    what: 'a topic to be made',
  },
  {
    api: Apis.createTopics,
    version: 5,
    request: {
      topics: [{ name: 'new', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
      timeoutMs: 100,
      validateOnly: false,
    },
    refusal: topic,
  },
  { api: Apis.deleteTopics, version: 5, request: { topicNames: [T], timeoutMs: 100 }, refusal: topic },
  {
    api: Apis.createPartitions,
    version: 2,
    request: { topics: [{ name: T, count: 5, assignments: null }], timeoutMs: 100, validateOnly: false },
    refusal: topic,
  },
  {
    api: Apis.deleteRecords,
    version: 2,
    request: { topics: [{ name: T, partitions: [{ ...partition, offset: 1 }] }], timeoutMs: 100 },
    refusal: topic,
  },
  {
    api: Apis.offsetForLeaderEpoch,
    version: 4,
    request: { replicaId: -1, topics: [{ topic: T, partitions: [{ ...partition, leaderEpoch: 0 }] }] },
    refusal: topic,
  },
  {
    api: Apis.describeTopicPartitions,
    version: 0,
    request: { topics: [{ name: T }], responsePartitionLimit: 10, cursor: null },
    refusal: topic,
  },
  {
    api: Apis.describeConfigs,
    version: 4,
    request: {
      resources: [{ resourceType: 2, resourceName: T, configurationKeys: null }],
      includeSynonyms: false,
      includeDocumentation: false,
    },
    refusal: topic,
  },
  {
    api: Apis.alterConfigs,
    version: 2,
    request: { resources: [{ resourceType: 2, resourceName: T, configs: [] }], validateOnly: false },
    refusal: topic,
  },
  {
    api: Apis.incrementalAlterConfigs,
    version: 1,
    request: { resources: [{ resourceType: 2, resourceName: T, configs: [] }], validateOnly: false },
    refusal: topic,
  },
  {
    api: Apis.findCoordinator,
    version: 3,
    request: { key: G, keyType: 0 },
    refusal: group,
    what: 'of a group',
  },
  {
    api: Apis.findCoordinator,
    version: 3,
    request: { key: X, keyType: 1 },
    refusal: transaction,
    what: 'of a transaction',
  },
  {
    api: Apis.joinGroup,
    version: 5,
    request: {
      groupId: G,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      memberId: '',
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
    },
    refusal: group,
  },
  {
    api: Apis.syncGroup,
    version: 3,
    request: { groupId: G, generationId: 1, memberId: 'm', groupInstanceId: null, assignments: [] },
    refusal: group,
  },
  {
    api: Apis.heartbeat,
    version: 3,
    request: { groupId: G, generationId: 1, memberId: 'm', groupInstanceId: null },
    refusal: group,
  },
  {
    api: Apis.leaveGroup,
    version: 3,
    request: { groupId: G, members: [{ memberId: 'm', groupInstanceId: null }] },
    refusal: group,
  },
  {
    api: Apis.offsetCommit,
    version: 7,
    request: {
      groupId: G,
      generationIdOrMemberEpoch: -1,
      memberId: '',
      groupInstanceId: null,
      topics: [
        {
          name: T,
          partitions: [{ ...partition, committedOffset: 1, committedLeaderEpoch: -1, committedMetadata: '' }],
        },
      ],
    },
    refusal: group,
  },
  {
    api: Apis.offsetFetch,
    version: 7,
    request: { groupId: G, topics: [{ name: T, partitionIndexes: [0] }], requireStable: false },
    refusal: group,
  },
  {
    api: Apis.offsetDelete,
    version: 0,
    request: { groupId: G, topics: [{ name: T, partitions: [partition] }] },
    refusal: group,
  },
  {
    api: Apis.describeGroups,
    version: 5,
    request: { groups: [G], includeAuthorizedOperations: false },
    refusal: group,
  },
  { api: Apis.deleteGroups, version: 2, request: { groupsNames: [G] }, refusal: group },
  { api: Apis.listGroups, version: 4, request: { statesFilter: [] }, refusal: undefined },
  {
    api: Apis.consumerGroupHeartbeat,
    version: 0,
    request: {
      groupId: G,
      memberId: '',
      memberEpoch: 0,
      rebalanceTimeoutMs: 1000,
      subscribedTopicNames: [T],
      topicPartitions: [],
    },
    refusal: group,
  },
  {
    api: Apis.consumerGroupDescribe,
    version: 0,
    request: { groupIds: [G], includeAuthorizedOperations: false },
    refusal: group,
  },
  {
    api: Apis.initProducerId,
    version: 4,
    request: { transactionalId: null, transactionTimeoutMs: 1000 },
    refusal: cluster,
    what: 'for idempotence',
  },
  {
    api: Apis.initProducerId,
    version: 4,
    request: { transactionalId: X, transactionTimeoutMs: 1000 },
    refusal: transaction,
    what: 'for transactions',
  },
  {
    api: Apis.addPartitionsToTxn,
    version: 3,
    request: {
      v3AndBelowTransactionalId: X,
      v3AndBelowProducerId: 1,
      v3AndBelowProducerEpoch: 0,
      v3AndBelowTopics: [{ name: T, partitions: [0] }],
    },
    refusal: transaction,
  },
  { api: Apis.addOffsetsToTxn, version: 3, request: { ...txn, groupId: G }, refusal: transaction },
  { api: Apis.endTxn, version: 3, request: { ...txn, committed: true }, refusal: transaction },
  {
    api: Apis.txnOffsetCommit,
    version: 3,
    request: {
      ...txn,
      groupId: G,
      generationId: -1,
      memberId: '',
      groupInstanceId: null,
      topics: [
        {
          name: T,
          partitions: [{ ...partition, committedOffset: 1, committedLeaderEpoch: -1, committedMetadata: '' }],
        },
      ],
    },
    refusal: transaction,
  },
  {
    api: Apis.describeProducers,
    version: 0,
    request: { topics: [{ name: T, partitionIndexes: [0] }] },
    refusal: topic,
  },
  { api: Apis.describeTransactions, version: 0, request: { transactionalIds: [X] }, refusal: transaction },
  {
    api: Apis.listTransactions,
    version: 0,
    request: { stateFilters: [], producerIdFilters: [] },
    refusal: undefined,
  },
  {
    api: Apis.writeTxnMarkers,
    version: 1,
    request: {
      markers: [
        {
          producerId: 1,
          producerEpoch: 0,
          transactionResult: false,
          topics: [{ name: T, partitionIndexes: [0] }],
          coordinatorEpoch: 0,
        },
      ],
    },
    refusal: cluster,
  },
  ...shareProbes,
  {
    api: Apis.describeAcls,
    version: 2,
    request: {
      resourceTypeFilter: 1,
      resourceNameFilter: null,
      patternTypeFilter: 1,
      principalFilter: null,
      hostFilter: null,
      operation: 1,
      permissionType: 1,
    },
    refusal: cluster,
  },
  {
    api: Apis.createAcls,
    version: 2,
    request: {
      creations: [
        {
          resourceType: 2,
          resourceName: T,
          resourcePatternType: 3,
          principal: 'User:ANONYMOUS',
          host: '*',
          operation: 2,
          permissionType: 3,
        },
      ],
    },
    refusal: cluster,
  },
  {
    api: Apis.deleteAcls,
    version: 2,
    request: {
      filters: [
        {
          resourceTypeFilter: 1,
          resourceNameFilter: null,
          patternTypeFilter: 1,
          principalFilter: null,
          hostFilter: null,
          operation: 1,
          permissionType: 1,
        },
      ],
    },
    refusal: cluster,
  },
  { api: Apis.describeUserScramCredentials, version: 0, request: { users: null }, refusal: cluster },
  {
    api: Apis.alterUserScramCredentials,
    version: 0,
    request: { deletions: [{ name: 'a', mechanism: 1 }], upsertions: [] },
    refusal: cluster,
  },
  {
    api: Apis.describeClientQuotas,
    version: 1,
    request: { components: [], strict: false },
    refusal: cluster,
  },
  {
    api: Apis.alterClientQuotas,
    version: 1,
    request: {
      entries: [{ entity: [{ entityType: 'user', entityName: null }], ops: [] }],
      validateOnly: false,
    },
    refusal: cluster,
  },
  { api: Apis.describeLogDirs, version: 4, request: { topics: null }, refusal: cluster },
  {
    api: Apis.electLeaders,
    version: 2,
    request: { electionType: 0, topicPartitions: null, timeoutMs: 100 },
    refusal: cluster,
  },
  {
    api: Apis.listPartitionReassignments,
    version: 0,
    request: { timeoutMs: 100, topics: null },
    refusal: cluster,
  },
  { api: Apis.listConfigResources, version: 1, request: { resourceTypes: [] }, refusal: cluster },
  {
    api: Apis.updateFeatures,
    version: 1,
    request: { featureUpdates: [], validateOnly: false },
    refusal: cluster,
  },
  {
    api: Apis.describeConfigs,
    version: 4,
    request: {
      resources: [{ resourceType: 4, resourceName: '1', configurationKeys: null }],
      includeSynonyms: false,
      includeDocumentation: false,
    },
    refusal: cluster,
    what: 'of the broker',
  },
];
