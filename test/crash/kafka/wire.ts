/** Requests to the broker as long as it is there: whatever goes wrong on the way ends the life of who asked. */
import type { Api } from '../../../src/protocols/kafka/messages/apis.ts';
import type { In, Out } from '../../../src/protocols/kafka/schema/message.ts';
import { type KafkaClient, openKafkaClient } from '../../support/kafka-client.ts';

/** A broker that needs longer than this for one request is stuck. */
const ANSWER_SECONDS = 20;

export interface Wire {
  call<A extends Api>(api: A, version: number, value: In<A['request']>): Promise<Out<A['response']>>;
  close(): void;
}

export class NoAnswer extends Error {}

/** What a broker says that makes a client start again. */
export class Refused extends Error {
  readonly errorCode: number;
  constructor(what: string, errorCode: number) {
    super(`${what}: error ${errorCode}`);
    this.errorCode = errorCode;
  }
}

export function accept(what: string, errorCode: number): void {
  if (errorCode !== 0) throw new Refused(what, errorCode);
}

/** Connects with the first request, and anew with the next one after a connection has broken. */
export function createWire(port: number): Wire {
  let client: KafkaClient | undefined;
  return {
    async call(api, version, value) {
      client ??= await openKafkaClient(port);
      const current = client;
      // In seconds that this process has seen: one that stands still with its broker has not been kept waiting.
      let seconds = 0;
      const watch = setInterval(() => {
        if (++seconds >= ANSWER_SECONDS) current.close();
      }, 1000);
      try {
        return await current.call(api, version, value);
      } catch (error) {
        current.close();
        client = undefined;
        throw seconds >= ANSWER_SECONDS
          ? new NoAnswer(`API ${api.key} was not answered in ${ANSWER_SECONDS} s`)
          : error;
      } finally {
        clearInterval(watch);
      }
    },
    close() {
      client?.close();
      client = undefined;
    },
  };
}
