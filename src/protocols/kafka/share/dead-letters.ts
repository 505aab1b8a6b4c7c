/**
 * Records that a share group gives up, on their way to its dead-letter topic. They are read before anything is decided; the settlement
 * and the copies are then one change, so that a crash leaves both or neither. The copy has key, value and headers of the record, and
 * headers that say what happened.
 */

import type { Partition } from '../../../kernel/log/partitions.ts';
import type { DiscardReason } from '../../../kernel/log-queue/entries.ts';
import type { Discarded } from '../../../kernel/log-queue/operations.ts';
import { kafkaTopicAsWritten, nameAsWritten, ownerOfName } from '../../../security/tenants/owners.ts';
import { encodeHeaders, type LogRecord } from '../../../storage/records/record.ts';
import type { Kafka } from '../context.ts';
import { ErrorCode } from '../messages/errors.ts';
import { append } from '../produce/append.ts';
import { type Death, deathHeaders, hasDied } from '../produce/dead-letter-headers.ts';
import { BROKER_ORIGIN } from '../produce/dead-letters.ts';
import { buildBatch } from '../records/build.ts';
import { createBatchOpener } from '../records/opener.ts';
import type { Topic } from '../topics/topics.ts';
import type { SharePartition } from './share-partition.ts';

/** Room in a batch for what is around the records. */
const OVERHEAD_BYTES = 128;

export type Letters = ReadonlyMap<number, LogRecord>;

/** Where they go: as the group says, or else as the topic does; undefined where they end instead. */
export function deadLetterTopic(
  { topics, shares }: Kafka,
  { state, partition }: SharePartition,
): Topic | undefined {
  const source = topics.get(partition.name);
  const wanted = shares.settingsOf(state.group).deadLetterTopic || (source?.settings.deadLetterTopic ?? '');
  const name = ownerOfName(state.group).toKafkaTopic(wanted);
  return wanted === '' || name === partition.name ? undefined : topics.get(name);
}

/** Those of the offsets, which ascend, that can be read and become dead letters. */
export async function readLetters(
  { partitions, kernel, logger }: Kafka,
  partition: Partition,
  offsets: readonly number[],
): Promise<Letters> {
  const letters = new Map<number, LogRecord>();
  const wanted = new Set(offsets);
  const opener = createBatchOpener(kernel);
  let readTo = 0;
  for (const offset of offsets) {
    if (offset < readTo || partition.isDeleted) continue;
    try {
      const { batches } = await partitions.read(partition, offset, 1);
      const [stored] = batches;
      if (stored === undefined) continue;
      readTo = stored.lastOffset + 1;
      const { batch } = await opener.open(stored.bytes);
      for (let i = 0; batch !== undefined && i < batch.length; i++) {
        const record = wanted.has(batch.offset(i)) ? batch.record(i) : undefined;
        if (record !== undefined && !hasDied(record)) letters.set(batch.offset(i), record);
      }
    } catch (error) {
      logger.warn({ err: error, topic: partition.name, offset }, 'a record that is given up cannot be read');
    }
  }
  return letters;
}

const deathOf = (
  { state, partition }: SharePartition,
  { position, reason, deliveries }: Discarded,
): Death => ({
  reason,
  topic: kafkaTopicAsWritten(partition.name),
  partition: partition.number,
  offset: position,
  more: [
    ['group', nameAsWritten(state.group)],
    ['deliveries', String(deliveries)],
  ],
});

const sizeOf = ({ key, value, headers }: LogRecord): number =>
  (key?.length ?? 0) + (value?.length ?? 0) + headers.bytes.length + OVERHEAD_BYTES;

/** What could be read and is to be given up, in portions that fit a batch of the topic. */
function* portions(
  reasons: ReadonlyMap<number, DiscardReason>,
  letters: Letters,
  maxBytes: number,
): Generator<readonly number[]> {
  let portion: number[] = [];
  let bytes = 0;
  for (const offset of reasons.keys()) {
    const letter = letters.get(offset);
    if (letter === undefined) continue;
    const size = sizeOf(letter);
    if (portion.length > 0 && bytes + size > maxBytes) {
      yield portion;
      portion = [];
      bytes = 0;
    }
    portion.push(offset);
    bytes += size;
  }
  if (portion.length > 0) yield portion;
}

/**
 * Gives up offsets that are out, each portion in one change with its dead letters. What the topic does not take ends here; what could
 * not be read is left to the caller. Gives what is done.
 */
export function bury(
  kafka: Kafka,
  share: SharePartition,
  topic: Topic,
  reasons: ReadonlyMap<number, DiscardReason>,
  letters: Letters,
): ReadonlySet<number> {
  const buried = new Set<number>();
  const nowMs = kafka.clock.wallMs();
  const partition = topic.partitions[share.partition.number % topic.partitions.length];
  if (partition === undefined) return buried;
  for (const portion of portions(reasons, letters, topic.settings.maxMessageBytes - OVERHEAD_BYTES)) {
    const records: LogRecord[] = [];
    // The settlement first: what hears of the record may end the change before we do.
    for (const each of share.giveUp(portion, reasons)) {
      const record = letters.get(each.position) as LogRecord;
      const headers = encodeHeaders(deathHeaders(record, deathOf(share, each), nowMs));
      records.push({ timestampMs: nowMs, key: record.key, value: record.value, headers });
      buried.add(each.position);
    }
    if (records.length === 0) continue;
    const { error, message } = append(
      kafka,
      topic,
      partition,
      buildBatch(kafka.kernel, records),
      BROKER_ORIGIN,
    );
    kafka.log.commit(kafka.config.kafka.durability.offsets, undefined, true);
    if (error === ErrorCode.NONE) continue;
    const fields = { group: share.state.group, topic: topic.name, records: records.length, reason: message };
    kafka.logger.warn(fields, 'records that were given up are not taken as dead letters');
  }
  return buried;
}
