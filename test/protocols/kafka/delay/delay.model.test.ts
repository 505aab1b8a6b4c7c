/**
 * Random lives of a topic whose records may be delayed, over ends of the process and losses of power at any moment, after which an
 * idempotent producer sends again what was not answered. Each record appears once and not before its time, and so it crosses.
 */
import { describe, expect, test } from 'vitest';
import { defaultConfig } from '../../../../src/config/load.ts';
import { createDelays, type RecordDelays } from '../../../../src/protocols/kafka/delay/delay.ts';
import { DELAY_HEADER } from '../../../../src/protocols/kafka/delay/request.ts';
import { append } from '../../../../src/protocols/kafka/produce/append.ts';
import { buildBatch } from '../../../../src/protocols/kafka/records/build.ts';
import { understand } from '../../../../src/protocols/kafka/topics/configs.ts';
import type { Topic } from '../../../../src/protocols/kafka/topics/topics.ts';
import { encodeHeaders } from '../../../../src/storage/records/record.ts';
import { crashingKv } from '../../../kernel/state/crashing-kv.ts';
import { faultyDisk } from '../../../storage/disk/faulty-disk.ts';
import { createMemoryObjects } from '../../../support/memory-objects.ts';
import { createRandom } from '../../../support/random.ts';
import {
  committed,
  crossed,
  found,
  kernel,
  made,
  newWorld,
  type Opened,
  openWorld,
  readCommitted,
  type World,
} from '../producers/support.ts';

const RUNS = Number(process.env.ROBUSTMQ_KAFKA_DELAY_RUNS ?? 4);
const STEPS = 80;
const MAX_DELAY_MS = 5000;

type Storage = 'journal' | 'object';

interface Sent {
  readonly value: string;
  readonly isDelayed: boolean;
  readonly delayMs: number;
  /** When it is sent first. */
  readonly dueMs: number;
}

interface Batch {
  readonly sequence: number;
  readonly records: readonly Sent[];
}

/** As many as an idempotent producer may have. */
const MAX_UNANSWERED = 4;

class Life {
  readonly random: ReturnType<typeof createRandom>;
  readonly world: World;
  readonly storage: Storage;
  readonly sent = new Map<string, Sent>();
  /** They are sent again after a crash, in their order. */
  unanswered: Batch[] = [];
  sequence = 0;
  kv: ReturnType<typeof crashingKv>;
  opened!: Opened;
  delays!: RecordDelays;
  kafka!: Parameters<typeof append>[0];

  constructor(seed: number) {
    this.random = createRandom(seed);
    this.kv = crashingKv(this.random);
    this.storage = seed % 4 === 3 ? 'object' : 'journal';
    const objects = this.storage === 'object' ? { objects: createMemoryObjects() } : {};
    this.world = newWorld(faultyDisk(seed), { kv: this.kv, ...objects });
  }

  get topic(): Topic {
    const overrides = new Map([
      ['robustmq.delay.enable', 'true'],
      ['robustmq.storage', this.storage],
    ]);
    return {
      id: 'id',
      name: 't',
      partitions: [found(this.opened)],
      overrides,
      settings: understand(overrides, defaultConfig()),
      isInternal: false,
      isConfigured: false,
    };
  }

  async open(): Promise<void> {
    this.opened = await openWorld(this.world);
    if (this.opened.partitions.get('t', 0) === undefined) await made(this.opened, 0, this.storage);
    const { opened, world } = this;
    const topic = this.topic;
    const { crossing } = opened;
    const context = {
      config: defaultConfig(),
      kernel,
      clock: world.clock,
      logger: { warn() {}, error() {} },
      log: opened.log,
      partitions: opened.partitions,
      producers: opened.producers,
      topics: { byId: () => topic, onChange: () => () => {} },
      writers: { keep: () => new Uint8Array(0), mayStillWrite: () => true },
      follower: opened.follower,
      deadLetters: { bury() {}, counters: { buried: 0, refused: 0 } },
      crossing: {
        ...crossing,
        publish(_: string, records: Iterable<Parameters<typeof crossing.publishWith>[1]>) {
          for (const record of records) crossing.publishWith('t', record, { also() {}, done() {} });
          return [];
        },
      },
    };
    this.delays = createDelays(context as never, opened.delayed);
    this.kafka = { ...context, delays: this.delays } as never;
    await this.delays.open();
  }

