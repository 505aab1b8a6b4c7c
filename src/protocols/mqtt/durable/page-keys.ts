/** Keys of the pages of the sessions table: a kind and a number. */
export const KIND_META = 0;
export const KIND_SETS = 1;
/** Sessions whose serial numbers follow each other. 2 was a session alone. */
export const KIND_SESSIONS = 3;

/** A start pays for each page, and most sessions are small; what has changed is written with its neighbours. */
const GROUP_SESSIONS = 8;

export const groupOf = (serial: number): number => Math.floor(serial / GROUP_SESSIONS);

export function* serialsOf(group: number): Generator<number> {
  for (let i = 0; i < GROUP_SESSIONS; i++) yield group * GROUP_SESSIONS + i;
}

export function keyOf(kind: number, number: number): Uint8Array {
  const key = Buffer.alloc(7);
  key[0] = kind;
  key.writeUIntBE(number, 1, 6);
  return key;
}

export function numberOf(key: Uint8Array): number {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).readUIntBE(1, 6);
}
