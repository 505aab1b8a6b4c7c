/** Which partitions a Fetch request is about: all that it names, or what its session has with the request's changes. */
import type { Kafka } from '../context.ts';
import type { Call } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import { tenantNameOf } from '../security/authorizer.ts';
import { type FetchPosition, type FetchSession, nextEpoch, positionKey } from './sessions.ts';

type FetchCall = Call<(typeof Apis)['fetch']>;
type TopicRequest = FetchCall['request']['topics'][number];

export const TOPIC_IDS_SINCE = 13;
const NO_SESSION = 0;
const FINAL_EPOCH = -1;
const FIRST_EPOCH = 0;

export type FetchPlan =
  | { readonly error: ErrorCode }
  | {
      readonly error?: undefined;
      readonly positions: Iterable<FetchPosition>;
      readonly session: FetchSession | undefined;
      /** Only what has changed is answered. */
      readonly isIncremental: boolean;
    };

function* named(topics: readonly TopicRequest[]): Generator<FetchPosition> {
  for (const { topic, topicId, partitions } of topics) {
    for (const each of partitions) {
      yield {
        topic,
        topicId,
        partition: each.partition,
        fetchOffset: each.fetchOffset,
        maxBytes: each.partitionMaxBytes,
        currentLeaderEpoch: each.currentLeaderEpoch,
        lastFetchedEpoch: each.lastFetchedEpoch,
        toldHighWatermark: -1,
        toldStart: -1,
        toldError: false,
      };
    }
  }
}

function enter(session: FetchSession, topics: readonly TopicRequest[]): void {
  for (const position of named(topics)) {
    const key = positionKey(position.topic, position.topicId, position.partition);
    const known = session.positions.get(key);
    if (known === undefined) session.positions.set(key, position);
    else {
      const { fetchOffset, maxBytes, currentLeaderEpoch, lastFetchedEpoch } = position;
      Object.assign(known, { fetchOffset, maxBytes, currentLeaderEpoch, lastFetchedEpoch });
    }
  }
}

export function planFetch({ fetchSessions }: Kafka, { version, request, connection }: FetchCall): FetchPlan {
  const tenant = tenantNameOf(connection);
  const { sessionId, sessionEpoch, topics, forgottenTopicsData } = request;
  const usesIds = version >= TOPIC_IDS_SINCE;
  if (sessionEpoch === FINAL_EPOCH || sessionEpoch === FIRST_EPOCH) {
    // Both begin anew, and end the session that there was.
    if (sessionId !== NO_SESSION) fetchSessions.close(sessionId, tenant);
    const positions = [...named(topics)];
    const isWanted = sessionEpoch === FIRST_EPOCH && positions.length > 0;
    const session = isWanted ? fetchSessions.create(usesIds, tenant) : undefined;
    if (session === undefined) return { positions, session, isIncremental: false };
    enter(session, topics);
    return { positions: session.positions.values(), session, isIncremental: false };
  }
  const session = fetchSessions.get(sessionId, tenant);
  if (session === undefined) return { error: ErrorCode.FETCH_SESSION_ID_NOT_FOUND };
  if (session.usesIds !== usesIds) return { error: ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR };
  if (session.epoch !== sessionEpoch) return { error: ErrorCode.INVALID_FETCH_SESSION_EPOCH };
  session.epoch = nextEpoch(session.epoch);
  enter(session, topics);
  for (const { topic, topicId, partitions } of forgottenTopicsData) {
    for (const partition of partitions) session.positions.delete(positionKey(topic, topicId, partition));
  }
  return { positions: session.positions.values(), session, isIncremental: true };
}
