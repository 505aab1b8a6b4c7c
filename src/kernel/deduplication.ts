/**
 * Deduplication in its two forms. `IdWindow` remembers message ids for a time and up to a number: an id seen again
 * within both is a duplicate, and the position of the first one is known. `ProducerSequences` remembers each
 * producer's epoch and its last five batches, as idempotent producers number them: a batch is new when it follows
 * on, a duplicate when it is one of the five, else out of order.
 *
 * Both are bounded: when full the oldest (id; producer by last use) is forgotten, which is the end of its window.
 * A check that finds something new returns the entry to be journaled, already applied.
 */
import { ByteReader, ByteWriter } from './binary.ts';
import { RecentIds } from './recent-ids.ts';

export interface IdEntry {
  readonly id: string;
  readonly position: number;
  readonly atMs: number;
}

export type IdCheck =
  | { readonly isDuplicate: false; readonly entry: IdEntry }
  | { readonly isDuplicate: true; readonly position: number };

const VERSION = 1;

export class IdWindow {
  private readonly maxIds: number;
  private readonly windowMs: number;
  private readonly ids: RecentIds;

  constructor(limits: { readonly maxIds: number; readonly windowMs: number }) {
    this.maxIds = limits.maxIds;
    this.windowMs = limits.windowMs;
    this.ids = new RecentIds();
  }

  get size(): number {
    return this.ids.size;
  }

  check(id: string, position: number, nowMs: number): IdCheck {
    const known = this.ids.find(id);
    if (known >= 0 && nowMs - this.ids.timeAt(known) < this.windowMs) {
      return { isDuplicate: true, position: this.ids.numberAt(known) };
    }
    this.remember(id, position, nowMs, known);
    return { isDuplicate: false, entry: { id, position, atMs: nowMs } };
  }

  apply({ id, position, atMs }: IdEntry): void {
    this.remember(id, position, atMs, this.ids.find(id));
  }

  snapshot(): Uint8Array {
    const { ids } = this;
    const to = new ByteWriter(1024).u8(VERSION).uint(ids.size);
    for (let place = ids.first; place < ids.first + ids.size; place++) {
      to.text(ids.idAt(place)).uint(ids.numberAt(place)).uint(ids.timeAt(place));
    }
    return to.finish();
  }

  /** False, and an empty window, when the bytes are no snapshot of this version or exceed the limit. */
  restore(snapshot: Uint8Array): boolean {
    this.ids.clear();
    const from = new ByteReader(snapshot);
    if (from.u8() !== VERSION) return false;
    const count = from.count(3);
    if (count > this.maxIds) from.fail();
    for (let i = 0; i < count && !from.failed; i++) {
      const id = from.text();
      if (this.ids.find(id) >= 0) from.fail();
      else this.ids.append(id, from.uint(), from.uint());
    }
    if (from.isComplete) return true;
    this.ids.clear();
    return false;
  }

  private remember(id: string, position: number, atMs: number, known: number): void {
    const { ids } = this;
    // A known id is here again because it has aged, and with it all that came before it.
    for (let left = known - ids.first; known >= 0 && left >= 0; left--) ids.forgetOldest();
    // What has aged goes two at a time, so that the window shrinks again without ever stopping the caller.
    for (let i = 0; i < 2 && ids.size > 0; i++) {
      if (atMs - ids.timeAt(ids.first) < this.windowMs) break;
      ids.forgetOldest();
    }
    if (ids.size >= this.maxIds) ids.forgetOldest();
    ids.append(id, position, atMs);
  }
}

export function encodeIdEntry({ id, position, atMs }: IdEntry): Uint8Array {
  return new ByteWriter().u8(VERSION).text(id).uint(position).uint(atMs).finish();
}

export function decodeIdEntry(bytes: Uint8Array): IdEntry | undefined {
  const from = new ByteReader(bytes);
  if (from.u8() !== VERSION) return undefined;
  const entry = { id: from.text(), position: from.uint(), atMs: from.uint() };
  return from.isComplete ? entry : undefined;
}

export interface ProducerEntry {
  readonly producerId: number;
  readonly epoch: number;
  readonly firstSequence: number;
  readonly count: number;
  readonly position: number;
  readonly atMs: number;
}

export type SequenceCheck =
  | { readonly verdict: 'new'; readonly entry: ProducerEntry }
  | { readonly verdict: 'duplicate'; readonly position: number }
  | { readonly verdict: 'out-of-order' | 'fenced' | 'unknown-producer' };

interface Batch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly position: number;
}

interface Producer {
  readonly id: number;
  /** Neighbours by last use. */
  older: Producer | undefined;
  newer: Producer | undefined;
  epoch: number;
  atMs: number;
  /** The latest batches, oldest first. */
  batches: Batch[];
}

/** As many batches as an idempotent producer may have in flight. */
const BATCHES = 5;
/** Sequences are 31 bits and wrap to 0. */
const SEQUENCES = 2 ** 31;

export class ProducerSequences {
  private readonly maxProducers: number;
  private readonly idleMs: number;
  private readonly producers = new Map<number, Producer>();
  private oldest: Producer | undefined;
  private newest: Producer | undefined;

  constructor(limits: { readonly maxProducers: number; readonly idleMs: number }) {
    this.maxProducers = limits.maxProducers;
    this.idleMs = limits.idleMs;
  }

  get size(): number {
    return this.producers.size;
  }

