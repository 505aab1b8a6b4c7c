/** What a CONNACK says that a load generator has to obey. */

export interface Connack {
  readonly code: number;
  /** Unacknowledged messages that the broker takes. */
  readonly receiveMaximum: number;
  /** undefined: the broker is content with what was asked for. */
  readonly keepAliveSeconds: number | undefined;
}

const RECEIVE_MAXIMUM = 0x21;
const SERVER_KEEP_ALIVE = 0x13;
const DEFAULT_RECEIVE_MAXIMUM = 65_535;

/** Bytes of properties whose length does not depend on their value; others begin with their length. */
const FIXED_BYTES: ReadonlyMap<number, number> = new Map([
  [0x11, 4],
  [SERVER_KEEP_ALIVE, 2],
  [RECEIVE_MAXIMUM, 2],
  [0x22, 2],
  [0x24, 1],
  [0x25, 1],
  [0x27, 4],
  [0x28, 1],
  [0x29, 1],
  [0x2a, 1],
]);
const USER_PROPERTY = 0x26;

/** `frame` is what follows the fixed header. Properties that are not as they should be end the reading of them. */
export function readConnack(frame: Uint8Array): Connack {
  const u16 = (offset: number): number => ((frame[offset] ?? 0) << 8) | (frame[offset + 1] ?? 0);
  let receiveMaximum = DEFAULT_RECEIVE_MAXIMUM;
  let keepAliveSeconds: number | undefined;
  let at = 2;
  // The length of the properties: they end with the frame.
  while (at < frame.length && (frame[at] ?? 0) >= 0x80) at++;
  at++;
  while (at < frame.length) {
    const id = frame[at++] ?? 0;
    if (id === RECEIVE_MAXIMUM) receiveMaximum = Math.max(1, u16(at));
    if (id === SERVER_KEEP_ALIVE) keepAliveSeconds = u16(at);
    const fixed = FIXED_BYTES.get(id);
    if (fixed !== undefined) at += fixed;
    else {
      at += 2 + u16(at);
      if (id === USER_PROPERTY) at += 2 + u16(at);
    }
  }
  return { code: frame[1] ?? 0, receiveMaximum, keepAliveSeconds };
}
