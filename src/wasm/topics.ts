/**
 * Host side of assembly/topics: subscriptions by filter, and values by topic. Each structure is an instance of the
 * module with its own growing memory, so that neither detaches views of the other nor of the MQTT data plane.
 *
 * Topics and filters are validated UTF-8 bytes, at most MAX_TOPIC_BYTES (a longer one is the caller's error and throws).
 * Views handed out are valid until the next call of the same structure.
 */
import { randomInt } from 'node:crypto';
import { loadWasm } from './load.ts';

export const MAX_TOPIC_BYTES = 65_535;
/** Sink numbers are below this; numbers above it denote groups inside the trie. */
export const MAX_SINK = 0x7fff_ffff;
const GROUP_BIT = 0x8000_0000;
/** Half of what a WebAssembly memory can have: a table that doubles at the limit still fits. */
export const DEFAULT_LIMIT_BYTES = 0x7000_0000;
const INITIAL_PAGES = 16;

interface TopicsExports {
  init(seedLow: number, seedHigh: number, limitBytes: number): void;
  input(): number;
  output(): number;
  trieAdd(length: number, sink: number, options: number, identifier: number): number;
  trieRemove(length: number, sink: number): number;
  trieRemoveLast(sink: number): number;
  trieDescribe(sink: number, place: number): number;
  trieMatch(length: number): number;
  matchedSinks(): number;
  matchedIdentifiers(): number;
  matchedOptions(): number;
  matchCapacity(): number;
  matchedGroups(): number;
  matchedGroupCount(): number;
  lastOptions(): number;
  lastIdentifier(): number;
  placesOf(sink: number): number;
  treeGet(length: number): number;
  treeSet(length: number, value: number): number;
  treePlace(topic: number, length: number, value: number, from: number, bytes: number): number;
  placeOccupant(): number;
  treeRemove(length: number): number;
  treePage(length: number, resumeDepth: number, maxValues: number, maxVisits: number): number;
  pageValues(): number;
  pageCursorDepth(): number;
  pageCursor(): number;
  cursorFor(depth: number): number;
  allocateBlock(bytes: number): number;
  releaseBlock(block: number, bytes: number): void;
  liveBytes(): number;
  countNodes(): number;
  countSubscriptions(): number;
  countSinks(): number;
  countLevels(): number;
  countTopicNodes(): number;
}

export interface TopicsOptions {
  /** Bytes in use above which additions are refused. */
  readonly limitBytes?: number;
  /** Seed of the hash of level texts; random if not given. */
  readonly seed?: number;
}

class TopicsInstance {
  readonly memory = new WebAssembly.Memory({ initial: INITIAL_PAGES });
  readonly exports: TopicsExports;
  bytes: Uint8Array;
  readonly #input: number;
  readonly #output: number;

  constructor(options: TopicsOptions) {
    this.exports = loadWasm<TopicsExports>('topics', this.memory);
    const seed = () => options.seed ?? randomInt(0x1_0000_0000);
    this.exports.init(seed(), seed(), options.limitBytes ?? DEFAULT_LIMIT_BYTES);
    this.#input = this.exports.input() >>> 0;
    this.#output = this.exports.output() >>> 0;
    this.bytes = new Uint8Array(this.memory.buffer);
  }

  /** The whole memory; taken again when it has grown since. */
  view(): Uint8Array {
    if (this.bytes.length === 0) this.bytes = new Uint8Array(this.memory.buffer);
    return this.bytes;
  }

