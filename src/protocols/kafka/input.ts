import type { RequestMemory } from './request-memory.ts';

/**
 * Cuts what a connection sends into frames. The read window is everybody's, so bytes are copied once, into memory that is
 * the request's own from then on. A length is not believed before its bytes come: memory grows with what has arrived, to
 * eight times as much at most.
 */
const LENGTH_BYTES = 4;
/** Below, a frame gets its room at once. */
const SMALL_BYTES = 4096;
const GROWTH = 8;

export interface FrameInput {
  /** Takes the bytes; false when a length is not acceptable, which `refusedLength` then has. */
  push(bytes: Uint8Array, onFrame: (frame: Buffer) => void): boolean;
  readonly refusedLength: number;
  /** Memory of the frame that is not complete. */
  readonly heldBytes: number;
  drop(): void;
}

export function createFrameInput(
  minBytes: number,
  maxBytes: () => number,
  memory: RequestMemory,
): FrameInput {
  const length = new Uint8Array(LENGTH_BYTES);
  const lengthView = new DataView(length.buffer);
  let lengthFilled = 0;
  let frame: Buffer | undefined;
  let filled = 0;
  let need = 0;
  let refusedLength = 0;

  const makeRoom = (more: number): Buffer => {
    const arrived = filled + more;
    if (frame !== undefined && frame.length >= arrived) return frame;
    const room = Math.min(need, Math.max(SMALL_BYTES, arrived * GROWTH));
    const larger = memory.find(need) ?? memory.take(room);
    if (frame !== undefined) {
      frame.copy(larger, 0, 0, filled);
      memory.give(frame);
    }
    frame = larger;
    return larger;
  };

  /** The frame that has begun; gives how much of the bytes is its. */
  const fill = (bytes: Uint8Array, from: number, onFrame: (frame: Buffer) => void): number => {
    const take = Math.min(need - filled, bytes.length - from);
    const room = makeRoom(take);
    room.set(bytes.subarray(from, from + take), filled);
    filled += take;
    if (filled === need) {
      frame = undefined;
      filled = 0;
      need = 0;
      onFrame(room);
    }
    return take;
  };

  return {
    push(bytes, onFrame) {
      let at = 0;
      while (at < bytes.length) {
        if (need > 0) {
          at += fill(bytes, at, onFrame);
          continue;
        }
        length[lengthFilled++] = bytes[at++] as number;
        if (lengthFilled < LENGTH_BYTES) continue;
        lengthFilled = 0;
        const size = lengthView.getInt32(0);
        if (size < minBytes || size > maxBytes()) {
          refusedLength = size;
          return false;
        }
        need = size;
        if (bytes.length - at >= size) {
          // The usual case: it is all here.
          const whole = memory.take(size);
          whole.set(bytes.subarray(at, at + size));
          at += size;
          need = 0;
          onFrame(whole);
        }
      }
      return true;
    },
    get refusedLength() {
      return refusedLength;
    },
    get heldBytes() {
      return frame?.length ?? 0;
    },
    drop() {
      frame = undefined;
    },
  };
}

/** Who speaks another protocol to this port is told in the log which one it seems to be. */
export function foreignProtocol(length: number): string | undefined {
  const start = Buffer.alloc(LENGTH_BYTES);
  start.writeInt32BE(length);
  if (start[0] === 0x16 && start[1] === 3)
    return 'TLS: this port takes plain connections (listeners.kafkas is for TLS)';
  if (/^(?:GET |POST|PUT |HEAD|DELE|OPTI|PATC|CONN|HTTP)$/.test(start.toString('latin1'))) return 'HTTP';
  if (start[0] === 0x10) return 'MQTT';
  return undefined;
}
