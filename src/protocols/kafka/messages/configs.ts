/** Configuration of topics, brokers and the rest. */
import { array, bool, int8, int16, int32, string, structs } from '../schema/fields.ts';
import { message } from '../schema/message.ts';

/** What has configurations, as the protocol numbers it. */
export const ConfigResource = { Topic: 2, Broker: 4, BrokerLogger: 8, ClientMetrics: 16, Group: 32 } as const;

export const describeConfigsRequest = message(
  'DescribeConfigsRequest',
  { versions: '0-4', flexible: '4+' },
  {
    resources: structs({
      resourceType: int8(),
      resourceName: string({ entity: 'configResource' }),
      configurationKeys: array(string(), { nullable: '0+' }),
    }),
    includeSynonyms: bool({ in: '1+', default: false }),
    includeDocumentation: bool({ in: '3+', default: false }),
  },
);

export const describeConfigsResponse = message(
  'DescribeConfigsResponse',
  { versions: '0-4', flexible: '4+' },
  {
    throttleTimeMs: int32(),
    results: structs({
      errorCode: int16(),
      errorMessage: string({ entity: 'message', nullable: '0+' }),
      resourceType: int8(),
      resourceName: string({ entity: 'configResource' }),
      configs: structs({
        name: string(),
        value: string({ nullable: '0+' }),
        readOnly: bool(),
        isDefault: bool({ in: '0' }),
        configSource: int8({ in: '1+', default: -1 }),
        isSensitive: bool(),
        synonyms: structs(
          {
            name: string(),
            value: string({ nullable: '1+' }),
            source: int8(),
          },
          { in: '1+' },
        ),
        configType: int8({ in: '3+', default: 0 }),
        documentation: string({ in: '3+', nullable: '3+' }),
      }),
    }),
  },
);

export const alterConfigsRequest = message(
  'AlterConfigsRequest',
  { versions: '0-2', flexible: '2+' },
  {
    resources: structs({
      resourceType: int8(),
      resourceName: string({ entity: 'configResource' }),
      configs: structs({
        name: string(),
        value: string({ nullable: '0+' }),
      }),
    }),
    validateOnly: bool(),
  },
);

export const alterConfigsResponse = message(
  'AlterConfigsResponse',
  { versions: '0-2', flexible: '2+' },
  {
    throttleTimeMs: int32(),
    responses: structs({
      errorCode: int16(),
      errorMessage: string({ entity: 'message', nullable: '0+' }),
      resourceType: int8(),
      resourceName: string({ entity: 'configResource' }),
    }),
  },
);

export const incrementalAlterConfigsRequest = message(
  'IncrementalAlterConfigsRequest',
  { versions: '0-1', flexible: '1+' },
  {
    resources: structs({
      resourceType: int8(),
      resourceName: string({ entity: 'configResource' }),
      configs: structs({
        name: string(),
        configOperation: int8(),
        value: string({ nullable: '0+' }),
      }),
    }),
    validateOnly: bool(),
  },
);

export const incrementalAlterConfigsResponse = message(
  'IncrementalAlterConfigsResponse',
  { versions: '0-1', flexible: '1+' },
  {
    throttleTimeMs: int32(),
    responses: structs({
      errorCode: int16(),
      errorMessage: string({ entity: 'message', nullable: '0+' }),
      resourceType: int8(),
      resourceName: string({ entity: 'configResource' }),
    }),
  },
);

export const listConfigResourcesRequest = message(
  'ListConfigResourcesRequest',
  { versions: '0-1', flexible: '0+' },
  {
    resourceTypes: array(int8(), { in: '1+' }),
  },
);

export const listConfigResourcesResponse = message(
  'ListConfigResourcesResponse',
  { versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    configResources: structs({
      resourceName: string({ entity: 'configResource' }),
      resourceType: int8({ in: '1+', default: 16 }),
    }),
  },
);
