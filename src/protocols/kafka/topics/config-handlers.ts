/** DescribeConfigs, AlterConfigs and IncrementalAlterConfigs, by the type of the resource. */
import { alterResource, describeResource } from '../admin/config-resources.ts';
import type { Handler } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ConfigResource } from '../messages/configs.ts';
import { alterTopic, ConfigOperation, describeTopic } from './config-requests.ts';

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
        : describeResource(
            kafka,
            connection,
            { type: resourceType, name: resourceName },
            { keys: configurationKeys, synonyms, documentation },
          )),
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
        : await alterResource(
            kafka,
            connection,
            { type: resourceType, name: resourceName },
            { edits, replace: false, validateOnly: request.validateOnly },
          )),
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
        : await alterResource(
            kafka,
            connection,
            { type: resourceType, name: resourceName },
            {
              edits: configs.map((each) => ({ ...each, configOperation: ConfigOperation.Set })),
              replace: true,
              validateOnly: request.validateOnly,
            },
          )),
    })),
  ),
});
