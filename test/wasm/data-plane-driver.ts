/** Drives a data plane the way the front-end does, without sockets: bytes in, rows and written bytes out. */
import { createDataPlane } from '../../src/wasm/create-data-plane.ts';
import {
  type DataPlane,
  type DataPlaneOptions,
  type Established,
  IngestStatus,
  ROW_FIELDS,
  Row,
  RowField,
} from '../../src/wasm/data-plane.ts';

export interface RowView {
  kind: number;
  frame: Buffer;
  topic: string;
  payload: Buffer;
  packetId: number;
  extra: number;
  messageExpiry: number;
  topicAlias: number;
  properties: Buffer;
  /** Raw fields, for Ack rows. */
  a: number;
  b: number;
  /** Of Ack and Batch rows. */
  count: number;
  /** Of Batch rows, as the message store has them. */
  bodies: Buffer;
}

export function planeOf(options: Partial<DataPlaneOptions> = {}): DataPlane {
  return createDataPlane({
    maxConnections: 64,
    memoryBytes: 32 * 1024 * 1024,
    flowCacheEntries: 256,
    strictText: false,
    ...options,
  });
}

export const established: Established = {
  version: 4,
  classId: 0,
  fastIngress: true,
  sendWindow: 100,
  receiveMaximum: 100,
  maxPacketBytesOut: 0xffffffff,
  maxHeldBytes: 1 << 20,
  isDurable: false,
};

export function connect(plane: DataPlane, slot: number, how: Partial<Established> = {}): void {
  plane.open(slot, 1 << 20);
  plane.establish(slot, { ...established, ...how });
}

export interface Ingested {
  status: number;
  reason: number;
  consumed: number;
  needBytes: number;
  rows: RowView[];
}

/** One call of ingest. */
export function ingestOnce(plane: DataPlane, slot: number, bytes: Uint8Array): Ingested {
  plane.readWindow.set(bytes);
  const count = plane.ingest(slot, plane.readOffset, bytes.length);
  const rows: RowView[] = [];
  for (let i = 0; i < count; i++) rows.push(viewRow(plane, i));
  const { status, reason, consumed, needBytes } = plane.result;
  return { status, reason, consumed, needBytes, rows };
}

function viewRow(plane: DataPlane, index: number): RowView {
  const field = (f: number): number => plane.rows[index * ROW_FIELDS + f] as number;
  const memory = Buffer.from(plane.memory.buffer, plane.memory.byteOffset, plane.memory.length);
  const slice = (from: number, length: number): Buffer =>
    Buffer.from(memory.subarray(from, from + Math.max(0, length)));
  const kind = field(RowField.Kind);
  const isFrame = kind <= 4;
  const frame = isFrame ? slice(field(RowField.Frame), field(RowField.FrameLength)) : Buffer.alloc(0);
  const isMessage = kind >= 2 && kind <= 4;
  return {
    kind,
    frame,
    topic: isMessage ? slice(field(RowField.Topic), field(RowField.TopicLength)).toString() : '',
    payload: isMessage
      ? slice(
          field(RowField.Payload),
          field(RowField.Frame) + field(RowField.FrameLength) - field(RowField.Payload),
        )
      : Buffer.alloc(0),
    packetId: field(RowField.PacketId),
    extra: field(RowField.Extra),
    messageExpiry: isMessage ? field(RowField.MessageExpiry) : -1,
    topicAlias: isMessage ? field(RowField.TopicAlias) : 0,
    properties: isMessage
      ? slice(field(RowField.Properties), field(RowField.PropertiesLength))
      : Buffer.alloc(0),
    count: field(RowField.Count),
    bodies: kind === Row.Batch ? slice(field(RowField.Frame), field(RowField.FrameLength)) : Buffer.alloc(0),
    a: field(RowField.Frame),
    b: field(RowField.FrameLength),
  };
}

/** Feeds until all is consumed; `onRow` acts for the host. Stops at a violation. Returns what is left over. */
export function ingestAll(
  plane: DataPlane,
  slot: number,
  bytes: Uint8Array,
  onRow: (row: RowView) => void,
): Ingested {
  let rest = bytes;
  for (;;) {
    const step = ingestOnce(plane, slot, rest);
    for (const row of step.rows) onRow(row);
    if (step.status !== IngestStatus.Again) return step;
    rest = rest.subarray(step.consumed);
  }
}

/** Ends the turn: everything that is to be written, by slot, with each write completed at once. */
export function flush(plane: DataPlane): Map<number, Buffer> {
  const out = new Map<number, Buffer>();
  for (;;) {
    const dirty = Int32Array.from(plane.takeDirty());
    if (dirty.length === 0) return out;
    for (const slot of dirty) {
      const views = plane.collect(slot);
      if (views === undefined) throw new Error(`slot ${slot} is broken`);
      if (views.length === 0) continue;
      out.set(slot, Buffer.concat([out.get(slot) ?? Buffer.alloc(0), ...views]));
      plane.complete(slot);
    }
  }
}
