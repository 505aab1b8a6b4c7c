/**
 * Host side of assembly/mqtt: the only code that touches the linear memory of the MQTT data plane.
 *
 * One instance serves all MQTT connections of a process. A connection is a slot (0 … maxConnections-1) that the
 * caller chooses. The module scans input, serves what it knows in place (flows, acknowledgements, PINGREQ) and
 * describes everything else in rows that the caller walks; it gathers output per slot and hands it out as spans
 * to write. See docs/architecture.md, "The data plane".
 */

/**
 * What a row says. Rows are Int32 × 12 (see RowField): the last four of a PUBLISH row are its message expiry interval
 * in seconds (-1 = none; as u32 otherwise), topic alias (0 = none), and offset and length of its raw property list.
 * The payload ends with the frame. Offsets are absolute positions in `memory`. Control and Publish are always the last row of an ingest: the caller
 * must act on them before more is read. The others are notices, any number of them.
 */
export const Row = {
  /** A whole packet that the host must decode (fixed header flags included in the bytes). Only its framing was checked. */
  Control: 1,
  /**
   * A valid PUBLISH that no flow serves: flow unknown or stale, RETAIN set, topic alias or message expiry 0 present, flow cache off.
   * The host routes it and acknowledges it (QoS 1 and 2) with `acknowledge`. `extra`: see PublishFlag.
   * topicLen is 0 when the topic comes by alias alone.
   */
  Publish: 2,
  /** A valid PUBLISH of a known flow, already served to its fast destinations: the host serves the flow's host part and acknowledges. extra = flow id. */
  HostPart: 3,
  /** A PUBLISH (QoS 1 or 2 towards that slot) that a fast destination could not take: the host queues it. extra = destination slot. It stays in host mode until setHostMode(slot, false). */
  Overflow: 4,
  /** Acknowledgement of a packet identifier marked as the host's: frameOff = packet type (4, 5 or 7), frameLen = reason code, packetId, count: so many identifiers in a row. Comes after the data plane updated its window. */
  Ack: 5,
  /** The send window of the ingesting slot has room again, after takePacketId returned 0 or an Overflow row. */
  Window: 6,
  /** PUBREL of a durable connection: the identifier is forgotten here, the host answers PUBCOMP. frameLen = reason code for it. */
  Release: 7,
  /**
   * QoS 1 messages of a batched flow, already served to its fast destinations: the host serves the host part and acknowledges
   * `count` packet identifiers from packetId on. Frame: their bodies, `frameLen` bytes as the message store has them, valid
   * until the next ingest. extra = flow id. Messages that a batch cannot hold come as HostPart rows.
   */
  Batch: 8,
} as const;

/** Positions inside a row. `rows` holds row r at [r * ROW_FIELDS, (r + 1) * ROW_FIELDS). */
export const RowField = {
  Kind: 0,
  /** Offset of the frame; in an Ack row the packet type (4, 5 or 7). */
  Frame: 1,
  /** Length of the frame; in an Ack row the reason code. */
  FrameLength: 2,
  Topic: 3,
  TopicLength: 4,
  Payload: 5,
  PacketId: 6,
  /** Control: first byte of the fixed header. Publish: PublishFlag bits. HostPart: flow id. Overflow: destination slot. */
  Extra: 7,
  MessageExpiry: 8,
  /** Of Ack and Batch rows. */
  Count: 8,
  /** In an Overflow row: the group that the destination is a member of. */
  TopicAlias: 9,
  Properties: 10,
  PropertiesLength: 11,
} as const;
export const ROW_FIELDS = 12;

