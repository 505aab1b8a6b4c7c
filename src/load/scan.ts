/**
 * Walks received bytes frame by frame without making an object per packet: publishes are counted, their
 * acknowledgements gathered, the publisher's windows moved. What is rare (CONNACK, SUBACK, DISCONNECT) is handed
 * to `onControl`. A frame that is no MQTT ends the run with a reason; the caller keeps what is incomplete.
 */
import { record } from './histogram.ts';
import { MARK_HIGH, MARK_LOW, STAMP_BYTES } from './stamp.ts';
import { Observe, type Tally } from './tally.ts';

export const PacketType = {
  Connack: 2,
  Publish: 3,
  Puback: 4,
  Pubrec: 5,
  Pubrel: 6,
  Pubcomp: 7,
  Suback: 9,
  Unsuback: 11,
  Pingresp: 13,
  Disconnect: 14,
} as const;

/** The part of a connection that scanning changes. */
export interface ScanState {
  inFlight: number;
  /**
   * When messages were meant to be sent, where round trips are measured: by packet identifier modulo its length, a power of two
   * above what may be unacknowledged, since acknowledgements come in the order of their messages. NaN is not measured.
   */
  readonly sentAtMs: Float64Array | undefined;
  onControl(type: number, frame: Uint8Array): void;
}

export interface Scanned {
  /** Where the first incomplete frame starts. */
  consumed: number;
  failure: string | undefined;
}

function appendAck(tally: Tally, firstByte: number, idHigh: number, idLow: number): void {
  const { acks, ackBytes } = tally;
  acks[ackBytes] = firstByte;
  acks[ackBytes + 1] = 2;
  acks[ackBytes + 2] = idHigh;
  acks[ackBytes + 3] = idLow;
  tally.ackBytes = ackBytes + 4;
}

function settle(bytes: Uint8Array, body: number, state: ScanState, tally: Tally, nowMs: number): void {
  state.inFlight--;
  tally.acknowledged++;
  if (state.sentAtMs === undefined) return;
  const id = ((bytes[body] ?? 0) << 8) | (bytes[body + 1] ?? 0);
  const intended = state.sentAtMs[id & (state.sentAtMs.length - 1)] ?? 0;
  if (intended >= tally.measureFromMs) record(tally.roundTrip, nowMs - intended);
}

/**
 * Precondition: `tally.acks` has room for four bytes per frame, which holds when it is as long as the window
 * (no frame that needs an answer is shorter than its answer). `view` covers the same memory as `bytes`.
 */
export function scan(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  state: ScanState,
  tally: Tally,
  nowMs: number,
  result: Scanned,
): void {
  const { observe, payloadBytes, measureFromMs } = tally;
  let at = start;
  let received = 0;
  result.failure = undefined;
  while (end - at >= 2) {
    const first = bytes[at] ?? 0;
    let body = at + 1;
    let length = bytes[body++] ?? 0;
    if (length >= 0x80) {
      length &= 0x7f;
      let shift = 7;
      let more = true;
      while (more && body < end && shift < 28) {
        const next = bytes[body++] ?? 0;
        length |= (next & 0x7f) << shift;
        more = next >= 0x80;
        shift += 7;
      }
      if (more) {
        if (shift >= 28) result.failure = 'a remaining length of more than four bytes';
        break;
      }
    }
    const next = body + length;
    if (next > end) break;
    const type = first >> 4;
    if (type === PacketType.Publish) {
      received++;
      const qos = (first >> 1) & 3;
      if (qos > 0) {
        const id = body + 2 + (((bytes[body] ?? 0) << 8) | (bytes[body + 1] ?? 0));
        appendAck(tally, qos === 1 ? 0x40 : 0x50, bytes[id] ?? 0, bytes[id + 1] ?? 0);
      }
      if (observe === Observe.Stamp) {
        // Not before the body: the shortest PUBLISH is shorter than a stamp.
        const stamp = next - STAMP_BYTES;
        if (stamp > body && view.getUint32(stamp) === MARK_HIGH && view.getUint32(stamp + 4) === MARK_LOW) {
          const intended = view.getFloat64(next - 8);
          if (intended >= measureFromMs) record(tally.delivery, nowMs - intended);
        }
      } else if (observe === Observe.Sender && tally.senderCount < tally.senders.length) {
        tally.senders[tally.senderCount++] = view.getUint32(next - payloadBytes);
      }
    } else if (type === PacketType.Puback || type === PacketType.Pubcomp) {
      if (length > 2 && (bytes[body + 2] ?? 0) >= 0x80) tally.refused++;
      settle(bytes, body, state, tally, nowMs);
    } else if (type === PacketType.Pubrec) {
      if (length > 2 && (bytes[body + 2] ?? 0) >= 0x80) {
        tally.refused++;
        settle(bytes, body, state, tally, nowMs);
      } else {
        appendAck(tally, 0x62, bytes[body] ?? 0, bytes[body + 1] ?? 0);
      }
    } else if (type === PacketType.Pubrel) {
      appendAck(tally, 0x70, bytes[body] ?? 0, bytes[body + 1] ?? 0);
    } else if (type !== PacketType.Pingresp) {
      state.onControl(type, bytes.subarray(body, next));
    }
    at = next;
  }
  tally.received += received;
  tally.receivedBytes += at - start;
  result.consumed = at;
}
