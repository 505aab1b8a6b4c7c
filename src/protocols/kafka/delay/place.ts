/** A record that waits, as the kernel's table of delayed messages keeps it: a batch of one, and the place that it left. */
import type { Message } from '../../../kernel/message.ts';
import type { LogRecord } from '../../../storage/records/record.ts';
import type { LogKernel } from '../../../wasm/log.ts';
import { buildBatch } from '../records/build.ts';

export interface Place {
  /** The topic of a name may be another one by then. */
  readonly topicId: string;
  readonly partition: number;
  /** Which stays empty. */
  readonly offset: number;
}

/** `writer`: who has written it, to be asked about when it is due. It has the time at which it is to appear: with that of its making, retention could take it at once. */
export const waitingRecord = (
  kernel: LogKernel,
  { topicId, partition, offset }: Place,
  record: LogRecord,
  dueMs: number,
  writer: Uint8Array,
): Message => ({
  topic: Buffer.from(`${topicId}/${partition}/${offset}`),
  payload: buildBatch(kernel, [{ ...record, timestampMs: dueMs }]),
  properties: writer,
  qos: 1,
  retain: false,
  expiresAtMs: 0,
  publisher: -1,
});

export function placeOf({ topic }: Pick<Message, 'topic'>): Place {
  const [topicId = '', partition, offset] = Buffer.from(topic).toString().split('/');
  return { topicId, partition: Number(partition), offset: Number(offset) };
}
