/**
 * Where retained messages lie: each in a numbered slot, found by its topic through the topic tree, as one record in
 * the memory of that tree, so that a million of them are no objects of the collector; payloads from 4 KiB on stay
 * outside as arrays of their own. A message keeps the slot of its topic. What changed is noted by page: 256 slots, or
 * one slot whose record is large. No limits and no clock here.
 */
import { createTopicTree, type TopicsOptions, type TopicTree } from '../wasm/topics.ts';
import { createDeadlineHeap, type DeadlineHeap } from './deadline-heap.ts';
import type { Message } from './message.ts';
import * as format from './message-block.ts';

export const PAGE_SLOTS = 256;
export const NO_ROOM = 'retained messages do not fit the memory';
/** A record above this is a page of its own, so that a page of many stays below a megabyte. */
const LARGE_BYTES = 2048;
const OUTSIDE_BYTES = 4096;
/** What is staged up to this size takes turns in one place. */
const STAGE_BYTES = 64 * 1024;
/** Messages of a listing share arrays of so many bytes: more than one message keeps alive, far fewer arrays. */
const CHUNK_BYTES = 8192;

export interface Chunk {
  bytes: Uint8Array;
  used: number;
}

export const newChunk = (): Chunk => ({ bytes: new Uint8Array(0), used: 0 });

function copyTo(chunk: Chunk, source: Uint8Array): Uint8Array {
  if (source.length > CHUNK_BYTES >> 1) return source.slice();
  if (chunk.used + source.length > chunk.bytes.length) {
    chunk.bytes = new Uint8Array(CHUNK_BYTES);
    chunk.used = 0;
  }
  const start = chunk.used;
  chunk.bytes.set(source, start);
  chunk.used += source.length;
  return chunk.bytes.subarray(start, chunk.used);
}

export class RetainedSlots {
  readonly tree: TopicTree;
  readonly expiries: DeadlineHeap = createDeadlineHeap();
  /** Numbers of pages with 256 slots, and slots of large records, that changed. */
  readonly dirtyPages = new Set<number>();
  readonly dirtyLarge = new Set<number>();
  count = 0;
  bytes = 0;
  private readonly outside = new Map<number, Uint8Array>();
  /** May name slots that are taken again. */
  private freeSlots: number[] = [];
  /** By slot: where the record is, 0 = free, and its length there. The tree's value is the slot + 1. */
  private readonly blocks: number[] = [];
  private readonly lengths: number[] = [];
  /** Where blocks are staged while the table is rebuilt; 0 = nowhere. */
  private stagePlace = 0;
  private headers: DataView = new DataView(new ArrayBuffer(0));
  private memory: Uint8Array = new Uint8Array(0);

  constructor(options: TopicsOptions) {
    this.tree = createTopicTree(options);
  }

  /** Above all slots that were ever used. */
  get end(): number {
    return this.blocks.length;
  }

  isTaken(slot: number): boolean {
    return (this.blocks[slot] ?? 0) !== 0;
  }

  /** -1 when the topic has none. */
  slotOf(topic: Uint8Array): number {
    return this.tree.get(topic) - 1;
  }

  /** Of topic, properties and payload. */
  sizeOf(slot: number): number {
    return this.recordBytes(slot) - format.BLOCK_HEADER_BYTES;
  }

  isLarge(slot: number): boolean {
    return this.recordBytes(slot) > LARGE_BYTES;
  }

  isVolatile(slot: number): boolean {
    return this.isVolatileAt(this.blocks[slot] ?? 0);
  }

  /** With its payload. */
  recordBytes(slot: number): number {
    return (this.lengths[slot] ?? 0) + (this.outside.get(slot)?.length ?? 0);
  }

  copyRecord(slot: number, to: Uint8Array, at: number): void {
    const block = this.blocks[slot] ?? 0;
    const length = this.lengths[slot] ?? 0;
    to.set(this.tree.bytes().subarray(block, block + length), at);
    const payload = this.outside.get(slot);
    if (payload !== undefined) to.set(payload, at + length);
  }