/** Bits of `extra` in a Publish row. */
export const PublishFlag = {
  /**
   * Second sighting of this (class, topic): worth a flow. The frame was not counted and a QoS 2 identifier not recorded.
   * Either install the flow and call `ingest` again from this same frame (do not take it as consumed), or serve it
   * here (then `recordReceived` a QoS 2 identifier first).
   */
  Admit: 1,
  /** Payload format indicator says UTF-8 and the payload is not: answer 0x99. */
  PayloadNotUtf8: 2,
  /** QoS 2 whose packet identifier the data plane has recorded as received: a later duplicate is answered there and never seen by the host. */
  Recorded: 4,
  /** A QoS 2 message that came before, while the host owes acknowledgements: nothing but PUBREC is due, in its turn. */
  Duplicate: 8,
} as const;

/** Why `ingest` stopped. */
export const IngestStatus = {
  /** All complete packets were handled. What lies behind `consumed` is the start of a packet: keep it. `needBytes` says how long that packet is, 0 if not known yet. */
  NeedMore: 0,
  /** Walk the rows, then call again for what is behind `consumed`. */
  Again: 1,
  /** Protocol violation at `consumed`; `reason` is the MQTT 5 reason code that names it. Close the connection. Rows before it still count. */
  Violation: 2,
} as const;

export interface DataPlaneOptions {
  readonly maxConnections: number;
  /** Fixed size of linear memory in bytes; pages cost nothing until touched. */
  readonly memoryBytes: number;
  /** Entries of the flow cache (power of two). 0 = no fast path for PUBLISH: each one is reported as a Publish row. */
  readonly flowCacheEntries: number;
  /** Refuse control characters and non-characters in topics and string properties. */
  readonly strictText: boolean;
  /** Names of user properties that make a PUBLISH the host's; each up to 255 bytes, two at most. */
  readonly policyKeys?: readonly string[];
}

/** How a connection behaves once CONNACK is on its way. */
export interface Established {
  readonly version: 3 | 4 | 5;
  /** Publishers of one class share flows: same authorization, same rewriting. */
  readonly classId: number;
  /** False: every PUBLISH of this connection is a Publish row. */
  readonly fastIngress: boolean;
  /** Outgoing QoS 1 and 2 in flight at most (min of the client's Receive Maximum and our own bound). */
  readonly sendWindow: number;
  /** Incoming QoS 2 not yet released, at most (our Receive Maximum). Above it: violation 0x93. */
  readonly receiveMaximum: number;
  /** Client's Maximum Packet Size; 0xffffffff = none. Larger deliveries are dropped and counted. */
  readonly maxPacketBytesOut: number;
  /** Bytes of output held for this slot before QoS 0 is dropped and QoS 1 and 2 turn into Overflow rows. */
  readonly maxHeldBytes: number;
  /**
   * Its session outlives it: QoS 2 messages that it publishes are acknowledged by the host, its PUBREL gives a Release row, and
   * its PUBREC for an identifier of the host's gives an Ack row without a PUBREL being sent.
   */
  readonly isDurable: boolean;
  /** Of what stored messages call their topic it does not see so many bytes, and one more in front of `$`; as in `$tenant/acme/`. */
  readonly topicPrefixBytes?: number;
  /** Client's Topic Alias Maximum is not here: aliases are given per group. */
}

/** One encoding of a flow and who gets it. Members of one group receive the same bytes (but for packet identifiers). */
export interface Group {
  readonly version: 3 | 5;
  /** Granted QoS; delivered with min(published, granted). */
  readonly qos: 0 | 1 | 2;
  /** Encoded subscription identifiers (each 0x0B and a varint), empty for none. Version 5 only. */
  readonly subscriptionIds: Uint8Array;
  /** 0 = none; else the topic alias to use, for a group of one member and one flow. The first delivery carries topic and alias, later ones the alias alone. */
  readonly topicAlias: number;
  /** Do not deliver to the slot that published. */
  readonly noLocal: boolean;
  readonly members: Uint32Array;
}

