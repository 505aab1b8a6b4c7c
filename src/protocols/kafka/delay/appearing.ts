/** Records whose time has come: each goes to its partition, and to other protocols, in one change with its end where it waited. */
import type { Delayed, DueMessage } from '../../../kernel/delayed/delayed.ts';
import type { Partition } from '../../../kernel/log/partitions.ts';
import { TableId } from '../../../kernel/state/table.ts';
import { recordToMessage } from '../../../storage/records/message-record.ts';
import type { LogRecord } from '../../../storage/records/record.ts';
import { readRecordBatch } from '../../../storage/records/record-batch.ts';
import type { Kafka } from '../context.ts';
import type { Writers } from '../security/writers.ts';
import type { Topic } from '../topics/topics.ts';
import { type Place, placeOf } from './place.ts';

export interface Appearing {
  /** A bounded number of those that are due. */
  look(): void;
  readonly counters: {
    delayed: number;
    appeared: number;
    /** Their MQTT expiry was over. */
    expired: number;
    /** Their writers may not write there any more. */
    denied: number;
    /** Without a topic, or no batch any more. */
    lost: number;
  };
}

/** What delays need of the front-end. */
export type DelayContext = Pick<
  Kafka,
  | 'config'
  | 'kernel'
  | 'clock'
  | 'log'
  | 'logger'
  | 'topics'
  | 'partitions'
  | 'crossing'
  | 'follower'
  | 'deadLetters'
> & { readonly writers: Writers };

interface Arrival {
  readonly topic: Topic;
  readonly partition: Partition;
  readonly place: Place;
  /** The partition's own copy, once it is appended. */
  readonly bytes: Uint8Array;
  readonly record: LogRecord;
}

const DUE_AT_ONCE = 256;
const RETRY_MS = 1000;

export function createAppearing(kafka: DelayContext, table: Delayed): Appearing {
  const { config, kernel, clock, log, partitions, crossing, follower, deadLetters } = kafka;
  const level = config.kafka.durability.leader;
  const counters: Appearing['counters'] = { delayed: 0, appeared: 0, expired: 0, denied: 0, lost: 0 };

  function arrivalOf(message: DueMessage['message']): Arrival | undefined {
    const place = placeOf(message);
    const topic = kafka.topics.byId(place.topicId);
    const partition = topic?.partitions[place.partition];
    const bytes = message.payload.slice();
    const { batch } = readRecordBatch(kernel, bytes);
    if (topic === undefined || partition === undefined || partition.isDeleted || batch?.length !== 1) {
      return undefined;
    }
    return { topic, partition, place, bytes, record: batch.record(0) };
  }

  function put({ topic, partition, bytes }: Arrival): void {
    if (topic.settings.timestampType === 'LogAppendTime') kernel.patchAppendTime(bytes, clock.wallMs());
    const offset = partitions.appendBatch(partition, bytes);
    if (typeof offset === 'number') counters.appeared++;
    else kafka.logger.error({ topic: topic.name, reason: offset }, 'a delayed record could not be appended');
  }

  /** To other protocols, in one change with `also`, or that change alone; partitions that are held are followed. */
  function cross({ topic, partition, record, place }: Arrival, also: () => void, done: () => void): void {
    if (!follower.isHeld(partition) && crossing.isWanted(topic.name)) {
      const refused = crossing.publishWith(topic.name, record, { also, done });
      if (refused === undefined) return;
      also();
      deadLetters.bury(topic, partition, record, place.offset, refused);
    } else also();
    log.commit(level, done);
  }

  function reasonToDie(
    message: DueMessage['message'],
    { topic, record }: Arrival,
  ): 'expired' | 'denied' | undefined {
    if (!kafka.writers.mayStillWrite(message.properties, topic.name)) return 'denied';
    const expiresAtMs = recordToMessage(record).message?.expiresAtMs ?? 0;
    return expiresAtMs !== 0 && expiresAtMs <= clock.wallMs() ? 'expired' : undefined;
  }

  /** False when it has to wait. */
  function appear({ id, message, isVolatile }: DueMessage, entry: Uint8Array | undefined): boolean {
    const end = (): void => {
      if (entry !== undefined && !isVolatile) log.add(TableId.KafkaDelayed, entry);
    };
    const ended = (): void => table.ended([id]);
    const arrival = arrivalOf(message);
    if (arrival === undefined) {
      counters.lost++;
      end();
      log.commit('os', ended, true);
      return true;
    }
    const { topic, partition, record, place } = arrival;
    if (log.refusal(partition.storage) !== undefined || !crossing.hasRoom(topic.name)) return false;
    const reason = reasonToDie(message, arrival);
    if (reason !== undefined) {
      counters[reason]++;
      end();
      deadLetters.bury(topic, partition, record, place.offset, reason);
      log.commit('os', ended);
      return true;
    }
    if (partition.storage === 'object') {
      // It is there when the store has it, which is later than the state log: its end comes behind that.
      put(arrival);
      const stored = (error: Error | undefined): void => {
        if (error === undefined) cross(arrival, end, ended);
        else table.postpone(id, clock.wallMs() + RETRY_MS);
      };
      log.commit(level, stored, false, 'object');
      return true;
    }
    const both = (): void => {
      end();
      put(arrival);
    };
    cross(arrival, both, ended);
    return true;
  }

  return {
    counters,
    look() {
      const nowMs = clock.wallMs();
      for (let left = DUE_AT_ONCE; left > 0 && table.nextDueMs() <= nowMs; left--) {
        if (log.refusal() !== undefined || log.isBusy()) return;
        const { messages, entry } = table.due(nowMs, 1);
        const [first] = messages;
        if (first !== undefined && !appear(first, entry)) table.postpone(first.id, nowMs + RETRY_MS);
      }
    },
  };
}
