/**
 * Spans of produced batches: one for a batch that a rule of tracing wants, from its append to the commit. Records say in the
 * header `traceparent` of which trace they are a part; they are opened for that, and passed on as they came.
 */
import { mqttAddress } from '../../../kernel/crossing/addresses.ts';
import { decodeHeaders } from '../../../storage/records/record.ts';
import type { Step, Trace } from '../../../telemetry/tracing.ts';
import { loadedCodec } from '../compression/compression.ts';
import type { Kafka } from '../context.ts';
import type { Call } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode, errorName } from '../messages/errors.ts';
import { codecNeeded, openBatch } from '../records/open.ts';
import type { Topic } from '../topics/topics.ts';
import type { Appended } from './append.ts';

/** Of a batch: the first of them becomes the parent, the others are linked. */
const MAX_PARENTS = 16;
const MAX_RECORDS = 200;
const TRACEPARENT = Buffer.from('traceparent');

function parentsIn({ kernel }: Kafka, records: Uint8Array): string[] {
  const codec = codecNeeded(records);
  const { batch } = openBatch(kernel, records, codec && loadedCodec(codec));
  const found = new Set<string>();
  const isReadable = batch !== undefined && !batch.isCompressed;
  for (let i = 0; isReadable && i < Math.min(batch.length, MAX_RECORDS); i++) {
    const { headers } = batch.record(i);
    if (headers.count === 0) continue;
    for (const { name, value } of decodeHeaders(headers)) {
      if (value !== null && TRACEPARENT.equals(name)) found.add(Buffer.from(value).toString('latin1'));
    }
    if (found.size >= MAX_PARENTS) break;
  }
  return [...found];
}

/** Batches of one request that are traced. */
export class ProduceTraces {
  readonly #open: { readonly trace: Trace; readonly append: Step; readonly offset: number }[] = [];

  /** Runs `append` as a part of the trace, where there is one. */
  follow(
    kafka: Kafka,
    { clientId, connection, request }: Call<(typeof Apis)['produce']>,
    topic: Topic,
    partition: number,
    records: Uint8Array | null,
    append: () => Appended,
  ): Appended {
    const { tracing } = kafka;
    const address = mqttAddress(topic.name).toString();
    if (tracing === undefined || records === null || !tracing.covers(address, clientId ?? ''))
      return append();
    const trace = tracing.begin({
      protocol: 'kafka',
      topic: address,
      clientId: clientId ?? '',
      bytes: records.byteLength,
      parents: parentsIn(kafka, records),
      attributes: {
        'messaging.destination.partition.id': `${partition}`,
        'messaging.kafka.acks': request.acks,
        'robustmq.listener': connection.listener,
      },
    });
    if (trace === undefined) return append();
    const step = trace.step('append');
    const appended = tracing.within(trace, append);
    if (appended.error === ErrorCode.NONE) {
      this.#open.push({ trace, append: step, offset: appended.baseOffset });
    } else {
      step.end({}, errorName(appended.error));
      trace.end({}, appended.message ?? errorName(appended.error));
    }
    return appended;
  }

  /** What was appended is as durable as was asked for, or is lost. */
  committed(fault?: string): void {
    for (const { trace, append, offset } of this.#open) {
      append.end({ 'messaging.kafka.offset': offset }, fault);
      trace.end({}, fault);
    }
  }
}
