/** Who writes the input, and who processes it: each lives until something ends its life, and begins another one. */
import { setTimeout as delay } from 'node:timers/promises';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import { batchFrom, produceRequest } from '../../e2e/kafka/batches.ts';
import type { Random } from '../../support/random.ts';
import { complain, type Fate, type Ledger } from './ledger.ts';
import { TransactionalProducer } from './producer.ts';
import { accept, createWire, NoAnswer, Refused, type Wire } from './wire.ts';

export const INPUT = 'in';
export const PARTITIONS = 3;
const PAUSE_MS = 25;
/** Between two batches: what is processed exactly once needs more time than what is only written. */
const MAX_REST_MS = 120;

/** What happens to clients that come and go, are slow, or were replaced. */
const EXPECTED: ReadonlySet<number> = new Set([
  ErrorCode.UNKNOWN_MEMBER_ID,
  ErrorCode.ILLEGAL_GENERATION,
  ErrorCode.REBALANCE_IN_PROGRESS,
  ErrorCode.FENCED_INSTANCE_ID,
  ErrorCode.UNRELEASED_INSTANCE_ID,
  ErrorCode.FENCED_MEMBER_EPOCH,
  ErrorCode.STALE_MEMBER_EPOCH,
  ErrorCode.GROUP_ID_NOT_FOUND,
  ErrorCode.INVALID_PRODUCER_EPOCH,
  ErrorCode.PRODUCER_FENCED,
  // Of a transaction that had timed out when its next request came.
  ErrorCode.INVALID_TXN_STATE,
  // Of answers that a stop overtakes.
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
]);

export interface Actor {
  stop(): Promise<void>;
}

export interface Stage {
  readonly port: number;
  readonly ledger: Ledger;
  readonly random: Random;
  /** Nobody dies any more: what is there has to be done. */
  isPeaceful(): boolean;
}

/** Lives one life after the other; `onEnd` sees what ended it. */
export function liveOn(
  { port, ledger, random }: Stage,
  live: (wire: Wire, isOver: () => boolean) => Promise<void>,
): Actor {
  let isOver = false;
  const run = async (): Promise<void> => {
    while (!isOver) {
      const wire = createWire(port);
      try {
        await live(wire, () => isOver);
      } catch (error) {
        const isUnexpected = error instanceof Refused && !EXPECTED.has(error.errorCode);
        if (isUnexpected || error instanceof NoAnswer) complain(ledger, error.message);
      }
      wire.close();
      await delay(random.below(PAUSE_MS));
    }
  };
  const running = run();
  return {
    async stop() {
      isOver = true;
      await running;
    },
  };
}

export const untilOf = (random: Random, leastMs: number, mostMs: number): number =>
  performance.now() + leastMs + random.below(mostMs - leastMs);

/** Writes in transactions that are committed, aborted or left lying. */
export function startTransactionalFeeder(stage: Stage, name: string, isNew: boolean): Actor {
  const { ledger, random } = stage;
  let number = 0;
  return liveOn(stage, async (wire, isOver) => {
    const producer = new TransactionalProducer(wire, `${name}-${random.below(3)}`, isNew);
    await producer.init();
    const endsMs = untilOf(random, 300, 2000);
    while (!isOver() && performance.now() < endsMs) {
      const values: string[] = [];
      const decide = (fate: Fate): void => {
        for (const value of values) ledger.fed.set(value, fate);
      };
      for (let places = 1 + random.below(2); places > 0; places--) {
        const records = Array.from({ length: 1 + random.below(4) }, () => ({ value: `${name}/${number++}` }));
        values.push(...records.map(({ value }) => value));
        // Until the end of the transaction is asked for, its records are never to be seen.
        decide('aborted');
        await producer.send(INPUT, random.below(PARTITIONS), records);
      }
      if (random.oneIn(25)) return;
      const commits = !random.oneIn(6);
      if (commits) decide('unknown');
      await producer.end(commits);
      if (commits) decide('committed');
      await delay(random.below(MAX_REST_MS));
    }
  });
}

/** Sends each batch until it is acknowledged, and knows that it is there once. */
export function startIdempotentFeeder(stage: Stage, name: string): Actor {
  const { ledger, random } = stage;
  let producer: { readonly producerId: number; readonly producerEpoch: number } | undefined;
  const sequences = new Map<number, number>();
  let number = 0;
  let waiting: { readonly partition: number; readonly values: readonly string[] } | undefined;
  return liveOn(stage, async (wire, isOver) => {
    if (producer === undefined) {
      const made = await wire.call(Apis.initProducerId, 4, {
        transactionalId: null,
        transactionTimeoutMs: 60_000,
      });
      accept('InitProducerId', made.errorCode);
      producer = made;
    }
    while (!isOver()) {
      waiting ??= {
        partition: random.below(PARTITIONS),
        values: Array.from({ length: 1 + random.below(3) }, () => `${name}/${number++}`),
      };
      const { partition, values } = waiting;
      for (const value of values) ledger.fed.set(value, 'unknown');
      const baseSequence = sequences.get(partition) ?? 0;
      const batch = batchFrom(
        values.map((value) => ({ value })),
        { producer: { id: producer.producerId, epoch: producer.producerEpoch, baseSequence } },
      );
      const request = produceRequest(INPUT, batch, { acks: -1, index: partition });
      const { responses } = await wire.call(Apis.produce, 9, request);
      accept('Produce', responses[0]?.partitionResponses[0]?.errorCode ?? -1);
      for (const value of values) ledger.fed.set(value, 'committed');
      sequences.set(partition, baseSequence + values.length);
      waiting = undefined;
      await delay(random.below(MAX_REST_MS));
    }
  });
}
