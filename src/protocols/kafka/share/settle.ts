/**
 * Ends of holds: acknowledgements of members, locks that ran out, members that are gone. Where what is given up becomes a dead letter,
 * it is read first, and then looked at again: what was decided meanwhile stands.
 */
import type { DiscardReason } from '../../../kernel/log-queue/entries.ts';
import type { Kafka } from '../context.ts';
import { ErrorCode } from '../messages/errors.ts';
import type { Topic } from '../topics/topics.ts';
import { bury, deadLetterTopic, readLetters } from './dead-letters.ts';
import type { AckBatch, Hold, SharePartition } from './share-partition.ts';

const RETRY_MS = 1000;
type Dying = ReadonlyMap<number, DiscardReason>;

/** undefined where the journal takes no dead letters now; `dying` is asked again when they have been read. */
async function buryDying(
  kafka: Kafka,
  share: SharePartition,
  topic: Topic,
  dying: () => Dying | undefined,
): Promise<ReadonlySet<number> | undefined> {
  const letters = await readLetters(
    kafka,
    share.partition,
    [...(dying() ?? [])].map(([offset]) => offset),
  );
  if (kafka.log.refusal(topic.settings.storage) !== undefined) return undefined;
  const still = dying();
  return still === undefined ? new Set() : bury(kafka, share, topic, still, letters);
}

const committed = (kafka: Kafka): Promise<ErrorCode> =>
  new Promise((resolve) => {
    kafka.log.commit(
      kafka.config.kafka.durability.offsets,
      (error) => resolve(error === undefined ? ErrorCode.NONE : ErrorCode.KAFKA_STORAGE_ERROR),
      true,
    );
  });

const without = (offsets: readonly number[], gone: ReadonlySet<number>): readonly number[] =>
  gone.size === 0 ? offsets : offsets.filter((offset) => !gone.has(offset));

/** All of them or none; resolves when that is durable. */
export async function acknowledge(
  kafka: Kafka,
  share: SharePartition,
  member: string,
  batches: readonly AckBatch[],
): Promise<ErrorCode> {
  share.follow();
  if (kafka.log.refusal() === 'failed') return ErrorCode.KAFKA_STORAGE_ERROR;
  if (share.isClosed) return ErrorCode.INVALID_RECORD_STATE;
  const plan = share.plan(member, batches);
  if (plan.error !== undefined) return plan.error;
  const topic = deadLetterTopic(kafka, share);
  if (topic === undefined || share.dyingOf(plan).size === 0) {
    share.settle(member, plan);
    return committed(kafka);
  }
  const buried = await buryDying(kafka, share, topic, () => {
    const now = share.plan(member, batches);
    return now.error === undefined && !share.isClosed ? share.dyingOf(now) : undefined;
  });
  if (buried === undefined) return ErrorCode.KAFKA_STORAGE_ERROR;
  // What is buried is nobody's any more, so the rest is all that there is to be held.
  const { accept, release, reject, renew } = plan;
  const rest = { accept, release: without(release, buried), reject: without(reject, buried), renew };
  if (share.isClosed || !share.isHeldBy(member, rest)) return ErrorCode.INVALID_RECORD_STATE;
  share.settle(member, rest);
  return committed(kafka);
}

/** False where it has to be tried again. */
async function end(
  kafka: Kafka,
  share: SharePartition,
  isMeant: (hold: Hold) => boolean,
  rest: () => void,
): Promise<boolean> {
  const dying = (): Dying => share.lastOf(isMeant);
  const topic = deadLetterTopic(kafka, share);
  if (topic !== undefined && dying().size > 0) {
    if ((await buryDying(kafka, share, topic, dying)) === undefined) return false;
  }
  rest();
  kafka.log.commit(kafka.config.kafka.durability.offsets, undefined, true);
  return true;
}

/** Of locks that ran out. */
export async function endExpired(kafka: Kafka, share: SharePartition): Promise<void> {
  const nowMs = kafka.clock.monotonicMs();
  const isMeant = ({ expiresAtMs }: Hold): boolean => expiresAtMs <= nowMs;
  if (!(await end(kafka, share, isMeant, () => share.expire(nowMs)))) share.retryIn(RETRY_MS);
}

/** All, whoever has them: the process that handed them out has ended. Where no dead letters are taken now there are none. */
export async function endAll(kafka: Kafka, share: SharePartition): Promise<void> {
  const expire = (): void => share.expire(Number.MAX_SAFE_INTEGER);
  if (!(await end(kafka, share, () => true, expire))) expire();
}

/** Of a member that is gone. What cannot become a dead letter now waits for the end of its lock. */
export async function endHolds(kafka: Kafka, share: SharePartition, member: string): Promise<void> {
  await end(
    kafka,
    share,
    ({ holder }) => holder === member,
    () => share.release(member),
  );
}
