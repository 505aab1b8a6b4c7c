/**
 * Copies of the messages whose topics have `storage: object`: in the object store before anybody is told that they are
 * kept. Messages that wait for sessions, groups or their time are in one partition, whose beginning goes when nothing that
 * was there when it was written waits any more; retained messages are in another one, which keeps the newest of each
 * topic. The broker reads neither while its own disk is whole. Where it is lost, retained messages come back from here,
 * and what had waited can be read as the stream `$recovered`: who it waited for was on that disk alone.
 */
import type { Journal } from '../storage/journal/journal.ts';
import { messageToRecord, recordToMessage } from '../storage/records/message-record.ts';
import { readRecordBatch } from '../storage/records/record-batch.ts';
import type { LogKernel } from '../wasm/log.ts';
import type { Clock } from './clock.ts';
import type { Partition, Partitions } from './log/partitions.ts';
import type { Message } from './message.ts';
import { encodeRetainedSet, type RetainedStore } from './retained.ts';
import type { StateLog } from './state/state-log.ts';
import { TableId } from './state/table.ts';

export const WAITING = '$waiting';
export const RETAINED = '$retained';
export const RECOVERED = '$recovered';

export interface ObjectCopies {
  /** Why the storage would not take the message. */
  refusal(message: Message): 'failed' | 'full' | undefined;
  /** In the current change, which then has to wait for the object storage; false when it has no room after all. */
  keep(message: Message): boolean;
  /** As the topic's retained message, or as none where the payload is empty. */
  retain(message: Message): boolean;
  /** The topic has no retained message any more. */
  forget(topic: Uint8Array): void;
}

/** Without topics that ask for it. */
export const NO_COPIES: ObjectCopies = {
  refusal: () => 'failed',
  keep: () => false,
  retain: () => false,
  forget: () => {},
};

/** Who keeps messages under ids that ascend and are given once. */
export interface Holder {
  readonly nextId: number;
  /** The lowest id that is kept; `nextId` when none is. */
  oldestId(): number;
  /** Some of those from an id on and below `end`, and where to go on. */
  held(from: number, end: number): Promise<{ readonly messages: readonly Message[]; readonly next: number }>;
}

export interface ObjectCopiesOptions {
  readonly partitions: Partitions;
  readonly log: Pick<StateLog, 'refusal' | 'commit'>;
  readonly clock: Clock;
  readonly holders: readonly Holder[];
  readonly stripeOf: (kind: 'log', key: string) => number;
  /** Of messages that wait, in the store; above it topics with `storage: object` are refused. */
  readonly maxBytes: number;
  /** Of one message. */
  readonly maxMessageBytes: number;
  /** Whether messages of the topic have copies. */
  readonly isCopied: (topic: Uint8Array) => boolean;
  /** Copies below it stay where they are, however few of them are needed. */
  readonly slackBytes: number;
  readonly onError: (error: unknown) => void;
}

const NOTHING = new Uint8Array(0);
const EMPTY: Message = {
  topic: NOTHING,
  payload: NOTHING,
  properties: NOTHING,
  qos: 0,
  retain: true,
  expiresAtMs: 0,
  publisher: -1,
};

interface Mark {
  readonly offset: number;
  readonly nextIds: readonly number[];
}

/** So many places are remembered at which the beginning may go. */
const MAX_MARKS = 1024;
/** What a record has beyond the bytes of its message, at most. */
const RECORD_HEAD_BYTES = 1024;

