/**
 * What lives here: the Fetch request: batches as they are stored, at once or as soon as there are enough of them. Not here: where
 * they lie (kernel/log), which transactions were aborted (../produce/gate.ts).
 * Guarantees: a reader sees what is committed, and with read_committed what is decided; the first batch comes whatever its size,
 * so that every reader gets on; nothing is copied on the way out; who waits costs a timer and a watcher for each partition.
 */
import type { EpochEnd, Partition } from '../../../kernel/log/partitions.ts';
import type { Kafka } from '../context.ts';
import type { Call, Handler } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import type { In } from '../schema/message.ts';
import { planFetch } from './plan.ts';
import { abortedBetween, type Batches, divergence, find, NOTHING, readUpTo, visibleEnd } from './read.ts';
import { type FetchPosition, type FetchSession, positionKey } from './sessions.ts';
import { waitForMore } from './wait.ts';

type Fetch = (typeof Apis)['fetch'];
type Answer = In<Fetch['response']>;
type TopicAnswer = Answer['responses'][number];
type PartitionAnswer = TopicAnswer['partitions'][number];

const READ_COMMITTED = 1;
/** So that an answer to one request of many partitions does not hold the loop. */
const UNSET_MAX_BYTES = 0;

interface Result {
  readonly position: FetchPosition;
  readonly partition: Partition | undefined;
  readonly error: ErrorCode;
  readonly batches: Batches;
  readonly diverging: EpochEnd | undefined;
}

interface Round {
  readonly results: readonly Result[];
  readonly bytes: number;
  /** There is something to tell that does not wait for records. */
  readonly isUrgent: boolean;
}

async function readAll(
  kafka: Kafka,
  { connection: caller, memory }: Call<Fetch>,
  positions: readonly FetchPosition[],
  isCommitted: boolean,
  maxBytes: number,
): Promise<Round> {
  const results: Result[] = [];
  let bytes = 0;
  let isUrgent = false;
  for (const position of positions) {
    const { partition, error } = find(kafka, position, caller);
    let result: Result = { position, partition, error, batches: NOTHING, diverging: undefined };
    if (partition !== undefined && error === ErrorCode.NONE) {
      const diverging = divergence(kafka, partition, position);
      const end = visibleEnd(kafka, partition, isCommitted);
      if (diverging !== undefined) result = { ...result, diverging };
      else if (position.fetchOffset < end && (bytes === 0 || bytes < maxBytes)) {
        const room = Math.min(position.maxBytes, maxBytes - bytes);
        const { fetchOffset } = position;
        const batches = await readUpTo(kafka, partition, fetchOffset, end, room, bytes === 0, memory.loan);
        result = { ...result, batches, error: batches.error };
        bytes += batches.bytes;
      }
    }
    if (result.error !== ErrorCode.NONE || result.diverging !== undefined) isUrgent = true;
    results.push(result);
  }
  return { results, bytes, isUrgent };
}

function partitionAnswer(kafka: Kafka, result: Result, isCommitted: boolean): PartitionAnswer {
  const { position, partition, error, batches, diverging } = result;
  const isShown = partition !== undefined;
  return {
    partitionIndex: position.partition,
    errorCode: error,
    highWatermark: isShown ? partition.endOffset : -1,
    lastStableOffset: isShown ? kafka.producers.lastStableOffset(partition) : -1,
    logStartOffset: isShown ? partition.startOffset : -1,
    ...(diverging === undefined ? {} : { divergingEpoch: diverging }),
    abortedTransactions:
      isCommitted && isShown && batches.records.length > 0
        ? abortedBetween(kafka, partition, position.fetchOffset, batches.next)
        : isCommitted
          ? []
          : null,
    records: batches.records,
  };
}

/** Whether the client of a session learns something; remembers what it is told. */
function isNews(session: FetchSession, { position, error, batches, partition, diverging }: Result): boolean {
  const highWatermark = partition?.endOffset ?? -1;
  const start = partition?.startOffset ?? -1;
  const hasError = error !== ErrorCode.NONE;
  const isChanged =
    hasError ||
    position.toldError ||
    diverging !== undefined ||
    batches.records.length > 0 ||
    highWatermark !== position.toldHighWatermark ||
    start !== position.toldStart;
  position.toldHighWatermark = highWatermark;
  position.toldStart = start;
  position.toldError = hasError;
  if (batches.records.length > 0) {
    // Behind the others, so that all get their turn.
    const key = positionKey(position.topic, position.topicId, position.partition);
    if (session.positions.delete(key)) session.positions.set(key, position);
  }
  return isChanged;
}

function answer(
  kafka: Kafka,
  round: Round,
  session: FetchSession | undefined,
  isIncremental: boolean,
  isCommitted: boolean,
): Answer {
  const responses: { topic: string; topicId: string; partitions: PartitionAnswer[] }[] = [];
  for (const result of round.results) {
    const { topic, topicId } = result.position;
    const isTold = session === undefined || isNews(session, result) || !isIncremental;
    if (!isTold) continue;
    let group = responses.at(-1);
    if (group === undefined || group.topic !== topic || group.topicId !== topicId) {
      group = { topic, topicId, partitions: [] };
      responses.push(group);
    }
    group.partitions.push(partitionAnswer(kafka, result, isCommitted));
  }
  return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, sessionId: session?.id ?? 0, responses };
}

const failed = (errorCode: ErrorCode): Answer => ({ throttleTimeMs: 0, errorCode, responses: [] });

async function fetchAll(kafka: Kafka, call: Call<Fetch>): Promise<Answer> {
  const plan = planFetch(kafka, call);
  if (plan.error !== undefined) return failed(plan.error);
  const { request, connection } = call;
  const positions = [...plan.positions];
  const isCommitted = request.isolationLevel === READ_COMMITTED;
  const cap = kafka.config.kafka.maxFetchBytes;
  const maxBytes = request.maxBytes > UNSET_MAX_BYTES ? Math.min(request.maxBytes, cap) : 0;
  const untilMs = kafka.clock.monotonicMs() + request.maxWaitMs;
  for (;;) {
    // Watched from before the look at it, so that nothing comes in between.
    const more = waitForMore(kafka, positions, connection);
    const round = await readAll(kafka, call, positions, isCommitted, maxBytes);
    const leftMs = untilMs - kafka.clock.monotonicMs();
    const isEnough = round.isUrgent || round.bytes >= request.minBytes || positions.length === 0;
    if (isEnough || leftMs <= 0 || !(await more.until(leftMs))) {
      more.stop();
      return answer(kafka, round, plan.session, plan.isIncremental, isCommitted);
    }
    // It is read again.
    call.memory.loan.release();
  }
}

export const fetch: Handler<Fetch> = fetchAll;
