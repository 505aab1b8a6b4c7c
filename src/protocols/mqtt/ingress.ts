/**
 * Input of one connection: into the data plane, then through the rows it leaves. Packets that come in pieces are kept
 * until they are whole, in a buffer that grows with what has arrived, never by what a length field claims.
 */
import { IngestStatus, ROW_FIELDS, Row, RowField } from '../../wasm/data-plane.ts';
import { acknowledged } from './acks.ts';
import { ReasonCode } from './codec/reason-codes.ts';
import type { Connection, Partial } from './connection.ts';
import { type Mqtt, startTimer, TimerKind } from './context.ts';
import { controlPacket } from './control.ts';
import { closeConnection } from './disconnect.ts';
import { batchRow, hostPartRow, overflowRow, publishRow, releaseRow } from './publish.ts';
import { pump } from './pump.ts';
import { accountStranger } from './strangers.ts';

/** `length` bytes are at the start of the read window. */
export function readInput(mqtt: Mqtt, connection: Connection, length: number): void {
  if (connection.isGone) return;
  const { readOffset } = mqtt.dataPlane;
  if (connection.isStalled) {
    keepForLater(mqtt, connection, readOffset, length);
    return;
  }
  const { partial } = connection;
  if (partial === undefined) process(mqtt, connection, readOffset, length, 0);
  else complete(mqtt, connection, partial, length);
}

/** Input that was kept while a decision was pending. */
export function continueInput(mqtt: Mqtt, connection: Connection): void {
  const kept = connection.stalled;
  connection.stalled = undefined;
  accountStranger(mqtt, connection);
  if (kept === undefined) return;
  const { memory, readOffset, readWindow } = mqtt.dataPlane;
  // It ends with the window and begins where it must, at most in the room for carried bytes.
  const offset = readOffset + readWindow.length - kept.length;
  memory.set(kept, offset);
  process(mqtt, connection, offset, kept.length, 0);
}

function keepForLater(mqtt: Mqtt, connection: Connection, offset: number, length: number): void {
  if (length === 0) return;
  const { memory, readWindow, carryBytes } = mqtt.dataPlane;
  const before = connection.stalled?.length ?? 0;
  if (before + length > readWindow.length + carryBytes) {
    closeConnection(mqtt, connection, { reasonCode: ReasonCode.QuotaExceeded });
    return;
  }
  const kept = new Uint8Array(before + length);
  if (connection.stalled !== undefined) kept.set(connection.stalled);
  kept.set(memory.subarray(offset, offset + length), before);
  connection.stalled = kept;
  bound(mqtt, connection);
}

/** The next piece of a packet that began earlier. */
function complete(mqtt: Mqtt, connection: Connection, partial: Partial, length: number): void {
  const { memory, readOffset, carryBytes } = mqtt.dataPlane;
  const missing = partial.needBytes - partial.filled;
  if (missing > length) {
    extend(partial, memory.subarray(readOffset, readOffset + length));
    bound(mqtt, connection);
    return;
  }
  connection.partial = undefined;
  accountStranger(mqtt, connection);
  if (partial.filled <= carryBytes) {
    const offset = readOffset - partial.filled;
    memory.set(partial.bytes.subarray(0, partial.filled), offset);
    process(mqtt, connection, offset, partial.filled + length, partial.sinceMs);
    return;
  }
  extend(partial, memory.subarray(readOffset, readOffset + missing));
  connection.assembledTick = mqtt.tick();
  mqtt.counters.assembledPackets++;
  mqtt.counters.assembledBytes += partial.needBytes;
  // The rest must survive what handling the packet does to the window: nothing, but for a pending decision.
  controlPacket(mqtt, connection, partial.bytes.subarray(0, partial.needBytes));
  const rest = length - missing;
  if (connection.isGone || rest === 0) return;
  if (connection.isStalled) keepForLater(mqtt, connection, readOffset + missing, rest);
  else process(mqtt, connection, readOffset + missing, rest, 0);
}

function extend(partial: Partial, piece: Uint8Array): void {
  const filled = partial.filled + piece.length;
  if (filled > partial.bytes.length) {
    const grown = new Uint8Array(Math.min(partial.needBytes, Math.max(filled, partial.bytes.length * 2)));
    grown.set(partial.bytes.subarray(0, partial.filled));
    partial.bytes = grown;
  }
  partial.bytes.set(piece, partial.filled);
  partial.filled = filled;
}