  async produce(): Promise<void> {
    const nowMs = this.world.clock.wallMs();
    const records: Sent[] = [];
    for (let left = 1 + this.random.below(4); left > 0; left--) {
      const delayMs = this.random.oneIn(2) ? 1 + this.random.below(MAX_DELAY_MS) : 0;
      const value = `v${this.sent.size}`;
      const sent = { value, isDelayed: delayMs > 0, delayMs, dueMs: nowMs + delayMs };
      this.sent.set(value, sent);
      records.push(sent);
    }
    const batch = { sequence: this.sequence, records };
    this.sequence += records.length;
    this.unanswered.push(batch);
    await this.transmit(batch);
  }

  /** As Produce with acks=all does it. */
  async transmit(batch: Batch): Promise<void> {
    const timestampMs = this.world.clock.wallMs();
    const records = batch.records.map(({ value, delayMs, isDelayed }) => {
      const header = { name: Buffer.from(DELAY_HEADER), value: Buffer.from(`${delayMs}`) };
      const headers = encodeHeaders(isDelayed ? [header] : []);
      return { timestampMs, key: null, value: Buffer.from(value), headers };
    });
    const producer = { id: 7, epoch: 0, baseSequence: batch.sequence };
    const origin = { apiVersion: 9, transactionalId: null };
    const { topic, opened } = this;
    const [partition] = topic.partitions;
    if (partition === undefined) throw new Error('no partition');
    const bytes = buildBatch(kernel, records, { producer });
    const { error, message } = append(this.kafka, topic, partition, bytes, origin);
    expect({ error, message }).toEqual({ error: 0, message: null });
    if (!(await committed(opened.log, () => {}, this.storage))) return;
    this.unanswered = this.unanswered.filter((each) => each !== batch);
  }

  async crash(): Promise<void> {
    for (let turns = this.random.below(6); turns > 0; turns--) await new Promise(setImmediate);
    this.delays.stop();
    this.opened.producers.close();
    const isKilled = this.random.oneIn(2);
    this.world.disk = isKilled ? this.world.disk.kill() : this.world.disk.crash();
    this.kv = isKilled ? this.kv.kill() : this.kv.crash();
    this.world.kv = this.kv;
    await this.open();
    for (const batch of [...this.unanswered]) await this.transmit(batch);
  }

  async step(): Promise<void> {
    switch (this.random.below(10)) {
      case 0:
        return this.crash();
      case 1:
        return void (await this.opened.log.snapshot());
      case 2:
        return this.opened.log.checkpoint();
      case 3:
      case 4:
        return this.world.clock.advance(this.random.below(MAX_DELAY_MS / 4));
      default: {
        const produced = this.produce();
        if (this.random.oneIn(5)) await this.crash();
        else if (this.unanswered.length >= MAX_UNANSWERED || !this.random.oneIn(3)) await produced;
      }
    }
  }

  /** How often what is delayed, and what is not, may be there. */
  countIn(values: readonly string[], delayed: number, others: number): void {
    const nowMs = this.world.clock.wallMs();
    const counts = new Map<string, number>();
    for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
    for (const [value, count] of counts) {
      const sent = this.sent.get(value);
      expect(sent?.dueMs).toBeLessThanOrEqual(nowMs);
      expect(count).toBeLessThanOrEqual(sent?.isDelayed ? delayed : others);
    }
  }

  async verify(): Promise<readonly string[]> {
    await crossed(this.opened);
    const values = await readCommitted(this.opened, found(this.opened));
    // The object store has it, and the end where it waited is not written yet.
    this.countIn(values, this.storage === 'object' ? 2 : 1, 1);
    return values;
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 4; i++) {
      await this.world.clock.advance(MAX_DELAY_MS);
      await this.opened.log.drained();
    }
    expect(this.opened.delayed.count).toBe(0);
    const values = await this.verify();
    for (const value of this.sent.keys()) expect(values).toContain(value);
    const inbox = this.opened.inbox.values();
    // Those that are not delayed cross before the object store has them.
    this.countIn(inbox, 1, this.storage === 'object' ? 2 : 1);
    for (const value of values) if (this.sent.get(value)?.isDelayed) expect(inbox).toContain(value);
    this.delays.stop();
    this.opened.producers.close();
    await this.opened.log.close();
  }
}

describe('random lives of delayed records', () => {
  for (let run = 0; run < RUNS; run++) {
    test(`each appears once, in its time (${run})`, async () => {
      const life = new Life(run);
      await life.open();
      for (let step = 0; step < STEPS; step++) {
        await life.step();
        if (step % 10 === 0) await life.verify();
      }
      await life.settle();
    });
  }
});
