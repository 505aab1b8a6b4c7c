/** Waiting for records: until one of the partitions has more, the time is up, or nobody waits any more. */
import type { Caller, Kafka } from '../context.ts';
import { find } from './read.ts';
import type { FetchPosition } from './sessions.ts';

export interface Waiting {
  /** True when there is more to see; false when the time is up or the connection is closed. Once. */
  until(waitMs: number): Promise<boolean>;
  /** Idempotent. */
  stop(): void;
}

export function waitForMore(kafka: Kafka, positions: readonly FetchPosition[], connection: Caller): Waiting {
  let hasMore = false;
  let isOver = connection.isClosed;
  let settle: ((hasMore: boolean) => void) | undefined;
  const stops: (() => void)[] = [];

  const stop = (): void => {
    for (const each of stops.splice(0)) each();
  };
  const wake = (): void => {
    hasMore = true;
    stop();
    settle?.(true);
  };
  const giveUp = (): void => {
    isOver = true;
    stop();
    settle?.(false);
  };

  const { partitions, topics } = kafka;
  for (const position of positions) {
    const { partition } = find(kafka, position, connection);
    if (partition !== undefined) stops.push(partitions.onAppend(partition, wake));
  }
  // A topic that goes is an error that the client is told of.
  stops.push(topics.onChange((_, change) => change === 'deleted' && wake()));
  // So is that it may not read any more.
  stops.push(kafka.authorizer.onChange(wake));
  stops.push(connection.onClose(giveUp));

  return {
    until(waitMs) {
      if (hasMore) return Promise.resolve(true);
      if (isOver) return Promise.resolve(false);
      return new Promise((resolve) => {
        settle = resolve;
        stops.push(kafka.clock.every(Math.max(1, waitMs), giveUp));
      });
    },
    stop,
  };
}
