/** What a request counts for in quotas. */
import type { Meter } from '../../../security/guard/rates.ts';
import type { Caller } from '../context.ts';
import { type Api, Apis } from '../messages/apis.ts';
import type { Slot } from '../slot.ts';
import type { Quotas } from './quotas.ts';

export interface ChargedWork {
  readonly api: Api;
  readonly principal: string;
  readonly tenant: string;
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

const LENGTH_AT = 8;
const COUNT_AT = 57;
/** Of a batch: its base offset and its length. */
const FRAME_BYTES = 12;

/** Of batches as they were sent, whatever may be wrong with them. */
export function recordsIn(bytes: Uint8Array | null): number {
  if (bytes === null) return 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let count = 0;
  for (let at = 0; at + COUNT_AT + 4 <= view.byteLength; ) {
    count += Math.max(0, view.getInt32(at + COUNT_AT));
    at += FRAME_BYTES + Math.max(0, view.getInt32(at + LENGTH_AT));
  }
  return count;
}

interface Produced {
  readonly topicData: readonly {
    readonly partitionData: readonly { readonly records: Uint8Array | null }[];
  }[];
}

function producedRecords(request: unknown): number {
  let count = 0;
  for (const { partitionData } of (request as Produced).topicData) {
    for (const { records } of partitionData) count += recordsIn(records);
  }
  return count;
}

/** For what was received, by the rates of all protocols. */
function meteredMs(meter: Meter, { api, request, requestBytes }: ChargedWork): number {
  if (FREE.has(api.key)) return 0;
  return Math.ceil(meter.charge(api.key === Apis.produce.key ? producedRecords(request) : 0, requestBytes));
}

/** How long the connection is to wait, in ms, by quotas and by the rates of all protocols. */
export function chargeMs(
  quotas: Quotas,
  {
    principal,
    identity,
    meter,
  }: Pick<Caller, 'principal' | 'identity'> & { readonly meter: Meter | undefined },
  { bytes: requestBytes, answer = [] }: Pick<Slot, 'bytes' | 'answer'>,
  sent: Pick<ChargedWork, 'api' | 'clientId' | 'request' | 'workMs'>,
): number {
  const { api, clientId, request, workMs } = sent;
  const tenant = identity?.tenant ?? '';
  let answerBytes = 0;
  for (const { byteLength } of answer) answerBytes += byteLength;
  const work = { api, principal, tenant, clientId, request, requestBytes, answerBytes, workMs };
  return Math.max(throttleMs(quotas, work), meter === undefined ? 0 : meteredMs(meter, work));
}

/** How long the connection is to wait, in ms. */
export function throttleMs(quotas: Quotas, work: ChargedWork): number {
  const { api, principal, tenant, request, requestBytes, answerBytes, workMs } = work;
  if (!quotas.isEnabled || FREE.has(api.key)) return 0;
  const user = principal.slice(principal.indexOf(':') + 1);
  const clientId = work.clientId ?? '';
  let wait = quotas.charge('request_percentage', user, clientId, workMs, tenant);
  if (api.key === Apis.produce.key) {
    wait = Math.max(wait, quotas.charge('producer_byte_rate', user, clientId, requestBytes, tenant));
  } else if (READS.has(api.key)) {
    wait = Math.max(wait, quotas.charge('consumer_byte_rate', user, clientId, answerBytes, tenant));
  } else if (MUTATIONS.has(api.key)) {
    wait = Math.max(
      wait,
      quotas.charge('controller_mutation_rate', user, clientId, mutationsOf(request), tenant),
    );
  }
  return wait;
}
