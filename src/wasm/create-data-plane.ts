/**
 * The implementation behind data-plane.ts: an instance of assembly/mqtt over a memory of fixed size, whose offsets
 * and result words are known here and nowhere else.
 */
import type { DataPlane, DataPlaneCounters, DataPlaneOptions, Established, Group } from './data-plane.ts';
import { loadWasm } from './load.ts';

const PAGE_BYTES = 65536;
const CARRY_BYTES = 262144;
const READ_BYTES = 131072;
const SCRATCH_BYTES = 262144;
const ROWS_MAX = 32768;
/** Up to here a loop is faster than a call. */
const SHORT_BYTES = 32;
/** Of `putStored` in the scratch area: behind the identifiers the places, then the bodies. */
const STORED_LIST_BYTES = 256;
const STORED_PLACE_BYTES = 8;
const POLICY_KEYS_BYTES = 520;
const SPANS_OUT_MAX = 4096;
const CONNECTIONS_MAX = 4_000_000;
/** A flow's groups may need a row per member; more members with QoS 1 or 2 than rows are the host's to serve. */
const FLOW_ROWS_MAX = ROWS_MAX - 8;
/** Members of one group: their list is handed over in the scratch area. */
const GROUP_MEMBERS_MAX = (SCRATCH_BYTES - 512) >> 2;

const Region = { Result: 0, Rows: 1, SpansOut: 2, Scratch: 3, Carry: 4, ReadWindow: 5 } as const;

const SENT_STATE = { qos1: 1, qos2: 2, released: 3 } as const;

interface MqttModule {
  init(memoryBytes: number, maxConnections: number, flowEntries: number): number;
  regionOffset(region: number): number;
  setStrictText(on: boolean): void;
  setPolicyKeys(from: number, length: number): void;
  open(slot: number, maxPacketBytesIn: number): void;
  establish(
    slot: number,
    version: number,
    classId: number,
    fastIngress: boolean,
    sendWindow: number,
    receiveMaximum: number,
    maxPacketBytesOut: number,
    maxHeldBytes: number,
    isDurable: boolean,
    topicPrefix: number,
  ): void;
  setClass(slot: number, classId: number): void;
  close(slot: number): void;
  isFree(slot: number): number;
  ingest(slot: number, offset: number, length: number): number;
  append(slot: number, from: number, length: number): number;
  breakOutput(slot: number): void;
  heldBytes(slot: number): number;
  inFlight(slot: number): number;
  lastSeen(slot: number): number;
  takeDirty(): number;
  dirtyOffset(): number;
  collect(slot: number): number;
  complete(slot: number): number;
  takePacketId(slot: number, qos: number, host: boolean): number;
  restorePacketId(slot: number, id: number, state: number, host: boolean): number;
  settle(slot: number, type: number, id: number, reason: number): number;
  putStored(slot: number, count: number, firstId: number, idsLength: number): number;
  releasePacketId(slot: number, id: number): number;
  exportReceived(slot: number): number;
  hasReceived(slot: number, id: number): number;
  receivedCount(slot: number): number;
  recordReceived(slot: number, id: number): number;
  forgetReceived(slot: number, id: number): number;
  acknowledge(slot: number, type: number, id: number, count: number, reason: number): number;
  setHostMode(slot: number, on: boolean): void;
  setOwes(slot: number, on: boolean): void;
  createGroup(
    version: number,
    qos: number,
    noLocal: boolean,
    alias: number,
    idsLength: number,
    count: number,
  ): number;
  releaseGroup(group: number): void;
  chooseFlow(classId: number, topicLength: number, prefix: number): number;
  isFlow(id: number): number;
  dropFlow(id: number): void;
  installFlow(
    id: number,
    classId: number,
    topicLength: number,
    groupCount: number,
    rows: number,
    hostPart: boolean,
    batched: boolean,
    prefix: number,
  ): number;
  invalidateFilter(from: number, length: number): void;
  invalidateAll(): void;
  setTick(tick: number): void;
  readCounters(): void;
}

class Result {
  private readonly words: Int32Array;
  constructor(words: Int32Array) {
    this.words = words;
  }
  get consumed(): number {
    return this.words[0] as number;
  }
  get status(): number {
    return this.words[1] as number;
  }
  get reason(): number {
    return this.words[2] as number;
  }
  get needBytes(): number {
    return this.words[3] as number;
  }
  get storedBytes(): number {
    return this.words[4] as number;
  }
}

