/**
 * ShareFetch: acknowledgements of what the member had, and what it gets next, at once or when there is enough. Nothing is handed out
 * before it is known that the answer leaves, so who waits holds nothing.
 */
import type { Caller, Kafka } from '../context.ts';
import type { Call, Handler } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import type { In } from '../schema/message.ts';
import { type Acknowledged, acknowledgeAll, hasAcknowledgements, readable } from './acknowledgements.ts';
import { isBehind, type Look, lookAt, type Taken, take } from './look.ts';
import {
  admit,
  beginSession,
  FINAL_EPOCH,
  FIRST_EPOCH,
  goOn,
  type Named,
  NO_LEADER,
} from './session-requests.ts';
import { type SessionPartition, type ShareSession, sessionKey } from './sessions.ts';
import type { SharePartition } from './share-partition.ts';

type ShareFetch = (typeof Apis)['shareFetch'];
type Request = Call<ShareFetch>['request'];
type Answer = In<ShareFetch['response']>;
type PartitionAnswer = Answer['responses'][number]['partitions'][number];

type PartialAnswer =
  | Pick<PartitionAnswer, 'acknowledgeErrorCode'>
  | Pick<PartitionAnswer, 'errorCode' | 'records' | 'acquiredRecords'>;

const RECORD_LIMIT_MODE = 1;
/** Of a session. */
const MAX_PARTITIONS = 100_000;
const NOTHING: Taken = { records: [], acquired: [], count: 0 };

const failed = (errorCode: ErrorCode): Answer => ({
  throttleTimeMs: 0,
  errorCode,
  acquisitionLockTimeoutMs: 0,
  responses: [],
  nodeEndpoints: [],
});

function faultOf({ shareSessionEpoch: epoch, topics, isRenewAck, ...request }: Request): boolean {
  if (epoch < FINAL_EPOCH) return true;
  const acknowledges = hasAcknowledgements(topics);
  if (epoch === FIRST_EPOCH && acknowledges) return true;
  // A session that ends is not asked for records.
  if (epoch === FINAL_EPOCH && !acknowledges && topics.length > 0) return true;
  // Who renews asks for nothing else.
  const { maxBytes, maxRecords, maxWaitMs, minBytes } = request;
  return isRenewAck && (maxBytes !== 0 || maxRecords !== 0 || maxWaitMs !== 0 || minBytes !== 0);
}

/** False where a session would have too many. */
function change(session: ShareSession, { topics, forgottenTopicsData }: Request): boolean {
  for (const { topicId, partitions } of topics) {
    for (const { partitionIndex: partition } of partitions) {
      session.partitions.set(sessionKey(topicId, partition), { topicId, partition });
    }
  }
  for (const { topicId, partitions } of forgottenTopicsData) {
    for (const partition of partitions) session.partitions.delete(sessionKey(topicId, partition));
  }
  return session.partitions.size <= MAX_PARTITIONS;
}

/** Wakes when there may be more: once, and whatever happened since it was made. */
class Waiting {
  private readonly stops: (() => void)[] = [];
  private settle: ((isWoken: boolean) => void) | undefined;
  private isWoken = false;
  private isOver: boolean;
  readonly wake = (): void => this.end(true);

  constructor(kafka: Kafka, caller: Caller, shares: readonly SharePartition[]) {
    this.isOver = caller.isClosed;
    const { authorizer, partitions, topics } = kafka;
    for (const share of shares) {
      this.stops.push(partitions.onAppend(share.partition, this.wake));
      this.stops.push(share.watchers.add(this.wake));
      this.stops.push(() => void share.turnedAway.delete(this.wake));
    }
    this.stops.push(topics.onChange((_, change) => change === 'deleted' && this.wake()));
    this.stops.push(authorizer.onChange(this.wake));
    this.stops.push(caller.onClose(() => this.end(false)));
  }

  /** False when the time is up, or nobody waits any more. */
  until({ clock }: Kafka, waitMs: number): Promise<boolean> {
    if (this.isWoken || this.isOver) return Promise.resolve(this.isWoken);
    return new Promise((resolve) => {
      this.settle = resolve;
      this.stops.push(clock.every(Math.max(1, waitMs), () => this.end(false)));
    });
  }

