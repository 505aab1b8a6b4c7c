/**
 * Random lives of producers with idempotence and transactions of both versions: retries, zombies, aborts by clients and by time, new
 * instances, restarts with and without the loss of what was not synced. A naive model knows what each transaction wrote and how it
 * ended; readers of committed records, and groups, must have exactly that.
 */
import { describe, expect, test } from 'vitest';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import { type CrashingKv, crashingKv } from '../../../kernel/state/crashing-kv.ts';
import { faultyDisk } from '../../../storage/disk/faulty-disk.ts';
import { createMemoryObjects } from '../../../support/memory-objects.ts';
import { createRandom } from '../../../support/random.ts';
import {
  audit,
  commitOffset,
  committedOffset,
  crossed,
  found,
  made,
  newWorld,
  type Opened,
  openWorld,
  produce,
  readCommitted,
  type World,
} from './support.ts';

const RUNS = Number(process.env.ROBUSTMQ_KAFKA_PRODUCER_RUNS ?? 5);
const STEPS = 140;
const PARTITIONS = 3;
const TIMEOUT_MS = 60_000;

interface Sent {
  readonly partition: number;
  readonly values: readonly string[];
  readonly sequence: number;
  baseOffset: number;
}

/** A client with a transactional id, as its library keeps it. */
interface Client {
  readonly id: string;
  readonly isV2: boolean;
  producerId: number;
  epoch: number;
  sequences: number[];
  /** Of the transaction that it is in. */
  sent: Sent[];
  joined: Set<number>;
  offset: number;
  isOpen: boolean;
  isDead: boolean;
}

class Life {
  readonly random: ReturnType<typeof createRandom>;
  readonly world: World;
  kv: CrashingKv | undefined;
  /** The last partition is in the object store. */
  readonly hasObjects: boolean;
  opened!: Opened;
  clients: Client[] = [];
  zombies: Client[] = [];
  /** What readers of committed records must see in each partition, by offset. */
  visible: Map<number, string>[] = Array.from({ length: PARTITIONS }, () => new Map());
  hidden = new Set<string>();
  offset = -1;
  count = 0;

  constructor(seed: number) {
    this.random = createRandom(seed);
    this.kv = seed % 3 === 0 ? undefined : crashingKv(this.random);
    this.hasObjects = seed % 4 === 1;
    this.world = newWorld(faultyDisk(seed), this.hasObjects ? { objects: createMemoryObjects() } : {});
    this.world.kv = this.kv;
  }

  async start(): Promise<void> {
    this.opened = await openWorld(this.world);
    for (let i = 0; i < PARTITIONS; i++) {
      await made(this.opened, i, this.hasObjects && i === PARTITIONS - 1 ? 'object' : 'journal');
    }
    for (let i = 0; i < 4; i++) await this.newClient(`id-${i}`, i % 2 === 0);
  }

  async newClient(id: string, isV2: boolean): Promise<void> {
    const given = await this.opened.producers.coordinator.init(id, TIMEOUT_MS, undefined);
    if ('error' in given) throw new Error(`init: ${given.error}`);
    const fresh = { sequences: Array<number>(PARTITIONS).fill(0), sent: [], joined: new Set<number>() };
    const before = this.clients.findIndex((each) => each.id === id);
    const client = { id, isV2, ...given, ...fresh, offset: -1, isOpen: false, isDead: false };
    const old = this.clients[before];
    if (old === undefined) this.clients.push(client);
    else {
      this.aborted(old);
      old.isDead = true;
      this.zombies.push(old);
      this.clients[before] = client;
    }
  }

  written(client: Client, { sequence, values }: Pick<Sent, 'sequence' | 'values'>) {
    const { id, producerId, epoch, isV2 } = client;
    return { id, producerId, epoch, sequence, values, apiVersion: isV2 ? 12 : 10 };
  }

  /** Sends until it is answered for good: over crashes, as a client with retries does. */
  async send(client: Client): Promise<void> {
    const partition = this.random.below(PARTITIONS);
    const { coordinator } = this.opened.producers;
    if (!client.isV2 && !client.joined.has(partition)) {
      const added = await coordinator.addPartitions(client.id, client, [found(this.opened, partition)]);
      if (added !== ErrorCode.NONE) return this.fatal(client, added);
      client.joined.add(partition);
    }
    const values = Array.from({ length: 1 + this.random.below(3) }, () => `v${this.count++}`);
    const sent = { partition, values, sequence: client.sequences[partition] ?? 0, baseOffset: -1 };
    client.isOpen = true;
    for (;;) {
      const answer = produce(this.opened, found(this.opened, partition), this.written(client, sent));
      if (this.random.oneIn(12)) {
        void answer;
        await this.crash();
        continue;
      }
      const { error, baseOffset } = await answer;
      if (error !== ErrorCode.NONE) return this.fatal(client, error);
      sent.baseOffset = baseOffset;
      break;
    }
    client.sequences[partition] = sent.sequence + values.length;
    client.sent.push(sent);
  }

