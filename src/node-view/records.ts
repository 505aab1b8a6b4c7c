/** Records of Kafka's topics: on the ways that those of producers and consumers go. */
import type { Caller } from '../admin/caller.ts';
import type { SecurityParts } from '../admin/node-view.ts';
import { OperationError } from '../admin/operation.ts';
import type { NewRecord, RecordsView } from '../admin/operations/records.ts';
import type { StreamRecord } from '../admin/views.ts';
import { mqttAddress } from '../kernel/crossing/addresses.ts';
import type { Kafka } from '../protocols/kafka/context.ts';
import type { KafkaFrontEnd } from '../protocols/kafka/front-end.ts';
import { ErrorCode } from '../protocols/kafka/messages/errors.ts';
import { buildBatch } from '../protocols/kafka/records/build.ts';
import { createBatchOpener } from '../protocols/kafka/records/opener.ts';
import { ZERO_UUID } from '../protocols/kafka/schema/fields.ts';
import { encodeHeaders, type LogRecord } from '../storage/records/record.ts';
import { readRecordBatch } from '../storage/records/record-batch.ts';
import { ask, expectDone } from './kafka-requests.ts';
import { headersOf } from './message-properties.ts';
import { principalOf } from './messages.ts';
import { served } from './topics.ts';

/** The last version with names of topics. */
const FETCH = 12;
const PRODUCE = 9;
const READ_COMMITTED = 1;
const ALL_IN_SYNC = -1;
const TIMEOUT_MS = 30_000;

interface Aborted {
  readonly producerId: number;
  readonly firstOffset: number;
}

/** Tells records that count from those of aborted transactions, in the order of their batches. */
function createFilter(aborted: readonly Aborted[]): (batch: BatchFacts) => boolean {
  const coming = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
  const open = new Set<number>();
  let next = 0;
  return ({ header, isControl, isTransactional }) => {
    for (
      let each = coming[next];
      each !== undefined && each.firstOffset <= header.lastOffset;
      each = coming[++next]
    ) {
      open.add(each.producerId);
    }
    if (isControl) open.delete(header.producerId);
    return !isControl && !(isTransactional && open.has(header.producerId));
  };
}

interface BatchFacts {
  readonly header: { readonly producerId: number; readonly lastOffset: number };
  readonly isControl: boolean;
  readonly isTransactional: boolean;
}

function recordOf(record: NewRecord, nowMs: number): LogRecord {
  return {
    timestampMs: record.timeMs ?? nowMs,
    key: record.key,
    value: record.payload,
    headers: encodeHeaders(record.headers.map(({ name, value }) => ({ name: Buffer.from(name), value }))),
  };
}

export function recordsView(
  frontEnd: KafkaFrontEnd | undefined,
  security: Pick<SecurityParts, 'users' | 'authorization'>,
): RecordsView {
  function check(topic: string, by: Pick<Caller, 'user' | 'tenant'>, action: 'read' | 'append to'): void {
    const { authorization } = security;
    const principal = principalOf(security, by);
    const address = mqttAddress(topic);
    const isAllowed =
      action === 'read'
        ? authorization.maySubscribe(principal, address) === true
        : authorization.mayPublish(principal, address);
    if (!isAllowed) throw new OperationError(403, 'forbidden', `rules do not allow to ${action} this topic`);
  }

  async function fetch(kafka: Kafka, topic: string, partition: number, offset: number, maxBytes: number) {
    const answer = await ask(kafka, 'fetch', FETCH, {
      clusterId: null,
      replicaId: -1,
      replicaState: { replicaId: -1, replicaEpoch: -1 },
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes,
      isolationLevel: READ_COMMITTED,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [
        {
          topic,
          topicId: ZERO_UUID,
          partitions: [
            {
              partition,
              currentLeaderEpoch: -1,
              fetchOffset: offset,
              lastFetchedEpoch: -1,
              logStartOffset: -1,
              partitionMaxBytes: maxBytes,
              replicaDirectoryId: ZERO_UUID,
              highWatermark: Number.MAX_SAFE_INTEGER,
            },
          ],
        },
      ],
      forgottenTopicsData: [],
      rackId: '',
    });
    const found = answer.responses[0]?.partitions[0];
    expectDone(found, `${topic}-${partition}`);
    return found;
  }

  return {
    async read({ topic, partition: number, fromOffset, limit, maxBytes, by }) {
      const kafka = served(frontEnd);
      check(topic, by, 'read');
      const partition = kafka.topics.partition(topic, number);
      if (partition === undefined) return undefined;
      let nextOffset = Math.min(Math.max(fromOffset, partition.startOffset), partition.endOffset);
      const first = nextOffset;
      const answer = await fetch(kafka, topic, number, nextOffset, maxBytes);
      const opener = createBatchOpener(kafka.kernel);
      const counts = createFilter(answer?.abortedTransactions ?? []);
      const records: StreamRecord[] = [];
      for (const bytes of batchesIn(kafka, answer?.records ?? [])) {
        const { batch, fault } = await opener.open(bytes);
        if (batch === undefined) throw new OperationError(500, 'damaged', `${topic}-${number}: ${fault}`);
        const isRead = counts(batch);
        for (let i = 0; isRead && i < batch.length && records.length < limit; i++) {
          const offset = batch.offset(i);
          if (offset < first) continue;
          const { key, value, headers, timestampMs } = batch.record(i);
          records.push({ offset, timeMs: timestampMs, key, headers: headersOf(headers), payload: value });
        }
        if (records.length >= limit) return { records, nextOffset: (records.at(-1)?.offset ?? first) + 1 };
        nextOffset = Math.max(nextOffset, batch.header.lastOffset + 1);
      }
      return { records, nextOffset };
    },
    async append(topic, number, records, by) {
      const kafka = served(frontEnd);
      check(topic, by, 'append to');
      const nowMs = kafka.clock.wallMs();
      const batch = buildBatch(
        kafka.kernel,
        records.map((record) => recordOf(record, nowMs)),
      );
      const answer = await ask(kafka, 'produce', PRODUCE, {
        transactionalId: null,
        acks: ALL_IN_SYNC,
        timeoutMs: TIMEOUT_MS,
        topicData: [{ name: topic, topicId: ZERO_UUID, partitionData: [{ index: number, records: batch }] }],
      });
      const done = answer.responses[0]?.partitionResponses[0];
      if (done?.errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) {
        throw new OperationError(
          404,
          'not-found',
          `there is no topic ${JSON.stringify(topic)} with a partition ${number}`,
        );
      }
      expectDone(done, `${topic}-${number}`);
      return done?.baseOffset ?? -1;
    },
  };
}

/** One after the other, as they lie in what was read. */
function* batchesIn(kafka: Kafka, views: Uint8Array | readonly Uint8Array[]): Iterable<Uint8Array> {
  for (const view of views instanceof Uint8Array ? [views] : views) {
    for (let at = 0; at < view.byteLength; ) {
      const { batch } = readRecordBatch(kafka.kernel, view, at);
      if (batch === undefined) return;
      yield batch.bytes;
      at += batch.header.byteLength;
    }
  }
}