  put(text: Uint8Array): number {
    if (text.length > MAX_TOPIC_BYTES) throw new RangeError(`topic of ${text.length} bytes`);
    this.view().set(text, this.#input);
    return text.length;
  }

  /** A copy of the text that the last call wrote. */
  takeText(length: number): Uint8Array {
    return this.view().slice(this.#output, this.#output + length);
  }
}

export type AddResult = 'added' | 'changed' | 'same' | 'full';
const ADD_RESULTS: readonly AddResult[] = ['added', 'changed', 'same', 'full'];

/** Subscribers of the last matched topic: the first `count` of each array. */
export interface TrieMatch {
  count: number;
  sinks: Uint32Array;
  options: Uint8Array;
  identifiers: Uint32Array;
  groupCount: number;
  /** Numbers given to addGroup. */
  groups: Uint32Array;
}

export interface SubscriptionTrie {
  /** One subscription per (filter, sink): adding again changes options (one byte) and identifier. */
  add(filter: Uint8Array, sink: number, options: number, identifier: number): AddResult;
  remove(filter: Uint8Array, sink: number): boolean;
  /** Removes one of the sink's subscriptions and returns its filter; undefined when none is left. */
  removeLast(sink: number): Uint8Array | undefined;
  /** Groups are reported apart in matches and are not listed by sink. */
  addGroup(filter: Uint8Array, group: number): AddResult;
  removeGroup(filter: Uint8Array, group: number): boolean;
  countOf(sink: number): number;
  /** Index below countOf(sink); the order changes with every removal. */
  describe(sink: number, index: number): { filter: Uint8Array; options: number; identifier: number };
  /** The object is the same at every call. */
  match(topic: Uint8Array): TrieMatch;
  counters(): TrieCounters;
}

export interface TrieCounters {
  /** Groups included. */
  readonly subscriptions: number;
  readonly nodes: number;
  readonly levels: number;
  readonly sinks: number;
  /** Bytes of blocks in use, and of the memory they lie in. */
  readonly liveBytes: number;
  readonly memoryBytes: number;
}

function checkNumber(value: number): void {
  if (!(value >= 0 && value <= MAX_SINK)) throw new RangeError(`sink or group number ${value}`);
}

export function createSubscriptionTrie(options: TopicsOptions = {}): SubscriptionTrie {
  const instance = new TopicsInstance(options);
  const { exports, memory } = instance;
  const matched: TrieMatch = {
    count: 0,
    sinks: new Uint32Array(0),
    options: new Uint8Array(0),
    identifiers: new Uint32Array(0),
    groupCount: 0,
    groups: new Uint32Array(0),
  };
  const takeViews = () => {
    const capacity = exports.matchCapacity() >>> 0;
    matched.sinks = new Uint32Array(memory.buffer, exports.matchedSinks() >>> 0, capacity);
    matched.identifiers = new Uint32Array(memory.buffer, exports.matchedIdentifiers() >>> 0, capacity);
    matched.options = new Uint8Array(memory.buffer, exports.matchedOptions() >>> 0, capacity);
  };
  const add = (filter: Uint8Array, sink: number, opts: number, identifier: number): AddResult =>
    ADD_RESULTS[exports.trieAdd(instance.put(filter), sink, opts & 0xff, identifier)] ?? 'full';

  return {
    add(filter, sink, opts, identifier) {
      checkNumber(sink);
      return add(filter, sink, opts, identifier);
    },
    remove(filter, sink) {
      return exports.trieRemove(instance.put(filter), sink) !== 0;
    },
    removeLast(sink) {
      const length = exports.trieRemoveLast(sink);
      return length < 0 ? undefined : instance.takeText(length);
    },
    addGroup(filter, group) {
      checkNumber(group);
      return add(filter, group + GROUP_BIT, 0, 0);
    },
    removeGroup(filter, group) {
      return exports.trieRemove(instance.put(filter), group + GROUP_BIT) !== 0;
    },
    countOf(sink) {
      return exports.placesOf(sink) >>> 0;
    },
    describe(sink, index) {
      const length = exports.trieDescribe(sink, index);
      return {
        filter: instance.takeText(length),
        options: exports.lastOptions(),
        identifier: exports.lastIdentifier() >>> 0,
      };
    },
    match(topic) {
      const count = exports.trieMatch(instance.put(topic)) >>> 0;
      matched.count = count;
      // The arrays move only when their capacity changes; growing memory makes the views' length 0.
      if (exports.matchCapacity() >>> 0 !== matched.sinks.length) takeViews();
      const groupCount = exports.matchedGroupCount() >>> 0;
      matched.groupCount = groupCount;
      if (groupCount !== 0) {
        matched.groups = new Uint32Array(memory.buffer, exports.matchedGroups() >>> 0, groupCount);
      }
      return matched;
    },
    counters() {
      return {
        subscriptions: exports.countSubscriptions() >>> 0,
        nodes: exports.countNodes() >>> 0,
        levels: exports.countLevels() >>> 0,
        sinks: exports.countSinks() >>> 0,
        liveBytes: exports.liveBytes() >>> 0,
        memoryBytes: memory.buffer.byteLength,
      };
    },
  };
}

/** Where a listing goes on. Opaque: to be handed back to the same tree with the same filter. */
export type TreeCursor = Uint8Array;
const CURSOR_STEP_BYTES = 12;
const TREE_FULL = 0xffff_ffff;

export interface TopicTree {
  /** Returns the value the topic had, 0 if none; undefined = memory limit reached, nothing changed. Values are 1 … 2^32-2. */
  set(topic: Uint8Array, value: number): number | undefined;
  /**
   * Of a topic and bytes that lie in the memory already (in a block of the caller's): sets the value and copies the bytes
   * to a block of their own, which is returned. 0, and nothing has changed, when the topic has a value or the limit is
   * reached.
   */
  place(topicAt: number, topicLength: number, value: number, from: number, bytes: number): number;
  /** After `place` returned 0: the value that the topic has; 0 = the limit is reached. */
  occupant(): number;
  /** 0 if none. */
  get(topic: Uint8Array): number;
  /** Returns the value removed, 0 if none. */
  remove(topic: Uint8Array): number;
  /**
   * Values of the topics that match, at most maxValues, visiting at most maxVisits nodes: a page may be empty and still
   * have a cursor. Topics that stay are listed exactly once over all pages, whatever is set or removed meanwhile.
   */
  page(
    filter: Uint8Array,
    cursor: TreeCursor | undefined,
    maxValues: number,
    maxVisits: number,
  ): { values: Uint32Array; cursor: TreeCursor | undefined };
  /** A block for the caller's own bytes; 0 when the limit is reached. */
  allocate(bytes: number): number;
  release(block: number, bytes: number): void;
  /** The memory of the blocks. */
  bytes(): Uint8Array;
  counters(): TreeCounters;
}

export interface TreeCounters {
  readonly nodes: number;
  readonly levels: number;
  readonly liveBytes: number;
  readonly memoryBytes: number;
}

export function createTopicTree(options: TopicsOptions = {}): TopicTree {
  const instance = new TopicsInstance(options);
  const { exports, memory } = instance;
  return {
    set(topic, value) {
      const previous = exports.treeSet(instance.put(topic), value) >>> 0;
      return previous === TREE_FULL ? undefined : previous;
    },
    place(topicAt, topicLength, value, from, bytes) {
      return exports.treePlace(topicAt, topicLength, value, from, bytes) >>> 0;
    },
    occupant() {
      return exports.placeOccupant() >>> 0;
    },
    get(topic) {
      return exports.treeGet(instance.put(topic)) >>> 0;
    },
    remove(topic) {
      return exports.treeRemove(instance.put(topic)) >>> 0;
    },
    page(filter, cursor, maxValues, maxVisits) {
      const depth = cursor === undefined ? 0 : cursor.length / CURSOR_STEP_BYTES;
      if (cursor !== undefined) {
        const at = exports.cursorFor(depth) >>> 0;
        instance.view().set(cursor, at);
      }
      const length = instance.put(filter);
      const count = exports.treePage(length, depth, Math.max(1, maxValues), Math.max(1, maxVisits));
      const stoppedAt = exports.pageCursorDepth();
      const steps = exports.pageCursor() >>> 0;
      return {
        values: new Uint32Array(memory.buffer, exports.pageValues() >>> 0, count),
        cursor:
          stoppedAt === 0 ? undefined : instance.view().slice(steps, steps + stoppedAt * CURSOR_STEP_BYTES),
      };
    },
    allocate(bytes) {
      return exports.allocateBlock(bytes) >>> 0;
    },
    release(block, bytes) {
      exports.releaseBlock(block, bytes);
    },
    bytes() {
      return instance.view();
    },
    counters() {
      return {
        nodes: exports.countTopicNodes() >>> 0,
        levels: exports.countLevels() >>> 0,
        liveBytes: exports.liveBytes() >>> 0,
        memoryBytes: memory.buffer.byteLength,
      };
    },
  };
}