  /** A batch that was answered is sent again. */
  async repeat(client: Client): Promise<void> {
    const last = client.sent.at(-1);
    if (last === undefined) return;
    const again = await produce(this.opened, found(this.opened, last.partition), this.written(client, last));
    if (again.error === ErrorCode.NONE) {
      expect(again).toMatchObject({ isDuplicate: true, baseOffset: last.baseOffset });
    } else this.fatal(client, again.error);
  }

  async skip(client: Client): Promise<void> {
    const last = client.sent.at(-1);
    if (last === undefined) return;
    const sequence = (client.sequences[last.partition] ?? 0) + 5;
    const written = this.written(client, { sequence, values: ['gap'] });
    const { error } = await produce(this.opened, found(this.opened, last.partition), written);
    if (error !== ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER) this.fatal(client, error);
  }

  /** Of no transaction, and in the partition all the same. */
  async plain(): Promise<void> {
    const number = this.random.below(PARTITIONS);
    const values = [`p${this.count++}`];
    const written = { producerId: -1, epoch: -1, sequence: -1, values };
    const { error, baseOffset } = await produce(this.opened, found(this.opened, number), written);
    expect(error).toBe(ErrorCode.NONE);
    this.visible[number]?.set(baseOffset, values[0] ?? '');
  }

  async sendOffset(client: Client): Promise<void> {
    const { coordinator } = this.opened.producers;
    if (!client.isV2) {
      const added = await coordinator.addGroup(client.id, client, 'g');
      if (added !== ErrorCode.NONE) return this.fatal(client, added);
    }
    client.isOpen = true;
    const offset = this.count++;
    const error = await commitOffset(this.opened, client.id, client, offset, client.isV2);
    if (error !== ErrorCode.NONE) return this.fatal(client, error);
    client.offset = offset;
  }

  async end(client: Client, isCommit: boolean): Promise<void> {
    if (!client.isOpen) return;
    for (;;) {
      const { coordinator } = this.opened.producers;
      const answer = coordinator.end(client.id, client, isCommit, client.isV2);
      if (this.random.oneIn(4)) {
        void answer;
        await this.crash();
        continue;
      }
      const ended = await answer;
      if ('error' in ended) return this.fatal(client, ended.error);
      if (client.isV2) {
        client.sequences = client.sequences.map(() => 0);
        client.producerId = ended.producerId;
        client.epoch = ended.epoch;
      }
      break;
    }
    if (isCommit) this.committed(client);
    else this.aborted(client);
  }

  committed(client: Client): void {
    for (const { partition, values, baseOffset } of client.sent) {
      for (const [i, value] of values.entries()) this.visible[partition]?.set(baseOffset + i, value);
    }
    // What was written last counts, whichever transaction ended last.
    this.offset = Math.max(this.offset, client.offset);
    this.leave(client);
  }

  aborted(client: Client): void {
    for (const { values } of client.sent) for (const value of values) this.hidden.add(value);
    this.leave(client);
  }

  leave(client: Client): void {
    Object.assign(client, { sent: [], joined: new Set(), offset: -1, isOpen: false });
  }

  /** Only time, or a loss of what was not promised, makes a producer start again. */
  fatal(client: Client, error: ErrorCode): void {
    const allowed: readonly ErrorCode[] = [
      ErrorCode.PRODUCER_FENCED,
      ErrorCode.INVALID_PRODUCER_EPOCH,
      ErrorCode.INVALID_TXN_STATE,
    ];
    expect(allowed).toContain(error);
    client.isDead = true;
  }

  async crash(): Promise<void> {
    for (let turns = this.random.below(6); turns > 0; turns--) await new Promise(setImmediate);
    this.opened.producers.close();
    const isKilled = this.random.oneIn(2);
    this.world.disk = isKilled ? this.world.disk.kill() : this.world.disk.crash();
    this.kv = isKilled ? this.kv?.kill() : this.kv?.crash();
    this.world.kv = this.kv;
    expect(await audit(this.world)).toEqual([]);
    this.opened = await openWorld(this.world);
  }

