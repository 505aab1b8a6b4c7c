/** Who feeds a share group and who takes from it: each lives until something ends its life, and begins another one. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import { batchFrom, produceRequest, recordsIn } from '../../e2e/kafka/batches.ts';
import { Ack } from '../../protocols/kafka/share/support.ts';
import type { Random } from '../../support/random.ts';
import type { Outcome, Said, ShareLedger } from './share-ledger.ts';
import { accept, createWire, NoAnswer, Refused, type Wire } from './wire.ts';

export const GROUP = 'queue';
export const TOPIC = 'work';
export const PARTITIONS = 2;
export const DELIVERY_LIMIT = 4;

const TYPES: Readonly<Record<Outcome, number>> = {
  accept: Ack.accept,
  reject: Ack.reject,
  release: Ack.release,
};
/** What happens to members whose broker or whose session has gone. */
const EXPECTED: ReadonlySet<number> = new Set([
  ErrorCode.UNKNOWN_MEMBER_ID,
  ErrorCode.GROUP_ID_NOT_FOUND,
  ErrorCode.SHARE_SESSION_NOT_FOUND,
  ErrorCode.INVALID_SHARE_SESSION_EPOCH,
  ErrorCode.FENCED_MEMBER_EPOCH,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  // Who vanished is a member until its session ends, and many a broker here does not live that long.
  ErrorCode.GROUP_MAX_SIZE_REACHED,
]);

export interface ShareStage {
  readonly port: number;
  readonly ledger: ShareLedger;
  readonly random: Random;
  /** Nobody dies, and everything is accepted. */
  isPeaceful(): boolean;
}

export interface ShareActor {
  stop(): Promise<void>;
}