  topicOf(slot: number): Uint8Array {
    const from = (this.blocks[slot] ?? 0) + format.BLOCK_HEADER_BYTES;
    const length = format.topicLengthAt(this.view(), this.blocks[slot] ?? 0);
    return this.tree.bytes().slice(from, from + length);
  }

  /** A copy. */
  read(slot: number, chunk?: Chunk): Message {
    const view = this.view();
    const at = this.blocks[slot] ?? 0;
    const propertiesAt = format.topicLengthAt(view, at);
    const payloadAt = propertiesAt + format.propertiesLengthAt(view, at);
    const from = at + format.BLOCK_HEADER_BYTES;
    const to = at + (this.lengths[slot] ?? 0);
    const { memory } = this;
    const bytes = chunk === undefined ? memory.slice(from, to) : copyTo(chunk, memory.subarray(from, to));
    return {
      topic: bytes.subarray(0, propertiesAt),
      properties: bytes.subarray(propertiesAt, payloadAt),
      payload: this.outside.get(slot) ?? bytes.subarray(payloadAt),
      qos: format.qosAt(view, at),
      retain: true,
      expiresAtMs: format.expiresAtMsAt(view, at),
      publisher: format.publisherAt(view, at),
    };
  }

  /** False when the memory of the tree is full; then nothing has changed. */
  set(message: Message, isVolatile: boolean): boolean {
    const { topic, payload } = message;
    const isOutside = payload.length >= OUTSIDE_BYTES;
    const length = format.blockBytes(message) - (isOutside ? payload.length : 0);
    const block = this.tree.allocate(length);
    if (block === 0) return false;
    const known = this.tree.get(topic) - 1;
    const slot = known >= 0 ? known : this.freeSlot();
    if (known >= 0) this.empty(slot);
    else if (this.tree.set(topic, slot + 1) === undefined) {
      this.tree.release(block, length);
      this.freeSlots.push(slot);
      return false;
    }
    format.writeBlock(this.tree.bytes(), block, message, isVolatile ? format.VOLATILE : 0, !isOutside);
    if (isOutside) this.outside.set(slot, payload);
    this.fill(slot, block, length, message.expiresAtMs);
    if (!isVolatile) this.touch(slot);
    return true;
  }

  /**
   * Copies blocks to where `place` takes them from; throws when the memory is full. One at a time, to be released with
   * `unstage`.
   */
  stage(bytes: Uint8Array): number {
    const isSmall = bytes.length <= STAGE_BYTES;
    const staged =
      isSmall && this.stagePlace !== 0
        ? this.stagePlace
        : this.tree.allocate(isSmall ? STAGE_BYTES : bytes.length);
    if (staged === 0) throw new Error(NO_ROOM);
    if (isSmall) this.stagePlace = staged;
    this.tree.bytes().set(bytes, staged);
    return staged;
  }

  unstage(staged: number, bytes: number): void {
    if (staged !== this.stagePlace) this.tree.release(staged, bytes);
  }

  /** How long the block is that was staged at `at`, with its payload; 0 when it is not whole or exceeds `most`. */
  stagedBlockBytes(at: number, most: number): number {
    if (most < format.BLOCK_HEADER_BYTES) return 0;
    const length = format.wholeBlockAt(this.view(), at);
    return length <= most ? length : 0;
  }

  stagedExpiry(at: number): number {
    return format.expiresAtMsAt(this.view(), at);
  }

  /**
   * Puts the block at `at` of what was staged of `from` into a slot, which must be free. The page counts as unchanged.
   * False, and nothing has changed, when its topic has a slot already or the memory is full.
   */
  place(slot: number, from: Uint8Array, staged: number, at: number, bytes: number): boolean {
    while (this.blocks.length <= slot) {
      this.blocks.push(0);
      this.lengths.push(0);
    }
    const view = this.view();
    const start = staged + at;
    const payloadLength = format.payloadLengthAt(view, start);
    const expiresAtMs = format.expiresAtMsAt(view, start);
    const outside = payloadLength >= OUTSIDE_BYTES ? payloadLength : 0;
    const length = bytes - outside;
    const topicAt = start + format.BLOCK_HEADER_BYTES;
    const block = this.tree.place(topicAt, format.topicLengthAt(view, start), slot + 1, start, length);
    if (block === 0) return false;
    if (outside > 0) this.outside.set(slot, from.slice(at + length, at + bytes));
    this.blocks[slot] = block;
    this.lengths[slot] = length;
    if (expiresAtMs !== 0) this.expiries.set(slot, expiresAtMs);
    this.count++;
    this.bytes += bytes - format.BLOCK_HEADER_BYTES;
    return true;
  }

