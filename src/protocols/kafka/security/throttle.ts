/** What a request counts for in quotas. */
import { type Api, Apis } from '../messages/apis.ts';
import type { Quotas } from './quotas.ts';

export interface ChargedWork {
  readonly api: Api;
  readonly principal: string;
  readonly clientId: string | null;
  readonly request: unknown;
  readonly requestBytes: number;
  readonly answerBytes: number;
  readonly workMs: number;
}

const FREE: ReadonlySet<number> = new Set([
  Apis.apiVersions.key,
  Apis.saslHandshake.key,
  Apis.saslAuthenticate.key,
]);
const READS: ReadonlySet<number> = new Set([Apis.fetch.key, Apis.shareFetch.key]);
const MUTATIONS: ReadonlySet<number> = new Set([
  Apis.createTopics.key,
  Apis.deleteTopics.key,
  Apis.createPartitions.key,
]);

/** Partitions that a request makes, or topics where it does not say how many. */
function mutationsOf(request: unknown): number {
  const { topics = [], topicNames = [] } = request as {
    readonly topics?: readonly { readonly numPartitions?: number }[];
    readonly topicNames?: readonly string[];
  };
  return topics.reduce((sum, { numPartitions = 1 }) => sum + Math.max(1, numPartitions), topicNames.length);
}

/** How long the connection is to wait, in ms. */
export function throttleMs(quotas: Quotas, work: ChargedWork): number {
  const { api, principal, request, requestBytes, answerBytes, workMs } = work;
  if (!quotas.isEnabled || FREE.has(api.key)) return 0;
  const user = principal.slice(principal.indexOf(':') + 1);
  const clientId = work.clientId ?? '';
  let wait = quotas.charge('request_percentage', user, clientId, workMs);
  if (api.key === Apis.produce.key) {
    wait = Math.max(wait, quotas.charge('producer_byte_rate', user, clientId, requestBytes));
  } else if (READS.has(api.key)) {
    wait = Math.max(wait, quotas.charge('consumer_byte_rate', user, clientId, answerBytes));
  } else if (MUTATIONS.has(api.key)) {
    wait = Math.max(wait, quotas.charge('controller_mutation_rate', user, clientId, mutationsOf(request)));
  }
  return wait;
}
