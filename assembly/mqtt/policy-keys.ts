// Names of user properties that ask something of the broker (delay, deduplication): messages that carry one are the
// host's. A list of at most POLICY_KEYS_BYTES: for each name its length as u16 and its bytes.

export const POLICY_KEYS_BYTES: i32 = 520;
const keys: usize = memory.data(POLICY_KEYS_BYTES);
let keysEnd: usize = keys;

export function setPolicyKeys(from: usize, length: i32): void {
  assert(length <= POLICY_KEYS_BYTES);
  memory.copy(keys, from, length);
  keysEnd = keys + length;
}

export function isPolicyKey(name: usize, length: i32): bool {
  for (let p = keys; p < keysEnd; p += 2 + <usize>load<u16>(p)) {
    if (<i32>load<u16>(p) == length && memory.compare(p + 2, name, length) == 0) return true;
  }
  return false;
}
