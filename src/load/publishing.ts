/**
 * What publishers send and when: a closed loop (as much as may be on its way), or a rate. Under a rate each message carries
 * the time at which it was due, so that a broker which makes the generator wait shows it as latency, and none that was due
 * is left out (no coordinated omission).
 */
import {
  encodePublishBlock,
  nextPacketId,
  type ProtocolVersion,
  type PublishBlock,
  patchPacketIds,
  type Qos,
} from './codec.ts';
import { type Connection, isFlushed } from './connection.ts';
import type { Tally } from './tally.ts';

export interface PublishingOptions {
  readonly publishers: number;
  readonly version: ProtocolVersion;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly payloadBytes: number;
  topicOf(publisher: number): string;
  /** Deliveries, to this process, of one message of a publisher. */
  fanOf(publisher: number): number;
  /** Deliveries on their way at most, over all connections: what closes the loop. */
  readonly window: number;
  /** Unacknowledged messages per publisher, for QoS 1 and 2. */
  readonly inFlight: number;
  /** Messages per second over all publishers; 0 is as fast as the loop allows. */
  readonly rate: number;
  /** With a rate: how often what is due is sent; 0 sends each message when it is due. */
  readonly tickMicros: number;
  /** Messages altogether. */
  readonly limit: number;
  /** Without a rate: one message of each write is stamped. */
  readonly isSampled: boolean;
  /** What stamps are made of. */
  now(): number;
}

export interface Publishing {
  /** A place is empty until its connection is made. */
  readonly publishers: readonly (Connection | undefined)[];
  sent(): number;
  /** Deliveries of what was sent. */
  expected(): number;
  /** Adds one that is connected. */
  add(connection: Connection): void;
  /** The first message is due now. */
  start(): void;
  /** Sends what may be sent; says after how many milliseconds there will be more, or undefined where progress has to come first. */
  step(): number | undefined;
  /** The first `count` packets of the connection's block. */
  send(connection: Connection, count: number): void;
  /** With a rate: messages that were due at the last step and are not sent. */
  behind(): number;
}

const BLOCK_BYTES = 64 * 1024;
const ALL_BLOCKS_BYTES = 64 * 1024 * 1024;

/** The packets of one publisher. */
export function blockOf(options: PublishingOptions, index: number, inFlight: number): PublishBlock {
  const { version, qos, retain, payloadBytes, rate, publishers } = options;
  const stamps: 'all' | 'first' | 'none' = rate > 0 ? 'all' : options.isSampled ? 'first' : 'none';
  const template = { topic: options.topicOf(index), version, qos, retain, payloadBytes, stamps };
  const { stride } = encodePublishBlock(template, 1);
  const fits = Math.floor(Math.min(BLOCK_BYTES, ALL_BLOCKS_BYTES / Math.max(1, publishers)) / stride);
  // A quarter of the window at most, or generator and broker would wait for each other in turn.
  const quarter = options.window / Math.max(1, options.fanOf(index)) / Math.max(4, publishers);
  let count = rate > 0 ? fits : Math.min(fits, Math.floor(quarter));
  if (qos > 0) count = Math.min(count, inFlight);
  return encodePublishBlock(template, Math.max(1, count));
}