  /** Of a producer that is not known, a batch counts as new only when it is its first of all. */
  check(batch: ProducerEntry): SequenceCheck {
    const { producerId, epoch, firstSequence, count, atMs } = batch;
    if (!(count >= 1 && count < SEQUENCES && firstSequence >= 0 && firstSequence < SEQUENCES)) {
      return { verdict: 'out-of-order' };
    }
    let producer = this.producers.get(producerId);
    if (producer !== undefined && atMs - producer.atMs >= this.idleMs) producer = undefined;
    if (producer === undefined) {
      return firstSequence === 0 ? this.accept(batch) : { verdict: 'unknown-producer' };
    }
    if (epoch < producer.epoch) return { verdict: 'fenced' };
    if (epoch > producer.epoch) return firstSequence === 0 ? this.accept(batch) : { verdict: 'out-of-order' };
    const lastSequence = (firstSequence + count - 1) % SEQUENCES;
    const { batches } = producer;
    if ((batches[batches.length - 1].lastSequence + 1) % SEQUENCES === firstSequence)
      return this.accept(batch);
    for (const known of batches) {
      if (known.firstSequence === firstSequence && known.lastSequence === lastSequence) {
        return { verdict: 'duplicate', position: known.position };
      }
    }
    return { verdict: 'out-of-order' };
  }

  apply(entry: ProducerEntry): void {
    const { producerId, epoch, firstSequence, count, position, atMs } = entry;
    let producer = this.producers.get(producerId);
    if (producer !== undefined) {
      this.unlink(producer);
      const isFresh = epoch !== producer.epoch || (firstSequence === 0 && this.isIdle(producer, atMs));
      if (isFresh) producer.batches = [];
    }
    for (let i = 0; i < 2 && this.oldest !== undefined; i++) {
      const isFull = producer === undefined && this.producers.size >= this.maxProducers;
      if (!isFull && !this.isIdle(this.oldest, atMs)) break;
      this.producers.delete(this.oldest.id);
      this.unlink(this.oldest);
    }
    producer ??= { id: producerId, older: undefined, newer: undefined, epoch, atMs, batches: [] };
    producer.epoch = epoch;
    producer.atMs = atMs;
    if (producer.batches.length === BATCHES) producer.batches.shift();
    producer.batches.push({ firstSequence, lastSequence: (firstSequence + count - 1) % SEQUENCES, position });
    this.producers.set(producerId, producer);
    this.link(producer);
  }

  snapshot(): Uint8Array {
    const to = new ByteWriter(1024).u8(VERSION).uint(this.producers.size);
    for (let each = this.oldest; each !== undefined; each = each.newer) {
      const { id, epoch, atMs, batches } = each;
      to.uint(id).uint(epoch).uint(atMs).u8(batches.length);
      for (const { firstSequence, lastSequence, position } of batches) {
        to.uint(firstSequence).uint(lastSequence).uint(position);
      }
    }
    return to.finish();
  }

  /** False, and nobody known, when the bytes are no snapshot of this version or exceed the limit. */
  restore(snapshot: Uint8Array): boolean {
    this.clear();
    const from = new ByteReader(snapshot);
    if (from.u8() !== VERSION) return false;
    const count = from.count(7);
    if (count > this.maxProducers) from.fail();
    for (let i = 0; i < count && !from.failed; i++) {
      const id = from.uint();
      const producer: Producer = {
        id,
        older: undefined,
        newer: undefined,
        epoch: from.uint(),
        atMs: from.uint(),
        batches: [],
      };
      const batches = from.u8();
      if (batches < 1 || batches > BATCHES) from.fail();
      for (let k = 0; k < batches && !from.failed; k++) {
        producer.batches.push({
          firstSequence: from.uint(),
          lastSequence: from.uint(),
          position: from.uint(),
        });
      }
      if (this.producers.has(id)) from.fail();
      else this.link(producer);
      this.producers.set(id, producer);
    }
    if (!from.isComplete) this.clear();
    return from.isComplete;
  }

  private clear(): void {
    this.producers.clear();
    this.oldest = this.newest = undefined;
  }

  private link(producer: Producer): void {
    producer.older = this.newest;
    if (this.newest === undefined) this.oldest = producer;
    else this.newest.newer = producer;
    this.newest = producer;
  }

  private unlink(producer: Producer): void {
    if (producer.older === undefined) this.oldest = producer.newer;
    else producer.older.newer = producer.newer;
    if (producer.newer === undefined) this.newest = producer.older;
    else producer.newer.older = producer.older;
    producer.older = producer.newer = undefined;
  }

  private isIdle(producer: Producer, nowMs: number): boolean {
    return nowMs - producer.atMs >= this.idleMs;
  }

  private accept(entry: ProducerEntry): SequenceCheck {
    this.apply(entry);
    return { verdict: 'new', entry };
  }
}

export function encodeProducerEntry(entry: ProducerEntry): Uint8Array {
  const { producerId, epoch, firstSequence, count, position, atMs } = entry;
  const to = new ByteWriter().u8(VERSION).uint(producerId).uint(epoch);
  return to.uint(firstSequence).uint(count).uint(position).uint(atMs).finish();
}

export function decodeProducerEntry(bytes: Uint8Array): ProducerEntry | undefined {
  const from = new ByteReader(bytes);
  if (from.u8() !== VERSION) return undefined;
  const entry = {
    producerId: from.uint(),
    epoch: from.uint(),
    firstSequence: from.uint(),
    count: from.uint(),
    position: from.uint(),
    atMs: from.uint(),
  };
  return from.isComplete ? entry : undefined;
}
