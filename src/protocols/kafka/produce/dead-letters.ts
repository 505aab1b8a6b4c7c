/**
 * Records that a topic gives up, written to the topic that its configuration `robustmq.dead.letter.topic` names, as part of the
 * change that gives them up. The copy has key, value and headers of the record, and headers that say what happened. What has died
 * before is given up for good, so that dead letters never go round.
 */
import type { Partition } from '../../../kernel/log/partitions.ts';
import { kafkaTopicAsWritten, ownerOfKafkaTopic } from '../../../security/tenants/owners.ts';
import { encodeHeaders, type LogRecord } from '../../../storage/records/record.ts';
import type { Kafka } from '../context.ts';
import { ErrorCode } from '../messages/errors.ts';
import { buildBatch } from '../records/build.ts';
import type { Topic } from '../topics/topics.ts';
import type { Appended } from './append.ts';
import { deathHeaders, hasDied } from './dead-letter-headers.ts';
import type { ProduceOrigin } from './gate.ts';

/** `topic` and `too-large`: it cannot be a message of MQTT; `denied`: who delayed it may not write it any more. */
export type DeathReason = 'expired' | 'denied' | 'topic' | 'too-large';

export interface DeadLetters {
  /** `offset`: where it is, or was to be. The caller commits. */
  bury(topic: Topic, partition: Partition, record: LogRecord, offset: number, reason: DeathReason): void;
  readonly counters: { buried: number; refused: number };
}

type Append = (
  kafka: Kafka,
  topic: Topic,
  partition: Partition,
  batch: Uint8Array,
  origin: ProduceOrigin,
) => Appended;

/** What the broker itself writes: any version of Produce would do. */
export const BROKER_ORIGIN: ProduceOrigin = { apiVersion: 13, transactionalId: null };

/** `kafka`: once it is there. */
export function createDeadLetters(kafka: () => Kafka, append: Append): DeadLetters {
  const counters = { buried: 0, refused: 0 };
  return {
    counters,
    bury(topic, origin, record, offset, reason) {
      const { deadLetterTopic } = topic.settings;
      const name = ownerOfKafkaTopic(topic.name).toKafkaTopic(deadLetterTopic);
      if (deadLetterTopic === '' || name === topic.name) return;
      if (hasDied(record)) return;
      const context = kafka();
      const target = context.topics.get(name);
      const partition = target?.partitions[origin.number % target.partitions.length];
      const nowMs = context.clock.wallMs();
      const death = { reason, topic: kafkaTopicAsWritten(topic.name), partition: origin.number, offset };
      const headers = encodeHeaders(deathHeaders(record, death, nowMs));
      const letter = { timestampMs: nowMs, key: record.key, value: record.value, headers };
      const appended =
        target &&
        partition &&
        append(context, target, partition, buildBatch(context.kernel, [letter]), BROKER_ORIGIN);
      if (appended?.error === ErrorCode.NONE) {
        counters.buried++;
        return;
      }
      counters.refused++;
      const fields = {
        topic: topic.name,
        deadLetterTopic: name,
        reason: appended?.message ?? 'no such topic',
      };
      context.logger.warn(fields, 'a record that is given up is not taken as a dead letter');
    },
  };
}
