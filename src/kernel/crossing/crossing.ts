/**
 * Crossing: what one protocol writes is seen by the others under the same address. Here are which address that is, records as
 * messages, and the two ways: messages of MQTT into the partitions of a topic, and records of a topic to MQTT's subscribers.
 * Not here: the protocols, which are handed in as functions.
 *
 * Guaranteed: a record crosses once, in the turn of its append, and who is told that it is stored is told so after it is as
 * durable with those subscribers as their sessions ask for; it does not come back to the topic that it came from; where nobody
 * listens nothing is decoded.
 */
import type { LogRecord } from '../../storage/records/record.ts';
import type { Message } from '../message.ts';
import type { Router } from '../router.ts';
import type { Capture, Streams } from '../streams/streams.ts';
import { mqttAddress } from './addresses.ts';
import { recordAsMessage } from './record-as-message.ts';

export interface CrossingOptions {
  readonly router: Router;
  readonly streams: Pick<Streams, 'capturing' | 'captureAddress'>;
  /** Decisions about the address are stale. */
  readonly onCaptureChange: (address: Uint8Array) => void;
  /** To all but the stream of that name. */
  readonly publish: (message: Message, exceptStream: string) => void;
}

export interface Crossing {
  /** Messages published to the topic's address go there from now on, until the returned function is called. */
  capture(into: Capture): () => void;
  /** Whether anybody besides the topic itself takes its records. */
  isWanted(topic: string): boolean;
  /** Records of the topic, in their order. */
  publish(topic: string, records: Iterable<LogRecord>): void;
}

export function createCrossing({ router, streams, onCaptureChange, publish }: CrossingOptions): Crossing {
  return {
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
    publish(topic, records) {
      const address = mqttAddress(topic);
      for (const record of records) publish(recordAsMessage(record, address), topic);
    },
  };
}