  async zombie(): Promise<void> {
    const client = this.zombies[this.random.below(this.zombies.length || 1)];
    if (client === undefined) return;
    const number = this.random.below(PARTITIONS);
    const partition = found(this.opened, number);
    const written = this.written(client, { sequence: client.sequences[number] ?? 0, values: ['zombie'] });
    const { error } = await produce(this.opened, partition, written);
    expect([ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.INVALID_PRODUCER_ID_MAPPING]).toContain(error);
    const ended = await this.opened.producers.coordinator.end(client.id, client, true, client.isV2);
    expect('error' in ended).toBe(true);
  }

  async step(): Promise<void> {
    const client = this.clients[this.random.below(this.clients.length)];
    if (client === undefined) return;
    if (client.isDead || this.random.oneIn(25)) return this.newClient(client.id, client.isV2);
    switch (this.random.below(14)) {
      case 0:
        return this.repeat(client);
      case 1:
        return this.skip(client);
      case 2:
        return this.sendOffset(client);
      case 3:
        return this.end(client, false);
      case 4:
      case 5:
        return this.end(client, true);
      case 6:
        return this.zombie();
      case 7:
        return this.maintain();
      case 8:
        return this.plain();
      default:
        return this.send(client);
    }
  }

  async maintain(): Promise<void> {
    if (this.random.oneIn(3)) await this.opened.log.snapshot();
    if (this.random.oneIn(3)) await this.opened.log.checkpoint();
    // Copies of batches come behind what followed them.
    const { end } = this.opened.journal.state();
    if (this.random.oneIn(2)) {
      await this.opened.partitions.source('journal').evacuate(0, this.random.below(end));
    }
    if (this.random.oneIn(5)) {
      const partition = found(this.opened, this.random.below(PARTITIONS));
      await this.opened.partitions.truncate(partition, this.random.below(partition.endOffset + 1));
    }
    if (this.random.oneIn(4)) await this.crash();
    if (this.random.oneIn(6)) await this.world.clock.advance(TIMEOUT_MS + 5000);
  }

  async verify(): Promise<void> {
    for (let i = 0; i < PARTITIONS; i++) {
      const partition = found(this.opened, i);
      const stable = this.opened.producers.lastStableOffset(partition);
      const wanted = [...(this.visible[i] ?? [])].sort((a, b) => a[0] - b[0]);
      const seen = await readCommitted(this.opened, partition, 100 + this.random.below(900));
      const isThere = ([offset]: [number, string]) => offset >= partition.startOffset && offset < stable;
      expect(seen).toEqual(wanted.filter(isThere).map(([, value]) => value));
      const open = this.clients.flatMap((client) => client.sent.filter(({ partition: p }) => p === i));
      for (const { values } of open) for (const value of values) expect(seen).not.toContain(value);
    }
    expect(committedOffset(this.opened)).toBe(this.offset);
    await this.verifyCrossed();
  }

  /** Subscribers have each decided record once, in the order of the partition; but for what was removed before it could cross. */
  async verifyCrossed(): Promise<void> {
    await crossed(this.opened);
    const values = this.opened.inbox.values();
    const place = new Map(values.map((value, index) => [value, index]));
    expect(place.size).toBe(values.length);
    let seen = 0;
    for (let i = 0; i < PARTITIONS; i++) {
      const partition = found(this.opened, i);
      const stable = this.opened.producers.lastStableOffset(partition);
      let last = -1;
      for (const [offset, value] of [...(this.visible[i] ?? [])].sort((a, b) => a[0] - b[0])) {
        const index = place.get(value);
        if (index === undefined) {
          expect(offset >= partition.startOffset && offset < stable).toBe(false);
          continue;
        }
        expect(index).toBeGreaterThan(last);
        last = index;
        seen++;
      }
    }
    expect(seen).toBe(values.length);
  }

  /** Everything is ended: nothing may hold readers back. */
  async settle(): Promise<void> {
    await this.world.clock.advance(TIMEOUT_MS + 5000);
    await this.opened.log.drained();
    for (const client of this.clients) this.aborted(client);
    await this.verify();
    for (let i = 0; i < PARTITIONS; i++) {
      const partition = found(this.opened, i);
      expect(this.opened.producers.lastStableOffset(partition)).toBe(partition.endOffset);
    }
    this.opened.producers.close();
    await this.opened.log.close();
  }
}

describe('random lives of producers', () => {
  for (let run = 0; run < RUNS; run++) {
    test(`exactly what was committed is read (${run})`, async () => {
      const life = new Life(run);
      await life.start();
      for (let step = 0; step < STEPS; step++) {
        await life.step();
        if (step % 10 === 0) await life.verify();
      }
      await life.settle();
    });
  }
});
