/** Which resources have a configuration. */
import type { Kafka } from '../context.ts';
import type { Handler } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ConfigResource } from '../messages/configs.ts';
import { ErrorCode } from '../messages/errors.ts';
import { tenantNameOf } from '../security/authorizer.ts';
import { CLUSTER, Operation, ResourceType } from '../security/vocabulary.ts';

const { Topic, Broker, BrokerLogger, ClientMetrics, Group } = ConfigResource;
const ALL: readonly number[] = [Topic, Broker, BrokerLogger, ClientMetrics, Group];
/** The rest is the node's. */
const OF_TENANTS: readonly number[] = [Topic, Group];

/** Of groups, those that have something of their own. */
function namesOf(kafka: Kafka, resourceType: number): string[] {
  if (resourceType === ClientMetrics) return [...kafka.clientMetrics.names()];
  if (resourceType === Group) return [...kafka.groupConfigs.names()];
  if (resourceType === Topic) return Array.from(kafka.topics.list(), ({ name }) => name);
  return resourceType === Broker || resourceType === BrokerLogger ? [String(kafka.broker.nodeId)] : [];
}

export const listConfigResources: Handler<(typeof Apis)['listConfigResources']> = (
  kafka,
  { connection, request, version },
) => {
  const refused = (errorCode: ErrorCode) => ({ throttleTimeMs: 0, errorCode, configResources: [] });
  if (!kafka.authorizer.allows(connection, Operation.DescribeConfigs, ResourceType.Cluster, CLUSTER)) {
    return refused(ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
  }
  const asked = version === 0 ? [ClientMetrics] : request.resourceTypes;
  if (!asked.every((type) => ALL.includes(type))) return refused(ErrorCode.UNSUPPORTED_VERSION);
  const shown = tenantNameOf(connection) === '' ? ALL : OF_TENANTS;
  const types = shown.filter((type) => asked.length === 0 || asked.includes(type));
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    configResources: types.flatMap((resourceType) =>
      namesOf(kafka, resourceType).map((resourceName) => ({ resourceName, resourceType })),
    ),
  };
};
