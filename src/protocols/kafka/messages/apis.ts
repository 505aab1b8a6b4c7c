/**
 * What lives here: the messages of all APIs that clients may use, in the notation of ../schema, by subject; the table of APIs; error
 * codes; headers and frames. The facts are those of the published definitions: the oldest versions as in Kafka 3.9, the newest as in
 * 4.2. Not here: what a request does.
 */
import type { Message } from '../schema/message.ts';
import type { VersionRange } from '../schema/versions.ts';
import {
  createAclsRequest,
  createAclsResponse,
  deleteAclsRequest,
  deleteAclsResponse,
  describeAclsRequest,
  describeAclsResponse,
} from './acls.ts';
import {
  findCoordinatorRequest,
  findCoordinatorResponse,
  heartbeatRequest,
  heartbeatResponse,
  joinGroupRequest,
  joinGroupResponse,
  leaveGroupRequest,
  leaveGroupResponse,
  syncGroupRequest,
  syncGroupResponse,
} from './classic-group.ts';
import {
  alterConfigsRequest,
  alterConfigsResponse,
  describeConfigsRequest,
  describeConfigsResponse,
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
  listConfigResourcesRequest,
  listConfigResourcesResponse,
} from './configs.ts';
import {
  apiVersionsRequest,
  apiVersionsResponse,
  saslAuthenticateRequest,
  saslAuthenticateResponse,
  saslHandshakeRequest,
  saslHandshakeResponse,
} from './connection.ts';
import {
  consumerGroupDescribeRequest,
  consumerGroupDescribeResponse,
  consumerGroupHeartbeatRequest,
  consumerGroupHeartbeatResponse,
} from './consumer-group.ts';
import { updateFeaturesRequest, updateFeaturesResponse } from './features.ts';
import {
  deleteGroupsRequest,
  deleteGroupsResponse,
  describeGroupsRequest,
  describeGroupsResponse,
  listGroupsRequest,
  listGroupsResponse,
} from './group-admin.ts';
import {
  offsetCommitRequest,
  offsetCommitResponse,
  offsetDeleteRequest,
  offsetDeleteResponse,
  offsetFetchRequest,
  offsetFetchResponse,
} from './group-offsets.ts';
import {
  describeClusterRequest,
  describeClusterResponse,
  describeTopicPartitionsRequest,
  describeTopicPartitionsResponse,
  metadataRequest,
  metadataResponse,
} from './metadata.ts';
import {
  deleteRecordsRequest,
  deleteRecordsResponse,
  listOffsetsRequest,
  listOffsetsResponse,
  offsetForLeaderEpochRequest,
  offsetForLeaderEpochResponse,
} from './offsets.ts';
import { fetchRequest, fetchResponse, produceRequest, produceResponse } from './produce-fetch.ts';
import {
  alterClientQuotasRequest,
  alterClientQuotasResponse,
  describeClientQuotasRequest,
  describeClientQuotasResponse,
} from './quotas.ts';
import {
  describeLogDirsRequest,
  describeLogDirsResponse,
  electLeadersRequest,
  electLeadersResponse,
  listPartitionReassignmentsRequest,
  listPartitionReassignmentsResponse,
} from './replicas.ts';
import {
  alterUserScramCredentialsRequest,
  alterUserScramCredentialsResponse,
  describeUserScramCredentialsRequest,
  describeUserScramCredentialsResponse,
} from './scram.ts';
import {
  shareAcknowledgeRequest,
  shareAcknowledgeResponse,
  shareFetchRequest,
  shareFetchResponse,
  shareGroupDescribeRequest,
  shareGroupDescribeResponse,
  shareGroupHeartbeatRequest,
  shareGroupHeartbeatResponse,
} from './share-group.ts';
import {
  alterShareGroupOffsetsRequest,
  alterShareGroupOffsetsResponse,
  deleteShareGroupOffsetsRequest,
  deleteShareGroupOffsetsResponse,
  describeShareGroupOffsetsRequest,
  describeShareGroupOffsetsResponse,
} from './share-group-offsets.ts';
import {
  getTelemetrySubscriptionsRequest,
  getTelemetrySubscriptionsResponse,
  pushTelemetryRequest,
  pushTelemetryResponse,
} from './telemetry.ts';
import {
  createPartitionsRequest,
  createPartitionsResponse,
  createTopicsRequest,
  createTopicsResponse,
  deleteTopicsRequest,
  deleteTopicsResponse,
} from './topic-admin.ts';
import {
  describeProducersRequest,
  describeProducersResponse,
  describeTransactionsRequest,
  describeTransactionsResponse,
  listTransactionsRequest,
  listTransactionsResponse,
  writeTxnMarkersRequest,
  writeTxnMarkersResponse,
} from './transaction-admin.ts';
import {
  addOffsetsToTxnRequest,
  addOffsetsToTxnResponse,
  addPartitionsToTxnRequest,
  addPartitionsToTxnResponse,
  endTxnRequest,
  endTxnResponse,
  initProducerIdRequest,
  initProducerIdResponse,
  txnOffsetCommitRequest,
  txnOffsetCommitResponse,
} from './transactions.ts';

