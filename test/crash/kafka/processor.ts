/**
 * Reads, processes and writes, with how far it has read in the same transaction, as a member of a group. A life ends when its time has
 * come or the broker has shut it out; that the broker has gone does not end it: it goes on as the member that it is.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import type { Random } from '../../support/random.ts';
import { type Actor, INPUT, liveOn, PARTITIONS, type Stage, untilOf } from './actors.ts';
import { joinClassic, joinConsumer, type Membership, type Place } from './membership.ts';
import { TransactionalProducer } from './producer.ts';
import { type CommittedRecord, fetchCommitted } from './records.ts';
import { accept, NoAnswer, Refused, type Wire } from './wire.ts';

const BEAT_MS = 100;
const UNSTABLE_MS = 30;
const BROKEN_MS = 20;
/** Longer than a session: others take it for dead. */
const COMA_MS = 1600;
const MAX_TAKEN = 30;

export interface ProcessorOptions {
  readonly groupId: string;
  readonly slot: number;
  /** `consumer`: the broker assigns. */
  readonly kind: 'classic' | 'consumer' | 'either';
  readonly isStatic: boolean;
}

/** What this life does for its end; undefined: it goes on. */
type End = 'leaves' | 'vanishes' | undefined;

class Life {
  private readonly stage: Stage;
  private readonly wire: Wire;
  private readonly groupId: string;
  private readonly producer: TransactionalProducer;
  private readonly member: Membership;
  private readonly isConsumer: boolean;
  private positions = new Map<number, number>();
  private beatenMs = 0;
  private turn = 0;

  constructor(
    stage: Stage,
    wire: Wire,
    groupId: string,
    producer: TransactionalProducer,
    member: Membership,
    isConsumer: boolean,
  ) {
    this.stage = stage;
    this.wire = wire;
    this.groupId = groupId;
    this.producer = producer;
    this.member = member;
    this.isConsumer = isConsumer;
  }

  private get random(): Random {
    return this.stage.random;
  }

  /** Offsets of a transaction that is open have to be waited for. */
  private async reposition(): Promise<void> {
    const { groupId, member, isConsumer, wire } = this;
    for (;;) {
      const partitions = [...member.partitions];
      this.positions = new Map();
      const { groups } = await wire.call(Apis.offsetFetch, 9, {
        groups: [
          {
            groupId,
            memberId: isConsumer ? member.memberId : null,
            memberEpoch: isConsumer ? member.generation : -1,
            topics: [{ name: INPUT, partitionIndexes: partitions }],
          },
        ],
        requireStable: true,
      });
      accept('OffsetFetch', groups[0]?.errorCode ?? -1);
      const found = groups[0]?.topics[0]?.partitions ?? [];
      if (found.some(({ errorCode }) => errorCode === ErrorCode.UNSTABLE_OFFSET_COMMIT)) {
        await delay(UNSTABLE_MS);
        await member.beat();
        continue;
      }
      for (const { errorCode } of found) accept('OffsetFetch', errorCode);
      this.positions = new Map(found.map((each) => [each.partitionIndex, Math.max(0, each.committedOffset)]));
      return;
    }
  }

  /** What was under way when the connection broke is undone, or has happened: the committed offsets tell. */
  async recover(): Promise<void> {
    await this.producer.init();
    await this.member.beat();
    await this.reposition();
  }

  async step(): Promise<End> {
    const { member, positions, random } = this;
    if (performance.now() - this.beatenMs > BEAT_MS) {
      this.beatenMs = performance.now();
      if (await member.beat()) {
        this.stage.ledger.rebalances++;
        await this.reposition();
        return undefined;
      }
    }
    const mine = [...positions.keys()].sort((a, b) => a - b);
    const partition = mine[this.turn++ % mine.length];
    if (partition === undefined) {
      await delay(BEAT_MS / 2);
      return undefined;
    }
    const fetched = await fetchCommitted(this.wire, INPUT, partition, positions.get(partition) ?? 0, 10);
    const taken = fetched.records.slice(0, 1 + random.below(MAX_TAKEN));
    if (taken.length > 0) return this.process(partition, taken);
    positions.set(partition, fetched.next);
    return undefined;
  }

  private async process(partition: number, taken: readonly CommittedRecord[]): Promise<End> {
    const { groupId, member, producer, random } = this;
    const { ledger, isPeaceful } = this.stage;
    const next = (taken.at(-1)?.offset ?? -1) + 1;
    const happens = (n: number): boolean => !isPeaceful() && random.oneIn(n);
    try {
      const results = taken.map(({ offset, value }) => ({ key: `${partition}:${offset}`, value }));
      await producer.send(`out-${groupId}`, partition, results);
      await producer.send(`state-${groupId}`, 0, [{ key: `${partition}`, value: `${next}` }]);
      if (happens(150)) await delay(COMA_MS);
      if (happens(60)) {
        ledger.abandoned++;
        return 'vanishes';
      }
      const { memberId, instanceId, generation } = member;
      const offsets = { topic: INPUT, partition, offset: next };
      await producer.sendOffsets({ groupId, memberId, instanceId, generation, ...offsets });
    } catch (error) {
      if (error instanceof Refused) {
        ledger.aborted++;
        await producer.end(false);
      }
      throw error;
    }
    if (happens(60)) {
      ledger.abandoned++;
      return 'vanishes';
    }
    const commits = !happens(8);
    await producer.end(commits);
    if (commits) {
      ledger.transactions++;
      this.positions.set(partition, next);
    } else ledger.aborted++;
    return undefined;
  }
}

async function begin(
  stage: Stage,
  { groupId, slot, kind, isStatic }: ProcessorOptions,
  wire: Wire,
  life: number,
): Promise<{ life: Life; member: Membership; isConsumer: boolean }> {
  const { random } = stage;
  const name = `${groupId}-${slot}`;
  const instanceId = isStatic ? `instance-${slot}` : null;
  const place: Place = { groupId, topic: INPUT, partitionCount: PARTITIONS, instanceId };
  const transactionalId = random.oneIn(4) ? `${name}-${random.below(3)}` : name;
  const producer = new TransactionalProducer(wire, transactionalId, random.oneIn(2));
  await producer.init();
  const isConsumer = kind === 'either' ? random.oneIn(2) : kind === 'consumer';
  const member = isConsumer
    ? await joinConsumer(wire, place, `${name}-${life}-${random.below(1e9)}`)
    : await joinClassic(wire, place);
  return { life: new Life(stage, wire, groupId, producer, member, isConsumer), member, isConsumer };
}

export function startProcessor(stage: Stage, options: ProcessorOptions): Actor {
  const { random, isPeaceful } = stage;
  let lives = 0;
  return liveOn(stage, async (wire, isOver) => {
    const { life, member, isConsumer } = await begin(stage, options, wire, ++lives);
    const endsMs = untilOf(random, 1000, 12_000);
    const isAtEnd = (): boolean => isOver() || (performance.now() > endsMs && !isPeaceful());
    let isBroken = true;
    let end: End;
    while (end === undefined && !isAtEnd()) {
      try {
        if (isBroken) await life.recover();
        isBroken = false;
        end = await life.step();
      } catch (error) {
        if (error instanceof Refused || error instanceof NoAnswer) throw error;
        isBroken = true;
        await delay(BROKEN_MS);
      }
    }
    // Classic static members do not leave: who comes next takes their place.
    end ??= isOver() || (random.oneIn(2) && (isConsumer || !options.isStatic)) ? 'leaves' : 'vanishes';
    if (end === 'leaves') await member.leave();
  });
}