/** Throws when the memory is too small for the tables that the options ask for. */
export function createDataPlane(options: DataPlaneOptions): DataPlane {
  if (options.maxConnections > CONNECTIONS_MAX) {
    throw new Error(`limits.maxConnections: at most ${CONNECTIONS_MAX} in one process`);
  }
  const pages = Math.ceil(options.memoryBytes / PAGE_BYTES);
  const linear = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const core = loadWasm<MqttModule>('mqtt', linear);
  const needed = core.init(pages * PAGE_BYTES, options.maxConnections, options.flowCacheEntries) >>> 0;
  if (needed !== 0) {
    throw new Error(
      `dataplane.memory is too small for ${options.maxConnections} connections and ${options.flowCacheEntries} flows: at least ${Math.ceil(needed / 1048576)} MiB`,
    );
  }
  core.setStrictText(options.strictText);

  const buffer = linear.buffer;
  const memory = Buffer.from(buffer);
  const at = (region: number): number => core.regionOffset(region) >>> 0;
  const resultWords = new Int32Array(buffer, at(Region.Result), 5);
  const rows = new Int32Array(buffer, at(Region.Rows), ROWS_MAX * 12);
  const spans = new Uint32Array(buffer, at(Region.SpansOut), SPANS_OUT_MAX * 2);
  const scratchOffset = at(Region.Scratch);
  const scratch = new Uint8Array(buffer, scratchOffset, SCRATCH_BYTES);
  const scratchWords = new Uint32Array(buffer, scratchOffset, SCRATCH_BYTES >> 2);
  const scratchDoubles = new Float64Array(buffer, scratchOffset, 32);
  const readOffset = at(Region.ReadWindow);
  const nothing: Buffer[] = [];
  setPolicyKeys(options.policyKeys ?? []);

  function setPolicyKeys(names: readonly string[]): void {
    let at = 0;
    for (const name of names) {
      const bytes = Buffer.from(name);
      if (at + 2 + bytes.length > POLICY_KEYS_BYTES)
        throw new RangeError('names of user properties: too long');
      scratch[at] = bytes.length & 0xff;
      scratch[at + 1] = bytes.length >> 8;
      scratch.set(bytes, at + 2);
      at += 2 + bytes.length;
    }
    core.setPolicyKeys(scratchOffset, at);
  }

  /** `isBegun`: a part of the packet is in already. When memory ends inside a packet, its connection can only be closed. */
  function appendParts(slot: number, bytes: Uint8Array, isBegun: boolean): boolean {
    for (let from = 0; from < bytes.length; from += SCRATCH_BYTES) {
      const part = bytes.subarray(from, from + SCRATCH_BYTES);
      scratch.set(part);
      if (core.append(slot, scratchOffset, part.length) !== 0) continue;
      if (isBegun || from > 0) core.breakOutput(slot);
      return false;
    }
    return true;
  }

  /** QoS 1 and 2 members of each live group: the rows that its flow may need. */
  const rowsOfGroup = new Map<number, number>();

  const result = new Result(resultWords);

  const plane: DataPlane = {
    memory,
    readWindow: new Uint8Array(buffer, readOffset, READ_BYTES),
    readOffset,
    carryBytes: CARRY_BYTES,
    rows,
    result,
    scratch,
    storedPlaces: scratchWords.subarray(STORED_LIST_BYTES >> 2),
    maxStoredBytes: SCRATCH_BYTES - STORED_LIST_BYTES,
    onEvict: () => {},

    open: (slot, maxPacketBytesIn) => core.open(slot, maxPacketBytesIn),
    establish(slot: number, how: Established) {
      core.establish(
        slot,
        how.version,
        how.classId,
        how.fastIngress,
        how.sendWindow,
        how.receiveMaximum,
        how.maxPacketBytesOut,
        how.maxHeldBytes,
        how.isDurable,
        how.topicPrefixBytes ?? 0,
      );
    },
    setClass: (slot, classId) => core.setClass(slot, classId),
    close: (slot) => core.close(slot),
    isFree: (slot) => core.isFree(slot) !== 0,
    ingest: (slot, offset, length) => core.ingest(slot, offset, length),

    append(slot, bytes) {
      if (bytes.length > SCRATCH_BYTES) return appendParts(slot, bytes, false);
      scratch.set(bytes);
      return core.append(slot, scratchOffset, bytes.length) !== 0;
    },
    appendPacket(slot, headBytes, payload) {
      const { length } = payload;
      if (headBytes + length > SCRATCH_BYTES) {
        return core.append(slot, scratchOffset, headBytes) !== 0 && appendParts(slot, payload, true);
      }
      if (length > SHORT_BYTES) scratch.set(payload, headBytes);
      else for (let i = 0; i < length; i++) scratch[headBytes + i] = payload[i] as number;
      return core.append(slot, scratchOffset, headBytes + length) !== 0;
    },
    appendScratch: (slot, length) => core.append(slot, scratchOffset, length) !== 0,
    putStored(slot, bodies, count, firstId, subscriptionIds) {
      scratch.set(subscriptionIds);
      scratch.set(bodies, STORED_LIST_BYTES + STORED_PLACE_BYTES * count);
      return core.putStored(slot, count, firstId, subscriptionIds.length);
    },
    heldBytes: (slot) => core.heldBytes(slot) >>> 0,
    takeDirty() {
      const count = core.takeDirty();
      return new Int32Array(buffer, core.dirtyOffset(), count);
    },
    collect(slot) {
      const count = core.collect(slot);
      if (count === 0) return nothing;
      if (count < 0) return undefined;
      if (count === 1)
        return [memory.subarray(spans[0] as number, (spans[0] as number) + (spans[1] as number))];
      const views = new Array<Buffer>(count);
      for (let i = 0; i < count; i++) {
        const start = spans[i * 2] as number;
        views[i] = memory.subarray(start, start + (spans[i * 2 + 1] as number));
      }
      return views;
    },
    complete: (slot) => core.complete(slot) !== 0,

    takePacketId: (slot, qos, host) => core.takePacketId(slot, qos, host),
    restorePacketId(slot, packetId, state, host) {
      core.restorePacketId(slot, packetId, SENT_STATE[state], host);
    },
    settle: (slot, type, packetId, reason) => core.settle(slot, type, packetId, reason) === 1,
    releasePacketId(slot, packetId) {
      core.releasePacketId(slot, packetId);
    },
    inFlight: (slot) => core.inFlight(slot),
    exportReceived(slot) {
      const count = core.exportReceived(slot);
      return new Uint16Array(buffer, scratchOffset, count).slice();
    },
    importReceived(slot, packetIds) {
      for (const id of packetIds) core.recordReceived(slot, id);
    },
    hasReceived: (slot, packetId) => core.hasReceived(slot, packetId) !== 0,
    receivedCount: (slot) => core.receivedCount(slot),
    recordReceived: (slot, packetId) => core.recordReceived(slot, packetId) === 0,
    forgetReceived: (slot, packetId) => core.forgetReceived(slot, packetId) !== 0,
    acknowledge(slot, type, packetId, reason, count = 1) {
      core.acknowledge(slot, type, packetId, count, reason);
    },
    setHostMode: (slot, on) => core.setHostMode(slot, on),
    setOwes: (slot, on) => core.setOwes(slot, on),

    createGroup(group: Group) {
      const ids = group.subscriptionIds;
      const count = group.members.length;
      if (ids.length > 255 || count > GROUP_MEMBERS_MAX) return 0;
      scratch.set(ids);
      scratchWords.set(group.members, (ids.length + 3) >> 2);
      const handle =
        core.createGroup(group.version, group.qos, group.noLocal, group.topicAlias, ids.length, count) >>> 0;
      if (handle !== 0) rowsOfGroup.set(handle, group.qos === 0 ? 0 : count);
      return handle;
    },
    releaseGroup(handle) {
      rowsOfGroup.delete(handle);
      core.releaseGroup(handle);
    },
    installFlow(classId, topic, groups, hostPart, isBatched = false, prefixBytes = 0) {
      const listAt = (topic.length + 3) >> 2;
      if (topic.length + groups.length * 4 + 8 > SCRATCH_BYTES) return -1;
      let rowsNeeded = 0;
      for (const handle of groups) rowsNeeded += rowsOfGroup.get(handle) ?? 0;
      if (rowsNeeded > FLOW_ROWS_MAX) return -1;
      scratch.set(topic);
      scratchWords.set(groups, listAt);
      const id = core.chooseFlow(classId, topic.length, prefixBytes);
      if (id < 0) return -1;
      if (core.isFlow(id) !== 0) {
        core.dropFlow(id);
        plane.onEvict(id);
        // The caller may have used the scratch area meanwhile.
        scratch.set(topic);
        scratchWords.set(groups, listAt);
      }
      const isIn = core.installFlow(
        id,
        classId,
        topic.length,
        groups.length,
        rowsNeeded,
        hostPart,
        isBatched,
        prefixBytes,
      );
      return isIn !== 0 ? id : -1;
    },
    invalidateFilter(filter) {
      scratch.set(filter);
      core.invalidateFilter(scratchOffset, filter.length);
    },
    invalidateAll: () => core.invalidateAll(),

    setTick: (tick) => core.setTick(tick),
    lastSeen: (slot) => core.lastSeen(slot) >>> 0,
    counters(): DataPlaneCounters {
      core.readCounters();
      const value = (i: number): number => scratchDoubles[i] as number;
      return {
        publishReceived: [value(0), value(1), value(2)],
        publishSent: [value(3), value(4), value(5)],
        droppedQueueFull: value(6),
        droppedTooLarge: value(7),
        droppedNoMemory: value(8),
        packetsReceived: value(9),
        bytesReceived: value(10),
        bytesSent: value(11),
        flowHits: value(12),
        flowMisses: value(13),
        flows: value(14),
        groups: value(15),
        blocksTotal: value(16),
        blocksFree: value(17),
        slabBytesUsed: value(18),
        answersSent: value(19),
      };
    },
  };
  return plane;
}
