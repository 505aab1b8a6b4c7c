/**
 * Crossing: what one protocol writes is seen by the others under the same address. Here are which address that is, records as
 * messages, and the two ways: messages of MQTT into the partitions of a topic, and records of a topic to MQTT's subscribers, at
 * once or, where it is not yet known whether they count, behind the decision (follower.ts). Not here: the protocols, which are
 * handed in as functions.
 *
 * Guaranteed: a record crosses once, in the turn of its append, and who is told that it is stored is told so after it is as
 * durable with those subscribers as their sessions ask for; it does not come back to the topic that it came from; where nobody
 * listens nothing is decoded. What cannot be a message there is refused with a reason, and the rest crosses.
 */
import type { LogRecord } from '../../storage/records/record.ts';
import type { Message } from '../message.ts';
import type { Router } from '../router.ts';
import type { Capture, Streams } from '../streams/streams.ts';
import { mqttAddress } from './addresses.ts';
import { messageOf, recordAsMessage } from './record-as-message.ts';

/** What else belongs to the change that publishes a message. */
export interface Change {
  /** Adds its entries and records to it. */
  also(): void;
  /** It is committed, or never will be. */
  done(error: Error | undefined): void;
}

export interface CrossingLimits {
  readonly maxTopicBytes: number;
  readonly maxTopicLevels: number;
  /** Of topic, payload and properties together. */
  readonly maxMessageBytes: number;
}

export interface CrossingOptions {
  readonly router: Router;
  readonly streams: Pick<Streams, 'capturing' | 'captureAddress'>;
  readonly limits: CrossingLimits;
  /** The address as its clients write it. Where it is not given they write all of it. */
  readonly written?: (address: Uint8Array) => Uint8Array;
  /** Decisions about the address are stale. */
  readonly onCaptureChange: (address: Uint8Array) => void;
  /** To all but the stream of that name. */
  readonly publish: (message: Message, exceptStream: string, change?: Change) => void;
  /** Whether all who would keep what is published there have room now. */
  readonly hasRoomFor: (address: Uint8Array, exceptStream: string) => boolean;
}

export type CrossingRefusal = 'topic' | 'too-large';

export interface RefusedRecord {
  readonly record: LogRecord;
  /** Among those that were given. */
  readonly index: number;
  readonly reason: CrossingRefusal;
}

export interface CrossingCounters {
  /** Records that became messages. */
  crossed: number;
  /** Those whose topic is no topic there. */
  refusedTopic: number;
  refusedTooLarge: number;
}

export interface Crossing {
  /** Messages published to the topic's address go there from now on, until the returned function is called. */
  capture(into: Capture): () => void;
  /** Whether anybody besides the topic itself takes its records. */
  isWanted(topic: string): boolean;
  /** Whether all who take its records and keep them have room now: who can wait, waits until then. */
  hasRoom(topic: string): boolean;
  /** Records of the topic, in their order. Gives those that cannot be messages. */
  publish(topic: string, records: Iterable<LogRecord>): readonly RefusedRecord[];
  /** One record, in one change with what the caller adds to it. Where it is refused, nothing of that has happened. */
  publishWith(topic: string, record: LogRecord, change: Change): CrossingRefusal | undefined;
  /** Whether the record is a message of this address: one that was published there comes back as it was. */
  isOwnMessage(topic: string, record: LogRecord): boolean;
  readonly counters: Readonly<CrossingCounters>;
}

const NONE: readonly RefusedRecord[] = [];
const SLASH = 0x2f;

function levelsOf(topic: Uint8Array): number {
  let levels = 1;
  for (const byte of topic) if (byte === SLASH) levels++;
  return levels;
}

export function createCrossing(options: CrossingOptions): Crossing {
  const { router, streams, limits, onCaptureChange, publish, written = (address) => address } = options;
  const counters: CrossingCounters = { crossed: 0, refusedTopic: 0, refusedTooLarge: 0 };

  const isAddress = (address: Uint8Array): boolean =>
    address.length <= limits.maxTopicBytes && levelsOf(address) <= limits.maxTopicLevels;

  /** Counted either way. */
  function judge(message: Message, isPossible: boolean): CrossingRefusal | undefined {
    if (!isPossible) {
      counters.refusedTopic++;
      return 'topic';
    }
    const { topic, payload, properties } = message;
    if (topic.length + payload.length + properties.length > limits.maxMessageBytes) {
      counters.refusedTooLarge++;
      return 'too-large';
    }
    counters.crossed++;
    return undefined;
  }

  return {
    counters,
    capture(into) {
      const address = mqttAddress(into.name);
      const stop = streams.captureAddress(address, into);
      onCaptureChange(address);
      return () => {
        stop();
        onCaptureChange(address);
      };
    },
    isWanted(topic) {
      const address = mqttAddress(topic);
      const matches = router.match(address);
      if (matches.count > 0) return true;
      for (const _ of matches.groups) return true;
      return streams.capturing(address).some(({ name }) => name !== topic);
    },
    hasRoom: (topic) => options.hasRoomFor(mqttAddress(topic), topic),
    publish(topic, records) {
      const address = mqttAddress(topic);
      const isPossible = isAddress(address);
      const asWritten = written(address);
      let refused: RefusedRecord[] | undefined;
      let index = -1;
      for (const record of records) {
        index++;
        const message = recordAsMessage(record, address, asWritten);
        const reason = judge(message, isPossible);
        if (reason === undefined) publish(message, topic);
        else {
          refused ??= [];
          refused.push({ record, index, reason });
        }
      }
      return refused ?? NONE;
    },
    publishWith(topic, record, change) {
      const address = mqttAddress(topic);
      const message = recordAsMessage(record, address, written(address));
      const reason = judge(message, isAddress(address));
      if (reason === undefined) publish(message, topic, change);
      return reason;
    },
    isOwnMessage(topic, record) {
      const address = mqttAddress(topic);
      return messageOf(record, address, written(address)) !== undefined;
    },
  };
}