export interface DataPlane {
  readonly memory: Uint8Array;
  /** Where transports read into (shared by all connections): [readOffset, readOffset + readBytes). */
  readonly readWindow: Uint8Array;
  readonly readOffset: number;
  /** Room directly before the read window where the kept start of a partial packet is put back. */
  readonly carryBytes: number;
  readonly rows: Int32Array;
  /** Result of the last ingest. */
  readonly result: {
    readonly consumed: number;
    readonly status: number;
    readonly reason: number;
    readonly needBytes: number;
    /** Bytes of the packets of the last `putStored`. */
    readonly storedBytes: number;
  };

  /** A connection appears in a free slot: every packet of it is a Control row until `establish`. */
  open(slot: number, maxPacketBytesIn: number): void;
  establish(slot: number, how: Established): void;
  /** Of an established connection, from its next packet on. */
  setClass(slot: number, classId: number): void;
  /** Drops what is queued and forgets windows. An unfinished write keeps its blocks until `complete(slot)`; only then `isFree(slot)`. */
  close(slot: number): void;
  isFree(slot: number): boolean;

  /**
   * Scans [offset, offset + length) as input of `slot`, answers and routes what it can, and returns the number of rows.
   * `result.consumed` bytes are done, the frame of a last Control or Publish row included.
   * Larger packets than carryBytes + readWindow can hold: NeedMore with their needBytes; the host assembles those itself.
   */
  ingest(slot: number, offset: number, length: number): number;

  // Output. Appended bytes keep their order per slot. Nothing is written before takeDirty/collect.
  /** Always accepted while blocks last; false = out of blocks (the connection is to be closed; where a part of it was in, `collect` says so). For acknowledgements and control packets. A slot that is free or closing takes nothing and answers true. */
  append(slot: number, bytes: Uint8Array): boolean;
  /** A scratch area for encoding without an intermediate buffer: write at `scratchOffset`, then appendScratch. */
  readonly scratch: Uint8Array;
  appendScratch(slot: number, length: number): boolean;
  /** One packet: its head, which lies in the scratch area, and a payload of any length. */
  appendPacket(slot: number, headBytes: number, payload: Uint8Array): boolean;
  /** Offset and length of each body, relative to the bytes that `putStored` is given: write them here first. */
  readonly storedPlaces: Uint32Array;
  /** Bodies of one `putStored`, with 8 bytes for each place. */
  readonly maxStoredBytes: number;
  /**
   * Deliveries of QoS 1 from bodies as Batch rows have them, with the packet identifiers from `firstId` on (1 follows 65,535),
   * which become the host's. Stops where the window, the bounds or the memory end, or at a body that is the host's to put
   * out; returns how many are out.
   */
  putStored(
    slot: number,
    bodies: Uint8Array,
    count: number,
    firstId: number,
    subscriptionIds: Uint8Array,
  ): number;
  /** Bytes waiting or being written. */
  heldBytes(slot: number): number;
  /** Slots with output and no write under way, each reported once; the returned view is valid until the next call of any method. */
  takeDirty(): Int32Array;
  /**
   * Views of what is to be written, marked as under way; empty when there is nothing (or a write is under way). Call
   * `complete` exactly once when that write has ended. undefined = memory ran out inside a packet: close the connection.
   */
  collect(slot: number): Buffer[] | undefined;
  /** The write has ended; its blocks are free. Returns true when more output is waiting (the slot is then listed as dirty again). */
  complete(slot: number): boolean;