export function createPublishing(options: PublishingOptions, tally: Tally): Publishing {
  const { qos, rate, window, limit, now } = options;
  const publishers: (Connection | undefined)[] = Array.from({ length: options.publishers });
  /** Of each publisher: what the broker takes may be less than what was asked for. */
  const inFlight = new Int32Array(options.publishers).fill(options.inFlight);
  const fans = Float64Array.from({ length: options.publishers }, (_, index) => options.fanOf(index));
  const intervalMs = 1000 / rate;
  let sent = 0;
  let expected = 0;
  let startedMs = 0;
  let nextTickMs = 0;
  let lastTickMs = 0;
  let cursor = 0;

  /** The only place that says so: a sum taken another way differs in its last bit, and counts a message as late that is not due. */
  const dueMsOf = (publisher: number, message: number): number =>
    startedMs + (publisher + message * publishers.length) * intervalMs;

  /** Messages of a publisher due at the last step. */
  const dueCount = (publisher: number): number => {
    let count = Math.max(
      0,
      Math.ceil(((lastTickMs - startedMs) / intervalMs - publisher) / publishers.length),
    );
    while (dueMsOf(publisher, count) <= lastTickMs) count++;
    while (count > 0 && dueMsOf(publisher, count - 1) > lastTickMs) count--;
    return count;
  };

  const send = (connection: Connection, count: number): void => {
    const { block } = connection;
    if (block === undefined) return;
    if (qos > 0) {
      connection.packetId = patchPacketIds(block, count, connection.packetId);
      connection.inFlight += count;
    }
    const length = count * block.stride;
    connection.writer?.write(length === block.bytes.length ? block.bytes : block.bytes.subarray(0, length));
    connection.sent += count;
    sent += count;
    expected += count * (fans[connection.index] ?? 0);
  };

  /** Stamps the first packet, and its round trip; those behind it in the block are not measured. */
  const stampFirst = (connection: Connection, block: PublishBlock, count: number): void => {
    const nowMs = now();
    block.view.setFloat64(block.timeOffset, nowMs);
    const { sentAtMs } = connection;
    if (sentAtMs === undefined) return;
    let packetId = connection.packetId;
    for (let i = 0; i < count; i++) {
      packetId = nextPacketId(packetId);
      sentAtMs[packetId & (sentAtMs.length - 1)] = i === 0 ? nowMs : Number.NaN;
    }
  };

  const stepClosed = (): number | undefined => {
    let mayGoOn = false;
    for (let tried = 0; tried < publishers.length && sent < limit; tried++) {
      const connection = publishers[cursor];
      cursor = cursor + 1 === publishers.length ? 0 : cursor + 1;
      if (connection?.block === undefined || !isFlushed(connection)) continue;
      const { block } = connection;
      const fan = fans[connection.index] ?? 0;
      const room = fan === 0 ? window : Math.floor((window - (expected - tally.received)) / fan);
      if (room < 1) break;
      const allowed = qos > 0 ? (inFlight[connection.index] ?? 0) - connection.inFlight : block.count;
      const count = Math.min(block.count, allowed, limit - sent);
      // Half a block at least, for acknowledgements arrive in small groups and a write costs the same.
      if (count <= 0 || count > room || (count * 2 < block.count && count < limit - sent)) continue;
      if (options.isSampled) stampFirst(connection, block, count);
      send(connection, count);
      // Nothing comes back that would say when to go on.
      if (fan === 0 && qos === 0 && isFlushed(connection)) mayGoOn = true;
    }
    return mayGoOn ? 0 : undefined;
  };

  const stepRate = (): number | undefined => {
    const nowMs = now();
    if (nowMs < nextTickMs) return nextTickMs - nowMs;
    lastTickMs = nowMs;
    nextTickMs = nowMs + options.tickMicros / 1000;
    let nextDueMs = Number.POSITIVE_INFINITY;
    for (const connection of publishers) {
      if (connection?.block === undefined || !isFlushed(connection)) continue;
      const { block, sentAtMs } = connection;
      const allowed = qos > 0 ? (inFlight[connection.index] ?? 0) - connection.inFlight : block.count;
      const most = Math.min(block.count, allowed, limit - sent);
      let count = 0;
      let dueMs = dueMsOf(connection.index, connection.sent);
      let packetId = connection.packetId;
      while (count < most && dueMs <= nowMs) {
        block.view.setFloat64(count * block.stride + block.timeOffset, dueMs);
        if (sentAtMs !== undefined) {
          packetId = nextPacketId(packetId);
          sentAtMs[packetId & (sentAtMs.length - 1)] = dueMs;
        }
        count++;
        dueMs = dueMsOf(connection.index, connection.sent + count);
      }
      if (count > 0) send(connection, count);
      if (dueMs < nextDueMs) nextDueMs = dueMs;
    }
    if (sent >= limit || nextDueMs === Number.POSITIVE_INFINITY) return undefined;
    return Math.max(0, Math.max(nextDueMs, nextTickMs) - nowMs);
  };

  return {
    publishers,
    sent: () => sent,
    expected: () => expected,
    add(connection) {
      const most = Math.min(options.inFlight, connection.connack?.receiveMaximum ?? options.inFlight);
      inFlight[connection.index] = most;
      connection.block = blockOf(options, connection.index, most);
      publishers[connection.index] = connection;
    },
    start() {
      startedMs = now();
    },
    step: rate > 0 ? stepRate : stepClosed,
    send,
    behind() {
      if (rate === 0) return 0;
      let due = 0;
      for (let index = 0; index < publishers.length; index++) due += dueCount(index);
      return Math.max(0, Math.min(due, limit) - sent);
    },
  };
}

/** A power of two above what a publisher may have unacknowledged. */
export function sentAtLength(inFlight: number): number {
  return 2 ** Math.min(16, Math.ceil(Math.log2(inFlight + 1)) + 1);
}