export interface Api<Request extends Message = Message, Response extends Message = Message> {
  readonly key: number;
  readonly name: string;
  readonly request: Request;
  readonly response: Response;
  /** The versions that can be read and answered. */
  readonly versions: VersionRange;
}

function api<Request extends Message, Response extends Message>(
  key: number,
  name: string,
  request: Request,
  response: Response,
): Api<Request, Response> {
  return { key, name, request, response, versions: request.versions };
}

export const Apis = {
  produce: api(0, 'Produce', produceRequest, produceResponse),
  fetch: api(1, 'Fetch', fetchRequest, fetchResponse),
  listOffsets: api(2, 'ListOffsets', listOffsetsRequest, listOffsetsResponse),
  metadata: api(3, 'Metadata', metadataRequest, metadataResponse),
  offsetCommit: api(8, 'OffsetCommit', offsetCommitRequest, offsetCommitResponse),
  offsetFetch: api(9, 'OffsetFetch', offsetFetchRequest, offsetFetchResponse),
  findCoordinator: api(10, 'FindCoordinator', findCoordinatorRequest, findCoordinatorResponse),
  joinGroup: api(11, 'JoinGroup', joinGroupRequest, joinGroupResponse),
  heartbeat: api(12, 'Heartbeat', heartbeatRequest, heartbeatResponse),
  leaveGroup: api(13, 'LeaveGroup', leaveGroupRequest, leaveGroupResponse),
  syncGroup: api(14, 'SyncGroup', syncGroupRequest, syncGroupResponse),
  describeGroups: api(15, 'DescribeGroups', describeGroupsRequest, describeGroupsResponse),
  listGroups: api(16, 'ListGroups', listGroupsRequest, listGroupsResponse),
  saslHandshake: api(17, 'SaslHandshake', saslHandshakeRequest, saslHandshakeResponse),
  apiVersions: api(18, 'ApiVersions', apiVersionsRequest, apiVersionsResponse),
  createTopics: api(19, 'CreateTopics', createTopicsRequest, createTopicsResponse),
  deleteTopics: api(20, 'DeleteTopics', deleteTopicsRequest, deleteTopicsResponse),
  deleteRecords: api(21, 'DeleteRecords', deleteRecordsRequest, deleteRecordsResponse),
  initProducerId: api(22, 'InitProducerId', initProducerIdRequest, initProducerIdResponse),
  offsetForLeaderEpoch: api(
    23,
    'OffsetForLeaderEpoch',
    offsetForLeaderEpochRequest,
    offsetForLeaderEpochResponse,
  ),
  addPartitionsToTxn: api(24, 'AddPartitionsToTxn', addPartitionsToTxnRequest, addPartitionsToTxnResponse),
  addOffsetsToTxn: api(25, 'AddOffsetsToTxn', addOffsetsToTxnRequest, addOffsetsToTxnResponse),
  endTxn: api(26, 'EndTxn', endTxnRequest, endTxnResponse),
  writeTxnMarkers: api(27, 'WriteTxnMarkers', writeTxnMarkersRequest, writeTxnMarkersResponse),
  txnOffsetCommit: api(28, 'TxnOffsetCommit', txnOffsetCommitRequest, txnOffsetCommitResponse),
  describeAcls: api(29, 'DescribeAcls', describeAclsRequest, describeAclsResponse),
  createAcls: api(30, 'CreateAcls', createAclsRequest, createAclsResponse),
  deleteAcls: api(31, 'DeleteAcls', deleteAclsRequest, deleteAclsResponse),
  describeConfigs: api(32, 'DescribeConfigs', describeConfigsRequest, describeConfigsResponse),
  alterConfigs: api(33, 'AlterConfigs', alterConfigsRequest, alterConfigsResponse),
  describeLogDirs: api(35, 'DescribeLogDirs', describeLogDirsRequest, describeLogDirsResponse),
  saslAuthenticate: api(36, 'SaslAuthenticate', saslAuthenticateRequest, saslAuthenticateResponse),
  createPartitions: api(37, 'CreatePartitions', createPartitionsRequest, createPartitionsResponse),
  deleteGroups: api(42, 'DeleteGroups', deleteGroupsRequest, deleteGroupsResponse),
  electLeaders: api(43, 'ElectLeaders', electLeadersRequest, electLeadersResponse),
  incrementalAlterConfigs: api(
    44,
    'IncrementalAlterConfigs',
    incrementalAlterConfigsRequest,
    incrementalAlterConfigsResponse,
  ),
  listPartitionReassignments: api(
    46,
    'ListPartitionReassignments',
    listPartitionReassignmentsRequest,
    listPartitionReassignmentsResponse,
  ),
  offsetDelete: api(47, 'OffsetDelete', offsetDeleteRequest, offsetDeleteResponse),
  describeClientQuotas: api(
    48,
    'DescribeClientQuotas',
    describeClientQuotasRequest,
    describeClientQuotasResponse,
  ),
  alterClientQuotas: api(49, 'AlterClientQuotas', alterClientQuotasRequest, alterClientQuotasResponse),
  describeUserScramCredentials: api(
    50,
    'DescribeUserScramCredentials',
    describeUserScramCredentialsRequest,
    describeUserScramCredentialsResponse,
  ),
  alterUserScramCredentials: api(
    51,
    'AlterUserScramCredentials',
    alterUserScramCredentialsRequest,
    alterUserScramCredentialsResponse,
  ),
  updateFeatures: api(57, 'UpdateFeatures', updateFeaturesRequest, updateFeaturesResponse),
  describeCluster: api(60, 'DescribeCluster', describeClusterRequest, describeClusterResponse),
  describeProducers: api(61, 'DescribeProducers', describeProducersRequest, describeProducersResponse),
  describeTransactions: api(
    65,
    'DescribeTransactions',
    describeTransactionsRequest,
    describeTransactionsResponse,
  ),
  listTransactions: api(66, 'ListTransactions', listTransactionsRequest, listTransactionsResponse),
  consumerGroupHeartbeat: api(
    68,
    'ConsumerGroupHeartbeat',
    consumerGroupHeartbeatRequest,
    consumerGroupHeartbeatResponse,
  ),
  consumerGroupDescribe: api(
    69,
    'ConsumerGroupDescribe',
    consumerGroupDescribeRequest,
    consumerGroupDescribeResponse,
  ),
  getTelemetrySubscriptions: api(
    71,
    'GetTelemetrySubscriptions',
    getTelemetrySubscriptionsRequest,
    getTelemetrySubscriptionsResponse,
  ),
  pushTelemetry: api(72, 'PushTelemetry', pushTelemetryRequest, pushTelemetryResponse),
  listConfigResources: api(
    74,
    'ListConfigResources',
    listConfigResourcesRequest,
    listConfigResourcesResponse,
  ),
  describeTopicPartitions: api(
    75,
    'DescribeTopicPartitions',
    describeTopicPartitionsRequest,
    describeTopicPartitionsResponse,
  ),
  shareGroupHeartbeat: api(
    76,
    'ShareGroupHeartbeat',
    shareGroupHeartbeatRequest,
    shareGroupHeartbeatResponse,
  ),
  shareGroupDescribe: api(77, 'ShareGroupDescribe', shareGroupDescribeRequest, shareGroupDescribeResponse),
  shareFetch: api(78, 'ShareFetch', shareFetchRequest, shareFetchResponse),
  shareAcknowledge: api(79, 'ShareAcknowledge', shareAcknowledgeRequest, shareAcknowledgeResponse),
  describeShareGroupOffsets: api(
    90,
    'DescribeShareGroupOffsets',
    describeShareGroupOffsetsRequest,
    describeShareGroupOffsetsResponse,
  ),
  alterShareGroupOffsets: api(
    91,
    'AlterShareGroupOffsets',
    alterShareGroupOffsetsRequest,
    alterShareGroupOffsetsResponse,
  ),
  deleteShareGroupOffsets: api(
    92,
    'DeleteShareGroupOffsets',
    deleteShareGroupOffsetsRequest,
    deleteShareGroupOffsetsResponse,
  ),
} as const;

const byKey: ReadonlyMap<number, Api> = new Map(Object.values(Apis).map((each) => [each.key, each]));

export const apiByKey = (key: number): Api | undefined => byKey.get(key);