  // Packet identifiers and windows of connected clients.
  /** Next free packet identifier, counted against the send window; 0 when the window is full (a Window row will follow). `host` marks it for Ack rows. */
  takePacketId(slot: number, qos: 1 | 2, host: boolean): number;
  /** After a resumed session: this identifier is in flight again ('released' = PUBREL sent, waiting for PUBCOMP). */
  restorePacketId(slot: number, packetId: number, state: 'qos1' | 'qos2' | 'released', host: boolean): void;
  /** An acknowledgement the host decoded itself (it had properties): same effect and return as if scanned; true = it was for a host identifier (as an Ack row). */
  settle(slot: number, type: 4 | 5 | 7, packetId: number, reason: number): boolean;
  /** Frees an identifier without any acknowledgement (an oversized or cancelled delivery). */
  releasePacketId(slot: number, packetId: number): void;
  inFlight(slot: number): number;
  /** Incoming QoS 2 identifiers received and not released. */
  exportReceived(slot: number): Uint16Array;
  hasReceived(slot: number, packetId: number): boolean;
  receivedCount(slot: number): number;
  importReceived(slot: number, packetIds: Uint16Array): void;
  /** Records or forgets one (a refused QoS 2 publish is forgotten). `recordReceived` returns false when it was there already. */
  recordReceived(slot: number, packetId: number): boolean;
  forgetReceived(slot: number, packetId: number): boolean;
  /** PUBACK or PUBREC (and others) without properties, for `count` identifiers in a row: in receipt order with those the data plane writes itself. */
  acknowledge(slot: number, type: 4 | 5 | 6 | 7, packetId: number, reason: number, count?: number): void;
  /** While on, QoS 1 and 2 deliveries of flows to this slot come as Overflow rows. */
  setHostMode(slot: number, on: boolean): void;
  /** While on, acknowledgements of QoS 1 and 2 messages from this slot are all the host's, flows without a host part included. */
  setOwes(slot: number, on: boolean): void;

  // Flows.
  /** Makes a group; free it with releaseGroup. Equal groups without topic alias should be shared by the caller. 0 = no room. */
  createGroup(group: Group): number;
  releaseGroup(group: number): void;
  /**
   * Installs or replaces the flow of (classId, topic). The first `prefixBytes` of the topic are the broker's: publishers of the
   * class do not write them, members of the groups do not see them, and bodies of Batch rows have them. `hostPart`: each message of it also gives a HostPart row, and QoS 1 and 2 are
   * acknowledged by the host; with `isBatched` messages of QoS 1 come in Batch rows where they can. Returns the flow id, a small integer; -1 = no room. A record that this takes from another
   * flow, or from an older version of this one, is told by `onEvict` before it is overwritten.
   * A flow is stale, and its next message a Publish row (with Admit), after any `invalidateFilter` that matches its topic.
   */
  installFlow(
    classId: number,
    topic: Uint8Array,
    groups: readonly number[],
    hostPart: boolean,
    isBatched?: boolean,
    prefixBytes?: number,
  ): number;
  /** The caller is told which flow id is being overwritten or dropped so that it can release the groups of it. */
  onEvict: (flowId: number) => void;
  /** A subscription to this filter (without $share prefix) came, changed or went. */
  invalidateFilter(filter: Uint8Array): void;
  invalidateAll(): void;

  /** Stamp for "last seen": set it at every tick; each complete packet stamps its slot. */
  setTick(tick: number): void;
  lastSeen(slot: number): number;
  /** Totals since start. */
  counters(): DataPlaneCounters;
}

export interface DataPlaneCounters {
  /** By QoS, as published to us; duplicates of QoS 2 included. */
  readonly publishReceived: readonly [number, number, number];
  /** By QoS, as put out by flows. What the host encodes itself is counted by the host. */
  readonly publishSent: readonly [number, number, number];
  /** QoS 0 deliveries of flows to slots that hold too much output. */
  readonly droppedQueueFull: number;
  /** Deliveries of flows larger than the client's Maximum Packet Size. */
  readonly droppedTooLarge: number;
  readonly droppedNoMemory: number;
  readonly packetsReceived: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly flowHits: number;
  readonly flowMisses: number;
  readonly flows: number;
  readonly groups: number;
  readonly blocksTotal: number;
  readonly blocksFree: number;
  readonly slabBytesUsed: number;
  /** Acknowledgements and PINGRESP, those that the host asked for included. */
  readonly answersSent: number;
}
