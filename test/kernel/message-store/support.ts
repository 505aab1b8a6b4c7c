/** A state log over an array, whose frames are written when the test says so, and messages that tell themselves apart. */

import { ByteWriter } from '../../../src/kernel/binary.ts';
import type { Message } from '../../../src/kernel/message.ts';
import { createMessageStore, type MessageStore } from '../../../src/kernel/message-store/message-store.ts';
import type { Done, StateLog } from '../../../src/kernel/state/state-log.ts';

interface FakeEntry {
  readonly table: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export interface Frame {
  readonly position: number;
  readonly entries: readonly FakeEntry[];
  readonly payload: Uint8Array;
}

export class FakeStateLog implements StateLog {
  frames: Frame[] = [];
  reads: { position: number; offset: number; length: number }[] = [];
  /** Writes each turn's frame without being told. */
  isAutomatic = false;
  private entries: FakeEntry[] = [];
  private length = 1;
  private dones: Done[] = [];
  private next = 1000;
  onReady = () => {};

  add(table: number, entry: Uint8Array): number {
    const offset = this.length + 2;
    this.entries.push({ table, offset, bytes: entry.slice() });
    this.length = offset + entry.length;
    return offset;
  }
  commit(_level: string, done?: Done): void {
    if (done !== undefined) this.dones.push(done);
    if (this.isAutomatic) queueMicrotask(() => this.flush());
  }
  /** Writes what was committed as a frame of its own. */
  flush(error?: Error): void {
    const { entries, dones } = this;
    if (entries.length === 0 && dones.length === 0) return;
    const position = this.next;
    if (error === undefined) {
      const payload = new Uint8Array(this.length);
      for (const { offset, bytes } of entries) payload.set(bytes, offset);
      this.frames.push({ position, entries, payload });
      this.next += 64 + this.length;
    }
    this.entries = [];
    this.dones = [];
    this.length = 1;
    for (const done of dones) done(error, error === undefined ? position : -1);
  }
  async read(position: number, offset: number, length: number): Promise<Uint8Array> {
    this.reads.push({ position, offset, length });
    await Promise.resolve();
    const frame = this.frames.find((each) => each.position === position);
    if (frame === undefined || offset + length > frame.payload.length) {
      throw new RangeError(`nothing at ${position}`);
    }
    // As the journal's tail does: a view of something larger.
    return Buffer.from(frame.payload.buffer, offset, length);
  }
  /** As the cleaner does it. */
  dropFrames(start: number, end: number): void {
    this.frames = this.frames.filter(({ position }) => position < start || position >= end);
  }
  replay(store: MessageStore, from = 0): void {
    for (const { position, entries } of this.frames) {
      if (position < from) continue;
      for (const { table, offset, bytes } of entries) {
        if (table === store.table.id) store.table.apply(bytes, { position, offset });
      }
    }
  }
  end = () => this.next;
  addRecord(): void {}
  onFlush(): void {}
  drained = () => Promise.resolve();
  refusal = () => undefined;
  isBusy = () => false;
  isCrowded = () => false;
  checkpoint = () => Promise.resolve();
  close = () => Promise.resolve();
}

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

export function message(n: number, changes: Partial<Message> = {}): Message {
  return {
    topic: bytesOf(`topic/${n}`),
    payload: bytesOf(`payload ${n} ${'x'.repeat(n % 50)}`),
    properties: n % 3 === 0 ? bytesOf(`p${n}`) : new Uint8Array(0),
    qos: n % 2 === 0 ? 1 : 2,
    retain: n % 5 === 0,
    expiresAtMs: n % 7 === 0 ? 1_700_000_000_000 + n : 0,
    publisher: -1,
    ...changes,
  };
}

/** Bodies of a batch, as the data plane stages them: of QoS 1, without RETAIN and expiry. */
export function stagedBodies(messages: readonly Message[]): Uint8Array {
  const all = new ByteWriter();
  for (const { topic, properties, payload } of messages) {
    const head = new ByteWriter().u8(4).u8(0).u8(1).uint(topic.length).uint(properties.length).finish();
    all.bytes(Buffer.concat([head, topic, properties, payload]));
  }
  return all.finish();
}

export const LIMITS = { maxMessages: 10_000, maxBytes: 10_000_000 };

/** A store whose tables were rebuilt from nothing. */
export function freshStore(
  log: FakeStateLog,
  limits: Partial<Parameters<typeof createMessageStore>[0]> = {},
) {
  const store = createMessageStore({ ...LIMITS, ...limits });
  store.attach(log);
  store.table.recovered?.();
  return store;
}

/** Puts a message and stages it; it is placed when the log is flushed. The caller's reference stays. */
export function putAndStage(store: MessageStore, log: FakeStateLog, one: Message): number {
  const slot = store.put(one);
  const offset = store.stage(slot);
  log.commit('os', (error, position) => {
    if (error === undefined) store.placed(slot, position, offset);
  });
  return slot;
}
