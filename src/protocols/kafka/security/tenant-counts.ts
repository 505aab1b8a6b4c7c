/** What a tenant's clients produce and are given, counted under its label. Of clients without a tenant nothing is. */
import type { TenantCounts } from '../../../security/tenants/limits.ts';
import type { Handler } from '../handlers.ts';
import { type Api, Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import type { In, Out } from '../schema/message.ts';
import { tenantNameOf } from './authorizer.ts';
import { recordsIn } from './throttle.ts';

type Produce = (typeof Apis)['produce'];
type Fetch = (typeof Apis)['fetch'];
type ShareFetch = (typeof Apis)['shareFetch'];
type Count = (counts: TenantCounts, request: unknown, answer: unknown) => void;

function countProduced(
  counts: TenantCounts,
  request: Out<Produce['request']>,
  answer: In<Produce['response']>,
): void {
  request.topicData.forEach(({ partitionData }, topic) => {
    partitionData.forEach(({ records }, partition) => {
      const errorCode = answer.responses[topic]?.partitionResponses[partition]?.errorCode;
      if (errorCode === ErrorCode.NONE) counts.messagesReceived.kafka += recordsIn(records);
      else if (errorCode === ErrorCode.TOPIC_AUTHORIZATION_FAILED) counts.denied += recordsIn(records);
    });
  });
}

function countFetched(counts: TenantCounts, _: unknown, { responses }: In<Fetch['response']>): void {
  for (const { partitions } of responses) {
    for (const { records } of partitions) {
      if (records === null || records instanceof Uint8Array) counts.messagesSent.kafka += recordsIn(records);
      else for (const piece of records) counts.messagesSent.kafka += recordsIn(piece);
    }
  }
}

function countShared(counts: TenantCounts, _: unknown, { responses }: In<ShareFetch['response']>): void {
  for (const { partitions } of responses) {
    for (const { acquiredRecords } of partitions) {
      for (const { firstOffset, lastOffset } of acquiredRecords) {
        counts.messagesSent.kafka += lastOffset - firstOffset + 1;
      }
    }
  }
}

const COUNTED: ReadonlyMap<number, Count> = new Map([
  [Apis.produce.key, countProduced as Count],
  [Apis.fetch.key, countFetched as Count],
  [Apis.shareFetch.key, countShared as Count],
]);

export function counted(api: Api, handler: Handler<Api>): Handler<Api> {
  const count = COUNTED.get(api.key);
  if (count === undefined) return handler;
  return (kafka, call) => {
    const answer = handler(kafka, call);
    const tenant = tenantNameOf(call.connection);
    const counts = tenant === '' ? undefined : kafka.security.tenants.countsOf(tenant);
    if (counts === undefined) return answer;
    if (!(answer instanceof Promise)) {
      if (answer !== undefined) count(counts, call.request, answer);
      return answer;
    }
    return answer.then((value) => {
      if (value !== undefined) count(counts, call.request, value);
      return value;
    });
  };
}
