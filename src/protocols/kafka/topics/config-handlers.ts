/** DescribeConfigs, AlterConfigs and IncrementalAlterConfigs, by the type of the resource. */
import type { Handler } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import { alterTopic, ConfigOperation, describeTopic } from './config-requests.ts';

export const ConfigResource = { Topic: 2, Broker: 4, BrokerLogger: 8, ClientMetrics: 16, Group: 32 } as const;

const unknownType = {
  errorCode: ErrorCode.INVALID_REQUEST,
  errorMessage: 'resources of this type have no configuration here',
} as const;

export const describeConfigs: Handler<(typeof Apis)['describeConfigs']> = (kafka, call) => {
  const { request, connection } = call;
  const { includeSynonyms: synonyms, includeDocumentation: documentation } = request;
  return {
    throttleTimeMs: 0,
    results: request.resources.map(({ resourceType, resourceName, configurationKeys }) => ({
      resourceType,
      resourceName,
      ...(resourceType === ConfigResource.Topic
        ? describeTopic(kafka, connection, resourceName, { keys: configurationKeys, synonyms, documentation })
        : { ...unknownType, configs: [] }),
    })),
  };
};

export const incrementalAlterConfigs: Handler<(typeof Apis)['incrementalAlterConfigs']> = async (
  kafka,
  { request, connection },
) => ({
  throttleTimeMs: 0,
  responses: await Promise.all(
    request.resources.map(async ({ resourceType, resourceName, configs: edits }) => ({
      resourceType,
      resourceName,
      ...(resourceType === ConfigResource.Topic
        ? await alterTopic(kafka, connection, resourceName, {
            edits,
            replace: false,
            validateOnly: request.validateOnly,
          })
        : unknownType),
    })),
  ),
});

export const alterConfigs: Handler<(typeof Apis)['alterConfigs']> = async (
  kafka,
  { request, connection },
) => ({
  throttleTimeMs: 0,
  responses: await Promise.all(
    request.resources.map(async ({ resourceType, resourceName, configs }) => ({
      resourceType,
      resourceName,
      ...(resourceType === ConfigResource.Topic
        ? await alterTopic(kafka, connection, resourceName, {
            edits: configs.map((each) => ({ ...each, configOperation: ConfigOperation.Set })),
            replace: true,
            validateOnly: request.validateOnly,
          })
        : unknownType),
    })),
  ),
});