  stop(): void {
    for (const each of this.stops.splice(0)) each();
  }

  private end(isWoken: boolean): void {
    if (this.isWoken || this.isOver) return;
    if (isWoken) this.isWoken = true;
    else this.isOver = true;
    this.stop();
    this.settle?.(isWoken);
  }
}

interface Wanted {
  readonly place: SessionPartition;
  readonly share: SharePartition | undefined;
  readonly error: ErrorCode;
}

/** From another partition on in each request, so that all get their turn. */
async function wantedOf(kafka: Kafka, caller: Caller, session: ShareSession): Promise<Wanted[]> {
  const places = [...session.partitions.values()];
  const turn = places.length === 0 ? 0 : session.epoch % places.length;
  const wanted: Wanted[] = [];
  for (const place of [...places.slice(turn), ...places.slice(0, turn)]) {
    const topic = readable(kafka, caller, place.topicId);
    if (typeof topic === 'number') {
      wanted.push({ place, share: undefined, error: topic });
      continue;
    }
    const share = await kafka.shares.open(session.group, topic, place.partition);
    const error = share === undefined ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.NONE;
    wanted.push({ place, share, error });
  }
  return wanted;
}

interface Found {
  readonly place: SessionPartition;
  readonly error: ErrorCode;
  readonly taken: Taken;
}

interface Round {
  readonly looks: ReadonlyMap<Wanted, Look>;
  readonly bytes: number;
  readonly isUrgent: boolean;
}

function unlock(looks: Round['looks']): void {
  for (const { share } of looks.values()) share.unlock();
}

async function lookAll(
  kafka: Kafka,
  wanted: readonly Wanted[],
  { maxBytes, maxRecords }: Request,
  whenFree: () => void,
): Promise<Round> {
  const looks = new Map<Wanted, Look>();
  let bytes = 0;
  let isUrgent = false;
  const cap = Math.min(Math.max(0, maxBytes), kafka.config.kafka.maxFetchBytes);
  for (const each of wanted) {
    if (each.error !== ErrorCode.NONE) isUrgent = true;
    // The first brings something whatever its size.
    if (each.share === undefined || (bytes > 0 && bytes >= cap)) continue;
    const look = await lookAt(kafka, each.share, cap - bytes, maxRecords, whenFree).catch(
      (error: unknown) => {
        unlock(looks);
        throw error;
      },
    );
    if (look === undefined) continue;
    looks.set(each, look);
    bytes += look.bytes;
    if (look.error !== ErrorCode.NONE) isUrgent = true;
  }
  return { looks, bytes, isUrgent };
}

function takeAll(wanted: readonly Wanted[], { looks }: Round, { member }: Named, request: Request): Found[] {
  let left = request.maxRecords;
  return wanted.map((each) => {
    const look = looks.get(each);
    const error = look?.error ?? each.error;
    if (look === undefined || left <= 0) return { place: each.place, error, taken: NOTHING };
    const taken = take(look, member, {
      maxRecords: left,
      isStrict: request.shareAcquireMode === RECORD_LIMIT_MODE,
      batchSize: Math.max(1, request.batchSize),
    });
    left -= taken.count;
    return { place: each.place, error, taken };
  });
}

