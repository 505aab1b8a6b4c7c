/**
 * Which handler serves which API: the one table from which ApiVersions answers, requests are dispatched, and the table of
 * conformance is written.
 */
import { adminHandlers } from './admin/admin.ts';
import { apiVersionsAnswer } from './api-versions.ts';
import { fetch } from './fetch/fetch.ts';
import { groupHandlers } from './groups/requests.ts';
import type { ApiName, Handler, HandlerTable } from './handlers.ts';
import { type Api, Apis } from './messages/apis.ts';
import { deleteRecords, listOffsets, offsetForLeaderEpoch } from './offsets/offsets.ts';
import { produce } from './produce/produce.ts';
import { producerHandlers } from './producers/requests.ts';
import { bounded } from './security/boundary.ts';
import { noted } from './security/noted.ts';
import { securityHandlers } from './security/security.ts';
import { counted } from './security/tenant-counts.ts';
import { shareHandlers } from './share/requests.ts';
import { alterConfigs, describeConfigs, incrementalAlterConfigs } from './topics/config-handlers.ts';
import { createPartitions, createTopics } from './topics/create.ts';
import { deleteTopics } from './topics/delete.ts';
import { describeCluster, describeTopicPartitions, metadata } from './topics/metadata.ts';

export const handlers: HandlerTable = {
  produce,
  fetch,
  listOffsets,
  metadata,
  createTopics,
  deleteTopics,
  createPartitions,
  describeConfigs,
  alterConfigs,
  incrementalAlterConfigs,
  deleteRecords,
  offsetForLeaderEpoch,
  describeCluster,
  describeTopicPartitions,
  ...groupHandlers,
  ...shareHandlers,
  ...producerHandlers,
  ...securityHandlers,
  ...adminHandlers,
  apiVersions: ({ config }, { version, request }) =>
    apiVersionsAnswer(
      config.kafka.telemetry.endpoint === '' ? withoutTelemetry : servedApis,
      version,
      request,
    ),
};

/** In the order of the table above. */
export const servedApis: readonly Api[] = (Object.keys(handlers) as ApiName[]).map((name) => Apis[name]);

/** Who is offered them uses them. */
const withoutTelemetry = servedApis.filter(
  (api) => api !== Apis.getTelemetrySubscriptions && api !== Apis.pushTelemetry,
);

const byKey: ReadonlyMap<number, Handler<Api>> = new Map(
  Object.entries(handlers).map(([text, handler]) => {
    const name = text as ApiName;
    const api = Apis[name];
    return [api.key, bounded(api, counted(api, noted(name, handler as Handler<Api>)))];
  }),
);

export const handlerOf = (api: Api): Handler<Api> | undefined => byKey.get(api.key);
