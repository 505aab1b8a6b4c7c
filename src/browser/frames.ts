/**
 * Cuts a byte stream into MQTT packets. `scanFrames` is pure: bytes in, a table of offsets out, in the shape of
 * the broker's own scanner, which takes its place where WebAssembly can be had (wasm-scanner.ts); `createFramer` keeps
 * the start of a packet that a chunk cut off.
 */

/** A row is [packet, body, end]: offsets of the first byte, of the byte behind the fixed header, of the next packet. */
export const FRAME_ROW = 3;

export interface ScanResult {
  /** Rows written. */
  readonly frames: number;
  /** Bytes that belong to those frames. */
  readonly consumed: number;
  /** Length of the packet that starts at `consumed`, 0 when its header is not complete. */
  readonly needBytes: number;
  /** 0, or the MQTT 5 reason code that names what is wrong at `consumed`. */
  readonly reason: number;
}

export type ScanFrames = (bytes: Uint8Array, table: Int32Array, maxPacketBytes: number) => ScanResult;

export const MALFORMED_PACKET = 0x81;
export const PACKET_TOO_LARGE = 0x95;

export const scanFrames: ScanFrames = (bytes, table, maxPacketBytes) => {
  const rows = Math.floor(table.length / FRAME_ROW);
  let frames = 0;
  let at = 0;
  let needBytes = 0;
  let reason = 0;
  while (frames < rows && at < bytes.length) {
    let length = 0;
    let body = at + 1;
    let complete = false;
    for (let shift = 0; shift <= 21 && body < bytes.length; shift += 7) {
      const byte = bytes[body++] as number;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        complete = true;
        // The shortest encoding is the only valid one.
        if (byte === 0 && shift > 0) reason = MALFORMED_PACKET;
        break;
      }
    }
    if (!complete) {
      if (body - at > 4) reason = MALFORMED_PACKET;
      break;
    }
    const end = body + length;
    if (reason === 0 && end - at > maxPacketBytes) reason = PACKET_TOO_LARGE;
    if (reason !== 0) break;
    if (end > bytes.length) {
      needBytes = end - at;
      break;
    }
    table[frames * FRAME_ROW] = at;
    table[frames * FRAME_ROW + 1] = body;
    table[frames * FRAME_ROW + 2] = end;
    frames++;
    at = end;
  }
  return { frames, consumed: at, needBytes, reason };
};

/** `bytes` is only valid during the call: copy what is kept. */
export type OnFrame = (bytes: Uint8Array, packet: number, body: number, end: number) => void;

export interface Framer {
  /** Calls `onFrame` for every packet that is complete now. Returns 0 or the reason code of a violation, after which the stream is lost. */
  frames(chunk: Uint8Array, onFrame: OnFrame): number;
}

const ROWS_PER_SCAN = 256;
const KEPT_WHEN_EMPTY = 65_536;

/** Holds at most one partial packet, so at most `maxPacketBytes`; memory follows what has arrived, not what a header claims. */
export function createFramer(maxPacketBytes: number, scan: ScanFrames = scanFrames): Framer {
  const table = new Int32Array(ROWS_PER_SCAN * FRAME_ROW);
  let kept = new Uint8Array(0);
  let keptBytes = 0;

  function keep(bytes: Uint8Array): void {
    if (keptBytes + bytes.length > kept.length) {
      const grown = new Uint8Array(Math.max(keptBytes + bytes.length, kept.length * 2, 256));
      grown.set(kept.subarray(0, keptBytes));
      kept = grown;
    }
    kept.set(bytes, keptBytes);
    keptBytes += bytes.length;
  }

  function frames(chunk: Uint8Array, onFrame: OnFrame): number {
    const carried = keptBytes > 0;
    if (carried) keep(chunk);
    const input = carried ? kept.subarray(0, keptBytes) : chunk;
    let done = 0;
    for (;;) {
      const rest = input.subarray(done);
      const { frames: count, consumed, reason } = scan(rest, table, maxPacketBytes);
      for (let row = 0; row < count * FRAME_ROW; row += FRAME_ROW) {
        onFrame(rest, table[row] as number, table[row + 1] as number, table[row + 2] as number);
      }
      if (reason !== 0) return reason;
      done += consumed;
      if (count < ROWS_PER_SCAN) break;
    }
    if (!carried) keep(input.subarray(done));
    else if (done > 0) {
      kept.copyWithin(0, done, keptBytes);
      keptBytes -= done;
    }
    if (keptBytes === 0 && kept.length > KEPT_WHEN_EMPTY) kept = new Uint8Array(0);
    return 0;
  }

  return { frames };
}