  /** After `place` returned false: the slot that the topic has; -1 = the memory is full. */
  occupied(): number {
    return this.tree.occupant() - 1;
  }

  /** Whether the block that lies at `at` of `from` is what the slot has; false for what has its payload elsewhere. */
  has(slot: number, from: Uint8Array, at: number, bytes: number): boolean {
    const block = this.blocks[slot] ?? 0;
    if (block === 0 || this.outside.has(slot) || this.lengths[slot] !== bytes) return false;
    const own = this.tree.bytes().subarray(block, block + bytes);
    return Buffer.compare(own, from.subarray(at, at + bytes)) === 0;
  }

  /** To another slot, which must be free. */
  move(from: number, to: number): void {
    const block = this.blocks[from] ?? 0;
    const length = this.lengths[from] ?? 0;
    const payload = this.outside.get(from);
    const expiresAtMs = format.expiresAtMsAt(this.view(), block);
    this.touch(from);
    // The node of the topic is there already: this takes no memory.
    this.tree.set(this.topicOf(from), to + 1);
    this.count--;
    this.bytes -= this.sizeOf(from);
    this.blocks[from] = 0;
    this.lengths[from] = 0;
    this.expiries.remove(from);
    this.outside.delete(from);
    if (payload !== undefined) this.outside.set(to, payload);
    this.fill(to, block, length, expiresAtMs);
    this.touch(to);
    this.freeSlots.push(from);
  }

  remove(slot: number): void {
    this.tree.remove(this.topicOf(slot));
    this.empty(slot);
    this.freeSlots.push(slot);
  }

  freeSlot(): number {
    for (let slot = this.freeSlots.pop(); slot !== undefined; slot = this.freeSlots.pop()) {
      if (this.blocks[slot] === 0) return slot;
    }
    this.lengths.push(0);
    return this.blocks.push(0) - 1;
  }

  /** One that `freeSlot` gave and nobody needs. */
  giveBack(slot: number): void {
    this.freeSlots.push(slot);
  }

  /** After the table was rebuilt: slots that were given by number have others in between. */
  findFree(): void {
    if (this.stagePlace !== 0) this.tree.release(this.stagePlace, STAGE_BYTES);
    this.stagePlace = 0;
    this.freeSlots = [];
    for (let slot = this.blocks.length - 1; slot >= 0; slot--) {
      if (this.blocks[slot] === 0) this.freeSlots.push(slot);
    }
  }

  private fill(slot: number, block: number, length: number, expiresAtMs: number): void {
    this.blocks[slot] = block;
    this.lengths[slot] = length;
    if (expiresAtMs !== 0) this.expiries.set(slot, expiresAtMs);
    this.count++;
    this.bytes += this.sizeOf(slot);
  }

  private isVolatileAt(block: number): boolean {
    return (format.flagsAt(this.view(), block) & format.VOLATILE) !== 0;
  }

  /** The topic keeps its node. */
  private empty(slot: number): void {
    const block = this.blocks[slot] ?? 0;
    if (!this.isVolatileAt(block)) this.touch(slot);
    this.count--;
    this.bytes -= this.sizeOf(slot);
    this.expiries.remove(slot);
    this.outside.delete(slot);
    this.tree.release(block, this.lengths[slot] ?? 0);
    this.blocks[slot] = 0;
    this.lengths[slot] = 0;
  }

  touch(slot: number): void {
    if (this.isLarge(slot)) this.dirtyLarge.add(slot);
    else this.dirtyPages.add(Math.floor(slot / PAGE_SLOTS));
  }

  /** Headers are read in place, through one view for as long as the memory does not grow. */
  private view(): DataView {
    const memory = this.tree.bytes();
    if (memory !== this.memory) {
      this.memory = memory;
      this.headers = new DataView(memory.buffer);
    }
    return this.headers;
  }
}