function liveOn(
  { port, ledger }: ShareStage,
  live: (wire: Wire, isOver: () => boolean) => Promise<void>,
): ShareActor {
  let isOver = false;
  const run = async (): Promise<void> => {
    while (!isOver) {
      const wire = createWire(port);
      try {
        await live(wire, () => isOver);
      } catch (error) {
        const isUnexpected = error instanceof Refused && !EXPECTED.has(error.errorCode);
        if (isUnexpected || error instanceof NoAnswer) ledger.complain(error.message);
      }
      wire.close();
      await delay(25);
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

/** Each batch once: what was not answered may be there or not. */
export function startFeeder(stage: ShareStage): ShareActor {
  const { ledger, random } = stage;
  let next = 0;
  return liveOn(stage, async (wire, isOver) => {
    while (!isOver()) {
      const values = Array.from({ length: 1 + random.below(12) }, () => `${next++}`);
      for (const value of values) ledger.fed(value, false);
      const batch = batchFrom(values.map((value) => ({ value })));
      const request = produceRequest(TOPIC, batch, { acks: -1, index: random.below(PARTITIONS) });
      const { responses } = await wire.call(Apis.produce, 9, request);
      accept('Produce', responses[0]?.partitionResponses[0]?.errorCode ?? -1);
      for (const value of values) ledger.fed(value, true);
      await delay(random.below(60));
    }
  });
}

interface Taken {
  readonly partition: number;
  readonly offset: number;
  readonly value: string;
}

type Batch = ReadonlyMap<Outcome, readonly Taken[]>;

/** One life of a member: a session on a connection. */
class Life {
  private readonly wire: Wire;
  private readonly stage: ShareStage;
  private readonly id: string;
  private readonly topicId: string;
  private epoch = 0;

  constructor(stage: ShareStage, wire: Wire, id: string, topicId: string) {
    this.stage = stage;
    this.wire = wire;
    this.id = id;
    this.topicId = topicId;
  }

  async join(): Promise<void> {
    const { errorCode } = await this.wire.call(Apis.shareGroupHeartbeat, 1, {
      groupId: GROUP,
      memberId: this.id,
      memberEpoch: 0,
      subscribedTopicNames: [TOPIC],
    });
    accept('ShareGroupHeartbeat', errorCode);
  }

  private topics(batch: Batch) {
    const partitions = Array.from({ length: PARTITIONS }, (_, partitionIndex) => ({
      partitionIndex,
      acknowledgementBatches: [...batch]
        .flatMap(([outcome, taken]) => taken.map((each) => ({ ...each, type: TYPES[outcome] })))
        .filter(({ partition }) => partition === partitionIndex)
        .toSorted((a, b) => a.offset - b.offset)
        .map(({ offset, type }) => ({ firstOffset: offset, lastOffset: offset, acknowledgeTypes: [type] })),
    }));
    return [{ topicId: this.topicId, partitions }];
  }

  /** What was asked for is unknown until the answer says it of its partition. */
  private async settling<T>(
    batch: Batch,
    ask: () => Promise<T>,
    errorsOf: (answer: T) => ReadonlyMap<number, number>,
  ): Promise<T> {
    const note = (said: (partition: number) => Said): void => {
      for (const [outcome, taken] of batch) {
        for (let partition = 0; partition < PARTITIONS; partition++) {
          const values = taken.filter((each) => each.partition === partition).map(({ value }) => value);
          this.stage.ledger.settled(values, outcome, said(partition));
        }
      }
    };
    note(() => 'unknown');
    const answer = await ask();
    const errors = errorsOf(answer);
    note((partition) => {
      const errorCode = errors.get(partition);
      if (errorCode === undefined) return 'unknown';
      return errorCode === ErrorCode.NONE ? 'done' : 'refused';
    });
    return answer;
  }

  async acknowledge(batch: Batch): Promise<void> {
    const answer = await this.settling(
      batch,
      () =>
        this.wire.call(Apis.shareAcknowledge, 2, {
          groupId: GROUP,
          memberId: this.id,
          shareSessionEpoch: this.epoch,
          topics: this.topics(batch),
        }),
      ({ errorCode, responses }) =>
        new Map(
          errorCode === ErrorCode.NONE
            ? responses.flatMap(({ partitions }) =>
                partitions.map((each) => [each.partitionIndex, each.errorCode] as const),
              )
            : [],
        ),
    );
    accept('ShareAcknowledge', answer.errorCode);
    this.epoch++;
  }

  /** Takes what is there; `batch` goes along. */
  async fetch(batch: Batch): Promise<Taken[]> {
    const answer = await this.settling(
      batch,
      () =>
        this.wire.call(Apis.shareFetch, 2, {
          groupId: GROUP,
          memberId: this.id,
          shareSessionEpoch: this.epoch,
          maxWaitMs: 50,
          minBytes: 1,
          maxBytes: 100_000,
          maxRecords: 20,
          batchSize: 20,
          topics: this.topics(batch),
          forgottenTopicsData: [],
        }),
      ({ errorCode, responses }) =>
        new Map(
          errorCode === ErrorCode.NONE
            ? responses.flatMap(({ partitions }) =>
                partitions.map((each) => [each.partitionIndex, each.acknowledgeErrorCode] as const),
              )
            : [],
        ),
    );
    accept('ShareFetch', answer.errorCode);
    this.epoch++;
    const taken: Taken[] = [];
    for (const { partitionIndex, errorCode, records, acquiredRecords } of answer.responses.flatMap(
      ({ partitions }) => partitions,
    )) {
      accept('ShareFetch of a partition', errorCode);
      const all = recordsIn(records);
      for (const { firstOffset, lastOffset, deliveryCount } of acquiredRecords) {
        for (const { offset, value } of all) {
          if (offset < firstOffset || offset > lastOffset) continue;
          this.stage.ledger.delivered(value, deliveryCount, DELIVERY_LIMIT);
          taken.push({ partition: partitionIndex, offset, value });
        }
      }
    }
    return taken;
  }

  decide(taken: readonly Taken[]): Batch {
    const { random, isPeaceful } = this.stage;
    const batch = new Map<Outcome, Taken[]>();
    for (const each of taken) {
      const draw = isPeaceful() ? 0 : random.below(100);
      // What is left is with the member until its lock, or its life, ends.
      if (draw >= 95) continue;
      const outcome: Outcome = draw < 62 ? 'accept' : draw < 85 ? 'release' : 'reject';
      batch.set(outcome, [...(batch.get(outcome) ?? []), each]);
    }
    return batch;
  }
}

const NOTHING: Batch = new Map();

export function startMember(stage: ShareStage, topicId: string): ShareActor {
  const { random, isPeaceful } = stage;
  return liveOn(stage, async (wire, isOver) => {
    const life = new Life(stage, wire, randomUUID().slice(0, 22), topicId);
    await life.join();
    let batch = NOTHING;
    while (!isOver()) {
      const taken = await life.fetch(batch);
      batch = life.decide(taken);
      // Some vanish with all that they have.
      if (!isPeaceful() && random.oneIn(25)) return;
      if (random.oneIn(2)) {
        await life.acknowledge(batch);
        batch = NOTHING;
      }
      if (random.oneIn(3)) await delay(random.below(40));
    }
    if (batch !== NOTHING) await life.acknowledge(batch);
  });
}
