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
  /** In order of arrival, which is what makes the first one the oldest. */
  private readonly ids = new Map<string, { readonly position: number; readonly atMs: number }>();

  constructor(limits: { readonly maxIds: number; readonly windowMs: number }) {
    this.maxIds = limits.maxIds;
    this.windowMs = limits.windowMs;
  }

  get size(): number {
    return this.ids.size;
  }

  check(id: string, position: number, nowMs: number): IdCheck {
    const known = this.ids.get(id);
    if (known !== undefined && nowMs - known.atMs < this.windowMs) {
      return { isDuplicate: true, position: known.position };
    }
    const entry = { id, position, atMs: nowMs };
    this.apply(entry);
    return { isDuplicate: false, entry };
  }

  apply({ id, position, atMs }: IdEntry): void {
    // What has aged goes two at a time, so that the window shrinks again without ever stopping the caller.
    for (let i = 0; i < 2; i++) {
      const oldest = this.ids.entries().next();
      if (oldest.done === true || atMs - oldest.value[1].atMs < this.windowMs) break;
      this.ids.delete(oldest.value[0]);
    }
    this.ids.delete(id);
    if (this.ids.size >= this.maxIds) {
      const oldest = this.ids.keys().next();
      if (oldest.done !== true) this.ids.delete(oldest.value);
    }
    this.ids.set(id, { position, atMs });
  }

  snapshot(): Uint8Array {
    const to = new ByteWriter(1024).u8(VERSION).uint(this.ids.size);
    for (const [id, { position, atMs }] of this.ids) to.text(id).uint(position).uint(atMs);
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
      this.ids.set(from.text(), { position: from.uint(), atMs: from.uint() });
    }
    if (!from.isComplete) this.ids.clear();
    return from.isComplete;
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
  epoch: number;
  atMs: number;
  /** The latest batches, oldest first. */
  readonly batches: Batch[];
}

/** As many batches as an idempotent producer may have in flight. */
const BATCHES = 5;
/** Sequences are 31 bits and wrap to 0. */
const SEQUENCES = 2 ** 31;

export class ProducerSequences {
  private readonly maxProducers: number;
  private readonly idleMs: number;
  /** The least recently used first. */
  private readonly producers = new Map<number, Producer>();

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
    this.producers.delete(producerId);
    if (
      producer === undefined ||
      epoch !== producer.epoch ||
      (firstSequence === 0 && this.isIdle(producer, atMs))
    ) {
      producer = { epoch, atMs, batches: [] };
    }
    for (let i = 0; i < 2; i++) {
      const oldest = this.producers.entries().next();
      if (oldest.done === true) break;
      if (this.producers.size < this.maxProducers && !this.isIdle(oldest.value[1], atMs)) break;
      this.producers.delete(oldest.value[0]);
    }
    producer.atMs = atMs;
    if (producer.batches.length === BATCHES) producer.batches.shift();
    producer.batches.push({ firstSequence, lastSequence: (firstSequence + count - 1) % SEQUENCES, position });
    this.producers.set(producerId, producer);
  }

  snapshot(): Uint8Array {
    const to = new ByteWriter(1024).u8(VERSION).uint(this.producers.size);
    for (const [producerId, { epoch, atMs, batches }] of this.producers) {
      to.uint(producerId).uint(epoch).uint(atMs).u8(batches.length);
      for (const { firstSequence, lastSequence, position } of batches) {
        to.uint(firstSequence).uint(lastSequence).uint(position);
      }
    }
    return to.finish();
  }

  /** False, and nobody known, when the bytes are no snapshot of this version or exceed the limit. */
  restore(snapshot: Uint8Array): boolean {
    this.producers.clear();
    const from = new ByteReader(snapshot);
    if (from.u8() !== VERSION) return false;
    const count = from.count(7);
    if (count > this.maxProducers) from.fail();
    for (let i = 0; i < count && !from.failed; i++) {
      const producerId = from.uint();
      const producer: Producer = { epoch: from.uint(), atMs: from.uint(), batches: [] };
      const batches = from.u8();
      if (batches < 1 || batches > BATCHES) from.fail();
      for (let k = 0; k < batches && !from.failed; k++) {
        producer.batches.push({
          firstSequence: from.uint(),
          lastSequence: from.uint(),
          position: from.uint(),
        });
      }
      this.producers.set(producerId, producer);
    }
    if (!from.isComplete) this.producers.clear();
    return from.isComplete;
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