async function fetchAll(
  kafka: Kafka,
  caller: Caller,
  named: Named,
  session: ShareSession,
  request: Request,
): Promise<readonly Found[]> {
  let wanted = await wantedOf(kafka, caller, session);
  const untilMs = kafka.clock.monotonicMs() + request.maxWaitMs;
  for (let isLast = request.maxRecords <= 0; ; ) {
    const isStale = wanted.some(
      ({ share, place }) =>
        share?.isClosed === true ||
        (share !== undefined && typeof readable(kafka, caller, place.topicId) === 'number'),
    );
    if (isStale) wanted = await wantedOf(kafka, caller, session);
    const waiting = new Waiting(
      kafka,
      caller,
      wanted.flatMap(({ share }) => share ?? []),
    );
    const round = await lookAll(kafka, wanted, request, waiting.wake);
    const leftMs = untilMs - kafka.clock.monotonicMs();
    isLast ||= leftMs <= 0 || round.isUrgent || wanted.length === 0;
    // Its connection ends, or the member has begun anew: what it would get now it would not see.
    const isOver = kafka.shares.sessions.get(named.group, named.member) !== session;
    const takes = !isOver && (isLast || round.bytes >= request.minBytes);
    let found: readonly Found[] = [];
    try {
      if (takes) found = takeAll(wanted, round, named, request);
    } finally {
      unlock(round.looks);
    }
    const isFound = found.some(({ taken }) => taken.count > 0);
    if (isLast || isFound || isOver) {
      waiting.stop();
      return found;
    }
    // What was looked at without anybody getting it holds nothing for the group: there may be more behind it.
    const isPassed = takes && [...round.looks.values()].some(isBehind);
    if (!isPassed && !(await waiting.until(kafka, leftMs))) isLast = true;
    waiting.stop();
  }
}

function answer(
  kafka: Kafka,
  { group }: Named,
  found: readonly Found[],
  acknowledged: readonly Acknowledged[],
  isFull: boolean,
): Answer {
  const byTopic = new Map<string, Map<number, PartitionAnswer>>();
  const put = (topicId: string, partition: number, part: PartialAnswer): void => {
    const ofTopic = byTopic.get(topicId) ?? new Map<number, PartitionAnswer>();
    byTopic.set(topicId, ofTopic);
    const known = ofTopic.get(partition) ?? {
      partitionIndex: partition,
      errorCode: ErrorCode.NONE,
      acknowledgeErrorCode: ErrorCode.NONE,
      currentLeader: NO_LEADER,
      records: [],
      acquiredRecords: [],
    };
    ofTopic.set(partition, { ...known, ...part });
  };
  for (const { topicId, partition, error } of acknowledged) {
    put(topicId, partition, { acknowledgeErrorCode: error });
  }
  for (const { place, error, taken } of found) {
    if (!isFull && error === ErrorCode.NONE && taken.count === 0) continue;
    const { records, acquired } = taken;
    put(place.topicId, place.partition, { errorCode: error, records, acquiredRecords: acquired });
  }
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    acquisitionLockTimeoutMs: kafka.shares.settingsOf(group).lockMs,
    responses: [...byTopic].map(([topicId, partitions]) => ({
      topicId,
      partitions: [...partitions.values()],
    })),
    nodeEndpoints: [],
  };
}

async function serve(kafka: Kafka, { connection, request }: Call<ShareFetch>): Promise<Answer> {
  const named = admit(kafka, connection, request);
  if (named.error !== undefined) return failed(named.error);
  if (faultOf(request)) return failed(ErrorCode.INVALID_REQUEST);
  const { shareSessionEpoch: epoch, topics, isRenewAck: isRenewal } = request;
  const isFirst = epoch === FIRST_EPOCH;
  const session = isFirst
    ? (beginSession(kafka, connection, named) ?? ErrorCode.SHARE_SESSION_LIMIT_REACHED)
    : goOn(kafka, named, epoch);
  if (typeof session === 'number') return failed(session);
  const acknowledging = acknowledgeAll(kafka, connection, { ...named, topics, isRenewal });
  if (epoch === FINAL_EPOCH) {
    const acknowledged = await acknowledging;
    kafka.shares.leave(named.group, named.member);
    return answer(kafka, named, [], acknowledged, false);
  }
  if (!change(session, request)) {
    kafka.shares.leave(named.group, named.member);
    return failed(ErrorCode.INVALID_REQUEST);
  }
  const [acknowledged, found] = await Promise.all([
    acknowledging,
    isRenewal ? [] : fetchAll(kafka, connection, named, session, request),
  ]);
  return answer(kafka, named, found, acknowledged, isFirst);
}

export const shareFetch: Handler<ShareFetch> = serve;