/** `sinceMs`: when the packet at the start began to arrive, 0 = now. */
function process(mqtt: Mqtt, connection: Connection, offset: number, length: number, sinceMs: number): void {
  const { dataPlane } = mqtt;
  const { result } = dataPlane;
  const end = offset + length;
  let at = offset;
  /** The frame a flow was installed for last: it is not admitted twice. */
  let admitted = -1;
  for (;;) {
    const rows = dataPlane.ingest(connection.slot, at, end - at);
    const { consumed, status, reason, needBytes } = result;
    const again = walk(mqtt, connection, rows, admitted);
    if (connection.isGone) return;
    if (again >= 0) {
      admitted = at = again;
      continue;
    }
    at += consumed;
    if (status === IngestStatus.Violation) {
      violation(mqtt, connection, reason);
      return;
    }
    if (connection.isStalled) {
      keepForLater(mqtt, connection, at, end - at);
      return;
    }
    if (status === IngestStatus.NeedMore) {
      if (at < end) keepPartial(mqtt, connection, at, end, needBytes, at === offset ? sinceMs : 0);
      return;
    }
    if (at === end) return;
    if (consumed === 0 && rows === 0) throw new Error('the data plane makes no progress');
  }
}

/** Returns where to scan again, -1 = behind what was consumed. */
function walk(mqtt: Mqtt, connection: Connection, count: number, admitted: number): number {
  const { rows, memory } = mqtt.dataPlane;
  for (let row = 0; row < count; row++) {
    const at = row * ROW_FIELDS;
    const frame = rows[at + RowField.Frame] as number;
    const frameLength = rows[at + RowField.FrameLength] as number;
    switch (rows[at + RowField.Kind]) {
      case Row.Publish:
        if (publishRow(mqtt, connection, row, frame !== admitted)) return frame;
        break;
      case Row.Control:
        controlPacket(mqtt, connection, memory.subarray(frame, frame + frameLength));
        break;
      case Row.HostPart:
        hostPartRow(mqtt, connection, row);
        break;
      case Row.Batch:
        batchRow(mqtt, connection, row);
        break;
      case Row.Overflow:
        overflowRow(mqtt, connection, row);
        break;
      case Row.Ack: {
        const packetId = rows[at + RowField.PacketId] as number;
        if (connection.session !== undefined) {
          const times = rows[at + RowField.Count] as number;
          acknowledged(mqtt, connection.session, frame, packetId, frameLength, times);
        }
        break;
      }
      case Row.Release:
        releaseRow(mqtt, connection, rows[at + RowField.PacketId] as number, frameLength);
        break;
      case Row.Window:
        if (connection.session !== undefined) pump(mqtt, connection.session);
    }
  }
  return -1;
}

function violation(mqtt: Mqtt, connection: Connection, reasonCode: number): void {
  mqtt.counters.protocolViolations++;
  // Before CONNECT is through there is no version to answer in.
  closeConnection(mqtt, connection, { reasonCode, silent: !connection.isOpen });
}

function keepPartial(
  mqtt: Mqtt,
  connection: Connection,
  from: number,
  end: number,
  needBytes: number,
  sinceMs: number,
): void {
  const bytes = new Uint8Array(mqtt.dataPlane.memory.subarray(from, end));
  const startedMs = sinceMs > 0 ? sinceMs : mqtt.clock.monotonicMs();
  connection.partial = { bytes, filled: bytes.length, needBytes, sinceMs: startedMs };
  const { writeTimeoutMs } = mqtt.config.limits;
  if (connection.partialTimer === 0 && writeTimeoutMs > 0) {
    connection.partialTimer = startTimer(mqtt, writeTimeoutMs, TimerKind.PartialPacket, connection.slot);
  }
  bound(mqtt, connection);
}

/** Who has not been let in and finds no more room for strangers is closed. */
function bound(mqtt: Mqtt, connection: Connection): void {
  if (accountStranger(mqtt, connection) || connection.isOpen) return;
  const message = 'no room for more input of those who have not been let in';
  closeConnection(mqtt, connection, { reasonCode: ReasonCode.QuotaExceeded, message });
}