export async function createObjectCopies(options: ObjectCopiesOptions): Promise<ObjectCopies> {
  const { partitions, log, clock, holders } = options;
  const waiting = await ensure(options, WAITING);
  const retained = await ensure(options, RETAINED);
  let marks: Mark[] = [];
  let passed = 0;
  let isRenewing = false;

  const mark = (): Mark => ({ offset: waiting.nextOffset, nextIds: holders.map(({ nextId }) => nextId) });

  /** Offset below which nothing is needed. What was there at the start is needed as long as a message of before. */
  function floor(): number {
    const oldest = holders.map((holder) => holder.oldestId());
    // A copy that is on its way has a message that no holder counts yet.
    const isPassed = ({ offset, nextIds }: Mark): boolean =>
      offset <= waiting.endOffset && nextIds.every((id, i) => (oldest[i] ?? 0) >= id);
    while (marks[0] !== undefined && isPassed(marks[0])) passed = marks.shift()?.offset ?? passed;
    if (marks.length >= MAX_MARKS) marks = marks.filter((_, i) => i % 2 === 1);
    if (marks.at(-1)?.offset !== waiting.nextOffset) marks.push(mark());
    if (waiting.bytes > 2 * options.slackBytes && !isRenewing) {
      isRenewing = true;
      renew()
        .catch(options.onError)
        .finally(() => {
          isRenewing = false;
        });
    }
    return passed;
  }

  /**
   * The older half goes: what of it is still waited for is copied again, so that a few messages that nobody fetches do
   * not keep all that came after them. Not where that is most of it.
   */
  async function renew(): Promise<void> {
    const target = marks.filter(({ offset }) => offset <= waiting.endOffset)[marks.length >> 1];
    if (target === undefined || target.offset <= waiting.startOffset) return;
    let left = waiting.bytes / 4;
    for (const [i, holder] of holders.entries()) {
      const end = target.nextIds[i] ?? 0;
      for (let at = holder.oldestId(); at < end; ) {
        const { messages, next } = await holder.held(at, end);
        at = next;
        const copied = messages.filter(({ topic }) => options.isCopied(topic));
        left -= copied.reduce((sum, { payload }) => sum + payload.length + RECORD_HEAD_BYTES, 0);
        if (left < 0 || !copied.every((message) => append(waiting, message))) return;
        await stored();
      }
    }
    passed = Math.max(passed, target.offset);
    marks = marks.filter(({ offset }) => offset > target.offset);
  }

  const stored = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const done = (error: Error | undefined): void => (error === undefined ? resolve() : reject(error));
      log.commit('os', done, true, 'object');
    });

  floor();
  partitions.setPolicy(waiting, { settledFloor: floor });
  partitions.setPolicy(retained, { cleanup: 'compact' });

  const append = (partition: Partition, message: Message): boolean => {
    const record = messageToRecord(message, clock.wallMs());
    const isRemoval = partition === retained && message.payload.length === 0;
    return typeof partitions.append(partition, isRemoval ? { ...record, value: null } : record) === 'number';
  };

  return {
    refusal({ topic, payload, properties }) {
      const bytes = topic.length + payload.length + 2 * properties.length + RECORD_HEAD_BYTES;
      if (bytes > options.maxMessageBytes || waiting.bytes > options.maxBytes) return 'full';
      return log.refusal('object');
    },
    keep: (message) => append(waiting, message),
    retain: (message) => append(retained, message),
    forget(topic) {
      append(retained, { ...EMPTY, topic });
    },
  };
}

async function ensure({ partitions, stripeOf }: ObjectCopiesOptions, name: string): Promise<Partition> {
  const known = partitions.get(name, 0);
  if (known !== undefined) return known;
  const made = await partitions.create(name, 0, stripeOf('log', name), 'object');
  if (typeof made === 'string') throw new Error(`copies in the object store are not possible: ${made}`);
  return made;
}

export interface RecoverOptions {
  readonly partitions: Partitions;
  readonly journal: Journal;
  readonly kernel: LogKernel;
  readonly retained: RetainedStore;
  readonly log: StateLog;
  readonly clock: Clock;
}

export interface RecoveredCopies {
  readonly partitions: number;
  readonly retained: number;
}

/**
 * What the object store has and the disk does not know: retained messages first, then the partitions, by which a start
 * that was broken off in between knows that it was. Undefined when the disk knows all.
 */
export async function recoverFromObjects(options: RecoverOptions): Promise<RecoveredCopies | undefined> {
  const { partitions } = options;
  const { catalogue } = partitions;
  if (catalogue === undefined) return undefined;
  if (partitions.list().some(({ storage }) => storage === 'object')) {
    // Where the last one lies is not known here, and to look for it in all that the store has would take long.
    await catalogue.write();
    return undefined;
  }
  const missing = await catalogue.missing();
  if (missing.length === 0) return undefined;
  let retained = 0;
  for (const { name, logId } of missing) {
    if (name === RETAINED) retained += await restoreRetained(options, logId);
  }
  let number = partitions.list(RECOVERED).length;
  const adopted = missing.map((each) =>
    each.name === WAITING ? { ...each, name: RECOVERED, number: number++ } : each,
  );
  await catalogue.adopt(adopted);
  return { partitions: adopted.length, retained };
}

async function restoreRetained(options: RecoverOptions, logId: number): Promise<number> {
  const { journal, kernel, retained, log, clock } = options;
  const newest = new Map<string, { readonly offset: number; readonly message: Message | undefined }>();
  for await (const records of journal.replay(0)) {
    for (const { payload } of records.filter((record) => record.logId === logId)) {
      const { batch } = readRecordBatch(kernel, payload);
      for (let i = 0; batch !== undefined && i < batch.length; i++) {
        const record = batch.record(i);
        const topic = Buffer.from(record.key ?? []).toString('latin1');
        const offset = batch.offset(i);
        if (offset < (newest.get(topic)?.offset ?? 0)) continue;
        const message = record.value === null ? undefined : recordToMessage(record).message;
        newest.set(topic, { offset, message });
      }
    }
  }
  let count = 0;
  for (const { message } of newest.values()) {
    const hasExpired =
      message !== undefined && message.expiresAtMs !== 0 && message.expiresAtMs <= clock.wallMs();
    if (message === undefined || hasExpired || retained.set(message) !== 'stored') continue;
    log.add(TableId.Retained, encodeRetainedSet(message));
    log.commit('sync', undefined, true);
    count++;
  }
  return count;
}
