/** Keys of the pages of the sessions table: a kind and a number. */
export const KIND_META = 0;
export const KIND_SETS = 1;
export const KIND_SESSION = 2;

export function keyOf(kind: number, number: number): Uint8Array {
  const key = Buffer.alloc(7);
  key[0] = kind;
  key.writeUIntBE(number, 1, 6);
  return key;
}

export function numberOf(key: Uint8Array): number {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).readUIntBE(1, 6);
}
